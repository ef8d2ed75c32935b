//! lambda:Invoke: the call that waits for a function's answer.
//!
//! What the caller sent is judged here; whether the function can run now, in
//! [`World::start`](crate::World::start), which invocations by services pass as well.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;
use serde::Deserialize;
use serde_json::{Value, json};

use super::name::Target;
use super::{needs, read};
use crate::wire;
use crate::wire::model::{Protocol, model};
use crate::world::{self, AwsError, Caller, Invocation, Operation, Ran, Response, World};

/// What lambda:Invoke needs to know to answer its caller.
#[derive(Debug, Clone, Default)]
pub struct Waiting {
    /// Whether the answer has the end of the log.
    pub log_tail: bool,
}

pub(super) const OPERATIONS: &[Operation] = &[Operation {
    name: "Invoke",
    needs: |world, caller, input| {
        let need = needs::of_function(world, caller, input, "lambda:InvokeFunction");
        // Always false: calls to function URLs are not modelled.
        vec![need.with("lambda:InvokedViaFunctionUrl", vec!["false".into()])]
    },
    run: invoke,
}];

/// Bytes of the log that `LogType: Tail` answers: "the last 4 KB"
/// (<https://docs.aws.amazon.com/lambda/latest/api/API_Invoke.html>).
const TAIL_BYTES: usize = 4096;

#[derive(Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Invoke {
    function_name: String,
    qualifier: Option<String>,
    invocation_type: Option<String>,
    log_type: Option<String>,
    client_context: Option<String>,
    durable_execution_name: Option<String>,
    tenant_id: Option<String>,
    payload: Option<String>,
}

fn invoke(world: &mut World, caller: &Caller, input: Value) -> Result<Value, AwsError> {
    let input: Invoke = read(input)?;
    let members = [
        ("ClientContext", &input.client_context),
        ("DurableExecutionName", &input.durable_execution_name),
        ("TenantId", &input.tenant_id),
    ];
    if let Some((member, _)) = members.into_iter().find(|(_, given)| given.is_some()) {
        return Err(AwsError::not_modelled(&format!(
            "lambda:Invoke with {member}"
        )));
    }
    let target = Target::parse(caller, &input.function_name, input.qualifier.as_deref())?;
    world
        .lambda
        .function(caller, &target)?
        .named(caller, &target)?;
    match input.invocation_type.as_deref() {
        None | Some("RequestResponse") => {}
        Some("DryRun") => return Ok(json!({ "StatusCode": 204 })),
        Some(other) => {
            return Err(AwsError::not_modelled(&format!(
                "lambda:Invoke with InvocationType {other}"
            )));
        }
    }
    // No payload is an empty event.
    let event = match input.payload.filter(|payload| !payload.is_empty()) {
        None => b"{}".to_vec(),
        Some(payload) => BASE64
            .decode(payload)
            .map_err(|error| request_content(&error.to_string()))?,
    };
    if let Err(error) = serde_json::from_slice::<serde::de::IgnoredAny>(&event) {
        return Err(request_content(&error.to_string()));
    }
    let function = match &target.qualifier {
        Some(qualifier) => format!("{}:{qualifier}", target.name),
        None => target.name,
    };
    world.requested = Some(Invocation {
        account: caller.account.clone(),
        region: caller.region.clone(),
        function,
        event,
        request_id: world.random.uuid(),
        waiting: world::Waiting::Lambda(Waiting {
            log_tail: input.log_type.as_deref() == Some("Tail"),
        }),
    });
    Ok(json!({}))
}

fn request_content(why: &str) -> AwsError {
    AwsError::new(
        "InvalidRequestContentException",
        format!("Could not parse request body into json: {why}"),
    )
}

/// The answer of an invocation that was not let through.
pub(crate) fn refused(request_id: &str, error: &AwsError) -> Response {
    wire::error::write(model("lambda"), Protocol::RestJson, error, request_id)
}

/// The answer of an invocation whose function ran. A function that failed is no failed call: the
/// status is 200, a header says so.
pub(crate) fn answered(
    waiting: &Waiting,
    (request_id, version): (&str, &str),
    (ran, log): (Ran, &[String]),
) -> Response {
    let mut headers = vec![
        ("x-amzn-requestid".to_owned(), request_id.to_owned()),
        ("content-type".to_owned(), "application/json".to_owned()),
        ("x-amz-executed-version".to_owned(), version.to_owned()),
    ];
    if waiting.log_tail {
        let text: String = log.iter().map(|line| format!("{line}\n")).collect();
        let bytes = text.as_bytes();
        let tail = &bytes[bytes.len().saturating_sub(TAIL_BYTES)..];
        headers.push(("x-amz-log-result".into(), BASE64.encode(tail)));
    }
    let body = match ran.outcome {
        Ok(body) => body,
        Err((kind, message)) => {
            // "Unhandled": so are all errors of functions that bring their own runtime.
            headers.push(("x-amz-function-error".into(), "Unhandled".into()));
            json!({ "errorType": kind, "errorMessage": message })
                .to_string()
                .into_bytes()
        }
    };
    Response {
        status: 200,
        headers,
        body,
    }
}
