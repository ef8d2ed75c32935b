//! Resource policies: may this principal do this, under these circumstances?
//!
//! Decides what one policy document says about one request, deny first. It knows nothing of identity
//! policies, grants or organisations: whoever asks combines the verdicts. Whatever it does not
//! understand never allows: an unknown condition operator fails closed, and the verdict says so.
//!
//! Rules: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html> and
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>.

use std::collections::BTreeMap;

mod condition;
mod document;

pub use document::{Malformed, Policy};

use document::{Effect, Principals, Scope, Statement};

/// Condition keys of a request and their values. Keys are compared without case.
pub type Context = BTreeMap<String, Vec<String>>;

/// Who asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Principal<'a> {
    /// An AWS service by its own identity, such as `dnssec-route53.amazonaws.com`.
    Service(&'a str),
    /// An identity of an account, by the ARN that GetCallerIdentity shows.
    Identity {
        /// Account id.
        account: &'a str,
        /// ARN of a user, a role's session or the account's root.
        arn: &'a str,
    },
}

/// One request as a policy sees it.
#[derive(Debug, Clone, Copy)]
pub struct Question<'a> {
    /// Who asks.
    pub principal: Principal<'a>,
    /// Such as `kms:Sign`.
    pub action: &'a str,
    /// ARN of the resource.
    pub resource: &'a str,
    /// Condition keys that the request supplies; any other is absent.
    pub context: &'a Context,
}

/// What a policy says about a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Verdict {
    /// A statement allows it and none denies it.
    Allowed,
    /// A statement denies it: its name, and why its conditions hold.
    Denied(String),
    /// No statement allows it; says what came nearest.
    NotAllowed(String),
}

impl Verdict {
    /// Whether the request may go on.
    pub fn is_allowed(&self) -> bool {
        matches!(self, Self::Allowed)
    }
}

impl Policy {
    /// Judges a request.
    pub fn judge(&self, question: &Question<'_>) -> Verdict {
        let mut allowed = false;
        let mut near = Vec::new();
        for (index, statement) in self.statements.iter().enumerate() {
            if !statement.concerns(question) {
                continue;
            }
            let name = statement
                .sid
                .clone()
                .unwrap_or_else(|| format!("number {}", index + 1));
            let held = condition::all_hold(&statement.conditions, question.context);
            match (statement.effect, held) {
                (Effect::Deny, Ok(())) => {
                    return Verdict::Denied(format!("statement {name} denies it"));
                }
                // A Deny that cannot be understood might hold: it is taken to.
                (Effect::Deny, Err(why)) if why.not_understood => {
                    return Verdict::Denied(format!("statement {name} may deny it: {}", why.text));
                }
                (Effect::Deny, Err(_)) => {}
                (Effect::Allow, Ok(())) => allowed = true,
                (Effect::Allow, Err(why)) => near.push(format!("statement {name}: {}", why.text)),
            }
        }
        if allowed {
            Verdict::Allowed
        } else if near.is_empty() {
            Verdict::NotAllowed("no statement names this principal and action".into())
        } else {
            Verdict::NotAllowed(near.join("; "))
        }
    }
}

impl Statement {
    /// Whether principal, action and resource match; conditions are judged after that.
    fn concerns(&self, question: &Question<'_>) -> bool {
        self.principals.include(question.principal)
            && self
                .actions
                .includes(|pattern| matches_ignoring_case(pattern, question.action))
            && self
                .resources
                .includes(|pattern| matches(pattern, question.resource))
    }
}

impl Scope {
    fn includes(&self, test: impl Fn(&str) -> bool) -> bool {
        match self {
            Self::Only(patterns) => patterns.iter().any(|pattern| test(pattern)),
            Self::AllBut(patterns) => !patterns.iter().any(|pattern| test(pattern)),
        }
    }
}

impl Principals {
    fn include(&self, principal: Principal<'_>) -> bool {
        match self {
            Self::Only(named) => named.matches(principal),
            Self::AllBut(named) => !named.matches(principal),
        }
    }
}

impl document::Named {
    fn matches(&self, principal: Principal<'_>) -> bool {
        self.everyone
            || match principal {
                Principal::Service(name) => self.services.iter().any(|service| service == name),
                Principal::Identity { account, arn } => self
                    .identities
                    .iter()
                    .any(|named| identity_matches(named, account, arn)),
            }
    }
}

/// Whether an `AWS` principal names an identity. An account names all its identities; a role names
/// its sessions, whose ARNs have the role's name without its path. There are no wildcards here but
/// the lone `*`
/// (<https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html>).
fn identity_matches(named: &str, account: &str, arn: &str) -> bool {
    if named == account || named == format!("arn:aws:iam::{account}:root") || named == arn {
        return true;
    }
    let session = arn.strip_prefix(&format!("arn:aws:sts::{account}:assumed-role/"));
    let role = named.strip_prefix(&format!("arn:aws:iam::{account}:role/"));
    match (session.and_then(|s| s.split_once('/')), role) {
        (Some((of_role, _)), Some(path)) => path.rsplit('/').next() == Some(of_role),
        (Some(_) | None, Some(_) | None) => false,
    }
}

/// Compares with a pattern of `*` (anything) and `?` (one character).
fn matches(pattern: &str, text: &str) -> bool {
    let (pattern, text): (Vec<char>, Vec<char>) =
        (pattern.chars().collect(), text.chars().collect());
    let (mut p, mut t) = (0, 0);
    // Where the last `*` stands, and the text position it was tried from.
    let mut star: Option<(usize, usize)> = None;
    while t < text.len() {
        match pattern.get(p) {
            Some('*') => {
                star = Some((p, t));
                p += 1;
            }
            Some(&c) if c == '?' || c == text[t] => {
                p += 1;
                t += 1;
            }
            Some(_) | None => match star {
                Some((at, from)) => {
                    star = Some((at, from + 1));
                    p = at + 1;
                    t = from + 1;
                }
                None => return false,
            },
        }
    }
    pattern[p..].iter().all(|&c| c == '*')
}

/// Actions have no case (`kms:sign` is `kms:Sign`).
fn matches_ignoring_case(pattern: &str, text: &str) -> bool {
    matches(&pattern.to_ascii_lowercase(), &text.to_ascii_lowercase())
}

#[cfg(test)]
mod tests;
