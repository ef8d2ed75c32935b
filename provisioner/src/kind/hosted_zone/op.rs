//! Mutations of the zone, as data.

use std::collections::BTreeMap;

use super::RecordSet;
use crate::arg::{Arg, Output};

/// One record set that becomes another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Edit {
    /// As it was when this was decided, in its exact spelling; none if there was none.
    pub before: Option<RecordSet>,
    /// As it is to be; none if it is to go.
    pub after: Option<RecordSet>,
}

/// A name that is to be freed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Held {
    /// The name, with a trailing dot.
    pub name: String,
    /// Everything at the name and at its mark's place when this was decided.
    pub seen: Vec<RecordSet>,
    /// What of that is deleted.
    pub gone: Vec<RecordSet>,
}

/// Mutations of the zone.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// CreateHostedZone.
    Create {
        /// Zone name.
        domain: String,
        /// N of the caller reference.
        number: u32,
        /// Comment.
        comment: String,
    },
    /// UpdateHostedZoneComment.
    SetComment {
        /// Zone id.
        zone: Arg,
        /// Comment.
        comment: String,
    },
    /// ChangeTagsForResource.
    Tag {
        /// Zone id.
        zone: Arg,
        /// Tags to set.
        tags: BTreeMap<String, String>,
    },
    /// ChangeResourceRecordSets: the SOA record with our TTL and minimum, its other fields kept.
    SetSoa {
        /// Zone id.
        zone: Arg,
    },
    /// ChangeResourceRecordSets: the zone's own NS set.
    SetNameServers {
        /// Zone id.
        zone: Arg,
        /// Zone name.
        domain: String,
        /// The set's TTL in seconds.
        ttl_secs: i64,
        /// Names of the servers, without a trailing dot.
        servers: Vec<String>,
    },
    /// ChangeResourceRecordSets: exactly these sets are deleted.
    DeleteRecords {
        /// Zone id.
        zone: Arg,
        /// The sets.
        sets: Vec<RecordSet>,
    },
    /// ChangeResourceRecordSets: each set becomes what it is to be if it still is what it was.
    EditRecords {
        /// Zone id.
        zone: Arg,
        /// The sets, those of one name together.
        edits: Vec<Edit>,
    },
    /// ChangeResourceRecordSets: each set gets another TTL if it still is what it was, with all else of it
    /// as it is then.
    SetTtls {
        /// Zone id.
        zone: Arg,
        /// The sets, those of one name and type together.
        edits: Vec<Edit>,
    },
    /// ChangeResourceRecordSets: each name is freed, mark and records in one call, if everything at it is
    /// as it was; else it stays.
    FreeNames {
        /// Zone id.
        zone: Arg,
        /// The names.
        names: Vec<Held>,
    },
    /// DeleteHostedZone.
    Delete {
        /// Zone id.
        zone: Arg,
    },
}

impl Op {
    pub(in crate::kind) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match self {
            Op::Create { .. } => self.clone(),
            Op::Tag { zone, tags } => Op::Tag {
                zone: f(zone),
                tags: tags.clone(),
            },
            Op::SetComment { zone, comment } => Op::SetComment {
                zone: f(zone),
                comment: comment.clone(),
            },
            Op::SetSoa { zone } => Op::SetSoa { zone: f(zone) },
            Op::SetNameServers {
                zone,
                domain,
                ttl_secs,
                servers,
            } => Op::SetNameServers {
                zone: f(zone),
                domain: domain.clone(),
                ttl_secs: *ttl_secs,
                servers: servers.clone(),
            },
            Op::DeleteRecords { zone, sets } => Op::DeleteRecords {
                zone: f(zone),
                sets: sets.clone(),
            },
            Op::EditRecords { zone, edits } => Op::EditRecords {
                zone: f(zone),
                edits: edits.clone(),
            },
            Op::SetTtls { zone, edits } => Op::SetTtls {
                zone: f(zone),
                edits: edits.clone(),
            },
            Op::FreeNames { zone, names } => Op::FreeNames {
                zone: f(zone),
                names: names.clone(),
            },
            Op::Delete { zone } => Op::Delete { zone: f(zone) },
        }
    }

    pub(in crate::kind) fn brings(&self) -> &'static [Output] {
        match self {
            Op::Create { .. } => &[Output::ZoneId, Output::NameServers],
            Op::SetComment { .. }
            | Op::Tag { .. }
            | Op::SetSoa { .. }
            | Op::SetNameServers { .. }
            | Op::DeleteRecords { .. }
            | Op::EditRecords { .. }
            | Op::SetTtls { .. }
            | Op::FreeNames { .. }
            | Op::Delete { .. } => &[],
        }
    }

    pub(in crate::kind) fn action(&self) -> &'static str {
        match self {
            Op::Create { .. } => "route53:CreateHostedZone",
            Op::SetComment { .. } => "route53:UpdateHostedZoneComment",
            Op::Tag { .. } => "route53:ChangeTagsForResource",
            Op::SetSoa { .. }
            | Op::SetNameServers { .. }
            | Op::DeleteRecords { .. }
            | Op::EditRecords { .. }
            | Op::SetTtls { .. }
            | Op::FreeNames { .. } => "route53:ChangeResourceRecordSets",
            Op::Delete { .. } => "route53:DeleteHostedZone",
        }
    }

    pub(in crate::kind) fn verb(&self) -> &'static str {
        match self {
            Op::Create { .. } => "creating",
            Op::SetComment { .. } => "setting its comment",
            Op::Tag { .. } => "tagging",
            Op::SetSoa { .. } => "setting SOA times",
            Op::SetNameServers { .. } => "naming its own servers",
            Op::DeleteRecords { .. } => "deleting records",
            Op::EditRecords { .. } => "changing records",
            Op::SetTtls { .. } => "setting TTLs",
            Op::FreeNames { .. } => "freeing names",
            Op::Delete { .. } => "deleting",
        }
    }
}
