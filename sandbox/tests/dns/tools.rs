//! unbound's validator on the world's clock: it agrees with the judge at every turn.
//!
//! The world is served on loopback as a resolver; `val-override-date` takes unbound-host to the
//! simulated time, which the other tools cannot be taken to.
#![expect(clippy::unwrap_used, reason = "tests")]

use std::net::UdpSocket;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use serde_json::json;
use spore_sandbox::dns::verdict::Verdict;
use spore_sandbox::dns::{RegistrarAction, Transport};

use super::lab::{Lab, ZONE, name};

const DAY: u64 = 86_400;

/// Whether a tool is there; a test that is skipped says so. `tests/run` installs them, and sets
/// `SPORE_TESTS_ALL` so that nothing is skipped.
#[expect(clippy::print_stderr, reason = "a test that is skipped says so")]
fn installed(tool: &str) -> bool {
    let found = Command::new(tool).arg("-h").output().is_ok();
    assert!(
        found || std::env::var_os("SPORE_TESTS_ALL").is_none(),
        "{tool} is not installed"
    );
    if !found {
        eprintln!("skipped: {tool} is not installed");
    }
    found
}

/// What a tool prints while the world is served: `arguments` gets the port and a folder with the root's
/// trust anchor in both forms.
fn printed(
    lab: &Lab,
    tool: &str,
    arguments: impl FnOnce(u16, &std::path::Path) -> Vec<String>,
) -> String {
    let socket = UdpSocket::bind("127.0.0.1:0").unwrap();
    socket
        .set_read_timeout(Some(Duration::from_millis(20)))
        .unwrap();
    let port = socket.local_addr().unwrap().port();
    let folder = tempfile::tempdir().unwrap();
    let anchor = lab.world.root_anchor();
    std::fs::write(folder.path().join("root.key"), anchor.zone_file()).unwrap();
    std::fs::write(folder.path().join("bind.keys"), anchor.bind()).unwrap();
    let arguments = arguments(port, folder.path());

    let done = Arc::new(AtomicBool::new(false));
    let output = std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut buffer = [0; 4096];
            while !done.load(Ordering::Relaxed) {
                if let Ok((length, peer)) = socket.recv_from(&mut buffer) {
                    let query = &buffer[..length];
                    let answer = lab.world.resolve(lab.now, query, Transport::Datagram);
                    socket.send_to(&answer.unwrap(), peer).unwrap();
                }
            }
        });
        let output = Command::new(tool).args(arguments).output();
        done.store(true, Ordering::Relaxed);
        output.unwrap()
    });
    let (out, err) = (&output.stdout, &output.stderr);
    String::from_utf8_lossy(out).into_owned() + &String::from_utf8_lossy(err)
}

/// The verdict whose words a tool printed, the first that fits. Exit codes say nothing: 0 for bogus too.
fn found(text: &str, words: &[(&str, &'static str)]) -> &'static str {
    let word = words.iter().find(|(word, _)| text.contains(word));
    word.unwrap_or_else(|| panic!("no verdict in {text}")).1
}

/// What unbound-host says of a record; none without the tool.
fn unbound(lab: &Lab, owner: &str, rtype: &str) -> Option<&'static str> {
    if !installed("unbound-host") {
        return None;
    }
    let text = printed(lab, "unbound-host", |port, folder| {
        let date = lab.now.strftime("%Y%m%d%H%M%S");
        let config = format!(
            "server:\n  do-not-query-localhost: no\n  val-override-date: \"{date}\"\n  \
             module-config: \"validator iterator\"\n\
             forward-zone:\n  name: \".\"\n  forward-addr: 127.0.0.1@{port}\n"
        );
        let path = folder.join("unbound.conf");
        std::fs::write(&path, config).unwrap();
        let key = folder.join("root.key").display().to_string();
        let path = path.display().to_string();
        ["-C", &path, "-f", &key, "-v", "-t", rtype, owner]
            .map(str::to_owned)
            .into()
    });
    let words = [
        ("(BOGUS", "bogus"),
        ("(insecure)", "insecure"),
        ("(secure)", "secure"),
    ];
    Some(found(&text, &words))
}

fn delv(lab: &Lab, owner: &str, rtype: &str) -> Option<&'static str> {
    if !installed("delv") {
        return None;
    }
    let text = printed(lab, "delv", |port, folder| {
        let keys = folder.join("bind.keys").display().to_string();
        let port = port.to_string();
        [
            "@127.0.0.1",
            "-p",
            &port,
            "-a",
            &keys,
            "+root=.",
            owner,
            rtype,
        ]
        .map(str::to_owned)
        .into()
    });
    let words = [
        // It calls a validated denial a failed resolution as well.
        ("fully validated", "secure"),
        ("unsigned answer", "insecure"),
        ("resolution failed", "bogus"),
    ];
    Some(found(&text, &words))
}

fn drill(lab: &Lab, owner: &str, rtype: &str) -> Option<&'static str> {
    if !installed("drill") {
        return None;
    }
    let text = printed(lab, "drill", |port, folder| {
        let key = folder.join("root.key").display().to_string();
        let port = port.to_string();
        [
            "-S",
            "-b",
            "1232",
            "-k",
            &key,
            "-p",
            &port,
            "@127.0.0.1",
            owner,
            rtype,
        ]
        .map(str::to_owned)
        .into()
    });
    let words = [("Chase successful", "secure"), ("Chase failed", "bogus")];
    Some(found(&text, &words))
}

/// unbound and the judge must agree on a record that is there and on one that is not.
#[track_caller]
fn agree(lab: &Lab) {
    let expected = match lab.cold() {
        Verdict::Secure => "secure",
        Verdict::Insecure => "insecure",
        Verdict::Bogus(_) => "bogus",
        Verdict::Unreachable(why) => panic!("{why}"),
    };
    for (owner, rtype) in [(ZONE.to_owned(), "SOA"), (format!("none.{ZONE}"), "A")] {
        if let Some(found) = unbound(lab, &owner, rtype) {
            assert_eq!(found, expected, "{owner} {rtype} at {}", lab.now);
        }
    }
}

#[test]
fn unbound_agrees_through_a_life() {
    let mut lab = Lab::new();
    lab.delegate();
    agree(&lab);
    let (_, first) = lab.ksk("first");
    lab.zone_call("EnableHostedZoneDNSSEC");
    lab.wait(60);
    agree(&lab);
    lab.set_ds(&[&first]);
    agree(&lab);
    let (_, second) = lab.ksk("second");
    lab.wait(60);
    lab.set_ds(&[&first, &second]);
    agree(&lab);
    lab.set_ds(&[&second]);
    lab.wait(40 * DAY);
    lab.ksk_call("DeactivateKeySigningKey", "first");
    lab.wait(60);
    agree(&lab);
    lab.set_ds(&[&first]);
    assert!(lab.cold().is_bogus());
    agree(&lab);
    lab.set_ds(&[]);
    agree(&lab);
}

#[test]
fn unbound_agrees_when_a_key_is_lost() {
    let mut lab = Lab::new();
    let (arn, _) = lab.secured();
    lab.call("kms", "DisableKey", json!({ "KeyId": arn }));
    lab.wait(13 * DAY);
    assert_eq!(lab.cold(), Verdict::Secure);
    agree(&lab);
    lab.wait(2 * DAY);
    assert!(lab.cold().is_bogus());
    agree(&lab);
}

#[test]
fn unbound_agrees_about_parents_and_tampering() {
    let mut lab = Lab::new();
    lab.secured();
    lab.world.tamper(&name(ZONE), "DNSKEY", true);
    assert!(lab.cold().is_bogus());
    agree(&lab);
    lab.world.tamper(&name(ZONE), "DNSKEY", false);
    lab.registrar(RegistrarAction::Signing {
        zone: "example.edu".into(),
        signed: false,
    });
    lab.wait(2 * DAY);
    assert_eq!(lab.cold(), Verdict::Insecure);
    agree(&lab);
}

#[test]
fn delv_and_drill_find_the_chain_and_every_break_of_it() {
    let mut lab = Lab::at_host_time();
    let record = format!("a.{ZONE}");
    lab.change("CREATE", &record, "A", 60, &["192.0.2.1"]);
    let (_, ds) = lab.ksk("first");
    lab.zone_call("EnableHostedZoneDNSSEC");
    lab.delegate();
    lab.set_ds(&[&ds]);
    let missing = format!("none.{ZONE}");
    let both = |lab: &Lab, owner: &str, rtype: &str, expected: &str| {
        for found in [delv(lab, owner, rtype), drill(lab, owner, rtype)] {
            assert!(
                found.is_none_or(|found| found == expected),
                "{owner} {rtype}: {found:?}"
            );
        }
    };
    both(&lab, &record, "A", "secure");
    both(&lab, ZONE, "DNSKEY", "secure");
    both(&lab, ZONE, "DS", "secure");
    both(&lab, &missing, "A", "secure");
    both(&lab, &record, "AAAA", "secure");
    both(&lab, "none.example.edu", "A", "secure");
    both(&lab, "no.such.domain.edu", "A", "secure");
    for (owner, rtype) in [(record.as_str(), "A"), (ZONE, "DNSKEY"), (ZONE, "DS")] {
        lab.world.tamper(&name(owner), rtype, true);
        both(&lab, &record, "A", "bogus");
        lab.world.tamper(&name(owner), rtype, false);
    }
    lab.set_ds(&[&format!("1 13 2 {}", "AB".repeat(32))]);
    both(&lab, &record, "A", "bogus");
    lab.set_ds(&[]);
    let found = delv(&lab, &record, "A");
    assert!(found.is_none_or(|found| found == "insecure"), "{found:?}");
}
