//! Where every simulated name server is: names to addresses, and back where that is a rule.
//!
//! Nothing is stored: an address follows from the name. Root servers have their real addresses;
//! Route 53's servers follow the pattern of the real ones (`ns-N` is 205.251.192.0 + N and
//! 2600:9000:5300::/40 with N in the next two octets); servers of TLDs and of external zones are
//! invented in ranges that nobody routes: 198.18.0.0/15 (RFC 2544) and 2001:db8::/32 (RFC 3849).

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use sha2::{Digest, Sha256};

use super::DnsName;

/// Letters and addresses of the root servers, <https://www.internic.net/domain/named.root> of 2024.
const ROOT: [(&str, [u8; 4], [u16; 8]); 13] = [
    (
        "a",
        [198, 41, 0, 4],
        [0x2001, 0x503, 0xba3e, 0, 0, 0, 2, 0x30],
    ),
    (
        "b",
        [170, 247, 170, 2],
        [0x2801, 0x1b8, 0x10, 0, 0, 0, 0, 0xb],
    ),
    ("c", [192, 33, 4, 12], [0x2001, 0x500, 2, 0, 0, 0, 0, 0xc]),
    (
        "d",
        [199, 7, 91, 13],
        [0x2001, 0x500, 0x2d, 0, 0, 0, 0, 0xd],
    ),
    (
        "e",
        [192, 203, 230, 10],
        [0x2001, 0x500, 0xa8, 0, 0, 0, 0, 0xe],
    ),
    (
        "f",
        [192, 5, 5, 241],
        [0x2001, 0x500, 0x2f, 0, 0, 0, 0, 0xf],
    ),
    (
        "g",
        [192, 112, 36, 4],
        [0x2001, 0x500, 0x12, 0, 0, 0, 0, 0xd0d],
    ),
    (
        "h",
        [198, 97, 190, 53],
        [0x2001, 0x500, 1, 0, 0, 0, 0, 0x53],
    ),
    (
        "i",
        [192, 36, 148, 17],
        [0x2001, 0x7fe, 0, 0, 0, 0, 0, 0x53],
    ),
    (
        "j",
        [192, 58, 128, 30],
        [0x2001, 0x503, 0xc27, 0, 0, 0, 2, 0x30],
    ),
    ("k", [193, 0, 14, 129], [0x2001, 0x7fd, 0, 0, 0, 0, 0, 1]),
    (
        "l",
        [199, 7, 83, 42],
        [0x2001, 0x500, 0x9f, 0, 0, 0, 0, 0x42],
    ),
    ("m", [202, 12, 27, 33], [0x2001, 0xdc3, 0, 0, 0, 0, 0, 0x35]),
];

/// How many name servers Route 53's pattern has: four stripes (com, net, org, co.uk) of 512.
pub const AWS_SERVERS: u16 = 2048;

/// The addresses of one server.
pub type Pair = (Ipv4Addr, Ipv6Addr);

/// Names of the root servers.
pub fn root_names() -> Vec<DnsName> {
    let zone = known("root-servers.net");
    ROOT.iter().map(|(letter, ..)| zone.child(letter)).collect()
}

/// IPv4 and IPv6 addresses of the root servers, for a resolver's hints.
pub fn root_addresses() -> Vec<IpAddr> {
    ROOT.iter()
        .flat_map(|(_, v4, v6)| [IpAddr::V4((*v4).into()), IpAddr::V6((*v6).into())])
        .collect()
}

/// Names of a TLD's two servers.
pub fn tld_names(tld: &DnsName) -> Vec<DnsName> {
    let nic = tld.child("nic");
    vec![nic.child("a"), nic.child("b")]
}

/// Names of an external zone's two servers.
pub fn external_names(zone: &DnsName) -> Vec<DnsName> {
    vec![zone.child("ns1"), zone.child("ns2")]
}

/// The name of Route 53's server number `number`, without the final dot, as the API shows it.
pub fn aws_name(number: u16) -> String {
    let stripe = usize::from(number / 512).min(3);
    let suffix = ["com", "net", "org", "co.uk"][stripe];
    format!("ns-{number}.awsdns-{:02}.{suffix}", number % 512 / 8)
}

/// The number of Route 53's server at an address.
pub fn aws_number(address: IpAddr) -> Option<u16> {
    let number = match address {
        IpAddr::V4(v4) => match v4.octets() {
            [205, 251, high @ 192..=199, low] => u16::from_be_bytes([high - 192, low]),
            _ => return None,
        },
        IpAddr::V6(v6) => match v6.octets() {
            [
                0x26,
                0,
                0x90,
                0,
                0x53,
                high @ 0..=7,
                low,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                0,
                1,
            ] => u16::from_be_bytes([high, low]),
            _ => return None,
        },
    };
    Some(number)
}

/// Whether a root server is there.
pub fn is_root(address: IpAddr) -> bool {
    root_addresses().contains(&address)
}

/// The addresses of a name server of this world; none for a name that is no such server.
///
/// `ns1.ZONE` and `ns2.ZONE` have an address for any zone, whether that zone is external or not:
/// who may answer there is decided by what is delegated.
pub fn of(server: &DnsName) -> Option<Pair> {
    if let Some(number) = aws_number_of(server) {
        let [high, low] = number.to_be_bytes();
        let v6 = [0x26, 0, 0x90, 0, 0x53, high, low, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        return Some((Ipv4Addr::new(205, 251, 192 + high, low), v6.into()));
    }
    let zone = server.parent()?;
    let label = server.first_label()?;
    if zone == known("root-servers.net") {
        let (_, v4, v6) = ROOT.iter().find(|(letter, ..)| *letter == label)?;
        return Some(((*v4).into(), (*v6).into()));
    }
    let third = match label {
        "a" | "b" if zone.depth() == 2 && zone.first_label() == Some("nic") => 18,
        "ns1" | "ns2" => 19,
        _ => return None,
    };
    let hash = Sha256::digest(server.text().as_bytes());
    let mut v6 = [
        0x20, 0x01, 0x0d, 0xb8, 0, third, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    ];
    v6[8..].copy_from_slice(&hash[8..16]);
    Some((Ipv4Addr::new(198, third, hash[0], hash[1]), v6.into()))
}

/// Whether one of `servers` is at `address`.
pub fn any_at(servers: &[DnsName], address: IpAddr) -> bool {
    servers
        .iter()
        .filter_map(of)
        .any(|(v4, v6)| v4 == address || v6 == address)
}

/// The number in a name of Route 53's pattern; a name that breaks the pattern is no server.
fn aws_number_of(server: &DnsName) -> Option<u16> {
    let number: u16 = server.first_label()?.strip_prefix("ns-")?.parse().ok()?;
    (number < AWS_SERVERS && server.text().trim_end_matches('.') == aws_name(number))
        .then_some(number)
}

/// A name written in this program.
fn known(text: &str) -> DnsName {
    DnsName::parse(text).unwrap_or_else(|_| DnsName::root())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn route_53_addresses_follow_the_real_pattern_and_back() {
        // ns-1288.awsdns-33.org is 205.251.197.8 and 2600:9000:5305:800::1 on the Internet.
        let (v4, v6) = of(&known("ns-1288.awsdns-33.org")).unwrap();
        assert_eq!(v4.to_string(), "205.251.197.8");
        assert_eq!(v6.to_string(), "2600:9000:5305:800::1");
        assert_eq!(aws_number(v4.into()), Some(1288));
        assert_eq!(aws_number(v6.into()), Some(1288));
        for number in 0..AWS_SERVERS {
            assert_eq!(aws_number_of(&known(&aws_name(number))), Some(number));
        }
        assert_eq!(of(&known("ns-1288.awsdns-32.org")), None);
        assert_eq!(of(&known("ns-1288.awsdns-33.com")), None);
    }

    #[test]
    fn servers_of_tlds_and_zones_have_stable_distinct_addresses() {
        let a = of(&known("a.nic.edu")).unwrap();
        let b = of(&known("b.nic.edu")).unwrap();
        let ns = of(&known("ns1.example.edu")).unwrap();
        assert_eq!(Some(a), of(&known("a.nic.edu")));
        assert!(a.0 != b.0 && a.1 != b.1);
        assert_eq!((a.0.octets()[1], ns.0.octets()[1]), (18, 19));
        assert_eq!(of(&known("a.nic.example.edu")), None);
        assert_eq!(of(&known("www.example.edu")), None);
        assert_eq!(
            of(&known("a.root-servers.net")).unwrap().0.to_string(),
            "198.41.0.4"
        );
    }
}
