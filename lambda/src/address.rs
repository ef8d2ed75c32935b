//! Which addresses may stand in a record at all, whoever asks: those that are reachable from everywhere,
//! and those of private networks that the stack document writes out.
//!
//! A name signed with DNSSEC that leads to 127.0.0.1, to a metadata service or to somebody's printer is
//! a tool for attacks (DNS rebinding), so whatever is not known to be global is refused. Whether an
//! address is the caller's own is asked elsewhere, in [`crate::allowed`].

use std::collections::BTreeSet;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{IpNet, Ipv4Net, Ipv6Net};

/// From where an address can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// From everywhere.
    Global,
    /// From a private network that the stack allows.
    Private,
}

/// Why an address may not stand in a record. The texts go to callers.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Refused {
    /// It belongs to no host, or to one that only some can reach.
    #[error("ip_address is {what}; no record may lead there")]
    Special {
        /// What its range is for.
        what: &'static str,
    },
    /// It is private, and in none of the networks that the stack allows.
    #[error(
        "ip_address is {what}, and is in no network of `private-cidrs`, those whose addresses may \
         be registered here"
    )]
    Private {
        /// What its range is for.
        what: &'static str,
    },
}

const fn v4(a: u8, b: u8, c: u8, d: u8, bits: u8) -> IpNet {
    IpNet::V4(Ipv4Net::new_assert(Ipv4Addr::new(a, b, c, d), bits))
}

const fn v6(first: u16, second: u16, third: u16, bits: u8) -> IpNet {
    let address = Ipv6Addr::new(first, second, third, 0, 0, 0, 0, 0);
    IpNet::V6(Ipv6Net::new_assert(address, bits))
}

/// Ranges that a site may use inside, and nobody outside can reach.
const PRIVATE: [(IpNet, &str); 4] = [
    (v4(10, 0, 0, 0, 8), "a private address (RFC 1918)"),
    (v4(172, 16, 0, 0, 12), "a private address (RFC 1918)"),
    (v4(192, 168, 0, 0, 16), "a private address (RFC 1918)"),
    (v6(0xfc00, 0, 0, 7), "a unique local address (RFC 4193)"),
];

/// Ranges where no instance is: IANA's registries of special-purpose addresses (RFC 6890) of IPv4 and
/// of IPv6, whichever is not globally reachable, and those that translate to IPv4 or are anycast, where
/// nobody owns a single address.
const SPECIAL: [(IpNet, &str); 29] = [
    (v4(0, 0, 0, 0, 8), "of \"this network\" (RFC 791)"),
    (v4(100, 64, 0, 0, 10), "shared by carriers (RFC 6598)"),
    (v4(127, 0, 0, 0, 8), "a loopback address (RFC 1122)"),
    (v4(169, 254, 0, 0, 16), "link-local (RFC 3927)"),
    (v4(192, 0, 0, 0, 24), "for protocols (RFC 6890)"),
    (v4(192, 0, 2, 0, 24), "for documentation (RFC 5737)"),
    (v4(192, 31, 196, 0, 24), "of AS112 (RFC 7535)"),
    (v4(192, 52, 193, 0, 24), "of AMT relays (RFC 7450)"),
    (v4(192, 88, 99, 0, 24), "of 6to4 relays (RFC 7526)"),
    (v4(192, 175, 48, 0, 24), "of AS112 (RFC 7534)"),
    (v4(198, 18, 0, 0, 15), "for benchmarks (RFC 2544)"),
    (v4(198, 51, 100, 0, 24), "for documentation (RFC 5737)"),
    (v4(203, 0, 113, 0, 24), "for documentation (RFC 5737)"),
    (v4(224, 0, 0, 0, 4), "a multicast address (RFC 5771)"),
    (v4(240, 0, 0, 0, 4), "reserved (RFC 1112)"),
    (
        v6(0x0064, 0xff9b, 0, 32),
        "translated to IPv4 (RFC 6052, RFC 8215)",
    ),
    (v6(0x0100, 0, 0, 64), "for discarding (RFC 6666)"),
    (v6(0x2001, 0, 0, 23), "for protocols (RFC 2928)"),
    (v6(0x2001, 0x0db8, 0, 32), "for documentation (RFC 3849)"),
    (v6(0x2002, 0, 0, 16), "of 6to4 (RFC 3056)"),
    (v6(0x2620, 0x004f, 0x8000, 48), "of AS112 (RFC 7534)"),
    (v6(0x3fff, 0, 0, 20), "for documentation (RFC 9637)"),
    (v6(0x5f00, 0, 0, 16), "of segment routing (RFC 9602)"),
    (v6(0xfe80, 0, 0, 10), "link-local (RFC 4291)"),
    (v6(0xfec0, 0, 0, 10), "site-local (RFC 3879)"),
    (v6(0xff00, 0, 0, 8), "a multicast address (RFC 4291)"),
    // The rest of what begins with zeros: unspecified, loopback, and IPv4 in two disguises, by which
    // a refused IPv4 address must not come back.
    (
        v6(0, 0, 0, 96),
        "unspecified, loopback or IPv4 in IPv6 (RFC 4291)",
    ),
    (
        IpNet::V6(Ipv6Net::new_assert(
            Ipv6Addr::new(0, 0, 0, 0, 0, 0xffff, 0, 0),
            96,
        )),
        "an IPv4 address in IPv6 (RFC 4291)",
    ),
    (
        IpNet::V6(Ipv6Net::new_assert(
            Ipv6Addr::new(0, 0, 0, 0, 0xffff, 0, 0, 0),
            96,
        )),
        "an IPv4 address in IPv6 (RFC 2765)",
    ),
];

/// All of IPv6 that IANA has given out for hosts (RFC 4291, section 2.4, and IANA's "Internet Protocol
/// Version 6 Address Space").
const UNICAST_V6: Ipv6Net = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);

/// From where an address can be reached.
///
/// # Errors
/// When no record may lead to it.
pub fn reach(address: IpAddr, allowed: &BTreeSet<IpNet>) -> Result<Reach, Refused> {
    let in_range = |(range, _): &&(IpNet, &str)| range.contains(&address);
    if let Some((_, what)) = SPECIAL.iter().find(in_range) {
        return Err(Refused::Special { what });
    }
    if let Some((_, what)) = PRIVATE.iter().find(in_range) {
        let is_allowed = allowed.iter().any(|network| network.contains(&address));
        return match is_allowed {
            true => Ok(Reach::Private),
            false => Err(Refused::Private { what }),
        };
    }
    match address {
        IpAddr::V6(address) if !UNICAST_V6.contains(&address) => Err(Refused::Special {
            what: "of no range in use (RFC 4291)",
        }),
        IpAddr::V4(_) | IpAddr::V6(_) => Ok(Reach::Global),
    }
}

/// Whether all of a network is private: only such a one may be allowed.
pub(crate) fn is_private(network: IpNet) -> bool {
    PRIVATE
        .iter()
        .any(|(private, _)| private.contains(&network))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn of(address: &str, allowed: &[&str]) -> Result<Reach, Refused> {
        let allowed = allowed.iter().map(|text| text.parse().unwrap()).collect();
        reach(address.parse().unwrap(), &allowed)
    }

    #[test]
    fn what_everybody_can_reach_is_global() {
        for address in [
            "1.1.1.1",
            "9.255.255.255",
            "11.0.0.0",
            "54.164.27.106",
            "100.63.255.255",
            "100.128.0.0",
            "172.15.255.255",
            "172.32.0.0",
            "192.0.1.0",
            "198.17.255.255",
            "198.20.0.0",
            "223.255.255.255",
            "2001:200::1",
            "2600:1f18::1",
            "2a05:d018::1",
        ] {
            assert_eq!(of(address, &[]), Ok(Reach::Global), "{address}");
        }
    }

    #[test]
    fn what_is_special_stays_refused_even_if_a_stack_lists_it() {
        for address in [
            "0.0.0.0",
            "0.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "192.0.0.8",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.7",
            "203.0.113.9",
            "224.0.0.251",
            "239.1.1.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::8.8.8.8",
            "::ffff:8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:0:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "64:ff9b:1::1",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:808:808::1",
            "3fff::1",
            "4000::1",
            "5f00::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            let refused = of(address, &["0.0.0.0/0", "::/0"]).unwrap_err();
            assert!(matches!(refused, Refused::Special { .. }), "{address}");
        }
    }

    #[test]
    fn private_addresses_need_their_network_written_out() {
        for (address, network) in [
            ("10.1.2.3", "10.1.0.0/16"),
            ("172.31.255.1", "172.16.0.0/12"),
            ("192.168.7.7", "192.168.7.0/24"),
            ("fd00:ec2::254", "fd00::/8"),
        ] {
            assert_eq!(of(address, &[network]), Ok(Reach::Private), "{address}");
            let refused = of(address, &["10.2.0.0/16"]).unwrap_err();
            assert!(matches!(refused, Refused::Private { .. }), "{address}");
        }
    }
}
