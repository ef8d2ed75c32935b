//! The data plane: what a client of a REST API gets.
//!
//! A request passes, in this order, what AWS's does: is there such an API, stage and endpoint; may it
//! be called at all (resource policy); is there such a method; how often; is the request what the
//! method declares; then the integration
//! (<https://docs.aws.amazon.com/apigateway/latest/developerguide/apigateway-authorization-flow.html>).
//! Everything but throttles and logs is read from the stage's deployment.
//!
//! Methods with an authorizer or IAM authorization and integrations other than AWS_PROXY with a
//! function and MOCK are refused by name with status 501.

use std::net::IpAddr;

use jiff::Timestamp;

use super::rest_api::Definition;
use crate::policy::{Context, Policy, Principal, Question, Verdict};
use crate::world::{Effect, Invocation, Ran, Request, Response, World};

mod address;
mod exchange;
mod mock;
mod proxy;
mod record;
mod refusal;
mod route;
mod template;
mod throttle;
mod validation;

pub(super) use throttle::Buckets;

use address::Address;
use exchange::Exchange;
use refusal::Refusal;

/// What a REST API needs to know to answer its client once the function has run.
#[derive(Debug, Clone)]
pub struct Waiting {
    exchange: Box<Exchange>,
}

/// Largest request body ("Payload size", quotas page: 10 MB, not raisable).
const BODY_MAX_BYTES: usize = 10 * 1024 * 1024;

/// Answers a request to a REST API, or says what function has to run for the answer. None: the
/// request is not addressed to an API.
pub fn execute(
    world: &mut World,
    now: Timestamp,
    peer: IpAddr,
    request: &Request,
) -> Option<Effect> {
    let address = Address::of(request)?;
    // Without the API there is nothing to log to and no response to customise.
    let Some((account, region)) = world.apigateway.home(&address) else {
        return Some(Effect::Answer(forbidden(world)));
    };
    let Some(mut exchange) = Exchange::open(world, now, peer, request, &address, (account, region))
    else {
        return Some(Effect::Answer(forbidden(world)));
    };
    Some(match pass(world, &mut exchange) {
        Ok(Passed::Answered(response)) => Effect::Answer(exchange.close(world, response)),
        Ok(Passed::Invokes { function, event }) => {
            let (account, region, name) = function;
            Effect::Invoke(Invocation {
                account,
                region,
                function: name,
                event,
                request_id: world.random.uuid(),
                waiting: crate::world::Waiting::ApiGateway(Waiting {
                    exchange: Box::new(exchange),
                }),
            })
        }
        Err(refusal) => {
            let response = refusal.response(&mut exchange);
            Effect::Answer(exchange.close(world, response))
        }
    })
}

/// Ends a request whose function has run.
pub fn resume(world: &mut World, _now: Timestamp, waiting: Waiting, ran: Ran) -> Response {
    let mut exchange = *waiting.exchange;
    let outcome = proxy::answer(&mut exchange, ran);
    let response = outcome.unwrap_or_else(|refusal| refusal.response(&mut exchange));
    exchange.close(world, response)
}

/// What becomes of a request that is let through.
enum Passed {
    Answered(Response),
    /// The function (account, region, name) that answers, and its event.
    Invokes {
        function: (String, String, String),
        event: Vec<u8>,
    },
}

fn pass(world: &mut World, exchange: &mut Exchange) -> Result<Passed, Refusal> {
    if exchange.definition.disable_execute_api_endpoint {
        return Err(Refusal::new("ACCESS_DENIED", "Forbidden"));
    }
    exchange.route = route::find(&exchange.definition, &exchange.verb, &exchange.path);
    may_call(exchange)?;
    let Some(route) = exchange.route.clone() else {
        return Err(Refusal::new(
            "MISSING_AUTHENTICATION_TOKEN",
            "Missing Authentication Token",
        ));
    };
    let method = &route.method;
    if method.authorization_type != "NONE" {
        return Err(Refusal::not_modelled(&format!(
            "clients of API methods with authorization {}",
            method.authorization_type
        )));
    }
    // There are no API keys here, so that none that a client sends is one.
    if method.api_key_required {
        return Err(Refusal::new("INVALID_API_KEY", "Forbidden"));
    }
    throttle::take(world, exchange, &route)?;
    if exchange.request.body.len() > BODY_MAX_BYTES {
        return Err(Refusal::new(
            "REQUEST_TOO_LARGE",
            format!("HTTP content length exceeded {BODY_MAX_BYTES} bytes."),
        ));
    }
    validation::check(exchange, &route)?;
    let Some(integration) = &method.method_integration else {
        return Err(Refusal::new(
            "API_CONFIGURATION_ERROR",
            "Internal server error",
        ));
    };
    match integration.kind.as_str() {
        "AWS_PROXY" => proxy::call(world, exchange, &route, integration),
        "MOCK" => mock::answer(exchange, integration).map(Passed::Answered),
        other => Err(Refusal::not_modelled(&format!(
            "API integrations of type {other}"
        ))),
    }
}

/// Judges the resource policy. An API without one is open; with one, somebody without credentials
/// needs a statement that allows it.
fn may_call(exchange: &Exchange) -> Result<(), Refusal> {
    let Some(policy) = &exchange.definition.policy else {
        return Ok(());
    };
    let arn = exchange.arn(&exchange.verb, &exchange.path);
    let mut context = Context::new();
    let mut add = |key: &str, value: String| context.insert(key.to_owned(), vec![value]);
    add("aws:SourceIp", exchange.peer.to_string());
    add("aws:SecureTransport", "true".into());
    add("aws:CurrentTime", exchange.at.to_string());
    add("aws:EpochTime", exchange.at.as_second().to_string());
    if let Some(agent) = exchange.request.header("user-agent") {
        add("aws:UserAgent", agent.to_owned());
    }
    let question = Question {
        principal: Principal::Identity {
            account: "anonymous",
            arn: "anonymous",
        },
        action: "execute-api:Invoke",
        resource: &arn,
        context: &context,
    };
    // A policy that was taken when it was set is not refused now.
    let verdict = match Policy::parse(policy) {
        Ok(policy) => policy.judge(&question),
        Err(why) => Verdict::Denied(why.to_string()),
    };
    let end = match verdict {
        Verdict::Allowed => return Ok(()),
        Verdict::Denied(_) => " with an explicit deny",
        Verdict::NotAllowed(_) => "",
    };
    Err(Refusal::new(
        "ACCESS_DENIED",
        format!(
            "User: anonymous is not authorized to perform: execute-api:Invoke on resource: {}{end}",
            arn.replace(&exchange.account, &hidden(&exchange.account))
        ),
    ))
}

/// AWS shows strangers the last four digits of an account only.
fn hidden(account: &str) -> String {
    format!("********{}", account.get(8..).unwrap_or_default())
}

/// What whoever asks for an API or stage that is not there gets.
fn forbidden(world: &mut World) -> Response {
    Response {
        status: 403,
        headers: vec![
            ("content-type".into(), "application/json".into()),
            ("x-amzn-requestid".into(), world.random.uuid()),
            ("x-amzn-errortype".into(), "ForbiddenException".into()),
        ],
        body: b"{\"message\":\"Forbidden\"}".to_vec(),
    }
}
