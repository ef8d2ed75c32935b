//! For whom the updater works, in its tags. Its configuration is inside the zip, of which AWS shows only a
//! digest; without these a plan could not say that more people may register names than before.
//!
//! What the tags say is shown and never believed: the function goes by its configuration.

use std::collections::BTreeMap;

use sha2::{Digest as _, Sha256};

use crate::addr::Addr;
use crate::desired::Desired;
use crate::plan::{RightChange, hex};
use crate::stack::{Accounts, Proof};
use crate::tags::Tags;

/// Whose instances.
const ACCOUNTS: &str = "spore:accounts";
/// How they prove it.
const PROOFS: &str = "spore:proofs";
/// Which roles, for the proof `iam-role`.
const ROLES: &str = "spore:roles";
/// The tag that an instance has to have.
const REQUIRE_TAG: &str = "spore:require-tag";

/// The proof that [`ROLES`] belongs to.
const IAM_ROLE: &str = "iam-role";

/// The longest value (Lambda Developer Guide, "Tag requirements").
const VALUE_CHARS_MAX: usize = 256;

/// The tags.
pub fn tags(desired: &Desired) -> Tags {
    let updater = &desired.stack.updater;
    let accounts = match &updater.accounts {
        Accounts::Any => "any".to_owned(),
        Accounts::These(these) => short(these.keys().map(ToString::to_string)),
    };
    let proofs = updater.proofs.iter().map(|proof| match proof {
        Proof::InstanceRole => "instance-role".to_owned(),
        Proof::IdentityDocument => "identity-document".to_owned(),
        Proof::IamRole => IAM_ROLE.to_owned(),
    });
    let tag = &updater.require_tag;
    let mut tags = BTreeMap::from([
        (ACCOUNTS.to_owned(), accounts),
        (PROOFS.to_owned(), short(proofs)),
        (REQUIRE_TAG.to_owned(), format!("{}={}", tag.key, tag.value)),
    ]);
    if !updater.roles.is_empty() {
        let roles = short(updater.roles.iter().map(ToString::to_string));
        tags.insert(ROLES.to_owned(), roles);
    }
    tags
}

/// Words, or how many and a digest of them where they are too long for a tag.
fn short(words: impl Iterator<Item = String>) -> String {
    let words: Vec<String> = words.collect();
    let text = words.join(" ");
    if text.len() <= VALUE_CHARS_MAX {
        return text;
    }
    let digest = Sha256::digest(text.as_bytes());
    format!("{} with digest {}", words.len(), hex(&digest[..8]))
}

/// Who may register names and could not before, and the reverse. `live` is none for a function that is
/// made.
pub fn rights(addr: &Addr, desired: &Desired, live: Option<&Tags>) -> Vec<RightChange> {
    let wanted = sentence(desired, &tags(desired));
    let before = live
        .filter(|live| live.contains_key(ACCOUNTS))
        .map(|live| sentence(desired, live));
    if before.as_ref() == Some(&wanted) {
        return Vec::new();
    }
    let change = |sentence, gained| RightChange {
        addr: addr.clone(),
        gained,
        sentence,
    };
    let lost = before.map(|before| change(before, false));
    lost.into_iter().chain([change(wanted, true)]).collect()
}

fn sentence(desired: &Desired, tags: &Tags) -> String {
    let value = |key: &str| tags.get(key).map_or("nobody", String::as_str);
    let accounts = match value(ACCOUNTS) {
        "any" => "any account".to_owned(),
        one if one.len() == 12 => format!("account {one}"),
        several => format!("accounts {several}"),
    };
    // Tags are only set: those of a proof that is no longer taken stay, and say nothing.
    let takes_roles = value(PROOFS).split(' ').any(|proof| proof == IAM_ROLE);
    let roles = tags
        .get(ROLES)
        .filter(|_| takes_roles)
        .map(|roles| format!(", with role {roles}"))
        .unwrap_or_default();
    format!(
        "instances of {accounts} with tag {} may register names in {}, proving themselves by {}{roles}",
        value(REQUIRE_TAG),
        desired.domain,
        value(PROOFS)
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::addr::Kind;
    use crate::fixture;

    fn between(before: &str, after: &str) -> Vec<(bool, String)> {
        let (before, after) = (fixture::of(before), fixture::of(after));
        let addr = after.addr(Kind::Function);
        let rights = rights(&addr, &after, Some(&tags(&before)));
        rights
            .into_iter()
            .map(|right| (right.gained, right.sentence))
            .collect()
    }

    #[test]
    fn who_may_register_names_is_told_whenever_it_changes() {
        let narrow = "[updater]\n";
        assert!(between(narrow, narrow).is_empty());
        for (wide, word) in [
            ("accounts = [\"any\"]\n", "any account"),
            (
                "accounts = [\"123456789012\", \"210987654321\"]\n",
                "210987654321",
            ),
            ("proofs = [\"identity-document\"]\n", "identity-document"),
            ("require-tag = \"dns=yes\"\n", "dns=yes"),
            (
                "proofs = [\"iam-role\"]\nroles = [\"arn:aws:iam::123456789012:role/ci\"]\n",
                "role/ci",
            ),
        ] {
            let wide = format!("{narrow}{wide}");
            for (before, after, is_wider) in [(narrow, &*wide, true), (&wide, narrow, false)] {
                let changed = between(before, after);
                assert_eq!(changed.len(), 2, "{changed:?}");
                for (gained, sentence) in changed {
                    assert_eq!(sentence.contains(word), gained == is_wider, "{sentence}");
                }
            }
        }
    }

    #[test]
    fn a_tag_that_nothing_needs_any_more_gives_nobody_a_right() {
        let roles =
            "[updater]\nproofs = [\"iam-role\"]\nroles = [\"arn:aws:iam::123456789012:role/ci\"]\n";
        let now = fixture::of("[updater]\n");
        let mut live = tags(&fixture::of(roles));
        live.extend(tags(&now));
        assert!(live.contains_key(ROLES), "tags are only set");
        let addr = now.addr(Kind::Function);
        assert_eq!(rights(&addr, &now, Some(&live)), []);
    }

    #[test]
    fn two_thousand_accounts_fit_into_a_tag_and_none_can_be_exchanged_unseen() {
        let of = |first: u64| {
            let all = (first..first + 2_000).map(|id| format!("{id:012}"));
            short(all)
        };
        assert!(of(1).len() <= VALUE_CHARS_MAX && of(1).starts_with("2000 "));
        assert_ne!(of(1), of(2));
    }
}
