//! The edge to AWS: building clients, and turning the SDK's errors into [`Failure`]s. Nothing here
//! decides, retries or prints.

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::sts::AssumeRoleProvider;
use aws_credential_types::Credentials;
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_credential_types::provider::error::CredentialsError;
use aws_sdk_route53::types::{ChangeInfo, ChangeStatus};
use aws_sdk_sts::operation::assume_role::AssumeRoleError;
use aws_smithy_http_client::tls;
use aws_smithy_runtime_api::box_error::BoxError;
use aws_smithy_runtime_api::client::http::{
    HttpConnector, HttpConnectorFuture, SharedHttpClient, SharedHttpConnector, http_client_fn,
};
use aws_smithy_runtime_api::client::interceptors::Intercept;
use aws_smithy_runtime_api::client::interceptors::context::BeforeSerializationInterceptorContextRef;
use aws_smithy_runtime_api::client::orchestrator::{HttpRequest, HttpResponse, Metadata};
use aws_smithy_runtime_api::client::result::{ConnectorError, SdkError};
use aws_smithy_runtime_api::client::runtime_components::RuntimeComponents;
use aws_smithy_runtime_api::client::stalled_stream_protection::StalledStreamProtectionConfig;
use aws_smithy_types::body::SdkBody;
use aws_smithy_types::config_bag::ConfigBag;
use aws_smithy_types::error::metadata::ProvideErrorMetadata;
use aws_smithy_types::retry::RetryConfig;
use aws_smithy_types::timeout::TimeoutConfig;
use aws_types::SdkConfig;
use aws_types::app_name::AppName;
use aws_types::region::Region;
use spore_sandbox::door::Sandbox;

use crate::arg::{Output, Outputs};
use crate::clock::{SdkSleep, SigningTime};
use crate::denial;
use crate::desired::Desired;
use crate::retry::{Class, Failure, classify};
use crate::stack::Delegation;
use crate::target::Target;
use crate::updater::Bootstrap;

/// Region of KMS for DNSSEC, of Route 53's signatures and metrics (Route 53 Developer Guide,
/// "Working with customer managed keys for DNSSEC").
pub const GLOBAL_REGION: &str = "us-east-1";

/// Name of the session in which a role of the parent zone's account is taken on; CloudTrail there shows it.
const PARENT_SESSION: &str = "spore-infra";

/// What a set of clients may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Access {
    /// Reads only; any other operation is refused before it is sent.
    Read,
    /// Reads and writes, on behalf of the plan with this digest.
    Write {
        /// Hex digest; its start appears in CloudTrail as the user agent's app id.
        digest: String,
    },
}

/// One client per service.
#[derive(Debug, Clone)]
pub struct Clients {
    /// API Gateway in the stack's region.
    pub apigateway: aws_sdk_apigateway::Client,
    /// The updater's code, for those who upload it.
    pub bootstrap: Option<Arc<Bootstrap>>,
    /// CloudWatch in the stack's region.
    pub cloudwatch: aws_sdk_cloudwatch::Client,
    /// CloudWatch in us-east-1, where Route 53's metrics are.
    pub cloudwatch_global: aws_sdk_cloudwatch::Client,
    /// IAM.
    pub iam: aws_sdk_iam::Client,
    /// KMS in us-east-1.
    pub kms: aws_sdk_kms::Client,
    /// KMS in the stack's region.
    pub kms_regional: aws_sdk_kms::Client,
    /// Lambda in the stack's region.
    pub lambda: aws_sdk_lambda::Client,
    /// CloudWatch Logs in the stack's region.
    pub logs: aws_sdk_cloudwatchlogs::Client,
    /// CloudWatch Logs in us-east-1, where Route 53 writes query logs.
    pub logs_global: aws_sdk_cloudwatchlogs::Client,
    /// Route 53.
    pub route53: aws_sdk_route53::Client,
    /// Route 53 of the account that has the parent zone, with the document's `parent-role`; without one,
    /// the stack's own.
    pub route53_parent: aws_sdk_route53::Client,
    /// STS in the stack's region.
    pub sts: aws_sdk_sts::Client,
    /// The tagging API in us-east-1.
    pub tagging: aws_sdk_resourcegroupstagging::Client,
    /// The tagging API in the stack's region.
    pub tagging_regional: aws_sdk_resourcegroupstagging::Client,
}

impl Clients {
    /// Clients for a target.
    pub async fn connect(target: &Target, region: &str, account: &str, access: &Access) -> Self {
        let shared = shared_config(target, region, account, access).await;
        macro_rules! client {
            ($service:ident, $region:expr) => {{
                let mut config = $service::config::Builder::from(&shared)
                    .region(Region::new($region.to_owned()));
                if *access == Access::Read {
                    config = config.interceptor(ReadOnly);
                }
                $service::Client::from_conf(config.build())
            }};
        }
        Self {
            bootstrap: None,
            apigateway: client!(aws_sdk_apigateway, region),
            cloudwatch: client!(aws_sdk_cloudwatch, region),
            cloudwatch_global: client!(aws_sdk_cloudwatch, GLOBAL_REGION),
            iam: client!(aws_sdk_iam, GLOBAL_REGION),
            kms: client!(aws_sdk_kms, GLOBAL_REGION),
            kms_regional: client!(aws_sdk_kms, region),
            lambda: client!(aws_sdk_lambda, region),
            logs: client!(aws_sdk_cloudwatchlogs, region),
            logs_global: client!(aws_sdk_cloudwatchlogs, GLOBAL_REGION),
            route53: client!(aws_sdk_route53, GLOBAL_REGION),
            route53_parent: client!(aws_sdk_route53, GLOBAL_REGION),
            sts: client!(aws_sdk_sts, region),
            tagging: client!(aws_sdk_resourcegroupstagging, GLOBAL_REGION),
            tagging_regional: client!(aws_sdk_resourcegroupstagging, region),
        }
    }

    /// The same, with the parent zone in another account if the document names a role there. The role is
    /// taken on when the first call needs it.
    #[must_use]
    pub async fn with_parent(self, target: &Target, desired: &Desired, access: &Access) -> Self {
        let Delegation::Through(role) = &desired.stack.delegation else {
            return self;
        };
        let shared = shared_config(target, &desired.region, &desired.account, access).await;
        // STS answers in every region; the stack's is where the caller is known to be let in.
        let regional = shared.to_builder();
        let regional = regional.region(Region::new(desired.region.clone()));
        let provider = AssumeRoleProvider::builder(role.as_str())
            .session_name(PARENT_SESSION)
            .configure(&regional.build())
            .build()
            .await;
        let mut config = aws_sdk_route53::config::Builder::from(&shared)
            .region(Region::new(GLOBAL_REGION.to_owned()))
            .credentials_provider(provider);
        if *access == Access::Read {
            config = config.interceptor(ReadOnly);
        }
        Self {
            route53_parent: aws_sdk_route53::Client::from_conf(config.build()),
            ..self
        }
    }

    /// These clients for whom the parent zone is the only one: Route 53 is that of its account.
    #[must_use]
    pub fn of_parent(&self) -> Self {
        Self {
            route53: self.route53_parent.clone(),
            ..self.clone()
        }
    }
}

async fn shared_config(target: &Target, region: &str, account: &str, access: &Access) -> SdkConfig {
    let clock = target.clock();
    // Reads may be retried by the SDK; writes are retried by the run loop alone, where it is visible.
    let retry = match access {
        Access::Read => RetryConfig::standard().with_max_attempts(4),
        Access::Write { .. } => RetryConfig::disabled(),
    };
    let app = match access {
        Access::Read => "spore-infra".to_owned(),
        Access::Write { digest } => format!("spore-infra-{}", digest.get(..16).unwrap_or(digest)),
    };
    let app = AppName::new(app).expect("invariant: hex digits and hyphens are a valid app name");
    let sandbox_credentials = || {
        // The emulators' convention: an account id as key id is that account's administrator.
        let keys = Credentials::from_keys(account, "test", None);
        SharedCredentialsProvider::new(keys)
    };
    let builder = match target {
        Target::Local(sandbox) => SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(in_process(sandbox.clone()))
            .timeout_config(TimeoutConfig::disabled())
            .credentials_provider(sandbox_credentials()),
        Target::Served { url, .. } => SdkConfig::builder()
            .behavior_version(BehaviorVersion::latest())
            .http_client(https())
            .timeout_config(timeouts())
            .endpoint_url(url)
            .credentials_provider(sandbox_credentials()),
        Target::Aws { .. } => {
            let loaded = aws_config::defaults(BehaviorVersion::latest())
                .http_client(https())
                .timeout_config(timeouts())
                .region(Region::new(region.to_owned()))
                .load()
                .await;
            // Set to nothing, as CI systems set what they have no value for, it is not set.
            let is_empty = loaded.endpoint_url().is_some_and(str::is_empty);
            let mut builder = loaded.into_builder();
            if is_empty {
                builder.set_endpoint_url(None);
            }
            builder
        }
    };
    builder
        .retry_config(retry)
        .app_name(app)
        .time_source(SigningTime(clock.clone()))
        .sleep_impl(SdkSleep(clock))
        .stalled_stream_protection(StalledStreamProtectionConfig::disabled())
        .build()
}

/// What the SDK's configuration, profiles included, names for all services in AWS's place.
pub async fn endpoint() -> Option<String> {
    // Some region, so that none is looked for on the network.
    let loader = aws_config::defaults(BehaviorVersion::latest());
    let loaded = loader.region(Region::from_static("us-east-1")).load().await;
    let url = loaded.endpoint_url().filter(|url| !url.is_empty());
    url.map(str::to_owned)
}

fn https() -> SharedHttpClient {
    aws_smithy_http_client::Builder::new()
        .tls_provider(tls::Provider::Rustls(
            tls::rustls_provider::CryptoMode::Ring,
        ))
        .build_https()
}

/// Every AWS call here answers within a second or two; these bounds tell a dead network.
fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder()
        .connect_timeout(Duration::from_secs(5))
        .operation_attempt_timeout(Duration::from_secs(30))
        .build()
}

/// The sandbox in this process as the SDK's HTTP client.
fn in_process(sandbox: Sandbox) -> SharedHttpClient {
    let connector = SharedHttpConnector::new(InProcess(sandbox));
    http_client_fn(move |_, _| connector.clone())
}

#[derive(Debug)]
struct InProcess(Sandbox);

impl HttpConnector for InProcess {
    fn call(&self, request: HttpRequest) -> HttpConnectorFuture {
        let sandbox = self.0.clone();
        HttpConnectorFuture::new(async move {
            let request = request
                .try_into_http1x()
                .map_err(|error| ConnectorError::user(error.into()))?;
            let (parts, body) = request.into_parts();
            let bytes = body.bytes().map(<[u8]>::to_vec).unwrap_or_default();
            let answer = sandbox
                .exchange(http::Request::from_parts(parts, bytes.into()))
                .await
                .map_err(|error| ConnectorError::io(error.to_string().into()))?;
            let answer = answer.map(SdkBody::from);
            HttpResponse::try_from(answer)
                .map_err(|error| ConnectorError::other(error.into(), None))
        })
    }
}

/// Refuses every operation that is not a read, so that planning cannot write by construction.
#[derive(Debug)]
struct ReadOnly;

#[aws_smithy_runtime_api::client::interceptors::dyn_dispatch_hint]
impl Intercept for ReadOnly {
    fn name(&self) -> &'static str {
        "ReadOnly"
    }

    fn read_before_serialization(
        &self,
        _: &BeforeSerializationInterceptorContextRef<'_>,
        _: &RuntimeComponents,
        config: &mut ConfigBag,
    ) -> Result<(), BoxError> {
        let operation = config
            .load::<Metadata>()
            .map(Metadata::name)
            .unwrap_or_default();
        let reads = ["Get", "List", "Describe", "Filter"];
        if reads.iter().any(|verb| operation.starts_with(verb)) {
            Ok(())
        } else {
            Err(format!("invariant: planning only reads, but {operation} was called").into())
        }
    }
}

/// The id of a change, as an output, unless its very answer says that every name server has it (INSYNC):
/// then there is nothing to ask for.
pub fn change_id(change: Option<ChangeInfo>) -> Outputs {
    change
        .filter(|change| *change.status() != ChangeStatus::Insync)
        .map(|change| {
            let id = change
                .id()
                .rsplit('/')
                .next()
                .unwrap_or_default()
                .to_owned();
            Outputs::from([(Output::ChangeId, id)])
        })
        .unwrap_or_default()
}

/// An answer of the SDK, with its error turned into a [`Failure`] of the operation called.
pub trait Answer<T>: Sized {
    /// The answer, or the failure.
    fn or_fail(self, operation: &str) -> Result<T, Failure>;

    /// The answer; none when AWS says that the object does not exist.
    fn unless_gone(self, operation: &str) -> Result<Option<T>, Failure> {
        match self.or_fail(operation) {
            Ok(answer) => Ok(Some(answer)),
            Err(failure) if failure.class == Class::Gone => Ok(None),
            Err(failure) => Err(failure),
        }
    }
}

impl<T, E> Answer<T> for Result<T, SdkError<E, HttpResponse>>
where
    E: ProvideErrorMetadata + fmt::Debug + std::error::Error + 'static,
{
    fn or_fail(self, operation: &str) -> Result<T, Failure> {
        self.map_err(|error| fail(operation, error))
    }
}

/// A request that cannot even be built.
pub fn unusable(operation: &str, why: &str) -> Failure {
    Failure {
        operation: operation.to_owned(),
        class: Class::Refused,
        code: String::new(),
        message: why.to_owned(),
    }
}

/// Turns an SDK error into a failure.
fn fail<E>(operation: &str, error: SdkError<E, HttpResponse>) -> Failure
where
    E: ProvideErrorMetadata + fmt::Debug + std::error::Error + 'static,
{
    let failure = |class, code: &str, message: String| Failure {
        operation: operation.to_owned(),
        class,
        code: code.to_owned(),
        message,
    };
    match &error {
        SdkError::ServiceError(context) => {
            let status = context.raw().status().as_u16();
            let code = context.err().code().unwrap_or_default();
            let message = context.err().message().unwrap_or("(no message)");
            let class = classify(operation, code, message, status);
            let text = match class {
                Class::Denied => denial::explained(operation, message),
                Class::Throttled
                | Class::Busy
                | Class::Propagating
                | Class::Unanswered
                | Class::AlreadyThere
                | Class::Gone
                | Class::Credentials
                | Class::Quota
                | Class::StillTrusted
                | Class::Refused
                | Class::Unknown => message.to_owned(),
            };
            failure(class, code, text)
        }
        SdkError::TimeoutError(_) => failure(Class::Unanswered, "", "no answer in time".to_owned()),
        SdkError::ResponseError(_) => failure(
            Class::Unanswered,
            "",
            format!("unreadable answer: {}", chain(&error)),
        ),
        SdkError::DispatchFailure(_) | SdkError::ConstructionFailure(_) => {
            match causes(&error).find(|cause| cause.is::<CredentialsError>()) {
                Some(cause) => {
                    let text = refused_role(&error).unwrap_or_else(|| chain(cause));
                    failure(Class::Credentials, "", text)
                }
                None => failure(Class::Unanswered, "", chain(&error)),
            }
        }
        _ => failure(Class::Unknown, "", chain(&error)),
    }
}

/// What STS says of a role that cannot be taken on, of all that the SDK wraps around it.
fn refused_role(error: &(dyn std::error::Error + 'static)) -> Option<String> {
    let refused = causes(error).find_map(|cause| cause.downcast_ref::<AssumeRoleError>())?;
    let message = denial::explained("sts:AssumeRole", refused.message()?);
    Some(format!("{}: {message}", refused.code().unwrap_or_default()))
}

fn causes<'a>(
    error: &'a (dyn std::error::Error + 'static),
) -> impl Iterator<Item = &'a (dyn std::error::Error + 'static)> {
    std::iter::successors(
        Some(error),
        |error: &&'a (dyn std::error::Error + 'static)| (*error).source(),
    )
}

/// The causes of an error in one line, without those that only repeat.
fn chain(error: &(dyn std::error::Error + 'static)) -> String {
    let mut texts: Vec<String> = Vec::new();
    for text in causes(error).skip(1).map(ToString::to_string) {
        if texts.last() != Some(&text) {
            texts.push(text);
        }
    }
    if texts.is_empty() {
        error.source().unwrap_or(error).to_string()
    } else {
        texts.join(": ")
    }
}
