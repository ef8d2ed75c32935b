//! From an event to an execution environment and back.
//!
//! ```text
//! start: function Active? -> concurrency left? -> idle environment of this release, else a new one
//! finish: environment idle again -> log lines -> metrics
//! ```
//!
//! An environment runs one event at a time and keeps its log stream and its role's credentials
//! (<https://docs.aws.amazon.com/lambda/latest/dg/lambda-runtime-environment.html>). Which process it
//! is, only the invoker knows.

use std::collections::BTreeMap;
use std::time::Duration;

use jiff::Timestamp;

use super::function::{Release, pending};
use super::name::Target;
use super::role::{as_role, assumable};
use super::settings::Settings;
use super::{State, arn_of, logging};
use crate::cloudwatch;
use crate::invoke::{Run, Secrets};
use crate::sts;
use crate::world::{AwsError, Caller, Invocation, Ran, Via, World};

/// "The invocation payload: 6 MB each for request and response, synchronous"
/// (<https://docs.aws.amazon.com/lambda/latest/dg/gettingstarted-limits.html>).
const EVENT_MAX_BYTES: usize = 6 * 1024 * 1024;

/// How long the credentials of an environment last. AWS publishes no number.
const CREDENTIALS_LAST: Duration = Duration::from_secs(6 * 3600);

/// An environment that was idle for so long is taken down. AWS publishes no number; some minutes are
/// seen.
const IDLE_MAX: Duration = Duration::from_secs(10 * 60);

/// Environments by id.
pub(super) type Environments = BTreeMap<String, Environment>;

/// Where one event after the other runs.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    account: String,
    region: String,
    function: String,
    version: String,
    revision: String,
    /// As they were when it was made: an update does not reach into a run.
    settings: Settings,
    stream: String,
    secrets: Secrets,
    /// The request that runs in it.
    busy: Option<String>,
    used: Timestamp,
}

impl Environment {
    fn is_of(&self, invocation: &Invocation, name: &str) -> bool {
        (&*self.account, &*self.region, &*self.function)
            == (&*invocation.account, &*invocation.region, name)
    }

    fn expires(&self, now: Timestamp) -> bool {
        // A run of 15 minutes must be able to end with what it has.
        let needed = now.saturating_add(Duration::from_secs(15 * 60));
        self.secrets.expires <= needed.unwrap_or(Timestamp::MAX)
            || self
                .used
                .saturating_add(IDLE_MAX)
                .is_ok_and(|end| end < now)
    }
}

/// How many runs are under way.
struct Busy {
    /// Of the function.
    own: u32,
    /// Of all functions of the account in the region.
    all: u32,
    /// Of those that reserve nothing.
    unreserved: u32,
}

impl State {
    fn busy(&self, invocation: &Invocation, name: &str) -> Busy {
        let mut busy = Busy {
            own: 0,
            all: 0,
            unreserved: 0,
        };
        let region = self.region(&invocation.account, &invocation.region);
        for environment in self.environments.values() {
            let is_here = (&environment.account, &environment.region)
                == (&invocation.account, &invocation.region);
            if !is_here || environment.busy.is_none() {
                continue;
            }
            busy.all += 1;
            busy.own += u32::from(environment.function == name);
            let reserves = region
                .and_then(|region| region.functions.get(&environment.function))
                .is_some_and(|function| function.reserved.is_some());
            busy.unreserved += u32::from(!reserves);
        }
        busy
    }

    /// Takes over what runs, from a world that this one replaces.
    pub(crate) fn keep_environments(&mut self, from: &mut Self) {
        self.environments = std::mem::take(&mut from.environments);
    }
}

/// A refusal for want of concurrency.
fn throttled() -> AwsError {
    AwsError::new("TooManyRequestsException", "Rate Exceeded.")
}

impl World {
    /// Finds where an invocation runs, and says what is to be run. Until
    /// [`World::resume`](crate::World::resume) that place is taken.
    pub fn start(&mut self, now: Timestamp, invocation: &Invocation) -> Result<Run, AwsError> {
        let caller = lambda_itself(invocation, now);
        let target = Target::parse(&caller, &invocation.function, None)?;
        let name = target.name.as_str();
        if invocation.event.len() > EVENT_MAX_BYTES {
            return Err(AwsError::new(
                "RequestTooLargeException",
                format!(
                    "Request must be smaller than {EVENT_MAX_BYTES} bytes for the InvokeFunction \
                     operation"
                ),
            ));
        }
        let (version, release) = self.chosen(&caller, &target)?;
        if !release.settings.is_os_only() || !release.settings.layers.is_empty() {
            let what = if release.settings.is_os_only() {
                "layers".to_owned()
            } else {
                format!("the runtime {}", release.settings.runtime)
            };
            return Err(AwsError::not_modelled(&format!(
                "running a function with {what}"
            )));
        }
        self.make_room(now, invocation, name)?;
        let environment = self.environment(now, invocation, name, (&version, &release))?;
        let retired = self.retire(now, invocation, name);
        let trace = format!(
            "Root=1-{:08x}-{};Parent={};Sampled=0",
            now.as_second(),
            self.random.text(b"0123456789abcdef", 24),
            self.random.text(b"0123456789abcdef", 16),
        );
        let code = self.blobs.get(&release.code.blob).ok_or_else(|| {
            AwsError::new("ServiceException", "the code of the function is not stored")
        })?;
        let found = self
            .lambda
            .environments
            .get_mut(&environment)
            .expect("it was found or made above");
        found.busy = Some(invocation.request_id.clone());
        found.used = now;
        let settings = release.settings;
        Ok(Run {
            environment,
            retired,
            code_name: release.code.blob,
            code,
            function_arn: match &target.qualifier {
                Some(qualifier) => format!("{}:{qualifier}", target.function_arn(&caller)),
                None => target.function_arn(&caller),
            },
            function: target.name,
            version,
            region: invocation.region.clone(),
            handler: settings.handler,
            memory_mb: settings.memory_mb,
            timeout: Duration::from_secs(settings.timeout_secs.into()),
            json_log: settings
                .logging
                .json
                .then_some(settings.logging.application_level),
            log_group: settings.logging.group,
            log_stream: found.stream.clone(),
            variables: settings.variables,
            secrets: found.secrets.clone(),
            trace,
            request_id: invocation.request_id.clone(),
            event: invocation.event.clone(),
        })
    }

    /// The release that a run takes: an alias with two versions draws one.
    fn chosen(&mut self, caller: &Caller, target: &Target) -> Result<(String, Release), AwsError> {
        let function = self.lambda.function(caller, target)?;
        if function.is_pending(caller.now) {
            return Err(pending());
        }
        let named = function.named(caller, target)?;
        let alias = target
            .qualifier
            .as_ref()
            .and_then(|qualifier| function.aliases.get(qualifier));
        let number = match alias {
            Some(alias) => alias.drawn(&mut self.random),
            None => named.number,
        };
        let named = function
            .numbered(number)
            .ok_or_else(|| target.not_found(caller))?;
        let release = match number {
            None => function.running(caller.now),
            Some(_) => named.release,
        };
        Ok((named.version(), release.clone()))
    }

    /// Whether concurrency is left; a refusal counts as throttled.
    fn make_room(
        &mut self,
        now: Timestamp,
        invocation: &Invocation,
        name: &str,
    ) -> Result<(), AwsError> {
        let busy = self.lambda.busy(invocation, name);
        let region = self.lambda.region(&invocation.account, &invocation.region);
        let found = region.and_then(|region| Some((region, region.functions.get(name)?)));
        let has_room = match found {
            Some((_, function)) if function.reserved.is_some() => function
                .reserved
                .is_some_and(|reserved| busy.own < reserved),
            Some((region, _)) => busy.unreserved < region.unreserved(),
            None => false,
        };
        if has_room {
            let running = f64::from(busy.own + 1);
            self.measure(
                now,
                invocation,
                name,
                ("ConcurrentExecutions", running, "Count"),
            );
            Ok(())
        } else {
            self.measure(now, invocation, name, ("Throttles", 1.0, "Count"));
            Err(throttled())
        }
    }

    /// An idle environment of the release, or a new one.
    fn environment(
        &mut self,
        now: Timestamp,
        invocation: &Invocation,
        name: &str,
        (version, release): (&str, &Release),
    ) -> Result<String, AwsError> {
        let warm = self.lambda.environments.iter().find(|(_, environment)| {
            environment.is_of(invocation, name)
                && environment.busy.is_none()
                && environment.version == version
                && environment.revision == release.revision
                && !environment.expires(now)
        });
        if let Some((id, _)) = warm {
            return Ok(id.clone());
        }
        let function = arn_of(&invocation.account, &invocation.region, name);
        let caller = lambda_itself(invocation, now);
        let role = &release.settings.role;
        let issued = assumable(self, &caller, role, &function)
            .then(|| self.issue(role, name, CREDENTIALS_LAST, now))
            .flatten();
        let Some(credentials) = issued else {
            return Err(AwsError {
                status: Some(403),
                ..AwsError::new(
                    "AccessDeniedException",
                    "The role defined for the function cannot be assumed by Lambda.",
                )
            });
        };
        let id = self.random.uuid();
        let environment = Environment {
            account: invocation.account.clone(),
            region: invocation.region.clone(),
            function: name.to_owned(),
            version: version.to_owned(),
            revision: release.revision.clone(),
            settings: release.settings.clone(),
            stream: format!(
                "{}/[{version}]{}",
                now.strftime("%Y/%m/%d"),
                self.random.text(b"0123456789abcdef", 32)
            ),
            secrets: secrets(credentials),
            busy: None,
            used: now,
        };
        self.lambda.environments.insert(id.clone(), environment);
        Ok(id)
    }

    /// Takes down the idle environments that nothing will run in any more.
    fn retire(&mut self, now: Timestamp, invocation: &Invocation, name: &str) -> Vec<String> {
        let function = self
            .lambda
            .find(&invocation.account, &invocation.region, name);
        let revisions: Vec<String> = function
            .into_iter()
            .flat_map(|function| function.releases().map(|release| release.revision.clone()))
            .collect();
        let is_over = |environment: &Environment| {
            environment.busy.is_none()
                && (environment.expires(now)
                    || environment.is_of(invocation, name)
                        && !revisions.contains(&environment.revision))
        };
        let environments = &mut self.lambda.environments;
        let over: Vec<String> = environments
            .iter()
            .filter(|(_, environment)| is_over(environment))
            .map(|(id, _)| id.clone())
            .collect();
        for id in &over {
            environments.remove(id);
        }
        over
    }

    /// What a run leaves behind. Gives the version that ran and its whole log.
    pub(crate) fn finish(
        &mut self,
        now: Timestamp,
        invocation: &Invocation,
        ran: &Ran,
    ) -> (String, Vec<String>) {
        let request = Some(&invocation.request_id);
        let environments = self.lambda.environments.values_mut();
        let mut freed = None;
        for environment in environments {
            if environment.busy.as_ref() == request {
                environment.busy = None;
                environment.used = now;
                freed = Some(environment.clone());
            }
        }
        // None if the world was reset meanwhile: there is nothing to write to.
        let Some(environment) = freed else {
            return (super::name::LATEST.to_owned(), Vec::new());
        };
        let name = environment.function.as_str();
        let took = ran.took.as_secs_f64() * 1000.0;
        let failed = f64::from(u8::from(ran.outcome.is_err()));
        for metric in [
            ("Invocations", 1.0, "Count"),
            ("Errors", failed, "Count"),
            ("Duration", took, "Milliseconds"),
        ] {
            self.measure(now, invocation, name, metric);
        }
        let settings = &environment.settings;
        let lines = logging::lines(
            now,
            &invocation.request_id,
            &environment.version,
            settings,
            ran,
        );
        let role = as_role(self, &lambda_itself(invocation, now), &settings.role, name);
        logging::write(
            self,
            &role,
            (&settings.logging.group, &environment.stream),
            &lines,
        );
        (environment.version, lines)
    }

    /// Records a metric as Lambda does: for the function, for all functions together.
    fn measure(
        &mut self,
        now: Timestamp,
        invocation: &Invocation,
        name: &str,
        (metric, value, unit): (&str, f64, &str),
    ) {
        let (account, region) = (&invocation.account, &invocation.region);
        // An alias or a version has its own series besides: `Resource` is how it was called.
        let own = [("FunctionName", name)];
        let called = [("FunctionName", name), ("Resource", &*invocation.function)];
        for dimensions in [&[] as &[(&str, &str)], &own, &called] {
            let namespace = "AWS/Lambda";
            cloudwatch::record(
                self, account, region, namespace, metric, dimensions, value, unit, now,
            );
        }
    }
}

fn secrets(credentials: sts::Credentials) -> Secrets {
    Secrets {
        access_key_id: credentials.access_key_id,
        secret: credentials.secret,
        token: credentials.token,
        expires: credentials.expires,
    }
}

/// Lambda's own view of an invocation: it acts within the function's account.
fn lambda_itself(invocation: &Invocation, now: Timestamp) -> Caller {
    Caller {
        account: invocation.account.clone(),
        arn: "lambda.amazonaws.com".into(),
        user_id: "lambda.amazonaws.com".into(),
        region: invocation.region.clone(),
        now,
        source: Via::Host.source(),
    }
}
