//! Principals: does a statement name who asks, and how directly?
//!
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>. There
//! are no wildcards here but the lone `*`.

use super::document::{Effect, Named, Principals};
use super::{Principal, Question, given};

/// How a policy of a resource names who asks. It decides which other policies have a say when it
/// allows; see [`super::evaluation`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Strength {
    /// By the account, which delegates to the account's own policies.
    Account,
    /// A session by its role, or with everyone else.
    Role,
    /// A user, a session or a service by itself; a user with everyone else.
    Itself,
}

impl Principals {
    /// How a statement names who asks, if it does.
    pub(super) fn name(&self, effect: Effect, question: &Question<'_>) -> Option<Strength> {
        let parts = Parts::of(question);
        match self {
            Self::Everyone => Some(parts.in_general()),
            Self::Only(named) => parts.named_by(named),
            Self::AllBut(named) => {
                let excepted = match effect {
                    // To be spared, all of a principal must be named: session, role and account.
                    Effect::Deny => parts.all_named_by(named),
                    Effect::Allow => parts.named_by(named).is_some(),
                };
                (!excepted).then_some(parts.in_general())
            }
        }
    }
}

/// What a principal is made of.
#[derive(Debug, Clone, Copy)]
enum Parts<'a> {
    Service(&'a str),
    Root {
        account: &'a str,
    },
    /// A user, or a session that is not a role's.
    User {
        account: &'a str,
        arn: &'a str,
    },
    Session {
        account: &'a str,
        arn: &'a str,
        /// Its role's name, which has no path.
        role: &'a str,
        /// Its role's ARN, where the request tells it.
        role_arn: Option<&'a str>,
    },
}

impl<'a> Parts<'a> {
    fn of(question: &Question<'a>) -> Self {
        let (account, arn) = match question.principal {
            Principal::Service(name) => return Self::Service(name),
            Principal::Identity { account, arn } => (account, arn),
        };
        if is_account(arn, account) {
            return Self::Root { account };
        }
        match role_of(arn) {
            Some(role) => Self::Session {
                account,
                arn,
                role,
                role_arn: match given(question.context, "aws:PrincipalArn") {
                    Some([role_arn]) => Some(role_arn),
                    Some(_) | None => None,
                },
            },
            None => Self::User { account, arn },
        }
    }

    fn in_general(self) -> Strength {
        match self {
            Self::Session { .. } => Strength::Role,
            Self::Service(_) | Self::Root { .. } | Self::User { .. } => Strength::Itself,
        }
    }

    fn named_by(self, named: &Named) -> Option<Strength> {
        if named.everyone {
            return Some(self.in_general());
        }
        match self {
            Self::Service(name) => {
                let is_named = named.services.iter().any(|service| service == name);
                is_named.then_some(Strength::Itself)
            }
            Self::Root { .. } | Self::User { .. } | Self::Session { .. } => named
                .identities
                .iter()
                .filter_map(|identity| self.named_as(identity))
                .max(),
        }
    }

    fn named_as(self, identity: &str) -> Option<Strength> {
        match self {
            Self::Service(_) => None,
            Self::Root { account } => is_account(identity, account).then_some(Strength::Account),
            Self::User { arn, .. } if identity == arn => Some(Strength::Itself),
            Self::User { account, .. } => {
                is_account(identity, account).then_some(Strength::Account)
            }
            Self::Session { arn, .. } if identity == arn => Some(Strength::Itself),
            Self::Session {
                account,
                role,
                role_arn,
                ..
            } => {
                if is_role(identity, account, role, role_arn) {
                    Some(Strength::Role)
                } else {
                    is_account(identity, account).then_some(Strength::Account)
                }
            }
        }
    }

    fn all_named_by(self, named: &Named) -> bool {
        let names = |test: &dyn Fn(&str) -> bool| named.identities.iter().any(|one| test(one));
        named.everyone
            || match self {
                Self::Service(_) => self.named_by(named).is_some(),
                Self::Root { account } => names(&|one| is_account(one, account)),
                Self::User { account, arn } => {
                    names(&|one| is_account(one, account)) && names(&|one| one == arn)
                }
                Self::Session {
                    account,
                    arn,
                    role,
                    role_arn,
                } => {
                    names(&|one| is_account(one, account))
                        && names(&|one| is_role(one, account, role, role_arn))
                        && names(&|one| one == arn)
                }
            }
    }
}

/// The name of the role whose session an ARN is.
pub(crate) fn role_of(arn: &str) -> Option<&str> {
    let rest = arn.strip_prefix("arn:aws:sts::")?;
    let (_, resource) = rest.split_once(':')?;
    let (role, _) = resource.strip_prefix("assumed-role/")?.split_once('/')?;
    Some(role)
}

/// An account is named by its id or its root.
fn is_account(named: &str, account: &str) -> bool {
    named == account
        || named
            .strip_prefix("arn:aws:iam::")
            .and_then(|rest| rest.strip_suffix(":root"))
            == Some(account)
}

/// A role's ARN has its path, its sessions' ARNs have not. Where the role's own ARN is not known, its
/// name decides, which is unique in the account.
fn is_role(named: &str, account: &str, role: &str, role_arn: Option<&str>) -> bool {
    match role_arn {
        Some(role_arn) => named == role_arn,
        None => named
            .strip_prefix("arn:aws:iam::")
            .and_then(|rest| rest.strip_prefix(account)?.strip_prefix(":role/"))
            .is_some_and(|path| path.rsplit('/').next() == Some(role)),
    }
}
