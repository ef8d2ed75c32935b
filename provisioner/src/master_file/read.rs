//! Reading a master file into record sets as Route 53 spells them. The parser is NLnet Labs' `domain`;
//! this decides what of a zone Route 53 can hold, and names everything that it cannot at once.

use std::collections::BTreeMap;
use std::fmt;

use domain::base::iana::{Class, Rtype};
use domain::base::name::{Name, ToLabelIter as _, ToName};
use domain::base::rdata::ComposeRecordData;
use domain::base::zonefile_fmt::{DisplayKind, ZonefileFmt};
use domain::rdata::ZoneRecordData;
use domain::zonefile::inplace::{Entry, ScannedRecord};

use super::octal_escapes;

mod entries;

use entries::{Entries, Piece};

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

/// Where something stands in a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Place {
    /// Line, from 1.
    pub line: usize,
    /// Byte of the line, from 1, as compilers count.
    pub column: usize,
}

/// What is wrong with a file, and where.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Problem {
    /// Where.
    pub place: Place,
    /// What.
    pub what: String,
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Place { line, column } = self.place;
        write!(f, "{line}:{column}: {}", self.what)
    }
}

/// Where the first record of each set stands.
type Places = BTreeMap<Key, Place>;

/// Reads the master file of a zone. Names without a trailing dot are relative to the zone until an
/// `$ORIGIN` says otherwise; records without any TTL before them have an hour.
///
/// # Errors
/// Everything in the file that Route 53 cannot hold as it stands, by its place. After a quotation mark or a
/// parenthesis that nothing closes no more can be told.
pub fn read(domain: &str, text: &str) -> Result<File, Vec<Problem>> {
    let apex = format!("{domain}.");
    let Ok(origin) = apex.parse() else {
        return Err(vec![Problem {
            place: Place { line: 1, column: 1 },
            what: format!("{domain} is no domain name"),
        }]);
    };
    let (mut file, mut places, mut problems) = (File::default(), Places::new(), Vec::new());
    for piece in Entries::of(text, origin) {
        match piece {
            Piece::Entry(place, entry) => match *entry {
                Entry::Record(record) => {
                    let into = (&mut file, &mut places);
                    take(&apex, &record, place, into, &mut problems);
                }
                Entry::Include { path, .. } => problems.push(Problem {
                    place,
                    what: format!(
                        "$INCLUDE {}: write what it includes into one file",
                        &path[..]
                    ),
                }),
            },
            Piece::Wrong(problem) => problems.push(problem),
        }
    }
    check(&apex, &file, &places, &mut problems);
    problems.sort();
    if problems.is_empty() {
        Ok(file)
    } else {
        Err(problems)
    }
}

/// One record into its set.
fn take(
    apex: &str,
    record: &ScannedRecord,
    place: Place,
    (file, places): (&mut File, &mut Places),
    problems: &mut Vec<Problem>,
) {
    let mut wrong = |what: String| problems.push(Problem { place, what });
    let owner = name(&record.owner().to_name::<Vec<u8>>());
    let rtype = record.rtype();
    let shown = format!("{owner} {rtype}");
    if record.class() != Class::IN {
        wrong(format!("{shown}: class {} is not IN", record.class()));
    } else if owner != apex && !owner.ends_with(&format!(".{apex}")) {
        wrong(format!("{shown}: outside the zone {apex}"));
    } else if SIGNERS.contains(&rtype) || (owner == apex && matches!(rtype, Rtype::NS | Rtype::SOA))
    {
        file.left += 1;
    } else if !SUPPORTED.contains(&rtype) {
        wrong(format!("{shown}: Route 53 has no records of this type"));
    } else {
        let ttl_secs = record.ttl().as_secs();
        let mut wire = Vec::new();
        // Appending to a vector cannot fail; the error type is uninhabited.
        let Ok(()) = record.data().compose_canonical_rdata(&mut wire);
        let key = (owner, rtype.to_string());
        places.entry(key.clone()).or_insert(place);
        let set = file.sets.entry(key).or_insert_with(|| Set {
            ttl_secs,
            records: BTreeMap::new(),
        });
        if ttl_secs > TTL_SECS_MAX {
            wrong(format!("{shown}: TTL {ttl_secs} is above {TTL_SECS_MAX}"));
        }
        // RFC 2181, section 5.2.
        if ttl_secs != set.ttl_secs {
            wrong(format!(
                "{shown}: TTLs {} and {ttl_secs} in one set",
                set.ttl_secs
            ));
        }
        match value(record.data(), &wire) {
            Some(value) => {
                set.records.insert(wire, value);
            }
            None => wrong(format!("{shown}: the record data cannot be read")),
        }
    }
}

/// What Route 53 asks of the sets of a zone.
fn check(apex: &str, file: &File, places: &Places, problems: &mut Vec<Problem>) {
    let mut wrong = |key: &Key, what: String| {
        // Each set has the place of its first record.
        let place = places.get(key).copied();
        let place = place.unwrap_or(Place { line: 1, column: 1 });
        problems.push(Problem { place, what });
    };
    let mut of_name: BTreeMap<&str, Vec<&Key>> = BTreeMap::new();
    for (key @ (owner, rtype), set) in &file.sets {
        of_name.entry(owner).or_default().push(key);
        if set.records.len() > VALUES_MAX {
            wrong(
                key,
                format!(
                    "{owner} {rtype}: {} values, Route 53 takes at most {VALUES_MAX}",
                    set.records.len()
                ),
            );
        }
        if owner == apex && matches!(rtype.as_str(), "CNAME" | "DS") {
            wrong(
                key,
                format!("{owner} {rtype}: not possible at the zone's own name"),
            );
        }
        if rtype == "CNAME" && set.records.len() > 1 {
            wrong(key, format!("{owner} CNAME: more than one"));
        }
    }
    for (owner, keys) in of_name {
        let (cname, others): (Vec<&Key>, Vec<&Key>) =
            keys.into_iter().partition(|(_, rtype)| rtype == "CNAME");
        if let [key] = cname[..]
            && !others.is_empty()
        {
            let others: Vec<&str> = others.iter().map(|(_, rtype)| rtype.as_str()).collect();
            wrong(
                key,
                format!("{owner} CNAME: beside {}", others.join(" and ")),
            );
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
        let problems = read(DOMAIN, text).unwrap_err();
        let problems = problems.iter().map(ToString::to_string);
        problems.collect::<Vec<_>>().join("\n")
    }

    #[test]
    fn spans_as_bind_writes_them_are_told_in_seconds() {
        assert!(problems("$TTL 1h\n").contains("1h is 3600"));
        assert!(problems("a 1w2d A 192.0.2.1\n").contains("1w2d is 777600"));
        assert!(!problems("a A 192.0.2\n").contains("seconds"));
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
        let expected = "3:1: www.spore.example.edu. A: TTLs 60 and 61 in one set\n\
                        4:1: www.spore.example.edu. CNAME: beside A\n\
                        5:1: other.example. A: outside the zone spore.example.edu.\n\
                        6:1: spore.example.edu. CNAME: not possible at the zone's own name\n\
                        7:1: x.spore.example.edu. HINFO: Route 53 has no records of this type\n\
                        8:1: $INCLUDE more.zone: write what it includes into one file";
        assert_eq!(told, expected);
    }

    #[test]
    fn mistakes_of_syntax_hide_no_others() {
        let told = problems(
            "$TTL 60\nwww 60 IN A 192.0.2 ; too short\n  IN AAAA 2001:db8::1\n\
             a TXT \"b\"\n  TXT ( \"c\"\n    \"d\" ) e f\n)\n\
             mail MX ten mx.example.\n$ORIGIN sub\n  A 192.0.2.300\n\
             b HINFO a b\n",
        );
        let lines: Vec<&str> = told.lines().collect();
        let places: Vec<&str> = lines
            .iter()
            .filter_map(|line| line.split_once(": "))
            .map(|(place, _)| place)
            .collect();
        assert_eq!(places, ["2:13", "7:1", "8:9", "10:5", "11:1"], "{told}");
        // Owner and origin go on from a wrong record as from a right one.
        assert!(
            lines[4].contains("b.sub.spore.example.edu. HINFO"),
            "{told}"
        );
        let mixed = "$TTL 60\nwww A 192.0.2\n  AAAA 2001:db8::1\nwww 61 AAAA 2001:db8::2\n";
        assert!(problems(mixed).contains("4:1: www.spore.example.edu. AAAA: TTLs 60 and 61"));
    }

    #[test]
    fn what_nothing_closes_is_named_where_it_opens() {
        assert_eq!(
            problems("a 60 HINFO a b\nb 60 TXT ( \"c\"\nc 60 A 192.0.2.1\n"),
            "1:1: a.spore.example.edu. HINFO: Route 53 has no records of this type\n\
             2:10: this parenthesis is not closed"
        );
        assert_eq!(
            problems("b 60 TXT \"c\nc 60 A 192.0.2.1\n"),
            "1:10: this quotation mark is not closed"
        );
        // Neither opens anything in a comment, in a string or behind a backslash.
        let text = "a 60 TXT \"(;\" ; \"(\nb\\\" 60 TXT c\n";
        assert_eq!(read(DOMAIN, text).unwrap().sets.len(), 2);
    }

    /// However a file is cut, what it says is what the scanner makes of the whole.
    #[test]
    fn entries_are_cut_as_the_scanner_cuts_them() {
        let text = "$TTL 300\n@ TXT (\n  \"a;b\" ; one\n  \"c\" )\n\n  ; comment\n\
                    x 60 A 192.0.2.1\r\n  AAAA 2001:db8::1\ny A 192.0.2.2";
        let file = read(DOMAIN, text).unwrap();
        let sets: Vec<(String, u32, usize)> = file
            .sets
            .iter()
            .map(|((name, rtype), set)| {
                (format!("{name} {rtype}"), set.ttl_secs, set.records.len())
            })
            .collect();
        let expected = [
            ("spore.example.edu. TXT", 300),
            ("x.spore.example.edu. A", 60),
            ("x.spore.example.edu. AAAA", 300),
            ("y.spore.example.edu. A", 300),
        ];
        let expected = expected.map(|(key, ttl)| (key.to_owned(), ttl, 1));
        assert_eq!(sets, expected);
    }
}
