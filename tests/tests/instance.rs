//! The whole path in the simulated AWS: the stack is applied, instances are started, and each runs the
//! program that registers its name, `spore-register` and its twin in Python. Judged by the zone that is
//! exported and by the updater's audit lines, neither of which the programs write.
//!
//! Instances have IMDS and a way out of their own, so that the world knows who asks; the updater is the
//! built `bootstrap`, behind the API that the apply made.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};
use spore_tests::binary;
use spore_tests::served::Served;
use spore_tests::stage::{Finished, Run, Stage};

/// Account 123456789012 in base 36, as names have it.
const NAME: &str = "my-instance.1kpqzg2c.spore.example.edu";

/// Exit codes of both programs.
const INSTANCE: i32 = 2;
const REFUSED: i32 = 4;
const TAKEN: i32 = 5;

#[derive(Debug, Clone, Copy)]
enum Program {
    Rust,
    Python,
}

/// A served world with a stack in it.
struct Site {
    stage: Stage,
    served: Served,
    program: Program,
}

/// An instance that runs.
#[derive(Debug, Clone)]
struct Instance {
    id: String,
    public_ip: String,
    url: String,
    container_url: String,
}

/// The stack of these tests.
const DOCUMENT: &str = "version = 1\ndomain = \"spore.example.edu\"\naccount = \"123456789012\"\n\
    [updater]\naccounts = [\"123456789012\"]\nproofs = [\"instance-role\", \"identity-document\"]\n\
    [contacts]\nowner = \"dns@example.edu\"\n";

impl Site {
    fn new(program: Program) -> Self {
        // The real program: instances ask it.
        let stage = Stage::new().with_real_updater();
        stage.write("stack.toml", DOCUMENT);
        stage.apply().done("apply").unwrap();
        let served = Served::start(&stage);
        let site = Self {
            stage,
            served,
            program,
        };
        // The world's time is ahead of this machine's now: waits of the apply cost none of it here.
        let config = site
            .on_world(&["client-config"])
            .arg(site.stage.document())
            .done("client-config")
            .unwrap();
        site.stage.write("client.toml", config.stdout);
        site
    }

    /// A command of the tool; `--sandbox` leads it to the server.
    fn on_world(&self, arguments: &[&str]) -> Run {
        self.stage
            .run(arguments)
            .arg(format!("--sandbox={}", self.stage.world().display()))
    }

    fn start(&self, more: &[&str]) -> Instance {
        let before: Vec<String> = self.instances().into_iter().map(|one| one.id).collect();
        let start = ["sandbox", "instance", "start"];
        self.on_world(&[&start[..], more].concat())
            .done("instance start")
            .unwrap();
        let mut all = self.instances();
        all.retain(|one| !before.contains(&one.id));
        all.pop().unwrap()
    }

    fn terminate(&self, one: &Instance) {
        self.on_world(&["sandbox", "instance", "terminate", &one.id])
            .done("instance terminate")
            .unwrap();
    }

    /// What the sandbox tells of itself.
    fn told(&self, what: &str) -> Value {
        let request = format!("GET /_spore/{what} HTTP/1.1\r\n");
        let (_, body) = exchange(&self.served.address(), &request, "");
        serde_json::from_str(&body).unwrap()
    }

    /// The updater's URL, as instances are configured.
    fn url(&self) -> String {
        let config = fs::read_to_string(self.stage.path("client.toml")).unwrap();
        let url = config.lines().find(|line| line.starts_with("url")).unwrap();
        url.split('"').nth(1).unwrap().to_owned()
    }

    fn instances(&self) -> Vec<Instance> {
        let views = self.told("instances");
        let text = |value: &Value| value.as_str().map(ToOwned::to_owned);
        views
            .as_array()
            .unwrap()
            .iter()
            .filter_map(|view| {
                Some(Instance {
                    id: text(&view["id"])?,
                    public_ip: text(&view["public_ip"])?,
                    url: text(&view["url"])?,
                    container_url: text(&view["container_url"])?,
                })
            })
            .collect()
    }

    /// The program on an instance; each instance has a disk of its own.
    fn register(&self, one: &Instance, arguments: &[&str]) -> Run {
        let run = match self.program {
            Program::Rust => self.stage.program(binary::register()),
            Program::Python => {
                let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
                let script: PathBuf = root.join("lambda/client/spore-register.py");
                self.stage.program(binary::python()).arg("-B").arg(script)
            }
        };
        let run = run
            .arg("--config")
            .arg(self.stage.path("client.toml"))
            .arg("--state")
            .arg(self.stage.path(&format!("disk-{}", one.id)))
            .env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &one.url)
            .env("AWS_ENDPOINT_URL", &one.url);
        arguments.iter().fold(run, Run::arg)
    }

    fn ends(&self, one: &Instance, arguments: &[&str], code: i32) -> Finished {
        let what = format!("{:?} {arguments:?} on {}", self.program, one.id);
        self.register(one, arguments).exits(code, &what).unwrap()
    }

    /// Lines of the zone at and above a name, without TTLs.
    fn zone(&self, name: &str) -> Vec<String> {
        let exported = self.on_world(&["export"]).arg(self.stage.document());
        let exported = exported.done("export").unwrap().stdout;
        let of_name = |line: &&str| {
            let owner = line.split(' ').next().unwrap_or_default();
            owner.trim_end_matches('.').ends_with(name)
        };
        let words = |line: &str| {
            let words: Vec<&str> = line.split(' ').collect();
            format!("{} {}", words[0], words[3..].join(" "))
        };
        exported.lines().filter(of_name).map(words).collect()
    }

    /// What the updater's log says: `ACTION INSTANCE CODE`.
    fn audit(&self) -> Vec<String> {
        let text = fs::read_to_string(self.stage.world().join("world.json")).unwrap();
        let world: Value = serde_json::from_str(&text).unwrap();
        let groups = &world["logs"]["accounts"]["123456789012"]["us-east-1"];
        let streams = &groups["/spore-infra/spore.example.edu/updater"]["streams"];
        let mut events: Vec<(u64, u64, Value)> = Vec::new();
        for stream in streams.as_object().unwrap().values() {
            for event in stream["events"].as_array().unwrap() {
                let message = event["message"].as_str().unwrap();
                assert!(!message.contains("token"), "{message}");
                if let Ok(line) = serde_json::from_str(message) {
                    let number = |name: &str| event[name].as_u64().unwrap();
                    events.push((number("timestamp"), number("number"), line));
                }
            }
        }
        events.sort_by_key(|(time, number, _)| (*time, *number));
        let word = |line: &Value, name: &str| line[name].as_str().unwrap_or("-").to_owned();
        events
            .iter()
            .map(|(_, _, line)| {
                let [action, instance, code] =
                    ["action", "instanceId", "code"].map(|name| word(line, name));
                format!("{action} {instance} {code}")
            })
            .collect()
    }
}

/// One request by hand.
fn exchange(address: &str, line: &str, body: &str) -> (String, String) {
    let mut socket = TcpStream::connect(address).unwrap();
    socket
        .set_read_timeout(Some(Duration::from_secs(30)))
        .unwrap();
    let text = format!(
        "{line}host: {address}\r\nconnection: close\r\ncontent-type: application/json\r\n\
         content-length: {}\r\n\r\n{body}",
        body.len()
    );
    socket.write_all(text.as_bytes()).unwrap();
    let mut answer = String::new();
    socket.read_to_string(&mut answer).unwrap();
    let (head, body) = answer.split_once("\r\n\r\n").unwrap();
    (head.to_owned(), body.to_owned())
}

/// A name from its claim to its next life, told by records and audit lines.
fn a_name_belongs_to_the_instance_that_proved_it(program: Program) {
    let site = Site::new(program);
    let managed = ["--tag", "spawn:managed=true", "--ipv6", "--metadata-tags"];
    let named = [&managed[..], &["--tag", "Name=my-instance"]].concat();
    let first = site.start(&named);

    // Registered, with its owner, in both families.
    let said = site.ends(&first, &["register"], 0).stdout;
    assert!(
        said.starts_with(&format!("{NAME} A {}\n{NAME} AAAA ", first.public_ip)),
        "{said}"
    );
    let zone = site.zone(NAME);
    assert_eq!(zone.len(), 3, "{zone:?}");
    assert!(
        zone.contains(&format!("{NAME}. A {}", first.public_ip)),
        "{zone:?}"
    );
    let owned_by = |one: &Instance| {
        let mark = format!(
            "_spore.{NAME}. TXT \"v=1 p=123456789012/us-east-1/{} ",
            one.id
        );
        let zone = site.zone(NAME);
        assert!(zone.iter().any(|line| line.starts_with(&mark)), "{zone:?}");
    };
    owned_by(&first);

    // A second instance, which says that it is called so too, gets 409 and is told what it can do.
    let second = site.start(&named);
    let said = site.ends(&second, &["register"], TAKEN).stderr;
    for word in [
        &first.id,
        "its lease ends at",
        "is terminated",
        "dns@example.edu",
    ] {
        assert!(said.contains(word), "{word:?} is not said: {said}");
    }
    // Nor can it delete it.
    site.ends(&second, &["delete"], TAKEN);
    // A stranger of an account that is not in the document, neither.
    let stranger = site.start(&["--account", "210987654321", "--tag", "Name=my-instance"]);
    let said = site
        .ends(&stranger, &["delete", "my-instance"], REFUSED)
        .stderr;
    assert!(said.contains("accounts"), "{said}");
    // Nor somebody who proves nothing.
    let url = site.url();
    let path = &url[url.find("/restapis").unwrap()..];
    let body = json!({ "record_name": "my-instance", "action": "DELETE" }).to_string();
    let address = second.url.trim_start_matches("http://");
    let (head, body) = exchange(address, &format!("POST {path} HTTP/1.1\r\n"), &body);
    assert!(head.starts_with("HTTP/1.1 4"), "{head}");
    assert!(body.contains("\"success\":false"), "{body}");
    assert_eq!(site.zone(NAME), zone);

    // Terminated, and launched again: the new one takes the name, since EC2 says the old one is gone.
    site.terminate(&first);
    let third = site.start(&named);
    let said = site.ends(&third, &["register"], 0).stdout;
    assert!(
        said.starts_with(&format!("{NAME} A {}\n", third.public_ip)),
        "{said}"
    );
    owned_by(&third);
    // Again, and by a timer: nothing is due.
    assert_eq!(site.ends(&third, &["watch", "--once"], 0).stdout, "");

    // The name is given back.
    site.ends(&third, &["delete"], 0);
    assert_eq!(site.zone(NAME), Vec::<String>::new());

    let expected: Vec<String> = [
        ("UPSERT", &first.id, "ok"),
        ("UPSERT", &first.id, "ok"),
        ("UPSERT", &second.id, "name_taken"),
        ("DELETE", &second.id, "name_taken"),
        ("DELETE", &stranger.id, "not_allowed"),
    ]
    .map(|(action, id, code)| format!("{action} {id} {code}"))
    .into();
    let audit = site.audit();
    assert_eq!(audit[..5], expected, "{audit:#?}");
    // Nobody was proven to ask.
    assert!(audit[5].starts_with("DELETE - "), "{audit:#?}");
    let rest = [
        format!("UPSERT {} ok", third.id),
        format!("UPSERT {} ok", third.id),
        format!("DELETE {} ok", third.id),
    ];
    assert_eq!(audit[6..], rest, "{audit:#?}");
}

#[test]
fn a_name_belongs_to_the_instance_that_proved_it_with_spore_register() {
    a_name_belongs_to_the_instance_that_proved_it(Program::Rust);
}

#[test]
fn a_name_belongs_to_the_instance_that_proved_it_with_the_client_in_python() {
    a_name_belongs_to_the_instance_that_proved_it(Program::Python);
}

/// What stands in the way of metadata is said with what to do about it.
#[test]
fn an_instance_whose_metadata_is_out_of_reach_says_why() {
    for program in [Program::Rust, Program::Python] {
        let site = Site::new(program);
        let off = site.start(&["--no-metadata"]);
        let said = site.ends(&off, &["register", "a"], INSTANCE).stderr;
        assert!(said.contains("--http-endpoint enabled"), "{said}");
        // In a container, an answer with a token has one hop more to go than it may.
        let near = site.start(&["--hop-limit", "1", "--tag", "spawn:managed=true"]);
        let inside = Instance {
            url: near.container_url.clone(),
            ..near.clone()
        };
        let said = site.ends(&inside, &["register", "a"], INSTANCE).stderr;
        assert!(said.contains("--http-put-response-hop-limit 2"), "{said}");
        site.ends(&near, &["register", "a"], 0);
        // Without the tag that the document asks for, the updater says which.
        let untagged = site.start(&[]);
        let said = site.ends(&untagged, &["register", "b"], REFUSED).stderr;
        assert!(said.contains("spawn:managed"), "{said}");
    }
}

/// The script that is documented for instances with nothing but curl.
#[test]
fn the_way_with_curl_proves_an_instance_by_its_document() {
    let site = Site::new(Program::Rust);
    let [one, other] = [(); 2].map(|()| site.start(&["--tag", "spawn:managed=true"]));
    let script =
        Path::new(env!("CARGO_MANIFEST_DIR")).join("../lambda/client/register-with-curl.sh");
    let url = site.url();
    let path = &url[url.find("/restapis").unwrap()..];
    let run = |on: &Instance, by: &Instance, code: i32| {
        let run = site.stage.program(&script);
        let run = run.arg(format!("{}{path}", by.url)).arg("my-instance");
        let run = run.env("AWS_EC2_METADATA_SERVICE_ENDPOINT", &on.url);
        run.exits(code, "register-with-curl.sh").unwrap().stdout
    };
    // Who has seen the document but is elsewhere gains nothing by it.
    let said = run(&one, &other, 1);
    assert!(said.contains("\"success\":false"), "{said}");
    assert_eq!(site.zone(NAME), Vec::<String>::new());

    let said = run(&one, &one, 0);
    assert!(said.contains("\"success\":true"), "{said}");
    let zone = site.zone(NAME);
    let record = format!("{NAME}. A {}", one.public_ip);
    assert!(zone.contains(&record), "{zone:?}");
    let mark = format!("v=1 p=123456789012/us-east-1/{} ", one.id);
    assert!(zone.iter().any(|line| line.contains(&mark)), "{zone:?}");
    assert_eq!(site.audit().pop(), Some(format!("UPSERT {} ok", one.id)));
}
