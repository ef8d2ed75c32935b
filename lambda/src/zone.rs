//! Records as Route 53 lists and changes them: what the zone holds at a name, told apart by whose it is.

use crate::config::RecordType;
use crate::name::owner_name;
use crate::owner::Owner;

/// Records a list answers at once (Route 53 API Reference, ListResourceRecordSets).
pub const PAGE_SETS_MAX: usize = 300;

/// Octets of one character-string of a TXT record (RFC 1035, section 3.3).
const STRING_OCTETS_MAX: usize = 255;

/// The records of one name and type.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordSet {
    /// As Route 53 writes it: lower case, other characters in octal, here without the final dot.
    pub name: String,
    /// `A`, `TXT` and so on.
    pub kind: String,
    /// None for aliases.
    pub ttl_secs: Option<u32>,
    /// The values in Route 53's spelling.
    pub values: Vec<String>,
    /// Whether it has name, type, TTL and values and nothing else. Aliases, weights, health checks and
    /// the like are not the updater's, and would be lost if it wrote them back.
    pub is_plain: bool,
}

/// Where a list begins.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Start {
    /// The first name, without the final dot.
    pub name: String,
    /// The first type at that name.
    pub kind: Option<String>,
    /// The first of several sets of that name and type.
    pub identifier: Option<String>,
}

/// Part of a list, in Route 53's order: by labels from the right, so that all names below one follow it
/// immediately.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Page {
    /// The records.
    pub sets: Vec<RecordSet>,
    /// Where it goes on, if it does.
    pub next: Option<Start>,
}

/// What is at a name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// Whose it is.
    pub mark: Mark,
    /// Its records, without the mark.
    pub sets: Vec<RecordSet>,
}

/// Whose a name is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub enum Mark {
    /// Nobody's, as far as marks say.
    #[default]
    None,
    /// This owner's.
    Of {
        /// What the mark says.
        owner: Owner,
        /// The mark as it is in the zone, to be deleted exactly so.
        set: RecordSet,
    },
    /// Somebody's, but this code cannot tell whose: the mark is of a later version, or was edited.
    Unknown,
}

impl Start {
    /// The first record of a name.
    pub fn at(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            kind: None,
            identifier: None,
        }
    }
}

impl RecordSet {
    /// A set with one value.
    pub(crate) fn one(name: String, kind: &str, ttl_secs: u32, value: String) -> Self {
        Self {
            name,
            kind: kind.to_owned(),
            ttl_secs: Some(ttl_secs),
            values: vec![value],
            is_plain: true,
        }
    }

    /// Whether it is of this type, whatever it says and whoever made it.
    pub(crate) fn is_of(&self, record_type: RecordType) -> bool {
        self.kind == record_type.word()
    }

    /// Whether the updater could have made it.
    pub(crate) fn is_ours(&self) -> bool {
        let types = [RecordType::A, RecordType::Aaaa, RecordType::Txt];
        self.is_plain && types.iter().any(|known| self.is_of(*known))
    }

    fn mark(self) -> Mark {
        let [value] = self.values.as_slice() else {
            return Mark::Unknown;
        };
        let text = value
            .strip_prefix('"')
            .and_then(|rest| rest.strip_suffix('"'));
        match text.map(str::parse) {
            Some(Ok(owner)) if self.is_plain && self.is_of(RecordType::Txt) => {
                Mark::Of { owner, set: self }
            }
            Some(Ok(_) | Err(_)) | None => Mark::Unknown,
        }
    }
}

impl Live {
    /// What these records say about a name; records of other names are left out.
    pub fn at(name: &str, sets: &[RecordSet]) -> Self {
        let mark_name = owner_name(name);
        let mut live = Self::default();
        for set in sets {
            if set.name == name {
                live.sets.push(set.clone());
            } else if set.name == mark_name {
                // Something beside the TXT set there, an MX set for example, was made by hand.
                live.mark = match live.mark {
                    Mark::None => set.clone().mark(),
                    Mark::Of { .. } | Mark::Unknown => Mark::Unknown,
                };
            }
        }
        live
    }

    /// A record made by hand beside which Route 53 takes none of this type: a CNAME record, or an alias
    /// or weighted set of the type itself.
    pub(crate) fn in_the_way(&self, record_type: RecordType) -> Option<&RecordSet> {
        let is_it = |set: &&RecordSet| set.kind == "CNAME" || set.is_of(record_type);
        self.sets.iter().filter(|set| !set.is_ours()).find(is_it)
    }

    /// A record that the updater cannot have made, so that a mark beside it does not cover it.
    pub fn foreign(&self) -> Option<&RecordSet> {
        self.sets.iter().find(|set| !set.is_ours())
    }
}

impl RecordType {
    /// As Route 53 writes it.
    pub fn word(self) -> &'static str {
        match self {
            Self::A => "A",
            Self::Aaaa => "AAAA",
            Self::Txt => "TXT",
        }
    }
}

/// A text of printable ASCII as Route 53 takes it: strings in quotes with one space between, quotes and
/// backslashes escaped (Route 53 Developer Guide, "TXT record type").
pub(crate) fn txt_value(text: &str) -> String {
    let mut value = String::with_capacity(text.len() + 16);
    for (at, octet) in text.chars().enumerate() {
        if at % STRING_OCTETS_MAX == 0 {
            value.push_str(if at == 0 { "\"" } else { "\" \"" });
        }
        if matches!(octet, '"' | '\\') {
            value.push('\\');
        }
        value.push(octet);
    }
    value.push('"');
    value
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    const NAME: &str = "web.1kpqzg2c.spore.example.edu";
    const MARK: &str = "v=1 p=123456789012/us-east-1/i-0123456789abcdef0 t=20261121T235948Z \
                        n=5f1d0c6b2a9e4d738c0b6e9f1a2d3c4b";

    fn set(name: &str, kind: &str, value: &str) -> RecordSet {
        RecordSet::one(name.to_owned(), kind, 60, value.to_owned())
    }

    fn mark(value: &str) -> RecordSet {
        set(&owner_name(NAME), "TXT", value)
    }

    #[test]
    fn a_name_is_its_records_and_its_mark() {
        let page = [
            set("wea.1kpqzg2c.spore.example.edu", "A", "54.1.1.1"),
            set(NAME, "A", "54.1.2.3"),
            set(NAME, "TXT", "\"hello\""),
            mark(&format!("\"{MARK}\"")),
            set("wec.1kpqzg2c.spore.example.edu", "A", "54.1.1.1"),
        ];
        let live = Live::at(NAME, &page);
        assert_eq!(live.sets, page[1..3]);
        assert_eq!(live.foreign(), None);
        let Mark::Of { owner, set } = live.mark else {
            panic!("{:?}", live.mark);
        };
        assert_eq!(owner, MARK.parse().unwrap());
        assert_eq!(set, page[3]);
        assert_eq!(Live::at("other.edu", &page), Live::default());
    }

    #[test]
    fn a_mark_that_was_touched_by_hand_is_nobodys_to_judge() {
        let weighted = RecordSet {
            is_plain: false,
            ..mark(&format!("\"{MARK}\""))
        };
        let two = RecordSet {
            values: vec![format!("\"{MARK}\""), "\"x\"".to_owned()],
            ..mark("")
        };
        for page in [
            vec![mark("\"hello\"")],
            vec![mark(MARK)],
            vec![mark(&format!("\"{MARK}\" \"\""))],
            vec![mark(&format!("\"{}\"", MARK.replace("v=1", "v=2")))],
            vec![weighted],
            vec![two],
            vec![set(&owner_name(NAME), "CNAME", "x.")],
            vec![
                set(&owner_name(NAME), "MX", "1 x."),
                mark(&format!("\"{MARK}\"")),
            ],
        ] {
            assert_eq!(Live::at(NAME, &page).mark, Mark::Unknown, "{page:?}");
        }
    }

    #[test]
    fn what_the_updater_cannot_have_made_is_foreign() {
        let alias = RecordSet {
            is_plain: false,
            ttl_secs: None,
            values: Vec::new(),
            ..set(NAME, "A", "")
        };
        for foreign in [
            alias,
            set(NAME, "CNAME", "x."),
            set(NAME, "CAA", "0 issue \";\""),
        ] {
            let page = [set(NAME, "AAAA", "2600::1"), foreign.clone()];
            assert_eq!(Live::at(NAME, &page).foreign(), Some(&foreign));
        }
    }

    #[test]
    fn texts_are_written_in_strings_of_255_octets() {
        assert_eq!(txt_value("hello"), r#""hello""#);
        assert_eq!(txt_value(r#"a "b" \c"#), r#""a \"b\" \\c""#);
        assert_eq!(
            txt_value(&"x".repeat(255)),
            format!("\"{}\"", "x".repeat(255))
        );
        let long = txt_value(&"\"".repeat(1_000));
        let strings: Vec<&str> = long.split("\" \"").collect();
        assert_eq!(strings.len(), 4);
        assert!(long.len() <= 4_000, "Route 53 takes no more");
    }
}
