//! Saved queries of Logs Insights. They are kept and shown; running them is not modelled.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::group::answer;
use super::{invalid, millis, read};
use crate::world::{AwsError, Caller, Need, Operation, World};

pub(super) const OPERATIONS: &[Operation] = &[
    Operation {
        name: "PutQueryDefinition",
        needs: |_, _, _| vec![Need::new("logs:PutQueryDefinition", "*")],
        run: put_query_definition,
    },
    Operation {
        name: "DescribeQueryDefinitions",
        needs: |_, _, _| vec![Need::new("logs:DescribeQueryDefinitions", "*")],
        run: describe_query_definitions,
    },
    Operation {
        name: "DeleteQueryDefinition",
        needs: |_, _, _| vec![Need::new("logs:DeleteQueryDefinition", "*")],
        run: delete_query_definition,
    },
];

/// A saved query.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct QueryDefinition {
    name: String,
    language: String,
    query: String,
    groups: Vec<String>,
    parameters: Option<Value>,
    modified: Timestamp,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct PutQueryDefinition {
    query_language: Option<String>,
    name: String,
    query_definition_id: Option<String>,
    log_group_names: Option<Vec<String>>,
    query_string: String,
    client_token: Option<String>,
    parameters: Option<Value>,
}

/// Creates a query, or replaces the one of an id. "The entire query definition is updated": members
/// that are left out are gone.
fn put_query_definition(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: PutQueryDefinition = read(input)?;
    let groups = input.log_group_names.unwrap_or_default();
    for group in &groups {
        world.logs.group_mut(caller, group)?;
    }
    // A token given twice means one query: its id is made of it.
    let drawn = world.random.uuid();
    let queries = world.logs.queries_mut(caller);
    let id = match (input.query_definition_id, input.client_token) {
        (Some(id), _) if queries.contains_key(&id) => id,
        (Some(_), _) => {
            return Err(AwsError::new(
                "ResourceNotFoundException",
                "The specified query definition does not exist.",
            ));
        }
        (None, Some(token)) if is_uuid(&token) => token,
        (None, Some(_) | None) => drawn,
    };
    let definition = QueryDefinition {
        name: input.name,
        language: input.query_language.unwrap_or_else(|| "CWLI".into()),
        query: input.query_string,
        groups,
        parameters: input.parameters,
        modified: caller.now,
    };
    queries.insert(id.clone(), definition);
    Ok(json!({ "queryDefinitionId": id }))
}

fn is_uuid(text: &str) -> bool {
    text.len() == 36 && text.bytes().all(|b| b.is_ascii_hexdigit() || b == b'-')
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DescribeQueryDefinitions {
    query_language: Option<String>,
    query_definition_name_prefix: Option<String>,
    max_results: Option<usize>,
    next_token: Option<String>,
}

fn describe_query_definitions(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: DescribeQueryDefinitions = read(input)?;
    let prefix = input.query_definition_name_prefix.unwrap_or_default();
    let items: Vec<(String, Value)> = world
        .logs
        .queries_mut(caller)
        .iter()
        .filter(|(_, query)| query.name.starts_with(&prefix))
        .filter(|(_, query)| {
            let language = input.query_language.as_ref();
            language.is_none_or(|language| query.language == *language)
        })
        .map(|(id, query)| (id.clone(), shown(id, query)))
        .collect();
    answer(
        "DescribeQueryDefinitions",
        "queryDefinitions",
        items.into_iter(),
        input.next_token,
        input.max_results,
    )
}

fn shown(id: &str, query: &QueryDefinition) -> Value {
    let mut shown = json!({
        "queryDefinitionId": id,
        "queryLanguage": query.language,
        "name": query.name,
        "queryString": query.query,
        "lastModified": millis(query.modified),
        "logGroupNames": query.groups,
    });
    if let Some(parameters) = &query.parameters {
        shown["parameters"] = parameters.clone();
    }
    shown
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct DeleteQueryDefinition {
    query_definition_id: String,
}

fn delete_query_definition(
    world: &mut World,
    caller: &Caller,
    input: Value,
) -> Result<Value, AwsError> {
    let input: DeleteQueryDefinition = read(input)?;
    let id = input.query_definition_id;
    if id.is_empty() {
        return Err(invalid("queryDefinitionId must not be empty"));
    }
    match world.logs.queries_mut(caller).remove(&id) {
        Some(_) => Ok(json!({ "success": true })),
        None => Err(AwsError::new(
            "ResourceNotFoundException",
            "The specified query definition does not exist.",
        )),
    }
}
