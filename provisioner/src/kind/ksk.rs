//! Route 53's key-signing key (KSK): a name in the zone for a KMS key that signs its DNSKEY set.
//!
//! Natural key: zone and name; at most two per zone. The wanted state is one ACTIVE KSK on our KMS
//! key. AWS: CreateKeySigningKey, ActivateKeySigningKey, DeactivateKeySigningKey,
//! DeleteKeySigningKey, GetDNSSEC.
//!
//! ```text
//!            Create(ACTIVE)            Deactivate             Delete
//! (none) -----------------> ACTIVE <---------------> INACTIVE -------> (none)
//!                             |         Activate
//!                             +--(KMS key unusable)--> ACTION_NEEDED     Activate once the key is cured
//!                             +--(AWS's fault)-------> INTERNAL_FAILURE  Activate again
//! DELETING: wait.
//! ```

use std::collections::BTreeMap;
use std::time::Duration;

use aws_sdk_route53::types::ChangeInfo;
use jiff::Timestamp;

use crate::addr::{Addr, Kind};
use crate::arg::{Arg, Output, Outputs};
use crate::aws::{Answer as _, Clients, change_id};
use crate::condition::Condition;
use crate::desired::Desired;
use crate::ds::keys::{Whose, whose};
use crate::plan::{After, Change, Draft, Field, Lowered, Report, Risk, StepId, Symbol, of};
use crate::retry::{Class, Failure};
use crate::rotation;
use crate::snapshot::{Observation, Snapshot};

mod stranger;

pub use stranger::{stranger, way_down};

/// The most KSKs a zone can have (Route 53 Developer Guide, "Quotas").
pub const KSKS_MAX: usize = 2;

/// The zone's DNSSEC as Route 53 shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Live {
    /// ServeSignature: `SIGNING`, `NOT_SIGNING` and others, an open set.
    pub signing: String,
    /// AWS's text to that status.
    pub signing_message: String,
    /// Its keys.
    pub keys: Vec<Key>,
}

/// One KSK as Route 53 shows it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Key {
    /// Name in the zone.
    pub name: String,
    /// ARN of the KMS key.
    pub kms_arn: String,
    /// `ACTIVE`, `INACTIVE` and others, an open set.
    pub status: String,
    /// AWS's text to that status.
    pub message: String,
    /// Key tag as Route 53 computed it.
    pub key_tag: i32,
    /// DS record as Route 53 computed it: `tag algorithm digest-type DIGEST`.
    pub ds: String,
    /// DNSKEY record as Route 53 shows it: `257 3 13 KEY`.
    pub dnskey: String,
    /// When it was made; tells the old key of a rotation from the new one.
    pub created: Option<Timestamp>,
}

impl Live {
    /// Attributes of the keys by name, for plan files.
    pub fn key_attributes(&self) -> BTreeMap<String, String> {
        self.keys
            .iter()
            .flat_map(|key| {
                [
                    (format!("{}.status", key.name), key.status.clone()),
                    (format!("{}.kms-key", key.name), key.kms_arn.clone()),
                ]
            })
            .collect()
    }

    /// Attributes of signing by name, for plan files.
    pub fn signing_attributes(&self) -> BTreeMap<String, String> {
        BTreeMap::from([("status".to_owned(), self.signing.clone())])
    }
}

/// What the KSK needs.
pub fn converge(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let keys = match &snapshot.dnssec {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => {
            return super::blocked(addr, why);
        }
        Observation::Absent => &[][..],
        Observation::Present(live) => &live.keys[..],
    };
    let ours = snapshot.kms_key.present().map(|key| key.arn.as_str());
    match keys.iter().find(|key| ours == Some(key.kms_arn.as_str())) {
        None if keys.is_empty() => create(addr, desired),
        // Whose these are cannot be told while the stack's key is not known; that says why.
        None if ours.is_none_or(str::is_empty) => Lowered {
            report: vec![Report::HeldBack {
                addr: addr.clone(),
                by: desired.addr(Kind::KmsKey),
            }],
            ..Lowered::default()
        },
        None => {
            let names: Vec<_> = keys
                .iter()
                .map(|key| format!("{} (KMS key {})", key.name, key.kms_arn))
                .collect();
            super::blocked(
                addr,
                format!(
                    "the zone has key-signing keys that are not ours: {}",
                    names.join(", ")
                ),
            )
        }
        Some(key) => match key.status.as_str() {
            "ACTIVE" => {
                let mut lowered = beside(addr, desired, snapshot, key, keys);
                lowered.report.extend(due(addr, desired, snapshot, key));
                lowered
            }
            "INACTIVE" => activate(addr, desired, key, "it is inactive"),
            "ACTION_NEEDED" => activate(
                addr,
                desired,
                key,
                &format!("Route 53 could not use its KMS key: {}", key.message),
            ),
            "INTERNAL_FAILURE" => activate(
                addr,
                desired,
                key,
                "Route 53 reports INTERNAL_FAILURE; activating again is AWS's cure",
            ),
            "DELETING" => super::waiting(
                addr,
                format!("{} is DELETING; apply again when it is gone", key.name),
            ),
            other => super::blocked(
                addr,
                format!("{} is in state {other}; wait and plan again", key.name),
            ),
        },
    }
}

/// Whether the document wants a key of this age rotated.
fn due(addr: &Addr, desired: &Desired, snapshot: &Snapshot, key: &Key) -> Option<Report> {
    const DAY: Duration = Duration::from_hours(24);
    let limit = desired.stack.dnssec.rotate_after?;
    let age = Duration::try_from(snapshot.taken_at.duration_since(key.created?)).ok()?;
    (age >= limit).then(|| Report::Warning {
        addr: addr.clone(),
        what: format!(
            "{} is {} days old, and the document has it rotated after {}: run `spore-infra ksk rotate`",
            key.name,
            age.as_secs() / DAY.as_secs(),
            limit.as_secs() / DAY.as_secs()
        ),
    })
}

/// What stands beside the active key: nothing, the other key of a rotation, or somebody else's. A key
/// may be vouched for by the parent, so neither is touched here.
fn beside(
    addr: &Addr,
    desired: &Desired,
    snapshot: &Snapshot,
    ours: &Key,
    keys: &[Key],
) -> Lowered {
    let Some(other) = keys.iter().find(|key| key.name != ours.name) else {
        return super::up_to_date(addr, Outputs::new());
    };
    if let Some(way) = rotation::way_after_loss(desired, snapshot) {
        return super::blocked(addr, way);
    }
    let what = if whose(desired, snapshot, other) != Whose::Stranger {
        format!(
            "a rotation is {}: the zone has {} and {}; `{}` goes on with it",
            if rotation::is_given_up(snapshot) {
                "being given up"
            } else {
                "under way"
            },
            ours.name,
            other.name,
            rotation::command(snapshot)
        )
    } else {
        stranger(desired, snapshot, other)
    };
    Lowered {
        report: vec![
            Report::UpToDate(addr.clone()),
            Report::Warning {
                addr: addr.clone(),
                what,
            },
        ],
        ..Lowered::default()
    }
}

fn create(addr: &Addr, desired: &Desired) -> Lowered {
    let zone = desired.addr(Kind::HostedZone);
    let key = desired.addr(Kind::KmsKey);
    let name = desired.ksk_name.clone();
    let op = Op::Create {
        zone: of(&zone, Output::ZoneId),
        name: name.clone(),
        kms_arn: of(&key, Output::KeyArn),
    };
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Create,
            fields: vec![
                Field::new("name", name),
                Field::new("kms-key", of(&key, Output::KeyArn).to_string()),
                Field::new("status", "ACTIVE"),
            ],
            why: "a signed zone needs one active key-signing key".into(),
            risk: Risk::Safe,
        }),
        drafts: vec![
            // The alias shows whose key it is at once, while lists still hide it: without it, a run
            // after a crash would take this KSK for somebody else's.
            Draft::new("create", super::Op::Ksk(op))
                .after(After::Answered(StepId::new(&key, "alias")))
                .after(After::Answered(StepId::new(&key, "policy")))
                .after(After::Answered(StepId::new(&key, "enable")))
                .done(Condition::ChangeInSync),
        ],
        ..Lowered::default()
    }
}

fn activate(addr: &Addr, desired: &Desired, key: &Key, why: &str) -> Lowered {
    let zone = desired.addr(Kind::HostedZone);
    let kms = desired.addr(Kind::KmsKey);
    let op = Op::Activate {
        zone: of(&zone, Output::ZoneId),
        name: key.name.clone(),
    };
    Lowered {
        change: Some(Change {
            addr: addr.clone(),
            symbol: Symbol::Update,
            fields: vec![Field::change("status", &key.status, "ACTIVE")],
            why: why.to_owned(),
            risk: Risk::Safe,
        }),
        drafts: vec![
            Draft::new("activate", super::Op::Ksk(op))
                .after(After::AllOf(kms))
                .done(Condition::ChangeInSync),
        ],
        ..Lowered::default()
    }
}

/// Every KSK goes, after signing is off: deactivate, wait, delete.
pub fn destroy(addr: &Addr, desired: &Desired, snapshot: &Snapshot) -> Lowered {
    let keys = match &snapshot.dnssec {
        Observation::Unreadable(why) | Observation::Foreign(why, _) => {
            return super::blocked(addr, why);
        }
        Observation::Absent => return Lowered::default(),
        Observation::Present(live) if live.keys.is_empty() => return Lowered::default(),
        Observation::Present(live) => &live.keys,
    };
    let zone = desired.addr(Kind::HostedZone);
    let signing = desired.addr(Kind::ZoneSigning);
    let mut lowered = Lowered::default();
    let mut fields = Vec::new();
    for (index, key) in keys.iter().take(KSKS_MAX).enumerate() {
        let (deactivate, delete) = STEP_NAMES[index];
        fields.push(Field::gone(format!("{}.status", key.name), &key.status));
        let zone_id = of(&zone, Output::ZoneId);
        // Only an INACTIVE key can be deleted, whatever else its state is (aws-facts, section 1).
        if key.status != "INACTIVE" && key.status != "DELETING" {
            let op = Op::Deactivate {
                zone: zone_id.clone(),
                name: key.name.clone(),
            };
            lowered.drafts.push(
                Draft::new(deactivate, super::Op::Ksk(op))
                    .after(After::AllOf(signing.clone()))
                    .done(Condition::ChangeInSync),
            );
        }
        let op = Op::Delete {
            zone: zone_id,
            name: key.name.clone(),
        };
        lowered.drafts.push(
            Draft::new(delete, super::Op::Ksk(op))
                .after(After::AllOf(signing.clone()))
                .after(After::Settled(StepId::new(addr, deactivate)))
                .done(Condition::ChangeInSync),
        );
    }
    lowered.change = Some(Change {
        addr: addr.clone(),
        symbol: Symbol::Destroy,
        fields,
        why: "signing is off by then".into(),
        risk: Risk::Irreversible,
    });
    lowered
}

/// Step names of the first and second key.
const STEP_NAMES: [(&str, &str); KSKS_MAX] = [
    ("deactivate", "delete"),
    ("deactivate-second", "delete-second"),
];

/// Mutations of a KSK.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Op {
    /// CreateKeySigningKey, ACTIVE at once.
    Create {
        /// Zone id.
        zone: Arg,
        /// Name in the zone.
        name: String,
        /// ARN of the KMS key.
        kms_arn: Arg,
    },
    /// ActivateKeySigningKey.
    Activate {
        /// Zone id.
        zone: Arg,
        /// Name in the zone.
        name: String,
    },
    /// DeactivateKeySigningKey.
    Deactivate {
        /// Zone id.
        zone: Arg,
        /// Name in the zone.
        name: String,
    },
    /// DeleteKeySigningKey.
    Delete {
        /// Zone id.
        zone: Arg,
        /// Name in the zone.
        name: String,
    },
}

impl Op {
    pub(super) fn map(&self, f: &mut dyn FnMut(&Arg) -> Arg) -> Op {
        match self {
            Op::Create {
                zone,
                name,
                kms_arn,
            } => Op::Create {
                zone: f(zone),
                name: name.clone(),
                kms_arn: f(kms_arn),
            },
            Op::Activate { zone, name } => Op::Activate {
                zone: f(zone),
                name: name.clone(),
            },
            Op::Deactivate { zone, name } => Op::Deactivate {
                zone: f(zone),
                name: name.clone(),
            },
            Op::Delete { zone, name } => Op::Delete {
                zone: f(zone),
                name: name.clone(),
            },
        }
    }

    pub(super) fn action(&self) -> &'static str {
        match self {
            Op::Create { .. } => "route53:CreateKeySigningKey",
            Op::Activate { .. } => "route53:ActivateKeySigningKey",
            Op::Deactivate { .. } => "route53:DeactivateKeySigningKey",
            Op::Delete { .. } => "route53:DeleteKeySigningKey",
        }
    }

    pub(super) fn verb(&self) -> &'static str {
        match self {
            Op::Create { .. } => "creating",
            Op::Activate { .. } => "activating",
            Op::Deactivate { .. } => "deactivating",
            Op::Delete { .. } => "deleting",
        }
    }
}

/// Reads signing status and keys of a zone.
pub async fn observe(read: &Clients, zone_id: &str) -> Observation<Live> {
    match look(read, zone_id).await {
        Ok(Some(live)) => Observation::Present(live),
        Ok(None) => Observation::Absent,
        Err(failure) => Observation::Unreadable(failure.to_string()),
    }
}

/// What Route 53 shows of a zone; none when there is no such zone.
pub(in crate::kind) async fn look(read: &Clients, zone_id: &str) -> Result<Option<Live>, Failure> {
    let call = read.route53.get_dnssec().hosted_zone_id(zone_id);
    let answer = call.send().await.unless_gone("route53:GetDNSSEC")?;
    let Some(answer) = answer else {
        return Ok(None);
    };
    let text = |value: Option<&str>| value.unwrap_or_default().to_owned();
    let status = answer.status();
    Ok(Some(Live {
        signing: text(status.and_then(|status| status.serve_signature())),
        signing_message: text(status.and_then(|status| status.status_message())),
        keys: answer
            .key_signing_keys()
            .iter()
            .map(|key| Key {
                name: text(key.name()),
                kms_arn: text(key.kms_arn()),
                status: text(key.status()),
                message: text(key.status_message()),
                key_tag: key.key_tag(),
                ds: text(key.ds_record()),
                dnskey: text(key.dnskey_record()),
                created: key
                    .created_date()
                    .and_then(|date| Timestamp::new(date.secs(), 0).ok()),
            })
            .collect(),
    }))
}

/// Carries one mutation out.
pub async fn perform(op: &Op, write: &Clients) -> Result<Outputs, Failure> {
    let action = op.action();
    let change = match op {
        Op::Create {
            zone,
            name,
            kms_arn,
        } => {
            // One KSK for each KMS key: the reference is used for ever, and a key's id is never used
            // twice.
            let key_id = kms_arn.value().rsplit('/').next().unwrap_or_default();
            let call = write
                .route53
                .create_key_signing_key()
                .hosted_zone_id(zone.value())
                .name(name)
                .key_management_service_arn(kms_arn.value())
                .caller_reference(format!("spore-infra/ksk/{}/{key_id}", zone.value()))
                .status("ACTIVE");
            match call.send().await.or_fail(action) {
                Ok(answer) => answer.change_info,
                // An earlier run made it, in a zone that no list showed when this run was planned. Whether
                // it did is not known while nobody may look.
                Err(failure) if failure.class == Class::AlreadyThere => {
                    let live = look(write, zone.value()).await?;
                    let keys = live.map_or_else(Vec::new, |live| live.keys);
                    let ours = |key: &&Key| key.name == *name && key.kms_arn == kms_arn.value();
                    match keys.iter().find(ours).map(|key| key.status.as_str()) {
                        None => return Err(failure),
                        Some("ACTIVE") => None,
                        Some(_) => activate_key(write, zone.value(), name).await?,
                    }
                }
                Err(failure) => return Err(failure),
            }
        }
        Op::Activate { zone, name } => activate_key(write, zone.value(), name).await?,
        Op::Deactivate { zone, name } => {
            let call = write
                .route53
                .deactivate_key_signing_key()
                .hosted_zone_id(zone.value())
                .name(name);
            call.send().await.or_fail(action)?.change_info
        }
        Op::Delete { zone, name } => {
            let call = write
                .route53
                .delete_key_signing_key()
                .hosted_zone_id(zone.value())
                .name(name);
            call.send().await.or_fail(action)?.change_info
        }
    };
    Ok(change_id(change))
}

async fn activate_key(
    write: &Clients,
    zone_id: &str,
    name: &str,
) -> Result<Option<ChangeInfo>, Failure> {
    let call = write.route53.activate_key_signing_key();
    let call = call.hosted_zone_id(zone_id).name(name);
    let answer = call.send().await.or_fail("route53:ActivateKeySigningKey")?;
    Ok(answer.change_info)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    fn with_status(status: &str) -> Lowered {
        let desired = fixture::desired();
        let mut snapshot = fixture::applied();
        if let Observation::Present(live) = &mut snapshot.dnssec {
            live.keys[0].status = status.into();
        }
        converge(&desired.addr(Kind::Ksk), &desired, &snapshot)
    }

    #[test]
    fn every_state_has_an_answer() {
        let names = |lowered: &Lowered| lowered.drafts.iter().map(|d| d.name).collect::<Vec<_>>();
        for (status, expected) in [
            ("ACTIVE", &[][..]),
            ("INACTIVE", &["activate"]),
            ("ACTION_NEEDED", &["activate"]),
            ("INTERNAL_FAILURE", &["activate"]),
        ] {
            assert_eq!(names(&with_status(status)), expected, "{status}");
        }
        // One of these ends by itself, of the other nobody knows.
        let going = with_status("DELETING");
        assert!(going.drafts.is_empty());
        assert!(matches!(&going.report[..], [Report::Waiting { .. }]));
        let unknown = with_status("A_STATE_OF_2030");
        assert!(unknown.drafts.is_empty());
        assert!(matches!(&unknown.report[..], [Report::Blocked { .. }]));
    }

    #[test]
    fn somebody_elses_key_blocks() {
        let desired = fixture::desired();
        let mut snapshot = fixture::applied();
        if let Observation::Present(live) = &mut snapshot.dnssec {
            live.keys[0].kms_arn = "arn:other".into();
        }
        let lowered = converge(&desired.addr(Kind::Ksk), &desired, &snapshot);
        assert!(lowered.drafts.is_empty());
    }

    #[test]
    fn somebody_elses_key_beside_ours_is_taken_down_by_hand() {
        const THEIRS: &str = "257 3 13 pJ0Ul25hs3e+SGFO6lNI23jET6gDwcUWq9aD8BrDs1ruSmO9msETxQmDmvwjd/p8ZpIl8qRTWTKo9/jLRhI0YA==";
        let desired = fixture::desired();
        let of = |status: &str, ds: Vec<String>| {
            let mut snapshot = fixture::applied();
            if let Observation::Present(live) = &mut snapshot.dnssec {
                live.keys.push(Key {
                    name: "theirs".into(),
                    kms_arn: "arn:theirs".into(),
                    status: status.into(),
                    dnskey: THEIRS.into(),
                    ..Key::default()
                });
            }
            snapshot.parent = fixture::parent(crate::snapshot::Delegated {
                ds,
                ..crate::snapshot::Delegated::default()
            });
            let lowered = converge(&desired.addr(Kind::Ksk), &desired, &snapshot);
            assert!(lowered.drafts.is_empty());
            let warning = lowered.report.into_iter().find_map(|report| {
                let Report::Warning { what, .. } = report else {
                    return None;
                };
                Some(what)
            });
            let plan = crate::plan::rotate(&desired, &snapshot);
            let told = plan.refusals.first().map(|refusal| refusal.message.clone());
            (warning.unwrap_or_default(), told.unwrap_or_default())
        };
        let (warning, told) = of("ACTIVE", Vec::new());
        for said in [&warning, &told] {
            let deactivate = said.find("deactivate-key-signing-key --hosted-zone-id");
            let delete = said.find("delete-key-signing-key");
            assert!(deactivate.is_some() && deactivate < delete, "{said}");
            assert!(
                !said.contains("apply` finish") && !said.contains("take out DS"),
                "{said}"
            );
        }
        assert!(!of("INACTIVE", Vec::new()).0.contains("deactivate"));
        let ds = crate::ds::DnsKey::parse(THEIRS).map(|key| {
            key.ds(&desired.domain, crate::ds::DigestType::Sha256)
                .to_string()
        });
        let (warning, _) = of("ACTIVE", ds.into_iter().collect());
        assert!(
            warning.contains("have example.edu take out DS"),
            "{warning}"
        );
    }

    #[test]
    fn a_key_of_the_age_that_the_document_names_is_due() {
        let told = |document: &str, hours: i64| {
            let desired = fixture::of(document);
            let mut snapshot = fixture::applied();
            if let Observation::Present(live) = &mut snapshot.dnssec {
                let age = jiff::SignedDuration::from_hours(hours);
                live.keys[0].created = snapshot.taken_at.checked_sub(age).ok();
            }
            let lowered = converge(&desired.addr(Kind::Ksk), &desired, &snapshot);
            lowered.report.iter().any(|report| {
                matches!(report, Report::Warning { what, .. } if what.contains("ksk rotate"))
            })
        };
        let month = "[dnssec]\nrotate-after = \"30 days\"\n";
        assert!(told(month, 30 * 24));
        assert!(!told(month, 30 * 24 - 1));
        assert!(!told("[dnssec]\n", 10_000 * 24));
    }

    #[test]
    fn an_unreadable_key_is_not_somebody_elses() {
        let desired = fixture::desired();
        let mut snapshot = fixture::applied();
        snapshot.kms_key = Observation::Unreadable("kms:DescribeKey: AccessDenied".into());
        let lowered = converge(&desired.addr(Kind::Ksk), &desired, &snapshot);
        let by = desired.addr(Kind::KmsKey);
        assert!(
            matches!(&lowered.report[..], [Report::HeldBack { by: held, .. }] if *held == by),
            "{:?}",
            lowered.report
        );
    }

    #[test]
    fn destroy_deactivates_whatever_is_not_inactive_before_it_deletes() {
        let desired = fixture::desired();
        for (status, expected) in [
            ("ACTIVE", &["deactivate", "delete"][..]),
            ("ACTION_NEEDED", &["deactivate", "delete"]),
            ("INTERNAL_FAILURE", &["deactivate", "delete"]),
            ("INACTIVE", &["delete"]),
        ] {
            let mut snapshot = fixture::applied();
            if let Observation::Present(live) = &mut snapshot.dnssec {
                live.keys[0].status = status.into();
            }
            let lowered = destroy(&desired.addr(Kind::Ksk), &desired, &snapshot);
            let names: Vec<_> = lowered.drafts.iter().map(|draft| draft.name).collect();
            assert_eq!(names, expected, "{status}");
        }
    }
}
