//! A zone as a master file (RFC 1035, section 5), and back. It decides how Route 53's spelling of names
//! and values becomes the one that every name server reads; what it cannot hold stands in comments.

pub mod read;

use std::fmt::Write as _;

use jiff::Timestamp;
use serde_json::json;

use crate::kind::hosted_zone::ttls::{self, Kept};
use crate::kind::hosted_zone::{Live, RecordSet};

/// A master file, and how much of the zone it holds only as comments.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// The file.
    pub text: String,
    /// Alias record sets in comments.
    pub aliases: usize,
    /// Record sets with routing policies or health checks in comments.
    pub routed: usize,
    /// What its comment says of TTLs, where they are not those of Route 53 or may not be their owners'.
    pub ttls: Option<String>,
}

/// Writes the records of a zone, the SOA record first, as section 5.2 wants it. Route 53 signs by itself
/// and lists none of the records it makes for that, so none is here.
///
/// An alias stands in a comment as the change that makes it again; a record set with a routing policy or
/// a health check as the records that it would be without. While TTLs are lowered for signing the zone, those that
/// the journal kept are written: whoever makes the zone anew wants what its owners gave it.
pub fn write(domain: &str, zone: &Live, kept: &Kept, now: Timestamp) -> Written {
    let (before, told) = match kept {
        Ok(None) => (None, None),
        Ok(Some(kept)) => {
            let before = ttls::as_before(zone, kept);
            let alike = zone.records.iter().zip(&before.records);
            let low = alike.filter(|(now, before)| now != before).count();
            let told = (low > 0).then(|| {
                let sets = match low {
                    1 => "1 record set has".to_owned(),
                    low => format!("{low} record sets have"),
                };
                format!(
                    "{sets} the TTLs that their owners gave them: in Route 53 they are lowered while the zone is \
                     being signed, and go back by themselves"
                )
            });
            (Some(before), told)
        }
        Err(why) => {
            let told = format!(
                "the TTLs are those of Route 53, where they are lowered while the zone is being signed; what they \
                 were could not be read: {why}"
            );
            (None, Some(told))
        }
    };
    let zone = before.as_ref().unwrap_or(zone);
    let mut text = format!("; {domain}, written by spore-infra at {now:.0}\n");
    if let Some(told) = &told {
        let told: Vec<&str> = told.split_whitespace().collect();
        let _ = writeln!(text, "; {}", told.join(" "));
    }
    let _ = writeln!(text, "$ORIGIN {domain}.");
    let (mut aliases, mut routed) = (0, 0);
    if zone.records.iter().any(|set| set.alias.is_some()) {
        let _ = write!(
            text,
            "; Alias records are in comments below: no master file can hold them. To make one again in a\n\
             ; new zone, give its JSON to\n\
             ;   aws route53 change-resource-record-sets --hosted-zone-id ID --change-batch 'JSON'\n\
             ; A HostedZoneId of {} is that of this zone: put the new zone's there instead.\n",
            zone.id
        );
    }
    if zone.records.iter().any(|set| set.policy.is_some()) {
        text.push_str(
            "; Record sets with routing policies or health checks are in comments below, without them: no\n\
             ; master file can hold several sets of one name and type.\n",
        );
    }
    let (soa, rest): (Vec<_>, Vec<_>) = zone.records.iter().partition(|set| set.rtype == "SOA");
    for set in soa.into_iter().chain(rest) {
        match (&set.policy, &set.alias) {
            (Some(policy), alias) => {
                routed += 1;
                // A line's end in it would end the comment.
                let policy = policy.escape_default();
                for line in lines(set) {
                    let _ = writeln!(text, "; {policy}: {line}");
                }
                if let Some((target_zone, target, _)) = alias {
                    let name = name(&set.name);
                    let rtype = &set.rtype;
                    let _ = writeln!(
                        text,
                        "; {policy}: {name} IN {rtype} is an alias for {target} of zone {target_zone}"
                    );
                }
            }
            (None, Some((target_zone, target, health))) => {
                aliases += 1;
                let change = json!({"Changes": [{"Action": "CREATE", "ResourceRecordSet": {
                    "Name": set.name,
                    "Type": set.rtype,
                    "AliasTarget": {
                        "HostedZoneId": target_zone,
                        "DNSName": target,
                        "EvaluateTargetHealth": health,
                    },
                }}]});
                let _ = writeln!(text, "; {change}");
            }
            (None, None) => {
                for line in lines(set) {
                    text.push_str(&line);
                    text.push('\n');
                }
            }
        }
    }
    Written {
        text,
        aliases,
        routed,
        ttls: told,
    }
}

/// A record set as lines of a master file.
pub fn lines(set: &RecordSet) -> Vec<String> {
    let owner = name(&set.name);
    let ttl = set.ttl_secs.unwrap_or_default();
    let line = |value: &String| {
        // SPF (99) has gone from name servers' parsers with RFC 7208; this form is read by all of them
        // (RFC 3597, section 5).
        match (set.rtype.as_str(), strings(value)) {
            ("SPF", Some(wire)) => {
                let hex = wire.iter().map(|byte| format!("{byte:02X}"));
                format!(
                    "{owner} {ttl} IN TYPE99 \\# {} {}",
                    wire.len(),
                    hex.collect::<String>()
                )
            }
            (rtype, _) => format!("{owner} {ttl} IN {rtype} {}", data(rtype, value)),
        }
    };
    set.values.iter().map(line).collect()
}

/// A name. The wildcard's octal escape is undone, which people would not know again.
fn name(route53: &str) -> String {
    match route53.strip_prefix("\\052.") {
        Some(rest) => format!("*.{}", decimal_escapes(rest)),
        None => decimal_escapes(route53),
    }
}

/// Record data. Route 53 takes names without a trailing dot as complete (Developer Guide, "DNS domain
/// name format"); to a master file they would be relative to the zone.
fn data(rtype: &str, value: &str) -> String {
    let value = decimal_escapes(value);
    let is_name = |index: usize, count: usize| match rtype {
        "CNAME" | "NS" | "PTR" => index == 0,
        "MX" | "HTTPS" | "SVCB" => index == 1,
        "SRV" => index == 3,
        "SOA" => index < 2,
        // Its strings may have blanks; the name is last.
        "NAPTR" => index + 1 == count,
        _ => false,
    };
    let count = value.split_whitespace().count();
    let mut index = 0;
    let completed = value.split(' ').map(|field| {
        let at = index;
        index += usize::from(!field.is_empty());
        let is_complete = field.ends_with('.') && !field.ends_with("\\.");
        if !field.is_empty() && is_name(at, count) && !is_complete {
            format!("{field}.")
        } else {
            field.to_owned()
        }
    });
    completed.collect::<Vec<_>>().join(" ")
}

/// The wire form of quoted strings in Route 53's spelling; none if it is something else.
fn strings(value: &str) -> Option<Vec<u8>> {
    let mut wire = Vec::new();
    let mut rest = value.trim().as_bytes();
    while let Some(inside) = rest.strip_prefix(b"\"") {
        let (mut string, mut at) = (Vec::new(), 0);
        loop {
            match inside.get(at)? {
                b'"' => break,
                b'\\' => {
                    let digits = inside
                        .get(at + 1..at + 4)
                        .and_then(|digits| std::str::from_utf8(digits).ok())
                        .and_then(|digits| u8::from_str_radix(digits, 8).ok());
                    string.push(digits.or_else(|| inside.get(at + 1).copied())?);
                    at += if digits.is_some() { 4 } else { 2 };
                }
                other => {
                    string.push(*other);
                    at += 1;
                }
            }
        }
        wire.push(u8::try_from(string.len()).ok()?);
        wire.extend(string);
        rest = inside.get(at + 1..)?.trim_ascii_start();
    }
    (rest.is_empty() && !wire.is_empty()).then_some(wire)
}

/// Route 53 escapes in octal (`\052`), master files in decimal (`\042`).
fn decimal_escapes(text: &str) -> String {
    reescaped(text, 8, |byte| format!("\\{byte:03}"))
}

/// Master files escape in decimal, Route 53 in octal.
fn octal_escapes(text: &str) -> String {
    reescaped(text, 10, |byte| format!("\\{byte:03o}"))
}

/// Escapes by number in another base; those of single characters stay.
fn reescaped(text: &str, radix: u32, escaped: impl Fn(u8) -> String) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let digits = rest
            .get(at + 1..at + 4)
            .filter(|digits| digits.bytes().all(|byte| byte.is_ascii_digit()))
            .and_then(|digits| u8::from_str_radix(digits, radix).ok());
        match digits {
            Some(byte) => {
                out.push_str(&escaped(byte));
                rest = &rest[at + 4..];
            }
            None => {
                let end = rest[at..]
                    .char_indices()
                    .nth(2)
                    .map_or(rest.len(), |(i, _)| at + i);
                out.push_str(&rest[at..end]);
                rest = &rest[end..];
            }
        }
    }
    out.push_str(rest);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;

    const DOMAIN: &str = "spore.example.edu";

    fn set(name: &str, rtype: &str, values: &[&str]) -> RecordSet {
        RecordSet {
            name: format!("{name}.{DOMAIN}."),
            rtype: rtype.into(),
            ttl_secs: Some(300),
            values: values.iter().map(|value| (*value).to_owned()).collect(),
            ..RecordSet::default()
        }
    }

    fn written(records: Vec<RecordSet>) -> Written {
        let zone = Live {
            id: "ZOLD".into(),
            records,
            ..Live::default()
        };
        write(DOMAIN, &zone, &Ok(None), Timestamp::UNIX_EPOCH)
    }

    #[test]
    fn while_ttls_are_low_the_file_has_those_of_before_and_says_so() {
        let owners = RecordSet {
            ttl_secs: Some(86_400),
            ..set("www", "A", &["192.0.2.1"])
        };
        let theirs = set("other", "A", &["192.0.2.2"]);
        let zone = Live {
            records: vec![ttls::lowered(&owners), theirs],
            ..Live::default()
        };
        let file = write(
            DOMAIN,
            &zone,
            &Ok(Some(vec![owners])),
            Timestamp::UNIX_EPOCH,
        );
        let lines: Vec<&str> = file.text.lines().collect();
        assert!(lines[1].starts_with("; 1 record set has the TTLs that their owners gave them"));
        assert!(lines.contains(&"www.spore.example.edu. 86400 IN A 192.0.2.1"));
        assert!(lines.contains(&"other.spore.example.edu. 300 IN A 192.0.2.2"));
        assert!(lines[1].ends_with(file.ttls.as_deref().unwrap_or("nothing")));
        // What nobody can read is no answer.
        let unread = write(
            DOMAIN,
            &zone,
            &Err("denied\nnow".into()),
            Timestamp::UNIX_EPOCH,
        );
        assert!(
            unread
                .text
                .contains("could not be read: denied now\n$ORIGIN")
        );
        assert_eq!(written(zone.records).ttls, None);
    }

    #[test]
    fn an_alias_record_is_kept_as_the_change_that_makes_it_again() {
        let alias = RecordSet {
            ttl_secs: None,
            alias: Some((
                "Z2FDTNDATAQYW2".to_owned(),
                "d1.cloudfront.net.".to_owned(),
                true,
            )),
            ..set("\\052", "A", &[])
        };
        let file = written(vec![alias]);
        assert_eq!((file.aliases, file.routed), (1, 0));
        assert!(file.text.contains("ZOLD"), "{}", file.text);
        let json = file.text.lines().find_map(|line| line.strip_prefix("; {"));
        let change: Value = serde_json::from_str(&format!("{{{}", json.expect("a change")))
            .expect("JSON in one line");
        let record = &change["Changes"][0]["ResourceRecordSet"];
        assert_eq!(record["Name"], "\\052.spore.example.edu.");
        assert_eq!(record["AliasTarget"]["HostedZoneId"], "Z2FDTNDATAQYW2");
        assert_eq!(record["AliasTarget"]["DNSName"], "d1.cloudfront.net.");
        assert_eq!(record["AliasTarget"]["EvaluateTargetHealth"], true);
        assert!(!written(Vec::new()).text.contains("Alias"));
    }

    #[test]
    fn what_has_a_routing_policy_is_in_comments_only() {
        let routed = RecordSet {
            policy: Some("set identifier eu".into()),
            ..set("www", "A", &["192.0.2.1"])
        };
        let broken = RecordSet {
            policy: Some("set identifier one;x\ny".into()),
            ..routed.clone()
        };
        let file = written(vec![broken]);
        assert!(file.text.lines().all(|line| line.starts_with([';', '$'])));
        let file = written(vec![routed]);
        assert_eq!((file.aliases, file.routed), (0, 1));
        let lines: Vec<&str> = file.text.lines().collect();
        assert!(lines.contains(&"; set identifier eu: www.spore.example.edu. 300 IN A 192.0.2.1"));
        assert!(lines.iter().all(|line| line.starts_with([';', '$'])));
    }

    #[test]
    fn names_in_values_are_complete_as_route_53_takes_them() {
        for (rtype, value, expected) in [
            ("CNAME", "a.example", "a.example."),
            ("CNAME", "a.example.", "a.example."),
            ("MX", "10 mail.example", "10 mail.example."),
            ("MX", "10  mail.example", "10  mail.example."),
            ("SRV", "1 2 443 host.example", "1 2 443 host.example."),
            ("HTTPS", "1 . alpn=h2", "1 . alpn=h2"),
            (
                "NAPTR",
                r#"1 1 "u" "E2U" "!a b!c!" x"#,
                r#"1 1 "u" "E2U" "!a b!c!" x."#,
            ),
            ("TXT", r#""no name""#, r#""no name""#),
        ] {
            assert_eq!(data(rtype, value), expected, "{rtype}");
        }
        assert_eq!(
            lines(&set("\\052", "A", &["192.0.2.1"])),
            ["*.spore.example.edu. 300 IN A 192.0.2.1"]
        );
        // Quoted strings of an SPF record, in the form for unknown types.
        let spf = lines(&set("a", "SPF", &[r#""v=\141" "\"""#]));
        assert_eq!(
            spf,
            [r"a.spore.example.edu. 300 IN TYPE99 \# 6 03763D610122"]
        );
    }

    #[test]
    fn octal_escapes_become_decimal_and_others_stay() {
        for (route53, master) in [
            (r"\052.example.edu.", r"\042.example.edu."),
            (r#""say \"hi\" \303\274""#, r#""say \"hi\" \195\188""#),
            (r"plain", r"plain"),
            (r"a\\b", r"a\\b"),
            (r"end\", r"end\"),
        ] {
            assert_eq!(decimal_escapes(route53), master, "{route53}");
            assert_eq!(octal_escapes(master), route53, "{master}");
        }
    }
}
