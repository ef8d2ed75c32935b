//! What `status` says of real worlds: the binary looks at stacks that it applied, delegated or not, with
//! right and wrong DS records, lost keys and failing servers. Each finding has to come and to go.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use spore_sandbox::dns::Fault;
use spore_tests::bench::{Bench, desired_of, run};
use spore_tests::stage::{DOCUMENT, DOMAIN, Finished, Stage, record};
use spore_tests::updater;

/// What `status --json` said.
struct Said(Value);

impl Said {
    fn of(stage: &Stage) -> Self {
        let finished = stage.on_world("status", &["--json"]).done("status --json");
        let said = Self(serde_json::from_str(&finished.unwrap().stdout).unwrap());
        // The monitor's view is the same, whatever it is.
        let check = stage.on_world("status", &["--check"]).end().unwrap();
        let code = match said.level() {
            "ok" => 0,
            "warning" => 1,
            "critical" => 2,
            _ => 3,
        };
        assert_eq!(check.code, Some(code), "{}", check.tell());
        let line = format!("SPORE {} - ", said.level().to_uppercase());
        assert!(check.stdout.starts_with(&line), "{}", check.stdout);
        let level = format!("spore_status_level{{zone=\"{DOMAIN}\"}} {code}");
        assert!(
            check.stdout.lines().any(|line| line == level),
            "{}",
            check.stdout
        );
        said
    }

    fn level(&self) -> &str {
        self.0["level"].as_str().unwrap()
    }

    fn verdict(&self) -> &str {
        self.0["verdict"]["word"].as_str().unwrap()
    }

    fn codes(&self) -> Vec<&str> {
        let findings = self.0["findings"].as_array().unwrap();
        findings
            .iter()
            .map(|finding| finding["code"].as_str().unwrap())
            .collect()
    }

    /// The sentence of a code.
    fn told(&self, code: &str) -> &str {
        let findings = self.0["findings"].as_array().unwrap();
        let found = findings.iter().find(|finding| finding["code"] == code);
        let Some(found) = found else {
            panic!("no {code}: {findings:#?}");
        };
        found["text"].as_str().unwrap()
    }

    fn next(&self) -> Vec<(&str, &str)> {
        let steps = self.0["next"].as_array().unwrap().iter();
        steps
            .map(|step| {
                (
                    step["who"].as_str().unwrap(),
                    step["what"].as_str().unwrap(),
                )
            })
            .collect()
    }

    fn zone_verdicts(&self) -> Vec<(&str, &str)> {
        let zones = self.0["zones"].as_array().unwrap().iter();
        zones
            .map(|zone| {
                (
                    zone["name"].as_str().unwrap(),
                    zone["verdict"]["word"].as_str().unwrap(),
                )
            })
            .collect()
    }
}

fn applied() -> Stage {
    let stage = Stage::new();
    // Somebody hears the alarms, so that nothing but DNS is found.
    let topic = "[alarms]\nnotify = [\"arn:aws:sns:us-east-1:123456789012:ops\"]\n";
    stage.write("stack.toml", format!("{DOCUMENT}{topic}"));
    stage.apply().done("apply").unwrap();
    stage
}

fn registrar(stage: &Stage, words: &[&str]) {
    let run = stage.run(["sandbox", "registrar"]);
    let run = words.iter().fold(run, |run, word| run.arg(word));
    let run = run.arg(format!("--sandbox={}", stage.world().display()));
    run.done("sandbox registrar").unwrap();
}

fn ds(stage: &Stage) -> String {
    let finished = stage
        .on_world("ds", &["--format", "json"])
        .done("ds")
        .unwrap();
    let ds: Value = serde_json::from_str(&finished.stdout).unwrap();
    let first = &ds["ds"][0];
    let field = |name: &str| first[name].to_string().trim_matches('"').to_owned();
    format!(
        "{} {} {} {}",
        field("key_tag"),
        field("algorithm"),
        field("digest_type"),
        field("digest")
    )
}

fn delegated() -> Stage {
    let stage = applied();
    registrar(&stage, &["delegate", DOMAIN]);
    let ds = ds(&stage);
    registrar(&stage, &["ds", DOMAIN, &ds]);
    stage
}

/// Somebody works on the world by hand, with nobody else holding it.
fn by_hand(stage: &Stage, work: impl AsyncFnOnce(&Bench)) {
    run(async {
        let desired = desired_of(&std::fs::read_to_string(stage.document()).unwrap());
        let sandbox = stage.open_world();
        let bench = Bench::on(sandbox, desired).await;
        work(&bench).await;
    });
}

/// A server of the zone misbehaves, or of its parent.
fn server_fault(stage: &Stage, server: &str, fault: Option<Fault>) {
    let folder = format!("--sandbox={}", stage.world().display());
    let run = stage.run(["sandbox", "dns", "server", server, &folder]);
    let run = match fault {
        Some(fault) => run.arg(fault.to_string()),
        None => run,
    };
    run.done("sandbox dns server").unwrap();
}

#[test]
fn from_the_first_apply_to_a_secure_zone() {
    let stage = applied();
    let said = Said::of(&stage);
    assert_eq!((said.level(), said.verdict()), ("critical", "unknown"));
    assert!(
        said.told("undelegated")
            .starts_with("example.edu does not delegate it")
    );
    let servers = said.0["aws"]["name_servers"].as_array().unwrap();
    let (who, what) = said.next()[0];
    assert!(
        who == "others"
            && servers
                .iter()
                .all(|server| what.contains(server.as_str().unwrap()))
    );
    // The zone's own servers are looked at all the same.
    let zone = said.0["zones"].as_array().unwrap().last().unwrap();
    assert_eq!(zone["servers"].as_array().unwrap().len(), 4);
    assert_eq!(zone["servers"][0]["answer"]["serial"], 1);

    registrar(&stage, &["delegate", DOMAIN]);
    let said = Said::of(&stage);
    assert_eq!((said.level(), said.verdict()), ("warning", "insecure"));
    assert_eq!(said.codes()[0], "no-ds");
    let right = ds(&stage);
    assert_eq!(
        said.next(),
        [("others", format!("add DS {right}").as_str())]
    );

    registrar(&stage, &["ds", DOMAIN, &right]);
    let said = Said::of(&stage);
    assert_eq!(
        (said.level(), said.verdict()),
        ("ok", "secure"),
        "{:#}",
        said.0["findings"]
    );
    let expected = [
        (".", "secure"),
        ("edu", "secure"),
        ("example.edu", "secure"),
        (DOMAIN, "secure"),
    ];
    assert_eq!(said.zone_verdicts(), expected);
    assert!(said.next().is_empty());
}

#[test]
fn wrong_ds_records_are_told_apart_and_mended_in_order() {
    let stage = delegated();
    let right = ds(&stage);
    let tag = right.split(' ').next().unwrap();
    let digest = "AB".repeat(32);
    // What spore.host's registry had after the zone had moved.
    registrar(&stage, &["ds", DOMAIN, &format!("12735 13 2 {digest}")]);
    let said = Said::of(&stage);
    assert_eq!((said.level(), said.verdict()), ("critical", "bogus"));
    let headline = said.0["headline"].as_str().unwrap();
    let expected = format!("example.edu has DS 12735, but the zone's key is {tag}");
    assert!(headline.contains(&expected), "{headline}");
    let actors: Vec<&str> = said.next().iter().map(|(who, _)| *who).collect();
    assert_eq!(actors, ["others", "wait", "us"]);
    let first = format!("replace DS 12735 by DS {right}");
    assert!(said.next()[0].1.starts_with(&first));

    // Where the right one is added first, that makes it secure, with the stale one still there.
    registrar(
        &stage,
        &["ds", DOMAIN, &format!("12735 13 2 {digest}"), &right],
    );
    let said = Said::of(&stage);
    assert_eq!((said.level(), said.verdict()), ("ok", "secure"));
    assert!(said.told("ds-stale").contains("no harm"));

    registrar(&stage, &["ds", DOMAIN, &format!("{tag} 13 2 {digest}")]);
    assert!(
        Said::of(&stage)
            .told("ds-wrong-digest")
            .contains("ABABABAB")
    );
    registrar(&stage, &["ds", DOMAIN, &format!("{tag} 200 2 {digest}")]);
    let said = Said::of(&stage);
    assert_eq!((said.level(), said.verdict()), ("warning", "insecure"));
    assert_eq!(said.codes()[0], "ds-unknown-kind");
}

#[test]
fn a_right_ds_record_that_came_too_early_is_told_until_it_is_not() {
    let stage = applied();
    let signed = std::fs::read_to_string(stage.document()).unwrap();
    stage.write("stack.toml", format!("{signed}[dnssec]\nenabled = false\n"));
    let folder = format!("--sandbox={}", stage.world().display());
    let disable = stage.run(["dnssec", "disable"]).arg(stage.document());
    disable.arg("--yes").arg(&folder).done("disable").unwrap();
    registrar(&stage, &["delegate", DOMAIN]);
    let advance = |span: &str| {
        let run = stage.run(["sandbox", "advance", span, &folder]);
        run.done("advance").unwrap();
    };
    advance("2d");
    stage.write("stack.toml", signed);
    stage.apply().arg("--wait=30m").end().unwrap();
    let early = stage.on_world("ds", &[]).exits(3, "ds").unwrap();
    assert!(
        early.stderr.contains("unsigned answers"),
        "{}",
        early.tell()
    );
    let list = stage
        .run(["ksk", "list"])
        .arg(stage.document())
        .arg(&folder);
    let list = list.done("ksk list").unwrap().stdout;
    let ds = list
        .lines()
        .find_map(|line| line.split_once("IN DS "))
        .unwrap()
        .1;
    registrar(&stage, &["ds", DOMAIN, ds.trim()]);
    advance("1m");
    let said = Said::of(&stage);
    assert_eq!(said.level(), "warning");
    let told = said.told("ds-early");
    assert!(
        told.contains("too early: the zone was delegated before it was signed"),
        "{told}"
    );
    assert!(
        said.next()
            .iter()
            .any(|(_, what)| what.contains("when no resolver remembers any more"))
    );
    advance("2d");
    let said = Said::of(&stage);
    assert!(!said.codes().contains(&"ds-early"), "{:?}", said.codes());
}

#[test]
fn an_unsigned_parent_makes_an_island() {
    let stage = delegated();
    registrar(&stage, &["unsign", "example.edu"]);
    // Its signatures stay until its DS has run out of caches.
    let sandbox = stage.open_world();
    sandbox.advance(Duration::from_secs(3 * 86_400)).unwrap();
    drop(sandbox);
    let said = Said::of(&stage);
    assert_eq!(
        (said.level(), said.verdict()),
        ("warning", "insecure"),
        "{:#}",
        said.0["findings"]
    );
    assert!(
        said.told("island")
            .starts_with("example.edu is not signed (edu has no DS record for it)")
    );
    assert!(said.next()[0].1.starts_with("sign example.edu"));
    let expected = [
        (".", "secure"),
        ("edu", "secure"),
        ("example.edu", "insecure"),
        (DOMAIN, "insecure"),
    ];
    assert_eq!(said.zone_verdicts(), expected);
}

#[test]
fn a_disabled_key_is_seen_before_route_53_sees_it_and_has_an_end() {
    let stage = delegated();
    by_hand(&stage, async |bench| {
        let call = bench.write.kms.disable_key().key_id(bench.key_arn().await);
        call.send().await.unwrap();
    });
    let said = Said::of(&stage);
    assert_eq!((said.level(), said.verdict()), ("critical", "secure"));
    let told = said.told("key-unusable");
    assert!(
        told.contains("is Disabled") && told.contains("ends in"),
        "{told}"
    );
    assert!(
        said.next()[0].1.contains("spore-infra apply"),
        "{:?}",
        said.next()
    );
    assert!(
        said.next()[1]
            .1
            .starts_with("only if that cannot be done in time: take out DS")
    );

    // Nobody does anything: the last signature ends, and the zone is bogus.
    by_hand(&stage, async |bench| {
        bench.advance(Duration::from_secs(40 * 86_400))
    });
    let said = Said::of(&stage);
    assert_eq!((said.level(), said.verdict()), ("critical", "bogus"));
    assert!(
        said.told("key-unusable")
            .contains("the last signature over its keys that validators can use has ended")
    );
}

#[test]
fn a_key_that_is_to_be_deleted_is_told_with_its_date() {
    let stage = delegated();
    by_hand(&stage, async |bench| {
        let key = bench.key_arn().await;
        let call = bench.write.kms.schedule_key_deletion().key_id(key);
        call.pending_window_in_days(7).send().await.unwrap();
    });
    let said = Said::of(&stage);
    assert_eq!(said.level(), "critical");
    let told = said.told("key-unusable");
    assert!(told.contains("PendingDeletion"), "{told}");
    assert!(
        said.next()[0].1.contains("spore-infra apply"),
        "{:?}",
        said.next()
    );
}

#[test]
fn failing_servers_are_named_and_do_not_hide_the_others() {
    let stage = delegated();
    let said = Said::of(&stage);
    let server = said.0["zones"][3]["servers"][1]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    for (fault, words) in [
        (Fault::Silent, "does not answer"),
        (Fault::ServFail, "fails (SERVFAIL)"),
        (Fault::Refused, "does not serve the zone (REFUSED)"),
    ] {
        server_fault(&stage, &server, Some(fault));
        let said = Said::of(&stage);
        assert_eq!(
            (said.level(), said.verdict()),
            ("warning", "secure"),
            "{fault}"
        );
        let told = said.told("server");
        assert!(told.contains(&server) && told.contains(words), "{told}");
    }
    server_fault(&stage, &server, None);
    assert_eq!(Said::of(&stage).level(), "ok");

    server_fault(&stage, "ns1.example.edu", Some(Fault::Silent));
    let said = Said::of(&stage);
    assert!(
        said.told("parent-server").contains("ns1.example.edu"),
        "{:#}",
        said.0["findings"]
    );
    assert_eq!((said.level(), said.verdict()), ("warning", "secure"));
}

#[test]
fn a_server_that_lags_behind_is_named() {
    let stage = Stage::new();
    stage.apply().done("apply").unwrap();
    registrar(&stage, &["delegate", DOMAIN]);
    let said = Said::of(&stage);
    let server = said.0["zones"][3]["servers"][2]["name"]
        .as_str()
        .unwrap()
        .to_owned();
    // It gets every change a month late: it has not heard of the second key.
    server_fault(
        &stage,
        &server,
        Some(Fault::Lag(Duration::from_secs(86_400 * 30))),
    );
    let rotate = stage
        .run(["ksk", "rotate"])
        .arg(stage.document())
        .arg("--yes");
    let rotate = rotate.arg(format!("--sandbox={}", stage.world().display()));
    rotate.done("ksk rotate").unwrap();
    let said = Said::of(&stage);
    let told = format!("{:#}", said.0["findings"]);
    assert!(told.contains(&server), "{told}");
}

#[test]
fn a_delegation_to_others_is_told_with_both_sets() {
    let stage = delegated();
    registrar(
        &stage,
        &[
            "delegate",
            DOMAIN,
            "ns1.elsewhere.example",
            "ns2.elsewhere.example",
        ],
    );
    let said = Said::of(&stage);
    assert_eq!(said.level(), "critical");
    let told = said.told("delegated-elsewhere");
    assert!(
        told.contains("ns1.elsewhere.example, ns2.elsewhere.example"),
        "{told}"
    );
    let what = said.next()[0].1;
    assert!(
        what.contains("set the NS records") && what.contains("its DS records are right"),
        "{what}"
    );
}

#[test]
fn the_text_fits_narrow_terminals_and_knows_no_color_in_pipes() {
    let stage = delegated();
    for columns in ["60", "100"] {
        let run = stage.on_world("status", &[]).env("COLUMNS", columns);
        let said = run.done("status").unwrap().stdout;
        assert!(said.starts_with("OK spore.example.edu: secure"), "{said}");
        assert!(!said.contains('\u{1b}'));
        let width = columns.parse().unwrap();
        for line in said.lines() {
            let long_word = line.split_whitespace().any(|word| word.len() + 6 > width);
            assert!(
                line.chars().count() <= width || long_word,
                "{columns}: {line}"
            );
        }
        for heading in [
            "Chain of trust",
            "At the parent, example.edu",
            "Servers of",
            "Resolvers",
            "Route 53",
            "Next",
        ] {
            assert!(
                said.lines().any(|line| line.starts_with(heading)),
                "{heading}: {said}"
            );
        }
    }
}

#[test]
fn a_monitor_never_takes_a_mistake_for_a_warning() {
    let unknown = |finished: Finished| {
        assert_eq!(finished.code, Some(3), "{}", finished.tell());
        assert!(
            finished.stdout.starts_with("SPORE UNKNOWN - "),
            "{}",
            finished.stdout
        );
    };
    let stage = Stage::new();
    stage.write("stack.toml", "version = 1\n");
    unknown(stage.on_world("status", &["--check"]).end().unwrap());
    unknown(
        stage
            .on_world("status", &["--check", "--no-such-option"])
            .end()
            .unwrap(),
    );
    // Without --check the codes are this tool's own.
    assert_eq!(stage.on_world("status", &[]).end().unwrap().code, Some(1));
    let stage = Stage::new();
    let other = DOCUMENT.replace("123456789012", "210987654321");
    stage.write("stack.toml", other);
    let said = stage.on_world("status", &["--check"]).end().unwrap();
    assert_eq!(said.code, Some(2), "nothing was applied: {}", said.tell());
}

/// The move of spore.host to another account: its registry still has the DS record of the old key, of which
/// only that record is published (spore-host/spore-host, docs/DNSSEC_CONFIGURATION.md). The new key's private
/// half is AWS's, so this zone has a key of its own; that of tag 10831 is judged in `status/report/tests.rs`.
#[test]
fn the_move_of_spore_host_is_one_line_and_is_mended_by_its_steps() {
    const ZONE: &str = "spore.host";
    let vectors: Value = serde_json::from_str(include_str!("../vectors/ds-vectors.json")).unwrap();
    let negatives = vectors["negative"].as_array().unwrap().iter();
    let mut of_zone = negatives.filter(|case| case["owner"] == "spore.host.");
    let old = of_zone.next().unwrap()["ds"]
        .as_str()
        .unwrap()
        .to_uppercase();
    assert!(old.starts_with("12735 13 2 0179EFB5"), "{old}");

    let stage = Stage::new();
    let topic = "[alarms]\nnotify = [\"arn:aws:sns:us-east-1:123456789012:ops\"]\n";
    stage.write("stack.toml", DOCUMENT.replace(DOMAIN, ZONE) + topic);
    stage.apply().done("apply").unwrap();
    registrar(&stage, &["delegate", ZONE]);
    registrar(&stage, &["ds", ZONE, &old]);
    let right = ds(&stage);
    let tag = right.split(' ').next().unwrap();
    let line = format!(
        "spore.host: host has DS 12735, but the zone's key is {tag}: no key of the zone has that tag; \
         validating resolvers refuse every name (bogus)"
    );
    let check = stage.on_world("status", &["--check"]).end().unwrap();
    let first = check.stdout.lines().next().unwrap();
    assert!(
        first.starts_with(&format!("SPORE CRITICAL - {line}")),
        "{first}"
    );
    let json = || -> Value {
        let said = stage.on_world("status", &["--json"]).done("status --json");
        serde_json::from_str(&said.unwrap().stdout).unwrap()
    };
    let said = json();
    assert_eq!(said["headline"], line.as_str());
    let next = said["next"].as_array().unwrap().iter();
    let next: Vec<&str> = next.map(|step| step["what"].as_str().unwrap()).collect();
    let expected = [
        format!("replace DS 12735 by DS {right} in one change"),
        "until every server of host has it".to_owned(),
        "run `spore-infra status` again".to_owned(),
    ];
    assert_eq!(next.len(), expected.len(), "{next:?}");
    for (what, expected) in next.iter().zip(&expected) {
        assert!(what.starts_with(expected), "{next:?}");
    }

    // Whoever follows the steps has a secure zone from the first one on, also one at a time.
    registrar(&stage, &["ds", ZONE, &old, &right]);
    assert_eq!(json()["verdict"]["word"], "secure");
    registrar(&stage, &["ds", ZONE, &right]);
    let said = json();
    assert_eq!(
        (&said["verdict"]["word"], &said["level"]),
        (&"secure".into(), &"ok".into())
    );
    assert_eq!(said["next"].as_array().unwrap().len(), 0);
}

/// Whoever may not read KMS any more is told that, and nothing is made, moved or called somebody else's.
#[test]
fn without_access_to_kms_nothing_is_guessed() {
    let stage = delegated();
    let denied = "fail:kms.DescribeKey:AccessDeniedException:99";
    let said = stage.on_world("status", &["--json"]).fault(denied);
    let said = Said(serde_json::from_str(&said.done("status").unwrap().stdout).unwrap());
    // What can be seen from outside is seen.
    assert_eq!(
        (said.level(), said.verdict()),
        ("unknown", "secure"),
        "{:#}",
        said.0
    );
    assert!(
        said.told("aws").contains("kms:DescribeKey"),
        "{:#}",
        said.0["findings"]
    );
    for (_, what) in said.next() {
        assert!(
            !what.contains("take out DS") && !what.contains("add DS"),
            "{what}"
        );
    }
    // What could not be read may be the very key that the document names: nobody is told to delete it.
    let plan = stage.plan().fault(denied).exits(1, "plan").unwrap().tell();
    assert!(
        !plan.contains("is nothing that the document names"),
        "{plan}"
    );
    let keys = stage
        .run(["ksk", "list"])
        .arg(stage.document())
        .fault(denied);
    let keys = keys.arg(format!("--sandbox={}", stage.world().display()));
    let keys = keys.done("ksk list").unwrap().stdout;
    assert!(!keys.contains("not this stack's"), "{keys}");
    for command in ["ds", "apply"] {
        let lines = stage.path(command);
        let more: &[&str] = if command == "apply" { &["--yes"] } else { &[] };
        let run = stage.on_world(command, more).fault(denied);
        let refused = run.env("SPORE_RECORD", &lines).end().unwrap();
        assert_eq!(refused.code, Some(1), "{command}: {}", refused.tell());
        assert!(
            refused.tell().contains("kms:DescribeKey"),
            "{}",
            refused.tell()
        );
        let wrote = record(&lines)
            .iter()
            .filter(|line| line["wrote"] == true)
            .count();
        assert_eq!(wrote, 0, "{command}: {}", refused.tell());
    }
    // It is back, and nothing happened meanwhile.
    assert_eq!(Said::of(&stage).level(), "ok");
    stage.is_converged().unwrap();
}

/// Code of somebody else's in the updater is the first thing that has to be noticed.
#[test]
fn other_code_than_the_updaters_is_counted() {
    let stage = Stage::new();
    stage.apply().done("apply").unwrap();
    let changes = |zip: &Path| {
        let zip = format!("--updater-zip={}", zip.display());
        let run = stage.on_world("status", &["--json", &zip]);
        let said = run.done("status").unwrap().stdout;
        let said: Value = serde_json::from_str(&said).unwrap();
        said["aws"]["plan"]["changes"].clone()
    };
    assert_eq!(changes(updater::stand_in_zip()), json!([]));
    assert_eq!(changes(updater::zip()), json!(["function/updater"]));
}

/// A document that gives signing up before it was on is told what was made for it, and how that goes.
#[test]
fn keys_that_nobody_wants_any_more_are_named_with_the_way_down() {
    let stage = Stage::new();
    stage.apply().done("apply").unwrap();
    by_hand(&stage, async |bench| {
        let zone = bench.zone_id().await;
        let call = bench.write.route53.disable_hosted_zone_dnssec();
        call.hosted_zone_id(zone).send().await.unwrap();
    });
    let unsigned = format!("{DOCUMENT}[dnssec]\nenabled = false\n");
    stage.write("stack.toml", unsigned);
    let plan = || stage.on_world("plan", &[]).done("plan").unwrap().tell();
    let way = "`spore-infra dnssec disable` takes down what was made for that";
    let said = plan();
    assert!(said.contains(way), "{said}");
    assert!(
        said.contains("key-signing key spore_spore_example_edu_1 and KMS key arn:"),
        "{said}"
    );
    let run = stage
        .run(["dnssec", "disable", "--yes"])
        .arg(stage.document());
    run.arg(format!("--sandbox={}", stage.world().display()))
        .done("dnssec disable")
        .unwrap();
    let said = plan();
    assert!(!said.contains(way), "{said}");
}

/// A destroy that has not ended, here because it died: whoever looks later, from any machine, is told to go on with it
/// and by no command to build up again.
#[test]
fn a_destroy_under_way_is_no_reason_to_build_up_again() {
    let stage = delegated();
    registrar(&stage, &["withdraw", DOMAIN, "--ds-only"]);
    let run = stage.destroy().fault("crash-after:iam.DeleteRole");
    run.dies("destroy").unwrap();
    let folder = format!("--sandbox={}", stage.world().display());
    let advance = stage.run(["sandbox", "advance", "1min", &folder]);
    advance.done("advance").unwrap();

    let said = Said::of(&stage);
    assert_eq!(said.level(), "warning", "{:?}", said.0["findings"]);
    assert!(said.told("destroying").contains("a destroy began at "));
    let codes = said.codes();
    assert!(
        codes
            .iter()
            .all(|code| ["destroying", "waits"].contains(code)),
        "{codes:?}"
    );
    let next = said.next();
    assert_eq!(next.last().unwrap().0, "us", "{next:?}");
    let go_on = "run `spore-infra destroy` to go on with it, or `spore-infra apply` first if";
    assert!(next.last().unwrap().1.starts_with(go_on), "{next:?}");
    assert!(
        next.iter().any(|(who, what)| {
            *who == "wait" && what.contains("resolvers may remember a DS record")
        }),
        "{next:?}"
    );
    assert!(
        next.iter()
            .any(|(_, what)| what.contains("withdraw the delegation of spore.example.edu")),
        "{next:?}"
    );

    let plan = stage.plan().exits(2, "plan").unwrap().stdout;
    assert!(
        plan.contains("an apply makes again what it took down"),
        "{plan}"
    );
    assert!(!plan.contains("publish the DS record"), "{plan}");
    let tells = |command: &str, more: &[&str], code: i32| {
        let run = stage.on_world(command, more);
        let told = run.exits(code, command).unwrap();
        let words = told.tell().split_whitespace().collect::<Vec<_>>().join(" ");
        assert!(words.contains("a destroy began at "), "{words}");
        assert!(words.contains(go_on), "{words}");
        assert!(!told.stdout.contains(" IN DS "), "{}", told.stdout);
    };
    tells("handover", &["--step", "delegate"], 4);
    tells("handover", &["--step", "ds-add"], 4);
    tells("ds", &[], 3);
    let rotate = stage.run(["ksk", "rotate", "--yes", &folder]);
    let rotate = rotate.arg(stage.document());
    let told = rotate.exits(4, "ksk rotate").unwrap().tell();
    assert!(told.contains("[destroy-under-way]"), "{told}");
    // What has to go outside may be asked for.
    let run = stage.on_world("handover", &["--step", "ds-remove"]);
    run.done("handover ds-remove").unwrap();

    // Who applies after all ends it, and then everything is asked for again.
    let kept = Stage::copy_of(&stage);
    kept.apply().done("apply").unwrap();
    let said = Said::of(&kept);
    assert!(
        said.codes().contains(&"no-ds") && !said.codes().contains(&"destroying"),
        "{:?}",
        said.codes()
    );
    assert!(!ds(&kept).is_empty());

    stage.destroy().done("destroy").unwrap();
    stage.is_gone().unwrap();
}
