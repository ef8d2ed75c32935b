//! Record data: from presentation text to wire octets.
//!
//! The parsing is `domain`'s, so a value the simulated Route 53 accepts is one that a real name
//! server can serve.

use domain::base::{Rtype, rdata::ComposeRecordData};
use domain::zonefile::inplace::{Entry, Zonefile};

use super::DnsName;

/// All records of one name and type, ready to be put into a message.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RrSet {
    /// Record type.
    pub rtype: Rtype,
    /// Time to live in seconds.
    pub ttl: u32,
    /// Record data in wire form.
    pub data: Vec<Vec<u8>>,
}

/// Wire form of one record's data in master-file presentation (RFC 1035 section 5.1). Relative
/// names are taken as absolute: Route 53 treats `www.example.com` and `www.example.com.` alike.
pub fn parse(rtype: Rtype, text: &str) -> Result<Vec<u8>, String> {
    if text.trim().is_empty() {
        return Err("record data is empty".into());
    }
    if let Some(bad) = text.chars().find(|c| c.is_control() || !c.is_ascii()) {
        return Err(format!("unsupported character {bad:?}"));
    }
    let mut file = Zonefile::new();
    file.set_origin(domain::base::Name::root_bytes());
    file.extend_from_slice(format!(". 0 IN {rtype} {text}\n").as_bytes());
    match file.next_entry() {
        Ok(Some(Entry::Record(record))) => {
            let mut wire = Vec::new();
            // Appending to a vector cannot fail; the error type is uninhabited.
            let Ok(()) = record.data().compose_rdata(&mut wire);
            match file.next_entry() {
                Ok(None) => Ok(wire),
                Ok(Some(_)) | Err(_) => Err("more than one record".into()),
            }
        }
        Ok(Some(Entry::Include { .. }) | None) => Err("no record".into()),
        Err(error) => Err(error.to_string()),
    }
}

/// Data of an NS, CNAME or PTR record.
pub fn target(name: &DnsName) -> Vec<u8> {
    name.wire().as_slice().to_vec()
}

/// Data of an SOA record.
pub fn soa(primary: &str, mailbox: &str, numbers: [u32; 5]) -> Vec<u8> {
    let mut wire = Vec::new();
    for name in [primary, mailbox] {
        let name = DnsName::parse(name).unwrap_or_else(|_| DnsName::root());
        wire.extend_from_slice(name.wire().as_slice());
    }
    for number in numbers {
        wire.extend_from_slice(&number.to_be_bytes());
    }
    wire
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn every_type_is_really_parsed() {
        let good = |rtype, text: &str| parse(rtype, text).unwrap();
        assert_eq!(good(Rtype::A, "192.0.2.1"), [192, 0, 2, 1]);
        assert_eq!(good(Rtype::AAAA, "2001:db8::1").len(), 16);
        assert_eq!(good(Rtype::CNAME, "a.edu"), b"\x01a\x03edu\x00");
        assert_eq!(good(Rtype::CNAME, "a.edu."), good(Rtype::CNAME, "a.edu"));
        assert_eq!(good(Rtype::TXT, "\"a b\" \"c\""), b"\x03a b\x01c");
        assert_eq!(good(Rtype::MX, "10 m.edu.")[..2], [0, 10]);
        assert_eq!(good(Rtype::CAA, "0 issue \"ca.example\"")[..2], [0, 5]);
        assert_eq!(good(Rtype::SRV, "1 2 443 a.edu.").len(), 6 + 7);
        assert_eq!(good(Rtype::DS, "1 13 2 ABCD"), [0, 1, 13, 2, 0xAB, 0xCD]);
        let soa_text = "ns.a.edu. mail.a.edu. 1 7200 900 1209600 86400";
        assert_eq!(
            good(Rtype::SOA, soa_text),
            soa("ns.a.edu", "mail.a.edu", [1, 7200, 900, 1_209_600, 86400])
        );
    }

    #[test]
    fn what_is_no_record_is_refused() {
        let bad = |rtype, text: &str| assert!(parse(rtype, text).is_err(), "{rtype} {text:?}");
        bad(Rtype::A, "192.0.2");
        bad(Rtype::A, "192.0.2.1 192.0.2.2");
        bad(Rtype::A, "");
        bad(Rtype::AAAA, "192.0.2.1");
        bad(Rtype::MX, "m.edu.");
        bad(Rtype::MX, "70000 m.edu.");
        bad(Rtype::SRV, "1 2 a.edu.");
        bad(Rtype::A, "192.0.2.1\n. 0 IN A 192.0.2.2");
        bad(Rtype::DS, "1 13 2 XY");
        bad(Rtype::SOA, "ns.a.edu. mail.a.edu. 1 7200");
    }
}
