//! The program on the instances and its twin in Python, as they are run: what they send, what they
//! believe, what they say and how they end. Every case is run with both, and both must agree.
//!
//! The world around them is of this test: metadata, an updater that signs its answers or does not, and an
//! STS that verifies signatures. Its clock is what the metadata's `date` says, so nothing is waited for.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "register/world.rs"]
mod world;

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};
use std::sync::OnceLock;

use serde_json::Value;
use tempfile::TempDir;

use world::{OWNER, Reply, SECRETS, Sign, World};

const DONE: i32 = 0;
const USAGE: i32 = 1;
const INSTANCE: i32 = 2;
const LATER: i32 = 3;
const REFUSED: i32 = 4;
const TAKEN: i32 = 5;
const UNPROVEN: i32 = 6;

/// The line that both print when `my-instance` has its IPv4 address.
const REGISTERED: &str = "my-instance.1kpqzg2c.spore.example.edu A 203.0.113.7\n";

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Program {
    Rust,
    Python,
}

/// One instance with one of the programs.
struct Place {
    program: Program,
    world: World,
    dir: TempDir,
}

/// How a run ended.
struct Ended {
    code: i32,
    out: String,
    err: String,
}

/// The interpreter itself: what `python3` is may depend on an environment that the program is not given.
fn python() -> &'static Path {
    static FOUND: OnceLock<PathBuf> = OnceLock::new();
    FOUND.get_or_init(|| {
        let mut command = Command::new("python3");
        command.args(["-c", "import sys; print(sys.executable)"]);
        let said = command.output().unwrap().stdout;
        PathBuf::from(String::from_utf8(said).unwrap().trim())
    })
}

fn both(case: impl Fn(Place)) {
    for program in [Program::Rust, Program::Python] {
        case(Place::new(program));
    }
}

impl Place {
    fn new(program: Program) -> Self {
        let world = World::start();
        let dir = tempfile::tempdir().unwrap();
        let place = Self {
            program,
            world,
            dir,
        };
        place.configure(&place.config());
        place
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn config(&self) -> String {
        format!(
            "# What `spore-infra client-config` prints.\nversion = 1\nurl = \"{}/prod/update-dns\"\n\
             domain = \"spore.example.edu\"\nzone-id = \"Z0123456789ABCDEFGHIJ\" # of the zone\n\
             account = \"123456789012\"\n\
             updater-role = \"arn:aws:iam::123456789012:role/path/spore-updater\"\n\
             families = [\"ipv4\", \"ipv6\"]\nlease = \"7d\"\n",
            self.world.url
        )
    }

    fn configure(&self, text: &str) {
        let path = self.path("config.toml");
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    }

    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = match self.program {
            Program::Rust => Command::new(env!("CARGO_BIN_EXE_spore-register")),
            Program::Python => {
                let mut python = Command::new(python());
                let root = Path::new(env!("CARGO_MANIFEST_DIR"));
                // Without bytecode files beside the source.
                python.arg("-B").arg(root.join("client/spore-register.py"));
                python
            }
        };
        command
            .arg("--config")
            .arg(self.path("config.toml"))
            .arg("--state")
            .arg(self.path("state"))
            .args(arguments)
            .env_clear()
            .env("PATH", std::env::var_os("PATH").unwrap())
            // A proxy is never asked.
            .env("http_proxy", "http://127.0.0.1:1")
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &self.world.url)
            .env("AWS_ENDPOINT_URL_STS", &self.world.url)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped());
        command
    }

    fn run(&self, arguments: &[&str]) -> Ended {
        self.judged(self.command(arguments).output().unwrap())
    }

    /// Nothing secret is told or kept, and nothing that a terminal obeys.
    fn judged(&self, output: Output) -> Ended {
        let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
        let (out, err) = (text(output.stdout), text(output.stderr));
        let mut told = format!("{out}{err}");
        for file in fs::read_dir(self.path("state")).into_iter().flatten() {
            let path = file.unwrap().path();
            let mode = fs::metadata(&path).unwrap().permissions().mode();
            assert_eq!(mode & 0o777, 0o600, "{}", path.display());
            told += &fs::read_to_string(path).unwrap();
        }
        for secret in SECRETS.iter().map(ToString::to_string).chain(
            self.world
                .requests()
                .iter()
                .filter_map(|request| request.body["proof"]["signature"].as_str())
                .map(ToOwned::to_owned),
        ) {
            assert!(!told.contains(&secret), "{secret} is told: {told}");
        }
        assert!(!told.contains('\u{1b}'), "{told:?}");
        Ended {
            code: output.status.code().unwrap_or(-1),
            out,
            err,
        }
    }

    /// Runs it to this end, with these words on standard error.
    fn ends(&self, arguments: &[&str], code: i32, words: &[&str]) -> Ended {
        let ended = self.run(arguments);
        let Ended { out, err, .. } = &ended;
        let about = format!("{:?} {arguments:?}\n{out}{err}", self.program);
        assert_eq!(ended.code, code, "{about}");
        for word in words {
            assert!(ended.err.contains(word), "{word:?} is not said: {about}");
        }
        if code == DONE && words.is_empty() {
            assert_eq!(ended.err, "", "{about}");
        }
        ended
    }

    fn remembered(&self) -> Value {
        let text = fs::read(self.path("state/my-instance.json")).unwrap();
        serde_json::from_slice(&text).unwrap()
    }
}

#[test]
fn both_families_are_registered_under_the_instances_name() {
    both(|place| {
        place.world.metadata("meta-data/ipv6", 200, "2001:db8:7::1");
        let ended = place.ends(&["register"], DONE, &[]);
        let v6 = "my-instance.1kpqzg2c.spore.example.edu AAAA 2001:db8:7::1\n";
        assert_eq!(ended.out, format!("{REGISTERED}{v6}"));
        let requests = place.world.requests();
        let [first, second] = &requests[..] else {
            panic!("{requests:?}");
        };
        assert_eq!(first.update.owner, None);
        assert_eq!(first.update.record_type.as_deref(), Some("A"));
        // The mark of the first answer is sent with the second, in a later second.
        let mark = first.answered_owner.clone().unwrap();
        assert_eq!(second.update.owner, Some(mark));
        assert!(second.date() > first.date());
        assert_eq!(
            place.remembered()["owner"],
            second.answered_owner.clone().unwrap()
        );
        // The metadata was asked by version 2 only.
        assert!(place.world.is_token_always_sent());
    });
}

#[test]
fn only_what_the_updaters_role_signed_about_this_request_counts() {
    for (sign, words) in [
        (Sign::Not, "nobody signed it"),
        (Sign::Stranger, "not signed by the updater's role"),
        (Sign::OtherNonce, "STS does not accept"),
        (Sign::OtherRequest, "STS does not accept"),
        (Sign::OtherAudience, "STS does not accept"),
        (Sign::Tampered, "STS does not accept"),
        (Sign::Stale, "from this machine's clock"),
    ] {
        both(|place| {
            place.world.reply(Reply::done(sign));
            let proof = "does not prove that it is the updater's";
            let words = match (place.program, words) {
                (Program::Rust, "from this machine's clock") => "away from this machine's clock",
                (_, words) => words,
            };
            let ended = place.ends(&["register"], UNPROVEN, &[proof, words]);
            assert_eq!(ended.out, "");
            assert_eq!(place.remembered()["owner"], Value::Null, "{sign:?}");
        });
    }
}

#[test]
fn an_sts_that_does_not_answer_leaves_it_open() {
    both(|place| {
        place.world.sts_fails(503);
        place.ends(
            &["watch", "--once"],
            LATER,
            &["the updater answered, but sts.us-east-1.amazonaws.com could not be asked"],
        );
        assert_eq!(place.remembered()["owner"], Value::Null);
    });
}

#[test]
fn refusals_say_what_to_do_and_end_with_their_code() {
    let taken = "is held by instance i-0; it becomes free when its lease ends; ask dns@example.edu";
    for (reply, code, words) in [
        (
            Reply::no(409, "name_taken", taken, Sign::Right),
            TAKEN,
            vec![taken],
        ),
        (
            Reply::no(403, "not_allowed", "not in `accounts`", Sign::Right),
            REFUSED,
            vec!["not in `accounts`"],
        ),
        (
            Reply::no(400, "bad_request", "a \u{1b}[31mred\u{7} word", Sign::Not),
            REFUSED,
            vec!["a [31mred word"],
        ),
        (
            Reply::no(404, "not_found", "no such path", Sign::Not),
            REFUSED,
            vec!["no such path"],
        ),
        // What the gateway says before the updater is asked.
        (
            Reply::no(429, "rate_limited", "too many requests", Sign::Not).after(300),
            LATER,
            vec!["too many requests", "300 s"],
        ),
        (
            Reply::no(503, "unavailable", "set up wrongly", Sign::Right).after(300),
            LATER,
            vec!["set up wrongly", "300 s"],
        ),
        // An interface endpoint with private DNS names.
        (
            Reply::raw(403, "{\"message\":\"Forbidden\"}")
                .header("x-amzn-errortype", "ForbiddenException"),
            REFUSED,
            vec![
                "403 (ForbiddenException)",
                "interface endpoint",
                "private DNS",
            ],
        ),
        (
            Reply::raw(200, "<html>Log in to the network</html>"),
            REFUSED,
            vec!["answered 200", "not as the updater does"],
        ),
        (
            Reply::raw(404, "{\"success\":true,\"code\":\"ok\"}"),
            REFUSED,
            vec!["404", "client-config"],
        ),
        (
            Reply::raw(503, "").header("retry-after", "120"),
            LATER,
            vec!["503", "120 s"],
        ),
    ] {
        both(|place| {
            place.world.reply(reply.clone());
            let ended = place.ends(&["register"], code, &words);
            assert_eq!(ended.out, "");
            // Told to come back later than anybody waits, nobody asks again.
            assert_eq!(place.world.requests().len(), 1);
        });
    }
}

#[test]
fn a_wrong_clock_is_called_by_its_name() {
    both(|place| {
        place.world.gateway_is_ahead(400);
        let refusal = "date is 400 s away";
        place
            .world
            .reply(Reply::no(401, "proof_invalid", refusal, Sign::Not));
        let words = ["s behind AWS's: set it"];
        place.ends(&["register"], REFUSED, &[refusal, words[0]]);
        assert!(place.world.requests().len() == 1);
    });
}

#[test]
fn a_name_that_is_not_as_believed_is_looked_at_once_more() {
    both(|place| {
        place.ends(&["register"], DONE, &[]);
        let changed = "is free: the owner mark that was sent is no longer there";
        place
            .world
            .reply(Reply::no(409, "name_changed", changed, Sign::Right));
        place.ends(&["register"], DONE, &[]);
        let owners: Vec<bool> = place
            .world
            .requests()
            .iter()
            .map(|request| request.update.owner.is_some())
            .collect();
        assert_eq!(owners, [false, true, false]);
        // Never a third time.
        for _ in 0..2 {
            place
                .world
                .reply(Reply::no(409, "name_changed", changed, Sign::Right));
        }
        place.ends(&["register"], LATER, &["this machine's clock"]);
        assert_eq!(place.world.requests().len(), 5);
    });
}

#[test]
fn a_lost_answer_is_asked_for_again_byte_for_byte() {
    both(|place| {
        place.world.reply(Reply::Break);
        let ended = place.ends(&["register"], DONE, &[]);
        assert_eq!(ended.out, REGISTERED);
        let requests = place.world.requests();
        assert_eq!(requests.len(), 2);
        assert_eq!(requests[0].text, requests[1].text);
    });
}

#[test]
fn metadata_that_does_not_answer_is_told_from_metadata_that_is_off() {
    type Change = fn(&World);
    let cases: [(Change, i32, &[&str]); 6] = [
        (
            |world| world.token(403),
            INSTANCE,
            &["switched off", "--http-endpoint enabled"],
        ),
        (
            |world| world.token(0),
            INSTANCE,
            &["container", "--http-put-response-hop-limit 2"],
        ),
        (
            |world| world.metadata(world::CREDENTIALS, 404, ""),
            INSTANCE,
            &["no identity-credentials"],
        ),
        (
            |world| world.metadata("meta-data/public-ipv4", 404, ""),
            INSTANCE,
            &["has no ", "--ip", "families"],
        ),
        (
            |world| world.metadata("meta-data/placement/region", 500, ""),
            INSTANCE,
            &["answered 500"],
        ),
        (
            |world| world.metadata("meta-data/tags/instance/Name", 200, "My Instance"),
            USAGE,
            &["tag Name"],
        ),
    ];
    for (change, code, words) in cases {
        both(|place| {
            change(&place.world);
            place.ends(&["register"], code, words);
            assert_eq!(place.world.requests().len(), 0);
        });
    }
    both(|place| {
        place.world.metadata("meta-data/tags/instance", 404, "");
        // By this machine's own host name or not at all, but never silently.
        let ended = place.run(&["register"]);
        assert!([DONE, INSTANCE].contains(&ended.code), "{}", ended.err);
        let hint = "--instance-metadata-tags enabled";
        assert!(ended.err.contains(hint), "{}", ended.err);
    });
    let nobody = |place: &Place| {
        let mut command = place.command(&["register"]);
        command.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9");
        place.judged(command.output().unwrap())
    };
    both(|place| {
        let ended = nobody(&place);
        assert_eq!(ended.code, INSTANCE);
        assert!(ended.err.contains("no EC2 instance"), "{}", ended.err);
    });
}

#[test]
fn no_variable_leads_to_another_machine() {
    both(|place| {
        for name in ["AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_ENDPOINT_URL_STS"] {
            let mut command = place.command(&["register"]);
            command.env(name, "http://192.0.2.1:80");
            let ended = place.judged(command.output().unwrap());
            assert_eq!(ended.code, USAGE, "{}", ended.err);
            assert!(ended.err.contains(name), "{}", ended.err);
        }
    });
}

#[test]
fn a_configuration_that_others_could_have_written_is_refused() {
    both(|place| {
        let path = place.path("config.toml");
        for mode in [0o666, 0o664, 0o646] {
            fs::set_permissions(&path, fs::Permissions::from_mode(mode)).unwrap();
            place.ends(&["register"], USAGE, &["by others", "chmod 644"]);
        }
        fs::remove_file(&path).unwrap();
        place.ends(&["register"], USAGE, &["config.toml", "client-config"]);
        assert_eq!(place.world.requests().len(), 0);
    });
}

#[test]
fn every_key_of_the_configuration_has_one_form() {
    let url = |place: &Place| format!("url = \"{}/prod/update-dns\"", place.world.url);
    for (from, to, word) in [
        ("version = 1", "version = 2", "version"),
        ("version = 1", "", "version"),
        ("version = 1", "version = 1\nversion = 1", "version"),
        ("version = 1", "version = 1\nendpoint = \"x\"", "endpoint"),
        ("version = 1", "version = \"1\"", "version"),
        ("URL", "url = \"http://updater.example.edu/x\"", "url"),
        ("URL", "url = \"https://user@updater.example.edu/x\"", "url"),
        ("URL", "url = \"ftp://127.0.0.1/x\"", "url"),
        ("\"spore.example.edu\"", "\"Spore.example.edu\"", "domain"),
        ("\"spore.example.edu\"", "\"spore.example.edu.\"", "domain"),
        (
            "\"Z0123456789ABCDEFGHIJ\"",
            "\"/hostedzone/Z01\"",
            "zone-id",
        ),
        (
            "account = \"123456789012\"",
            "account = \"210987654321\"",
            "updater-role",
        ),
        (
            "account = \"123456789012\"",
            "account = \"1234\"",
            "account",
        ),
        (
            "role/path/spore-updater",
            "user/path/spore-updater",
            "updater-role",
        ),
        (
            "role/path/spore-updater",
            "role/aws:ec2-instance",
            "updater-role",
        ),
        ("lease = \"7d\"", "lease = \"7 days\"", "lease"),
        ("lease = \"7d\"", "lease = \"5s\"", "lease"),
        ("lease = \"7d\"", "lease = \"7d\"\nname = \"-x-\"", "name"),
        (
            "\"ipv4\", \"ipv6\"",
            "\"ipv4\", \"private-ipv4\"",
            "families",
        ),
        ("\"ipv4\", \"ipv6\"", "", "families"),
        ("\"ipv4\", \"ipv6\"", "\"ipv5\"", "ipv"),
    ] {
        both(|place| {
            let good = place.config();
            let from = match from {
                "URL" => url(&place),
                from => from.to_owned(),
            };
            assert!(good.contains(&from), "{from}");
            place.configure(&good.replacen(&from, to, 1));
            place.ends(&["register"], USAGE, &["config.toml", word]);
            assert_eq!(place.world.requests().len(), 0);
        });
    }
}

#[test]
fn names_and_addresses_that_are_said_go_before_what_the_instance_shows() {
    both(|place| {
        place.configure(&format!("{}name = \"from-file\"\n", place.config()));
        let ended = place.ends(&["register"], DONE, &[]);
        assert!(ended.out.starts_with("from-file."), "{}", ended.out);
        let ended = place.ends(&["register", "From-Line", "--ip", "10.0.0.7"], DONE, &[]);
        assert_eq!(
            ended.out,
            "from-line.1kpqzg2c.spore.example.edu A 10.0.0.7\n"
        );
        let two = ["register", "x", "--ip", "10.0.0.7", "--ip", "10.0.0.8"];
        place.ends(&two, USAGE, &["--ip"]);
        place.ends(&["register", "-x"], USAGE, &[]);
        place.ends(&["register", "x", "--ip", "here"], USAGE, &[]);
        place.ends(&["register", "a.b"], USAGE, &["NAME"]);
        place.ends(&["fly"], USAGE, &[]);
        assert_eq!(place.world.requests().len(), 2);
        // `private-ipv4` is the address in the subnet.
        let private = place
            .config()
            .replace("\"ipv4\", \"ipv6\"", "\"private-ipv4\"");
        place.configure(&private);
        let ended = place.ends(&["register"], DONE, &[]);
        assert!(ended.out.ends_with(" A 172.31.0.7\n"), "{}", ended.out);
    });
}

#[test]
fn a_timer_asks_only_when_something_is_due() {
    both(|place| {
        let once = &["watch", "--once"];
        let count = || place.world.requests().len();
        assert_eq!(place.ends(once, DONE, &[]).out, REGISTERED);
        assert_eq!(place.ends(once, DONE, &[]).out, "");
        assert_eq!(count(), 1);
        // Another address is registered at once.
        place
            .world
            .metadata("meta-data/public-ipv4", 200, "203.0.113.8");
        place.world.advance(60);
        let ended = place.ends(once, DONE, &[]);
        assert!(ended.out.ends_with(" A 203.0.113.8\n"), "{}", ended.out);
        assert_eq!(count(), 2);
        // Before a third of the lease is over nothing is sent, at a third it is renewed, with its mark.
        place.world.advance(2 * 86_400);
        place.ends(once, DONE, &[]);
        assert_eq!(count(), 2);
        place.world.advance(86_400 / 3);
        place.ends(once, DONE, &[]);
        assert_eq!(count(), 3);
        let last = place.world.requests().pop().unwrap();
        assert!(last.update.owner.is_some());
        // An address that is gone is removed, but not at once.
        place.world.metadata("meta-data/public-ipv4", 404, "");
        place.ends(once, DONE, &[]);
        assert_eq!(count(), 3);
        place.world.advance(61);
        place.ends(once, DONE, &[]);
        let last = place.world.requests().pop().unwrap();
        assert_eq!(last.update.action.as_deref(), Some("DELETE"));
        assert_eq!(last.update.record_type.as_deref(), Some("A"));
        // Then there is nothing to do any more, and that is told.
        place.world.advance(61);
        place.ends(once, INSTANCE, &["--ip"]);
        assert_eq!(count(), 4);
    });
}

#[test]
fn a_copied_disk_and_a_wrong_clock_are_noticed() {
    both(|place| {
        let once = &["watch", "--once"];
        place.ends(once, DONE, &[]);
        // Started from an image of the first, with the first one's address moved to it.
        let another = "i-0fedcba9876543210";
        place.world.metadata("meta-data/instance-id", 200, another);
        assert_eq!(place.ends(once, DONE, &[]).out, REGISTERED);
        let last = place.world.requests().pop().unwrap();
        assert_eq!(last.update.owner, None);
        // What was remembered for a time a year from now.
        place.ends(once, DONE, &[]);
        assert_eq!(place.world.requests().len(), 2);
        place.world.advance(-365 * 86_400);
        assert_eq!(place.ends(once, DONE, &[]).out, REGISTERED);
    });
}

#[test]
fn nobody_is_asked_again_before_the_time_they_said() {
    both(|place| {
        let once = &["watch", "--once"];
        let busy = Reply::no(503, "busy", "try again", Sign::Right).after(120);
        place.world.reply(busy);
        place.ends(once, LATER, &["try again", "120 s"]);
        for _ in 0..3 {
            place.ends(once, LATER, &["the last try failed"]);
            place.world.advance(39);
        }
        assert_eq!(place.world.requests().len(), 1);
        // Whoever waits for it may ask at once.
        place.ends(&["register"], DONE, &[]);
        place.ends(once, DONE, &[]);
        assert_eq!(place.world.requests().len(), 2);
    });
}

/// A stack with `record-types = ["A"]`, and an instance that has an IPv6 address all the same.
#[test]
fn a_family_that_is_always_refused_costs_the_other_nothing() {
    for families in ["\"ipv4\", \"ipv6\"", "\"ipv6\", \"ipv4\""] {
        both(|place| {
            let once = &["watch", "--once"];
            let refusal = "AAAA is not in `record-types`";
            let no = Reply::no(403, "not_allowed", refusal, Sign::Right);
            place.world.always("AAAA", no);
            place.world.metadata("meta-data/ipv6", 200, "2001:db8:7::1");
            let config = place.config();
            place.configure(&config.replace("\"ipv4\", \"ipv6\"", families));
            let told = |ended: Ended| {
                // Whatever was done is told, on one stream or the other.
                let text = format!("{}{}", ended.out, ended.err);
                assert!(text.contains(REGISTERED.trim()), "{text}");
            };
            told(place.ends(once, REFUSED, &[refusal]));
            let requests = place.world.requests();
            assert_eq!(requests.len(), 2);
            // What was refused is not asked for again at once because the rest went well.
            place.ends(once, LATER, &["the last try failed"]);
            assert_eq!(place.world.requests().len(), 2);
            // The lease goes on: what the name has already is asked for first, with its mark.
            for days in [3, 6, 9] {
                place.world.advance(3 * 86_400);
                told(place.ends(once, REFUSED, &[refusal]));
                let requests = place.world.requests();
                let sent = &requests[2 * days / 3..];
                let types = sent
                    .iter()
                    .map(|request| request.update.record_type.as_deref());
                assert!(types.eq([Some("A"), Some("AAAA")]), "{days}: {sent:?}");
                assert!(sent[0].update.owner.is_some());
            }
        });
    }
}

#[test]
fn what_was_done_before_something_is_refused_is_told() {
    both(|place| {
        let no = Reply::no(403, "not_allowed", "not in `record-types`", Sign::Right);
        place.world.always("AAAA", no);
        place.world.metadata("meta-data/ipv6", 200, "2001:db8:7::1");
        let ended = place.ends(&["register"], REFUSED, &["not in `record-types`"]);
        let text = format!("{}{}", ended.out, ended.err);
        assert!(text.contains(REGISTERED.trim()), "{text}");
    });
}

#[test]
fn what_speaks_for_the_whole_name_ends_the_pass() {
    for (reply, code) in [
        (Reply::no(409, "name_taken", "no", Sign::Right), TAKEN),
        (Reply::no(503, "busy", "no", Sign::Right).after(120), LATER),
    ] {
        both(|place| {
            place.world.metadata("meta-data/ipv6", 200, "2001:db8:7::1");
            place.world.reply(reply.clone());
            place.ends(&["watch", "--once"], code, &[]);
            assert_eq!(place.world.requests().len(), 1);
        });
    }
}

#[test]
fn a_failure_that_is_over_is_no_failure() {
    both(|place| {
        let once = &["watch", "--once"];
        place.ends(once, DONE, &[]);
        let address = |text| place.world.metadata("meta-data/public-ipv4", 200, text);
        address("203.0.113.8");
        place
            .world
            .reply(Reply::no(403, "not_allowed", "no", Sign::Right));
        place.ends(once, REFUSED, &["no"]);
        address("203.0.113.7");
        place.ends(once, LATER, &["the last try failed"]);
        place.world.advance(120);
        place.ends(once, DONE, &[]);
        assert_eq!(place.world.requests().len(), 2);
    });
}

#[test]
fn a_name_is_released_and_forgotten() {
    both(|place| {
        place.ends(&["register"], DONE, &[]);
        let released = "my-instance.1kpqzg2c.spore.example.edu is released";
        place.world.reply(Reply::released(released));
        let ended = place.ends(&["delete"], DONE, &[]);
        assert_eq!(ended.out, format!("{released}\n"));
        let last = place.world.requests().pop().unwrap();
        assert_eq!(last.update.action.as_deref(), Some("DELETE"));
        assert_eq!(last.update.record_type, None);
        assert!(!place.path("state/my-instance.json").exists());
    });
}

/// What is remembered of a name that nothing is known of, with a change.
fn kept(from: &str, to: &str) -> String {
    let text = "{\"version\":1,\"zone_id\":\"Z0123456789ABCDEFGHIJ\",\
                \"instance_id\":\"i-0123456789abcdef0\",\"owner\":null,\"records\":{},\"missing\":{},\
                \"renew\":null,\"not_before\":null,\"failures\":0}";
    assert!(text.contains(from), "{from}");
    text.replace(from, to)
}

#[test]
fn what_is_remembered_is_not_needed() {
    both(|place| {
        fs::create_dir(place.path("state")).unwrap();
        for kept in [
            "",
            "{",
            "[]",
            "{\"version\":1,\"zone_id\":\"Z0123456789ABCDEFGHIJ\"}",
            // All members, one of another form.
            &kept("\"failures\":0", "\"failures\":\"0\""),
            &kept("\"owner\":null", "\"owner\":7"),
            &kept("\"renew\":null", "\"renew\":7"),
            &kept("\"not_before\":null", "\"not_before\":[]"),
            &kept("\"records\":{}", "\"records\":{\"A\":7}"),
            &kept("\"missing\":{}", "\"missing\":{\"A\":7}"),
        ] {
            let path = place.path("state/my-instance.json");
            fs::write(&path, kept).unwrap();
            place.ends(&["register"], DONE, &[]);
            let last = place.world.requests().pop().unwrap();
            assert_eq!(last.update.owner, None);
        }
        // A place where nothing can be kept costs a word.
        fs::remove_dir_all(place.path("state")).unwrap();
        fs::write(place.path("state"), "").unwrap();
        let ended = place.command(&["register"]).output().unwrap();
        assert_eq!(ended.status.code(), Some(DONE));
        assert!(String::from_utf8_lossy(&ended.stderr).contains("nothing is remembered"));
    });
}

#[test]
fn either_program_goes_on_where_the_other_stopped() {
    let mut place = Place::new(Program::Rust);
    place.ends(&["watch", "--once"], DONE, &[]);
    for program in [Program::Python, Program::Rust] {
        place.program = program;
        assert_eq!(place.ends(&["watch", "--once"], DONE, &[]).out, "");
    }
    assert_eq!(place.world.requests().len(), 1);
    for program in [Program::Python, Program::Rust, Program::Python] {
        place.program = program;
        place.world.advance(3 * 86_400);
        place.ends(&["watch", "--once"], DONE, &[]);
        let last = place.world.requests().pop().unwrap();
        assert!(last.update.owner.is_some(), "{program:?}");
    }
    assert_eq!(place.world.requests().len(), 4);
}

#[test]
fn sigterm_ends_a_watch_cleanly() {
    both(|place| {
        let mut child = place.command(&["watch"]).spawn().unwrap();
        place.world.wait_for_request();
        wait_for_state(&place, &mut child);
        let id = child.id().to_string();
        let killed = Command::new("kill").args(["-TERM", &id]).status();
        assert!(killed.unwrap().success());
        let ended = place.judged(child.wait_with_output().unwrap());
        assert_eq!(ended.code, DONE, "{}", ended.err);
        assert_eq!(place.world.requests().len(), 1);
        let said = format!("{}{}", ended.out, ended.err);
        assert!(said.contains(REGISTERED.trim()), "{said}");
        std::io::stderr().flush().unwrap();
    });
}

/// The answer is dealt with once it is remembered.
fn wait_for_state(place: &Place, child: &mut Child) {
    while !place.path("state/my-instance.json").exists() {
        assert_eq!(child.try_wait().unwrap(), None, "it ended by itself");
        std::thread::yield_now();
    }
}

#[test]
fn the_worlds_mark_is_a_mark() {
    // What this test's updater answers is what the real one could.
    assert!(OWNER.parse::<spore_updater::owner::Owner>().is_ok());
}
