//! Route 53: hosted zones, records, DNSSEC, tags and changes, as its API shows and changes them.
//!
//! What name servers answer is decided in [`crate::dns`]; this module keeps, for each change that is
//! not yet in sync, what every server still serves. Health checks, traffic policies, geoproximity and CIDR
//! routing are not modelled and refused by name.

mod batch;
mod changes;
mod delegation;
mod health;
mod limits;
mod needs;
mod query_logging;
mod record;
mod records;
mod routing;
mod served;
mod signatures;
mod signing;
mod signing_keys;
mod tags;
mod zones;

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::dns::DnsName;
use crate::tagging::TagSet;
use crate::world::{AwsError, Caller, Operation, World};

pub(crate) use record::ds_is_sound;
pub use record::{RecordSet, RecordType};
pub use routing::{AliasTarget, Routing, Slot};
pub use served::{Served, ServedKey, ServedKeys};
pub use signatures::Window;
pub use signing_keys::{Ksk, KskStatus};

/// Every table of operations of this service.
static TABLES: [&[Operation]; 9] = [
    zones::OPERATIONS,
    delegation::OPERATIONS,
    records::OPERATIONS,
    changes::OPERATIONS,
    tags::OPERATIONS,
    limits::OPERATIONS,
    signing_keys::OPERATIONS,
    signing::OPERATIONS,
    query_logging::OPERATIONS,
];

/// The operation of a name, if it is modelled.
pub fn operation(name: &str) -> Option<&'static Operation> {
    TABLES
        .iter()
        .flat_map(|table| table.iter())
        .find(|operation| operation.name == name)
}

/// Everything Route 53 keeps, of all accounts.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
pub struct State {
    accounts: BTreeMap<String, Account>,
    /// Zones by id, without `/hostedzone/`.
    zones: BTreeMap<String, HostedZone>,
    /// Deleted zones that a list still shows or a server still answers for.
    departed: Vec<Departed>,
    /// Changes by id, without `/change/`.
    changes: BTreeMap<String, changes::Change>,
}

/// What an account keeps beside its zones.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
struct Account {
    /// Every CallerReference of CreateHostedZone that ever succeeded. A reference stays used when
    /// its zone is deleted.
    zone_references: BTreeSet<String>,
    /// The same for reusable delegation sets.
    set_references: BTreeSet<String>,
    /// Reusable delegation sets by id, without `/delegationset/`.
    delegation_sets: BTreeMap<String, delegation::DelegationSet>,
}

/// Records of a zone in ListResourceRecordSets' order.
pub type Sets = BTreeMap<DnsName, BTreeMap<Slot, RecordSet>>;

/// One hosted zone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct HostedZone {
    /// Id without `/hostedzone/`.
    pub id: String,
    /// The account that owns it.
    pub account: String,
    /// Domain name.
    pub name: DnsName,
    /// CallerReference it was created with.
    pub caller_reference: String,
    comment: Option<String>,
    /// VPCs of a private zone; a public zone has none.
    vpcs: Vec<zones::Vpc>,
    /// Id of the reusable delegation set, if it has one.
    delegation_set: Option<String>,
    /// Numbers of its four name servers ([`crate::dns::address::aws_name`]).
    pub name_servers: [u16; 4],
    /// Records as the API shows them: each change counts at once.
    pub sets: Sets,
    /// Tags.
    pub tags: TagSet,
    /// Whether the zone is signed (as the API shows it).
    pub signing: bool,
    /// Secret of the zone-signing key, which Route 53 manages itself; made when signing is enabled.
    zsk: Option<served::Zsk>,
    /// Key-signing keys by name.
    pub ksks: BTreeMap<String, Ksk>,
    /// Where its queries are logged.
    #[serde(default)]
    query_logging: Option<query_logging::QueryLogging>,
    /// Changes that some server does not serve yet, oldest first.
    pending: Vec<served::Pending>,
    /// From when lists show the zone.
    listed_from: Timestamp,
    /// Until when a change batch is being accepted: others are refused so long.
    busy_until: Timestamp,
}

/// A deleted zone.
#[derive(Debug, Clone, Serialize, Deserialize)]
struct Departed {
    zone: HostedZone,
    /// When each of its servers stops answering for it.
    gone_at: [Timestamp; 4],
    /// Until when lists still show it.
    listed_until: Timestamp,
}

impl HostedZone {
    /// Whether only VPCs can resolve it.
    pub fn is_private(&self) -> bool {
        !self.vpcs.is_empty()
    }

    /// Its ARN, as policies and the tagging API name it.
    pub fn arn(&self) -> String {
        zone_arn(&self.id)
    }

    /// Names of its name servers as its NS record spells them.
    pub fn name_server_names(&self) -> Vec<DnsName> {
        self.name_servers
            .iter()
            .filter_map(|n| DnsName::parse(&crate::dns::address::aws_name(*n)).ok())
            .collect()
    }

    /// The KSKs that sign, or are meant to.
    pub fn active_ksks(&self) -> impl Iterator<Item = &Ksk> {
        self.ksks
            .values()
            .filter(|ksk| ksk.status != KskStatus::Inactive)
    }
}

impl State {
    /// All zones of all accounts.
    pub fn zones(&self) -> impl Iterator<Item = &HostedZone> {
        self.zones.values()
    }

    /// Public zones of a name, of all accounts.
    pub fn public_zones_named(&self, name: &DnsName) -> impl Iterator<Item = &HostedZone> {
        self.zones
            .values()
            .filter(move |zone| zone.name == *name && !zone.is_private())
    }

    /// ARN and tags of each zone of an account, for the tagging API. Zones without tags included.
    pub fn tagged(&self, account: &str) -> impl Iterator<Item = (String, &TagSet)> {
        self.zones
            .values()
            .filter(move |zone| zone.account == account)
            .map(|zone| (zone.arn(), &zone.tags))
    }

    fn account(&mut self, account: &str) -> &mut Account {
        self.accounts.entry(account.to_owned()).or_default()
    }
}

/// ARN of a zone.
fn zone_arn(id: &str) -> String {
    format!("arn:aws:route53:::hostedzone/{id}")
}

/// The id without its prefix: AWS takes `/hostedzone/Z1`, `hostedzone/Z1` and `Z1` alike.
fn bare<'a>(kind: &str, id: &'a str) -> &'a str {
    let id = id.strip_prefix('/').unwrap_or(id);
    id.strip_prefix(kind)
        .and_then(|rest| rest.strip_prefix('/'))
        .unwrap_or(id)
}

/// The typed input. The codec has checked it against the shape, so a failure is a value that the
/// shape allows and this sandbox does not know.
fn typed<T: DeserializeOwned>(input: Value) -> Result<T, AwsError> {
    serde_json::from_value(input).map_err(|error| AwsError::new("InvalidInput", error.to_string()))
}

/// The caller's zone. Another account's zone is denied, not hidden (text as AWS words it).
fn zone<'a>(world: &'a World, caller: &Caller, id: &str) -> Result<&'a HostedZone, AwsError> {
    let id = bare("hostedzone", id);
    let zone = world.route53.zones.get(id).ok_or_else(|| {
        AwsError::new(
            "NoSuchHostedZone",
            format!("No hosted zone found with ID: {id}"),
        )
    })?;
    if zone.account != caller.account {
        return Err(AwsError {
            code: "AccessDenied".into(),
            message: format!(
                "User: {} is not authorized to access this resource",
                caller.arn
            ),
            status: Some(403),
        });
    }
    Ok(zone)
}

/// The caller's zone, to be changed.
fn zone_mut<'a>(
    world: &'a mut World,
    caller: &Caller,
    id: &str,
) -> Result<&'a mut HostedZone, AwsError> {
    let id = zone(world, caller, id)?.id.clone();
    world.route53.zones.get_mut(&id).ok_or_else(|| {
        AwsError::new(
            "NoSuchHostedZone",
            format!("No hosted zone found with ID: {id}"),
        )
    })
}

/// Letters of zone, change and delegation-set ids.
const ID_LETTERS: &[u8] = b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ";

/// A timestamp as operations return it: seconds since the epoch.
fn seconds(at: Timestamp) -> Value {
    let millis = at.as_millisecond();
    if millis % 1000 == 0 {
        Value::from(millis / 1000)
    } else {
        // Milliseconds of this millennium are far below 2^53, so the division loses nothing that shows.
        #[expect(clippy::cast_precision_loss, reason = "below 2^53")]
        Value::from(millis as f64 / 1000.0)
    }
}

#[cfg(test)]
pub(crate) mod tests;
