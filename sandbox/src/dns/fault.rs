//! Name servers that misbehave, and answers that somebody tampers with.
//!
//! ```text
//! silent        the server never answers
//! servfail      it answers SERVFAIL
//! refused       it answers REFUSED
//! frozen        it keeps answering with the delegations of this moment (servers of parents)
//! lag:10m       it gets every change ten minutes late
//! ```
//!
//! A change of a hosted zone is late from the time its other servers have it, so a lagging server of
//! Route 53 serves the old records although GetChange says INSYNC: what only asking each server shows.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;
use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use super::registrar::Delegation;
use super::{DnsName, State, address};
use crate::world::World;

/// How a name server misbehaves.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fault {
    /// It never answers.
    Silent,
    /// It answers SERVFAIL.
    ServFail,
    /// It answers REFUSED.
    Refused,
    /// It keeps answering with the delegations of this moment.
    Frozen,
    /// It gets every change this much later than it should.
    Lag(Duration),
}

/// A fault that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{0}' is none of silent, servfail, refused, frozen, lag:10m")]
pub struct FaultSyntax(String);

impl FromStr for Fault {
    type Err = FaultSyntax;

    fn from_str(text: &str) -> Result<Self, FaultSyntax> {
        let wrong = || FaultSyntax(text.to_owned());
        match text {
            "silent" => Ok(Self::Silent),
            "servfail" => Ok(Self::ServFail),
            "refused" => Ok(Self::Refused),
            "frozen" => Ok(Self::Frozen),
            _ => {
                let span = text.strip_prefix("lag:").ok_or_else(wrong)?;
                let span: SignedDuration = span.parse().map_err(|_| wrong())?;
                Duration::try_from(span).map(Self::Lag).map_err(|_| wrong())
            }
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Silent => out.write_str("silent"),
            Self::ServFail => out.write_str("servfail"),
            Self::Refused => out.write_str("refused"),
            Self::Frozen => out.write_str("frozen"),
            Self::Lag(span) => {
                let span = SignedDuration::try_from(*span).unwrap_or(SignedDuration::MAX);
                write!(out, "lag:{}", format!("{span:#}").replace(' ', ""))
            }
        }
    }
}

/// A misbehaving server.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Broken {
    Silent,
    ServFail,
    Refused,
    Frozen(#[serde(with = "pairs")] BTreeMap<DnsName, Delegation>),
    Lag(Duration),
}

/// Written as a list: a map's keys inside an enum are not always text.
mod pairs {
    use std::collections::BTreeMap;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    use super::{Delegation, DnsName};

    pub(super) fn serialize<S: Serializer>(
        map: &BTreeMap<DnsName, Delegation>,
        serializer: S,
    ) -> Result<S::Ok, S::Error> {
        map.iter().collect::<Vec<_>>().serialize(serializer)
    }

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(
        deserializer: D,
    ) -> Result<BTreeMap<DnsName, Delegation>, D::Error> {
        Ok(Vec::<(DnsName, Delegation)>::deserialize(deserializer)?
            .into_iter()
            .collect())
    }
}

/// Records that are changed on their way: everybody gets them with their last octet inverted.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub(super) struct Tampered(BTreeSet<(DnsName, String)>);

impl Tampered {
    /// Whether the set of a name and type is tampered with.
    pub(super) fn has(&self, name: &DnsName, rtype: domain::base::Rtype) -> bool {
        !self.0.is_empty() && self.0.contains(&(name.clone(), rtype.to_string()))
    }
}

impl State {
    /// How late the server of Route 53 of a number gets its changes.
    pub(crate) fn lag(&self, number: u16) -> Duration {
        let server = DnsName::parse(&address::aws_name(number)).ok();
        let addresses = server.as_ref().and_then(address::of);
        let Some((v4, v6)) = addresses else {
            return Duration::ZERO;
        };
        [IpAddr::V4(v4), IpAddr::V6(v6)]
            .iter()
            .filter_map(|at| match self.faults.get(at) {
                Some(Broken::Lag(span)) => Some(*span),
                Some(Broken::Silent | Broken::ServFail | Broken::Refused | Broken::Frozen(_))
                | None => None,
            })
            .max()
            .unwrap_or_default()
    }

    /// The delegations as they were at a time.
    pub(super) fn delegations_at(&self, then: Timestamp) -> BTreeMap<DnsName, Delegation> {
        let mut delegations = self.delegations.clone();
        for replaced in self.replaced.iter().rev() {
            if replaced.at <= then {
                break;
            }
            match &replaced.before {
                Some(before) => delegations.insert(replaced.zone.clone(), before.clone()),
                None => delegations.remove(&replaced.zone),
            };
        }
        delegations
    }
}

impl World {
    /// Makes the server at an address misbehave, or behave again.
    pub fn server_fault(&mut self, server: IpAddr, fault: Option<Fault>) {
        let broken = match fault {
            None => {
                self.dns.faults.remove(&server);
                return;
            }
            Some(Fault::Silent) => Broken::Silent,
            Some(Fault::ServFail) => Broken::ServFail,
            Some(Fault::Refused) => Broken::Refused,
            Some(Fault::Frozen) => Broken::Frozen(self.dns.delegations.clone()),
            Some(Fault::Lag(span)) => Broken::Lag(span),
        };
        self.dns.faults.insert(server, broken);
    }

    /// The same for both addresses of a server that is named.
    pub fn named_server_fault(
        &mut self,
        server: &DnsName,
        fault: Option<Fault>,
    ) -> Result<(), String> {
        let (v4, v6) =
            address::of(server).ok_or_else(|| format!("{server} is no server of this world"))?;
        self.server_fault(v4.into(), fault);
        self.server_fault(v6.into(), fault);
        Ok(())
    }

    /// Has somebody tamper with every answer of a name and type from now on, or no longer. The
    /// signatures stay as they are.
    pub fn tamper(&mut self, name: &DnsName, record_type: &str, tampered: bool) {
        let key = (name.clone(), record_type.to_uppercase());
        if tampered {
            self.dns.tampered.0.insert(key);
        } else {
            self.dns.tampered.0.remove(&key);
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn text_and_fault_are_the_same_thing() {
        for text in [
            "silent",
            "servfail",
            "refused",
            "frozen",
            "lag:10m",
            "lag:1h30m",
        ] {
            assert_eq!(text.parse::<Fault>().unwrap().to_string(), text);
        }
        for bad in ["", "lag", "lag:", "lag:soon", "lag:-1h", "Silent"] {
            assert!(bad.parse::<Fault>().is_err(), "{bad}");
        }
    }
}
