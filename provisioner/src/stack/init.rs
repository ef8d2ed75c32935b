//! The document a site starts with: three lines, and pointers to what most sites set.

use super::account::AccountId;
use super::domain::DomainName;

/// The text of a new document. `instance_accounts` are the accounts that hold instances; empty, or
/// the stack's own account alone, is the default and needs no line.
pub fn initial(
    domain: &DomainName,
    account: &AccountId,
    instance_accounts: &[AccountId],
) -> String {
    let is_default = matches!(instance_accounts, [] | [_])
        && instance_accounts
            .iter()
            .all(|instance_account| instance_account == account);
    let mut ids: Vec<String> = instance_accounts
        .iter()
        .map(|account| format!("\"{account}\""))
        .collect();
    ids.sort();
    ids.dedup();
    let (comment, ids) = if is_default {
        ("# ", vec![format!("\"{account}\"")])
    } else {
        ("", ids)
    };
    let ids = ids.join(", ");
    format!(
        r#"version = 1
domain  = "{domain}"
account = "{account}"

# What most sites set; everything else has a default that is safe to keep.

# Whose instances may have names.
{comment}[updater]
{comment}accounts = [{ids}]

# The parent zone is not to be looked for in this account.
# [delegation]
# parent = "external"

# Who is told; without a topic nobody hears an alarm.
# [alarms]
# notify = ["arn:aws:sns:us-east-1:{account}:dns-alarms"]

# Whom people are told to ask.
# [contacts]
# owner    = "who runs this, such as a mail address"
# dns      = "who runs the parent zone"
# security = "whom to tell about misuse"
"#
    )
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use std::collections::BTreeSet;
    use std::io;

    use super::*;
    use crate::stack::{Accounts, parse};

    fn check(instance_accounts: &[&str], expected: &[&str]) {
        let account: AccountId = "123456789012".parse().unwrap();
        let ids: Vec<AccountId> = instance_accounts
            .iter()
            .map(|id| id.parse().unwrap())
            .collect();
        let text = initial(&"spore.example.edu".parse().unwrap(), &account, &ids);
        let stack = parse("x.toml", &text, &|_| Err(io::ErrorKind::NotFound.into())).unwrap();
        assert_eq!(stack.account, account);
        let Accounts::These(these) = stack.updater.accounts else {
            panic!("any")
        };
        let these: BTreeSet<&str> = these.keys().map(AccountId::as_str).collect();
        assert_eq!(these, expected.iter().copied().collect());
    }

    #[test]
    fn the_first_document_is_valid_and_means_these_accounts() {
        check(&[], &["123456789012"]);
        check(&["123456789012"], &["123456789012"]);
        check(&["966362334030"], &["966362334030"]);
        check(
            &["966362334030", "123456789012", "966362334030"],
            &["123456789012", "966362334030"],
        );
    }

    #[test]
    fn the_pointers_are_valid_once_uncommented() {
        let account: AccountId = "123456789012".parse().unwrap();
        let text = initial(&"spore.example.edu".parse().unwrap(), &account, &[]);
        let is_key = |line: &str| line.starts_with('[') || line.contains(" = ");
        let uncommented: Vec<&str> = text
            .lines()
            .map(|line| {
                line.strip_prefix("# ")
                    .filter(|rest| is_key(rest))
                    .unwrap_or(line)
            })
            .collect();
        let text = uncommented.join("\n");
        assert!(!text.contains("\n# ["), "{text}");
        parse("x.toml", &text, &|_| Err(io::ErrorKind::NotFound.into())).unwrap();
    }
}
