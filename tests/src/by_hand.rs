//! What somebody does by hand, in AWS's console or with a script: a zone of the stack's name and its records.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::time::Duration;

use aws_sdk_route53::types::{
    AliasTarget, Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};
use spore_infra::aws::Clients;
use spore_infra::desired::Desired;
use spore_sandbox::dns::RegistrarAction;

use crate::bench::{Bench, run};
use crate::stage::{DOMAIN, Stage};

/// Longer than lists may lag and changes take.
pub const SETTLED: Duration = Duration::from_secs(600);

/// Somebody works on a stage's world.
pub fn by_hand(stage: &Stage, desired: Desired, work: impl AsyncFnOnce(&Bench)) {
    run(async {
        let sandbox = stage.open_world();
        let bench = Bench::on(sandbox, desired).await;
        work(&bench).await;
        bench.advance(SETTLED);
    });
}

/// A zone of the stack's name, and its id.
pub async fn make_zone(write: &Clients) -> String {
    let call = write.route53.create_hosted_zone().name(DOMAIN);
    let made = call.caller_reference("console, 2023").send().await.unwrap();
    let id = made.hosted_zone.unwrap().id;
    id.rsplit('/').next().unwrap().to_owned()
}

/// A record set with one value.
pub fn record_set(name: &str, rtype: RrType, ttl: i64, value: &str) -> ResourceRecordSet {
    let record = ResourceRecord::builder().value(value).build().unwrap();
    let set = ResourceRecordSet::builder().name(name).r#type(rtype);
    set.ttl(ttl).resource_records(record).build().unwrap()
}

/// An alias for an address of the same zone.
pub fn alias(name: &str, zone: &str, target: &str) -> ResourceRecordSet {
    let target = AliasTarget::builder()
        .hosted_zone_id(zone)
        .dns_name(target)
        .evaluate_target_health(false);
    let set = ResourceRecordSet::builder().name(name).r#type(RrType::A);
    set.alias_target(target.build().unwrap()).build().unwrap()
}

/// One of a group of addresses with weights.
pub fn weighted(
    name: &str,
    ttl: i64,
    value: &str,
    identifier: &str,
    weight: i64,
) -> ResourceRecordSet {
    let mut set = record_set(name, RrType::A, ttl, value);
    set.set_identifier = Some(identifier.to_owned());
    set.weight = Some(weight);
    set
}

/// One batch of changes.
pub async fn change(
    write: &Clients,
    zone: &str,
    action: ChangeAction,
    sets: impl IntoIterator<Item = ResourceRecordSet>,
) {
    let mut batch = ChangeBatch::builder();
    for set in sets {
        let change = Change::builder().action(action.clone());
        batch = batch.changes(change.resource_record_set(set).build().unwrap());
    }
    let call = write.route53.change_resource_record_sets();
    let call = call.hosted_zone_id(zone);
    let call = call.change_batch(batch.build().unwrap());
    call.send().await.unwrap();
}

/// A record of its own.
pub async fn add_record(
    write: &Clients,
    zone: &str,
    name: &str,
    rtype: RrType,
    ttl: i64,
    value: &str,
) {
    let set = record_set(name, rtype, ttl, value);
    change(write, zone, ChangeAction::Create, [set]).await;
}

/// The people of the parent zone act.
pub fn registrar(bench: &Bench, action: RegistrarAction) {
    let sandbox = &bench.sandbox;
    let done = sandbox.with_world(|world, now| world.registrar(now, action));
    done.unwrap().unwrap();
}
