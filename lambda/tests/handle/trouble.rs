//! What does not go as it should: AWS that fails, is slow or loses answers, records that others made by
//! hand, a stack document that was narrowed.

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
