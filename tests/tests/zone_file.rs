//! Proves that records leave the zone and come back as they were: `export`, `destroy --include-records`
//! and `restore`, also when a run dies in between, and what `restore` leaves alone.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use std::{fs, iter};

use aws_sdk_route53::types::ChangeAction;
use serde_json::Value;
use spore_tests::bench::desired;
use spore_tests::by_hand::{SETTLED, alias, by_hand, change, weighted};
use spore_tests::stage::{DOMAIN, Run, Stage, record};

/// Every type that the simulated Route 53 holds, an owner's mark, escapes, a child zone.
const RECORDS: &str = r#"$ORIGIN spore.example.edu.
$TTL 300
@          IN MX 10 mail.example.edu.
@          IN CAA 0 issue "ca.example.net"
@          IN TXT "v=spf1 -all" "semicolon ; quote \" and \195\188"
*          IN TXT "anything"
www  60    IN A 192.0.2.1
www  60    IN A 192.0.2.2
www        IN AAAA 2001:db8::1
alias      IN CNAME www
_443._tcp.www IN TLSA 3 1 1 0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF0123456789ABCDEF
_sip._tcp  IN SRV 10 5 5060 www
host       IN SSHFP 4 2 123456789ABCDEF67890123456789ABCDEF67890123456789ABCDEF123456789
num        IN NAPTR 100 50 "u" "E2U+sip" "!^.*$!sip:info@example.edu!" .
ptr        IN PTR www.example.edu.
child      IN NS ns1.child
child      IN NS ns2.example.net.
ns1.child  IN A 192.0.2.53
child      IN DS 12345 13 2 ABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABABAB
node.1kpqzg2c        IN A 192.0.2.9
_spore.node.1kpqzg2c 60 IN TXT "v=1 p=123456789012/us-east-1/i-0123456789abcdef0 t=2026-03-01T00:00:00Z n=abc"
"#;

fn sandbox(stage: &Stage) -> String {
    format!("--sandbox={}", stage.world().display())
}

fn restore(stage: &Stage, file: &Path, more: &[&str]) -> Run {
    let run = stage.run(["restore"]).arg(stage.document()).arg(file);
    let run = more.iter().fold(run, Run::arg);
    run.arg(sandbox(stage))
}

fn export(stage: &Stage) -> String {
    stage.on_world("export", &[]).done("export").unwrap().stdout
}

/// The records of a master file of ours, without those of the zone itself.
fn lines(text: &str) -> Vec<String> {
    let own = |line: &&str| {
        line.starts_with(&format!("{DOMAIN}. "))
            && (line.contains(" IN NS ") || line.contains(" IN SOA "))
    };
    let mut lines: Vec<String> = text
        .lines()
        .filter(|line| !line.starts_with([';', '$']))
        .filter(|line| !own(line))
        .map(str::to_owned)
        .collect();
    lines.sort();
    lines
}

/// Takes a stack down with its records; the one file that they are in.
fn taken_down(stage: &Stage) -> PathBuf {
    let folder = stage.path("saved");
    fs::create_dir(&folder).unwrap();
    let run = stage.on_world("destroy", &["--yes", "--include-records"]);
    let cwd = folder.clone();
    run.with(move |command| {
        command.current_dir(cwd);
    })
    .done("destroy")
    .unwrap();
    let files: Vec<PathBuf> = fs::read_dir(&folder)
        .unwrap()
        .map(|file| file.unwrap().path())
        .collect();
    assert_eq!(files.len(), 1, "{files:?}");
    files[0].clone()
}

fn applied() -> Stage {
    static DONE: OnceLock<Stage> = OnceLock::new();
    let done = DONE.get_or_init(|| {
        let stage = Stage::new();
        stage.apply().done("apply").unwrap();
        stage
    });
    Stage::copy_of(done)
}

#[test]
fn a_zone_that_was_taken_down_comes_back_as_it_was() {
    let stage = applied();
    let file = stage.write("records.zone", RECORDS);
    let said = restore(&stage, &file, &["--yes"])
        .done("restore")
        .unwrap()
        .stdout;
    assert!(
        said.contains("Restore: 17 to add, 0 to change, 0 to delete"),
        "{said}"
    );
    let before = export(&stage);
    assert_eq!(lines(&before).len(), 19, "{before}");

    // Its own export changes nothing, and neither does the file once more.
    let exported = stage.write("exported.zone", &before);
    for file in [&file, &exported] {
        let log = stage.path("calls.jsonl");
        let run = restore(&stage, file, &[]).env("SPORE_RECORD", &log);
        let said = run.done("restore").unwrap().stdout;
        assert!(said.contains("No changes."), "{said}");
        assert!(record(&log).iter().all(|call| call["wrote"] == false));
    }

    // Down, with the records in a file, and up again with another zone.
    let saved = taken_down(&stage);
    stage.apply().done("apply").unwrap();
    assert!(lines(&export(&stage)).is_empty());
    restore(&stage, &saved, &["--yes"]).done("restore").unwrap();
    assert_eq!(lines(&export(&stage)), lines(&before));
    stage.plan().done("the plan afterwards").unwrap();
}

/// What no master file can hold is named before anything is taken down, and an alias comes back by the very JSON
/// that the file has in a comment.
#[test]
fn aliases_and_groups_are_named_and_an_alias_comes_back_by_its_comment() {
    let stage = applied();
    let file = stage.write("records.zone", RECORDS);
    restore(&stage, &file, &["--yes"]).done("restore").unwrap();
    let name = |label: &str| format!("{label}.{DOMAIN}");
    let group = || {
        let member =
            |identifier, weight| weighted(&name("split"), 60, "192.0.2.3", identifier, weight);
        [member("blue", 3), member("green", 1)]
    };
    by_hand(&stage, desired(""), async |bench| {
        let zone = bench.zone_id().await;
        let alias = alias(&name("front"), &zone, &name("www"));
        let sets = group().into_iter().chain([alias]);
        change(&bench.write, &zone, ChangeAction::Create, sets).await;
        bench.advance(SETTLED);
    });

    let said = stage.on_world("destroy", &["--yes", "--include-records"]);
    let said = said.exits(4, "destroy").unwrap().tell();
    for identifier in ["blue", "green"] {
        let named = format!("split.{DOMAIN}. A (set identifier {identifier})");
        assert!(said.contains(&named), "{said}");
    }
    let exported = stage.on_world("export", &[]).done("export").unwrap();
    assert!(
        exported.stderr.contains("1 aliases, 2 with"),
        "{}",
        exported.stderr
    );
    // A file that wants values where they are does not get them by surprise.
    let front = stage.write(
        "front.zone",
        "$TTL 60\nfront A 192.0.2.1\nsplit A 192.0.2.1\n",
    );
    let said = restore(&stage, &front, &["--yes"])
        .exits(4, "restore")
        .unwrap();
    for label in ["front", "split"] {
        let named = format!("{label}.{DOMAIN}. A is an alias or has a routing policy");
        assert!(said.stderr.contains(&named), "{}", said.tell());
    }

    by_hand(&stage, desired(""), async |bench| {
        let zone = bench.zone_id().await;
        change(&bench.write, &zone, ChangeAction::Delete, group()).await;
        bench.advance(SETTLED);
    });
    let saved = fs::read_to_string(taken_down(&stage)).unwrap();
    stage.apply().done("apply").unwrap();
    let file = stage.write("saved.zone", &saved);
    restore(&stage, &file, &["--yes"]).done("restore").unwrap();
    let comment = saved.lines().find_map(|line| line.strip_prefix("; {"));
    let told: Value = serde_json::from_str(&format!("{{{}", comment.unwrap())).unwrap();
    let told = &told["Changes"][0]["ResourceRecordSet"];
    assert_eq!(told["Name"], format!("{}.", name("front")));
    let target = told["AliasTarget"]["DNSName"].as_str().unwrap().to_owned();
    by_hand(&stage, desired(""), async |bench| {
        let zone = bench.zone_id().await;
        let alias = alias(&name("front"), &zone, &target);
        change(&bench.write, &zone, ChangeAction::Create, [alias]).await;
        bench.advance(SETTLED);
    });
    assert!(export(&stage).contains(&format!("\"DNSName\":\"www.{DOMAIN}.\"")));
}

#[test]
fn only_what_was_shown_and_asked_for_is_changed() {
    let stage = applied();
    let file = stage.write("records.zone", RECORDS);
    // Without a terminal nothing is asked.
    let refused = restore(&stage, &file, &[]).exits(1, "restore").unwrap();
    assert!(refused.stderr.contains("--yes") && lines(&export(&stage)).is_empty());
    restore(&stage, &file, &["--yes"]).done("restore").unwrap();

    let other = stage.write(
        "other.zone",
        "$TTL 60\nwww A 192.0.2.1\nalias A 192.0.2.7\n",
    );
    // A CNAME is in the way.
    let refused = restore(&stage, &other, &["--yes"])
        .exits(4, "restore")
        .unwrap();
    assert!(
        refused
            .stderr
            .contains("alias.spore.example.edu. would have a CNAME beside A")
    );
    let said = restore(&stage, &other, &["--yes", "--delete-extra"])
        .done("restore")
        .unwrap();
    for line in [
        "- www.spore.example.edu. 60 IN A 192.0.2.2",
        "  www.spore.example.edu. 60 IN A 192.0.2.1",
        "- alias.spore.example.edu. 300 IN CNAME www.spore.example.edu.",
        "+ alias.spore.example.edu. 60 IN A 192.0.2.7",
    ] {
        assert!(
            said.stdout.lines().any(|found| found == line),
            "{line} in {}",
            said.stdout
        );
    }
    // The instance's name is not in the file, and stays.
    let left = lines(&export(&stage));
    assert_eq!(left.len(), 4, "{left:?}");
    assert!(
        left.iter()
            .any(|line| line.starts_with("_spore.node.1kpqzg2c."))
    );
    assert!(left.contains(&"node.1kpqzg2c.spore.example.edu. 300 IN A 192.0.2.9".to_owned()));
    // And so it does when the file has an older owner of it.
    let older = RECORDS
        .replace("t=2026-03-01", "t=2026-02-01")
        .replace("192.0.2.9", "192.0.2.10");
    let older = stage.write("older.zone", older);
    let said = restore(&stage, &older, &["--yes", "--delete-extra"])
        .done("restore")
        .unwrap();
    assert!(
        said.stderr
            .contains("node.1kpqzg2c.spore.example.edu. is held"),
        "{}",
        said.stderr
    );
    assert!(
        lines(&export(&stage))
            .contains(&"node.1kpqzg2c.spore.example.edu. 300 IN A 192.0.2.9".to_owned())
    );
}

#[test]
fn a_file_that_route_53_cannot_hold_is_refused_whole() {
    let stage = applied();
    let file = stage.write(
        "bad.zone",
        "$TTL 60\nwww A 192.0.2.1\nx HINFO a b\nwww.example.com. A 192.0.2.1\n",
    );
    let refused = restore(&stage, &file, &["--yes"])
        .exits(1, "restore")
        .unwrap();
    assert!(refused.stderr.contains("HINFO") && refused.stderr.contains("outside the zone"));
    assert!(lines(&export(&stage)).is_empty());
}

#[test]
fn a_restore_that_dies_is_finished_by_the_next() {
    let stage = applied();
    // More than one batch: 1,000 values each at most.
    let many: String = iter::once("$TTL 60\n".to_owned())
        .chain((0..1_300).map(|n| {
            format!(
                "n{n} A 192.0.2.{}\n_spore.n{n} TXT \"v=1 p=1/us-east-1/i-{n} t=1 n=x\"\n",
                n % 250
            )
        }))
        .collect();
    let file = stage.write("many.zone", many);
    let log = stage.path("calls.jsonl");
    let whole = Stage::copy_of(&stage);
    restore(&whole, &file, &["--yes"])
        .env("SPORE_RECORD", &log)
        .done("restore")
        .unwrap();
    let calls = record(&log);
    let changes = |call: &&serde_json::Value| call["operation"] == "ChangeResourceRecordSets";
    assert!(
        calls.iter().filter(changes).count() >= 3,
        "{:?}",
        calls.first()
    );
    let expected = lines(&export(&whole));
    for fault in ["crash-before", "crash-after", "lose-answer"] {
        let stage = Stage::copy_of(&stage);
        let run = restore(&stage, &file, &["--yes"]);
        run.fault(&format!("{fault}:route53.ChangeResourceRecordSets"))
            .end()
            .unwrap();
        restore(&stage, &file, &["--yes"]).done(fault).unwrap();
        assert_eq!(lines(&export(&stage)), expected, "{fault}");
    }
}

#[test]
fn mistakes_of_a_file_are_told_at_once_each_at_its_place() {
    let stage = applied();
    for (text, told) in [
        (
            "www 60 A 192.0.2\nmail 60 MX ten mx\nx 60 HINFO a b\n",
            &[
                "records.zone:1:10: ",
                "records.zone:2:12: ",
                "records.zone:3:1: x",
                "3 problems",
            ][..],
        ),
        ("x 60 HINFO a b\n", &["records.zone:1:1: x", ": 1 problem;"]),
    ] {
        let file = stage.write("records.zone", text);
        let refused = restore(&stage, &file, &["--yes"]);
        let refused = refused.exits(1, "restore").unwrap();
        for part in told {
            assert!(refused.stderr.contains(part), "{part}: {}", refused.tell());
        }
    }
    assert!(lines(&export(&stage)).is_empty());
}
