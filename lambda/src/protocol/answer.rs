//! The answer signed back: that it is the word of the updater's own role about this very request.
//!
//! TLS says that the caller speaks with some API of AWS. Whoever could change the caller's idea of the
//! address could answer "done"; he cannot sign it as the role that the caller was configured to expect.

use std::fmt;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::call::{Audience, Call, Malformed, Nonce, Signed};
use super::canonical::{Sha256, lines};
use super::identity::{NoIdentity, RoleArn, StsAnswer};
use super::region::Region;
use super::sigv4::Credentials;

/// How far the time of an answer may be from the client's.
const AGE_SECS_MAX: i64 = 120;

/// What an answer says, as far as it is signed: all members of its body but `proof`. Absent members and
/// null are the same.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Outcome {
    /// Whether the records are now as asked.
    pub success: bool,
    /// The word for what became of the request.
    pub code: String,
    /// The sentence of a success.
    pub message: Option<String>,
    /// The sentence of a refusal.
    pub error: Option<String>,
    /// The whole name.
    pub record: Option<String>,
    /// Route 53's id of the change.
    pub change_id: Option<String>,
    /// The owner mark that is there now.
    pub owner: Option<String>,
    /// The gateway's id of the request.
    pub request_id: String,
    /// When it was answered.
    pub timestamp: String,
}

/// The member `proof` of an answer. Exactly these members.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerProof {
    /// Always the same.
    #[serde(rename = "type")]
    pub answer_type: AnswerType,
    /// Region of the STS that it is signed for.
    pub region: String,
    /// `ASIA...`
    pub access_key_id: String,
    /// `20261122T060000Z`
    pub date: String,
    /// The session's token.
    pub token: String,
    /// 64 hex digits in lower case.
    pub signature: String,
}

/// Whose credentials an answer is signed with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum AnswerType {
    /// The role of the updater's function.
    UpdaterRole,
}

/// Why an answer is not the updater's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum AnswerRefused {
    /// It is no proof at all.
    #[error("the answer's proof: {0}")]
    Malformed(#[from] Malformed),
    /// It is of another time.
    #[error("the answer is dated {0} s away from this machine's clock; is the clock right?")]
    Time(i64),
    /// STS does not say who signed it.
    #[error("the answer's proof: {0}")]
    NoIdentity(#[from] NoIdentity),
    /// It was signed by somebody else.
    #[error("the answer is not signed by the updater's role")]
    Stranger,
}

impl Outcome {
    /// The canonical answer to the request whose canonical update has this hash.
    pub fn canonical(&self, request: Sha256) -> String {
        let request = request.to_string();
        lines(
            "spore/1 answer",
            &[
                ("request", Some(&request)),
                ("success", Some(if self.success { "true" } else { "false" })),
                ("code", Some(&self.code)),
                ("message", self.message.as_deref()),
                ("error", self.error.as_deref()),
                ("record", self.record.as_deref()),
                ("change_id", self.change_id.as_deref()),
                ("owner", self.owner.as_deref()),
                ("request_id", Some(&self.request_id)),
                ("timestamp", Some(&self.timestamp)),
            ],
        )
    }

    fn sha256(&self, request: Sha256) -> Sha256 {
        Sha256::of(self.canonical(request).as_bytes())
    }
}

impl AnswerProof {
    /// What the updater does: signs its answer with the credentials of its role.
    ///
    /// # Errors
    /// When the credentials are not temporary ones.
    pub fn sign(
        credentials: &Credentials,
        region: Region,
        now: Timestamp,
        audience: &Audience,
        nonce: &Nonce,
        request: Sha256,
        outcome: &Outcome,
    ) -> Result<Self, Malformed> {
        let hash = outcome.sha256(request);
        let signed = Signed::sign(credentials, region, now, audience, nonce, hash)?;
        Ok(Self {
            answer_type: AnswerType::UpdaterRole,
            region: signed.region.name().to_owned(),
            access_key_id: signed.access_key_id,
            date: signed.date,
            token: signed.token,
            signature: signed.signature,
        })
    }

    /// What the client does first: rebuilds the request that STS must be asked. `nonce` and `request`
    /// are what the client itself sent, `outcome` is what it received.
    ///
    /// # Errors
    /// When the proof is malformed or of another time.
    pub fn call(
        self,
        now: Timestamp,
        audience: &Audience,
        nonce: &Nonce,
        request: Sha256,
        outcome: &Outcome,
    ) -> Result<Call, AnswerRefused> {
        let signed = Signed::read(
            &self.region,
            self.access_key_id,
            self.date,
            self.token,
            self.signature,
        )?;
        let away = now.as_second() - signed.time.as_second();
        if away.abs() > AGE_SECS_MAX {
            return Err(AnswerRefused::Time(away));
        }
        Ok(signed.call(audience, nonce, outcome.sha256(request)))
    }
}

impl RoleArn {
    /// What the client does last: compares who signed, as STS says it, with this role, which it was
    /// configured to expect.
    ///
    /// # Errors
    /// When STS names nobody, or somebody else.
    pub fn judge(&self, answer: &StsAnswer) -> Result<(), AnswerRefused> {
        if self.has(&answer.identity()?) {
            return Ok(());
        }
        Err(AnswerRefused::Stranger)
    }
}

/// Without the token and the signature.
impl fmt::Debug for AnswerProof {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AnswerProof")
            .field("answer_type", &self.answer_type)
            .finish_non_exhaustive()
    }
}
