//! What can go wrong on an instance, in one sentence that says what to do, and the exit code for it.

use std::time::Duration;

use jiff::Timestamp;

use crate::name;
use crate::protocol::{AnswerRefused, Malformed};

use super::config;
use super::endpoint::BadEndpoint;

/// How a run ends, for scripts and for systemd.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Done, or nothing to do.
    Done = 0,
    /// The command line or the configuration.
    Usage = 1,
    /// This is no instance, or its metadata does not show what is needed.
    Instance = 2,
    /// It may work later, as it is.
    Later = 3,
    /// The updater says no.
    Refused = 4,
    /// The name is somebody else's.
    Taken = 5,
    /// The answer does not prove that it is the updater's.
    Unproven = 6,
}

/// What went wrong.
#[derive(Debug, thiserror::Error)]
pub enum Trouble {
    /// The configuration.
    #[error("{file}: {bad}")]
    Config {
        /// Its path.
        file: String,
        /// What is wrong with it.
        bad: config::Bad,
    },
    /// The environment.
    #[error(transparent)]
    Endpoint(#[from] BadEndpoint),
    /// The name, where it was written down by somebody.
    #[error("{given}: {refused}")]
    Name {
        /// Where it comes from.
        given: String,
        /// What is wrong with it.
        refused: name::Refused,
    },
    /// Two addresses of one family.
    #[error("a name has at most one IPv4 and one IPv6 address; leave one --ip out")]
    Addresses,
    /// Metadata.
    #[error(transparent)]
    Instance(#[from] NoInstance),
    /// It may work later.
    #[error("{text}{}", later(.after))]
    Later {
        /// Why not now.
        text: String,
        /// When the updater wants to be asked again, if it said so.
        after: Option<Duration>,
    },
    /// A failed try is too recent.
    #[error("the last try failed; the next one is due at {0}, `register` tries at once")]
    NotYet(Timestamp),
    /// No. The text is the updater's, or says why there is none.
    #[error("{0}")]
    Refused(String),
    /// The name is somebody else's. The text is the updater's.
    #[error("{0}")]
    Taken(String),
    /// The name is no longer as it was believed to be. Tried again before anybody hears of it.
    #[error("{0}; try again, and if it stays so look at this machine's clock")]
    Changed(String),
    /// Who answered is not the updater, as far as can be told.
    #[error("the answer does not prove that it is the updater's: {0}")]
    Unproven(String),
}

/// Why the instance cannot say who it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum NoInstance {
    /// No connection.
    #[error(
        "the instance metadata service cannot be reached ({0}): this is no EC2 instance, or a firewall \
         or a network policy keeps this program from 169.254.169.254"
    )]
    Unreached(String),
    /// A connection, but no token.
    #[error(
        "the instance metadata service gives no token: in a container its answer has one network hop \
         more to go than it may; on the instance's side: aws ec2 modify-instance-metadata-options \
         --instance-id ID --http-put-response-hop-limit 2"
    )]
    HopLimit,
    /// It answers 403.
    #[error(
        "the instance's metadata is switched off; on: aws ec2 modify-instance-metadata-options \
         --instance-id ID --http-endpoint enabled"
    )]
    Off,
    /// It answers something else.
    #[error("the instance metadata service answered {status} for {path}")]
    Unusual {
        /// The status.
        status: u16,
        /// What was asked for.
        path: &'static str,
    },
    /// It does not answer any more.
    #[error("the instance metadata service did not answer for {path}: {why}")]
    Lost {
        /// What was asked for.
        path: &'static str,
        /// Why.
        why: String,
    },
    /// What it answers cannot be.
    #[error("the instance metadata service answered no {0}")]
    Form(&'static str),
    /// No credentials of the identity role.
    #[error(
        "the metadata has no identity-credentials, which every EC2 instance has: something stands \
         between this program and the metadata service (kube2iam, a proxy for containers); run it on \
         the instance itself"
    )]
    NoIdentity,
    /// Credentials in a form that nothing can be signed with.
    #[error("the identity credentials of the metadata cannot be used: {0}")]
    Credentials(Malformed),
    /// A region that this program does not know.
    #[error("the instance's region {0:?} is none that this program knows; a newer one may")]
    Region(String),
    /// No address to register.
    #[error(
        "the instance has no {0}; give it one, name the address (--ip), or change `families` in the \
         configuration"
    )]
    NoAddress(String),
    /// No name.
    #[error(
        "there is no name to register: {0}; say it (`register NAME`), or set `name` in the \
         configuration"
    )]
    NoName(String),
}

impl Trouble {
    /// The exit code.
    pub fn exit(&self) -> Exit {
        match self {
            Self::Config { .. } | Self::Endpoint(_) | Self::Name { .. } | Self::Addresses => {
                Exit::Usage
            }
            Self::Instance(_) => Exit::Instance,
            Self::Later { .. } | Self::NotYet(_) | Self::Changed(_) => Exit::Later,
            Self::Refused(_) => Exit::Refused,
            Self::Taken(_) => Exit::Taken,
            Self::Unproven(_) => Exit::Unproven,
        }
    }

    /// Whether it says nothing of the name's other records, so that these are tried all the same. A name that
    /// is somebody else's and a time to come again hold for all of them.
    pub(super) fn is_of_one_record(&self) -> bool {
        match self {
            Self::Refused(_) | Self::Unproven(_) | Self::Changed(_) => true,
            Self::Later { after, .. } => after.is_none(),
            Self::Config { .. }
            | Self::Endpoint(_)
            | Self::Name { .. }
            | Self::Addresses
            | Self::Instance(_)
            | Self::NotYet(_)
            | Self::Taken(_) => false,
        }
    }

    /// Something that did not work just now.
    pub(super) fn later(text: impl Into<String>) -> Self {
        Self::Later {
            text: text.into(),
            after: None,
        }
    }

    /// An answer that proves nothing, with a word on the clock where that may be why.
    pub(super) fn unproven(refused: AnswerRefused, skew: &str) -> Self {
        Self::Unproven(format!("{refused}{skew}"))
    }
}

fn later(after: &Option<Duration>) -> String {
    match after {
        Some(after) => format!("; again in {} s at the earliest", after.as_secs()),
        None => String::new(),
    }
}
