//! Who asks. The only place where a [`Claim`] becomes [`Proven`]: `Proven` has no other constructor, and
//! what changes records takes nothing less.
//!
//! - `instance-role` and `iam-role`: the caller signed a request to AWS's STS ([`crate::protocol`]); the
//!   updater rebuilds that request, sends it and believes what STS answers.
//! - `identity-document`: the caller sends the document that EC2 signed when the instance started.
//!   Whoever ever saw it can send it too, so it must be young, and whoever takes it must also demand
//!   that the request comes from the instance, as far as that can be known
//!   ([`Proven::must_match_source`]).
//!
//! A [`Proven`] holds the update that was proven. For the signed proofs the signature is over it; taking
//! the update from anywhere else would make the proof one of something else.

mod cms;
mod document;
mod keys;
mod signed;

use std::fmt;
use std::future::Future;

use jiff::Timestamp;

pub use document::{DOCUMENT_AGE_MAX, DocumentRefused};
pub use keys::{KeyType, Keys, NoKey};

use crate::config::{Config, Proof};
use crate::protocol::{
    Call, Caller, Identity, Malformed, NoIdentity, Nonce, Partition, Region, RoleArn, Sha256,
    SignedProof, StsAnswer, Update,
};

/// How far the date of a signed proof may be from the updater's clock, in seconds. STS itself allows 5
/// minutes; a proof that was overheard should be of no use by the time somebody can use it.
pub const DATE_SECS_MAX: i64 = 120;

/// Asks STS. The one thing of the world that a proof needs.
pub trait Sts {
    /// Sends exactly this request by HTTPS and returns whatever is answered, whatever its status.
    /// Redirects are not followed, and reading stops after 64 KiB.
    ///
    /// # Errors
    /// When there is no answer.
    fn ask(&self, call: &Call) -> impl Future<Output = Result<StsAnswer, Unreachable>> + Send;
}

/// STS did not answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreachable;

/// The members of a request that prove something, as they were sent.
#[derive(Clone, Default)]
pub struct Members {
    /// `proof`
    pub proof: Option<SignedProof>,
    /// `instance_identity_document`: base64 of the document's exact bytes.
    pub instance_identity_document: Option<String>,
    /// `instance_identity_signature`: what the metadata answers at `/signature`.
    pub instance_identity_signature: Option<String>,
    /// `instance_identity_rsa2048`: what the metadata answers at `/rsa2048`.
    pub instance_identity_rsa2048: Option<String>,
}

/// Somebody says that this update is theirs to ask for.
#[derive(Debug, Clone)]
pub struct Claim {
    update: Update,
    presented: Presented,
}

/// One proof, well-formed as far as that can be told for nothing.
#[derive(Clone)]
enum Presented {
    Signed(Box<signed::Presented>),
    Document(document::Presented),
}

/// What the updater needs to judge any proof.
#[derive(Debug, Clone)]
pub struct Verifier {
    domain: String,
    zone_id: String,
    account: String,
    partition: Partition,
    proofs: Vec<Proof>,
    roles: Vec<RoleArn>,
    own: Own,
    keys: Keys,
}

/// The updater as AWS sees it: it is nobody's caller. It signs its answers like callers sign requests,
/// and what it signs is in the hands of strangers.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Own {
    /// Id of the access key it runs with.
    pub access_key_id: String,
    /// The function's name, which Lambda gives the role's sessions as theirs.
    pub function: String,
}

/// It is so: this caller asks for this update. Made only by [`Verifier::verify`].
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Proven {
    update: Update,
    request: Sha256,
    account: String,
    region: Region,
    who: Who,
    via: Via,
}

/// Who was proven to ask.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Who {
    /// An EC2 instance.
    Instance {
        /// `i-` and 8 or 17 hex digits.
        id: String,
    },
    /// A session of one of the configured roles. Its name proves nothing: whoever may assume the role
    /// chooses it, that of an instance too. What was proven is the role.
    Role {
        /// The role's name, without its path.
        name: String,
        /// The role's unique id, `AROA...`.
        id: String,
        /// The session's name.
        session: String,
    },
}

/// How it was proven.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Via {
    Signed {
        proof: Proof,
        time: Timestamp,
        nonce: Nonce,
    },
    Document,
}

/// Why nothing is proven. The texts go to callers and to the log; none repeats what was sent.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unproven {
    /// The request has none.
    #[error(
        "the request proves nothing; send `proof`, or `instance_identity_document` with \
         `instance_identity_signature`"
    )]
    Missing,
    /// More than one, which might contradict each other.
    #[error(
        "the request has more than one proof; send either `proof`, or the document with either \
         `instance_identity_signature` or `instance_identity_rsa2048`"
    )]
    Several,
    /// Half of one.
    #[error(
        "`instance_identity_document` needs `instance_identity_signature`, which goes with it, or \
         `instance_identity_rsa2048`, which needs no document"
    )]
    Half,
    /// Not of the form of a proof.
    #[error("proof: {0}")]
    Malformed(#[from] Malformed),
    /// This stack does not take it.
    #[error("this updater does not accept the proof `{}`", .0.word())]
    NotAccepted(Proof),
    /// Too old, or from the future.
    #[error("the proof's date is {}; is the caller's clock right?", apart(*.secs))]
    Date {
        /// By how much the updater's clock is later, in seconds.
        secs: i64,
    },
    /// STS says that nobody has signed this.
    #[error("{0}")]
    NoIdentity(#[from] NoIdentity),
    /// STS says nothing.
    #[error("AWS STS could not be asked just now")]
    Unreachable,
    /// `instance-role` was said and something else signed, or the other way round.
    #[error("the proof says `{}`, but that is not who signed it", .0.word())]
    OtherType(Proof),
    /// Accounts of one partition mean nothing in another, not even if their ids are equal.
    #[error("the caller is not in the AWS partition of this updater")]
    OtherPartition,
    /// The updater itself.
    #[error("the updater's own role asks for nothing")]
    Own,
    /// Not one of the configured roles.
    #[error("the caller's role is not in `roles` of this updater's stack")]
    RoleNotListed,
    /// The document proves nothing.
    #[error("{0}")]
    Document(#[from] DocumentRefused),
}

/// What becomes of a request whose proof fails.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Sort {
    /// The request is not well-formed: 400.
    BadRequest,
    /// The proof is none: 401.
    Invalid,
    /// The proof may be good, but not here: 403.
    NotAllowed,
    /// Nothing is known yet: 503, to be asked again.
    Unavailable,
}

impl Claim {
    /// What was sent. Looks at forms and lengths only.
    ///
    /// # Errors
    /// When there is not exactly one proof, or it is malformed.
    pub fn read(update: Update, members: Members) -> Result<Self, Unproven> {
        let Members {
            proof,
            instance_identity_document: document,
            instance_identity_signature: signature,
            instance_identity_rsa2048: rsa2048,
        } = members;
        let presented = match (proof, document, signature, rsa2048) {
            (Some(proof), None, None, None) => {
                Presented::Signed(Box::new(signed::Presented::read(proof)?))
            }
            (None, Some(document), Some(signature), None) => {
                Presented::Document(document::Presented::detached(&document, &signature)?)
            }
            (None, document, None, Some(rsa2048)) => {
                Presented::Document(document::Presented::message(&rsa2048, document.as_deref())?)
            }
            (None, None, None, None) => return Err(Unproven::Missing),
            (None, Some(_), None, None) | (None, None, Some(_), None) => {
                return Err(Unproven::Half);
            }
            (Some(_), _, _, _) | (None, _, Some(_), Some(_)) => return Err(Unproven::Several),
        };
        Ok(Self { update, presented })
    }

    /// What it says to be.
    pub fn proof(&self) -> Proof {
        match &self.presented {
            Presented::Signed(presented) => presented.proof,
            Presented::Document(_) => Proof::IdentityDocument,
        }
    }

    /// The update that is asked for. Nobody has proven anything about it yet.
    pub fn update(&self) -> &Update {
        &self.update
    }
}

impl Verifier {
    /// For the stack of this configuration.
    ///
    /// # Errors
    /// With the first of `roles` that is no role's ARN.
    pub fn new(config: &Config, own: Own, keys: Keys) -> Result<Self, String> {
        let role = |arn: &String| arn.parse::<RoleArn>().map_err(|()| arn.clone());
        Ok(Self {
            domain: config.domain.clone(),
            zone_id: config.zone_id.clone(),
            account: config.account.clone(),
            partition: Partition::of_region(&config.region),
            proofs: config.proofs.iter().copied().collect(),
            roles: config.roles.iter().map(role).collect::<Result<_, _>>()?,
            own,
            keys,
        })
    }

    pub(crate) fn trust(&mut self, keys: Keys) {
        self.keys = keys;
    }

    /// Judges a claim. Asks STS at most once, and only for a proof that is otherwise good.
    ///
    /// # Errors
    /// When it is not proven; the claim is gone then.
    pub async fn verify(
        &self,
        sts: &impl Sts,
        now: Timestamp,
        claim: Claim,
    ) -> Result<Proven, Unproven> {
        let proof = claim.proof();
        if !self.proofs.contains(&proof) {
            return Err(Unproven::NotAccepted(proof));
        }
        let Claim { update, presented } = claim;
        match presented {
            Presented::Signed(presented) => {
                signed::verify(self, sts, now, update, *presented).await
            }
            Presented::Document(presented) => document::verify(self, now, update, presented),
        }
    }
}

impl Proven {
    /// The update that is proven to be asked for.
    pub fn update(&self) -> &Update {
        &self.update
    }

    /// Hash of the canonical update, which the answer is signed over.
    pub fn request(&self) -> Sha256 {
        self.request
    }

    /// The caller's account.
    pub fn account(&self) -> &str {
        &self.account
    }

    /// The region. A document names its instance's. A signed proof names the one whose STS it was made
    /// for, which the caller chose: an instance that names another region than its own can be a second
    /// holder of names within its own account's, and is not found where EC2 is asked.
    pub fn region(&self) -> Region {
        self.region
    }

    /// Who it is.
    pub fn who(&self) -> &Who {
        &self.who
    }

    /// How it was proven.
    pub fn proof(&self) -> Proof {
        match &self.via {
            Via::Signed { proof, .. } => *proof,
            Via::Document => Proof::IdentityDocument,
        }
    }

    /// When it was signed, for the proofs that are signed for each request. The owner mark has this
    /// time and not the updater's, so that a request sent twice is older than its own mark.
    pub fn signed_at(&self) -> Option<Timestamp> {
        match &self.via {
            Via::Signed { time, .. } => Some(*time),
            Via::Document => None,
        }
    }

    /// The caller's nonce, for the proofs that have one.
    pub fn nonce(&self) -> Option<&Nonce> {
        match &self.via {
            Via::Signed { nonce, .. } => Some(nonce),
            Via::Document => None,
        }
    }

    /// Whether who proved this is known to ask only by where the request comes from: a document is no
    /// secret of the instance and has no public address in it. Then an address is registered only if it
    /// is the source's, and anything else is done only from an address that EC2 lists as the instance's.
    pub fn must_match_source(&self) -> bool {
        match &self.via {
            Via::Signed { .. } => false,
            Via::Document => true,
        }
    }
}

impl Unproven {
    /// What becomes of the request.
    pub fn sort(&self) -> Sort {
        match self {
            Self::Several | Self::Half | Self::Malformed(_) => Sort::BadRequest,
            Self::NotAccepted(_) | Self::OtherPartition | Self::Own | Self::RoleNotListed => {
                Sort::NotAllowed
            }
            Self::Unreachable | Self::NoIdentity(NoIdentity::Unavailable(_)) => Sort::Unavailable,
            Self::Document(refused) if refused.is_form() => Sort::BadRequest,
            Self::Missing
            | Self::Date { .. }
            | Self::NoIdentity(_)
            | Self::OtherType(_)
            | Self::Document(_) => Sort::Invalid,
        }
    }
}

fn apart(secs: i64) -> String {
    if secs < 0 {
        return format!("{} s in the future", secs.unsigned_abs());
    }
    format!("{secs} s old")
}

/// Only which kind of proof it is: the rest would do for whoever reads it.
impl fmt::Debug for Presented {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Signed(_) => f.write_str("Signed(..)"),
            Self::Document(_) => f.write_str("Document(..)"),
        }
    }
}

impl fmt::Debug for Members {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Members").finish_non_exhaustive()
    }
}

impl From<Caller> for Who {
    fn from(caller: Caller) -> Self {
        match caller {
            Caller::Instance { id } => Self::Instance { id },
            Caller::Role { name, id, session } => Self::Role { name, id, session },
        }
    }
}

impl Own {
    fn is(&self, identity: &Identity, account: &str) -> bool {
        match &identity.caller {
            Caller::Instance { .. } => false,
            Caller::Role { session, .. } => {
                identity.account == account && *session == self.function
            }
        }
    }
}
