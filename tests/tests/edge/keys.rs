//! Which keys are the stack's: those of others that look like ours are left alone, and one that a
//! key-signing key of the zone names is found whatever became of its alias and tags.

use aws_sdk_kms::types::{KeySpec, KeyUsageType, Tag};
use spore_infra::arg::Arg;
use spore_infra::desired::{TAG_MANAGED_BY, TAG_STACK};
use spore_infra::kind::hosted_zone::Records;
use spore_infra::kind::ksk;
use spore_infra::plan::{DestroyOptions, Goal, Plan};
use spore_infra::retry::Class;
use spore_infra::snapshot::Observation;
use spore_tests::bench::{Bench, run};

use super::bench;

/// Longer than lists may lag.
const SETTLED: std::time::Duration = std::time::Duration::from_secs(600);

/// Somebody makes a key.
async fn key(bench: &Bench, spec: KeySpec, tags: &[&str]) -> String {
    let all = bench.desired.tags();
    let usage = if spec == KeySpec::SymmetricDefault {
        KeyUsageType::EncryptDecrypt
    } else {
        KeyUsageType::SignVerify
    };
    let mut call = bench.write.kms.create_key().key_spec(spec).key_usage(usage);
    for name in tags {
        let tag = Tag::builder().tag_key(*name).tag_value(&all[*name]);
        call = call.tags(tag.build().unwrap());
    }
    call.send()
        .await
        .unwrap()
        .key_metadata
        .unwrap()
        .arn
        .unwrap()
}

fn schedules(plan: &Plan, arn: &str) -> bool {
    plan.steps.iter().any(|step| {
        step.op.action() == "kms:ScheduleKeyDeletion" && format!("{:?}", step.op).contains(arn)
    })
}

#[test]
fn only_spare_keys_of_ours_are_retired() {
    run(async {
        let bench = bench().await;
        bench.converge().await;
        let both = [TAG_STACK, TAG_MANAGED_BY];
        let half_tagged = key(&bench, KeySpec::EccNistP256, &[TAG_STACK]).await;
        let named = key(&bench, KeySpec::EccNistP256, &both).await;
        let call = bench
            .write
            .kms
            .create_alias()
            .alias_name("alias/another-purpose");
        call.target_key_id(&named).send().await.unwrap();
        let other_spec = key(&bench, KeySpec::SymmetricDefault, &both).await;
        bench.advance(SETTLED);
        assert_eq!(bench.left_to_do().await, "");
        let destroy = Goal::Destroy(DestroyOptions::default());
        let plan = bench.plan(&destroy, None).await;
        for foreign in [&half_tagged, &named, &other_spec] {
            assert!(!schedules(&plan, foreign), "{foreign}");
        }

        let twin = key(&bench, KeySpec::EccNistP256, &both).await;
        bench.advance(SETTLED);
        assert!(schedules(&bench.plan(&destroy, None).await, &twin));
        let plan = bench.converge().await;
        assert_eq!(plan.steps.len(), 1);
        assert!(schedules(&plan, &twin));
    });
}

#[test]
fn a_key_without_alias_and_tags_is_found_by_its_key_signing_key() {
    run(async {
        let bench = bench().await;
        bench.converge().await;
        let arn = bench.key_arn().await;
        let kms = &bench.write.kms;
        let call = kms.delete_alias().alias_name(&bench.desired.key_alias);
        call.send().await.unwrap();
        let call = kms.untag_resource().key_id(&arn);
        let call = call.tag_keys(TAG_STACK).tag_keys(TAG_MANAGED_BY);
        call.send().await.unwrap();
        bench.advance(SETTLED);
        let snapshot = bench.snapshot(Records::FirstPage, None).await;
        assert_eq!(snapshot.kms_key.present().unwrap().arn, arn);
        bench.converge().await;
        assert_eq!(bench.key_arn().await, arn, "and is made whole again");
        assert_eq!(bench.left_to_do().await, "");
    });
}

#[test]
fn a_key_whose_tags_cannot_be_read_blocks_and_no_second_one_is_made() {
    run(async {
        let bench = bench().await;
        bench.converge().await;
        let kms = &bench.write.kms;
        let call = kms.untag_resource().key_id(bench.key_arn().await);
        // The tagging API does not show it any more either.
        call.tag_keys(TAG_STACK).send().await.unwrap();
        let call = kms.delete_alias().alias_name(&bench.desired.key_alias);
        call.send().await.unwrap();
        bench.advance(SETTLED);
        let denied = "fail:kms.ListResourceTags:AccessDeniedException:99";
        bench.sandbox.set_faults(denied.parse().unwrap());
        let snapshot = bench.snapshot(Records::FirstPage, None).await;
        assert!(
            matches!(snapshot.kms_key, Observation::Unreadable(_)),
            "{:?}",
            snapshot.kms_key
        );
        let plan = bench.plan(&Goal::Converge, None).await;
        assert!(!plan.blocked().is_empty());
        let made = plan
            .steps
            .iter()
            .any(|step| step.op.action() == "kms:CreateKey");
        assert!(!made, "{:?}", plan.steps);
    });
}

#[test]
fn a_key_that_signs_is_saved_from_its_deletion() {
    run(async {
        for alias in [true, false] {
            let bench = bench().await;
            bench.converge().await;
            let arn = bench.key_arn().await;
            let kms = &bench.write.kms;
            let call = kms.schedule_key_deletion().key_id(&arn);
            call.pending_window_in_days(7).send().await.unwrap();
            if !alias {
                let call = kms.delete_alias().alias_name(&bench.desired.key_alias);
                call.send().await.unwrap();
            }
            // Long enough for Route 53 to notice that it cannot sign.
            bench.advance(std::time::Duration::from_secs(3 * 86_400));
            let plan = bench.converge().await;
            let actions: Vec<_> = plan.steps.iter().map(|step| step.op.action()).collect();
            assert!(actions.contains(&"kms:CancelKeyDeletion"), "{actions:?}");
            assert!(!actions.contains(&"kms:CreateKey"), "{actions:?}");
            bench.advance(SETTLED);
            assert_eq!(bench.left_to_do().await, "");
            assert_eq!(bench.key_arn().await, arn);
        }
    });
}

/// Making a key-signing key that is there looks whose it is. Where that cannot be read, the reason is what
/// people have to mend, and not that there is one.
#[test]
fn a_key_signing_key_that_is_there_and_cannot_be_read_says_why() {
    run(async {
        let bench = bench().await;
        bench.converge().await;
        let zone = bench.zone_id().await;
        let create = |name: &str, kms_arn: &str| ksk::Op::Create {
            zone: Arg::Known(zone.clone()),
            name: name.to_owned(),
            kms_arn: Arg::Known(kms_arn.to_owned()),
        };
        let arn = bench.key_arn().await;
        let again = create(&bench.desired.ksk_name, &arn);
        // It is there as wanted, which is as good as having made it.
        ksk::perform(&again, &bench.write).await.unwrap();
        // Another name for the same KMS key is not, and AWS's refusal stands.
        let other = create("another_name", &arn);
        let failure = ksk::perform(&other, &bench.write).await.unwrap_err();
        assert_eq!(failure.code, "KeySigningKeyAlreadyExists");

        let denied = "fail:route53.GetDNSSEC:AccessDeniedException:99";
        bench.sandbox.set_faults(denied.parse().unwrap());
        let failure = ksk::perform(&again, &bench.write).await.unwrap_err();
        assert_eq!(failure.operation, "route53:GetDNSSEC", "{failure}");
        assert_eq!(failure.code, "AccessDeniedException");
        // A read that is throttled is asked again, and so is the whole step.
        let throttled = "fail:route53.GetDNSSEC:Throttling:99";
        bench.sandbox.set_faults(throttled.parse().unwrap());
        let failure = ksk::perform(&again, &bench.write).await.unwrap_err();
        assert_eq!(failure.class, Class::Throttled, "{failure}");
    });
}
