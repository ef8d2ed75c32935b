//! One update, from what is asked for to an answer that is known to be the updater's. The formats are
//! those of [`crate::protocol`], and so are the checks.
//!
//! Answers come from three: the updater, which signs them for whoever proved who it is; the gateway
//! before it, in the same form but unsigned; and whatever stands in between, in any form. Only the first
//! can say that something was done.

use std::net::IpAddr;
use std::time::Duration;

use http::{Method, Uri};
use jiff::Timestamp;
use ring::rand::{SecureRandom as _, SystemRandom};
use serde::{Deserialize, Serialize};

use crate::protocol::sigv4::Credentials;
use crate::protocol::{
    AnswerProof, AnswerRefused, Audience, NoIdentity, Nonce, Outcome, Region, RoleArn, SignedProof,
    SignedType, StsAnswer, Update,
};

use super::config::Config;
use super::endpoint::{self, Endpoints};
use super::http::{Answer, Ask, Http, Lost, Via};
use super::metadata::Metadata;
use super::trouble::{NoInstance, Trouble};

/// A gateway gives up after 29 s (API Gateway Developer Guide, "Quotas": integration timeout).
const UPDATER: Duration = Duration::from_secs(30);

/// STS answers within a second.
const STS: Duration = Duration::from_secs(10);

/// Before a request whose answer was lost is sent again.
const PAUSE: Duration = Duration::from_secs(1);

/// STS is asked again if it does not answer, while the answer that it is to judge is still fresh.
const STS_TRIES: u32 = 3;

/// A difference of clocks that explains a refused proof; the updater allows 120 s.
const SKEW_SECS: i64 = 60;

/// The longest text of others that is shown.
const SHOWN_CHARS_MAX: usize = 600;

/// Who asks, whom, and how.
#[derive(Debug)]
pub(super) struct Asker<'a> {
    pub(super) config: &'a Config,
    pub(super) endpoints: &'a Endpoints,
    pub(super) http: &'a Http,
    pub(super) metadata: &'a Metadata<'a>,
    pub(super) credentials: Credentials,
    pub(super) region: Region,
}

/// The body of a request.
#[derive(Serialize)]
struct Body<'a> {
    record_name: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ip_address: &'a Option<String>,
    action: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    record_type: &'a Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    owner: &'a Option<String>,
    proof: &'a SignedProof,
}

/// The body of an answer. What is not among these members is not signed and says nothing.
#[derive(Deserialize)]
struct Said {
    success: bool,
    code: String,
    message: Option<String>,
    error: Option<String>,
    record: Option<String>,
    change_id: Option<String>,
    owner: Option<String>,
    #[serde(default)]
    request_id: String,
    #[serde(default)]
    timestamp: String,
    proof: Option<AnswerProof>,
}

impl Asker<'_> {
    /// Asks for an update, and gives what the updater itself said of it.
    pub(super) async fn ask(&self, update: &Update) -> Result<Outcome, Trouble> {
        let Config {
            domain, zone_id, ..
        } = self.config;
        let nonce = Nonce::from_bits(random()?);
        let proof = SignedProof::sign(
            SignedType::InstanceRole,
            &self.credentials,
            self.region,
            self.metadata.now(),
            &Audience::request(domain, zone_id),
            &nonce,
            update.sha256(),
        )
        .map_err(NoInstance::Credentials)?;
        let body = Body {
            record_name: &update.record_name,
            ip_address: &update.ip_address,
            action: &update.action,
            record_type: &update.record_type,
            owner: &update.owner,
            proof: &proof,
        };
        let body =
            serde_json::to_string(&body).map_err(|error| Trouble::later(error.to_string()))?;
        let answer = self.send(update, &body).await?;
        let skew = skew(self.metadata.now(), answer.date());
        let Some(said) = said(&answer) else {
            return Err(foreign(&answer, &self.config.url));
        };
        let after = answer.retry_after();
        let (outcome, proof) = said.split();
        let is_signed = proof.is_some();
        match proof {
            Some(proof) => {
                let proven = self.prove(proof, &nonce, update, &outcome, &skew);
                proven.await?;
            }
            None if outcome.success => {
                let why = "it says that all is done, and nobody signed it";
                return Err(Trouble::Unproven(why.to_owned()));
            }
            None => {}
        }
        judge(outcome, is_signed, after, &skew)
    }

    /// Sends the request; once more, byte for byte, where the answer was lost: to a request that it
    /// already carried out the updater says so.
    async fn send(&self, update: &Update, body: &str) -> Result<Answer, Trouble> {
        let url = &self.config.url;
        let uri = self.endpoints.updater(url);
        let uri = uri.ok_or_else(|| Trouble::later("the updater's url cannot be used"))?;
        let mut via = via(update, &uri);
        let mut last = Lost::Silent(UPDATER);
        for _ in 0..3 {
            let ask = Ask {
                via,
                method: Method::POST,
                uri: uri.clone(),
                headers: &[("content-type", "application/json")],
                body: body.to_owned(),
                within: UPDATER,
            };
            last = match self.http.send(ask).await {
                Ok(answer) => return Ok(answer),
                Err(lost) => lost,
            };
            match last {
                // The family of the record is preferred, because where nobody can ask EC2 an address
                // is proven by coming from it; but there may be no way in that family.
                Lost::Unreached(_) if via != Via::Any => via = Via::Any,
                Lost::Unreached(_) | Lost::Long => break,
                Lost::Silent(_) | Lost::Broken(_) => tokio::time::sleep(PAUSE).await,
            }
        }
        let host = url.host().unwrap_or_default();
        Err(Trouble::later(format!("no answer from {host}: {last}")))
    }

    /// Whether the answer is signed by the updater's role, which STS says.
    async fn prove(
        &self,
        proof: AnswerProof,
        nonce: &Nonce,
        update: &Update,
        outcome: &Outcome,
        skew: &str,
    ) -> Result<(), Trouble> {
        let Config {
            domain, zone_id, ..
        } = self.config;
        let audience = Audience::response(domain, zone_id);
        let now = self.metadata.now();
        let call = proof
            .call(now, &audience, nonce, update.sha256(), outcome)
            .map_err(|refused| Trouble::unproven(refused, skew))?;
        let host = call.host();
        let uri = self.endpoints.sts(call.region());
        let uri = uri.ok_or_else(|| Trouble::later("the url of STS cannot be used"))?;
        let headers: Vec<(&str, &str)> = call.headers().collect();
        let mut last = String::new();
        for at in 0..STS_TRIES {
            if at > 0 {
                tokio::time::sleep(Duration::from_secs(1 << at)).await;
            }
            let ask = Ask {
                via: Via::Any,
                method: Method::POST,
                uri: uri.clone(),
                headers: &headers,
                body: call.body().to_owned(),
                within: STS,
            };
            let answer = match self.http.send(ask).await {
                Ok(answer) => answer,
                Err(lost) => {
                    last = lost.to_string();
                    continue;
                }
            };
            let answer = StsAnswer {
                status: answer.status,
                content_type: answer.header("content-type").unwrap_or_default().to_owned(),
                body: answer.body.to_vec(),
            };
            match proven(&self.config.updater_role, &answer) {
                Proof::Good => return Ok(()),
                Proof::Bad(refused) => return Err(Trouble::unproven(refused, skew)),
                Proof::Unknown(why) => last = why,
            }
        }
        Err(Trouble::later(format!(
            "the updater answered, but {host} could not be asked whether it was the updater ({last})"
        )))
    }
}

enum Proof {
    Good,
    Bad(AnswerRefused),
    Unknown(String),
}

fn proven(role: &RoleArn, answer: &StsAnswer) -> Proof {
    match role.judge(answer) {
        Ok(()) => Proof::Good,
        Err(AnswerRefused::NoIdentity(NoIdentity::Unavailable(status))) => {
            Proof::Unknown(format!("status {status}"))
        }
        Err(refused) => Proof::Bad(refused),
    }
}

impl Said {
    fn split(self) -> (Outcome, Option<AnswerProof>) {
        let outcome = Outcome {
            success: self.success,
            code: self.code,
            message: self.message,
            error: self.error,
            record: self.record,
            change_id: self.change_id,
            owner: self.owner,
            request_id: self.request_id,
            timestamp: self.timestamp,
        };
        (outcome, self.proof)
    }
}

/// An answer in the updater's form.
fn said(answer: &Answer) -> Option<Said> {
    let said: Said = serde_json::from_slice(&answer.body).ok()?;
    (said.success == (answer.status == 200)).then_some(said)
}

/// What an answer in the updater's form comes to.
fn judge(
    outcome: Outcome,
    is_signed: bool,
    after: Option<Duration>,
    skew: &str,
) -> Result<Outcome, Trouble> {
    if outcome.success {
        return Ok(outcome);
    }
    let text = shown(outcome.error.as_deref().unwrap_or(&outcome.code));
    let text = match is_signed {
        true => text,
        false => format!("{text}{skew}"),
    };
    Err(match outcome.code.as_str() {
        "name_taken" => Trouble::Taken(text),
        "name_changed" => Trouble::Changed(text),
        "rate_limited" | "busy" | "internal" | "unavailable" => Trouble::Later { text, after },
        _ => Trouble::Refused(text),
    })
}

/// What an answer means that has not the form of ours.
fn foreign(answer: &Answer, url: &Uri) -> Trouble {
    let host = url.host().unwrap_or_default();
    let kind = answer.header("x-amzn-errortype").unwrap_or_default();
    let kind = shown(kind.split(':').next().unwrap_or_default());
    let after = answer.retry_after();
    match answer.status {
        // API Gateway Developer Guide, "Private DNS names": with it, an interface endpoint for
        // execute-api in the VPC answers for the names of all APIs, and knows only private ones.
        403 => Trouble::Refused(format!(
            "{host} answered 403 ({kind}), and not as the updater does: if the VPC has an interface \
             endpoint for execute-api with private DNS names, that endpoint answers for public APIs \
             too; turn its private DNS names off, or let this host name be resolved outside the VPC. \
             Else `url` in the configuration is of an API that is gone"
        )),
        404 => Trouble::Refused(format!(
            "{host} has no updater at {} (404); compare `url` in the configuration with \
             `spore-infra client-config`",
            url.path()
        )),
        status @ (429 | 500..=599) => Trouble::Later {
            text: format!("{host} answered {status}"),
            after,
        },
        status => Trouble::Refused(format!(
            "{host} answered {status}, and not as the updater does; is something between this \
             instance and the internet that answers for others?"
        )),
    }
}

/// A word on the clocks, where theirs and ours differ.
fn skew(now: Timestamp, theirs: Option<Timestamp>) -> String {
    let Some(theirs) = theirs else {
        return String::new();
    };
    let behind = theirs.as_second() - now.as_second();
    let way = match behind {
        behind if behind > SKEW_SECS => "behind",
        behind if behind < -SKEW_SECS => "ahead of",
        _ => return String::new(),
    };
    format!(
        "; this machine's clock is {} s {way} AWS's: set it (chrony, timedatectl)",
        behind.abs()
    )
}

/// Which addresses to ask by: those of the record's family.
fn via(update: &Update, uri: &Uri) -> Via {
    let is_literal = uri.host().and_then(endpoint::address).is_some();
    let address = update.ip_address.as_deref();
    match address.and_then(|address| address.parse().ok()) {
        _ if is_literal => Via::Any,
        None => Via::Any,
        Some(IpAddr::V4(_)) => Via::V4,
        Some(IpAddr::V6(_)) => Via::V6,
    }
}

/// Text of others, made harmless for terminals and logs.
pub(super) fn shown(text: &str) -> String {
    let is_plain = |char: &char| matches!(char, ' '..='~');
    text.chars()
        .filter(is_plain)
        .take(SHOWN_CHARS_MAX)
        .collect()
}

/// 128 random bits.
pub(super) fn random() -> Result<u128, Trouble> {
    let mut bytes = [0; 16];
    SystemRandom::new()
        .fill(&mut bytes)
        .map_err(|_| Trouble::later("the system has no random numbers"))?;
    Ok(u128::from_be_bytes(bytes))
}
