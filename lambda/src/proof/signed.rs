//! The proofs that are signed for each request: `instance-role` and `iam-role`.

use jiff::Timestamp;

use super::{DATE_SECS_MAX, Proven, Sts, Unproven, Verifier, Via};
use crate::config::Proof;
use crate::protocol::{Audience, Caller, Identity, Nonce, Signed, SignedProof, SignedType, Update};

/// A signed proof of the right form.
#[derive(Clone)]
pub(super) struct Presented {
    pub(super) proof: Proof,
    signed: Signed,
    nonce: Nonce,
}

impl Presented {
    pub(super) fn read(proof: SignedProof) -> Result<Self, Unproven> {
        let said = match proof.signed_type {
            SignedType::InstanceRole => Proof::InstanceRole,
            SignedType::IamRole => Proof::IamRole,
        };
        let (signed, nonce) = proof.read()?;
        Ok(Self {
            proof: said,
            signed,
            nonce,
        })
    }
}

pub(super) async fn verify(
    verifier: &Verifier,
    sts: &impl Sts,
    now: Timestamp,
    update: Update,
    presented: Presented,
) -> Result<Proven, Unproven> {
    let Presented {
        proof,
        signed,
        nonce,
    } = presented;
    // First what costs nothing: STS is asked only about what could still be good.
    let secs = now.as_second() - signed.time.as_second();
    if secs.abs() > DATE_SECS_MAX {
        return Err(Unproven::Date { secs });
    }
    if signed.region.partition() != verifier.partition {
        return Err(Unproven::OtherPartition);
    }
    if signed.access_key_id == verifier.own.access_key_id {
        return Err(Unproven::Own);
    }
    let request = update.sha256();
    let audience = Audience::request(&verifier.domain, &verifier.zone_id);
    let call = signed.call(&audience, &nonce, request);
    let answer = sts.ask(&call).await.map_err(|_| Unproven::Unreachable)?;
    let identity = answer.identity()?;
    allowed(verifier, proof, &identity)?;
    Ok(Proven {
        update,
        request,
        account: identity.account,
        region: signed.region,
        who: identity.caller.into(),
        via: Via::Signed {
            proof,
            time: signed.time,
            nonce,
        },
    })
}

/// Whether this is the kind of caller that the proof speaks of.
fn allowed(verifier: &Verifier, proof: Proof, identity: &Identity) -> Result<(), Unproven> {
    if identity.partition != verifier.partition {
        return Err(Unproven::OtherPartition);
    }
    if verifier.own.is(identity, &verifier.account) {
        return Err(Unproven::Own);
    }
    match (proof, &identity.caller) {
        (Proof::InstanceRole, Caller::Instance { .. }) => Ok(()),
        (Proof::IamRole, Caller::Role { .. }) => {
            if verifier.roles.iter().any(|role| role.has(identity)) {
                return Ok(());
            }
            Err(Unproven::RoleNotListed)
        }
        (
            Proof::InstanceRole | Proof::IamRole | Proof::IdentityDocument,
            Caller::Instance { .. } | Caller::Role { .. },
        ) => Err(Unproven::OtherType(proof)),
    }
}
