//! Data protection policies of groups: which parts of lines are hidden from readers.
//!
//! They are kept and shown, with the group's status. Nothing is hidden: what AWS takes for an address or a
//! secret is its own. Such policies for whole accounts are refused by name.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::{invalid, millis, name_or_identifier, needs, read};
use crate::world::{AwsError, Caller, Operation, World};

/// Characters of a document (API page of PutDataProtectionPolicy).
const DOCUMENT_MAX: usize = 30_720;

/// What a group has, and had.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DataProtection {
    /// None: it had one.
    document: Option<String>,
    updated: Timestamp,
}

impl DataProtection {
    /// The status that DescribeLogGroups shows.
    pub fn status(&self) -> &'static str {
        match self.document {
            Some(_) => "ACTIVATED",
            None => "DELETED",
        }
    }
}

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "PutDataProtectionPolicy",
        needs: |_, caller, input| needs::of_group(caller, input, "logs:PutDataProtectionPolicy"),
        run: put_data_protection_policy,
    },
    Operation {
        name: "GetDataProtectionPolicy",
        needs: |_, caller, input| needs::of_group(caller, input, "logs:GetDataProtectionPolicy"),
        run: get_data_protection_policy,
    },
    Operation {
        name: "DeleteDataProtectionPolicy",
        needs: |_, caller, input| needs::of_group(caller, input, "logs:DeleteDataProtectionPolicy"),
        run: delete_data_protection_policy,
    },
];

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct One {
    log_group_identifier: String,
    policy_document: Option<String>,
}

fn put_data_protection_policy(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: One = read(input)?;
    let name = name_or_identifier(caller, None, Some(input.log_group_identifier.clone()))?;
    let document = input.policy_document.unwrap_or_default();
    check_document(&document)?;
    let group = world.logs.group_mut(caller, &name)?;
    group.protection = Some(DataProtection {
        document: Some(document.clone()),
        updated: caller.now,
    });
    Ok(json!({
        "logGroupIdentifier": input.log_group_identifier,
        "policyDocument": document,
        "lastUpdatedTime": millis(caller.now),
    }))
}

/// Two statements, one that audits and one that hides, both for the same data (API page of
/// PutDataProtectionPolicy).
fn check_document(text: &str) -> Result<(), AwsError> {
    let wrong = |why: &str| Err(invalid(format!("Invalid data protection policy: {why}")));
    if text.chars().count() > DOCUMENT_MAX {
        return Err(AwsError::new(
            "LimitExceededException",
            "Resource limit exceeded.",
        ));
    }
    let Ok(document) = serde_json::from_str::<Value>(text) else {
        return wrong("it is no JSON");
    };
    if !document["Name"].is_string() || !document["Version"].is_string() {
        return wrong("Name and Version must be given");
    }
    let Some([first, second]) = document["Statement"].as_array().map(Vec::as_slice) else {
        return wrong("there must be two statements");
    };
    let operations = (&first["Operation"], &second["Operation"]);
    if !operations.0["Audit"].is_object() || !operations.1["Deidentify"].is_object() {
        return wrong("the first statement must audit and the second deidentify");
    }
    let data = &first["DataIdentifier"];
    if data != &second["DataIdentifier"] || data.as_array().is_none_or(Vec::is_empty) {
        return wrong("both statements must have the same DataIdentifier");
    }
    Ok(())
}

fn get_data_protection_policy(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: One = read(input)?;
    let name = name_or_identifier(caller, None, Some(input.log_group_identifier.clone()))?;
    let group = world.logs.group_mut(caller, &name)?;
    let mut answer = json!({ "logGroupIdentifier": input.log_group_identifier });
    if let Some(protection) = &group.protection
        && let Some(document) = &protection.document
    {
        answer["policyDocument"] = document.as_str().into();
        answer["lastUpdatedTime"] = millis(protection.updated).into();
    }
    Ok(answer)
}

fn delete_data_protection_policy(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: One = read(input)?;
    let name = name_or_identifier(caller, None, Some(input.log_group_identifier))?;
    let group = world.logs.group_mut(caller, &name)?;
    if let Some(protection) = &mut group.protection {
        protection.document = None;
        protection.updated = caller.now;
    }
    Ok(json!({}))
}
