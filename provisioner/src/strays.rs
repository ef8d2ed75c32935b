//! What carries the stack's tag and is nothing that its document names: an object that somebody tagged, or one
//! of a document that had other names.
//!
//! It is named in every plan and by `destroy`, and never touched: the operator has rights on what the document
//! names and on nothing else, and of an object under another name nobody can say from here what depends on it.
//! It must not know how anything is read; what the tagging API shows is handed to it. That API does not know IAM
//! roles (Resource Groups Tagging API Reference, "Supported services"), so that a role is never among them.

use std::collections::{BTreeMap, BTreeSet};

use crate::aws::GLOBAL_REGION;
use crate::desired::{Desired, TAG_STACK};
use crate::kind::log_group;
use crate::plan::Report;
use crate::snapshot::Snapshot;
use crate::tags::Tags;

/// ARNs of those, as far as names can tell. Zones and keys have ids: `known` are those that belong to the stack
/// as it is.
pub fn unnamed(
    desired: &Desired,
    tagged: &BTreeMap<String, Tags>,
    known: &BTreeSet<String>,
) -> BTreeSet<String> {
    let mut named = BTreeSet::from([
        desired.function_arn(),
        desired.role_arn(),
        desired.log_group_arn(&desired.journal_group()),
        desired.log_group_arn(&desired.lock_group()),
    ]);
    named.extend(log_group::ALL.map(|name| log_group::arn(desired, name)));
    let alarms = [desired.region.as_str(), GLOBAL_REGION].map(|region| {
        let (account, prefix) = (&desired.account, desired.alarm_prefix());
        format!("arn:aws:cloudwatch:{region}:{account}:alarm:{prefix}")
    });
    // An API is the stack's by its tag, whatever it is called.
    let apis = format!("arn:aws:apigateway:{}::/restapis/", desired.region);
    let is_strange = |arn: &&String| {
        !named.contains(*arn)
            && !known.contains(*arn)
            && !arn.starts_with(&apis)
            && !alarms.iter().any(|prefix| arn.starts_with(prefix))
    };
    tagged.keys().filter(is_strange).cloned().collect()
}

/// What is said of them.
pub fn report(desired: &Desired, snapshot: &Snapshot) -> Vec<Report> {
    let left = snapshot.strays.iter().map(|arn| Report::Left {
        what: arn.clone(),
        why: format!(
            "it carries the tag {TAG_STACK}={} and is nothing that the document names; if nothing needs it, delete \
             it, else take the tag off",
            desired.domain
        ),
    });
    left.collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::fixture;

    #[test]
    fn what_the_document_names_is_no_stray_and_everything_else_is() {
        let desired = fixture::desired();
        let zone = "arn:aws:route53:::hostedzone/Z0001";
        let known = BTreeSet::from([fixture::KEY.to_owned(), zone.to_owned()]);
        let ours = [
            desired.function_arn(),
            "arn:aws:logs:us-east-1:123456789012:log-group:/spore-infra/spore.example.edu".into(),
            "arn:aws:logs:us-east-1:123456789012:log-group:/spore-infra/spore.example.edu/lock"
                .into(),
            "arn:aws:logs:us-east-1:123456789012:log-group:/spore-infra/spore.example.edu/api"
                .into(),
            "arn:aws:logs:us-east-1:123456789012:log-group:/aws/route53/spore.example.edu".into(),
            "arn:aws:cloudwatch:us-east-1:123456789012:alarm:spore/spore.example.edu/errors".into(),
            "arn:aws:apigateway:us-east-1::/restapis/a1b2c3/stages/prod".into(),
            zone.into(),
            fixture::KEY.into(),
        ];
        let theirs = [
            "arn:aws:lambda:us-east-1:123456789012:function:old-updater",
            "arn:aws:logs:us-east-1:123456789012:log-group:/spore-infra/spore.example.edu/old",
            "arn:aws:cloudwatch:us-east-1:123456789012:alarm:elsewhere",
            "arn:aws:cloudwatch:us-east-1:123456789012:alarm:spore/spore.example.education/errors",
            "arn:aws:kms:us-east-1:123456789012:key/2",
            "arn:aws:route53:::hostedzone/Z0002",
        ];
        let all = ours.iter().map(String::as_str).chain(theirs);
        let tagged = all.map(|arn| (arn.to_owned(), Tags::new())).collect();
        let found = unnamed(&desired, &tagged, &known);
        assert_eq!(found, theirs.map(str::to_owned).into());
    }

    #[test]
    fn a_stray_is_named_by_plan_and_destroy_and_changes_neither() {
        let desired = fixture::desired();
        let plain = fixture::applied();
        let arn = "arn:aws:lambda:us-east-1:123456789012:function:old-updater";
        let mut strange = plain.clone();
        strange.strays.insert(arn.to_owned());
        let converge = crate::plan::converge;
        let destroy = |desired: &Desired, snapshot: &Snapshot| {
            crate::plan::destroy(desired, snapshot, &crate::plan::DestroyOptions::default())
        };
        for (without, with) in [
            (converge(&desired, &plain), converge(&desired, &strange)),
            (destroy(&desired, &plain), destroy(&desired, &strange)),
        ] {
            assert_eq!(without.step_digests(), with.step_digests());
            let named = |plan: &crate::plan::Plan| plan.left().iter().any(|(what, _)| *what == arn);
            assert!(!named(&without) && named(&with));
        }
    }
}
