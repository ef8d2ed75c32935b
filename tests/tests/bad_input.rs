//! Proves that bad input, missing rights and a hostile surrounding end in a clear message and the
//! documented exit code, and that nothing is lost: what was there before is there afterwards.

use std::fs;
use std::net::TcpListener;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::{Duration, Instant};

use spore_sandbox::store::Store;
use spore_tests::binary;
use spore_tests::served::{Served, call, json_request};
use spore_tests::stage::{DOCUMENT, DOMAIN, Finished, Run, Stage, record};

/// A command ends with this code and says all of this on stderr.
fn refused(run: Run, code: i32, words: &[&str]) -> Finished {
    let finished = run.exits(code, "the command").expect("the right exit code");
    for word in words {
        assert!(
            finished.stderr.contains(word),
            "nothing of {word:?}: {}",
            finished.tell()
        );
    }
    assert!(!finished.stderr.contains("panicked"), "{}", finished.tell());
    finished
}

fn applied() -> Stage {
    let stage = Stage::new();
    stage
        .apply()
        .done("apply")
        .expect("an undisturbed apply works");
    stage
}

/// Whether any run has taken the lock: the first write of all.
fn was_begun(stage: &Stage) -> bool {
    stage.live().is_ok_and(|live| !live.log_groups().is_empty())
}

fn world_bytes(stage: &Stage) -> Vec<u8> {
    fs::read(stage.world().join("world.json")).expect("the world is stored")
}

/// One call of a JSON service, straight to the stored world.
fn edit_live(stage: &Stage, service: &str, target: &str, body: &str) {
    let sandbox = stage.open_world();
    let request = json_request(
        "127.0.0.1",
        target,
        ("us-east-1", service),
        body,
        sandbox.now(),
    );
    let outcome = sandbox.deliver(&request);
    let text = format!("{outcome:?}");
    assert!(text.contains("status: 200"), "{target}: {text}");
}

#[test]
fn five_errors_are_told_at_once_with_line_and_column() {
    let stage = Stage::new();
    let text = "version = 1\ndomain = \"-bad-.example\"\naccount = \"12345\"\ncolour = \"red\"\n\n\
                [logs]\nretention-days = 31\n\n[dnssec]\nenabled = \"yes\"\n";
    let path = stage.write("stack.toml", text);
    for command in ["validate", "plan", "apply", "destroy", "ds"] {
        let finished = refused(stage.run([command]).arg(&path), 1, &["5 problems"]);
        for place in [":2:10", ":3:11", ":4:1", ":7:18", ":10:11"] {
            let place = format!("stack.toml{place}");
            assert!(
                finished.stderr.contains(&place),
                "{command}: nothing at {place}: {}",
                finished.tell()
            );
        }
        assert_eq!(finished.stdout, "", "{command}");
    }
}

#[test]
fn documents_that_can_not_be_read_are_named() {
    let stage = Stage::new();
    let missing = stage.path("missing.toml");
    refused(
        stage.run(["plan"]).arg(&missing),
        1,
        &["missing.toml", "No such file"],
    );
    let folder = stage.path("folder.toml");
    fs::create_dir(&folder).expect("the stage can be written");
    refused(
        stage.run(["plan"]).arg(&folder),
        1,
        &["folder.toml", "directory"],
    );
    let bytes = stage.write("bytes.toml", b"version = 1\ndomain = \"\xff\xfe\"\n");
    refused(stage.run(["plan"]).arg(&bytes), 1, &["bytes.toml", "UTF-8"]);
    let closed = stage.write("closed.toml", DOCUMENT);
    let open = Command::new("chmod").arg("000").arg(&closed).status();
    assert!(open.is_ok_and(|status| status.success()));
    if fs::read(&closed).is_err() {
        refused(
            stage.run(["plan"]).arg(&closed),
            1,
            &["closed.toml", "Permission denied"],
        );
    }
    // Nothing of this asked for a world.
    assert!(!stage.world().exists());
}

/// An endpoint that nobody listens at.
fn closed_endpoint() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
    let address = listener.local_addr().expect("it has an address");
    format!("http://{address}")
}

fn with_keys(run: Run, endpoint: &str, id: &str, secret: &str) -> Run {
    run.env("AWS_ENDPOINT_URL", endpoint)
        .env("AWS_ACCESS_KEY_ID", id)
        .env("AWS_SECRET_ACCESS_KEY", secret)
        .env("AWS_EC2_METADATA_DISABLED", "true")
}

#[test]
fn missing_credentials_and_a_dead_endpoint_are_told_apart() {
    let stage = Stage::new();
    let endpoint = closed_endpoint();
    let plan = || stage.run(["plan"]).arg(stage.document());
    let without = plan()
        .env("AWS_ENDPOINT_URL", &endpoint)
        .env("AWS_EC2_METADATA_DISABLED", "true");
    let told = refused(
        without,
        1,
        &["no usable credentials", "AWS_PROFILE", "--sandbox"],
    );
    assert_eq!(told.stdout, "");
    let told = refused(
        with_keys(plan(), &endpoint, "test", "test"),
        1,
        &["could not be reached"],
    );
    assert_eq!(told.stdout, "");
}

#[test]
fn wrong_expired_and_foreign_credentials_are_refused_before_anything_is_shown() {
    let stage = Stage::new();
    let server = Served::start(&stage);
    let plan = || stage.run(["plan"]).arg(stage.document());
    let apply = || stage.run(["apply", "--yes"]).arg(stage.document());

    let other = "966362334030";
    let words = [
        "belong to account 966362334030",
        "123456789012",
        "nothing was written",
    ];
    for run in [plan(), apply()] {
        let told = refused(with_keys(run, &server.url, other, "test"), 1, &words);
        assert_eq!(told.stdout, "", "the account guard comes first");
    }
    let words = ["no usable credentials"];
    refused(
        with_keys(plan(), &server.url, "AKIAUNKNOWN", "wrong"),
        1,
        &words,
    );

    let answer = call(
        &server.address(),
        "Action=GetSessionToken&Version=2011-06-15",
    )
    .expect("STS answers");
    let field = |name: &str| {
        let (_, rest) = answer
            .split_once(&format!("<{name}>"))
            .expect("the field is there");
        rest.split_once('<').expect("it ends").0.to_owned()
    };
    let session = |run: Run| {
        with_keys(
            run,
            &server.url,
            &field("AccessKeyId"),
            &field("SecretAccessKey"),
        )
        .env("AWS_SESSION_TOKEN", field("SessionToken"))
    };
    session(plan())
        .done("plan in the session")
        .expect("a session works");
    let sandbox = format!("--sandbox={}", stage.world().display());
    let advance = stage.run(["sandbox", "advance", "2d"]).arg(&sandbox);
    advance
        .done("advance")
        .expect("a served clock can be moved");
    for run in [plan(), apply()] {
        let told = refused(session(run), 1, &["have expired", "log in again"]);
        assert_eq!(told.stdout, "");
    }
    let live = stage.live().expect("stored");
    assert!(
        live.log_groups().is_empty() && live.zones(DOMAIN).is_empty(),
        "something was made"
    );
}

/// A process that can not write as much as the world needs: the write is not claimed, and the world is
/// the one before, byte for byte.
#[test]
fn a_full_disk_loses_nothing() {
    let fresh = Stage::new();
    let full = applied();
    let before = world_bytes(&full);
    for (stage, command) in [(&fresh, "apply"), (&full, "destroy")] {
        // Blocks of 512 bytes. Without the trap the signal, not the error, would end the process.
        let shell = stage
            .program(Path::new("/bin/sh"))
            .arg("-c")
            .arg("trap '' XFSZ; ulimit -f 1; exec \"$@\"")
            .arg("sh")
            .arg(binary::path())
            .arg(command)
            .arg("--yes")
            .arg(stage.document())
            .arg(format!("--sandbox={}", stage.world().display()));
        refused(shell, 1, &["cannot write", "world.json", "not made"]);
    }
    assert_eq!(world_bytes(&full), before);
    assert!(
        !fresh.world().join("world.json").exists(),
        "a first world that was not stored"
    );
    full.is_converged().expect("the world still works");
    fresh
        .apply()
        .done("apply with room")
        .expect("the next apply works");
    fresh.is_converged().expect("and converges");
}

#[test]
fn a_folder_in_use_is_waited_for_and_its_holder_named() {
    let stage = Stage::new();
    let held = Store::open(&stage.world()).expect("nobody holds it yet");
    // Somebody who lets go in time is waited for.
    let child = stage.plan().spawn();
    thread::sleep(Duration::from_secs(1));
    drop(held);
    let ended = Finished::of(child.wait_with_output().expect("it can be waited for"));
    assert_eq!(ended.code, Some(2), "{}", ended.tell());

    let _held = Store::open(&stage.world()).expect("nobody holds it any more");
    let start = Instant::now();
    let holder = format!("process {}", std::process::id());
    refused(stage.plan(), 1, &["in use", &holder, "world"]);
    let waited = start.elapsed();
    assert!(
        waited >= Duration::from_secs(29),
        "it gave up after {waited:?}"
    );
}

#[test]
fn a_damaged_world_is_left_alone_until_it_is_reset() {
    let stage = applied();
    let whole = world_bytes(&stage);
    let sandbox = format!("--sandbox={}", stage.world().display());
    for damaged in [
        &whole[..whole.len() / 2],
        b"",
        b"{}",
        b"\0\0\0\0",
        b"{\"version\": 99}",
    ] {
        fs::write(stage.world().join("world.json"), damaged).expect("it can be damaged");
        for run in [stage.plan(), stage.apply(), stage.destroy()] {
            refused(run, 1, &["world.json", "sandbox reset"]);
            assert_eq!(world_bytes(&stage), damaged, "the damaged file was touched");
        }
    }
    let reset = || stage.run(["sandbox", "reset"]).arg(&sandbox);
    reset().done("reset").expect("a damaged world can be reset");
    stage
        .plan()
        .exits(2, "a plan afterwards")
        .expect("the world is a new one");
    stage.apply().done("apply").expect("the new world works");
}

#[test]
fn plan_files_are_carried_out_as_they_were_approved_or_not_at_all() {
    let stage = Stage::new();
    let file = stage.path("approved.plan");
    let save = || {
        let out = format!("--out={}", file.display());
        stage
            .on_world("plan", &[&out])
            .done("plan --out")
            .expect("a plan can be saved");
    };
    let sandbox = format!("--sandbox={}", stage.world().display());
    let carry_out = || stage.run(["apply"]).arg(&file).arg(&sandbox);
    save();
    let text = fs::read_to_string(&file).expect("the plan file is there");

    for (was, is, word) in [
        ("3653", "1", "altered"),
        ("\"seal\": \"", "\"seal\": \"0", "altered"),
        (
            "\"tool_version\": \"",
            "\"tool_version\": \"9.",
            "written by spore-infra 9.",
        ),
        ("{", "{\"steps_too\": ", "not a plan file"),
    ] {
        assert!(text.contains(was), "{was} is in the plan file");
        fs::write(&file, text.replacen(was, is, 1)).expect("the plan file can be altered");
        refused(carry_out(), 1, &["approved.plan", word]);
    }
    fs::write(&file, "{").expect("the plan file can be torn");
    refused(carry_out(), 1, &["approved.plan", "not a plan file"]);
    fs::write(&file, &text).expect("the plan file can be restored");

    stage.write("stack.toml", format!("{DOCUMENT}\n# another word\n"));
    refused(
        carry_out(),
        1,
        &["stack.toml", "changed since it was planned", "plan again"],
    );
    stage.write("stack.toml", DOCUMENT);
    assert!(!was_begun(&stage), "something was made");

    // Dead half way, the same file goes on.
    carry_out()
        .fault("crash-after:24")
        .dies("apply FILE")
        .expect("it dies");
    carry_out()
        .done("apply FILE again")
        .expect("the file is resumed");
    stage.is_converged().expect("and converges");
    carry_out()
        .done("apply FILE once more")
        .expect("nothing is left to be done");

    // Another's hand after the plan: told by attribute, and not overwritten.
    let group = format!("/spore-infra/{DOMAIN}");
    let key = stage.live().expect("stored").usable_keys()[0]["id"]
        .as_str()
        .unwrap_or_default()
        .to_owned();
    let shorter = format!("{{\"logGroupName\":\"{group}\",\"retentionInDays\":7}}");
    edit_live(&stage, "logs", "Logs_20140328.PutRetentionPolicy", &shorter);
    save();
    edit_live(
        &stage,
        "kms",
        "TrentService.DisableKey",
        &format!("{{\"KeyId\":\"{key}\"}}"),
    );
    let before = world_bytes(&stage);
    let words = [
        "moved since the plan was made",
        "kms_key/ksk",
        "Enabled",
        "Disabled",
        "plan again",
    ];
    refused(carry_out(), 1, &words);
    assert_eq!(world_bytes(&stage), before, "nothing was written");
}

#[test]
fn nothing_is_asked_without_a_terminal() {
    let stage = Stage::new();
    refused(stage.on_world("apply", &[]), 1, &["no terminal", "--yes"]);
    assert!(!was_begun(&stage), "something was made");
    stage.apply().done("apply").expect("with --yes it works");
    let before = world_bytes(&stage);
    refused(stage.on_world("destroy", &[]), 1, &["no terminal", "--yes"]);
    assert_eq!(world_bytes(&stage), before);
}

#[test]
fn the_one_document_is_found_and_none_is_overwritten() {
    let stage = Stage::new();
    let work = stage.path("checkout");
    fs::create_dir(&work).expect("the stage can be written");
    let here = |run: Run| {
        run.with(|command| {
            command.current_dir(&work);
        })
    };
    refused(
        here(stage.run(["validate"])),
        1,
        &["no stack document", "init"],
    );
    let init = |domain: &str| here(stage.run(["init", domain, "--account", "123456789012"]));
    init(DOMAIN)
        .done("init")
        .expect("a document can be written");
    here(stage.run(["validate"]))
        .done("validate")
        .expect("the only one is found");
    let path = work.join(format!("plans/{DOMAIN}.toml"));
    fs::write(&path, "mine").expect("it can be edited");
    refused(init(DOMAIN), 1, &["exists already"]);
    assert_eq!(fs::read(&path).expect("it is there"), b"mine");
    init("other.example.edu")
        .done("init")
        .expect("a second document can be written");
    let words = [
        "several",
        "plans/other.example.edu.toml",
        "plans/spore.example.edu.toml",
    ];
    refused(here(stage.run(["plan"])), 1, &words);
    for wrong in ["nodots", "exa mple.edu"] {
        refused(init(wrong), 1, &[wrong]);
    }
    refused(
        here(stage.run(["init", "a.example.edu", "--account", "12"])),
        1,
        &["--account", "12"],
    );
}

#[test]
fn usage_errors_are_errors_and_help_is_not() {
    let stage = Stage::new();
    refused(stage.run(["aply"]), 1, &["aply", "apply"]);
    refused(stage.run(["plan", "--frobnicate"]), 1, &["--frobnicate"]);
    refused(
        stage.run(["apply", "--wait", "soon"]),
        1,
        &["soon", "is not a duration"],
    );
    refused(stage.run::<&str>([]), 1, &["Usage"]);
    let faulty = stage.plan().fault("crash-sometimes:3");
    refused(faulty, 1, &["SPORE_SANDBOX_FAULT", "crash-sometimes"]);
    let help = stage
        .run(["--help"])
        .done("--help")
        .expect("help is a result");
    assert!(help.stdout.contains("Usage"));
}

#[test]
fn a_reader_who_leaves_is_no_error() {
    let stage = applied();
    for command in ["plan", "ds"] {
        let mut child = stage.on_world(command, &[]).spawn();
        drop(child.stdout.take());
        let ended = Finished::of(child.wait_with_output().expect("it can be waited for"));
        assert_eq!(ended.code, Some(0), "{}", ended.tell());
        assert!(!ended.stderr.contains("panicked"), "{}", ended.tell());
    }
}

#[test]
fn pipes_and_no_color_carry_no_escape_codes() {
    let stage = Stage::new();
    let bad = stage.write("bad.toml", "version = 1\ncolour = 1\n");
    let runs = [
        stage.plan().exits(2, "plan"),
        stage
            .plan()
            .env("NO_COLOR", "1")
            .env("TERM", "xterm-256color")
            .exits(2, "plan"),
        stage.apply().done("apply"),
        stage.destroy().fault("fail:20:AccessDenied").end(),
        stage.run(["validate"]).arg(&bad).exits(1, "validate"),
    ];
    for run in runs {
        let ended = run.expect("the right exit code");
        assert!(!ended.stdout.contains('\x1b'), "{}", ended.stdout);
        assert!(!ended.stderr.contains('\x1b'), "{}", ended.stderr);
    }
}

#[test]
fn an_interrupted_apply_gives_its_lock_back_and_is_continued() {
    let stage = Stage::new();
    let _server = Served::start(&stage);
    let child = stage.apply().spawn();
    let lock = format!("/spore-infra/{DOMAIN}/lock");
    // It is interrupted once it has made its zone and waits for the name servers.
    let start = Instant::now();
    loop {
        let live = stage.live().ok();
        if live.is_some_and(|live| {
            live.log_groups().contains(&lock.as_str()) && !live.zones(DOMAIN).is_empty()
        }) {
            break;
        }
        assert!(
            start.elapsed() < Duration::from_secs(30),
            "apply does not begin"
        );
        thread::sleep(Duration::from_millis(5));
    }
    let pid = child.id().to_string();
    let status = Command::new("kill").args(["-INT", &pid]).status();
    assert!(status.is_ok_and(|status| status.success()), "kill -INT");
    let ended = Finished::of(child.wait_with_output().expect("it can be waited for"));
    assert_eq!(ended.code, Some(130), "{}", ended.tell());
    assert!(
        ended.stderr.contains("the next apply continues"),
        "{}",
        ended.tell()
    );
    stage
        .apply()
        .done("apply")
        .expect("the next apply continues");
    stage
        .live()
        .expect("stored")
        .is_converged(DOMAIN)
        .expect("and converges");
}

/// Under another region or other names nothing of the stack would be found, and all of it would be made once more.
#[test]
fn a_stack_is_not_made_twice_under_other_names() {
    let stage = Stage::new();
    stage.apply().done("apply").expect("applies");
    let lines = stage.path("record.jsonl");
    for (more, said) in [
        (
            "region = \"eu-central-1\"\n",
            "region us-east-1, not eu-central-1",
        ),
        ("[names]\nprefix = \"other\"\n", "prefix spore, not other"),
        ("[updater]\nname = \"other\"\n", "updater, not other"),
        ("[iam]\nupdater-role = \"other\"\n", "updater, not other"),
    ] {
        stage.write("stack.toml", format!("{DOCUMENT}{more}"));
        for (run, code) in [(stage.plan(), 1), (stage.apply(), 1), (stage.destroy(), 4)] {
            let run = run.env("SPORE_RECORD", &lines);
            let told = run.exits(code, more).expect("is refused").tell();
            assert!(
                told.contains(said) && told.contains("spore:names"),
                "{told}"
            );
        }
    }
    let wrote = record(&lines).iter().any(|line| line["wrote"] == true);
    assert!(!wrote, "nothing is written");
    stage.write("stack.toml", DOCUMENT);
    stage.is_converged().expect("nothing has changed");
}

/// In us-east-1 the query log is encrypted with the stack's key, as every other group is.
#[test]
fn query_logs_are_encrypted_with_the_others() {
    let stage = Stage::new();
    stage.write("stack.toml", format!("{DOCUMENT}[logs]\nqueries = true\n"));
    stage.apply().done("apply").expect("applies");
    let again = stage.plan().exits(0, "plan").expect("plans").stdout;
    assert!(again.contains("No changes"), "{again}");
    stage.write("stack.toml", DOCUMENT);
    stage.apply().done("apply").expect("goes back");
}

/// Who reads the lines of `--json` hears of every end, also of a run that comes to no plan.
#[test]
fn a_run_that_comes_to_no_plan_has_a_last_line_too() {
    let stage = Stage::new();
    let wrong = stage.write("wrong.toml", "version = 1\ncolour = \"red\"\n");
    let sandbox = format!("--sandbox={}", stage.world().display());
    let run = |command: &str, document: &Path, more: &str| {
        let run = stage.run([command]).arg(document);
        run.arg("--json").arg("--yes").arg(more)
    };
    let missing = stage.path("missing.toml");
    let right = stage.document();
    let no_folder = format!("--sandbox={}", right.display());
    let records = stage.write("records.zone", "a A 1.2.3\nb TXT\n");
    let restore = |document: &Path| {
        let run = stage.run(["restore"]).arg(document).arg(&records);
        run.arg("--json").arg("--yes").arg(&sandbox)
    };
    let sweep = |document: &Path| {
        let run = stage.run(["names", "sweep"]).arg(document);
        run.arg("--json").arg("--yes").arg(&sandbox)
    };
    for (run, words) in [
        (
            run("apply", &wrong, &sandbox),
            "the stack document cannot be used",
        ),
        (
            run("destroy", &wrong, &sandbox),
            "the stack document cannot be used",
        ),
        (run("apply", &missing, &sandbox), "missing.toml"),
        (run("apply", &right, &no_folder), "stack.toml"),
        (restore(&wrong), "the stack document cannot be used"),
        (
            restore(&right),
            "records.zone: 2 problems; nothing was done",
        ),
        (sweep(&wrong), "the stack document cannot be used"),
        (sweep(&right), "there is no zone"),
    ] {
        let ended = run.exits(1, "the command").expect("the right exit code");
        let last = ended.stdout.lines().last().unwrap_or_default();
        let line: serde_json::Value = serde_json::from_str(last).unwrap_or_default();
        assert_eq!(line["type"], "ended", "{}", ended.tell());
        assert_eq!(
            (&line["outcome"], &line["exit"]),
            (&"error".into(), &1.into())
        );
        let why = line["why"].as_str().unwrap_or_default();
        assert!(why.contains(words), "{}", ended.tell());
        assert_eq!(ended.stdout.lines().count(), 1, "{}", ended.tell());
    }
}

/// A document names its accounts file as it stands beside it, from wherever the command is given.
#[test]
fn an_accounts_file_is_found_beside_its_document() {
    let stage = Stage::new();
    fs::create_dir(stage.path("plans")).expect("makes a folder");
    stage.write(
        "plans/accounts.json",
        r#"{"Accounts": [{"Id": "210987654321", "Status": "ACTIVE"}]}"#,
    );
    let text = format!("{DOCUMENT}[updater]\naccounts-file = \"accounts.json\"\n");
    stage.write("plans/stack.toml", text);
    let root = stage.document();
    let root = root.parent().expect("a folder").to_owned();
    let run = stage.run(["validate", "plans/stack.toml"]);
    run.with(move |command| {
        command.current_dir(root);
    })
    .done("validate")
    .expect("is valid");
}

/// What a plan is written over has to be a plan, and what is a plan is no document.
#[test]
fn a_plan_takes_the_place_of_plans_only() {
    let stage = Stage::new();
    let document = stage.document();
    let before = fs::read(&document).expect("reads");
    let beside = stage.write("plan.tmp", "somebody's");
    let sandbox = format!("--sandbox={}", stage.world().display());
    let plan = |out: &Path| {
        let run = stage.run(["plan"]).arg(&document).arg(&sandbox);
        run.arg("--out").arg(out)
    };
    let said = plan(&document).exits(1, "plan over the document");
    let said = said.expect("is refused").stderr;
    assert!(
        said.contains("is no plan file; it is left as it is"),
        "{said}"
    );
    assert_eq!(fs::read(&document).expect("reads"), before);
    let out = stage.path("plan.json");
    for _ in 0..2 {
        plan(&out).exits(0, "plan").expect("a plan replaces a plan");
    }
    assert_eq!(fs::read_to_string(&beside).expect("reads"), "somebody's");
    let said = stage.run(["validate"]).arg(&out);
    let said = said.exits(1, "validate a plan").expect("is refused").stderr;
    assert!(said.contains("`spore-infra apply"), "{said}");
    assert!(said.lines().count() < 3, "{said}");
}

/// What does not get to stdout is not written: a backup that lacks its end is none.
#[test]
fn a_full_disk_behind_stdout_is_an_error() {
    let stage = Stage::new();
    let full = |command: String| {
        let line = format!("exec '{}' {command} > /dev/full", binary::path().display());
        let run = stage.program(Path::new("/bin/sh")).arg("-c").arg(line);
        run.exits(1, "into a full disk").expect("fails").stderr
    };
    let document = stage.document();
    let said = full(format!("policy operator '{}'", document.display()));
    assert!(said.contains("stdout could not be written"), "{said}");
    let world = stage.world();
    let said = full(format!(
        "plan --json '{}' --sandbox='{}'",
        document.display(),
        world.display()
    ));
    assert!(said.contains("stdout could not be written"), "{said}");
}

/// CI systems set what they have no value for to nothing.
#[test]
fn variables_that_are_set_to_nothing_are_not_set() {
    let stage = Stage::new();
    let plan = |name: &str| stage.on_world("plan", &[]).env(name, "");
    for name in ["AWS_ENDPOINT_URL", "SPORE_SANDBOX"] {
        plan(name).exits(0, name).expect("plans");
    }
    let real = |url: &str| {
        let run = stage.run(["plan"]).arg(stage.document());
        let run = run.env("AWS_ENDPOINT_URL", url).env("AWS_PROFILE", "nope");
        run.exits(1, "plan without credentials")
            .expect("fails")
            .stderr
    };
    let said = real("");
    assert!(said.contains("profile \"nope\""), "{said}");
    let said = real("nonsense");
    assert!(said.contains("no http or https URL"), "{said}");
}

/// The page of the program refers to those of its commands; policies make their folder, and take no id that is none.
#[test]
fn pages_and_policies_are_written_into_folders() {
    let stage = Stage::new();
    let pages = stage.path("man");
    let run = stage.run(["man", "--out"]).arg(&pages);
    run.done("man").expect("writes the pages");
    let read = |name: &str| fs::read_to_string(pages.join(name)).expect("a page");
    let whole = read("spore-infra.1").replace('\\', "");
    let referred = regex_lite::Regex::new(r"(spore-infra-[a-z-]+)\(1\)").expect("is one");
    let named: Vec<&str> = referred
        .captures_iter(&whole)
        .filter_map(|found| Some(found.get(1)?.as_str()))
        .collect();
    assert!(named.len() > 15, "{named:?}");
    for name in named.iter().filter(|name| !name.ends_with("-help")) {
        assert!(read(&format!("{name}.1")).contains("SYNOPSIS"), "{name}");
    }
    let policy = || stage.run(["policy", "operator"]).arg(stage.document());
    let folder = stage.path("policies/of/ours");
    policy()
        .arg("--out")
        .arg(&folder)
        .done("policy")
        .expect("makes the folder");
    assert!(folder.join("operator-1.json").exists());
    for id in ["foo bar", "*", ""] {
        let run = policy().arg("--zone-id").arg(id);
        let said = run.exits(1, id).expect("is refused").stderr;
        assert!(said.contains("is no id of a hosted zone"), "{said}");
    }
}
