//! What people do to AWS, and what happens to the DNS above, behind the tool's back: a closed list.
//!
//! ```text
//! disable-key               the KMS key behind the alias is disabled
//! delete-alias              its alias is deleted
//! retention DAYS            the journal's retention is changed
//! foreign-zone              somebody makes a zone of the stack's name
//! record NAME TYPE VALUE    somebody adds a record to the zone
//! newer-tool VERSION        a newer version of the tool wrote to the stack
//! parent-silent             the first server of the parent zone stops answering
//! parent-answers            it answers again
//! ```

use std::path::Path;
use std::{fs, io};

use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};
use spore_infra::aws::{Access, Clients};
use spore_infra::desired::{Desired, TAG_VERSION};
use spore_infra::dns::Dns;
use spore_infra::snapshot::ParentView;
use spore_infra::stack;
use spore_infra::target::Target;
use spore_sandbox::dns::Fault;
use spore_sandbox::door::{Options, Sandbox};
use spore_tests::stage::open_world;

/// Carries an edit out on the world in `dir`; the answer is what there is to say, mostly nothing.
pub fn make(dir: &Path, document: &Path, words: &[String]) -> String {
    tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .unwrap()
        .block_on(edit(dir, document, words))
}

async fn edit(dir: &Path, document: &Path, words: &[String]) -> String {
    let text = fs::read_to_string(document).unwrap();
    let stack = stack::parse(
        "stack.toml",
        &text,
        &|_| Err(io::ErrorKind::NotFound.into()),
    );
    let desired = Desired::of(&stack.unwrap());
    let sandbox = open_world(dir, &Options::default());
    let target = Target::Local(sandbox.clone());
    let access = Access::Write {
        digest: String::new(),
    };
    let write = Clients::connect(&target, &desired.region, &desired.account, &access).await;
    let group = desired.journal_group();
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    match words[..] {
        ["disable-key"] => {
            let key = write
                .kms
                .describe_key()
                .key_id(&desired.key_alias)
                .send()
                .await
                .unwrap();
            let key = key.key_metadata.unwrap().key_id;
            write.kms.disable_key().key_id(key).send().await.unwrap();
        }
        ["delete-alias"] => {
            write
                .kms
                .delete_alias()
                .alias_name(&desired.key_alias)
                .send()
                .await
                .unwrap();
        }
        ["retention", days] => {
            let call = write.logs.put_retention_policy().log_group_name(group);
            call.retention_in_days(days.parse().unwrap())
                .send()
                .await
                .unwrap();
        }
        ["foreign-zone"] => {
            let call = write.route53.create_hosted_zone().name(&desired.domain);
            call.caller_reference("somebody else").send().await.unwrap();
        }
        ["record", name, rtype, value] => add_record(&write, &desired, name, rtype, value).await,
        ["newer-tool", version] => {
            let call = write
                .logs
                .tag_resource()
                .resource_arn(desired.log_group_arn(&group));
            call.tags(TAG_VERSION, version).send().await.unwrap();
        }
        ["parent-silent"] => parent(&sandbox, &target, &desired, Some(Fault::Silent)).await,
        ["parent-answers"] => parent(&sandbox, &target, &desired, None).await,
        _ => panic!("{words:?} is no edit"),
    }
    // Whatever lags behind the edit has arrived when the story goes on.
    sandbox
        .advance(std::time::Duration::from_secs(600))
        .unwrap();
    String::new()
}

async fn add_record(write: &Clients, desired: &Desired, name: &str, rtype: &str, value: &str) {
    let zones = write
        .route53
        .list_hosted_zones_by_name()
        .dns_name(&desired.domain);
    let zone = zones.send().await.unwrap().hosted_zones.remove(0).id;
    let record = ResourceRecord::builder().value(value).build().unwrap();
    let set = ResourceRecordSet::builder()
        .name(name)
        .r#type(RrType::from(rtype))
        .ttl(300)
        .resource_records(record);
    let change = Change::builder()
        .action(ChangeAction::Create)
        .resource_record_set(set.build().unwrap());
    let batch = ChangeBatch::builder().changes(change.build().unwrap());
    let call = write
        .route53
        .change_resource_record_sets()
        .hosted_zone_id(zone);
    call.change_batch(batch.build().unwrap())
        .send()
        .await
        .unwrap();
}

async fn parent(sandbox: &Sandbox, target: &Target, desired: &Desired, fault: Option<Fault>) {
    let ParentView::Seen { servers, .. } = Dns::new(target).parent(&desired.domain).await else {
        panic!("the parent zone is there");
    };
    let address = servers[0]
        .address
        .expect("the simulated parent's servers have addresses");
    sandbox
        .with_world(|world, _| world.server_fault(address, fault))
        .unwrap();
}
