//! The updater from outside: events go in, answers come out, and a zone with Route 53's semantics is
//! compared with what was promised. Proofs are real signatures that the world's STS verifies.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "handle/time.rs"]
mod time;
#[path = "handle/world.rs"]
mod world;

use std::net::IpAddr;

use serde_json::{Value, json};
use spore_updater::Event;
use spore_updater::ports::{Failure, State};
use time::run;
use world::{
    Ask, Fate, HOME, LEASE_SECS, Machine, Said, World, config, event, plain, principal, send,
    updater,
};

const WEB: &str = "web.1kpqzg2c.spore.example.edu";

/// One updater, one world, one request after the other.
struct Scene {
    world: World,
    updater: spore_updater::Updater,
    requests: u128,
}

impl Scene {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut Value)) -> Self {
        Self {
            world: World::new(7),
            updater: updater(&config(change)),
            requests: 0,
        }
    }

    fn event(&mut self, machine: &Machine, ask: &Ask) -> Event {
        self.requests += 1;
        // A client signs each request later than the one before.
        self.world.advance(1);
        ask.event(machine, self.world.now(), self.requests)
    }

    async fn ask(&mut self, machine: &Machine, ask: &Ask) -> Said {
        let event = self.event(machine, ask);
        self.send(machine, &event).await
    }

    async fn send(&self, machine: &Machine, event: &Event) -> Said {
        send(&self.world, &self.updater, machine, event).await
    }

    async fn refused(&mut self, machine: &Machine, ask: &Ask, code: &str, says: &str) -> Said {
        let before = self.world.zone();
        let said = self.ask(machine, ask).await;
        assert_eq!(said.code, code, "{}", said.text);
        assert!(said.text.contains(says), "{}", said.text);
        assert_eq!(self.world.zone(), before);
        assert_eq!(
            (&said.body["success"], &said.audit["success"]),
            (&json!(false), &json!(false))
        );
        said
    }
}

fn ok(said: &Said) -> &Said {
    assert_eq!(
        (said.status, said.code.as_str()),
        (200, "ok"),
        "{}",
        said.text
    );
    said
}

#[test]
fn a_name_is_claimed_renewed_and_released() {
    run(async {
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        let said = scene.ask(&machine, &Ask::set("web", machine.address)).await;
        ok(&said);
        assert_eq!(said.body["record"], WEB);
        assert_eq!(said.change_id.as_deref(), Some("/change/C1"));
        assert_eq!(scene.world.values(WEB, "A"), [machine.address.to_string()]);
        assert_eq!(scene.world.mark(WEB), said.owner);
        assert!(said.owner.as_ref().unwrap().contains(&principal(&machine)));
        // A claim is a list and a change.
        assert_eq!(
            (scene.world.calls("list"), scene.world.calls("change")),
            (1, 1)
        );
        // A renewal is one call.
        let renewed = Ask::set("WEB", machine.address).with_owner(said.owner.clone());
        let again = scene.ask(&machine, &renewed).await;
        ok(&again);
        assert_ne!(again.owner, said.owner);
        assert_eq!(
            (scene.world.calls("list"), scene.world.calls("change")),
            (1, 2)
        );
        assert_eq!(
            (scene.world.calls("sts"), scene.world.calls("describe")),
            (2, 2)
        );
        let released = scene.ask(&machine, &Ask::delete("web")).await;
        ok(&released);
        assert_eq!((released.owner, scene.world.mark(WEB)), (None, None));
        assert!(scene.world.values(WEB, "A").is_empty());
        // Nothing there is success too.
        let nothing = scene.ask(&machine, &Ask::delete("web")).await;
        assert_eq!(ok(&nothing).change_id, None);
    });
}

#[test]
fn one_mark_is_for_all_records_of_a_name() {
    run(async {
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        let v6: IpAddr = "2600:1f18::0".parse().unwrap();
        let mut owner = None;
        for ask in [
            Ask::set("web", machine.address),
            Ask::set("web", v6),
            Ask::text("web", "say \"hi\" \\o/"),
        ] {
            owner = ok(&scene.ask(&machine, &ask.with_owner(owner)).await)
                .owner
                .clone();
        }
        assert_eq!(scene.world.values(WEB, "AAAA"), ["2600:1f18::"]);
        assert_eq!(scene.world.values(WEB, "TXT"), [r#""say \"hi\" \\o/""#]);
        assert_eq!(scene.world.values(WEB, "A").len(), 1);
        // One type goes, the name stays.
        let gone = scene
            .ask(&machine, &Ask::delete("web").of_type("TXT"))
            .await;
        assert_eq!(ok(&gone).owner, scene.world.mark(WEB));
        assert!(scene.world.values(WEB, "TXT").is_empty());
        let none = scene
            .ask(&machine, &Ask::delete("web").of_type("TXT"))
            .await;
        assert_eq!(
            (ok(&none).change_id.as_ref(), none.owner.is_some()),
            (None, true)
        );
        ok(&scene.ask(&machine, &Ask::delete("web").of_type("A")).await);
        assert!(scene.world.mark(WEB).is_some());
        // With the last type goes the mark.
        ok(&scene
            .ask(&machine, &Ask::delete("web").of_type("AAAA"))
            .await);
        assert_eq!(scene.world.mark(WEB), None);
    });
}

#[test]
fn a_name_is_its_holders_until_that_is_gone() {
    run(async {
        let mut scene = Scene::new();
        let (one, two) = (
            scene.world.start(HOME, "us-east-1"),
            scene.world.start(HOME, "eu-west-1"),
        );
        let set = |machine: &Machine| Ask::set("web", machine.address);
        ok(&scene.ask(&one, &set(&one)).await);
        let v6: IpAddr = "2600:1f18::0".parse().unwrap();
        ok(&scene.ask(&one, &Ask::set("web", v6)).await);
        let said = scene.refused(&two, &set(&two), "name_taken", &one.id).await;
        assert_eq!(said.status, 409);
        assert!(said.text.contains("2026-11-29T06:00:0"), "{}", said.text);
        assert!(said.text.contains("terminated") && said.text.contains("dns@example.edu"));
        scene
            .refused(&two, &Ask::delete("web"), "name_taken", &one.id)
            .await;
        // Knowing the mark, which everybody can read in DNS, is of no use.
        let stolen = set(&two).with_owner(scene.world.mark(WEB));
        scene.refused(&two, &stolen, "name_taken", &one.id).await;
        let stolen = Ask::delete("web").with_owner(scene.world.mark(WEB));
        scene.refused(&two, &stolen, "name_taken", &one.id).await;
        // What EC2 does not say is not taken for an answer.
        for failure in [Failure::Denied, Failure::Unusable] {
            scene.world.state.lock().unwrap().weather.describe = Some(failure);
            scene
                .refused(&two, &set(&two), "not_allowed", "EC2 could not be asked")
                .await;
        }
        scene.world.state.lock().unwrap().weather.describe = Some(Failure::Throttled);
        scene.refused(&two, &set(&two), "busy", "EC2").await;
        scene.world.state.lock().unwrap().weather.describe = None;
        for state in [
            State::Stopped,
            State::Stopping,
            State::ShuttingDown,
            State::Unknown,
        ] {
            scene
                .world
                .state
                .lock()
                .unwrap()
                .instances
                .get_mut(&one.id)
                .unwrap()
                .state = state;
            scene.refused(&two, &set(&two), "name_taken", &one.id).await;
        }
        scene.world.terminate(&one);
        let said = scene.ask(&two, &set(&two)).await;
        assert_eq!(ok(&said).audit["formerOwner"], principal(&one));
        assert_eq!(scene.world.values(WEB, "A"), [two.address.to_string()]);
        assert!(
            scene.world.values(WEB, "AAAA").is_empty(),
            "the holder's other records go"
        );
    });
}

#[test]
fn a_lease_that_ended_frees_the_name_where_nobody_can_be_asked() {
    run(async {
        let mut scene = Scene::new();
        let there = "210987654321";
        let one = scene.world.start(there, "us-east-1");
        let two = scene.world.start(there, "us-east-1");
        let set = |machine: &Machine| Ask::set("web", machine.address);
        let owner = ok(&scene.ask(&one, &set(&one)).await).owner.clone();
        scene.world.terminate(&one);
        let said = scene.refused(&two, &set(&two), "name_taken", &one.id).await;
        assert!(!said.text.contains("terminated"), "{}", said.text);
        scene.world.advance(u64::try_from(LEASE_SECS).unwrap() - 10);
        scene.refused(&two, &set(&two), "name_taken", "").await;
        scene.world.advance(10);
        ok(&scene.ask(&two, &set(&two)).await);
        assert_eq!(scene.world.calls("describe"), 0);
        // Whoever held it sees that it is not his any more.
        let late = set(&one).with_owner(owner);
        scene.refused(&one, &late, "name_taken", &two.id).await;
    });
}

#[test]
fn an_instance_that_no_list_shows_is_gone_only_after_a_while() {
    run(async {
        let mut scene = Scene::new();
        let (one, two) = (
            scene.world.start(HOME, "us-east-1"),
            scene.world.start(HOME, "us-east-1"),
        );
        ok(&scene.ask(&one, &Ask::set("web", one.address)).await);
        scene.world.state.lock().unwrap().instances.remove(&one.id);
        let set = Ask::set("web", two.address);
        scene.refused(&two, &set, "name_taken", &one.id).await;
        scene.world.advance(15 * 60);
        let said = scene.ask(&two, &set).await;
        assert_eq!(ok(&said).audit["formerOwner"], principal(&one));
        assert_eq!(scene.world.values(WEB, "A"), [two.address.to_string()]);
    });
}

#[test]
fn what_was_sent_once_changes_nothing_when_sent_again() {
    run(async {
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        let claim = scene.event(&machine, &Ask::set("web", machine.address));
        let owner = ok(&scene.send(&machine, &claim).await).owner.clone();
        let drop = scene.event(&machine, &Ask::delete("web"));
        let other: IpAddr = "2600:1f18::0".parse().unwrap();
        let renew = scene.event(&machine, &Ask::set("web", other).with_owner(owner));
        ok(&scene.send(&machine, &renew).await);
        // The DELETE was signed before the renewal: it is old.
        for (event, code) in [
            (&claim, "name_changed"),
            (&drop, "name_changed"),
            (&renew, "ok"),
        ] {
            let zone = scene.world.zone();
            let said = scene.send(&machine, event).await;
            assert_eq!(
                (said.code.as_str(), scene.world.zone()),
                (code, zone),
                "{}",
                said.text
            );
        }
        let released = scene.event(&machine, &Ask::delete("web"));
        ok(&scene.send(&machine, &released).await);
        // A renewal that comes late does not bring a released name back.
        let said = scene.send(&machine, &renew).await;
        assert_eq!(said.code, "name_changed");
        assert_eq!((said.status, scene.world.mark(WEB)), (409, None));
        // A claim does, for as long as its proof is good: nothing remembers it. This is documented.
        ok(&scene.send(&machine, &claim).await);
        let again = scene.event(&machine, &Ask::delete("web"));
        ok(&scene.send(&machine, &again).await);
        scene.world.advance(121);
        assert_eq!(scene.send(&machine, &claim).await.code, "proof_invalid");
        assert_eq!(scene.world.mark(WEB), None);
    });
}

#[test]
fn the_quota_counts_claims_and_the_longest_expired_name_makes_place() {
    run(async {
        let mut scene = Scene::with(|config| config["quota"] = json!(3));
        let machine = scene.world.start(HOME, "us-east-1");
        let set = |name: &str| Ask::set(name, machine.address);
        let mut owner = None;
        for name in ["a", "b", "c"] {
            owner = ok(&scene.ask(&machine, &set(name)).await).owner.clone();
            scene.world.advance(3_600);
        }
        scene
            .refused(&machine, &set("d"), "not_allowed", "quota")
            .await;
        // What it has it keeps.
        ok(&scene.ask(&machine, &set("c").with_owner(owner)).await);
        ok(&scene.ask(&machine, &set("b")).await);
        // Another account has a quota of its own.
        let other = scene.world.start("210987654321", "us-east-1");
        ok(&scene.ask(&other, &Ask::set("d", other.address)).await);
        scene
            .world
            .advance(u64::try_from(LEASE_SECS).unwrap() - 3 * 3_600);
        ok(&scene.ask(&machine, &set("d")).await);
        let name = |label: &str| format!("{label}.1kpqzg2c.spore.example.edu");
        let held: Vec<bool> = ["a", "b", "c", "d"]
            .iter()
            .map(|label| scene.world.mark(&name(label)).is_some())
            .collect();
        assert_eq!(held, [false, true, true, true]);
        assert!(scene.world.values(&name("a"), "A").is_empty());
    });
}

#[test]
fn a_hundred_names_with_all_their_records_are_counted() {
    run(async {
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        let v6: IpAddr = "2600:1f18::0".parse().unwrap();
        for number in 0..100 {
            let name = format!("n{number}");
            ok(&scene.ask(&machine, &Ask::set(&name, machine.address)).await);
            ok(&scene.ask(&machine, &Ask::set(&name, v6)).await);
            ok(&scene.ask(&machine, &Ask::text(&name, "x")).await);
        }
        scene
            .refused(
                &machine,
                &Ask::set("zz", machine.address),
                "not_allowed",
                "quota",
            )
            .await;
        ok(&scene.ask(&machine, &Ask::set("n99", machine.address)).await);
    });
}

#[test]
fn lists_say_which_and_whom_to_ask() {
    run(async {
        let mut scene = Scene::with(|config| {
            config["accounts"] = json!({ "these": [
                { "id": HOME, "label": null, "describe_role": null },
                { "id": "210987654321", "label": "lab", "describe_role": null },
                { "id": "222222222222", "label": null, "describe_role": null },
            ] });
            config["deny"] = json!(["222222222222"]);
            config["record_types"] = json!(["A"]);
        });
        let start = |scene: &Scene, account| scene.world.start(account, "us-east-1");
        let (home, lab) = (start(&scene, HOME), start(&scene, "210987654321"));
        let (denied, stranger) = (start(&scene, "222222222222"), start(&scene, "333333333333"));
        let set = |machine: &Machine| Ask::set("web", machine.address);
        let said = scene.ask(&lab, &set(&lab)).await;
        assert_eq!(ok(&said).body["record"], "web.lab.spore.example.edu");
        scene
            .refused(&denied, &set(&denied), "not_allowed", "the list `deny`")
            .await;
        let said = scene
            .refused(
                &stranger,
                &set(&stranger),
                "not_allowed",
                "the list `accounts`",
            )
            .await;
        assert!(
            said.text.ends_with("; ask dns@example.edu"),
            "{}",
            said.text
        );
        assert_eq!(
            (said.status, &said.audit["validation"]),
            (403, &json!("success"))
        );
        let reserved = Ask::set("vpn", home.address);
        scene
            .refused(&home, &reserved, "not_allowed", "`reserved`")
            .await;
        scene
            .refused(
                &home,
                &Ask::set("www", home.address),
                "bad_request",
                "reserved",
            )
            .await;
        scene
            .refused(
                &home,
                &Ask::text("web", "x"),
                "not_allowed",
                "`record-types`",
            )
            .await;
        let mut long = set(&home);
        long.update.ttl = Some(61);
        scene
            .refused(&home, &long, "bad_request", "from 30 to 60 seconds")
            .await;
        long.update.ttl = Some(29);
        scene.refused(&home, &long, "bad_request", "ttl").await;
        long.update.ttl = Some(30);
        ok(&scene.ask(&home, &long).await);
    });
}

#[test]
fn an_address_has_to_be_the_callers_own() {
    run(async {
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        let other = scene.world.start(HOME, "us-east-1");
        let private: IpAddr = "10.0.1.0".parse().unwrap();
        ok(&scene.ask(&machine, &Ask::set("web", private)).await);
        let ip = |text: &str| text.parse::<IpAddr>().unwrap();
        for (address, says) in [
            (other.address.into(), "no address of"),
            (ip("10.0.1.1"), "no address of"),
            (ip("10.9.1.0"), "private-cidrs"),
            (ip("127.0.0.1"), "loopback"),
            (ip("169.254.169.254"), "link-local"),
            (ip("::ffff:54.0.1.0"), "IPv4"),
            (ip("2600:1f18::1"), "no address of"),
        ] {
            scene
                .refused(&machine, &Ask::set("web", address), "not_allowed", says)
                .await;
        }
        // A VPC may use somebody else's range inside; that makes nobody its owner.
        let stolen: IpAddr = ip("8.8.8.8");
        {
            let mut state = scene.world.state.lock().unwrap();
            let private = &mut state.instances.get_mut(&machine.id).unwrap().private;
            private.insert("8.8.8.8".parse().unwrap());
        }
        scene
            .refused(
                &machine,
                &Ask::set("web", stolen),
                "not_allowed",
                "no address of",
            )
            .await;
        // Of an instance that cannot be asked about, only where the request comes from is known.
        let far = scene.world.start("210987654321", "us-east-1");
        ok(&scene.ask(&far, &Ask::set("web", far.address)).await);
        for address in [ip("10.0.1.2"), other.address.into(), ip("2600:1f18::2")] {
            let ask = Ask::set("web", address);
            scene
                .refused(&far, &ask, "not_allowed", "the request comes from")
                .await;
        }
        let v6 = ip("2600:1f18:7::9");
        scene.world.advance(5);
        let event = Ask::set("web", v6).event_from(&far, scene.world.now(), 999, v6);
        ok(&scene.send(&far, &event).await);
    });
}

#[test]
fn ec2_has_to_say_that_the_instance_runs_and_is_tagged() {
    run(async {
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        let set = Ask::set("web", machine.address);
        let change = |scene: &Scene, work: fn(&mut spore_updater::ports::Instance)| {
            let mut state = scene.world.state.lock().unwrap();
            work(state.instances.get_mut(&machine.id).unwrap());
        };
        change(&scene, |instance| {
            drop(instance.tags.insert("spawn:managed".into(), "no".into()))
        });
        scene
            .refused(&machine, &set, "not_allowed", "spawn:managed=true")
            .await;
        change(&scene, |instance| instance.tags.clear());
        scene
            .refused(&machine, &set, "not_allowed", "require-tag")
            .await;
        change(&scene, |instance| {
            instance.tags.insert("spawn:managed".into(), "true".into());
        });
        ok(&scene.ask(&machine, &set).await);
        change(&scene, |instance| instance.state = State::ShuttingDown);
        scene
            .refused(&machine, &set, "not_allowed", "shutting-down")
            .await;
        ok(&scene.ask(&machine, &Ask::delete("web")).await);
        change(&scene, |instance| instance.state = State::Terminated);
        scene
            .refused(&machine, &Ask::delete("web"), "not_allowed", "terminated")
            .await;
        scene
            .world
            .state
            .lock()
            .unwrap()
            .instances
            .remove(&machine.id);
        // So it is right after a start as well: not a refusal for good.
        let said = scene
            .refused(&machine, &set, "busy", "EC2 lists no instance")
            .await;
        assert_eq!(said.status, 503);
        assert!(said.answer["headers"]["Retry-After"].is_string());
    });
}

#[test]
fn roles_own_names_as_roles_and_only_for_where_they_call_from() {
    run(async {
        let mut scene = Scene::with(|config| {
            config["proofs"] = json!(["instance-role", "iam-role"]);
            config["roles"] = json!([format!("arn:aws:iam::{HOME}:role/ci")]);
        });
        let (role, other) = (
            scene.world.assume(HOME, "ci"),
            scene.world.assume(HOME, "other"),
        );
        let machine = scene.world.start(HOME, "us-east-1");
        let said = scene.ask(&role, &Ask::set("web", role.address)).await;
        assert!(
            ok(&said)
                .owner
                .as_ref()
                .unwrap()
                .contains(&principal(&role))
        );
        assert_eq!(said.audit["principal"], principal(&role));
        assert_eq!(
            (&said.audit["role"], &said.audit["instanceId"]),
            (&json!("ci/session"), &Value::Null)
        );
        let set = Ask::set("web", other.address);
        scene.refused(&other, &set, "not_allowed", "`roles`").await;
        let set = Ask::set("api-1", machine.address);
        scene
            .refused(&role, &set, "not_allowed", "the request comes from")
            .await;
        let set = Ask::set("web", machine.address);
        scene
            .refused(&machine, &set, "name_taken", "a role of account")
            .await;
        ok(&scene.ask(&role, &Ask::delete("web")).await);
        ok(&scene.ask(&machine, &set).await);
    });
}

#[test]
fn without_a_good_proof_nothing_is_asked_of_anybody_but_sts() {
    run(async {
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        let mut forged = machine.clone();
        forged.credentials.secret = "guessed".to_owned();
        let set = Ask::set("web", machine.address);
        let said = scene
            .refused(&forged, &set, "proof_invalid", "signature")
            .await;
        assert_eq!(
            (said.status, &said.audit["validation"]),
            (401, &json!("failure"))
        );
        assert_eq!(
            (&said.audit["principal"], &said.body["proof"]),
            (&Value::Null, &Value::Null)
        );
        // Signed for another update than the one that is sent: STS is asked about the one that is sent.
        let event_of_set = scene.event(&machine, &set);
        let signed: Value = serde_json::from_str(event_of_set.body().unwrap()).unwrap();
        let mut swapped = Ask::delete("web").members();
        swapped["proof"] = signed["proof"].clone();
        let asked = scene.world.calls("sts");
        let said = scene
            .send(
                &machine,
                &event(&swapped.to_string(), machine.address.into()),
            )
            .await;
        assert_eq!((said.status, said.code.as_str()), (401, "proof_invalid"));
        assert!(said.text.contains("signature"), "{}", said.text);
        assert_eq!(scene.world.calls("sts"), asked + 1);
        let none = event(&set.members().to_string(), machine.address.into());
        let said = scene.send(&machine, &none).await;
        assert_eq!((said.status, said.code.as_str()), (401, "proof_invalid"));
        let calls = ["list", "change", "describe"].map(|call| scene.world.calls(call));
        assert_eq!(calls, [0, 0, 0]);
        let source = machine.address.into();
        for (body, status, code) in [
            (String::new(), 400, "bad_request"),
            ("{".to_owned(), 400, "bad_request"),
            (
                json!({ "record_name": "web" }).to_string(),
                400,
                "bad_request",
            ),
            ("x".repeat(60_000), 413, "too_large"),
        ] {
            let said = scene.send(&machine, &event(&body, source)).await;
            assert_eq!(
                (said.status, said.code.as_str()),
                (status, code),
                "{}",
                said.text
            );
        }
        assert_eq!(scene.world.calls("sts"), 2);
    });
}

#[test]
fn the_answer_is_signed_for_its_request_and_the_line_tells_no_secret() {
    run(async {
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        let said = scene.ask(&machine, &Ask::set("web", machine.address)).await;
        ok(&said);
        assert_eq!(said.body["proof"]["type"], "updater-role");
        assert_eq!(said.answer["headers"]["Content-Type"], "application/json");
        assert_eq!(said.answer["isBase64Encoded"], false);
        let members: Vec<&String> = said.body.as_object().unwrap().keys().collect();
        for member in [
            "success",
            "message",
            "error",
            "record",
            "change_id",
            "timestamp",
            "code",
            "request_id",
            "owner",
        ] {
            assert!(members.iter().any(|known| *known == member), "{member}");
        }
        let mut audit = said.audit.clone();
        let duration = audit.as_object_mut().unwrap().remove("durationMs").unwrap();
        assert!(duration.is_u64());
        assert_eq!(
            audit,
            json!({
                "timestamp": "2026-11-22T06:00:01Z", "requestId": "gateway-1", "sourceIp": "54.0.1.0",
                "principal": principal(&machine), "proof": "instance-role",
                "instanceId": machine.id, "role": null, "accountId": HOME, "region": "us-east-1",
                "recordName": "web", "fqdn": WEB, "recordType": "A", "ipAddress": "54.0.1.0",
                "action": "UPSERT", "validation": "success", "code": "ok", "success": true,
                "changeId": "/change/C1", "formerOwner": null, "evictedName": null,
                "evictedOwner": null, "nonce": format!("{:032x}", 1),
                "message": format!("{WEB} is changed; name servers have it within a minute"),
            })
        );
        let line = said.audit.to_string();
        let token = machine.credentials.token.as_deref().unwrap();
        let proof = said.body["proof"].as_object().unwrap();
        for secret in [
            token,
            proof["token"].as_str().unwrap(),
            proof["signature"].as_str().unwrap(),
        ] {
            assert!(!line.contains(secret));
        }
    });
}

#[test]
fn a_caller_that_asks_too_often_is_told_when_to_come_back() {
    run(async {
        let mut scene =
            Scene::with(|config| config["rate"] = json!({ "requests": 3, "per_secs": 60 }));
        let machine = scene.world.start(HOME, "us-east-1");
        let other = scene.world.start(HOME, "us-east-1");
        for _ in 0..3 {
            ok(&scene.ask(&machine, &Ask::set("web", machine.address)).await);
        }
        let set = Ask::set("web", machine.address);
        let said = scene
            .refused(&machine, &set, "rate_limited", "try again in")
            .await;
        assert_eq!(said.status, 429);
        let wait: u64 = said.answer["headers"]["Retry-After"]
            .as_str()
            .unwrap()
            .parse()
            .unwrap();
        assert!((1..=20).contains(&wait), "{wait}");
        ok(&scene.ask(&other, &Ask::set("db", other.address)).await);
        scene.world.advance(wait);
        ok(&scene.ask(&machine, &set).await);
    });
}

#[test]
fn a_caller_has_one_rate_whatever_region_it_signs_for() {
    run(async {
        let mut scene =
            Scene::with(|config| config["rate"] = json!({ "requests": 3, "per_secs": 60 }));
        let machine = scene.world.start(HOME, "us-east-1");
        let neighbour = scene.world.start(HOME, "us-east-1");
        let mut passed = 0;
        let regions = spore_updater::protocol::REGIONS;
        for region in regions.into_iter().filter(|name| name.starts_with("ap-")) {
            let elsewhere = Machine {
                region,
                ..machine.clone()
            };
            let set = Ask::set("web", machine.address);
            let said = scene.ask(&elsewhere, &set).await;
            passed += u32::from(said.code != "rate_limited");
        }
        assert_eq!(passed, 3);
        assert!(scene.world.calls("describe") <= 3);
        ok(&scene
            .ask(&neighbour, &Ask::set("db", neighbour.address))
            .await);
    });
}

#[path = "handle/documents.rs"]
mod documents;
#[path = "handle/histories.rs"]
mod histories;
#[path = "handle/trouble.rs"]
mod trouble;
