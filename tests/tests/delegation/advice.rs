//! Whoever does what `status` says first, and nothing else, comes to a good end, and no resolver fails on the way:
//! as the operator runs the command that is named, as the parent's people changes the records that are named, and
//! waits until the time that is named.

use jiff::Timestamp;
use serde_json::Value;
use spore_infra::kind::hosted_zone::Records;
use spore_tests::cases::each_waiting;

use super::outside::{Life, elsewhere, in_use, patient};
use super::*;

/// More steps than any way takes.
const STEPS_MAX: usize = 24;

/// What `status` says next: who, and what; nothing where nobody has to do anything. That nobody hears the alarms is
/// another matter.
fn next(life: &Life) -> Result<Option<(String, String)>, String> {
    let said = life.stage.on_world("status", &["--json"]).done("status")?;
    let said: Value = serde_json::from_str(&said.stdout).map_err(|why| why.to_string())?;
    let steps = said["next"].as_array().into_iter().flatten();
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let mut steps = steps.map(|step| (text(&step["who"]), text(&step["what"])));
    Ok(steps.find(|(_, what)| !what.contains("[alarms] notify")))
}

/// Follows it until there is nothing to do. How often.
fn follow(life: &Life) -> Result<usize, String> {
    let mut told = Vec::new();
    for round in 0..STEPS_MAX {
        let step = next(life)?;
        // What was to go is gone.
        let is_gone = |what: &String| what.contains("there is no hosted zone yet");
        let Some((who, what)) = step.filter(|(_, what)| !is_gone(what)) else {
            life.fine()?;
            return Ok(round);
        };
        told.push(format!("{who}: {what}"));
        match who.as_str() {
            "us" => ours(life, &what),
            "wait" => wait(life, &what),
            _ => theirs(life, &what),
        }
        .map_err(|why| format!("{why}\n{told:#?}"))?;
    }
    Err(format!("no end: {told:#?}"))
}

fn ours(life: &Life, what: &str) -> Result<(), String> {
    if what.contains("write `enabled = false`") {
        life.document("[dnssec]\nenabled = false\n");
    } else if what.contains("take that out of the document") {
        life.document("");
    }
    let (_, command) = what
        .split_once("`spore-infra ")
        .ok_or_else(|| format!("no command: {what}"))?;
    let (command, _) = command.split_once('`').unwrap_or((command, ""));
    // Whoever looks at a plan that changes something has it applied.
    let command = if command == "plan" { "apply" } else { command };
    let words: Vec<&str> = command.split(' ').chain(["--yes"]).collect();
    let run = life.stage.run(words).arg(life.stage.document());
    let run = run.arg(format!("--sandbox={}", life.stage.world().display()));
    let ended = patient(run).end()?;
    life.look(command);
    match ended.code {
        Some(0) => Ok(()),
        Some(3) if ended.stderr.contains("run the same command again after ") => {
            life.wait_as_told(&ended);
            Ok(())
        }
        Some(3) => Ok(()),
        Some(4) if what.contains("it is refused, and notes") => Ok(()),
        _ => Err(format!("{command}: {}", ended.tell())),
    }
}

/// The first time that a text names.
fn time(what: &str) -> Option<Timestamp> {
    let mut words = what.split([' ', '(', ')', ',', ';']);
    words.find_map(|word| word.trim_end_matches([':', '.']).parse().ok())
}

fn wait(life: &Life, what: &str) -> Result<(), String> {
    match what
        .rsplit_once("until 2")
        .and_then(|(_, rest)| time(&format!("2{rest}")))
    {
        Some(until) => life.wait_until(until),
        None => {
            let mut words = what
                .split(' ')
                .skip_while(|word| word.parse::<u32>().is_err());
            let number: u32 = words.next().and_then(|word| word.parse().ok()).unwrap_or(1);
            let unit = match words.next() {
                Some("d") => 24 * HOUR,
                Some("min") => HOUR / 60,
                _ => HOUR,
            };
            life.wait(number * unit);
        }
    }
    Ok(())
}

/// The records that a text names: their data.
fn records(what: &str) -> Vec<String> {
    let words: Vec<&str> = what
        .split(|c: char| c.is_whitespace() || c == ';')
        .filter(|word| !word.is_empty())
        .collect();
    let data = |at: usize| -> Option<String> {
        let record = words.get(at + 1..at + 5)?;
        let digest = record[3].trim_end_matches(|c: char| !c.is_ascii_hexdigit());
        let numbers = &record[..3];
        (numbers.iter().all(|part| part.parse::<u16>().is_ok()) && digest.len() >= 40)
            .then(|| format!("{} {digest}", numbers.join(" ")))
    };
    let at = words.iter().enumerate().filter(|(_, word)| **word == "DS");
    at.filter_map(|(at, _)| data(at)).collect()
}

/// The key tags after some words, up to the end of the clause.
fn tags_after(what: &str, words: &str) -> Vec<String> {
    let Some((_, rest)) = what.split_once(words) else {
        return Vec::new();
    };
    let end = rest.find([',', ':', ';', '(']).unwrap_or(rest.len());
    let clause = rest[..end].split(" by ").next().unwrap_or_default();
    let tags = clause.split(' ').filter(|word| word.parse::<u16>().is_ok());
    tags.map(str::to_owned).collect()
}

fn published(life: &Life) -> Vec<String> {
    let snapshot = run(async {
        let bench = Bench::on(life.sandbox.clone(), desired(DOMAIN, ACCOUNT, "")).await;
        bench.snapshot(Records::FirstPage, None).await
    });
    snapshot.parent.all().unwrap()[0].ds.clone()
}

fn publish(life: &Life, records: Vec<String>) {
    registrar(
        &life.sandbox,
        RegistrarAction::Ds {
            zone: DOMAIN.into(),
            records,
        },
    );
    life.look("DS records changed");
}

/// The parent's people do exactly what they are told.
fn theirs(life: &Life, what: &str) -> Result<(), String> {
    if let Some(from) = what
        .split_once("not before 2")
        .and_then(|(_, rest)| time(&format!("2{rest}")))
    {
        life.wait_until(from);
    }
    if what.starts_with("withdraw the delegation") {
        registrar(
            &life.sandbox,
            RegistrarAction::Withdraw {
                zone: DOMAIN.into(),
                ds_only: false,
            },
        );
        life.look("delegation withdrawn");
        return Ok(());
    }
    let servers: Vec<String> = what
        .split([' ', ',', ';'])
        .filter(|word| word.contains(".awsdns-"))
        .map(|word| word.trim_end_matches('.').to_owned())
        .collect();
    if !servers.is_empty() {
        registrar(
            &life.sandbox,
            RegistrarAction::Delegate {
                zone: DOMAIN.into(),
                name_servers: Some(servers),
            },
        );
        life.look("delegation changed");
        return Ok(());
    }
    let mut now = published(life);
    let named = records(what);
    let mut gone = tags_after(what, "take out DS ");
    gone.extend(tags_after(what, "replace DS "));
    let tag = |record: &String| record.split(' ').next().unwrap_or_default().to_owned();
    if what.contains("have it remove") {
        gone.extend(named.iter().map(tag));
    } else if what.contains("DS record that `spore-infra ds` prints") {
        let ds = life
            .stage
            .on_world("ds", &["--format", "bind"])
            .done("ds")?;
        now.extend(records(&ds.stdout).into_iter().take(1));
    } else {
        now.extend(named);
    }
    now.retain(|record| !gone.contains(&tag(record)));
    let before = published(life);
    if now == before {
        return Err(format!("nothing to be changed is named: {what}"));
    }
    publish(life, now);
    Ok(())
}

/// A state, what comes of it, and how it is judged.
struct Case {
    name: &'static str,
    begins: fn() -> Life,
    ends: fn(&Life) -> Result<(), String>,
}

impl std::fmt::Display for Case {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.write_str(self.name)
    }
}

fn secure(life: &Life) -> Result<(), String> {
    match life.look("the end") {
        Verdict::Secure => Ok(()),
        other @ (Verdict::Insecure | Verdict::Bogus(_) | Verdict::Unreachable(_)) => {
            Err(format!("{other:?}"))
        }
    }
}

fn unsigned(life: &Life) -> Result<(), String> {
    let keys = keys(&life.stage);
    match (life.look("the end"), keys.is_empty()) {
        (Verdict::Insecure, true) => Ok(()),
        other => Err(format!("{other:?}")),
    }
}

/// Signed, delegated and vouched for by a parent of others.
fn vouched_for() -> Life {
    static BASE: OnceLock<Stage> = OnceLock::new();
    let base = BASE.get_or_init(|| {
        let stage = Stage::new();
        stage.apply().done("apply").unwrap();
        let world = format!("--sandbox={}", stage.world().display());
        let registrar = ["sandbox", "registrar", "delegate", DOMAIN, &world];
        stage.run(registrar).done("delegate").unwrap();
        stage.apply().done("apply").unwrap();
        let ds = stage.on_world("ds", &["--format", "bind"]).done("ds");
        let record = records(&ds.unwrap().stdout).remove(0);
        let registrar = ["sandbox", "registrar", "ds", DOMAIN, &record, &world];
        stage.run(registrar).done("registrar ds").unwrap();
        let advance = ["sandbox", "advance", "3d", &world];
        stage.run(advance).done("advance").unwrap();
        stage.apply().done("apply").unwrap();
        stage
    });
    let life = in_use(base);
    assert_eq!(life.look("vouched for"), Verdict::Secure);
    life
}

/// A rotation in which both keys are vouched for and the journal says since when; the old record may go.
fn both() -> Life {
    let life = vouched_for();
    begun(&life);
    life.wait(2 * HOUR);
    let old = published(&life);
    let both = old.iter().cloned().chain(new_record(&life)).collect();
    publish(&life, both);
    patient(rotate(&life.stage)).done("both there").unwrap();
    life.wait(48 * HOUR);
    life
}

fn begun(life: &Life) {
    patient(rotate(&life.stage)).done("begin").unwrap();
}

/// The record of the key that came last.
fn new_record(life: &Life) -> Vec<String> {
    let there = published(life);
    let snapshot = run(async {
        let bench = Bench::on(life.sandbox.clone(), desired(DOMAIN, ACCOUNT, "")).await;
        bench.snapshot(Records::FirstPage, None).await
    });
    let keys = &snapshot.dnssec.present().unwrap().keys;
    let records = keys.iter().map(|key| key.ds.to_uppercase());
    records
        .filter(|record| !there.iter().any(|known| known.to_uppercase() == *record))
        .collect()
}

fn cases() -> Vec<Case> {
    let case = |name, begins, ends| Case { name, begins, ends };
    vec![
        case(
            "a stack that nobody delegates",
            || {
                let stage = Stage::new();
                stage.apply().done("apply").unwrap();
                in_use(&stage)
            },
            secure,
        ),
        case(
            "a zone that moves here from a signed one",
            || {
                let base = elsewhere(Stage::new(), None, true);
                base.apply().done("apply").unwrap();
                let life = in_use(&base);
                assert_eq!(life.look("elsewhere"), Verdict::Secure);
                life
            },
            secure,
        ),
        case(
            "a delegation that was elsewhere for days",
            || {
                let life = vouched_for();
                publish(&life, Vec::new());
                life.wait(2 * HOUR);
                run(super::outside::taken_away(&life.sandbox));
                life.wait(72 * HOUR);
                life
            },
            secure,
        ),
        case(
            "both records, and no run that saw it",
            || {
                let life = vouched_for();
                begun(&life);
                life.wait(2 * HOUR);
                let both = published(&life).into_iter().chain(new_record(&life));
                publish(&life, both.collect());
                life.wait(48 * HOUR);
                life
            },
            secure,
        ),
        case(
            "the old record alone again in the last wait",
            || {
                let life = both();
                let all = published(&life);
                let old = vec![all[0].clone()];
                let new = all[1..].to_vec();
                publish(&life, new);
                patient(rotate(&life.stage))
                    .exits(3, "the last wait")
                    .unwrap();
                life.wait(HOUR / 2);
                publish(&life, old);
                life
            },
            secure,
        ),
        case(
            "a rotation that is being given up",
            || {
                let life = vouched_for();
                begun(&life);
                life.wait(2 * HOUR);
                let abort = rotate(&life.stage).arg("--abort");
                patient(abort).exits(3, "abort").unwrap();
                life
            },
            |life| {
                if keys(&life.stage).len() == 1 {
                    secure(life)
                } else {
                    Err("two keys".to_owned())
                }
            },
        ),
        case(
            "a document that wants the zone unsigned",
            || {
                let life = vouched_for();
                life.document("[dnssec]\nenabled = false\n");
                life
            },
            unsigned,
        ),
        case(
            "the same, with a record that was away for a while",
            || {
                let life = vouched_for();
                life.document("[dnssec]\nenabled = false\n");
                let records = published(&life);
                publish(&life, Vec::new());
                let disable = life.stage.run(["dnssec", "disable", "--yes"]);
                let disable = disable.arg(life.stage.document());
                let world = format!("--sandbox={}", life.stage.world().display());
                patient(disable.arg(world)).exits(3, "disable").unwrap();
                life.wait(HOUR / 2);
                publish(&life, records);
                life.wait(HOUR / 4);
                life
            },
            unsigned,
        ),
        case(
            "a stack that is being taken down",
            || {
                let life = vouched_for();
                publish(&life, Vec::new());
                patient(life.stage.destroy()).exits(3, "destroy").unwrap();
                life
            },
            |life| match life.stage.live()?.zones(DOMAIN).len() {
                0 => Ok(()),
                left => Err(format!("{left} zones")),
            },
        ),
        case(
            "a key that somebody disabled",
            || {
                let life = vouched_for();
                run(async {
                    let desired = desired(DOMAIN, ACCOUNT, "");
                    let bench = Bench::on(life.sandbox.clone(), desired).await;
                    let call = bench.write.kms.disable_key();
                    call.key_id(bench.key_arn().await).send().await.unwrap();
                });
                life.wait(48 * HOUR);
                life
            },
            secure,
        ),
        case(
            "a parent zone of one's own, without its DS record in a rotation",
            || {
                let life = in_use(applied());
                assert_eq!(life.look("vouched for"), Verdict::Secure);
                patient(rotate(&life.stage)).exits(3, "begin").unwrap();
                let records = published(&life);
                run(async {
                    let parent =
                        Bench::on(life.sandbox.clone(), desired(PARENT, ACCOUNT, "")).await;
                    by_hand(
                        &parent,
                        ChangeAction::Delete,
                        DOMAIN,
                        RrType::Ds,
                        &records[0],
                    )
                    .await;
                });
                life.look("taken out");
                life
            },
            secure,
        ),
        case(
            "a wrong record beside the right one",
            || {
                let life = vouched_for();
                let wrong = format!("12735 13 2 {}", "AB".repeat(32));
                let all = published(&life).into_iter().chain([wrong]);
                publish(&life, all.collect());
                life
            },
            secure,
        ),
    ]
}

#[test]
fn whoever_follows_it_comes_to_a_good_end() {
    let cases = cases();
    each_waiting(&cases, |case| {
        let life = (case.begins)();
        let steps = follow(&life)?;
        if steps == 0 {
            return Err("there was nothing to do".to_owned());
        }
        (case.ends)(&life)
    });
}
