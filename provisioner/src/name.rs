//! Names made from a domain: one function, so that no two domains share a name in AWS.

use std::fmt::Write as _;

use sha2::{Digest, Sha256};

use crate::stack::{AccountId, DomainName};

/// The characters a sort of name allows besides letters and digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Charset {
    /// Underscore and hyphen: aliases, roles, functions, alarms.
    Hyphenated,
    /// Underscore only: KSK names (Route 53 API, CreateKeySigningKey).
    Underscored,
}

/// Underscore and eight hex digits.
const HASH_CHARS: usize = 9;

/// A name for what belongs to a domain, the same every time, at most `chars_max` long.
///
/// `.` becomes `_`; without hyphens `-` becomes `__`. This is injective: labels are not empty and
/// neither begin nor end with a hyphen, so a single underscore between two letters or digits is a
/// dot and an even run of them is half as many hyphens; an odd run above one does not occur.
///
/// A longer name is cut and ends in `_` and the first 8 hex digits of the domain's SHA-256; names
/// of full length that merely look so are hashed as well, so a cut name never equals an uncut one,
/// and two cut names are equal only if 32 bits of their hashes are.
///
/// # Panics
/// If `chars_max` leaves no room for a character before the hash: a mistake in this program.
pub fn derived(domain: &DomainName, charset: Charset, chars_max: usize) -> String {
    assert!(
        chars_max > HASH_CHARS,
        "{chars_max} characters are too few for a derived name"
    );
    let dotless = domain.as_str().replace('.', "_");
    let full = match charset {
        Charset::Hyphenated => dotless,
        Charset::Underscored => dotless.replace('-', "__"),
    };
    if full.len() < chars_max || (full.len() == chars_max && !looks_hashed(&full)) {
        return full;
    }
    let mut name = full[..chars_max - HASH_CHARS].to_owned();
    name.push('_');
    for byte in Sha256::digest(domain.as_str()).iter().take(4) {
        write!(name, "{byte:02x}").expect("writing to a string does not fail");
    }
    name
}

fn looks_hashed(name: &str) -> bool {
    name.rsplit_once('_').is_some_and(|(_, end)| {
        end.len() == HASH_CHARS - 1 && end.bytes().all(|byte| byte.is_ascii_hexdigit())
    })
}

/// The label of an account in its instances' names: the id as a number in base 36, lower case,
/// without leading zeros, as spawn writes it.
///
/// Ids have exactly 12 digits, so an id is its number and two ids never share a label. A label is
/// 1 to 8 characters long: 36^7 < 10^12 < 36^8, and only ids below 078364164096 have fewer than 8.
pub fn account_label(account: &AccountId) -> String {
    const DIGITS: &[u8; 36] = b"0123456789abcdefghijklmnopqrstuvwxyz";
    let mut number: u64 = account
        .as_str()
        .parse()
        .expect("an account id is 12 digits");
    let mut reversed = Vec::new();
    loop {
        let digit = usize::try_from(number % 36).expect("a digit fits");
        reversed.push(char::from(DIGITS[digit]));
        number /= 36;
        if number == 0 {
            return reversed.into_iter().rev().collect();
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    fn domain(text: &str) -> DomainName {
        text.parse().unwrap()
    }

    #[test]
    fn derived_names() {
        let check = |text, charset, expected: &str| {
            assert_eq!(derived(&domain(text), charset, 64), expected);
        };
        check(
            "spore.example.edu",
            Charset::Hyphenated,
            "spore_example_edu",
        );
        check(
            "spore.example.edu",
            Charset::Underscored,
            "spore_example_edu",
        );
        check("a-b.c--d.edu", Charset::Hyphenated, "a-b_c--d_edu");
        check("a-b.c--d.edu", Charset::Underscored, "a__b_c____d_edu");
    }

    #[test]
    fn long_names_are_cut_and_end_in_the_hash_of_the_domain() {
        let long = domain("a-very-long-department-name.a-very-long-faculty-name.example.edu");
        let name = derived(&long, Charset::Hyphenated, 32);
        // printf %s DOMAIN | sha256sum
        assert_eq!(name, "a-very-long-department-_4a04936a");
        assert_eq!(name.len(), 32);
    }

    #[test]
    fn a_name_of_full_length_that_looks_cut_is_hashed() {
        let looks_cut = domain("ab.deadbeef");
        assert_eq!(derived(&looks_cut, Charset::Hyphenated, 12), "ab_deadbeef");
        assert_ne!(derived(&looks_cut, Charset::Hyphenated, 11), "ab_deadbeef");
        assert_eq!(
            derived(&domain("ab.deadbeeg"), Charset::Hyphenated, 11),
            "ab_deadbeeg"
        );
    }

    #[test]
    fn account_labels_are_base_36() {
        for (id, label) in [
            ("123456789012", "1kpqzg2c"),
            ("966362334030", "cbxv6l3i"),
            ("000000000000", "0"),
            ("000000000036", "10"),
            ("078364164095", "zzzzzzz"),
            ("078364164096", "10000000"),
            ("999999999999", "cre66i9r"),
        ] {
            assert_eq!(account_label(&id.parse().unwrap()), label, "{id}");
        }
    }

    fn any_domain() -> impl Strategy<Value = DomainName> {
        // Few characters, so that many generated domains differ only in dots and hyphens.
        proptest::collection::vec("[ab](-{0,2}[ab]){0,2}", 2..5)
            .prop_map(|labels| domain(&labels.join(".")))
    }

    proptest! {
        #[test]
        fn derived_is_injective(domains in proptest::collection::vec(any_domain(), 2..40)) {
            for charset in [Charset::Hyphenated, Charset::Underscored] {
                for chars_max in [10, 14, 64] {
                    let mut owners = BTreeMap::new();
                    for domain in &domains {
                        let name = derived(domain, charset, chars_max);
                        prop_assert!(name.len() <= chars_max);
                        let is_allowed = |c: char| c.is_ascii_alphanumeric() || c == '_'
                            || (c == '-' && charset == Charset::Hyphenated);
                        prop_assert!(name.chars().all(is_allowed));
                        let owner = owners.entry(name).or_insert(domain);
                        prop_assert_eq!(*owner, domain);
                    }
                }
            }
        }

        #[test]
        fn account_labels_read_back(id in 0_u64..1_000_000_000_000) {
            let label = account_label(&format!("{id:012}").parse().unwrap());
            prop_assert_eq!(u64::from_str_radix(&label, 36).unwrap(), id);
        }
    }
}
