//! The key's policy: its text from `policies/`, with a zone that may not exist yet, and what it gives
//! and takes, in sentences.

use crate::addr::Kind;
use crate::arg::{Arg, Output};
use crate::desired::Desired;
use crate::plan::of;

/// The policy's text, with placeholders.
pub const POLICY: &str = include_str!("../../../../policies/kms-ksk.json");

/// A policy text whose zone may still be unknown.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyArg {
    account: String,
    admins: Vec<String>,
    zone: Arg,
}

pub(super) fn policy_arg(desired: &Desired) -> PolicyArg {
    // The root stays whoever else is named: IAM then decides within the account, and a key whose
    // named administrators are gone does not become unmanageable (KMS Developer Guide, "Default key
    // policy").
    let mut admins = vec![format!("arn:aws:iam::{}:root", desired.account)];
    admins.extend(desired.key_admins.iter().cloned());
    PolicyArg {
        account: desired.account.clone(),
        admins,
        zone: of(&desired.addr(Kind::HostedZone), Output::ZoneId),
    }
}

impl PolicyArg {
    /// The same policy with its reference to the zone replaced.
    pub(super) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Self {
        Self {
            zone: f(&self.zone),
            ..self.clone()
        }
    }

    /// The text for AWS.
    pub(super) fn text(&self) -> String {
        self.text_with(self.zone.value())
    }

    /// The text for people, before the zone exists.
    pub(super) fn shown(&self) -> String {
        self.text_with("(id of the new zone)")
    }

    pub(super) fn text_with(&self, zone_id: &str) -> String {
        let admins = self
            .admins
            .iter()
            .map(|arn| format!("\"{arn}\""))
            .collect::<Vec<_>>();
        POLICY
            .replace("\"${admins}\"", &format!("[{}]", admins.join(", ")))
            .replace("${account}", &self.account)
            .replace("${zone_id}", zone_id)
    }
}

/// The policy that the key of a zone must have.
pub fn policy_for(desired: &Desired, zone_id: &str) -> String {
    policy_arg(desired).text_with(zone_id)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;
    use crate::policy::Policy;

    #[test]
    fn named_administrators_join_the_accounts_root() {
        let mut desired = fixture::desired();
        desired.key_admins = vec!["arn:aws:iam::123456789012:role/dns".into()];
        let policy = Policy::parse(&policy_for(&desired, "Z1")).expect("a policy");
        let admins = policy
            .statements
            .iter()
            .find(|statement| {
                statement
                    .principals
                    .iter()
                    .any(|p| p.ends_with(":role/dns"))
            })
            .expect("a statement for the role");
        assert!(
            admins
                .principals
                .contains("AWS:arn:aws:iam::123456789012:root")
        );
        assert!(!admins.sentence().contains("kms:Sign"));
    }

    #[test]
    fn nobody_but_route_53_may_sign_and_only_for_this_zone() {
        let policy = Policy::parse(&policy_for(&fixture::desired(), "Z1")).expect("a policy");
        let signers: Vec<String> = policy
            .statements
            .iter()
            .map(|statement| statement.sentence())
            .filter(|sentence| sentence.contains("kms:Sign") || sentence.contains("kms:*"))
            .collect();
        let [signer] = signers.as_slice() else {
            panic!("one signer, not {signers:?}")
        };
        assert!(
            signer.starts_with("Service:dnssec-route53.amazonaws.com may"),
            "{signer}"
        );
        assert!(
            signer.contains("arn:aws:route53:::hostedzone/Z1"),
            "{signer}"
        );
        assert!(signer.contains("123456789012"), "{signer}");
    }
}
