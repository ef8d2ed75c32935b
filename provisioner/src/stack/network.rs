//! Networks and DNS servers as a document names them.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::str::FromStr;

use ipnet::{IpNet, Ipv4Net, Ipv6Net};
use serde_json::{Value, json};

use super::diagnostics::{Problem, quoted};
use super::form::{Form, Item, Refused};

/// A network in CIDR notation, with no bits set behind its prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Cidr(IpNet);

/// Networks nobody can reach from outside: RFC 1918 and RFC 4193 (unique local addresses).
const PRIVATE: [IpNet; 4] = [
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(10, 0, 0, 0), 8)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(172, 16, 0, 0), 12)),
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(192, 168, 0, 0), 16)),
    IpNet::V6(Ipv6Net::new_assert(
        Ipv6Addr::new(0xfc00, 0, 0, 0, 0, 0, 0, 0),
        7,
    )),
];

impl Cidr {
    /// Whether the address is inside.
    pub fn contains(self, address: IpAddr) -> bool {
        self.0.contains(&address)
    }

    /// Whether the whole network is private.
    pub fn is_private(self) -> bool {
        PRIVATE.iter().any(|private| private.contains(&self.0))
    }
}

impl FromStr for Cidr {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        let network: IpNet = text.parse().map_err(|_| {
            let hint = text.parse::<IpAddr>().ok().map(|address| {
                let one = IpNet::from(address);
                format!("write \"{one}\" for this one address")
            });
            Refused::new(format!(
                "{} is not a network such as 10.0.0.0/8",
                quoted(text)
            ))
            .with_hint(hint)
        })?;
        if network.trunc() != network {
            return Err(
                Refused::new(format!("{} has bits behind its prefix", quoted(text)))
                    .with_hint(format!("did you mean \"{}\"?", network.trunc())),
            );
        }
        Ok(Self(network))
    }
}

impl fmt::Display for Cidr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

impl Form for Cidr {
    fn expected() -> String {
        "a network in quotes, such as \"10.0.0.0/8\"".to_owned()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^[0-9A-Fa-f:.]+/[0-9]{1,3}$" })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        item.text(str::parse)
    }
}

/// A network that is private as a whole.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct PrivateCidr(pub Cidr);

impl Form for PrivateCidr {
    fn expected() -> String {
        "a private network in quotes, such as \"10.0.0.0/8\"".to_owned()
    }

    fn schema() -> Value {
        Cidr::schema()
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        item.text(|text| {
            let network: Cidr = text.parse()?;
            if network.is_private() {
                Ok(Self(network))
            } else {
                Err(
                    Refused::new(format!("{} is not private", quoted(text))).with_hint(
                        "only parts of 10.0.0.0/8, 172.16.0.0/12, 192.168.0.0/16 (RFC 1918) and \
                     fc00::/7 (RFC 4193)"
                            .to_owned(),
                    ),
                )
            }
        })
    }
}

/// A DNS server: an address, with port 53 unless written, or a DNS-over-HTTPS URL (RFC 8484).
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Resolver {
    /// A server asked over UDP and TCP.
    Address(SocketAddr),
    /// A server asked over HTTPS.
    Https(String),
}

/// RFC 1035, section 4.2.
const DNS_PORT: u16 = 53;

impl FromStr for Resolver {
    type Err = Refused;

    fn from_str(text: &str) -> Result<Self, Refused> {
        if let Some(rest) = text.strip_prefix("https://") {
            let host = rest.split('/').next().unwrap_or_default();
            let is_plain = text.bytes().all(|byte| byte.is_ascii_graphic());
            if is_plain && !host.is_empty() && !host.contains('@') {
                return Ok(Self::Https(text.to_owned()));
            }
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Address(SocketAddr::new(address, DNS_PORT)));
        }
        if let Ok(address) = text.parse::<SocketAddr>() {
            return Ok(Self::Address(address));
        }
        Err(Refused::new(format!(
            "{} is not {}",
            quoted(text),
            Self::expected()
        )))
    }
}

impl Form for Resolver {
    fn expected() -> String {
        "a DNS server in quotes: an address such as \"192.0.2.53\" or a URL such as \
         \"https://dns.example/dns-query\""
            .to_owned()
    }

    fn schema() -> Value {
        json!({ "type": "string", "pattern": "^(https://.+|[0-9A-Fa-f:.\\[\\]]+)$" })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        item.text(str::parse)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn networks_are_exact() {
        let check = |text: &str| text.parse::<Cidr>().map(|network| network.to_string());
        assert_eq!(check("10.0.0.0/8").unwrap(), "10.0.0.0/8");
        assert_eq!(check("fd00::/8").unwrap(), "fd00::/8");
        assert!(
            check("10.1.0.0/8")
                .unwrap_err()
                .to_string()
                .contains("10.0.0.0/8")
        );
        assert!(
            check("10.1.2.3")
                .unwrap_err()
                .to_string()
                .contains("10.1.2.3/32")
        );
        assert!(check("ten/8").is_err());
    }

    #[test]
    fn private_means_rfc_1918_or_4193_as_a_whole() {
        for (text, is_private) in [
            ("10.0.0.0/8", true),
            ("172.16.0.0/12", true),
            ("172.0.0.0/11", false),
            ("192.168.7.0/24", true),
            ("100.64.0.0/10", false),
            ("0.0.0.0/0", false),
            ("fd12:3456::/32", true),
            ("fe80::/10", false),
            ("::/0", false),
        ] {
            let network: Cidr = text.parse().unwrap();
            assert_eq!(network.is_private(), is_private, "{text}");
        }
    }

    #[test]
    fn resolvers_are_addresses_or_https() {
        let check = |text: &str| text.parse::<Resolver>().ok();
        let address = |text: &str| Some(Resolver::Address(text.parse().unwrap()));
        assert_eq!(check("192.0.2.53"), address("192.0.2.53:53"));
        assert_eq!(check("[2001:db8::1]:5353"), address("[2001:db8::1]:5353"));
        assert_eq!(check("2001:db8::1"), address("[2001:db8::1]:53"));
        let url = "https://dns.example/dns-query";
        assert_eq!(check(url), Some(Resolver::Https(url.to_owned())));
        assert_eq!(check("http://dns.example/"), None);
        assert_eq!(check("https://"), None);
        assert_eq!(check("dns.example"), None);
    }
}
