//! A request that is not fulfilled: the word for it, the sentence for whoever asked, and when it makes
//! sense to ask again.

use std::time::Duration;

use crate::answer::Code;
use crate::config::Config;
use crate::limits::TooMany;
use crate::ports::Failure;

/// Nothing was changed, or nobody knows whether it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// Why, in one word.
    pub code: Code,
    /// Why, and what to do. It repeats nothing of the request that was not judged, and nothing that AWS
    /// said.
    pub text: String,
    /// When to ask again, if waiting helps.
    pub retry_after: Option<Duration>,
}

/// How long who meets others at work should wait: Route 53 refills its bucket by ten calls a second, so
/// a burst of fifty is over by then.
const BUSY: Duration = Duration::from_secs(5);

impl Refusal {
    /// A refusal that waiting does not lift.
    pub fn new(code: Code, text: impl Into<String>) -> Self {
        Self {
            code,
            text: text.into(),
            retry_after: None,
        }
    }

    /// Not allowed, and whom to ask.
    pub fn not_allowed(config: &Config, text: &str) -> Self {
        Self::new(Code::NotAllowed, format!("{text}{}", ask(config)))
    }

    /// What is missing will be there in a moment.
    pub fn not_yet(text: impl Into<String>) -> Self {
        Self {
            retry_after: Some(BUSY),
            ..Self::new(Code::Busy, text)
        }
    }

    /// AWS could not do what was needed for an answer.
    pub fn failed(config: &Config, what: &str, failure: Failure) -> Self {
        match failure {
            Failure::Throttled | Failure::Pending => {
                Self::not_yet(format!("{what} is asked by too many at once; try again"))
            }
            Failure::Unanswered => {
                Self::not_yet(format!("{what} did not answer in time; try again"))
            }
            Failure::Conflict => Self::not_yet(
                "the records were being changed by another request at the same time; try again",
            ),
            Failure::Denied => Self::new(
                Code::Unavailable,
                format!(
                    "the updater is not allowed to use {what}, which its policies should let it{}",
                    ask(config)
                ),
            ),
            Failure::Unusable => Self::new(
                Code::Unavailable,
                format!("{what} answered what the updater cannot use{}", ask(config)),
            ),
        }
    }
}

impl Refusal {
    /// The same when a change was sent before, and nobody knows whether it was made: asking again shows it.
    /// What was decided by a look at the zone stays as it is.
    pub(crate) fn after_a_lost_answer(self) -> Self {
        match self.code {
            Code::Busy | Code::Unavailable => Self::not_yet(format!(
                "the change may have been made, as its answer was lost; {}",
                self.text
            )),
            Code::Ok
            | Code::BadRequest
            | Code::ProofInvalid
            | Code::NotAllowed
            | Code::NameTaken
            | Code::NameChanged
            | Code::TooLarge
            | Code::UnsupportedMediaType
            | Code::RateLimited => self,
        }
    }
}

impl From<TooMany> for Refusal {
    fn from(too_many: TooMany) -> Self {
        let secs = too_many.wait.as_secs_f64().ceil();
        Self {
            code: Code::RateLimited,
            text: format!("too many requests; try again in {secs} s"),
            retry_after: Some(too_many.wait),
        }
    }
}

/// Whom to ask, as the end of a sentence.
pub(crate) fn ask(config: &Config) -> String {
    match &config.contacts.owner {
        Some(owner) => format!("; ask {owner}"),
        None => format!("; ask whoever runs {}", config.domain),
    }
}
