//! Proves that no resolver ever fails because of this tool: through the whole life of a zone, after
//! every change that anybody makes of the world, every server is asked, and whatever some resolver may
//! still hold of earlier answers is validated with everything it may get now. The judge asks and
//! validates by a library that signs nothing here, and knows nothing of Route 53 or of plans.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::sync::{Arc, Mutex};
use std::time::Duration;

use spore_infra::desired::Desired;
use spore_infra::kind::hosted_zone::Records;
use spore_infra::plan::{DestroyOptions, Goal};
use spore_infra::stack;
use spore_sandbox::dns::verdict::{Judge, Verdict};
use spore_sandbox::dns::{DnsName, RegistrarAction};
use spore_tests::bench::{Bench, run};

const DOMAIN: &str = "spore.example.edu";
const HOUR: Duration = Duration::from_secs(3_600);
/// A change of Route 53 is on all servers by then.
const IN_SYNC: Duration = Duration::from_secs(120);
const FIRST: &str = "spore_spore_example_edu_1";
const SECOND: &str = "spore_spore_example_edu_2";

fn desired(more: &str) -> Desired {
    let text = format!("version = 1\ndomain = \"{DOMAIN}\"\naccount = \"123456789012\"\n{more}");
    let read = |_: &std::path::Path| Err(std::io::Error::other("none"));
    Desired::of(&stack::parse("stack.toml", &text, &read).unwrap())
}

/// What the judge said, after which change.
type Seen = Arc<Mutex<Vec<(String, Verdict)>>>;

/// A zone and those around it: the tool, the people of the parent zone, and the judge.
struct Life {
    bench: Bench,
    seen: Seen,
    judge: Arc<Mutex<Judge>>,
}

impl Life {
    async fn open() -> Self {
        let start = "2026-11-21T12:00:00Z".parse().unwrap();
        let bench = Bench::open(desired(""), 11, start).await;
        let judge = Arc::new(Mutex::new(Judge::new(&DnsName::parse(DOMAIN).unwrap())));
        let seen = Seen::default();
        let (watching, saying) = (judge.clone(), seen.clone());
        bench.sandbox.watch(move |what, world, now| {
            // Names of the rest of the stack do not show in DNS.
            let concerns = [
                "by hand",
                "HostedZone",
                "KeySigningKey",
                "ResourceRecord",
                "Key",
                "Alias",
            ];
            if concerns.iter().any(|part| what.contains(part)) {
                let verdict = watching.lock().unwrap().look(world, now);
                saying.lock().unwrap().push((what.to_owned(), verdict));
            }
        });
        Self { bench, seen, judge }
    }

    fn registrar(&self, action: RegistrarAction) {
        let done = self
            .bench
            .sandbox
            .with_world(|world, now| world.registrar(now, action));
        done.unwrap().unwrap();
    }

    fn delegate(&self) {
        self.registrar(RegistrarAction::Delegate {
            zone: DOMAIN.into(),
            name_servers: None,
        });
    }

    /// The parent's DS set becomes that of these keys.
    async fn publish(&self, keys: &[&str]) {
        let snapshot = self.bench.snapshot(Records::FirstPage, None).await;
        let live = snapshot.dnssec.present().unwrap();
        let ds = |name: &&str| {
            live.keys
                .iter()
                .find(|key| key.name == *name)
                .unwrap()
                .ds
                .clone()
        };
        let records = keys.iter().map(ds).collect();
        self.registrar(RegistrarAction::Ds {
            zone: DOMAIN.into(),
            records,
        });
    }

    /// Time passes, and the judge looks often enough to see everything that arrives.
    fn wait(&self, span: Duration) {
        self.bench.advance(span);
        self.look("time passed");
    }

    fn look(&self, what: &str) -> Verdict {
        let mut judge = self.judge.lock().unwrap();
        let verdict = self
            .bench
            .sandbox
            .inspect(|world, now| judge.look(world, now));
        self.seen
            .lock()
            .unwrap()
            .push((what.to_owned(), verdict.clone()));
        verdict
    }

    async fn carry_out(&self, goal: &Goal) {
        self.bench.carry_out(goal).await;
        self.wait(IN_SYNC);
    }

    /// Looks so far; none was bogus.
    fn fine(&self) -> usize {
        let seen = self.seen.lock().unwrap();
        for (number, (what, verdict)) in seen.iter().enumerate() {
            assert!(!verdict.is_bogus(), "look {number}, {what}: {verdict:?}");
        }
        seen.len()
    }

    /// The first look that was bogus.
    fn bogus(&self) -> Option<String> {
        let seen = self.seen.lock().unwrap();
        seen.iter()
            .find(|(_, verdict)| verdict.is_bogus())
            .map(|(what, _)| what.clone())
    }
}

/// Signed, delegated, vouched for, and known as such to every resolver.
async fn secure() -> Life {
    let life = Life::open().await;
    life.carry_out(&Goal::Converge).await;
    life.delegate();
    life.wait(HOUR);
    life.publish(&[FIRST]).await;
    life.wait(48 * HOUR);
    assert_eq!(life.look("secured"), Verdict::Secure);
    life
}

#[test]
fn from_the_first_apply_to_the_last_destroy() {
    run(async {
        let mut life = secure().await;
        // A rotation, with people who take their time.
        life.carry_out(&Goal::Rotate).await;
        life.wait(HOUR);
        life.publish(&[FIRST, SECOND]).await;
        life.carry_out(&Goal::Rotate).await;
        life.wait(30 * HOUR);
        life.publish(&[SECOND]).await;
        life.carry_out(&Goal::Rotate).await;
        life.wait(48 * HOUR);
        assert_eq!(life.look("rotated"), Verdict::Secure);

        // One that is begun and given up.
        life.carry_out(&Goal::Rotate).await;
        life.carry_out(&Goal::AbortRotation).await;
        life.wait(48 * HOUR);
        assert_eq!(life.look("aborted"), Verdict::Secure);

        // One that is given up when the parent had already let go of the old key.
        life.carry_out(&Goal::Rotate).await;
        life.wait(2 * HOUR);
        life.publish(&[SECOND, FIRST]).await;
        life.carry_out(&Goal::Rotate).await;
        life.wait(30 * HOUR);
        life.publish(&[FIRST]).await;
        life.wait(HOUR / 6);
        life.publish(&[SECOND]).await;
        life.carry_out(&Goal::AbortRotation).await;
        life.wait(48 * HOUR);
        assert_eq!(life.look("aborted late"), Verdict::Secure);

        // Signing off and on.
        let withdraw = |ds_only| RegistrarAction::Withdraw {
            zone: DOMAIN.into(),
            ds_only,
        };
        life.bench.desired = desired("[dnssec]\nenabled = false\n");
        life.registrar(withdraw(true));
        life.carry_out(&Goal::Unsign).await;
        life.carry_out(&Goal::Converge).await;
        life.wait(48 * HOUR);
        assert_eq!(life.look("unsigned"), Verdict::Insecure);
        life.bench.desired = desired("");
        life.carry_out(&Goal::Converge).await;
        life.wait(HOUR);
        // It was in use unsigned: resolvers may remember that for as long as they remember its NS set.
        let told = life
            .bench
            .plan(&Goal::Converge, None)
            .await
            .notices
            .join(" ");
        assert!(told.contains("not before 202"), "{told}");
        life.wait(48 * HOUR);
        let told = life
            .bench
            .plan(&Goal::Converge, None)
            .await
            .notices
            .join(" ");
        assert!(!told.contains("not before"), "{told}");
        life.publish(&[FIRST]).await;
        life.wait(48 * HOUR);
        assert_eq!(life.look("signed again"), Verdict::Secure);

        // Somebody switches the key off, and the next apply finds it in time.
        let key = life.bench.key_arn().await;
        let kms = &life.bench.write.kms;
        kms.disable_key().key_id(&key).send().await.unwrap();
        life.wait(24 * HOUR);
        life.carry_out(&Goal::Converge).await;
        let call = life.bench.write.kms.schedule_key_deletion().key_id(&key);
        call.send().await.unwrap();
        life.wait(24 * HOUR);
        life.carry_out(&Goal::Converge).await;
        life.wait(5 * 24 * HOUR);
        assert_eq!(life.look("rescued"), Verdict::Secure);

        // Down, while nobody can be hurt.
        life.registrar(withdraw(true));
        let destroy = Goal::Destroy(DestroyOptions::default());
        life.bench.carry_out(&destroy).await;
        let looks = life.fine();
        assert!(looks > 60, "{looks} looks");
    });
}

/// What somebody does by hand who knows better.
#[derive(Debug, Clone, Copy)]
enum Haste {
    /// Signing is turned off as soon as the DS is gone.
    UnsignedEarly,
    /// The old key goes as soon as its DS is gone.
    OldKeyEarly,
    /// The new key's DS replaces the old one's before its DNSKEY is everywhere.
    NewDsEarly,
    /// The key is switched off and nobody notices.
    KeyOff,
}

async fn hurry(life: &Life, haste: Haste) {
    let bench = &life.bench;
    let zone = bench.zone_id().await;
    let route53 = &bench.write.route53;
    let unsign = route53.disable_hosted_zone_dnssec().hosted_zone_id(&zone);
    let without_ds = || RegistrarAction::Withdraw {
        zone: DOMAIN.into(),
        ds_only: true,
    };
    match haste {
        Haste::UnsignedEarly => {
            life.registrar(without_ds());
            life.wait(HOUR / 6);
            unsign.send().await.unwrap();
        }
        Haste::OldKeyEarly => {
            bench.carry_out(&Goal::Rotate).await;
            life.wait(2 * HOUR);
            life.publish(&[SECOND]).await;
            let call = route53.deactivate_key_signing_key();
            call.hosted_zone_id(&zone).name(FIRST).send().await.unwrap();
        }
        Haste::NewDsEarly => {
            bench.carry_out(&Goal::Rotate).await;
            life.publish(&[SECOND]).await;
        }
        Haste::KeyOff => {
            let key = bench.key_arn().await;
            bench
                .write
                .kms
                .disable_key()
                .key_id(key)
                .send()
                .await
                .unwrap();
            for _ in 0..30 {
                life.wait(24 * HOUR);
            }
        }
    }
    life.wait(IN_SYNC);
}

/// The judge is worth nothing if it does not see what the tool avoids.
#[test]
fn the_judge_sees_every_haste() {
    run(async {
        for haste in [
            Haste::UnsignedEarly,
            Haste::OldKeyEarly,
            Haste::NewDsEarly,
            Haste::KeyOff,
        ] {
            let life = secure().await;
            life.fine();
            hurry(&life, haste).await;
            assert!(life.bogus().is_some(), "{haste:?}: {:?}", life.seen);
        }
    });
}
