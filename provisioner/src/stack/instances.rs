//! Whose instances may have names: the accounts of `[updater]`, written out or from a file.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::{Value, json};
use toml::de::DeValue;

use super::account::AccountId;
use super::arn::{Arn, Role};
use super::diagnostics::Problem;
use super::domain::Label;
use super::form::{Form, Item, Refused};
use super::schema::object;
use super::table::Table;

/// Accounts whose instances may have names.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Accounts {
    /// Every account of the partition; written out as `["any"]`.
    Any,
    /// These and no others; never empty.
    These(BTreeMap<AccountId, InstanceAccount>),
}

/// What a document says about one account.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct InstanceAccount {
    /// The role to ask DescribeInstances with, in an account that is not the stack's own.
    pub describe_role: Option<Arn<Role>>,
    /// The label in its names, in place of the id in base 36.
    pub label: Option<Label>,
}

/// One entry of `accounts`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Entry {
    Any,
    One(AccountId, InstanceAccount),
}

const ANY: &str = "any";

impl Form for Entry {
    fn expected() -> String {
        let id = AccountId::expected();
        format!("{id}, {{ id = ID, describe-role = ARN, label = LABEL }} or \"{ANY}\"")
    }

    fn schema() -> Value {
        let keys = Table::describe(entry);
        json!({ "oneOf": [{ "const": ANY }, AccountId::schema(), object(&keys)] })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        match item.value {
            DeValue::Table(table) => Table::of_item(item, table, entry),
            DeValue::String(_)
            | DeValue::Integer(_)
            | DeValue::Float(_)
            | DeValue::Boolean(_)
            | DeValue::Datetime(_)
            | DeValue::Array(_) => item.text(|text| match text {
                ANY => Ok(Self::Any),
                id => Ok(Self::One(id.parse()?, InstanceAccount::default())),
            }),
        }
    }
}

fn entry(t: &mut Table<'_>) -> Option<Entry> {
    let id = t.need::<AccountId>("id", "\"123456789012\"", "The account.");
    let describe_role = t.maybe::<Arn<Role>>(
        "describe-role",
        "Role in that account with which the updater asks DescribeInstances.",
    );
    let label = t.maybe(
        "label",
        "Label in its names, in place of the id in base 36.",
    );
    let id = id?;
    if describe_role
        .as_ref()
        .is_some_and(|role| role.account() != id.as_str())
    {
        t.refuse(
            "describe-role",
            format!("is not a role of account {id}"),
            None,
        );
    }
    Some(Entry::One(
        id,
        InstanceAccount {
            describe_role,
            label,
        },
    ))
}

/// The accounts in what `aws organizations list-accounts` prints, those that are active.
pub(super) fn listed(json: &str) -> Result<BTreeSet<AccountId>, Refused> {
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Answer {
        accounts: Vec<Account>,
        next_token: Option<String>,
    }
    // AWS's own format may grow, so unknown members are accepted here and only here.
    #[derive(serde::Deserialize)]
    #[serde(rename_all = "PascalCase")]
    struct Account {
        id: String,
        status: Option<String>,
    }
    let hint = "expected what `aws organizations list-accounts` prints as JSON";
    let answer: Answer = serde_json::from_str(json)
        .map_err(|error| Refused::new(error.to_string()).with_hint(hint.to_owned()))?;
    if answer.next_token.is_some() {
        return Err(Refused::new("holds one page only, it has a NextToken")
            .with_hint("print all pages: without --max-items and --no-paginate".to_owned()));
    }
    let mut ids = BTreeSet::new();
    for account in answer.accounts {
        // Suspended and closing accounts run no instances.
        if account.status.is_none_or(|status| status == "ACTIVE") {
            ids.insert(account.id.parse()?);
        }
    }
    if ids.is_empty() {
        return Err(Refused::new("holds no active account"));
    }
    Ok(ids)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn listed_takes_active_accounts_of_what_the_cli_prints() {
        let printed = r#"{ "Accounts": [
            { "Id": "111111111111", "Arn": "arn:aws:organizations::1:account/o-x/111111111111",
              "Email": "a@example.edu", "Name": "A", "Status": "ACTIVE",
              "JoinedMethod": "INVITED", "JoinedTimestamp": 1481156563.134 },
            { "Id": "222222222222", "Status": "SUSPENDED" },
            { "Id": "012345678901" } ] }"#;
        let ids: Vec<String> = listed(printed)
            .unwrap()
            .iter()
            .map(|id| id.as_str().to_owned())
            .collect();
        assert_eq!(ids, ["012345678901", "111111111111"]);
    }

    #[test]
    fn listed_refuses_what_is_not_the_whole_list() {
        for (text, part) in [
            ("", "line 1"),
            ("[]", "line 1"),
            (r#"{ "Accounts": [] }"#, "no active account"),
            (r#"{ "Accounts": [{ "Id": "1" }] }"#, "12 digits"),
            (
                r#"{ "Accounts": [{ "Id": "111111111111" }], "NextToken": "x" }"#,
                "one page",
            ),
        ] {
            let refused = listed(text).unwrap_err().to_string();
            assert!(refused.contains(part), "{text}: {refused}");
        }
    }
}
