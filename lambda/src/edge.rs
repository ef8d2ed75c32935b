//! The real world: AWS by HTTPS, the host's clock, the system's random numbers. Here is no policy: what is
//! asked, how often and what follows from an answer is decided by the rest of the library.
//!
//! Four operations of three services do not pay for an SDK, whose clients alone would be larger than the
//! whole zip is allowed to be. Each has a file; what they share is `http`.

mod ec2;
mod endpoint;
mod http;
mod identity_keys;
mod route53;
mod sts;
mod xml;

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use ring::rand::{SecureRandom as _, SystemRandom};

use crate::batch::Batch;
use crate::config::Config;
use crate::ports::{Failure, Instance, Ports, Question};
use crate::proof::Own;
use crate::protocol::sigv4::Credentials;
use crate::protocol::{Call, Region, StsAnswer};
use crate::zone::{Page, Start};

pub use endpoint::{BadEndpoint, Endpoints};
pub use identity_keys::{IdentityKeys, NoKeys};

use http::Http;
use sts::Roles;

/// The connections and credentials of one environment.
#[derive(Debug)]
pub struct Aws {
    http: Http,
    credentials: Credentials,
    zone_id: String,
    region: Region,
    roles: Roles,
    random: SystemRandom,
}

/// What Lambda tells a function about itself.
#[derive(Debug, Clone)]
pub struct Environment {
    /// The credentials of the function's role: AWS_ACCESS_KEY_ID and so on. Lambda starts a new
    /// environment long before they end (Lambda Developer Guide, "Using the Lambda runtime environment").
    pub credentials: Credentials,
    /// AWS_LAMBDA_FUNCTION_NAME, which is also the name of the role's session.
    pub function: String,
    /// AWS_ENDPOINT_URL, where a simulated AWS is; none for AWS itself.
    pub endpoint: Option<String>,
}

/// Why the world cannot be reached from here.
#[derive(Debug, thiserror::Error)]
pub enum Unusable {
    /// The simulated AWS.
    #[error("AWS_ENDPOINT_URL: {0}")]
    Endpoint(#[from] BadEndpoint),
    /// The stack's region.
    #[error("region {0:?} is none that this updater knows")]
    Region(String),
}

/// [`Aws`] as one request meets it, with the clock that holds for it.
#[derive(Debug)]
pub struct World<'a> {
    aws: &'a Aws,
    ahead: SignedDuration,
}

impl Environment {
    /// The updater as a caller of AWS.
    pub fn own(&self) -> Own {
        Own {
            access_key_id: self.credentials.access_key_id.clone(),
            function: self.function.clone(),
        }
    }
}

impl Aws {
    /// Opens nothing yet: the first request does.
    ///
    /// # Errors
    /// When the endpoint or the stack's region cannot be.
    pub fn new(config: &Config, environment: &Environment) -> Result<Self, Unusable> {
        let region =
            Region::named(&config.region).ok_or_else(|| Unusable::Region(config.region.clone()))?;
        let endpoints = Endpoints::new(environment.endpoint.as_deref())?;
        Ok(Self {
            http: Http::new(endpoints),
            credentials: environment.credentials.clone(),
            zone_id: config.zone_id.clone(),
            region,
            roles: Roles::new(&environment.function),
            random: SystemRandom::new(),
        })
    }

    /// The world of a request that the gateway received at this time. A simulated AWS has a clock of its
    /// own, which may be days ahead, and its gateway says what it shows; of AWS the host's clock is as
    /// good, and nobody can set it.
    pub fn at(&self, request_time_epoch: Option<i64>) -> World<'_> {
        let simulated = request_time_epoch
            .filter(|_| self.http.is_simulated())
            .and_then(|millis| Timestamp::from_millisecond(millis).ok());
        let ahead = simulated.map(|time| time.duration_since(host_now()));
        World {
            aws: self,
            ahead: ahead.unwrap_or_default(),
        }
    }
}

/// The host's clock: read here and nowhere else in this package.
fn host_now() -> Timestamp {
    Timestamp::now()
}

impl Ports for World<'_> {
    fn now(&self) -> Timestamp {
        let now = host_now();
        now.checked_add(self.ahead).unwrap_or(now)
    }

    fn random(&self) -> u128 {
        let mut bytes = [0; 16];
        self.aws
            .random
            .fill(&mut bytes)
            .expect("the kernel's random numbers need no resources once it has started");
        u128::from_be_bytes(bytes)
    }

    fn credentials(&self) -> Option<Credentials> {
        Some(self.aws.credentials.clone())
    }

    async fn sleep(&self, duration: Duration) {
        tokio::time::sleep(duration).await;
    }

    async fn sts(&self, call: &Call) -> Result<StsAnswer, Failure> {
        sts::pass_on(&self.aws.http, call).await
    }

    async fn change(&self, batch: &Batch) -> Result<String, Failure> {
        route53::change(self.aws, self.now(), batch).await
    }

    async fn list(&self, start: &Start, limit: usize) -> Result<Page, Failure> {
        route53::list(self.aws, self.now(), start, limit).await
    }

    async fn describe(&self, question: &Question) -> Result<Option<Instance>, Failure> {
        let now = self.now();
        let assumed = match &question.role {
            Some(role) => Some(self.aws.roles.credentials(self.aws, now, role).await?),
            None => None,
        };
        let credentials = assumed.as_ref().unwrap_or(&self.aws.credentials);
        ec2::describe(&self.aws.http, credentials, now, question).await
    }
}
