//! Policies: may this principal do this, under these circumstances?
//!
//! Decides what one policy document says about one request, deny first, and in [`evaluation`] what all
//! policies say that concern it. Policies are texts here: which of them concern a request is found out
//! by whoever asks ([`crate::auth`]). What is not understood never allows.
//!
//! Rules: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html> and
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic.html>.

use std::collections::BTreeMap;

mod condition;
mod document;
pub mod evaluation;
mod pattern;
mod principal;

pub use document::{Kind, Malformed, Policy};
pub(crate) use pattern::Glob;
pub(crate) use principal::role_of;

use document::{Effect, Scope, Statement};
use pattern::{Case, Pattern, Wild};
use principal::Strength;

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

/// The values of a condition key; keys have no case.
fn given<'a>(context: &'a Context, key: &str) -> Option<&'a [String]> {
    context
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case(key))
        .map(|(_, values)| values.as_slice())
}

/// All that a policy says about a request.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Heard {
    /// Why it is denied.
    denied: Option<String>,
    /// How the statement that allows it most directly names the principal.
    allowed: Option<Strength>,
    /// Why statements that could allow it do not.
    near: Vec<String>,
}

impl Policy {
    /// Judges a request.
    pub fn judge(&self, question: &Question<'_>) -> Verdict {
        let heard = self.hear(question);
        match (heard.denied, heard.allowed) {
            (Some(why), _) => Verdict::Denied(why),
            (None, Some(_)) => Verdict::Allowed,
            (None, None) if heard.near.is_empty() => {
                Verdict::NotAllowed("no statement names this principal and action".into())
            }
            (None, None) => Verdict::NotAllowed(heard.near.join("; ")),
        }
    }

    fn hear(&self, question: &Question<'_>) -> Heard {
        let mut heard = Heard::default();
        for (index, statement) in self.statements.iter().enumerate() {
            let Some(strength) = statement.concerns(question, self.variables) else {
                continue;
            };
            let held = condition::all_hold(&statement.conditions, question.context, self.variables);
            if statement.effect == Effect::Allow && held.is_ok() {
                heard.allowed = heard.allowed.max(Some(strength));
                continue;
            }
            let name = match &statement.sid {
                Some(sid) => format!("statement {sid}"),
                None => format!("statement number {}", index + 1),
            };
            match (statement.effect, held) {
                (Effect::Deny, Ok(())) => heard.deny(format!("{name} denies it")),
                // A Deny that might hold is taken to.
                (Effect::Deny, Err(why)) if why.uncertain => {
                    heard.deny(format!("{name} may deny it: {}", why.text));
                }
                (Effect::Deny, Err(_)) | (Effect::Allow, Ok(())) => {}
                (Effect::Allow, Err(why)) => heard.near.push(format!("{name}: {}", why.text)),
            }
        }
        heard
    }
}

impl Heard {
    fn deny(&mut self, why: String) {
        self.denied.get_or_insert(why);
    }
}

impl Statement {
    /// Whether principal, action and resource match, and how directly the principal is named;
    /// conditions are judged after that.
    fn concerns(&self, question: &Question<'_>, variables: bool) -> Option<Strength> {
        let strength = self.principals.name(self.effect, question)?;
        // Actions have no case (`kms:sign` is `kms:Sign`) and no variables.
        let of_action = |pattern: &str| {
            Some(Pattern::plain(pattern, Wild::Cards).fits(question.action, Case::Ignored))
        };
        let of_resource = |pattern: &str| {
            let pattern = if variables {
                Pattern::filled(pattern, Wild::Cards, question.context)?
            } else {
                Pattern::plain(pattern, Wild::Cards)
            };
            Some(pattern.fits(question.resource, Case::Matters))
        };
        let matches = self.actions.includes(of_action) && self.resources.includes(of_resource);
        matches.then_some(strength)
    }
}

impl Scope {
    /// Whether the scope includes what is tested for. A pattern with a variable that has no value
    /// makes `NotResource` include nothing: the statement is invalid.
    fn includes(&self, test: impl Fn(&str) -> Option<bool>) -> bool {
        match self {
            Self::Everything => true,
            Self::Only(patterns) => patterns.iter().any(|pattern| test(pattern) == Some(true)),
            Self::AllBut(patterns) => patterns.iter().all(|pattern| test(pattern) == Some(false)),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
