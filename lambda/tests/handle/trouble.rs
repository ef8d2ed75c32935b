//! What does not go as it should: AWS that fails, is slow or loses answers, records that others made by
//! hand, a stack document that was narrowed.

use std::collections::{BTreeMap, VecDeque};

use super::*;

#[test]
fn failures_of_aws_are_answered_in_time_and_in_our_own_words() {
    run(async {
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        let set = Ask::set("web", machine.address);
        for (failure, code) in [
            (Failure::Throttled, "busy"),
            (Failure::Pending, "busy"),
            (Failure::Unanswered, "busy"),
            // Twice, while nothing at the name changed: the zone is full, for example.
            (Failure::Conflict, "unavailable"),
            (Failure::Denied, "unavailable"),
            (Failure::Unusable, "unavailable"),
        ] {
            scene.world.state.lock().unwrap().weather.change = Some(failure);
            let said = scene.refused(&machine, &set, code, "").await;
            assert_eq!(said.status, 503);
            assert!(said.answer["headers"]["Retry-After"].is_string());
            assert!(said.audit["durationMs"].as_i64().unwrap() <= 8_000);
        }
    });
}

#[test]
fn answers_that_come_late_end_in_time_and_in_an_answer() {
    run(async {
        // Each call for itself is answered; all together take longer than a request may.
        for (slow_ms, calls) in [(3_000, 3), (3_900, 3), (100_000, 2)] {
            let mut scene = Scene::new();
            let machine = scene.world.start(HOME, "us-east-1");
            scene.world.state.lock().unwrap().weather.slow_ms = slow_ms;
            let set = Ask::set("web", machine.address);
            let said = scene.refused(&machine, &set, "busy", "try again").await;
            assert_eq!(said.status, 503);
            let took = said.audit["durationMs"].as_i64().unwrap();
            assert!((7_000..=8_000).contains(&took), "{slow_ms}: {took}");
            let all = ["sts", "describe", "list", "change"].map(|call| scene.world.calls(call));
            assert_eq!(all.iter().sum::<u32>(), calls, "{slow_ms}: {all:?}");
        }
    });
}

#[test]
fn sts_is_asked_again_however_it_says_that_it_is_busy() {
    run(async {
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        let throttles = vec![
            (400, "Throttling"),
            (429, "TooManyRequests"),
            (403, "ThrottlingException"),
            (503, "ServiceUnavailable"),
        ];
        scene.world.state.lock().unwrap().weather.sts_throttles = throttles;
        ok(&scene.ask(&machine, &Ask::set("web", machine.address)).await);
        assert_eq!(scene.world.calls("sts"), 5);
        // A refusal is final.
        let expired = vec![(403, "ExpiredToken")];
        scene.world.state.lock().unwrap().weather.sts_throttles = expired;
        let set = Ask::set("web", machine.address);
        scene
            .refused(&machine, &set, "proof_invalid", "expired")
            .await;
        assert_eq!(scene.world.calls("sts"), 6);
    });
}

#[test]
fn a_lost_answer_is_found_again() {
    run(async {
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        let lose = |scene: &Scene| scene.world.state.lock().unwrap().weather.lost_answers = 1;
        // Lost between Route 53 and the updater: the updater asks again and sees its own mark.
        lose(&scene);
        let claimed = scene.ask(&machine, &Ask::set("web", machine.address)).await;
        assert_eq!(ok(&claimed).owner, scene.world.mark(WEB));
        lose(&scene);
        let ask = Ask::set("web", machine.address).with_owner(claimed.owner.clone());
        let renewed = scene.ask(&machine, &ask).await;
        assert_eq!(ok(&renewed).owner, scene.world.mark(WEB));
        // Lost between updater and caller: the same event again changes nothing and answers the mark.
        let event = scene.event(&machine, &ask.clone().with_owner(renewed.owner));
        let first = scene.send(&machine, &event).await;
        let (zone, second) = (scene.world.zone(), scene.send(&machine, &event).await);
        assert_eq!(
            (ok(&first).owner.clone(), scene.world.zone()),
            (ok(&second).owner.clone(), zone)
        );
        // The client kept the mark before: its next request finds the newer one.
        let stale = scene.ask(&machine, &ask).await;
        assert_eq!(ok(&stale).owner, scene.world.mark(WEB));
        lose(&scene);
        ok(&scene.ask(&machine, &Ask::delete("web")).await);
        assert_eq!(scene.world.mark(WEB), None);
    });
}

#[test]
fn whoever_lost_something_is_in_the_line_though_the_answer_was_lost() {
    run(async {
        let mut scene = Scene::with(|config| config["quota"] = json!(1));
        let (one, two) = (
            scene.world.start(HOME, "us-east-1"),
            scene.world.start(HOME, "us-east-1"),
        );
        let lose = |scene: &Scene| scene.world.state.lock().unwrap().weather.lost_answers = 1;
        ok(&scene.ask(&one, &Ask::set("web", one.address)).await);
        scene.world.terminate(&one);
        lose(&scene);
        let said = scene.ask(&two, &Ask::set("web", two.address)).await;
        assert_eq!(ok(&said).audit["formerOwner"], principal(&one));
        assert_eq!(said.audit["evictedName"], Value::Null);
        // Nobody lost anything by a renewal.
        lose(&scene);
        let said = scene.ask(&two, &Ask::set("web", two.address)).await;
        assert_eq!(ok(&said).audit["formerOwner"], Value::Null);
        scene.world.advance(u64::try_from(LEASE_SECS).unwrap());
        lose(&scene);
        let said = scene.ask(&two, &Ask::set("db", two.address)).await;
        assert_eq!(ok(&said).audit["evictedName"], WEB);
        assert_eq!(said.audit["evictedOwner"], principal(&two));
        assert_eq!(said.audit["formerOwner"], Value::Null);
        // Not even the updater learns whether it was done.
        scene.world.advance(u64::try_from(LEASE_SECS).unwrap());
        scene.world.state.lock().unwrap().weather.change = Some(Failure::Unanswered);
        let set = Ask::set("web", two.address);
        let said = scene
            .refused(&two, &set, "busy", "may have been made")
            .await;
        assert_eq!(said.audit["evictedName"], "db.1kpqzg2c.spore.example.edu");
        // Here it does: nothing was.
        scene.world.state.lock().unwrap().weather.change = Some(Failure::Throttled);
        let said = scene.refused(&two, &set, "busy", "too many").await;
        assert_eq!(said.audit["evictedName"], Value::Null);
    });
}

#[test]
fn what_was_made_by_hand_is_refused_by_name() {
    run(async {
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        let set = Ask::set("web", machine.address);
        for (kind, value) in [
            ("AAAA", "2600::1"),
            ("CNAME", "x."),
            ("TXT", "\"x\""),
            ("A", "1.1.1.1"),
        ] {
            let scene = &mut Scene::new();
            let machine = scene.world.start(HOME, "us-east-1");
            scene.world.make_by_hand(plain(WEB, kind, value));
            let says = format!("{kind} records without an owner mark");
            scene
                .refused(&machine, &set.clone(), "name_taken", &says)
                .await;
            scene
                .refused(&machine, &Ask::delete("web"), "name_taken", &says)
                .await;
        }
        // A mark of a later version is somebody's.
        let mark = "\"v=2 p=me\"";
        scene
            .world
            .make_by_hand(plain(&format!("_spore.{WEB}"), "TXT", mark));
        scene
            .refused(&machine, &set, "name_taken", "cannot read")
            .await;
    });
}

#[test]
fn what_was_made_by_hand_at_the_callers_own_name_is_named() {
    run(async {
        let alias = |kind: &str| spore_updater::zone::RecordSet {
            is_plain: false,
            ..plain(WEB, kind, "x")
        };
        for (by_hand, kind) in [
            (plain(WEB, "CNAME", "x."), "CNAME"),
            (alias("AAAA"), "alias or weighted"),
        ] {
            let mut scene = Scene::new();
            let machine = scene.world.start(HOME, "us-east-1");
            let v6: IpAddr = "2600:1f18::0".parse().unwrap();
            let owner = ok(&scene.ask(&machine, &Ask::set("web", machine.address)).await)
                .owner
                .clone();
            // Somebody takes the A record away and puts his own in its place.
            scene.world.make_by_hand(by_hand);
            for owner in [owner, None] {
                let set = Ask::set("web", v6).with_owner(owner);
                let says = format!("has {kind} records beside its own");
                let said = scene.refused(&machine, &set, "name_taken", &says).await;
                assert_eq!(said.status, 409);
            }
        }
        // Hand-made records beside which there is room are nobody's trouble, and stay.
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        let set = Ask::set("web", machine.address);
        ok(&scene.ask(&machine, &set).await);
        ok(&scene.ask(&machine, &Ask::text("web", "x")).await);
        let weighted = alias("AAAA");
        scene.world.make_by_hand(weighted.clone());
        scene.world.state.lock().unwrap().by_hand.clear();
        ok(&scene.ask(&machine, &set).await);
        let none = scene
            .ask(&machine, &Ask::delete("web").of_type("AAAA"))
            .await;
        assert_eq!(ok(&none).change_id, None, "there is none of its own");
        let zone = scene.world.zone();
        assert!(zone.values().any(|set| *set == weighted));
    });
}

#[test]
fn names_that_cannot_be_counted_are_not_told_as_the_quota() {
    run(async {
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        ok(&scene.ask(&machine, &Ask::set("aaa", machine.address)).await);
        for number in 0..1_000 {
            let name = format!("hand-{number}.1kpqzg2c.spore.example.edu");
            scene.world.make_by_hand(plain(&name, "A", "1.1.1.1"));
        }
        let set = Ask::set("web", machine.address);
        let said = scene
            .refused(&machine, &set, "unavailable", "more than 900 records below")
            .await;
        assert!(!said.text.contains("quota"), "{}", said.text);
        // What is there can be renewed all the same.
        ok(&scene.ask(&machine, &Ask::set("aaa", machine.address)).await);
    });
}

#[test]
fn a_document_that_was_narrowed_strands_no_name() {
    run(async {
        let mut scene = Scene::with(|config| config["quota"] = json!(3));
        let [one, two, three] = [(); 3].map(|()| scene.world.start(HOME, "us-east-1"));
        let v6: IpAddr = "2600:1f18::0".parse().unwrap();
        for name in ["web", "old", "admin-1"] {
            ok(&scene.ask(&one, &Ask::set(name, one.address)).await);
            ok(&scene.ask(&one, &Ask::set(name, v6)).await);
        }
        scene.updater = updater(&config(|config| {
            config["quota"] = json!(3);
            config["record_types"] = json!(["A"]);
            config["reserved"] = json!(["vpn", "admin-1"]);
        }));
        scene.world.state.lock().unwrap().weather.narrowed = Some((vec!["A"], vec!["admin-1"]));
        // One type of a name that is kept.
        let dropped = scene.ask(&one, &Ask::delete("web").of_type("AAAA")).await;
        assert_eq!(ok(&dropped).owner, scene.world.mark(WEB));
        assert!(scene.world.values(WEB, "AAAA").is_empty());
        assert_eq!(scene.world.values(WEB, "A").len(), 1);
        // A label that became reserved: no new record, no stranger, but its holder may remove it.
        let reserved = Ask::set("admin-1", one.address);
        scene
            .refused(&one, &reserved, "not_allowed", "`reserved`")
            .await;
        scene
            .refused(&two, &Ask::delete("admin-1"), "name_taken", &one.id)
            .await;
        ok(&scene
            .ask(&one, &Ask::delete("admin-1").of_type("AAAA"))
            .await);
        // In the place of a holder who is gone.
        scene.world.terminate(&one);
        let said = scene.ask(&two, &Ask::set("old", two.address)).await;
        assert_eq!(ok(&said).audit["formerOwner"], principal(&one));
        let old = "old.1kpqzg2c.spore.example.edu";
        assert!(scene.world.values(old, "AAAA").is_empty());
        assert_eq!(scene.world.values(old, "A"), [two.address.to_string()]);
        // In the place of an expired name that is reserved now.
        let renewed = Ask::set("web", two.address);
        ok(&scene.ask(&two, &renewed).await);
        scene.world.advance(u64::try_from(LEASE_SECS).unwrap() - 20);
        let owner = ok(&scene.ask(&two, &renewed).await).owner.clone();
        ok(&scene.ask(&two, &renewed.with_owner(owner)).await);
        ok(&scene.ask(&two, &Ask::set("old", two.address)).await);
        scene.world.advance(20);
        let said = scene.ask(&three, &Ask::set("new", three.address)).await;
        let evicted = "admin-1.1kpqzg2c.spore.example.edu";
        assert_eq!(ok(&said).audit["evictedName"], evicted);
        assert_eq!(said.audit["evictedOwner"], principal(&one));
        assert!(scene.world.values(evicted, "A").is_empty());
        assert_eq!(scene.world.mark(evicted), None);
    });
}

/// A name of `one`, who is gone, and the change with which `two` takes it over meets `fates`.
async fn taken_over(fates: &[Fate], lists: Option<Failure>) -> (Said, String) {
    let mut scene = Scene::new();
    let (one, two) = (
        scene.world.start(HOME, "us-east-1"),
        scene.world.start(HOME, "us-east-1"),
    );
    ok(&scene.ask(&one, &Ask::set("web", one.address)).await);
    scene.world.terminate(&one);
    {
        let mut state = scene.world.state.lock().unwrap();
        state.weather.next_changes = fates.iter().copied().collect();
        state.weather.lists_after_change = lists;
        state.calls.clear();
    }
    let said = scene.ask(&two, &Ask::set("web", two.address)).await;
    assert_eq!(said.audit["success"], said.code == "ok");
    (said, principal(&one))
}

#[test]
fn a_change_whose_answer_was_lost_may_have_been_made_whatever_is_said_later() {
    run(async {
        let lost = [
            Fate::MadeBut(Failure::Unanswered),
            Fate::Not(Failure::Unanswered),
        ];
        for lost in lost {
            for later in [
                Failure::Denied,
                Failure::Unusable,
                Failure::Throttled,
                Failure::Pending,
            ] {
                let fates = [lost].into_iter().chain([Fate::Not(later); 40]);
                let (said, former) = taken_over(&fates.collect::<Vec<_>>(), None).await;
                assert_eq!(
                    (said.status, said.code.as_str()),
                    (503, "busy"),
                    "{}",
                    said.text
                );
                assert!(said.text.contains("may have been made"), "{}", said.text);
                assert_eq!(said.audit["formerOwner"], former, "{later:?}");
                assert_eq!(said.audit["changeId"], Value::Null);
            }
        }
        // An answer that came later and decides, but the look that would tell fails.
        for failure in [Failure::Denied, Failure::Unanswered] {
            let fates = [Fate::MadeBut(Failure::Unanswered)];
            let (said, former) = taken_over(&fates, Some(failure)).await;
            assert_eq!(said.code, "busy");
            assert!(said.text.contains("may have been made"), "{}", said.text);
            assert_eq!(said.audit["formerOwner"], former);
        }
        // Nothing was made, for certain.
        for failure in [Failure::Denied, Failure::Unusable, Failure::Throttled] {
            let (said, _) = taken_over(&[Fate::Not(failure); 40], None).await;
            assert!(!said.text.contains("may have been made"), "{}", said.text);
            assert_eq!(said.audit["formerOwner"], Value::Null);
        }
        let (said, _) = taken_over(&[Fate::Not(Failure::Conflict)], Some(Failure::Denied)).await;
        assert_eq!(said.code, "unavailable");
        assert!(!said.text.contains("may have been made"), "{}", said.text);
        assert_eq!(said.audit["formerOwner"], Value::Null);
    });
}

#[test]
fn only_a_change_that_was_sent_may_have_been_made() {
    run(async {
        let mut scene = Scene::new();
        let machine = scene.world.start(HOME, "us-east-1");
        let set = Ask::set("web", machine.address);
        scene.world.state.lock().unwrap().weather.describe = Some(Failure::Unanswered);
        let said = scene.refused(&machine, &set, "busy", "EC2").await;
        assert!(!said.text.contains("may have been made"), "{}", said.text);
        for slow_ms in [2_200, 3_000, 3_900, 100_000] {
            let mut scene = Scene::new();
            let machine = scene.world.start(HOME, "us-east-1");
            scene.world.state.lock().unwrap().weather.slow_ms = slow_ms;
            let said = scene.ask(&machine, &set).await;
            let is_sent = scene.world.calls("change") > 0;
            assert_eq!(
                (said.code.as_str(), said.text.contains("may have been made")),
                ("busy", is_sent),
                "{slow_ms}: {}",
                said.text
            );
        }
    });
}

/// `one` holds a name with records of a type that the stack does not let instances have any more, and has
/// let its lease end.
async fn lapsed_and_narrowed() -> (Scene, Machine, Machine) {
    let mut scene = Scene::new();
    let (one, two) = (
        scene.world.start(HOME, "us-east-1"),
        scene.world.start(HOME, "us-east-1"),
    );
    let v6: IpAddr = "2600:1f18::0".parse().unwrap();
    ok(&scene.ask(&one, &Ask::set("web", one.address)).await);
    ok(&scene.ask(&one, &Ask::set("web", v6)).await);
    scene.updater = updater(&config(|config| config["record_types"] = json!(["A"])));
    scene.world.advance(u64::try_from(LEASE_SECS).unwrap() + 10);
    scene.world.state.lock().unwrap().weather.narrowed = Some((vec!["A"], Vec::new()));
    (scene, one, two)
}

fn mark_of(machine: &Machine, time: &str) -> spore_updater::zone::RecordSet {
    let mark = format!(
        "\"v=1 p={} t={time} n={:032x}\"",
        principal(machine),
        0x0077
    );
    plain(&format!("_spore.{WEB}"), "TXT", &mark)
}

#[test]
fn a_take_over_in_two_parts_takes_nothing_of_a_holder_who_comes_back() {
    run(async {
        let (mut scene, one, two) = lapsed_and_narrowed().await;
        let renewed = vec![mark_of(&one, "20261129T060012Z")];
        scene.world.state.lock().unwrap().weather.written_before = BTreeMap::from([(0, renewed)]);
        let said = scene.ask(&two, &Ask::set("web", two.address)).await;
        assert_eq!(said.code, "name_taken", "{}", said.text);
        assert_eq!(scene.world.values(WEB, "AAAA"), ["2600:1f18::"]);
        assert_eq!(scene.world.values(WEB, "A"), [one.address.to_string()]);
        assert_eq!(said.audit["formerOwner"], Value::Null);
        assert_eq!(said.audit["changeId"], Value::Null);
    });
}

#[test]
fn what_was_done_is_in_the_line_though_the_request_is_refused() {
    run(async {
        // Between the parts, when the name is free, a third one claims it.
        let (mut scene, one, two) = lapsed_and_narrowed().await;
        let three = scene.world.start(HOME, "us-east-1");
        let mark = mark_of(&three, "20261129T060012Z");
        let claimed = vec![mark, plain(WEB, "A", &three.address.to_string())];
        scene.world.state.lock().unwrap().weather.written_before = BTreeMap::from([(1, claimed)]);
        let said = scene.ask(&two, &Ask::set("web", two.address)).await;
        assert_eq!(said.code, "name_taken", "{}", said.text);
        assert!(scene.world.values(WEB, "AAAA").is_empty());
        assert_eq!(scene.world.values(WEB, "A"), [three.address.to_string()]);
        assert_eq!(said.audit["formerOwner"], principal(&one));
        assert_eq!(said.audit["changeId"], "/change/C3");
        // The second part fails, or the answer of the first is lost.
        for (fates, code) in [
            (vec![Fate::Not(Failure::Denied)], "unavailable"),
            (vec![Fate::Not(Failure::Throttled); 40], "busy"),
            (Vec::new(), "ok"),
        ] {
            for lost in [None, Some(Fate::MadeBut(Failure::Unanswered))] {
                let (mut scene, one, two) = lapsed_and_narrowed().await;
                {
                    let mut state = scene.world.state.lock().unwrap();
                    let mut all: VecDeque<Fate> = lost.into_iter().collect();
                    // The same change once more, which does not fit any more; or it is well.
                    all.push_back(match lost {
                        Some(_) => Fate::Not(Failure::Conflict),
                        None => Fate::Made,
                    });
                    all.extend(fates.iter().copied());
                    state.weather.next_changes = all;
                }
                let said = scene.ask(&two, &Ask::set("web", two.address)).await;
                let is_unknown = lost.is_some() && code != "ok";
                assert_eq!(said.code, if is_unknown { "busy" } else { code });
                assert_eq!(said.text.contains("may have been made"), is_unknown);
                assert_eq!(said.audit["formerOwner"], principal(&one));
                assert!(scene.world.values(WEB, "AAAA").is_empty());
                let is_made = code == "ok";
                assert_eq!(scene.world.mark(WEB).is_some(), is_made);
                assert_eq!(scene.world.values(WEB, "A").len(), usize::from(is_made));
            }
        }
    });
}
