//! Tables of what differs, and of what is done about it.
#![expect(clippy::unwrap_used, reason = "tests")]

use serde_json::Value;

use super::definition::{Attributes, CONTENT_TYPE, OWN_STATUS, REFUSALS, canonical};
use super::live::Note;
use super::*;
use crate::fixture;
use crate::kind;
use crate::plan::{self, Plan, StepId};

const ID: &str = "a1b2c3d4e5";
const DEPLOYMENT: &str = "d00001";

fn desired() -> Desired {
    fixture::desired()
}

fn addr(desired: &Desired) -> Addr {
    desired.addr(Kind::RestApi)
}

/// The API as AWS shows it after an apply: taken apart from the attributes that a definition has, the
/// way `observe` puts them together.
pub(crate) fn applied(desired: &Desired) -> Live {
    let want = Definition::of(desired);
    let all = want.attributes();
    let below = |prefix: &str| -> Attributes {
        let prefix = format!("{prefix}.");
        all.iter()
            .filter_map(|(name, value)| {
                Some((name.strip_prefix(&prefix)?.to_owned(), value.clone()))
            })
            .collect()
    };
    let place = format!("{PATH}.{METHOD}");
    let method = Method {
        attributes: below(&format!("method.{place}")),
        integration: below(&format!("integration.{place}")),
    };
    let resource = |id: &str, methods: BTreeMap<String, Method>| Resource {
        id: id.into(),
        methods,
        leads_on: false,
    };
    let mut stage = below(&format!("stage.{}", want.stage));
    stage.remove("definition");
    let note = Note {
        deployment: DEPLOYMENT,
        hash: &want.hash(),
        previous: Some("d00000"),
    };
    Live {
        id: ID.into(),
        root_id: "root".into(),
        failure: None,
        settings: want.settings(),
        policy: expanded_policy(&want),
        tags: want.tags.clone(),
        resources: BTreeMap::from([
            ("/".to_owned(), resource("root", BTreeMap::new())),
            (
                PATH.to_owned(),
                resource("r1", BTreeMap::from([(METHOD.to_owned(), method)])),
            ),
        ]),
        models: BTreeMap::from([(MODEL.to_owned(), below(&format!("model.{MODEL}")))]),
        validators: BTreeMap::from([(
            VALIDATOR.to_owned(),
            Part {
                id: "v1".into(),
                attributes: below(&format!("validator.{VALIDATOR}")),
            },
        )]),
        authorizers: BTreeMap::new(),
        responses: REFUSALS
            .iter()
            .map(|refusal| {
                let attributes = below(&format!("gateway-response.{}", refusal.kind));
                (refusal.kind.to_owned(), attributes)
            })
            .collect(),
        stages: BTreeMap::from([(
            want.stage.clone(),
            Stage {
                deployment: DEPLOYMENT.into(),
                description: note.text(),
                attributes: stage,
                tags: want.tags.clone(),
            },
        )]),
        remembered: Remembered::Id(DEPLOYMENT.into()),
    }
}

/// AWS stores the abbreviated ARN as a full one, in a statement of its own spelling.
fn expanded_policy(want: &Definition) -> Option<String> {
    let full = format!("\"arn:aws:execute-api:us-east-1:123456789012:{ID}/");
    want.policy
        .as_ref()
        .map(|policy| canonical(policy).replace("\"execute-api:/", &full))
}

fn lowered(desired: &Desired, live: Live) -> Lowered {
    let mut snapshot = fixture::applied();
    snapshot.rest_api = Observation::Present(live);
    converge(&addr(desired), desired, &snapshot)
}

fn steps(lowered: &Lowered) -> Vec<&'static str> {
    lowered.drafts.iter().map(|draft| draft.name).collect()
}

fn names(lowered: &Lowered) -> Vec<String> {
    let change = lowered.change.as_ref().unwrap();
    change.fields.iter().map(|f| f.name.clone()).collect()
}

fn op(lowered: &Lowered, step: &str) -> Op {
    let draft = lowered.drafts.iter().find(|draft| draft.name == step);
    let kind::Op::RestApi(op) = &draft.unwrap().op else {
        panic!("an operation of this kind");
    };
    op.clone()
}

/// What one edit of the applied API leads to: the attributes shown, and the steps.
fn check(edit: impl FnOnce(&mut Live), fields: &[&str], expected: &[&str]) -> Lowered {
    let desired = desired();
    let mut live = applied(&desired);
    edit(&mut live);
    let lowered = lowered(&desired, live);
    assert_eq!(names(&lowered), fields);
    assert_eq!(steps(&lowered), expected);
    lowered
}

#[test]
fn an_api_as_wanted_is_left_alone() {
    for more in ["", "[api]\nallow-from = [\"192.0.2.0/24\"]\n"] {
        let desired = fixture::of(more);
        let lowered = lowered(&desired, applied(&desired));
        assert!(lowered.change.is_none(), "{:?}", lowered.change);
        assert!(lowered.drafts.is_empty());
        assert_eq!(lowered.known[&Output::ApiId], ID);
    }
}

#[test]
fn from_nothing_parts_come_before_the_deployment_and_it_before_the_stage() {
    let desired = desired();
    let mut snapshot = fixture::applied();
    snapshot.rest_api = Observation::Absent;
    let plan = plan::converge(&desired, &snapshot);
    let of_api = |plan: &Plan| -> Vec<&'static str> {
        let mine = plan
            .steps
            .iter()
            .filter(|step| step.id.addr == addr(&desired));
        mine.map(|step| step.id.name).collect()
    };
    let order = of_api(&plan);
    let at = |name: &str| order.iter().position(|step| *step == name).unwrap();
    assert_eq!(order[0], "create");
    for (earlier, later) in [
        ("resource", "method"),
        ("model", "method"),
        ("validator", "method"),
        ("method", "integration"),
        ("integration", "deploy"),
        ("refusal-throttled", "deploy"),
        ("deploy", "stage"),
        ("stage", "stage-settings"),
    ] {
        assert!(
            at(earlier) < at(later),
            "{earlier} before {later}: {order:?}"
        );
    }
    // A throttle and an access log from the first moment on; log role and group first.
    let settings = plan
        .steps
        .iter()
        .find(|step| step.id == StepId::new(&addr(&desired), "stage-settings"))
        .unwrap();
    let kind::Op::RestApi(Op::UpdateStage { patches, .. }) = &settings.op else {
        panic!("an update of the stage");
    };
    let paths: Vec<&str> = patches.iter().map(|patch| patch.path.as_str()).collect();
    assert_eq!(
        paths,
        [
            "/accessLogSettings/destinationArn",
            "/accessLogSettings/format",
            "/*/*/throttling/burstLimit",
            "/*/*/throttling/rateLimit",
        ]
    );
    let account = StepId::new(&desired.addr(Kind::ApiAccount), "account");
    assert!(settings.needs.contains(&account), "{:?}", settings.needs);
}

#[test]
fn a_foreign_path_goes_with_all_below_it_and_the_rest_is_deployed_again() {
    let add = |live: &mut Live, path: &str| {
        let resource = Resource {
            id: path.to_owned(),
            ..Resource::default()
        };
        live.resources.insert(path.to_owned(), resource);
    };
    let lowered = check(
        |live| {
            add(live, "/admin");
            add(live, "/admin/users");
            add(live, "/administer");
        },
        &[
            "resource./admin",
            "resource./admin/users",
            "resource./administer",
        ],
        &[
            "remove",
            "remove-2",
            "deploy",
            "remember-deployment",
            "stage-settings",
            "prune",
        ],
    );
    let removed = |step| {
        let Op::Remove {
            part: Foreign::Resource { id },
            ..
        } = op(&lowered, step)
        else {
            panic!("the removal of a path");
        };
        id
    };
    assert_eq!(removed("remove"), "/admin");
    assert_eq!(removed("remove-2"), "/administer");
    assert_eq!(lowered.change.unwrap().risk, Risk::Brief);
}

/// What clients notice of a change is said of it, whatever the change is about.
#[test]
fn the_risk_of_a_change_is_what_clients_notice_of_it() {
    let risk = |more: &str| {
        let desired = fixture::of(more);
        let mut snapshot = fixture::applied();
        snapshot.rest_api = Observation::Present(applied(&fixture::desired()));
        let lowered = converge(&addr(&desired), &desired, &snapshot);
        let change = lowered.change.unwrap();
        (change.risk, change.why)
    };
    let (moved, why) = risk("[api]\nstage = \"v2\"\n");
    assert_eq!(moved, Risk::Outage);
    assert!(why.contains("the address that every client has"), "{why}");
    let narrower = [
        "[api]\ntls-min = \"1.3\"\n",
        "[api]\nallow-from = [\"192.0.2.0/24\"]\n",
    ];
    for document in narrower {
        assert_eq!(risk(document).0, Risk::Brief, "{document}");
    }
    let slower = "[api]\nthrottle = { per-second = 5, burst = 5 }\n";
    assert_eq!(risk(slower).0, Risk::Safe);
}

#[test]
fn a_domain_of_its_own_is_said_not_to_be_built_yet() {
    let warned = |desired: &Desired| {
        let mut snapshot = fixture::applied();
        snapshot.rest_api = Observation::Present(applied(desired));
        let report = converge(&addr(desired), desired, &snapshot).report;
        report.into_iter().any(|report| {
            matches!(report, Report::Warning { what, .. }
                if what.contains("[api] domain is not built yet: dns.example.edu is not made"))
        })
    };
    let certificate =
        "arn:aws:acm:us-east-1:123456789012:certificate/0a1b2c3d-0000-1111-2222-333344445555";
    let document =
        format!("[api]\ndomain = \"dns.example.edu\"\ncertificate = \"{certificate}\"\n");
    assert!(warned(&fixture::of(&document)));
    assert!(!warned(&desired()));
}

#[test]
fn an_authorizer_on_our_method_is_taken_off_before_it_is_removed() {
    let lowered = check(
        |live| {
            let resource = live.resources.get_mut(PATH).unwrap();
            let method = resource.methods.get_mut(METHOD).unwrap();
            method
                .attributes
                .insert("authorization".into(), "CUSTOM".into());
            method.attributes.insert("authorizer".into(), "gate".into());
            let part = Part {
                id: "x1".into(),
                attributes: Attributes::from([("type".into(), "TOKEN".into())]),
            };
            live.authorizers.insert("gate".into(), part);
        },
        &[
            "authorizer.gate.type",
            "method./update-dns.POST.authorization",
            "method./update-dns.POST.authorizer",
        ],
        &[
            "delete-method",
            "method",
            "integration",
            "remove",
            "deploy",
            "remember-deployment",
            "stage-settings",
            "prune",
        ],
    );
    let desired = desired();
    let removal = lowered.drafts.iter().find(|d| d.name == "remove").unwrap();
    let method = StepId::new(&addr(&desired), "method");
    assert!(removal.after.contains(&After::Answered(method)));
}

#[test]
fn each_edit_of_a_part_is_undone_by_its_own_call() {
    let deployed = ["deploy", "remember-deployment", "stage-settings", "prune"];
    let with = |step: &'static str| [&[step][..], &deployed[..]].concat();
    check(
        |live| {
            let resource = live.resources.get_mut(PATH).unwrap();
            let method = resource.methods.get_mut(METHOD).unwrap();
            method.integration.insert("uri".into(), "elsewhere".into());
        },
        &["integration./update-dns.POST.uri"],
        &with("integration"),
    );
    check(
        |live| {
            let model = live.models.get_mut(MODEL).unwrap();
            model.insert("schema".into(), "{}".into());
        },
        &["model.Update.schema"],
        &with("model"),
    );
    check(
        |live| {
            live.responses.remove("THROTTLED");
        },
        &[
            "gateway-response.THROTTLED.body.application/json",
            "gateway-response.THROTTLED.gatewayresponse.header.Retry-After",
            "gateway-response.THROTTLED.status",
        ],
        &with("refusal-throttled"),
    );
    check(
        |live| {
            let validator = live.validators.get_mut(VALIDATOR).unwrap();
            validator.attributes.insert("body".into(), "false".into());
        },
        &["validator.body.body"],
        &with("validator"),
    );
    let settings = check(
        |live| {
            live.settings
                .insert("security-policy".into(), "TLS_1_0".into());
            live.settings.insert("endpoint.type".into(), "EDGE".into());
        },
        &["endpoint.type", "security-policy"],
        &with("settings"),
    );
    let Op::Update { patches, .. } = op(&settings, "settings") else {
        panic!("an update");
    };
    assert_eq!(
        patches[0],
        Patch::set("/endpointConfiguration/types/EDGE", "REGIONAL")
    );
}

#[test]
fn what_stands_only_in_the_stage_needs_no_deployment() {
    let lowered = check(
        |live| {
            let stage = live.stages.get_mut("prod").unwrap();
            stage
                .attributes
                .insert("throttling.rate".into(), "10000".into());
            stage
                .attributes
                .insert("logging.data-trace".into(), "true".into());
            stage.attributes.insert("variables.a".into(), "1".into());
            let setting = ("method-settings.a/b/GET".into(), "rate 1, burst 1".into());
            stage.attributes.extend([setting]);
        },
        &[
            "stage.prod.logging.data-trace",
            "stage.prod.method-settings.a/b/GET",
            "stage.prod.throttling.rate",
            "stage.prod.variables.a",
        ],
        &["stage-settings"],
    );
    let Op::UpdateStage {
        served, patches, ..
    } = op(&lowered, "stage-settings")
    else {
        panic!("an update");
    };
    assert_eq!(served, None);
    assert_eq!(
        patches,
        [
            Patch::set("/*/*/logging/dataTrace", "false"),
            Patch::remove("/a~1b/GET"),
            Patch::set("/*/*/throttling/rateLimit", "10"),
            Patch::remove("/variables/a"),
        ]
    );
}

#[test]
fn a_stage_that_serves_a_foreign_deployment_gets_a_new_one_of_ours() {
    let lowered = check(
        |live| live.stages.get_mut("prod").unwrap().deployment = "theirs".into(),
        &["stage.prod.definition"],
        &["deploy", "remember-deployment", "stage-settings", "prune"],
    );
    let Op::UpdateStage {
        served: Some(served),
        ..
    } = op(&lowered, "stage-settings")
    else {
        panic!("an update");
    };
    assert_eq!(served.previous.as_deref(), Some(DEPLOYMENT));
    assert!(matches!(
        op(&lowered, "prune"),
        Op::Remove { part: Foreign::Deployment { id }, .. } if id == "d00000"
    ));
}

#[test]
fn a_deployment_that_another_stage_serves_is_not_pruned() {
    let desired = desired();
    let mut live = applied(&desired);
    let stage = Stage {
        deployment: "d00000".into(),
        ..Stage::default()
    };
    live.stages.insert("dev".into(), stage);
    let lowered = lowered(&desired, live);
    assert_eq!(
        steps(&lowered),
        ["remove", "deploy", "remember-deployment", "stage-settings"]
    );
}

#[test]
fn the_policy_is_compared_by_meaning_and_undone() {
    let live_policy = r#"{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Principal":"*",
        "Action":"execute-api:Invoke","Resource":"arn:aws:execute-api:us-east-1:123456789012:a1b2c3d4e5/*"}]}"#;
    let lowered = check(
        |live| live.policy = Some(live_policy.into()),
        &["policy"],
        &[
            "settings",
            "deploy",
            "remember-deployment",
            "stage-settings",
            "prune",
        ],
    );
    let Op::Update { patches, .. } = op(&lowered, "settings") else {
        panic!("an update");
    };
    assert_eq!(patches, [Patch::set("/policy", "")]);
    assert_eq!(lowered.rights.len(), 1);
    assert!(!lowered.rights[0].gained);
}

#[test]
fn what_the_document_accepts_stays_and_is_shown() {
    let desired = fixture::of(
        "[[accepted]]\nkind = \"api-resource\"\nname = \"/health/deep\"\nreason = \"probe\"\n\
         [[accepted]]\nkind = \"api-authorizer\"\nname = \"gate\"\nreason = \"theirs\"\n",
    );
    let mut live = applied(&desired);
    let method = Method {
        attributes: Attributes::from([
            ("model.application/json".into(), "Probe".into()),
            ("validator".into(), "all".into()),
        ]),
        integration: Attributes::from([("type".into(), "MOCK".into())]),
    };
    let resource = |methods| Resource {
        id: "h".into(),
        methods,
        leads_on: false,
    };
    let methods = BTreeMap::from([("GET".to_owned(), method)]);
    live.resources
        .insert("/health/deep".into(), resource(methods));
    live.resources
        .insert("/health".into(), resource(BTreeMap::new()));
    live.models.insert("Probe".into(), Attributes::new());
    live.validators.insert("all".into(), Part::default());
    live.authorizers.insert("gate".into(), Part::default());
    let with = lowered(&desired, live.clone());
    assert!(with.drafts.is_empty(), "{:?}", steps(&with));
    let accepted = with
        .report
        .iter()
        .filter(|r| matches!(r, Report::Accepted { .. }));
    assert_eq!(accepted.count(), 2);
    // A method on the path that only leads there is nobody's.
    let above = live.resources.get_mut("/health").unwrap();
    let open = Method {
        attributes: Attributes::from([("authorization".into(), "NONE".into())]),
        ..Method::default()
    };
    above.methods.insert("GET".into(), open);
    let with = lowered(&desired, live);
    assert!(matches!(
        op(&with, "remove"),
        Op::Remove { part: Foreign::Method { verb, .. }, .. } if verb == "GET"
    ));
}

#[test]
fn a_path_below_ours_that_is_accepted_changes_nothing_of_ours() {
    let below = format!("{PATH}/{{proxy+}}");
    let desired = fixture::of(&format!(
        "[[accepted]]\nkind = \"api-resource\"\nname = \"{below}\"\nreason = \"probe\"\n"
    ));
    let mut live = applied(&desired);
    live.resources.insert(below, Resource::default());
    let lowered = lowered(&desired, live);
    assert!(lowered.change.is_none() && lowered.drafts.is_empty());
}

#[test]
fn an_accepted_path_that_keeps_ours_from_being_deployed_is_named() {
    let desired =
        fixture::of("[[accepted]]\nkind = \"api-resource\"\nname = \"/lab\"\nreason = \"probe\"\n");
    let with = |method: Method, drifted: bool| {
        let mut live = applied(&desired);
        let methods = BTreeMap::from([("GET".to_owned(), method)]);
        let lab = Resource {
            methods,
            ..Resource::default()
        };
        live.resources.insert("/lab".into(), lab);
        live.authorizers.insert("gate".into(), Part::default());
        if !drifted {
            live.authorizers.clear();
        }
        lowered(&desired, live)
    };
    let whole = Method {
        integration: Attributes::from([("type".into(), "MOCK".into())]),
        ..Method::default()
    };
    let guarded = Method {
        attributes: Attributes::from([("authorizer".into(), "gate".into())]),
        ..whole.clone()
    };
    let blocked = |lowered: &Lowered| {
        let why = lowered.report.iter().find_map(|report| {
            let Report::Blocked { why, .. } = report else {
                return None;
            };
            Some(why.clone())
        });
        assert_eq!(
            why.is_some(),
            lowered.drafts.is_empty() && lowered.change.is_none()
        );
        why
    };
    assert_eq!(blocked(&with(whole, true)), None);
    let why = blocked(&with(guarded, true)).unwrap();
    assert!(why.contains("/lab") && why.contains("gate"), "{why}");
    let why = blocked(&with(Method::default(), true)).unwrap();
    assert!(why.contains("/lab") && why.contains("integration"), "{why}");
    // With nothing to deploy it hinders nothing, and is said.
    let idle = with(Method::default(), false);
    let is_said =
        |report: &Report| matches!(report, Report::Warning { what, .. } if what.contains("/lab"));
    assert!(idle.report.iter().any(is_said) && idle.drafts.is_empty());
}

#[test]
fn a_deployment_is_ours_only_if_the_journal_says_so() {
    let deployed = ["deploy", "remember-deployment", "stage-settings"];
    // The stage's description says it is, as whoever edits the API can have it say.
    let serve = |live: &mut Live, deployment: &str| {
        let stage = live.stages.get_mut("prod").unwrap();
        let note = Note {
            deployment,
            ..Note::read(&stage.description).unwrap()
        };
        stage.description = note.text();
        stage.deployment = deployment.into();
    };
    let field = ["stage.prod.definition"];
    let pruned = [&deployed[..], &["prune"]].concat();
    check(|live| serve(live, "theirs"), &field, &pruned);
    check(
        |live| live.remembered = Remembered::Nothing,
        &field,
        &pruned,
    );
    // While the journal cannot be read nothing is deployed because of that.
    let desired = desired();
    let mut live = applied(&desired);
    live.remembered = Remembered::Unknown;
    assert!(lowered(&desired, live).drafts.is_empty());
}

#[test]
fn unreadable_and_foreign_block() {
    let desired = desired();
    for observation in [
        Observation::Unreadable("denied".to_owned()),
        Observation::Foreign("somebody's".to_owned(), None),
    ] {
        let mut snapshot = fixture::applied();
        snapshot.rest_api = observation;
        let lowered = converge(&addr(&desired), &desired, &snapshot);
        assert!(lowered.drafts.is_empty());
        assert!(matches!(lowered.report[0], Report::Blocked { .. }));
    }
}

#[test]
fn destroying_stops_serving_first() {
    let desired = desired();
    let mut snapshot = fixture::applied();
    snapshot.rest_api = Observation::Present(applied(&desired));
    let lowered = destroy(&addr(&desired), &desired, &snapshot);
    assert_eq!(steps(&lowered), ["delete-stage", "delete"]);
    assert_eq!(lowered.change.unwrap().risk, Risk::Irreversible);
}

#[test]
fn the_definition_changes_its_hash_and_the_stage_does_not() {
    let hash = |more| Definition::of(&fixture::of(more)).hash();
    let base = hash("");
    assert_eq!(
        hash("[api]\nthrottle = { per-second = 5, burst = 5 }\n"),
        base
    );
    assert_ne!(hash("[api]\nallow-from = [\"192.0.2.0/24\"]\n"), base);
    assert_ne!(hash("[updater]\ntimeout = \"15s\"\n"), base);
}

#[test]
fn texts_for_aws_are_what_they_have_to_be() {
    let want = Definition::of(&desired());
    let line: Value = serde_json::from_str(&want.log_format()).unwrap();
    assert_eq!(line["requestId"], "$context.requestId");
    assert!(!want.log_format().contains('\n'));
    for refusal in REFUSALS {
        let body: Value = serde_json::from_str(&refusal.template()).unwrap();
        assert_eq!(body["success"], false, "{}", refusal.kind);
        assert_eq!(body["request_id"], "$context.requestId");
        assert_ne!(refusal.status, Some(OWN_STATUS));
    }
    assert!(serde_json::from_str::<Value>(&want.schema()).is_ok());
    assert_eq!(CONTENT_TYPE, "application/json");
    let steps: BTreeSet<&str> = REFUSALS.iter().map(|refusal| refusal.step).collect();
    assert_eq!(steps.len(), REFUSALS.len());
    let narrow = fixture::of("[api]\nallow-from = [\"192.0.2.0/24\"]\ntls-min = \"1.3\"\n");
    let want = Definition::of(&narrow);
    let policy = Policy::parse(&want.policy.unwrap()).unwrap();
    assert_eq!(policy.statements.len(), 1);
    assert_eq!(want.security_policy, "SecurityPolicy_TLS13_1_3_2025_09");
}
