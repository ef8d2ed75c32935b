//! One call: from a request to its effect on the world and the answer.
//!
//! The order is AWS's: who calls, which operation, is the input well formed, how often, is it
//! allowed, then the operation itself. A call that fails leaves nothing behind but spent tokens and
//! drawn random numbers.

use jiff::Timestamp;
use serde_json::Value;

use crate::profile::Profile;
use crate::wire::model::Protocol;
use crate::wire::{self, Call, Unrouted};
use crate::world::{
    AwsError, Caller, Effect, Invocation, Need, Operation, Ran, Request, Response, Via, Waiting,
    World,
};
use crate::{
    apigateway, auth, cloudwatch, ec2, iam, kms, lambda, limits, logs, route53, sts, tagging,
};

/// A request, read as far as it can be without the world.
#[derive(Debug)]
pub struct Arrived<'a> {
    request: &'a Request,
    claim: Result<auth::Claim, auth::Problem>,
    routed: Result<Call, Unrouted>,
}

/// What became of a call.
#[derive(Debug, Clone)]
pub struct Answered {
    /// The answer; not yet the real one if a function has to run first.
    pub response: Response,
    /// The run that has to be carried out for the answer.
    pub invocation: Option<Invocation>,
    /// Who called, if it was found out.
    pub caller: Option<Caller>,
    /// The input as it was decoded; null if it was not.
    pub input: Value,
    /// What it needed to be allowed; empty if it did not come that far.
    pub needs: Vec<Need>,
    /// The error, if the call failed.
    pub error: Option<AwsError>,
    /// Whether the world may have changed, so that it must be stored before the answer is given.
    pub wrote: bool,
}

impl Answered {
    /// An answer that did not come from the world.
    pub fn refused(response: Response, error: AwsError) -> Self {
        Self {
            response,
            invocation: None,
            caller: None,
            input: Value::Null,
            needs: Vec::new(),
            error: Some(error),
            wrote: false,
        }
    }
}

impl<'a> Arrived<'a> {
    /// Reads a request.
    pub fn new(request: &'a Request) -> Self {
        let claim = auth::claim(request);
        let service = claim.as_ref().ok().map(|claim| claim.service.as_str());
        let routed = wire::route(request, service);
        Self {
            request,
            claim,
            routed,
        }
    }

    /// Name of the service, `?` if the request names none that is known.
    pub fn service(&self) -> &str {
        let model = match &self.routed {
            Ok(call) => Some(call.model),
            Err(unrouted) => unrouted.model,
        };
        model.map_or("?", |model| model.service.as_str())
    }

    /// Name of the operation, or what stands for it in a request that names none.
    pub fn operation(&self) -> &str {
        match &self.routed {
            Ok(call) => call.name,
            Err(unrouted) => unrouted
                .what
                .split_once(':')
                .map_or(&unrouted.what, |(_, name)| name),
        }
    }

    /// Region of the credential scope.
    pub fn region(&self) -> Option<&str> {
        self.claim.as_ref().ok().map(|claim| claim.region.as_str())
    }

    /// The protocol to answer in.
    pub fn protocol(&self) -> Protocol {
        match &self.routed {
            Ok(call) => call.protocol,
            Err(unrouted) => unrouted.protocol,
        }
    }

    /// The error by which the service refuses who asks too often.
    pub fn throttled(&self) -> AwsError {
        match &self.routed {
            Ok(call) => limits::throttled(call.model, call.protocol),
            Err(_) => AwsError::new("Throttling", "Rate exceeded"),
        }
    }

    /// Writes an error that does not come from the world.
    pub fn refuse(&self, error: &AwsError, request_id: &str) -> Response {
        let model = match &self.routed {
            Ok(call) => Some(call.model),
            Err(unrouted) => unrouted.model,
        };
        let protocol = self.protocol();
        if wire::wants_json(model, protocol, self.request) {
            return wire::error::write_query_json(model, error, request_id);
        }
        wire::error::write(model, protocol, error, request_id)
    }

    /// Whether carrying it out may change the world.
    pub fn writes(&self) -> bool {
        self.routed.as_ref().is_ok_and(|call| !is_read(call.name))
    }
}

/// Whether an operation only reads. Signing and its like draw random numbers at most, which need not
/// outlive the process.
fn is_read(name: &str) -> bool {
    const READS: [&str; 8] = [
        "Get", "List", "Describe", "Test", "Filter", "Simulate", "Verify", "Sign",
    ];
    name != "GetSessionToken" && READS.iter().any(|verb| name.starts_with(verb))
}

fn operation(service: &str, name: &str) -> Option<&'static Operation> {
    match service {
        "apigateway" => apigateway::operation(name),
        "cloudwatch" => cloudwatch::operation(name),
        "ec2" => ec2::operation(name),
        "iam" => iam::operation(name),
        "kms" => kms::operation(name),
        "lambda" => lambda::operation(name),
        "logs" => logs::operation(name),
        "resourcegroupstaggingapi" => tagging::operation(name),
        "route53" => route53::operation(name),
        "sts" => sts::operation(name),
        _ => None,
    }
}

impl World {
    /// Carries out one call. The doors use [`World::answer`], which tells more.
    pub fn call(&mut self, now: Timestamp, via: Via, request: &Request) -> Effect {
        let answered = self.answer(now, via, &Arrived::new(request));
        match answered.invocation {
            Some(invocation) => Effect::Invoke(invocation),
            None => Effect::Answer(answered.response),
        }
    }

    /// Ends an invocation whose function ran: what it leaves in logs and metrics, and the answer for
    /// who waits.
    pub fn resume(&mut self, now: Timestamp, invocation: Invocation, ran: Ran) -> Response {
        let (version, log) = self.finish(now, &invocation, &ran);
        match invocation.waiting {
            Waiting::Lambda(waiting) => {
                let which = (invocation.request_id.as_str(), version.as_str());
                lambda::answered(&waiting, which, (ran, &log))
            }
            Waiting::ApiGateway(waiting) => apigateway::resume(self, now, waiting, ran),
        }
    }

    /// Ends an invocation whose function did not run at all. A REST API is told as of a run that
    /// failed, with Lambda's error code for its type.
    pub fn refuse_run(
        &mut self,
        now: Timestamp,
        invocation: Invocation,
        error: AwsError,
    ) -> Response {
        match invocation.waiting {
            Waiting::Lambda(_) => lambda::refused(&invocation.request_id, &error),
            Waiting::ApiGateway(waiting) => {
                let ran = Ran {
                    outcome: Err((error.code, error.message)),
                    log: Vec::new(),
                    took: std::time::Duration::ZERO,
                };
                apigateway::resume(self, now, waiting, ran)
            }
        }
    }

    /// Carries out one call and says what became of it.
    pub fn answer(&mut self, now: Timestamp, via: Via, arrived: &Arrived<'_>) -> Answered {
        let request_id = self.random.uuid();
        let mut answered = Answered {
            response: Response {
                status: 500,
                headers: Vec::new(),
                body: Vec::new(),
            },
            invocation: None,
            caller: None,
            input: Value::Null,
            needs: Vec::new(),
            error: None,
            wrote: false,
        };
        match self.carry_out((now, via), arrived, &request_id, &mut answered) {
            Ok(response) => answered.response = response,
            Err(error) => {
                answered.response = arrived.refuse(&error, &request_id);
                answered.error = Some(error);
            }
        }
        answered
    }

    fn carry_out(
        &mut self,
        (now, via): (Timestamp, Via),
        arrived: &Arrived<'_>,
        request_id: &str,
        answered: &mut Answered,
    ) -> Result<Response, AwsError> {
        let claim = arrived
            .claim
            .as_ref()
            .map_err(|why| why.error(arrived.protocol()))?;
        let mut caller = auth::authenticate(self, now, claim, arrived.request)
            .map_err(|why| why.error(arrived.protocol()))?;
        caller.source = via.source();
        answered.caller = Some(caller.clone());
        let call = arrived
            .routed
            .as_ref()
            .map_err(|unrouted| unrouted.error.clone())?;
        let name = format!("{}:{}", call.model.service, call.name);
        let operation = operation(&call.model.service, call.name)
            .ok_or_else(|| AwsError::not_modelled(&name))?;
        let input = wire::decode(call, arrived.request)?;
        answered.input = input.clone();
        wire::validate(call, &input)?;
        if self.profile == Profile::Aws {
            let place = (caller.account.as_str(), caller.region.as_str());
            self.limits
                .take(now, place, (call.model, call.protocol), call.name)?;
        }
        let needs = (operation.needs)(self, &caller, &input);
        answered.needs.clone_from(&needs);
        auth::authorize(self, &caller, &needs)
            .map_err(|refused| auth::spelt(refused, call.protocol))?;
        if arrived.writes() {
            // What alarms and hourly metrics saw before this call must not depend on it.
            self.watch(now);
            self.refresh_signatures(now);
        }
        let before = arrived.writes().then(|| self.clone());
        self.requested = None;
        let outcome = (operation.run)(self, &caller, input).and_then(|output| {
            wire::encode(call, &output, request_id).map_err(|why| {
                AwsError::new(
                    "InternalFailure",
                    format!("the sandbox's {name} is at fault: {why}"),
                )
            })
        });
        answered.invocation = self.requested.take().filter(|_| outcome.is_ok());
        match (&outcome, before) {
            // Nothing is changed before the function has run.
            (Ok(_), _) if answered.invocation.is_some() => {}
            (Ok(_), before) => answered.wrote = before.is_some(),
            (Err(_), Some(before)) => self.restore(before),
            (Err(_), None) => {}
        }
        outcome
    }

    /// Takes back what a call did. What it drew and spent stays drawn and spent.
    fn restore(&mut self, before: Self) {
        let random = self.random.clone();
        let limits = std::mem::take(&mut self.limits);
        *self = Self {
            random,
            limits,
            ..before
        };
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
