//! Names as people and programs read them.

use std::fmt::Write as _;
use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};

use super::mark::Holder;
use super::{Name, Owner, kind_of};
use crate::kind::hosted_zone::RecordSet;
use crate::plan::span;

/// Version of the JSON form: within one, fields are only added.
const FORMAT: u32 = 1;

/// What a list says besides the names.
#[derive(Debug, Clone, Copy)]
pub struct Heading<'a> {
    /// The zone.
    pub domain: &'a str,
    /// The document's lease.
    pub lease: Duration,
    /// When the zone was read.
    pub at: Timestamp,
}

impl Heading<'_> {
    fn state(&self, name: &Name) -> &'static str {
        match (&name.owner, name.lease_end(self.lease)) {
            (Owner::Of(_), Some(end)) if end <= self.at => "ended",
            (Owner::Of(_), _) => "held",
            (Owner::Unreadable(_), _) => "unreadable",
            (Owner::Nobody, _) => "unmarked",
        }
    }
}

/// A table.
pub fn text(names: &[Name], heading: Heading<'_>) -> String {
    let mut rows = vec![[
        "name".to_owned(),
        "held by".to_owned(),
        "renewed".to_owned(),
        "lease ends".to_owned(),
        "records".to_owned(),
    ]];
    for name in names {
        let (holder, renewed, end) = match &name.owner {
            Owner::Of(mark) => {
                let end = name.lease_end(heading.lease).unwrap_or(Timestamp::MAX);
                let ended = if end <= heading.at { " (ended)" } else { "" };
                (
                    mark.holder.to_string(),
                    seconds(mark.renewed_at),
                    format!("{}{ended}", seconds(end)),
                )
            }
            Owner::Unreadable(why) => (format!("? {why}"), String::new(), String::new()),
            Owner::Nobody => ("nobody, made by hand".into(), String::new(), String::new()),
        };
        let records: Vec<String> = name.sets.iter().map(record).collect();
        let records = if records.is_empty() {
            "none".to_owned()
        } else {
            records.join("; ")
        };
        rows.push([name.name.clone(), holder, renewed, end, records].map(|cell| printable(&cell)));
    }
    let mut out = String::new();
    if !names.is_empty() {
        out.push_str(&table(&rows));
        out.push('\n');
    }
    let count = |state| {
        let is = |name: &&Name| heading.state(name) == state;
        names.iter().filter(is).count()
    };
    let _ = writeln!(
        out,
        "{}: {} held, {} of which the lease of {} has ended, {} with a mark that cannot be read, {} without \
         a mark.",
        heading.domain,
        count("held") + count("ended"),
        count("ended"),
        span(heading.lease),
        count("unreadable"),
        count("unmarked"),
    );
    out
}

/// Left-aligned columns, the last as long as it is.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = (*width).max(cell.chars().count());
        }
    }
    let mut out = String::new();
    for row in rows {
        let mut line = String::new();
        for (width, cell) in widths.iter().zip(row) {
            let _ = write!(line, "{cell:<width$}  ");
        }
        out.push_str(line.trim_end());
        out.push('\n');
    }
    out
}

/// What somebody wrote into a record must not move the cursor of whoever reads it.
fn printable(text: &str) -> String {
    text.chars()
        .flat_map(|char| {
            let escaped = char.is_control().then(|| char.escape_default());
            let plain = (!char.is_control()).then_some(char);
            escaped.into_iter().flatten().chain(plain)
        })
        .collect()
}

fn record(set: &RecordSet) -> String {
    match &set.alias {
        Some((_, target, _)) => format!("{} for {target}", kind_of(set)),
        None => format!("{} {}", kind_of(set), set.values.join(", ")),
    }
}

/// RFC 3339 in whole seconds.
pub fn seconds(time: Timestamp) -> String {
    format!("{time:.0}")
}

/// The list for programs.
pub fn json(names: &[Name], heading: Heading<'_>) -> Value {
    let names: Vec<Value> = names.iter().map(|name| one(name, heading)).collect();
    json!({
        "format": FORMAT,
        "domain": heading.domain,
        "at": seconds(heading.at),
        "lease_secs": heading.lease.as_secs(),
        "names": names,
    })
}

fn one(name: &Name, heading: Heading<'_>) -> Value {
    let mark = match &name.owner {
        Owner::Of(mark) => Some(mark),
        Owner::Nobody | Owner::Unreadable(_) => None,
    };
    let owner = mark.map(|mark| match &mark.holder {
        Holder::Instance {
            account,
            region,
            id,
        } => json!({"account": account, "region": region, "instance": id}),
        Holder::Role { account, id } => json!({"account": account, "role": id}),
    });
    let problem = match &name.owner {
        Owner::Unreadable(why) => Some(why),
        Owner::Nobody | Owner::Of(_) => None,
    };
    json!({
        "name": name.name,
        "state": heading.state(name),
        "owner": owner,
        "problem": problem,
        "renewed_at": mark.map(|mark| seconds(mark.renewed_at)),
        "lease_ends_at": name.lease_end(heading.lease).map(seconds),
        "marks": name.marks.iter().flat_map(|set| &set.values).collect::<Vec<_>>(),
        "records": name.sets.iter().map(json_record).collect::<Vec<_>>(),
    })
}

fn json_record(set: &RecordSet) -> Value {
    json!({
        "type": set.rtype,
        "ttl": set.ttl_secs,
        "values": set.values,
        "alias": set.alias.as_ref().map(|(_, target, _)| target),
        "policy": set.policy,
    })
}

#[cfg(test)]
mod tests {
    #![expect(clippy::unwrap_used, reason = "tests")]

    use super::super::of_zone;
    use super::super::tests::{DOMAIN, mark, zone};
    use super::*;

    fn listed() -> (Vec<Name>, Heading<'static>) {
        let (one, two) = (
            mark("i-0123456789abcdef0", "20260101T000000Z"),
            mark("i-01234567", "20260105T000000Z"),
        );
        let live = zone(&format!(
            "$TTL 60\na.x A 192.0.2.1\n_spore.a.x TXT {one}\nb.x AAAA 2001:db8::1\n_spore.b.x TXT {two}\n\
             c.x MX 10 y.example.\nd.x A 192.0.2.9\n_spore.d.x TXT \"v=9\"\n"
        ));
        let heading = Heading {
            domain: DOMAIN,
            lease: Duration::from_secs(7 * 86_400),
            at: "2026-01-08T00:00:00Z".parse().unwrap(),
        };
        (of_zone(DOMAIN, &live), heading)
    }

    #[test]
    fn the_table_shows_who_holds_what_until_when() {
        let (names, heading) = listed();
        let expected = "\
name                   held by                                                   renewed               lease ends                    records
a.x.spore.example.edu  i-0123456789abcdef0 in us-east-1 of account 123456789012  2026-01-01T00:00:00Z  2026-01-08T00:00:00Z (ended)  A 192.0.2.1
b.x.spore.example.edu  i-01234567 in us-east-1 of account 123456789012           2026-01-05T00:00:00Z  2026-01-12T00:00:00Z          AAAA 2001:db8::1
c.x.spore.example.edu  nobody, made by hand                                                                                          MX 10 y.example.
d.x.spore.example.edu  ? the mark is of another version than 1                                                                       A 192.0.2.9

spore.example.edu: 2 held, 1 of which the lease of 7 d has ended, 1 with a mark that cannot be read, 1 without a mark.
";
        assert_eq!(text(&names, heading), expected);
        assert_eq!(text(&[], heading).lines().count(), 1);
    }

    #[test]
    fn the_json_form_says_the_same() {
        let (names, heading) = listed();
        let value = json(&names, heading);
        let states: Vec<&str> = value["names"]
            .as_array()
            .unwrap()
            .iter()
            .map(|name| name["state"].as_str().unwrap())
            .collect();
        assert_eq!(states, ["ended", "held", "unmarked", "unreadable"]);
        let first = &value["names"][0];
        assert_eq!(first["owner"]["instance"], "i-0123456789abcdef0");
        assert_eq!(first["lease_ends_at"], "2026-01-08T00:00:00Z");
        assert_eq!(first["records"][0]["values"][0], "192.0.2.1");
        assert_eq!(value["names"][3]["owner"], Value::Null);
    }

    #[test]
    fn records_cannot_move_the_cursor() {
        assert_eq!(printable("a\u{1b}[2Jb\n"), "a\\u{1b}[2Jb\\n");
    }
}
