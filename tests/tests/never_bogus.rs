//! Proves that no resolver ever fails because of this tool: through the whole life of a zone, after
//! every change that anybody makes of the world, every server is asked, and whatever some resolver may
//! still hold of earlier answers is validated with everything it may get now. The judge asks and
//! validates by a library that signs nothing here, and knows nothing of Route 53 or of plans.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_kms::types::{KeySpec, KeyUsageType};
use aws_sdk_route53::error::ProvideErrorMetadata as _;
use spore_infra::ds::{DigestType, DnsKey};
use spore_infra::kind::hosted_zone::Records;
use spore_infra::kind::journal_group::{EVIDENCE_DELEGATED, EVIDENCE_DS_TTL};
use spore_infra::kind::ksk;
use spore_infra::plan::{DestroyOptions, Goal, Report};
use spore_infra::run::Outcome;
use spore_infra::snapshot::ParentView;
use spore_sandbox::dns::verdict::{Judge, Verdict};
use spore_sandbox::dns::{DnsName, Fault, RegistrarAction};
use spore_tests::bench::{Bench, desired, run};
use spore_tests::cases::each;

const DOMAIN: &str = "spore.example.edu";
const HOUR: Duration = Duration::from_secs(3_600);
/// A change of Route 53 is on all servers by then.
const IN_SYNC: Duration = Duration::from_secs(120);
const FIRST: &str = "spore_spore_example_edu_1";
const SECOND: &str = "spore_spore_example_edu_2";

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

    /// The first look that was bogus, after which change, and why.
    fn bogus(&self) -> Option<(String, String)> {
        let seen = self.seen.lock().unwrap();
        seen.iter().find_map(|(what, verdict)| match verdict {
            Verdict::Bogus(why) => Some((what.clone(), why.clone())),
            Verdict::Secure | Verdict::Insecure | Verdict::Unreachable(_) => None,
        })
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

fn withdraw() -> RegistrarAction {
    RegistrarAction::Withdraw {
        zone: DOMAIN.into(),
        ds_only: false,
    }
}

/// The people of the parent zone take the delegation out with its DS record, and whoever runs the tool does not
/// wait a minute: resolvers hold both for a while yet, and go on asking.
#[test]
fn a_withdrawal_a_moment_ago_is_waited_out() {
    run(async {
        let destroy = Goal::Destroy(DestroyOptions::default());
        for goal in [Goal::Unsign, destroy, Goal::Rotate] {
            let mut life = secure().await;
            if goal == Goal::Rotate {
                life.carry_out(&goal).await;
            }
            // What the command `apply` notes of the parent when it has nothing else to do.
            let wanted = &life.bench.desired;
            let journal = wanted.log_group_arn(&wanted.journal_group());
            let note = life.bench.write.logs.tag_resource().resource_arn(journal);
            let note = note.tags(EVIDENCE_DELEGATED, "86400");
            note.tags(EVIDENCE_DS_TTL, "3600").send().await.unwrap();
            life.wait(HOUR);
            life.registrar(withdraw());
            if goal == Goal::Unsign {
                life.bench.desired = desired("[dnssec]\nenabled = false\n");
            }
            // Another machine, and another: each run finds what the first has noted.
            let mut ends = Vec::new();
            for _ in 0..3 {
                let wait = Some(Duration::ZERO);
                let (_, outcome, _) = life.bench.carry_out_within(&goal, wait).await;
                let Outcome::Waiting { until, .. } = outcome else {
                    panic!("{goal:?}: {outcome:?}")
                };
                ends.push(until);
                life.wait(HOUR / 4);
            }
            let spread = ends
                .iter()
                .max()
                .unwrap()
                .duration_since(*ends.iter().min().unwrap());
            assert!(spread.as_secs() < 2, "{goal:?}: {ends:?}");
            life.bench.carry_out(&goal).await;
            life.wait(IN_SYNC);
            life.fine();
        }
    });
}

/// A zone that has been delegated and unsigned for longer than any TTL of it.
async fn in_use_unsigned() -> Life {
    let mut life = Life::open().await;
    life.bench.desired = desired("[dnssec]\nenabled = false\n");
    life.carry_out(&Goal::Converge).await;
    life.delegate();
    life.wait(72 * HOUR);
    life
}

/// In use unsigned, withdrawn, signed, and delegated again: nothing at the parent shows that it was in use.
#[test]
fn unsigned_answers_outlive_the_delegation_that_led_to_them() {
    run(async {
        let mut life = in_use_unsigned().await;
        life.registrar(withdraw());
        life.bench.desired = desired("");
        life.carry_out(&Goal::Converge).await;
        life.delegate();
        life.wait(HOUR / 6);
        let notices = async |life: &Life| {
            let plan = life.bench.plan(&Goal::Converge, None).await;
            plan.notices.join(" ")
        };
        let told = notices(&life).await;
        assert!(told.contains("not before 202"), "{told}");
        life.wait(48 * HOUR);
        let told = notices(&life).await;
        assert!(!told.contains("not before"), "{told}");
        life.publish(&[FIRST]).await;
        life.wait(HOUR);
        assert_eq!(life.look("vouched for"), Verdict::Secure);
        life.fine();
    });
}

/// One name server hears of the signing half a day late. What resolvers took from it until then they hold for
/// another two days.
#[test]
fn what_a_server_that_lags_gave_out_is_waited_out_as_well() {
    run(async {
        let mut life = in_use_unsigned().await;
        life.bench.desired = desired("");
        life.lag(12 * HOUR).await;
        let wait = Some(Duration::ZERO);
        for hours in [1, 4, 7] {
            let (_, outcome, _) = life.bench.carry_out_within(&Goal::Converge, wait).await;
            if hours == 1 {
                assert!(matches!(outcome, Outcome::Waiting { .. }), "{outcome:?}");
            }
            let told = life.bench.plan(&Goal::Converge, None).await;
            let told = format!("{:?} {:?}", told.notices, told.report);
            assert!(told.contains("does not serve"), "{told}");
            life.wait(hours * HOUR);
        }
        life.carry_out(&Goal::Converge).await;
        life.wait(40 * HOUR);
        let plan = life.bench.plan(&Goal::Converge, None).await;
        assert!(
            plan.notices.join(" ").contains("not before"),
            "{:?}",
            plan.notices
        );
        life.wait(9 * HOUR);
        let plan = life.bench.plan(&Goal::Converge, None).await;
        assert!(
            !plan.notices.join(" ").contains("not before"),
            "{:?}",
            plan.notices
        );
        life.publish(&[FIRST]).await;
        life.wait(HOUR);
        assert_eq!(life.look("vouched for"), Verdict::Secure);
        life.fine();
    });
}

/// Somebody deletes the zone, its DS record comes back, and it is made anew: the order that `apply`, `status`
/// and `handover` name, kept by people who take their time.
#[test]
fn a_zone_made_anew_is_never_bogus_on_its_way_back() {
    run(async {
        let life = secure().await;
        let ds = life.ksk(FIRST).await.ds;
        life.without_ds();
        life.wait(48 * HOUR);
        life.sign(false).await;
        life.wait(IN_SYNC);
        life.deactivate(FIRST).await.unwrap();
        let zone = life.bench.zone_id().await;
        let route53 = &life.bench.write.route53;
        let call = route53.delete_key_signing_key().hosted_zone_id(&zone);
        call.name(FIRST).send().await.unwrap();
        route53.delete_hosted_zone().id(&zone).send().await.unwrap();
        life.wait(72 * HOUR);
        life.set_ds(&ds);
        life.carry_out(&Goal::Converge).await;
        let told = life
            .bench
            .plan(&Goal::Converge, None)
            .await
            .notices
            .join(" ");
        assert!(
            told.contains("ds-remove") && told.contains("1 h later"),
            "{told}"
        );

        life.without_ds();
        life.wait(HOUR);
        life.delegate();
        life.carry_out(&Goal::Converge).await;
        // Who remembers the old delegation reaches nobody, and is none the worse for what is signed here.
        life.wait(72 * HOUR);
        assert_eq!(life.look("signed"), Verdict::Insecure);
        life.publish(&[FIRST]).await;
        life.wait(HOUR);
        assert_eq!(life.look("back"), Verdict::Secure);
        life.fine();
    });
}

/// What somebody does who knows better, or does not look: the tool's order with one thing left out.
#[derive(Debug, Clone, Copy)]
enum Mistake {
    /// The DS record is published while the zone is not signed.
    DsBeforeSigning,
    /// It is published while signing is on its way to the name servers.
    DsBeforeInSync,
    /// It is published as soon as they sign, while resolvers remember unsigned answers.
    HoldDownSkipped,
    /// It is made for another name: the right key tag, and a digest of something else.
    WrongDigest,
    /// The DS record of a zone that was moved here stays.
    StaleDs,
    /// The new key's DS record replaces the old one's before its DNSKEY is known everywhere.
    NewDsEarly,
    /// The old key's DS record goes before that, after both were there.
    OldDsOutEarly,
    /// It goes while one name server has not heard of the new key.
    ServerLeftBehind,
    /// The old key goes as soon as its DS record is gone.
    OldKeyEarly,
    /// The new key goes as soon as the parent has taken its DS record back.
    NewKeyOutEarly,
    /// The parent's people put an old zone file back.
    OldDsBack,
    /// Signing is turned off as soon as the DS record is gone.
    UnsignedEarly,
    /// It is off, with the last key inactive, and the DS record is put back.
    LastKeyOff,
    /// The zone is made anew, and the DS record stays.
    MadeAnew,
    /// The key is switched off and nobody notices.
    KeyOff,
    /// Its deletion is scheduled and nobody notices.
    KeyDeleted,
    /// Route 53 is taken out of its policy and nobody notices.
    PolicyTaken,
}

impl fmt::Display for Mistake {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{self:?}")
    }
}

const MISTAKES: [Mistake; 17] = [
    Mistake::DsBeforeSigning,
    Mistake::DsBeforeInSync,
    Mistake::HoldDownSkipped,
    Mistake::WrongDigest,
    Mistake::StaleDs,
    Mistake::NewDsEarly,
    Mistake::OldDsOutEarly,
    Mistake::ServerLeftBehind,
    Mistake::OldKeyEarly,
    Mistake::NewKeyOutEarly,
    Mistake::OldDsBack,
    Mistake::UnsignedEarly,
    Mistake::LastKeyOff,
    Mistake::MadeAnew,
    Mistake::KeyOff,
    Mistake::KeyDeleted,
    Mistake::PolicyTaken,
];

/// Why resolvers then fail.
const NO_KEYS: &str = "there is no DNSKEY set";
const NO_KEY: &str = "no DNSKEY matches it";
const ENDED: &str = "its signature ended at";

impl Life {
    async fn ksk(&self, name: &str) -> ksk::Key {
        let snapshot = self.bench.snapshot(Records::FirstPage, None).await;
        let mut keys = snapshot.dnssec.present().unwrap().keys.iter();
        keys.find(|key| key.name == name).unwrap().clone()
    }

    fn set_ds(&self, record: &str) {
        self.registrar(RegistrarAction::Ds {
            zone: DOMAIN.into(),
            records: vec![record.to_owned()],
        });
    }

    fn without_ds(&self) {
        self.registrar(RegistrarAction::Withdraw {
            zone: DOMAIN.into(),
            ds_only: true,
        });
    }

    /// Signing by hand, on or off.
    async fn sign(&self, is_on: bool) {
        let zone = self.bench.zone_id().await;
        let route53 = &self.bench.write.route53;
        if is_on {
            let call = route53.enable_hosted_zone_dnssec().hosted_zone_id(zone);
            call.send().await.unwrap();
        } else {
            let call = route53.disable_hosted_zone_dnssec().hosted_zone_id(zone);
            call.send().await.unwrap();
        }
    }

    /// A key-signing key taken down by hand; AWS's code if it refuses.
    async fn deactivate(&self, name: &str) -> Result<(), String> {
        let zone = self.bench.zone_id().await;
        let call = self.bench.write.route53.deactivate_key_signing_key();
        let answer = call.hosted_zone_id(zone).name(name).send().await;
        answer
            .map(drop)
            .map_err(|error| error.code().unwrap_or_default().to_owned())
    }

    async fn rotate(&self) {
        self.bench.carry_out(&Goal::Rotate).await;
    }

    /// Route 53 cannot use the key, and nobody notices: for six days nothing is to be seen, as the signatures
    /// last longer, and then the last one ends.
    fn weeks(&self) -> String {
        for _ in 0..6 {
            self.wait(24 * HOUR);
        }
        self.fine();
        for _ in 0..24 {
            self.wait(24 * HOUR);
        }
        ENDED.to_owned()
    }

    /// In use for days, unsigned.
    fn in_use(&self) {
        self.delegate();
        self.wait(48 * HOUR);
        assert_eq!(self.look("in use unsigned"), Verdict::Insecure);
    }

    /// The second key of a rotation that has just begun.
    async fn second(&self) -> ksk::Key {
        self.rotate().await;
        self.ksk(SECOND).await
    }

    /// One name server hears of nothing for a month.
    async fn leave_a_server_behind(&self) {
        self.lag(30 * 24 * HOUR).await;
    }

    /// One name server hears of everything that much later.
    async fn lag(&self, by: Duration) {
        let snapshot = self.bench.snapshot(Records::FirstPage, None).await;
        let zone = snapshot.hosted_zone.present().unwrap();
        let server = DnsName::parse(&zone.name_servers(DOMAIN)[1]).unwrap();
        let lag = Some(Fault::Lag(by));
        let sandbox = &self.bench.sandbox;
        let done = sandbox.with_world(|world, _| world.named_server_fault(&server, lag));
        done.unwrap().unwrap();
    }

    /// A second zone of the name, unsigned; its servers.
    async fn make_anew(&self) -> Vec<String> {
        let call = self.bench.write.route53.create_hosted_zone();
        let call = call.name(DOMAIN).caller_reference("by hand");
        let made = call.send().await.unwrap();
        made.delegation_set.unwrap().name_servers
    }

    /// Makes one mistake; what resolvers that fail have to find. All was fine until right before.
    async fn make(&self, mistake: Mistake) -> String {
        let first = self.ksk(FIRST).await;
        let of = |key: &ksk::Key, why: &str| format!("DS {}: {why}", key.key_tag);
        let kms = &self.bench.write.kms;
        match mistake {
            Mistake::DsBeforeSigning => {
                self.in_use();
                self.fine();
                self.set_ds(&first.ds);
                of(&first, NO_KEYS)
            }
            Mistake::DsBeforeInSync => {
                self.sign(true).await;
                self.delegate();
                self.fine();
                self.set_ds(&first.ds);
                of(&first, NO_KEYS)
            }
            Mistake::HoldDownSkipped => {
                self.in_use();
                self.sign(true).await;
                self.wait(HOUR);
                self.fine();
                self.set_ds(&first.ds);
                // The set with the longest TTL, two days.
                format!("{DOMAIN}. NS: it is not signed")
            }
            Mistake::WrongDigest => {
                let key = DnsKey::parse(&first.dnskey).unwrap();
                let of_parent = key.ds("example.edu", DigestType::Sha256);
                assert_eq!(i32::from(of_parent.key_tag), first.key_tag);
                self.fine();
                self.set_ds(&of_parent.to_string());
                of(&first, NO_KEY)
            }
            Mistake::StaleDs => {
                self.fine();
                self.set_ds(&format!("12735 13 2 {}", "AB".repeat(32)));
                format!("DS 12735: {NO_KEY}")
            }
            Mistake::NewDsEarly => {
                let second = self.second().await;
                self.fine();
                self.publish(&[SECOND]).await;
                of(&second, NO_KEY)
            }
            Mistake::OldDsOutEarly => {
                let second = self.second().await;
                self.publish(&[FIRST, SECOND]).await;
                self.wait(HOUR / 6);
                self.fine();
                self.publish(&[SECOND]).await;
                of(&second, NO_KEY)
            }
            Mistake::ServerLeftBehind => {
                self.leave_a_server_behind().await;
                let second = self.second().await;
                self.wait(48 * HOUR);
                self.fine();
                self.publish(&[SECOND]).await;
                of(&second, NO_KEY)
            }
            Mistake::OldKeyEarly => {
                self.rotate().await;
                self.wait(2 * HOUR);
                self.publish(&[SECOND]).await;
                self.fine();
                self.deactivate(FIRST).await.unwrap();
                of(&first, NO_KEY)
            }
            Mistake::NewKeyOutEarly => {
                let second = self.second().await;
                self.wait(2 * HOUR);
                self.publish(&[SECOND]).await;
                self.wait(2 * HOUR);
                self.publish(&[FIRST]).await;
                self.fine();
                self.deactivate(SECOND).await.unwrap();
                of(&second, NO_KEY)
            }
            Mistake::OldDsBack => {
                self.rotate().await;
                self.wait(2 * HOUR);
                self.publish(&[FIRST, SECOND]).await;
                self.rotate().await;
                self.wait(30 * HOUR);
                self.publish(&[SECOND]).await;
                self.rotate().await;
                self.wait(48 * HOUR);
                self.fine();
                self.set_ds(&first.ds);
                of(&first, NO_KEY)
            }
            Mistake::UnsignedEarly => {
                self.without_ds();
                self.wait(HOUR / 6);
                self.fine();
                self.sign(false).await;
                of(&first, NO_KEYS)
            }
            Mistake::LastKeyOff => {
                // While the zone is signed AWS does not take its only key.
                let refused = self.deactivate(FIRST).await;
                assert_eq!(refused, Err("KeySigningKeyInUse".to_owned()));
                self.without_ds();
                self.wait(48 * HOUR);
                self.sign(false).await;
                self.wait(IN_SYNC);
                self.deactivate(FIRST).await.unwrap();
                self.wait(48 * HOUR);
                self.fine();
                self.set_ds(&first.ds);
                of(&first, NO_KEYS)
            }
            Mistake::MadeAnew => {
                let name_servers = Some(self.make_anew().await);
                self.wait(IN_SYNC);
                self.fine();
                self.registrar(RegistrarAction::Delegate {
                    zone: DOMAIN.into(),
                    name_servers,
                });
                of(&first, NO_KEYS)
            }
            Mistake::KeyOff => {
                let call = kms.disable_key().key_id(first.kms_arn);
                call.send().await.unwrap();
                self.weeks()
            }
            Mistake::KeyDeleted => {
                let call = kms.schedule_key_deletion().key_id(first.kms_arn);
                call.send().await.unwrap();
                self.weeks()
            }
            Mistake::PolicyTaken => {
                let policy = r#"{"Version": "2012-10-17", "Statement": [{"Effect": "Allow",
                    "Principal": {"AWS": "arn:aws:iam::123456789012:root"},
                    "Action": "kms:*", "Resource": "*"}]}"#;
                let call = kms.put_key_policy().key_id(first.kms_arn);
                let call = call.policy_name("default").policy(policy);
                call.send().await.unwrap();
                self.weeks()
            }
        }
    }
}

/// Where a mistake begins: signed and vouched for, or with signing turned off again before anybody delegated
/// the zone.
async fn before(mistake: Mistake) -> Life {
    match mistake {
        Mistake::DsBeforeSigning | Mistake::DsBeforeInSync | Mistake::HoldDownSkipped => {
            let life = Life::open().await;
            life.carry_out(&Goal::Converge).await;
            life.sign(false).await;
            life.wait(48 * HOUR);
            life
        }
        Mistake::WrongDigest
        | Mistake::StaleDs
        | Mistake::NewDsEarly
        | Mistake::OldDsOutEarly
        | Mistake::ServerLeftBehind
        | Mistake::OldKeyEarly
        | Mistake::NewKeyOutEarly
        | Mistake::OldDsBack
        | Mistake::UnsignedEarly
        | Mistake::LastKeyOff
        | Mistake::MadeAnew
        | Mistake::KeyOff
        | Mistake::KeyDeleted
        | Mistake::PolicyTaken => secure().await,
    }
}

/// The judge is worth nothing if it does not see what the tool avoids, and names it.
#[test]
fn the_judge_sees_every_mistake_and_why() {
    each(&MISTAKES, |mistake| {
        run(async {
            let life = before(*mistake).await;
            let expected = life.make(*mistake).await;
            life.wait(IN_SYNC);
            match life.bogus() {
                Some((_, why)) if why.contains(&expected) => Ok(()),
                found => Err(format!("{expected:?} is expected, not {found:?}")),
            }
        })
    });
}

const THEIRS: &str = "somebody_elses";

/// How the way to take somebody's key down is gone.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Gait {
    AsTold,
    WithoutWaiting,
}

impl Life {
    /// Somebody gives the zone a second key-signing key.
    async fn add_theirs(&self) {
        let (kms, route53) = (&self.bench.write.kms, &self.bench.write.route53);
        let zone = self.bench.zone_id().await;
        let ours = self.ksk(FIRST).await.kms_arn;
        let policy = kms.get_key_policy().key_id(ours).send().await.unwrap();
        let call = kms.create_key().key_spec(KeySpec::EccNistP256);
        let call = call.key_usage(KeyUsageType::SignVerify);
        let made = call.set_policy(policy.policy).send().await.unwrap();
        let arn = made.key_metadata.unwrap().arn.unwrap();
        self.bench.advance(HOUR / 6);
        let call = route53.create_key_signing_key().hosted_zone_id(zone);
        let call = call.name(THEIRS).key_management_service_arn(arn);
        let call = call.status("ACTIVE").caller_reference("theirs");
        call.send().await.unwrap();
    }

    /// What a plan says is to be done about it, step by step.
    async fn way_down(&self) -> Vec<String> {
        let plan = self.bench.plan(&Goal::Converge, None).await;
        let told = plan.report.iter().find_map(|report| {
            let Report::Warning { what, .. } = report else {
                return None;
            };
            what.contains(THEIRS).then(|| what.clone())
        });
        let told = told.unwrap_or_else(|| panic!("a warning: {:?}", plan.report));
        let (_, way) = told.split_once("in this order: ").unwrap();
        let steps = way
            .split("; (")
            .map(|step| step.split_once(") ").unwrap().1);
        steps.map(str::to_owned).collect()
    }

    async fn take_step(&self, step: &str, gait: Gait) {
        let zone = self.bench.zone_id().await;
        let route53 = &self.bench.write.route53;
        let names = format!("--hosted-zone-id {zone} --name {THEIRS}`");
        if step.contains(" add the DS record") {
            self.publish(&[FIRST, THEIRS]).await;
        } else if step.contains(" take out DS") {
            let theirs = self.ksk(THEIRS).await.ds;
            assert!(step.contains(&theirs), "{step}");
            self.publish(&[FIRST]).await;
        } else if step.starts_with("`aws route53 deactivate-key-signing-key ") {
            assert!(step.ends_with(&names), "{step}");
            self.deactivate(THEIRS).await.unwrap();
        } else if step.starts_with("ask `aws route53 get-change ") {
            self.wait(IN_SYNC);
        } else if step.starts_with("`aws route53 delete-key-signing-key ") {
            assert!(step.ends_with(&names), "{step}");
            let call = route53.delete_key_signing_key().hosted_zone_id(zone);
            call.name(THEIRS).send().await.unwrap();
        } else if let Some((_, from)) = step.split_once("wait ") {
            let secs = from.split_once(" s (").unwrap().0;
            if gait == Gait::AsTold {
                self.wait(Duration::from_secs(secs.parse().unwrap()));
            }
        } else {
            assert!(step.starts_with("`spore-infra plan`"), "{step}");
        }
    }
}

/// Somebody else's key-signing key is no affair of this tool's, but the way that it names to take one down must be
/// as safe as its own: gone as told, word by word, it ends in an empty plan, and no resolver ever fails.
#[test]
fn somebody_elses_key_is_taken_down_by_hand_as_the_plan_says() {
    // What the parent vouches for, and how many steps that takes.
    for (published, number) in [
        (&[FIRST, THEIRS][..], 6),
        (&[THEIRS], 9),
        (&[FIRST], 5),
        (&[], 5),
    ] {
        run(async {
            let life = secure().await;
            life.add_theirs().await;
            life.wait(48 * HOUR);
            if published.is_empty() {
                life.without_ds();
            } else {
                life.publish(published).await;
            }
            life.wait(48 * HOUR);
            let way = life.way_down().await;
            assert_eq!(way.len(), number, "{way:#?}");
            for step in &way {
                life.take_step(step, Gait::AsTold).await;
                life.look(step);
            }
            life.wait(48 * HOUR);
            life.fine();
            let plan = life.bench.plan(&Goal::Converge, None).await;
            assert!(plan.is_empty(), "{:?}", plan.steps);
            assert!(!format!("{:?}", plan.report).contains(THEIRS));
            // The place is free for a rotation.
            let plan = life.bench.plan(&Goal::Rotate, None).await;
            assert!(plan.refusals.is_empty(), "{:?}", plan.refusals);
        });
    }
}

/// The waits are in it because they are needed.
#[test]
fn somebody_elses_key_taken_down_in_a_hurry_is_seen() {
    run(async {
        let life = secure().await;
        life.add_theirs().await;
        life.wait(48 * HOUR);
        life.publish(&[THEIRS]).await;
        life.wait(48 * HOUR);
        life.fine();
        for step in &life.way_down().await {
            life.take_step(step, Gait::WithoutWaiting).await;
            life.look(step);
        }
        let (_, why) = life.bogus().unwrap();
        assert!(why.contains(NO_KEY), "{why}");
    });
}

/// Who does not answer decides nothing: the way waits for the parent's servers.
#[test]
fn the_way_of_somebody_elses_key_is_not_told_on_half_an_answer() {
    run(async {
        let life = secure().await;
        life.add_theirs().await;
        life.wait(HOUR);
        let snapshot = life.bench.snapshot(Records::FirstPage, None).await;
        let ParentView::Seen { servers, .. } = &snapshot.parent else {
            panic!("the parent answers")
        };
        let server = DnsName::parse(&servers[0].name).unwrap();
        let silent = Some(Fault::Silent);
        let sandbox = &life.bench.sandbox;
        let done = sandbox.with_world(|world, _| world.named_server_fault(&server, silent));
        done.unwrap().unwrap();
        let way = life.way_down().await;
        let [only] = &way[..] else {
            panic!("one step: {way:#?}")
        };
        assert!(
            only.contains("have every server of the parent zone answer"),
            "{only}"
        );
        assert!(!only.contains("aws route53"), "{only}");
    });
}
