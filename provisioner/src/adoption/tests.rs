//! Tables of what is taken over, how, and what is not; no AWS.

use super::*;
use crate::desired::{MANAGED_BY, TAG_MANAGED_BY, TAG_VERSION};
use crate::fixture;
use crate::kind::log_group::UPDATER;
use crate::plan::{self, Plan};
use crate::tags::Tags;

fn stranger(id: &str, tags: &[(&str, &str)]) -> Stranger {
    let tags: Tags = tags
        .iter()
        .map(|(key, value)| ((*key).to_owned(), (*value).to_owned()))
        .collect();
    let has = tags
        .iter()
        .map(|(key, value)| (format!("tags.{key}"), value.clone()));
    let mut attributes: Tags = has.collect();
    attributes.insert("colour".into(), "green".into());
    Stranger {
        id: id.into(),
        tags,
        attributes,
    }
}

fn strange<L>(desired: &Desired, id: &str, tags: &[(&str, &str)]) -> Observation<L> {
    foreign(desired, id, "delete it", stranger(id, tags))
}

/// A stack of which everything that can be was made by somebody else, with these tags.
fn all_strange(desired: &Desired, tags: &[(&str, &str)]) -> Snapshot {
    let alarms = alarm::addrs(desired).into_iter();
    Snapshot {
        journal_group: strange(desired, "journal", tags),
        hosted_zone: strange(desired, "Z2", tags),
        kms_key: strange(desired, "arn:key", tags),
        logs_key: strange(desired, "arn:logs-key", tags),
        log_groups: log_group::addrs(desired)
            .into_iter()
            .map(|addr| (addr, strange(desired, "group", tags)))
            .collect(),
        roles: [(desired.addr(Kind::Role), strange(desired, "role", tags))].into(),
        function: strange(desired, "function", tags),
        rest_api: strange(desired, "a1", tags),
        alarms: alarms
            .map(|addr| (addr, strange(desired, "alarm", tags)))
            .collect(),
        ..fixture::empty()
    }
}

/// The tags that a step sets, if that is all it does.
fn set_by(op: &Op) -> Option<&Tags> {
    match op {
        Op::JournalGroup(journal_group::Op::Tag { tags, .. })
        | Op::HostedZone(hosted_zone::Op::Tag { tags, .. })
        | Op::KmsKey(kms_key::Op::Tag { tags, .. })
        | Op::LogsKey(logs_key::Op::Tag { tags, .. })
        | Op::LogGroup(log_group::Op::Tag { tags, .. })
        | Op::Role(role::Op::Tag { tags, .. })
        | Op::Function(function::Op::Tag { tags, .. })
        | Op::RestApi(rest_api::Op::Tag { tags, .. })
        | Op::Alarm(alarm::Op::Tag { tags, .. }) => Some(tags),
        Op::JournalGroup(_)
        | Op::HostedZone(_)
        | Op::KmsKey(_)
        | Op::Ksk(_)
        | Op::ZoneSigning(_)
        | Op::Delegation(_)
        | Op::LogsKey(_)
        | Op::LogGroup(_)
        | Op::LogsPolicy(_)
        | Op::QueryLogging(_)
        | Op::Role(_)
        | Op::Function(_)
        | Op::ApiAccount(_)
        | Op::RestApi(_)
        | Op::MetricFilter(_)
        | Op::Alarm(_) => None,
    }
}

#[test]
fn everything_strange_gets_our_tags_and_nothing_else() {
    let desired = fixture::of("[tags]\nteam = \"dns\"\n");
    let plan = plan::adopt(&desired, &all_strange(&desired, &[("owner", "somebody")]));
    assert!(plan.refusals.is_empty() && plan.blocked().is_empty());
    let own = desired.own_tags();
    assert_eq!(
        own.get(TAG_MANAGED_BY).map(String::as_str),
        Some(MANAGED_BY)
    );
    assert_eq!(own.len(), 3);
    // What a key is for shows in its alias, which may be its maker's.
    let mut of_key = own.clone();
    of_key.insert("spore:purpose".into(), "ksk".into());
    for step in &plan.steps {
        let is_key = step.id.addr.kind() == Kind::KmsKey;
        let expected = if is_key { &of_key } else { &own };
        assert_eq!(set_by(&step.op), Some(expected), "{}", step.id);
    }
    let mut kinds: Vec<Kind> = plan.steps.iter().map(|step| step.id.addr.kind()).collect();
    kinds.sort_unstable();
    kinds.dedup();
    assert_eq!(
        kinds,
        [
            Kind::JournalGroup,
            Kind::HostedZone,
            Kind::KmsKey,
            Kind::LogsKey,
            Kind::LogGroup,
            Kind::Role,
            Kind::Function,
            Kind::RestApi,
            Kind::Alarm
        ]
    );
    assert_eq!(plan.adopted(), plan.steps.len());
    assert_eq!(plan.counts(), (0, 0, 0));
    // What each has is shown, and what is not ours to change stays as it is.
    for change in &plan.changes {
        let shown = |name: &str| change.fields.iter().find(|field| field.name == name);
        assert_eq!(shown("colour"), Some(&Field::same("colour", "green")));
        assert_eq!(
            shown("tags.owner"),
            Some(&Field::same("tags.owner", "somebody"))
        );
        assert!(
            shown("tags.team").is_none(),
            "the document's tags are apply's"
        );
        assert!(change.why.contains("`destroy` removes it"));
    }
}

fn is_idle(plan: &Plan) -> bool {
    plan.is_empty() && plan.changes.is_empty() && plan.refusals.is_empty()
}

#[test]
fn where_nothing_is_strange_nothing_is_done() {
    let desired = fixture::desired();
    for snapshot in [fixture::empty(), fixture::applied()] {
        assert!(is_idle(&plan::adopt(&desired, &snapshot)));
    }
    // Not even for the lock that an interrupted run left.
    let mut snapshot = fixture::applied();
    snapshot.lock = Some(crate::snapshot::LockSeen {
        holder: "host/boot/1/1".into(),
        own: false,
        is_abandoned: true,
        beat: fixture::now(),
        intents: Default::default(),
    });
    assert!(plan::adopt(&desired, &snapshot).is_empty());
}

#[test]
fn one_object_of_another_stack_refuses_all() {
    let desired = fixture::desired();
    let mut snapshot = all_strange(&desired, &[]);
    let other = [(TAG_STACK, "lab.example.edu"), (TAG_MANAGED_BY, MANAGED_BY)];
    snapshot
        .log_groups
        .insert(log_group::addr(UPDATER), strange(&desired, "group", &other));
    let plan = plan::adopt(&desired, &snapshot);
    let [refusal] = &plan.refusals[..] else {
        panic!("one refusal, not {:?}", plan.refusals)
    };
    assert_eq!(refusal.rule, "not-adoptable");
    assert!(refusal.message.contains("lab.example.edu"), "{refusal:?}");
    assert!(
        plan.steps
            .iter()
            .all(|step| step.id.addr != log_group::addr(UPDATER))
    );
    // Every kind knows what is another stack's.
    let theirs = plan::adopt(&desired, &all_strange(&desired, &other));
    assert!(theirs.steps.is_empty());
    assert_eq!(theirs.refusals.len(), plan.steps.len() + 1);
    assert!(!is_idle(&theirs));
}

#[test]
fn a_newer_tools_journal_is_not_taken_over_by_an_older_tool() {
    let desired = fixture::desired();
    let mut snapshot = fixture::empty();
    snapshot.journal_group = strange(&desired, "journal", &[(TAG_VERSION, "99.0.0")]);
    let plan = plan::adopt(&desired, &snapshot);
    assert!(
        plan.refusals
            .iter()
            .any(|refusal| refusal.rule == crate::safety::NEWER_TOOL)
    );
}

#[test]
fn what_cannot_be_read_blocks() {
    let desired = fixture::desired();
    let mut snapshot = all_strange(&desired, &[]);
    snapshot.function = Observation::Unreadable("lambda: AccessDenied".into());
    snapshot.dnssec = Observation::Unreadable("route53: AccessDenied".into());
    let plan = plan::adopt(&desired, &snapshot);
    let blocked: Vec<Kind> = plan
        .blocked()
        .into_iter()
        .map(|(addr, _)| addr.kind())
        .collect();
    assert_eq!(blocked, [Kind::Ksk, Kind::Function]);
}

#[test]
fn apply_names_the_command_and_does_nothing_to_them() {
    let desired = fixture::desired();
    let plan = plan::converge(&desired, &all_strange(&desired, &[]));
    let untouched: Vec<String> = plan
        .blocked()
        .into_iter()
        .filter(|(_, why)| why.contains(COMMAND))
        .map(|(addr, _)| addr.to_string())
        .collect();
    let adopted = plan::adopt(&desired, &all_strange(&desired, &[]));
    assert_eq!(untouched.len(), adopted.steps.len(), "{untouched:?}");
    for step in &plan.steps {
        assert!(
            !untouched.contains(&step.id.addr.to_string()),
            "{}",
            step.id
        );
    }
    // Nor does destroy.
    let options = plan::DestroyOptions {
        include_records: true,
        delete_logs: true,
    };
    let plan = plan::destroy(&desired, &all_strange(&desired, &[]), &options);
    assert_eq!(plan.steps.len(), 0, "{:?}", plan.steps);
}

#[test]
fn the_key_behind_our_alias_is_taken_over_if_it_can_sign() {
    let desired = fixture::desired();
    let with = |edit: fn(&mut kms_key::Live)| {
        let mut snapshot = fixture::applied();
        snapshot.dnssec = Observation::Absent;
        if let Observation::Present(key) = &mut snapshot.kms_key {
            key.tags.clear();
            edit(key);
        }
        plan::adopt(&desired, &snapshot)
    };
    let plan = with(|_| {});
    assert!(plan.refusals.is_empty());
    let ops: Vec<&Op> = plan.steps.iter().map(|step| &step.op).collect();
    let [Op::KmsKey(kms_key::Op::Tag { key, .. })] = ops[..] else {
        panic!("one tag, not {ops:?}")
    };
    assert_eq!(*key, Arg::Known(fixture::KEY.into()));
    let refused: [fn(&mut kms_key::Live); 2] = [
        |key| key.unfit = Some("its spec is RSA_2048, not ECC_NIST_P256".into()),
        |key| drop(key.tags.insert(TAG_STACK.into(), "lab.example.edu".into())),
    ];
    for edit in refused {
        let plan = with(edit);
        assert_eq!((plan.steps.len(), plan.refusals.len()), (0, 1));
    }
    // A key that the zone's key-signing key names is the stack's already, unless another stack says so.
    let mut snapshot = fixture::applied();
    if let Observation::Present(key) = &mut snapshot.kms_key {
        key.tags.clear();
    }
    assert!(is_idle(&plan::adopt(&desired, &snapshot)));
    if let Observation::Present(key) = &mut snapshot.kms_key {
        key.tags.insert(TAG_STACK.into(), "lab.example.edu".into());
    }
    assert_eq!(plan::adopt(&desired, &snapshot).refusals.len(), 1);
    assert!(!plan::converge(&desired, &snapshot).blocked().is_empty());
}
