//! The report: findings, the worst first, and who does what next.

use super::diagnosis::{self, State};
use super::facts::Facts;
use super::repair;

/// How bad a finding is. Ordered from good to bad; what is known to be broken is worse than what
/// cannot be seen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// As it should be.
    Ok,
    /// Worth knowing.
    Note,
    /// It works, but not as it should, or not for everybody for long.
    Warning,
    /// It cannot be told.
    Unknown,
    /// Names do not resolve for some or all, or will stop to without help.
    Critical,
}

impl Level {
    /// In one word, as monitoring plugins say it.
    pub fn word(self) -> &'static str {
        match self {
            Level::Ok | Level::Note => "OK",
            Level::Warning => "WARNING",
            Level::Critical => "CRITICAL",
            Level::Unknown => "UNKNOWN",
        }
    }
}

/// One thing that was found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// How bad.
    pub level: Level,
    /// What sort, for programs: stable.
    pub code: &'static str,
    /// A sentence.
    pub text: String,
}

/// Who acts.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Who {
    /// Whoever runs this stack.
    Us,
    /// The people of a zone above, or its registrar.
    Others(String),
    /// Nobody: time passes.
    Wait,
}

/// One step, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Action {
    /// Who.
    pub who: Who,
    /// What.
    pub what: String,
}

/// What `status` says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Report {
    /// The worst level of all findings.
    pub level: Level,
    /// One line.
    pub headline: String,
    /// Everything found, the worst first.
    pub findings: Vec<Finding>,
    /// What to do, in the order in which it is safe.
    pub next: Vec<Action>,
}

/// Judges the facts.
pub fn of(facts: &Facts) -> Report {
    let state = State::of(facts);
    let mut findings = diagnosis::findings(facts, state.as_ref());
    // The worst first; equals in the order in which they were found, causes before effects.
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.level));
    let level = findings.first().map_or(Level::Ok, |finding| finding.level);
    let headline = match findings.first() {
        Some(worst) if level > Level::Note => format!("{}: {}", facts.domain, worst.text),
        Some(_) | None => format!("{}: {}", facts.domain, diagnosis::all_is_well(facts)),
    };
    Report {
        level,
        headline,
        findings,
        next: repair::next(facts, state.as_ref()),
    }
}

#[cfg(test)]
mod tests;
