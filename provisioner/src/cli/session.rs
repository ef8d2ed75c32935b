//! What every command on a stack needs: target, clients, clock, document; and the account guard.

use std::sync::Arc;

use anyhow::bail;
use spore_sandbox::door::Options;
use spore_sandbox::world::Held;

use super::stack::Document;
use super::{Global, output, policy, variable};
use crate::aws::{self, Access, Clients};
use crate::clock::Clock;
use crate::desired::Desired;
use crate::dns::Dns;
use crate::kind::hosted_zone::Records;
use crate::observe::{self, Purpose, Unread};
use crate::principal::Principal;
use crate::retry::{Class, Failure};
use crate::snapshot::{Caller, Code, Snapshot};
use crate::target::{self, Target};
use crate::updater::{Bootstrap, UpdaterSource};

/// One stack on one target.
pub struct Session {
    /// Where calls go.
    pub target: Target,
    /// The time there.
    pub clock: Clock,
    /// Name servers there.
    pub dns: Dns,
    /// Clients that only read.
    pub read: Clients,
    /// What the document wants.
    pub desired: Desired,
    /// The updater's code, as plans are to see it.
    pub code: Code,
    /// The updater's code, for those who upload it.
    pub bootstrap: Option<Arc<Bootstrap>>,
}

impl Session {
    /// Opens a session that only reads.
    pub async fn open(global: &Global, document: &Document) -> anyhow::Result<Self> {
        Self::open_as(Principal::Reader, global, document).await
    }

    /// Opens a session. Who it is for matters in a sandbox that tries policies out; on AWS it is the
    /// credentials that say so.
    pub async fn open_as(
        principal: Principal,
        global: &Global,
        document: &Document,
    ) -> anyhow::Result<Self> {
        let desired = Desired::of(&document.stack);
        let target = resolve(global, policy::held(principal, &desired)?).await?;
        let read =
            Clients::connect(&target, &desired.region, &desired.account, &Access::Read).await;
        let read = read.with_parent(&target, &desired, &Access::Read).await;
        Ok(Self {
            clock: target.clock(),
            dns: Dns::new(&target).as_told(&desired.stack.dns),
            target,
            read,
            desired,
            code: Code::BuiltAtApply,
            bootstrap: None,
        })
    }

    /// Looks for the updater's code, without compiling. What is unfit blocks the function only.
    pub fn find_code(&mut self, source: &UpdaterSource) {
        self.code = match source.found() {
            Ok(Some(bootstrap)) => Code::Known(Arc::new(bootstrap)),
            Ok(None) => Code::BuiltAtApply,
            Err(why) => Code::Unusable(why.to_string()),
        };
        self.bootstrap = match &self.code {
            Code::Known(bootstrap) => Some(bootstrap.clone()),
            Code::BuiltAtApply | Code::Unusable(_) => None,
        };
    }

    /// Compiles the updater's code if it is not there yet. `is_reviewed`: a plan was approved that says
    /// "built at apply", so that plans go on saying so.
    ///
    /// # Errors
    /// When it cannot be compiled.
    pub fn build_code(&mut self, source: &UpdaterSource, is_reviewed: bool) -> anyhow::Result<()> {
        self.find_code(source);
        if let (Code::BuiltAtApply, None) = (&self.code, &self.bootstrap) {
            output::note("compiling the updater, which takes about a minute");
            self.bootstrap = Some(Arc::new(source.build()?));
        }
        self.code = match &self.bootstrap {
            _ if is_reviewed => Code::BuiltAtApply,
            Some(bootstrap) => Code::Known(bootstrap.clone()),
            None => return Ok(()),
        };
        Ok(())
    }

    /// Clients that may write on behalf of a plan.
    pub async fn writers(&self, digest: &str) -> Clients {
        let access = Access::Write {
            digest: digest.to_owned(),
        };
        let write = Clients::connect(
            &self.target,
            &self.desired.region,
            &self.desired.account,
            &access,
        )
        .await;
        let write = write
            .with_parent(&self.target, &self.desired, &access)
            .await;
        Clients {
            bootstrap: self.bootstrap.clone(),
            ..write
        }
    }

    /// Reads live AWS. The account is checked before anything is shown.
    ///
    /// # Errors
    /// When the credentials are of no account or of another one, or the stack's lock cannot be read.
    pub async fn snapshot(&self, records: Records, purpose: Purpose) -> anyhow::Result<Snapshot> {
        let read = observe::snapshot(
            &self.read,
            &self.dns,
            &self.clock,
            &self.desired,
            records,
            self.code.clone(),
            purpose,
        );
        match read.await {
            Ok(snapshot) => self.check_account(&snapshot.caller).map(|()| snapshot),
            Err(Unread::Caller(failure)) => Err(self.unidentified(failure)),
            Err(Unread::Lock(caller, failure)) => {
                self.check_account(&caller)?;
                Err(anyhow::Error::from(failure).context("reading the stack's lock"))
            }
        }
    }

    fn check_account(&self, caller: &Caller) -> anyhow::Result<()> {
        let wanted = &self.desired.account;
        if caller.account != *wanted {
            bail!(
                "the credentials belong to account {} ({}), but the document is for account \
                 {wanted}; nothing was written",
                caller.account,
                caller.arn
            );
        }
        Ok(())
    }

    fn unidentified(&self, failure: Failure) -> anyhow::Error {
        let hint = match failure.class {
            Class::Credentials if failure.code.starts_with("Expired") => {
                "the credentials have expired; log in again (`aws sso login`, or your usual way)"
            }
            Class::Credentials => match variable("AWS_PROFILE") {
                Some(profile) => &format!(
                    "profile {profile:?}, which AWS_PROFILE names, gives no usable credentials: see whether the \
                     configuration has it, and log in again if it uses SSO (`aws sso login --profile {profile}`)"
                ),
                None if failure.message.contains("SSO") => {
                    "no usable credentials; log in again (`aws sso login`), or set the usual variables"
                }
                None => {
                    "no usable credentials; set AWS_PROFILE or the usual variables, or use --sandbox"
                }
            },
            Class::Unanswered => "AWS could not be reached; check the network and AWS_ENDPOINT_URL",
            Class::Throttled
            | Class::Busy
            | Class::Propagating
            | Class::AlreadyThere
            | Class::Gone
            | Class::Denied
            | Class::Quota
            | Class::StillTrusted
            | Class::Refused
            | Class::Unknown => "cannot tell whose credentials these are",
        };
        match tried(&failure.message) {
            Some(tried) => anyhow::anyhow!("{hint}\n{tried}"),
            None => anyhow::anyhow!("{hint} ({failure})"),
        }
    }
}

/// The places where the SDK looked for credentials in vain, one a line, without the words that it repeats
/// for each; none for any other message.
fn tried(message: &str) -> Option<String> {
    let (_, places) = message.split_once("Attempted:")?;
    let tidy = |line: &str| {
        let (place, why) = line.trim().split_once(": ")?;
        let why = why
            .trim_start_matches("the credential provider was not enabled")
            .trim_start_matches(": ");
        let why = if why.is_empty() { "not set up" } else { why };
        Some(format!("  {place}: {why}"))
    };
    let lines: Vec<String> = places.lines().filter_map(tidy).collect();
    (!lines.is_empty()).then(|| lines.join("\n"))
}

/// The SDKs' own variable for another place than AWS.
const ENDPOINT: &str = "AWS_ENDPOINT_URL";

fn is_http(url: &str) -> bool {
    let url: Result<http::Uri, _> = url.parse();
    url.is_ok_and(|url| matches!(url.scheme_str(), Some("http" | "https")) && url.host().is_some())
}

/// Where calls go, from flags and environment. `held`: the policies that a sandbox holds them to.
async fn resolve(global: &Global, held: Option<Held>) -> anyhow::Result<Target> {
    match &global.sandbox {
        Some(dir) => {
            let options = Options {
                held,
                ..Options::default().from_environment(variable)?
            };
            let is_held = options.held.is_some();
            let target = target::sandbox(dir, options).await?;
            if let (Target::Served { url, .. }, true) = (&target, is_held) {
                bail!(
                    "SPORE_SANDBOX_POLICY holds for a sandbox in this process, but {url} serves {}; stop \
                     the server, or unset it",
                    dir.display()
                );
            }
            Ok(target)
        }
        None => {
            let set = variable(ENDPOINT);
            if let Some(url) = &set
                && !is_http(url)
            {
                bail!("{ENDPOINT} is {url:?}, which is no http or https URL");
            }
            // The SDK takes it from the profile as well.
            let endpoint = match set {
                Some(url) => Some(url),
                None => aws::endpoint().await,
            };
            Ok(target::from_environment(endpoint).await)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_without_credentials_are_told_in_a_line_each() {
        let message = "no credentials found in chain. Attempted:\n  Environment: the credential \
                       provider was not enabled: environment variable not set\n  Profile: the \
                       credential provider was not enabled\n  Ec2InstanceMetadata: IMDS timed out";
        let expected = "  Environment: environment variable not set\n  Profile: not set up\n  \
                        Ec2InstanceMetadata: IMDS timed out";
        assert_eq!(tried(message).as_deref(), Some(expected));
        assert_eq!(tried("the token has expired"), None);
    }
}
