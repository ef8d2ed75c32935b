//! Reading a master file into record sets as Route 53 spells them. The parser is NLnet Labs' `domain`;
//! this decides what of a zone Route 53 can hold, and names everything that it cannot at once.

use std::collections::BTreeMap;

use domain::base::iana::{Class, Rtype};
use domain::base::name::{Name, ToLabelIter as _, ToName};
use domain::base::rdata::ComposeRecordData;
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::rdata::ZoneRecordData;
use domain::zonefile::inplace::{Entry, ScannedRecord, Zonefile};

use super::octal_escapes;

/// Types of records that Route 53 holds (Developer Guide, "Supported DNS record types").
const SUPPORTED: [Rtype; 16] = [
    Rtype::A,
    Rtype::AAAA,
    Rtype::CAA,
    Rtype::CNAME,
    Rtype::DS,
    Rtype::HTTPS,
    Rtype::MX,
    Rtype::NAPTR,
    Rtype::NS,
    Rtype::PTR,
    Rtype::SPF,
    Rtype::SRV,
    Rtype::SSHFP,
    Rtype::SVCB,
    Rtype::TLSA,
    Rtype::TXT,
];
/// Types that a signer makes: Route 53 makes its own.
const SIGNERS: [Rtype; 8] = [
    Rtype::DNSKEY,
    Rtype::RRSIG,
    Rtype::NSEC,
    Rtype::NSEC3,
    Rtype::NSEC3PARAM,
    Rtype::CDS,
    Rtype::CDNSKEY,
    Rtype::ZONEMD,
];
/// Most values of one record set (Developer Guide, "Quotas").
const VALUES_MAX: usize = 400;
/// Largest TTL (Route 53 API, ResourceRecordSet).
const TTL_SECS_MAX: u32 = 2_147_483_647;

/// Name and type of a record set, both as Route 53 spells them.
pub type Key = (String, String);

/// One record set of a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Set {
    /// TTL in seconds.
    pub ttl_secs: u32,
    /// Values as Route 53 spells them, by their canonical wire form (RFC 4034, section 6.2): however
    /// two are written, they are one record if that is one.
    pub records: BTreeMap<Vec<u8>, String>,
}

/// A file.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct File {
    /// What Route 53 is to hold.
    pub sets: BTreeMap<Key, Set>,
    /// Records that are Route 53's own to make: the apex's NS and SOA, and what signers add.
    pub left: usize,
}

/// Reads the master file of a zone. Names without a trailing dot are relative to the zone until an
/// `$ORIGIN` says otherwise; records without any TTL before them have an hour.
///
/// # Errors
/// Everything in the file that Route 53 cannot hold as it stands. After a mistake in the syntax nothing
/// more can be told.
pub fn read(domain: &str, text: &str) -> Result<File, Vec<String>> {
    let apex = format!("{domain}.");
    let mut source = Zonefile::new();
    match apex.parse() {
        Ok(origin) => source.set_origin(origin),
        Err(_) => return Err(vec![format!("{domain} is no domain name")]),
    }
    source.set_default_class(Class::IN);
    source.extend_from_slice(text.as_bytes());
    // The scanner wants every line ended.
    source.extend_from_slice(b"\n");
    let (mut file, mut problems) = (File::default(), Vec::new());
    loop {
        match source.next_entry() {
            Ok(Some(Entry::Record(record))) => take(&apex, &record, &mut file, &mut problems),
            Ok(Some(Entry::Include { path, .. })) => problems.push(format!(
                "$INCLUDE {}: write what it includes into one file",
                &path[..]
            )),
            Ok(None) => break,
            Err(error) => {
                // The scanner counts a line that it has finished already.
                problems.push(format!("near line {error}"));
                break;
            }
        }
    }
    check(&apex, &file, &mut problems);
    problems.dedup();
    if problems.is_empty() {
        Ok(file)
    } else {
        Err(problems)
    }
}

/// One record into its set.
fn take(apex: &str, record: &ScannedRecord, file: &mut File, problems: &mut Vec<String>) {
    let owner = name(&record.owner().to_name::<Vec<u8>>());
    let rtype = record.rtype();
    let shown = format!("{owner} {rtype}");
    if record.class() != Class::IN {
        problems.push(format!("{shown}: class {} is not IN", record.class()));
    } else if owner != apex && !owner.ends_with(&format!(".{apex}")) {
        problems.push(format!("{shown}: outside the zone {apex}"));
    } else if SIGNERS.contains(&rtype) || (owner == apex && matches!(rtype, Rtype::NS | Rtype::SOA))
    {
        file.left += 1;
    } else if !SUPPORTED.contains(&rtype) {
        problems.push(format!("{shown}: Route 53 has no records of this type"));
    } else {
        let ttl_secs = record.ttl().as_secs();
        let mut wire = Vec::new();
        // Appending to a vector cannot fail; the error type is uninhabited.
        let Ok(()) = record.data().compose_canonical_rdata(&mut wire);
        let set = file
            .sets
            .entry((owner, rtype.to_string()))
            .or_insert_with(|| Set {
                ttl_secs,
                records: BTreeMap::new(),
            });
        if ttl_secs > TTL_SECS_MAX {
            problems.push(format!("{shown}: TTL {ttl_secs} is above {TTL_SECS_MAX}"));
        }
        // RFC 2181, section 5.2.
        if ttl_secs != set.ttl_secs {
            problems.push(format!(
                "{shown}: TTLs {} and {ttl_secs} in one set",
                set.ttl_secs
            ));
        }
        match value(record.data(), &wire) {
            Some(value) => {
                set.records.insert(wire, value);
            }
            None => problems.push(format!("{shown}: the record data cannot be read")),
        }
    }
}

/// What Route 53 asks of the sets of a zone.
fn check(apex: &str, file: &File, problems: &mut Vec<String>) {
    let mut of_name: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
    for ((owner, rtype), set) in &file.sets {
        of_name.entry(owner).or_default().push(rtype);
        if set.records.len() > VALUES_MAX {
            problems.push(format!(
                "{owner} {rtype}: {} values, Route 53 takes at most {VALUES_MAX}",
                set.records.len()
            ));
        }
        if owner == apex && matches!(rtype.as_str(), "CNAME" | "DS") {
            problems.push(format!(
                "{owner} {rtype}: not possible at the zone's own name"
            ));
        }
        if rtype == "CNAME" && set.records.len() > 1 {
            problems.push(format!("{owner} CNAME: more than one"));
        }
    }
    for (owner, rtypes) in of_name {
        if rtypes.len() > 1 && rtypes.contains(&"CNAME") {
            let others: Vec<&str> = rtypes
                .into_iter()
                .filter(|rtype| *rtype != "CNAME")
                .collect();
            problems.push(format!("{owner} CNAME: beside {}", others.join(" and ")));
        }
    }
}

/// Record data as Route 53 spells it.
fn value<O, N>(data: &ZoneRecordData<O, N>, wire: &[u8]) -> Option<String>
where
    O: AsRef<[u8]>,
    N: ToName,
    ZoneRecordData<O, N>: ZonefileFmt,
{
    if let ZoneRecordData::Unknown(data) = data
        && data.rtype() == Rtype::SPF
    {
        return quoted_strings(wire);
    }
    Some(octal_escapes(
        &data.display_zonefile(DisplayKind::Simple).to_string(),
    ))
}

/// The strings of wire data, quoted.
fn quoted_strings(wire: &[u8]) -> Option<String> {
    let mut strings = Vec::new();
    let mut rest = wire;
    while let Some((len, after)) = rest.split_first() {
        let string = after.get(..usize::from(*len))?;
        let shown = string.iter().map(|byte| match byte {
            b'"' | b'\\' => format!("\\{}", char::from(*byte)),
            b' '..=b'~' => char::from(*byte).to_string(),
            _ => format!("\\{byte:03o}"),
        });
        strings.push(format!("\"{}\"", shown.collect::<String>()));
        rest = after.get(usize::from(*len)..)?;
    }
    (!strings.is_empty()).then(|| strings.join(" "))
}

/// A name as Route 53 spells it: lower case, with a trailing dot, everything but letters, digits, hyphen
/// and underscore as octal escapes (Developer Guide, "DNS domain name format").
fn name(name: &Name<Vec<u8>>) -> String {
    let mut out = String::new();
    for label in name.iter_labels().filter(|label| !label.is_root()) {
        for byte in label.as_slice().to_ascii_lowercase() {
            match byte {
                b'a'..=b'z' | b'0'..=b'9' | b'-' | b'_' => out.push(char::from(byte)),
                _ => out.push_str(&format!("\\{byte:03o}")),
            }
        }
        out.push('.');
    }
    if out.is_empty() { ".".to_owned() } else { out }
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::lines;
    use super::*;
    use crate::kind::hosted_zone::RecordSet;

    const DOMAIN: &str = "spore.example.edu";

    fn problems(text: &str) -> String {
        read(DOMAIN, text).unwrap_err().join("\n")
    }

    /// Values of every type as Route 53 shows them, after Developer Guide, "Supported DNS record types".
    #[test]
    fn every_type_comes_back_as_route_53_spells_it() {
        for (rtype, value) in [
            ("A", "192.0.2.1"),
            ("AAAA", "2001:db8::1"),
            ("CAA", r#"0 issue "ca.example.com; account=123456""#),
            ("CNAME", "host.example.com."),
            ("DS", "123 4 5 1234567890ABCDEF1234567890ABCDEF"),
            ("HTTPS", "16 hosta.example. alpn=h2,h3 port=8080"),
            ("MX", "10 mailserver.example.com."),
            (
                "NAPTR",
                r#"100 50 "u" "E2U+sip" "!^(\\+441632960083)$!sip:\\1@example.com!" ."#,
            ),
            ("NS", "ns-1.example.com."),
            ("PTR", "host.example.com."),
            (
                "SPF",
                r#""v=spf1 ip4:192.168.0.1/16 -all" "\"quoted\" \374""#,
            ),
            ("SRV", "10 5 443 host.example.com."),
            (
                "SSHFP",
                "4 2 123456789ABCDEF67890123456789ABCDEF67890123456789ABCDEF123456789",
            ),
            ("SVCB", "1 svc.example.com. port=8000"),
            (
                "TLSA",
                "3 1 1 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF",
            ),
            ("TXT", r#""say \"hi\"; \374\\" "second""#),
        ] {
            let set = RecordSet {
                name: format!("\\052.b_-1.{DOMAIN}."),
                rtype: rtype.into(),
                ttl_secs: Some(300),
                values: vec![value.into()],
                ..RecordSet::default()
            };
            let text = lines(&set).join("\n");
            let file = read(DOMAIN, &text).unwrap_or_else(|why| panic!("{rtype}: {text}: {why:?}"));
            let (key, found) = file.sets.first_key_value().unwrap();
            assert_eq!(*key, (set.name.clone(), rtype.to_owned()));
            assert_eq!(found.ttl_secs, 300);
            let values: Vec<&String> = found.records.values().collect();
            // Hexadecimal digits have no case.
            assert_eq!(values[0].to_uppercase(), value.to_uppercase(), "{rtype}");
        }
    }

    #[test]
    fn spelling_does_not_make_another_record() {
        let one = "$TTL 60\n@ IN SOA a. b. 1 2 3 4 5\n IN NS ns.example.\nwww CNAME Host.Example.COM. ; it\n";
        let other = "WWW.spore.example.edu. 60 IN CNAME host.example.com.";
        let (one, other) = (read(DOMAIN, one).unwrap(), read(DOMAIN, other).unwrap());
        let wire = |file: &File| -> Vec<Vec<u8>> {
            let sets = file.sets.values();
            sets.flat_map(|set| set.records.keys().cloned()).collect()
        };
        assert_eq!(wire(&one), wire(&other));
        assert_eq!(
            one.sets.keys().collect::<Vec<_>>(),
            other.sets.keys().collect::<Vec<_>>()
        );
        assert_eq!((one.left, other.left), (2, 0));
    }

    #[test]
    fn everything_that_route_53_cannot_hold_is_named_at_once() {
        let told = problems(
            "$TTL 60\nwww A 192.0.2.1\nwww 61 A 192.0.2.2\nwww CNAME a.example.\n\
             other.example. A 192.0.2.1\n@ CNAME a.example.\nx HINFO a b\n$INCLUDE more.zone\n",
        );
        for part in [
            "www.spore.example.edu. A: TTLs 60 and 61",
            "www.spore.example.edu. CNAME: beside A",
            "other.example. A: outside the zone",
            "spore.example.edu. CNAME: not possible",
            "x.spore.example.edu. HINFO: Route 53 has no records",
            "$INCLUDE more.zone",
        ] {
            assert!(told.contains(part), "{part} in\n{told}");
        }
        assert!(problems("www 60 IN A 192.0.2.1\nwww 60 IN A 192.0.2\n").contains("near line "));
    }
}
