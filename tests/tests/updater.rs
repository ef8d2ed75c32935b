//! Proves that the updater's zip is what it promises: the same bytes from any folder, home and cargo
//! configuration; two files, nothing else; an executable that Lambda could not start, that is damaged
//! or that is not the locked one is refused; and the executable really polls Lambda's Runtime API.
//!
//! The updater is compiled twice: in the checkout, where `tests/run` has done so already, and in a copy
//! of the sources in another folder with another home and settings. Once for all tests of this file.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "updater/runtime_api.rs"]
mod runtime_api;

use std::collections::BTreeMap;
use std::env;
use std::ffi::OsString;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

use serde_json::Value;
use spore_infra::stack::{self, Architecture, Stack};
use spore_infra::updater::{self, Bootstrap, Glibc, Host, Origin, UpdaterSource};
use spore_tests::stage::Stage;
use tempfile::TempDir;

use runtime_api::RuntimeApi;

const ZONE_ID: &str = "Z0123456789ABCDEFGHIJ";

/// This machine's processor: no other can be compiled for or run here.
fn own() -> Architecture {
    match env::consts::ARCH {
        "aarch64" => Architecture::Arm64,
        _ => Architecture::X86_64,
    }
}

/// Settings that users have, each of which would change the bytes or fail.
const SETTINGS: &str = "[build]\n\
    rustflags = [\"-C\", \"debuginfo=2\"]\n\
    rustc-wrapper = \"no-such-wrapper\"\n\
    [target.'cfg(unix)']\n\
    rustflags = [\"-C\", \"opt-level=1\"]\n\
    [target.x86_64-unknown-linux-gnu]\n\
    linker = \"no-such-linker\"\n\
    [target.aarch64-unknown-linux-gnu]\n\
    linker = \"no-such-linker\"\n\
    [profile.release]\n\
    debug = 2\n\
    [profile.updater]\n\
    opt-level = 3\n";

/// Two compilations that share nothing but the downloaded crates: the checkout's, and another one's.
struct Twice {
    there: Sources,
    bootstraps: [Bootstrap; 2],
}

/// A copy of the sources, with a home of its own.
struct Sources {
    dir: TempDir,
    source: UpdaterSource,
}

fn twice() -> &'static Twice {
    static BUILT: OnceLock<Twice> = OnceLock::new();
    BUILT.get_or_init(|| {
        let variable = |name| Some((name, env::var_os(name)?));
        let names = ["PATH", "HOME", "CARGO_HOME", "RUSTUP_HOME"];
        let host = Host {
            executable: None,
            directory: checkout().join("lambda/src"),
            variables: names.into_iter().filter_map(variable).collect(),
        };
        let here = UpdaterSource::new(host, own()).build().unwrap();
        // A user's own settings must change nothing.
        let there = Sources::new("a-longer/path/to/the/sources", SETTINGS);
        // Nothing is there before it was compiled, and a plan compiles nothing.
        assert_eq!(there.source.found().unwrap(), None);
        let bootstraps = [here, there.source.build().unwrap()];
        Twice { there, bootstraps }
    })
}

fn bootstrap() -> &'static Bootstrap {
    &twice().bootstraps[0]
}

fn checkout() -> PathBuf {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    root.canonicalize().unwrap()
}

impl Sources {
    fn new(name: &str, cargo_settings: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join(name);
        copy(&checkout(), &root);
        let home = dir.path().join("home");
        // Crates that were downloaded are shared, so that no network is needed; by another path.
        let cargo_home = home.join("crates");
        fs::create_dir_all(&cargo_home).unwrap();
        let own_home = PathBuf::from(env::var_os("HOME").unwrap());
        let at =
            |variable, folder| env::var_os(variable).map_or(own_home.join(folder), PathBuf::from);
        symlink(
            at("CARGO_HOME", ".cargo").join("registry"),
            cargo_home.join("registry"),
        )
        .unwrap();
        fs::write(cargo_home.join("config.toml"), cargo_settings).unwrap();
        let variables = BTreeMap::from([
            ("PATH", env::var_os("PATH").unwrap()),
            ("HOME", home.into_os_string()),
            ("CARGO_HOME", cargo_home.into_os_string()),
            ("RUSTUP_HOME", at("RUSTUP_HOME", ".rustup").into_os_string()),
            ("CARGO_NET_OFFLINE", OsString::from("true")),
        ]);
        let host = Host {
            executable: None,
            directory: root.join("lambda/src"),
            variables,
        };
        Self {
            dir,
            source: UpdaterSource::new(host, own()),
        }
    }
}

/// What git would give, without asking git: the judge also runs where there is none.
fn copy(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        let is_ignored = name.starts_with("target")
            || [".git", ".spore", ".venv", "__pycache__"].contains(&name.as_str());
        if is_ignored {
            continue;
        }
        if entry.file_type().unwrap().is_dir() {
            copy(&entry.path(), &to.join(name));
        } else {
            fs::copy(entry.path(), to.join(name)).unwrap();
        }
    }
}

/// The stack document of the stage, for a processor that can be compiled for here.
fn document() -> String {
    let domain = "version = 1\ndomain = \"spore.example.edu\"\naccount = \"123456789012\"\n";
    let architecture = updater::word(own());
    format!("{domain}[updater]\narchitecture = \"{architecture}\"\n")
}

fn parsed(document: &str) -> Stack {
    let none = |_: &Path| Err(std::io::Error::from(std::io::ErrorKind::NotFound));
    stack::parse("stack.toml", document, &none).unwrap()
}

/// A stage with that document and a zip made of a changed bootstrap.
fn stage_with(change: impl FnOnce(&mut Vec<u8>)) -> Stage {
    let stage = Stage::new();
    stage.write("stack.toml", document());
    let mut changed = bootstrap().executable().unwrap();
    change(&mut changed);
    let zip = updater::bare(&changed).unwrap();
    stage.write("updater.zip", zip.bytes);
    stage
}

/// `updater build` with the stage's zip; its exit code is judged, its words are given back.
fn build(stage: &Stage, code: i32, more: &[&str]) -> String {
    let run = stage
        .run(["updater", "build"])
        .arg(stage.document())
        .arg("--updater-zip")
        .arg(stage.path("updater.zip"));
    let run = more.iter().fold(run, |run, argument| run.arg(argument));
    let finished = run.exits(code, "updater build").unwrap();
    format!("{}{}", finished.stdout, finished.stderr)
}

/// Replaces a text in an executable by one of the same length.
fn replace(bytes: &mut [u8], from: &str, to: &str) {
    assert_eq!(from.len(), to.len());
    let found: Vec<usize> = (0..bytes.len() - from.len())
        .filter(|at| bytes[*at..].starts_with(from.as_bytes()))
        .collect();
    assert!(!found.is_empty(), "{from:?} is not there");
    for at in found {
        bytes[at..at + to.len()].copy_from_slice(to.as_bytes());
    }
}

#[test]
fn two_folders_and_two_homes_give_the_same_bytes() {
    let twice = twice();
    let [here, there] = &twice.bootstraps;
    assert_eq!(here.sha256, there.sha256);
    let executable = here.executable().unwrap();
    assert_eq!(executable, there.executable().unwrap());
    let config = updater::config(&parsed(&document())).json(ZONE_ID);
    let zips = [here, there].map(|one| updater::package(one, &config).unwrap());
    assert_eq!(zips[0], zips[1]);
    // Small enough to start quickly.
    assert!(zips[0].bytes.len() <= 1_500_000, "{}", zips[0].bytes.len());
    // Nothing in it tells where it was built.
    for folder in [&checkout(), twice.there.dir.path()] {
        let folder = folder.to_str().unwrap();
        let is_named = executable
            .windows(folder.len())
            .any(|part| part == folder.as_bytes());
        assert!(!is_named, "{folder} is named in the executable");
    }
    assert!(here.image.glibc <= Some(Glibc(2, 34)));
}

#[test]
fn what_was_compiled_is_found_again_until_a_source_changes() {
    let copy = Sources::new("sources", "");
    bootstrap();
    let kept = "target/updater/built";
    let root = copy.dir.path().join("sources");
    fs::create_dir_all(root.join("target/updater")).unwrap();
    symlink(checkout().join(kept), root.join(kept)).unwrap();
    let found = copy.source.found().unwrap().unwrap();
    assert_eq!(found.sha256, bootstrap().sha256);
    assert!(matches!(found.origin, Origin::Checkout { .. }));
    // The provisioner's own sources are no sources of the updater's.
    fs::write(root.join("provisioner/src/lib.rs"), "//! Another.").unwrap();
    assert!(copy.source.found().unwrap().is_some());
    fs::write(root.join("lambda/src/lib.rs"), "//! Another.").unwrap();
    assert_eq!(copy.source.found().unwrap(), None);
}

#[test]
fn the_zip_holds_two_files_with_fixed_times_and_permissions() {
    let config = updater::config(&parsed(&document())).json(ZONE_ID);
    let zip = updater::package(bootstrap(), &config).unwrap();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("updater.zip");
    fs::write(&path, &zip.bytes).unwrap();
    // Another reader of zips than the one that wrote it.
    let script = "import sys, zipfile, hashlib, base64\n\
        with zipfile.ZipFile(sys.argv[1]) as z:\n    \
            assert z.testzip() is None\n    \
            for f in z.infolist():\n        \
                print(f.filename, oct(f.external_attr >> 16), *f.date_time, f.compress_type, \
                      hashlib.sha256(z.read(f)).hexdigest())\n\
        whole = hashlib.sha256(open(sys.argv[1], 'rb').read())\n\
        print(whole.hexdigest(), base64.b64encode(whole.digest()).decode())";
    let read = Command::new("python3")
        .args(["-c", script])
        .arg(&path)
        .output()
        .unwrap();
    assert!(
        read.status.success(),
        "{}",
        String::from_utf8_lossy(&read.stderr)
    );
    let said = String::from_utf8(read.stdout).unwrap();
    let lines: Vec<&str> = said.lines().collect();
    let [first, second, whole] = lines[..] else {
        panic!("{said}");
    };
    let digest = &bootstrap().sha256;
    assert_eq!(
        first,
        format!("bootstrap 0o100755 1980 1 1 0 0 0 8 {digest}")
    );
    assert!(
        second.starts_with("spore.json 0o100644 1980 1 1 0 0 0 8 "),
        "{second}"
    );
    assert_eq!(whole, format!("{} {}", zip.sha256_hex, zip.code_sha256));
}

#[test]
fn build_prints_digests_and_writes_the_zip_of_a_stack() {
    let stage = stage_with(|_| ());
    let out = stage.path("out.zip");
    let out_text = out.to_str().unwrap();
    let said = build(&stage, 0, &["--zone-id", ZONE_ID, "--out", out_text]);
    let config = updater::config(&parsed(&document())).json(ZONE_ID);
    let zip = updater::package(bootstrap(), &config).unwrap();
    assert_eq!(fs::read(out).unwrap(), zip.bytes);
    for fact in [
        ("sha256", &bootstrap().sha256),
        ("CodeSha256", &zip.code_sha256),
        ("zip sha256", &zip.sha256_hex),
    ] {
        let line = format!("{:<13} {}\n", fact.0, fact.1);
        assert!(said.contains(&line), "{line}{said}");
    }
}

#[test]
fn an_executable_that_lambda_could_not_start_is_refused() {
    let refused = |change: fn(&mut Vec<u8>), expected: &[&str]| {
        let said = build(&stage_with(change), 1, &[]);
        for part in expected.iter().chain(&["updater.zip: "]) {
            assert!(said.contains(part), "{part:?} is not said: {said}");
        }
    };
    // e_machine is at offset 18 (System V ABI, "ELF Header"); 40 is 32-bit ARM.
    refused(
        |bytes| bytes[18] = 40,
        &["is for processor 40", "architecture", "--updater-zip"],
    );
    let other: fn(&mut Vec<u8>) = match own() {
        Architecture::Arm64 => |bytes| bytes[18] = 62,
        Architecture::X86_64 => |bytes| bytes[18] = 183,
    };
    refused(other, &["the stack's function runs on", "--updater-zip"]);
    refused(|bytes| bytes.truncate(60), &["is not an executable"]);
    refused(
        |bytes| *bytes = b"#!/bin/sh\n".to_vec(),
        &["is not an executable"],
    );
    refused(
        |bytes| replace(bytes, "GLIBC_2.34\0", "GLIBC_2.38\0"),
        &["of GLIBC_2.38", "provided.al2023 has glibc 2.34"],
    );
    refused(
        |bytes| replace(bytes, "GLIBC_2.34\0", "GLIBC_9999\0"),
        &["of GLIBC_9999"],
    );
    refused(
        |bytes| replace(bytes, "libm.so.6\0", "libz.so.1\0"),
        &["needs libz.so.1"],
    );
}

#[test]
fn a_damaged_zip_is_refused() {
    let refused = |change: fn(&mut Vec<u8>), expected: &str| {
        let stage = stage_with(|_| ());
        let mut bytes = fs::read(stage.path("updater.zip")).unwrap();
        change(&mut bytes);
        stage.write("updater.zip", bytes);
        let said = build(&stage, 1, &[]);
        assert!(said.contains("updater.zip: "), "{said}");
        assert!(said.contains(expected), "{expected:?} is not said: {said}");
    };
    refused(|bytes| bytes.truncate(bytes.len() / 2), "is not a zip");
    refused(Vec::clear, "is not a zip");
    refused(
        |bytes| {
            let middle = bytes.len() / 2;
            bytes[middle] ^= 1;
        },
        "is damaged",
    );
    refused(
        |bytes| replace(bytes, "bootstrap", "bootstrop"),
        "holds \"bootstrop\"",
    );
    let stage = stage_with(|_| ());
    fs::remove_file(stage.path("updater.zip")).unwrap();
    assert!(build(&stage, 1, &[]).contains("updater.zip: No such file"));
}

#[test]
fn a_locked_stack_takes_no_other_bootstrap() {
    let stage = stage_with(|_| ());
    let said = build(&stage, 0, &["--lock"]);
    let lock = stage.path("stack.updater.lock");
    assert!(said.contains("stack.updater.lock"), "{said}");
    let text = fs::read_to_string(&lock).unwrap();
    assert!(text.contains(&bootstrap().sha256), "{text}");
    build(&stage, 0, &[]);
    // A byte that is only padding (System V ABI, EI_PAD): it still runs, and is not what was locked.
    let mut other = bootstrap().executable().unwrap();
    other[15] = 1;
    let other = Bootstrap::new(&other, Origin::Given("other".into()), own()).unwrap();
    stage.write("updater.zip", other.bare().bytes);
    let said = build(&stage, 1, &[]);
    for part in [
        &bootstrap().sha256,
        &other.sha256,
        "stack.updater.lock",
        "--lock",
    ] {
        assert!(said.contains(part), "{part:?} is not said: {said}");
    }
    // Locking again is how a new one is let in.
    build(&stage, 0, &["--lock"]);
    build(&stage, 0, &[]);
    // A lock that cannot be understood locks everything out.
    for (from, to) in [
        ("version = 1", "version = 2"),
        ("sha256 = \"", "sha256 = \"x"),
    ] {
        let text = fs::read_to_string(&lock).unwrap();
        assert!(text.contains(from), "{text}");
        stage.write("stack.updater.lock", text.replace(from, to));
        let said = build(&stage, 1, &[]);
        assert!(said.contains("stack.updater.lock"), "{said}");
        stage.write("stack.updater.lock", text);
    }
}

#[test]
fn without_zip_and_checkout_the_search_says_where_it_looked() {
    let empty = tempfile::tempdir().unwrap();
    let host = Host {
        executable: Some(empty.path().join("bin/spore-infra")),
        directory: empty.path().to_path_buf(),
        variables: BTreeMap::new(),
    };
    let source = UpdaterSource::new(host, own());
    let zip = format!("spore-updater-{}.zip", updater::word(own()));
    for said in [
        source.found().unwrap_err().to_string(),
        source.build().unwrap_err().to_string(),
    ] {
        assert!(
            said.contains(&zip) && said.contains("--updater-zip"),
            "{said}"
        );
    }
    // As releases ship it.
    fs::create_dir(empty.path().join("bin")).unwrap();
    let bare = bootstrap().bare();
    fs::write(empty.path().join("bin").join(zip), bare.bytes).unwrap();
    let found = source.found().unwrap().unwrap();
    assert_eq!(found.bare(), bootstrap().bare());
    assert!(matches!(found.origin, Origin::Release(_)));
}

#[test]
fn another_processor_cannot_be_compiled_for() {
    let other = match own() {
        Architecture::Arm64 => Architecture::X86_64,
        Architecture::X86_64 => Architecture::Arm64,
    };
    let checkout = Path::new(env!("CARGO_MANIFEST_DIR")).to_path_buf();
    let variables = spore_infra::updater::VARIABLES
        .into_iter()
        .filter_map(|name| Some((name, env::var_os(name)?)))
        .collect();
    let host = Host {
        executable: None,
        directory: checkout,
        variables,
    };
    let said = UpdaterSource::new(host, other)
        .found()
        .unwrap_err()
        .to_string();
    assert!(
        said.contains(updater::word(other)) && said.contains("--updater-zip"),
        "{said}"
    );
}

#[test]
fn the_updater_reads_what_the_provisioner_writes() {
    let everything = "version = 1\ndomain = \"spore.example.edu\"\naccount = \"123456789012\"\n\
        region = \"eu-central-1\"\n[contacts]\nowner = \"dns team\"\nsecurity = \"soc\"\n[updater]\n\
        accounts = [\"123456789012\", { id = \"210987654321\", label = \"lab\", \
        describe-role = \"arn:aws:iam::210987654321:role/describe\" }]\ndeny = [\"111111111111\"]\n\
        proofs = [\"instance-role\", \"identity-document\", \"iam-role\"]\n\
        roles = [\"arn:aws:iam::210987654321:role/ci\"]\nrecord-types = [\"A\", \"AAAA\", \"TXT\"]\n\
        ttl = \"5min\"\nlease = \"2 days\"\nquota = 7\nrate = \"3 per hour\"\nreserved = [\"vpn\"]\n\
        require-tag = \"team=dns\"\nprivate-cidrs = [\"10.1.0.0/16\"]\n";
    let config = updater::config(&parsed(everything)).json(ZONE_ID);
    let read: spore_updater::Config = config.parse().unwrap();
    use spore_updater::config::{Accounts, Naming, Proof, RecordType};
    assert_eq!(read.domain, "spore.example.edu");
    assert_eq!(read.zone_id, ZONE_ID);
    assert_eq!(read.account, "123456789012");
    assert_eq!(read.region, "eu-central-1");
    let Accounts::These(these) = &read.accounts else {
        panic!("{config}");
    };
    assert_eq!(these["123456789012"].label, None);
    assert_eq!(these["210987654321"].label.as_deref(), Some("lab"));
    let role = these["210987654321"].describe_role.as_deref();
    assert_eq!(role, Some("arn:aws:iam::210987654321:role/describe"));
    assert_eq!(read.deny, ["111111111111".to_owned()].into());
    let proofs = [Proof::InstanceRole, Proof::IdentityDocument, Proof::IamRole];
    assert_eq!(read.proofs, proofs.into());
    assert_eq!(
        read.roles,
        ["arn:aws:iam::210987654321:role/ci".to_owned()].into()
    );
    assert_eq!(read.naming, Naming::PerAccount);
    let types = [RecordType::A, RecordType::Aaaa, RecordType::Txt];
    assert_eq!(read.record_types, types.into());
    assert_eq!(
        (read.ttl_secs, read.lease_secs, read.quota),
        (300, 172_800, 7)
    );
    assert_eq!((read.rate.requests, read.rate.per_secs), (3, 3_600));
    assert_eq!(read.reserved, ["vpn".to_owned()].into());
    assert_eq!(
        (
            read.require_tag.key.as_str(),
            read.require_tag.value.as_str()
        ),
        ("team", "dns")
    );
    assert_eq!(
        read.private_cidrs
            .iter()
            .map(ToString::to_string)
            .collect::<Vec<_>>(),
        ["10.1.0.0/16"]
    );
    assert_eq!(read.contacts.owner.as_deref(), Some("dns team"));
    assert_eq!(read.contacts.security.as_deref(), Some("soc"));
    let any = document() + "accounts = [\"any\"]\n";
    let any: spore_updater::Config = updater::config(&parsed(&any))
        .json(ZONE_ID)
        .parse()
        .unwrap();
    assert_eq!(any.accounts, Accounts::Any);
    let flat = document() + "naming = \"flat\"\n";
    let flat: spore_updater::Config = updater::config(&parsed(&flat))
        .json(ZONE_ID)
        .parse()
        .unwrap();
    assert_eq!(flat.naming, Naming::Flat);
}

#[test]
fn the_bootstrap_polls_answers_and_logs() {
    let api = RuntimeApi::start(bootstrap());
    api.configure(&updater::config(&parsed(&document())).json(ZONE_ID));
    let event = |id: &str| {
        format!(
            "{{\"resource\": \"/update-dns\", \"path\": \"/update-dns\", \"httpMethod\": \"POST\", \
             \"headers\": {{\"X-Secret\": \"SECRET\"}}, \"requestContext\": {{\"requestId\": \"{id}\", \
             \"identity\": {{\"sourceIp\": \"192.0.2.1\"}}}}, \"body\": \"SECRET\", \
             \"isBase64Encoded\": false}}"
        )
    };
    // Two, so that it is seen to come back for the next.
    let ran = api.run(&[event("gateway-1"), event("gateway-2")]);
    assert_eq!(ran.posts.len(), 2, "{ran:?}");
    for (number, (path, answer)) in ran.posts.iter().enumerate() {
        let id = format!("gateway-{}", number + 1);
        assert_eq!(
            path,
            &format!("/2018-06-01/runtime/invocation/invocation-{number}/response")
        );
        let answer: Value = serde_json::from_str(answer).unwrap();
        assert_eq!(answer["statusCode"], 415);
        let body: Value = serde_json::from_str(answer["body"].as_str().unwrap()).unwrap();
        assert_eq!(
            (&body["success"], &body["code"]),
            (&Value::from(false), &Value::from("unsupported_media_type"))
        );
        assert_eq!(body["request_id"], Value::from(id.as_str()));
        let line: Value = serde_json::from_str(&ran.lines[number]).unwrap();
        assert_eq!(
            (&line["requestId"], &line["code"]),
            (&body["request_id"], &body["code"])
        );
        assert!(line["durationMs"].as_u64().is_some(), "{line}");
    }
    assert_eq!(ran.lines.len(), 2, "one line for each request: {ran:?}");
    assert!(!ran.lines.concat().contains("SECRET"), "{ran:?}");
}

#[test]
fn a_bad_configuration_is_an_error_of_initialisation_that_says_what_is_wrong() {
    let good = updater::config(&parsed(&document())).json(ZONE_ID);
    for (config, expected) in [
        (None, "spore.json: No such file"),
        (Some("{".to_owned()), "EOF"),
        (Some(good.replace(ZONE_ID, "")), "zone_id"),
        (
            Some(good.replace("\"version\": 1", "\"version\": 9")),
            "version 9",
        ),
    ] {
        let api = RuntimeApi::start(bootstrap());
        if let Some(config) = config {
            api.configure(&config);
        }
        let ran = api.run(&[]);
        let [(path, said)] = &ran.posts[..] else {
            panic!("{ran:?}");
        };
        assert_eq!(path, "/2018-06-01/runtime/init/error");
        let said: Value = serde_json::from_str(said).unwrap();
        let message = said["errorMessage"].as_str().unwrap();
        assert!(message.contains(expected), "{message}");
        assert_eq!(said["errorType"], "Updater.BadConfiguration");
        assert_eq!(ran.code, Some(1), "{ran:?}");
    }
}
