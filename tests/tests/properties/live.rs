//! Generated documents and live edits on the simulated AWS, through the parts of an apply as the
//! command line puts them together, in one process and on a standing clock.

use std::time::Duration;

use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType, TagResourceType,
};
use proptest::prelude::*;
use proptest::sample::subsequence;
use spore_infra::addr::Kind;
use spore_infra::desired::{MANAGED_BY, TAG_MANAGED_BY, TAG_STACK, TAG_VERSION};
use spore_infra::kind::hosted_zone::Records;
use spore_infra::plan::{DestroyOptions, Goal};
use spore_infra::render::{self, Paint};
use spore_sandbox::checks::Check;
use spore_tests::bench::{Bench, run};

use super::documents::{ACCOUNT, applicable};
use super::snapshots::now;

/// Longer than lists may lag and changes take.
const SETTLED: Duration = Duration::from_secs(600);
/// The most calls of a plan that finds nothing to do, and how many of them go to Route 53, which
/// allows five a second (design, section 5).
const CALLS_MAX: usize = 32;
const ROUTE53_CALLS_MAX: usize = 5;

fn config(cases: u32) -> ProptestConfig {
    ProptestConfig {
        cases,
        max_shrink_iters: 60,
        failure_persistence: None,
        ..ProptestConfig::default()
    }
}

/// What somebody does by hand to a stack that was applied.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Edit {
    SoaChanged,
    ZoneTagsRemoved,
    SigningDisabled,
    KskInactivated,
    KskDeleted,
    KeyPolicyOpened,
    KeyTagsRemoved,
    KeyTagChanged,
    AliasMoved,
    AliasDeleted,
    KeyDisabled,
    RetentionRemoved,
    RetentionShortened,
    JournalTagsRemoved,
    JournalDeleted,
}

/// In an order in which each is possible after those before it.
const EDITS: [Edit; 15] = [
    Edit::SoaChanged,
    Edit::ZoneTagsRemoved,
    Edit::SigningDisabled,
    Edit::KskInactivated,
    Edit::KskDeleted,
    Edit::KeyPolicyOpened,
    Edit::KeyTagsRemoved,
    Edit::KeyTagChanged,
    Edit::AliasMoved,
    Edit::AliasDeleted,
    Edit::KeyDisabled,
    Edit::RetentionRemoved,
    Edit::RetentionShortened,
    Edit::JournalTagsRemoved,
    Edit::JournalDeleted,
];

impl Edit {
    /// The resource that must be found changed, and the attribute that must be named.
    fn shows_as(self) -> (Kind, &'static str) {
        match self {
            Edit::SoaChanged => (Kind::HostedZone, "soa.ttl"),
            Edit::ZoneTagsRemoved => (Kind::HostedZone, "tags.spore:managed-by"),
            Edit::SigningDisabled => (Kind::ZoneSigning, "status"),
            Edit::KskInactivated | Edit::KskDeleted => (Kind::Ksk, "status"),
            Edit::KeyPolicyOpened => (Kind::KmsKey, "policy"),
            Edit::KeyTagsRemoved => (Kind::KmsKey, "tags.spore:stack"),
            Edit::KeyTagChanged => (Kind::KmsKey, "tags.spore:tool-version"),
            Edit::AliasMoved | Edit::AliasDeleted => (Kind::KmsKey, "alias"),
            Edit::KeyDisabled => (Kind::KmsKey, "state"),
            Edit::RetentionRemoved | Edit::RetentionShortened | Edit::JournalDeleted => {
                (Kind::JournalGroup, "retention-days")
            }
            Edit::JournalTagsRemoved => (Kind::JournalGroup, "tags.spore:managed-by"),
        }
    }

    fn needs_signing(self) -> bool {
        matches!(
            self.shows_as().0,
            Kind::KmsKey | Kind::Ksk | Kind::ZoneSigning
        )
    }

    async fn make(self, bench: &Bench) {
        let Bench { write, desired, .. } = bench;
        let (logs, kms, route53) = (&write.logs, &write.kms, &write.route53);
        let group = desired.journal_group();
        match self {
            Edit::SoaChanged => change_soa(bench).await,
            Edit::ZoneTagsRemoved => {
                let call = route53.change_tags_for_resource();
                let call = call.resource_type(TagResourceType::Hostedzone);
                let call = call.resource_id(bench.zone_id().await);
                call.remove_tag_keys(TAG_MANAGED_BY)
                    .remove_tag_keys(TAG_STACK)
                    .send()
                    .await
                    .unwrap();
            }
            Edit::SigningDisabled => {
                let call = route53.disable_hosted_zone_dnssec();
                call.hosted_zone_id(bench.zone_id().await)
                    .send()
                    .await
                    .unwrap();
            }
            Edit::KskInactivated | Edit::KskDeleted => self.unmake_ksk(bench).await,
            Edit::KeyPolicyOpened => {
                let policy = format!(
                    r#"{{"Version":"2012-10-17","Statement":[{{"Sid":"Open","Effect":"Allow","Principal":{{"AWS":"arn:aws:iam::{ACCOUNT}:root"}},"Action":"kms:*","Resource":"*"}}]}}"#
                );
                let call = kms.put_key_policy().key_id(bench.key_arn().await);
                call.policy_name("default")
                    .policy(policy)
                    .send()
                    .await
                    .unwrap();
            }
            Edit::KeyTagsRemoved => {
                let call = kms.untag_resource().key_id(bench.key_arn().await);
                call.tag_keys(TAG_STACK)
                    .tag_keys(TAG_MANAGED_BY)
                    .send()
                    .await
                    .unwrap();
            }
            Edit::KeyTagChanged => {
                let tag = aws_sdk_kms::types::Tag::builder()
                    .tag_key(TAG_VERSION)
                    .tag_value("0.0.1");
                let call = kms.tag_resource().key_id(bench.key_arn().await);
                call.tags(tag.build().unwrap()).send().await.unwrap();
            }
            Edit::AliasMoved => {
                let key = kms
                    .create_key()
                    .key_spec(aws_sdk_kms::types::KeySpec::EccNistP256);
                let key = key.key_usage(aws_sdk_kms::types::KeyUsageType::SignVerify);
                let stranger = key.send().await.unwrap().key_metadata.unwrap();
                let call = kms.update_alias().alias_name(&desired.key_alias);
                call.target_key_id(stranger.key_id).send().await.unwrap();
            }
            Edit::AliasDeleted => {
                kms.delete_alias()
                    .alias_name(&desired.key_alias)
                    .send()
                    .await
                    .unwrap();
            }
            Edit::KeyDisabled => {
                // Its alias may be gone or moved by now: the key is the one the stack's tags name.
                let snapshot = bench.snapshot(Records::FirstPage, None).await;
                let arn = snapshot.kms_key.present().unwrap().arn.clone();
                kms.disable_key().key_id(arn).send().await.unwrap();
            }
            Edit::RetentionRemoved => {
                logs.delete_retention_policy()
                    .log_group_name(group)
                    .send()
                    .await
                    .unwrap();
            }
            Edit::RetentionShortened => {
                let call = logs.put_retention_policy().log_group_name(group);
                call.retention_in_days(30).send().await.unwrap();
            }
            Edit::JournalTagsRemoved => {
                let call = logs
                    .untag_resource()
                    .resource_arn(desired.log_group_arn(&group));
                call.tag_keys(TAG_MANAGED_BY).send().await.unwrap();
            }
            Edit::JournalDeleted => {
                logs.delete_log_group()
                    .log_group_name(group)
                    .send()
                    .await
                    .unwrap();
            }
        }
    }

    /// AWS lets go of a KSK in steps, each after the one before is everywhere.
    async fn unmake_ksk(self, bench: &Bench) {
        let route53 = &bench.write.route53;
        let zone = bench.zone_id().await;
        let live = bench.snapshot(Records::FirstPage, None).await;
        let live = live.dnssec.present().unwrap().clone();
        let name = live.keys[0].name.clone();
        if live.signing == "SIGNING" {
            let call = route53.disable_hosted_zone_dnssec();
            call.hosted_zone_id(&zone).send().await.unwrap();
            bench.advance(SETTLED);
        }
        if live.keys[0].status == "ACTIVE" {
            let call = route53.deactivate_key_signing_key();
            call.hosted_zone_id(&zone).name(&name).send().await.unwrap();
            bench.advance(SETTLED);
        }
        if self == Edit::KskDeleted {
            let call = route53.delete_key_signing_key();
            call.hosted_zone_id(&zone).name(&name).send().await.unwrap();
        }
    }
}

async fn change_soa(bench: &Bench) {
    let zone = bench.zone_id().await;
    let route53 = &bench.write.route53;
    let sets = route53.list_resource_record_sets().hosted_zone_id(&zone);
    let sets = sets.send().await.unwrap().resource_record_sets;
    let soa = sets
        .iter()
        .find(|set| *set.r#type() == RrType::Soa)
        .unwrap();
    let value = soa.resource_records()[0].value().to_owned();
    let record = ResourceRecord::builder().value(value).build().unwrap();
    let set = ResourceRecordSet::builder()
        .name(soa.name())
        .r#type(RrType::Soa)
        .ttl(86_400)
        .resource_records(record);
    let change = Change::builder()
        .action(ChangeAction::Upsert)
        .resource_record_set(set.build().unwrap());
    let batch = ChangeBatch::builder().changes(change.build().unwrap());
    let call = route53.change_resource_record_sets().hosted_zone_id(zone);
    call.change_batch(batch.build().unwrap())
        .send()
        .await
        .unwrap();
}

fn edits() -> impl Strategy<Value = Vec<Edit>> {
    subsequence(EDITS.to_vec(), 1..=4).prop_map(|mut edits| {
        // Without its tags only alias and KSK together tell that the key is the stack's.
        if edits.contains(&Edit::KeyTagsRemoved) {
            let hiding = [Edit::AliasMoved, Edit::AliasDeleted, Edit::KskDeleted];
            edits.retain(|edit| !hiding.contains(edit));
        }
        edits
    })
}

proptest! {
    #![proptest_config(config(12))]

    /// Applying leaves nothing to do, at once and later; planning writes nothing and asks little.
    #[test]
    fn after_apply_there_is_nothing_to_do(document in applicable(), seed in any::<u64>()) {
        run(async {
            let bench = Bench::open(document.desired(), seed, now()).await;
            bench.converge().await;
            prop_assert_eq!(bench.left_to_do().await, "");
            bench.advance(SETTLED);
            let before = bench.sandbox.recorded().len();
            prop_assert_eq!(bench.left_to_do().await, "");
            let calls = &bench.sandbox.recorded()[before..];
            let names: Vec<_> = calls.iter().map(|call| format!("{}.{}", call.service, call.operation)).collect();
            prop_assert!(calls.iter().all(|call| !call.wrote), "{names:?}");
            prop_assert!(calls.len() <= CALLS_MAX, "{names:?}");
            let route53 = calls.iter().filter(|call| call.service == "route53").count();
            prop_assert!(route53 <= ROUTE53_CALLS_MAX, "{names:?}");
            Ok(())
        })?;
    }

    /// Taking down leaves nothing but the key's scheduled deletion, and the way up is open again.
    #[test]
    fn destroy_and_apply_again(document in applicable(), seed in any::<u64>()) {
        run(async {
            let bench = Bench::open(document.desired(), seed, now()).await;
            let destroy = Goal::Destroy(DestroyOptions::default());
            for _ in 0..2 {
                bench.converge().await;
                let first = bench.zone_id().await;
                bench.carry_out(&destroy).await;
                bench.advance(SETTLED);
                prop_assert!(bench.plan(&destroy, None).await.is_empty());
                let gone = bench.read.route53.get_hosted_zone().id(first).send().await;
                prop_assert!(gone.is_err());
            }
            bench.converge().await;
            prop_assert_eq!(bench.left_to_do().await, "");
            Ok(())
        })?;
    }
}

proptest! {
    #![proptest_config(config(40))]

    /// What was changed by hand is found by the attribute that changed, and put right.
    #[test]
    fn drift_is_named_and_repaired(mut document in applicable(), edits in edits(), seed in any::<u64>()) {
        document.dnssec |= edits.iter().any(|edit| edit.needs_signing());
        run(async {
            let bench = Bench::open(document.desired(), seed, now()).await;
            bench.converge().await;
            bench.advance(SETTLED);
            let zone = bench.zone_id().await;
            for edit in &edits {
                edit.make(&bench).await;
                bench.advance(SETTLED);
            }
            let check = bench.sandbox.inspect(|world, _| Check::new(world, TAG_MANAGED_BY, MANAGED_BY));
            let plan = bench.plan(&Goal::Converge, None).await;
            for edit in &edits {
                let (kind, attribute) = edit.shows_as();
                let named = plan.changes.iter().any(|change| {
                    change.addr.kind() == kind
                        && change.fields.iter().any(|field| field.name == attribute)
                });
                prop_assert!(named, "{edit:?} is not named:\n{}", render::plan(&plan, Paint::Plain));
            }
            bench.converge().await;
            prop_assert_eq!(bench.left_to_do().await, "");
            bench.advance(SETTLED);
            prop_assert_eq!(bench.left_to_do().await, "");
            prop_assert_eq!(bench.zone_id().await, zone, "a zone is never replaced");
            // What lost its tags was foreign for a while; that it got them back is no offence.
            if !edits.contains(&Edit::KeyTagsRemoved) && !edits.contains(&Edit::ZoneTagsRemoved) && !edits.contains(&Edit::JournalTagsRemoved) {
                let last = bench.sandbox.recorded().pop().unwrap();
                let verdict = bench.sandbox.inspect(|world, _| check.after(world, &last));
                prop_assert!(verdict.is_ok(), "{verdict:?}");
            }
            Ok(())
        })?;
    }

    /// The same document on the same world makes the same calls and the same objects.
    #[test]
    fn equal_worlds_take_equal_calls(document in applicable(), seed in any::<u64>()) {
        let trace = || run(async {
            let bench = Bench::open(document.desired(), seed, now()).await;
            bench.converge().await;
            let ids = (bench.zone_id().await, bench.clock.now(), bench.target.words());
            let mut calls: Vec<_> = bench
                .sandbox
                .recorded()
                .into_iter()
                .map(|call| format!("{} {}.{}", call.time, call.service, call.operation))
                .collect();
            // Calls that are started together arrive in any order.
            calls.sort();
            (ids, calls)
        });
        prop_assert_eq!(trace(), trace());
    }
}
