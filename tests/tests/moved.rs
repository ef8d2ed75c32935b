//! Proves that a zone which comes here from other name servers is never bogus on its way: no DS record is published,
//! printed or asked for while some resolver may still ask the former servers, or remember what they answered. The
//! judge follows the old NS sets, the parent's and the zone's own, for as long as resolvers may.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::path::Path;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use aws_sdk_route53::types::{
    Change, ChangeAction, ChangeBatch, ResourceRecord, ResourceRecordSet, RrType,
};
use jiff::Timestamp;
use spore_infra::desired::Desired;
use spore_infra::ds::not_yet::not_yet;
use spore_infra::kind::hosted_zone::Records;
use spore_infra::plan::Goal;
use spore_infra::run::Outcome;
use spore_infra::snapshot::Snapshot;
use spore_infra::stack;
use spore_sandbox::dns::verdict::{Judge, Verdict};
use spore_sandbox::dns::{DnsName, RegistrarAction};
use spore_sandbox::door::{Options, Sandbox};
use spore_tests::bench::{Bench, run};

const DOMAIN: &str = "spore.example.edu";
const ACCOUNT: &str = "123456789012";
/// Whose account the former servers' zone is in.
pub(crate) const FORMER: &str = "555555555555";
const HOUR: Duration = Duration::from_secs(3_600);
const DAY: Duration = Duration::from_secs(86_400);

/// Who has the parent zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Whose {
    Others,
    Ours,
}

/// Who makes the zone that the name moves to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Maker {
    Hand,
    Tool,
}

fn desired(domain: &str, account: &str) -> Desired {
    let text = format!("version = 1\ndomain = \"{domain}\"\naccount = \"{account}\"\n");
    let read = |_: &Path| Err(std::io::ErrorKind::NotFound.into());
    Desired::of(&stack::parse("stack.toml", &text, &read).unwrap())
}

fn registrar(sandbox: &Sandbox, action: RegistrarAction) {
    let done = sandbox.with_world(|world, now| world.registrar(now, action));
    done.unwrap().unwrap();
}

/// A record set in a zone, whatever was there.
pub(crate) async fn put(
    bench: &Bench,
    zone: &str,
    name: &str,
    rtype: RrType,
    ttl: i64,
    values: &[String],
) {
    let set = ResourceRecordSet::builder().name(name).r#type(rtype);
    let set = values.iter().fold(set.ttl(ttl), |set, value| {
        set.resource_records(ResourceRecord::builder().value(value).build().unwrap())
    });
    let change = Change::builder().action(ChangeAction::Upsert);
    let change = change.resource_record_set(set.build().unwrap());
    let batch = ChangeBatch::builder().changes(change.build().unwrap());
    let call = bench.write.route53.change_resource_record_sets();
    let call = call.hosted_zone_id(zone);
    let call = call.change_batch(batch.build().unwrap());
    call.send().await.unwrap();
    bench.advance(HOUR / 30);
}

/// A zone made by hand; its id and name servers.
pub(crate) async fn make(bench: &Bench, ttls: (i64, i64)) -> (String, Vec<String>) {
    let call = bench.write.route53.create_hosted_zone().name(DOMAIN);
    let made = call.caller_reference("by hand").send().await.unwrap();
    let zone = made.hosted_zone.unwrap().id;
    let zone = zone.trim_start_matches("/hostedzone/").to_owned();
    let servers = made.delegation_set.unwrap().name_servers;
    let (of_servers, of_records) = ttls;
    put(bench, &zone, DOMAIN, RrType::Ns, of_servers, &servers).await;
    let www = format!("www.{DOMAIN}");
    let address = ["192.0.2.1".to_owned()];
    put(bench, &zone, &www, RrType::A, of_records, &address).await;
    (zone, servers)
}

/// A name in use at other name servers, and the stack that it moves to.
struct Move {
    bench: Bench,
    parent: Option<(Bench, String)>,
    judge: Arc<Mutex<Judge>>,
    seen: Arc<Mutex<Vec<(String, Verdict)>>>,
}

impl Move {
    async fn begin(whose: Whose) -> Self {
        let (sandbox, parent) = match whose {
            Whose::Others => {
                let options = Options {
                    seed: 23,
                    start: Some("2026-11-21T12:00:00Z".parse().unwrap()),
                    ..Options::default()
                };
                (Sandbox::open(None, options).unwrap(), None)
            }
            Whose::Ours => {
                let (sandbox, parent) = crate::delegation::world().await;
                let zone = parent.zone_id().await;
                (sandbox, Some((parent, zone)))
            }
        };
        let former = Bench::on(sandbox.clone(), desired(DOMAIN, FORMER)).await;
        let (_, servers) = make(&former, (172_800, 3_600)).await;
        match &parent {
            Some((parent, zone)) => {
                put(parent, zone, DOMAIN, RrType::Ns, 172_800, &servers).await;
            }
            None => registrar(
                &sandbox,
                RegistrarAction::Delegate {
                    zone: DOMAIN.into(),
                    name_servers: Some(servers),
                },
            ),
        }
        let name = DnsName::parse(DOMAIN).unwrap();
        let judge = Judge::new(&name).also(&name.child("www"), "A".parse().unwrap());
        let judge = Arc::new(Mutex::new(judge));
        let seen: Arc<Mutex<Vec<(String, Verdict)>>> = Arc::default();
        let (watching, saying) = (judge.clone(), seen.clone());
        sandbox.watch(move |what, world, now| {
            let concerns = ["by hand", "HostedZone", "KeySigningKey", "ResourceRecord"];
            if concerns.iter().any(|part| what.contains(part)) {
                let verdict = watching.lock().unwrap().look(world, now);
                saying.lock().unwrap().push((what.to_owned(), verdict));
            }
        });
        let bench = Bench::on(sandbox, desired(DOMAIN, ACCOUNT)).await;
        let this = Self {
            bench,
            parent,
            judge,
            seen,
        };
        this.advance(3 * DAY);
        this
    }

    /// Time passes, in steps in which the judge sees what arrives.
    fn advance(&self, span: Duration) -> Verdict {
        let mut left = span;
        while !left.is_zero() {
            let now = self.bench.sandbox.now();
            let end = self.judge.lock().unwrap().next_end(now);
            let end = end.map(|end| end.duration_since(now).unsigned_abs());
            let step = left.min(HOUR / 2).min(end.unwrap_or(HOUR));
            self.bench.advance(step);
            self.look();
            left -= step;
        }
        self.look()
    }

    fn look(&self) -> Verdict {
        let mut judge = self.judge.lock().unwrap();
        let sandbox = &self.bench.sandbox;
        let verdict = sandbox.inspect(|world, now| judge.look(world, now));
        let said = ("time passed".to_owned(), verdict.clone());
        self.seen.lock().unwrap().push(said);
        verdict
    }

    fn bogus(&self) -> Option<(String, Verdict)> {
        let seen = self.seen.lock().unwrap();
        seen.iter().find(|(_, verdict)| verdict.is_bogus()).cloned()
    }

    /// One command of another machine, which waits for nothing; until when it says to wait.
    async fn carry_out(&self, goal: &Goal) -> Option<Timestamp> {
        let wait = Some(Duration::ZERO);
        let (_, outcome, troubles) = self.bench.carry_out_within(goal, wait).await;
        self.advance(HOUR / 20);
        match outcome {
            Outcome::Waiting { until, .. } => Some(until),
            Outcome::Converged => None,
            Outcome::Failed | Outcome::Interrupted => panic!("{goal:?}: {troubles:#?}"),
        }
    }

    async fn snapshot(&self) -> Snapshot {
        self.bench.snapshot(Records::FirstPage, None).await
    }

    /// The stack is there, the name still elsewhere; the NS set moves next.
    async fn prepare(&self, maker: Maker) {
        match maker {
            Maker::Hand => {
                make(&self.bench, (3_600, 3_600)).await;
                self.advance(HOUR);
                self.carry_out(&Goal::Adopt).await;
                if self.parent.is_none() {
                    self.carry_out(&Goal::Converge).await;
                }
            }
            Maker::Tool => {
                self.carry_out(&Goal::Converge).await;
            }
        }
        self.advance(HOUR);
    }

    /// The parent's NS set becomes that of the zone here; when.
    async fn switch(&self) -> Timestamp {
        if self.parent.is_some() {
            while let Some(until) = self.carry_out(&Goal::Adopt).await {
                let left = until.duration_since(self.bench.sandbox.now());
                self.advance(left.unsigned_abs() + HOUR / 60);
            }
        } else {
            let snapshot = self.snapshot().await;
            let servers = snapshot.hosted_zone.present().unwrap();
            registrar(
                &self.bench.sandbox,
                RegistrarAction::Delegate {
                    zone: DOMAIN.into(),
                    name_servers: Some(servers.name_servers(DOMAIN)),
                },
            );
        }
        self.look();
        self.bench.sandbox.now()
    }

    /// Goes on as an eager person does who asks every half hour, until the DS record is there; when.
    async fn to_ds(&self) -> Timestamp {
        for _ in 0..600 {
            self.carry_out(&Goal::Converge).await;
            let snapshot = self.snapshot().await;
            let is_there = snapshot.parent.all().unwrap();
            if is_there.iter().all(|answer| !answer.ds.is_empty()) {
                return self.bench.sandbox.now();
            }
            let keys = &snapshot.dnssec.present().unwrap().keys;
            let why = keys.first().and_then(|key| {
                let why = not_yet(&self.bench.desired, &snapshot, key);
                why.map(|why| why.to_string())
            });
            let plan = self.bench.plan(&Goal::Converge, None).await;
            let told = plan.notices.join(" ");
            if why.is_none() && self.parent.is_none() {
                assert!(!told.contains("not before"), "{told}");
                let records = keys.iter().map(|key| key.ds.clone()).collect();
                registrar(
                    &self.bench.sandbox,
                    RegistrarAction::Ds {
                        zone: DOMAIN.into(),
                        records,
                    },
                );
                self.look();
                return self.bench.sandbox.now();
            }
            self.advance(HOUR / 2);
        }
        panic!("no DS record came in 600 rounds")
    }
}

/// Moved as told, by people who lose no minute.
async fn moved(whose: Whose, maker: Maker) -> Duration {
    let this = Move::begin(whose).await;
    assert_eq!(this.look(), Verdict::Insecure);
    this.prepare(maker).await;
    let from = this.switch().await;
    let until = this.to_ds().await;
    let verdict = this.advance(8 * DAY);
    assert_eq!(this.bogus(), None, "{whose:?} {maker:?}");
    assert_eq!(verdict, Verdict::Secure);
    until.duration_since(from).unsigned_abs()
}

#[test]
fn a_zone_of_other_servers_is_vouched_for_when_resolvers_have_forgotten_these() {
    run(async {
        for maker in [Maker::Hand, Maker::Tool] {
            // The parent's NS set for a day, then the old servers' own for two, then what they answered, for
            // another: not all of that can be asked for.
            let waited = moved(Whose::Others, maker).await;
            assert!(waited >= 4 * DAY, "{waited:?}");
            assert!(waited < 5 * DAY, "{waited:?}");
        }
    });
}

#[test]
fn so_it_is_where_this_tool_moves_the_delegation() {
    run(async {
        for maker in [Maker::Hand, Maker::Tool] {
            let waited = moved(Whose::Ours, maker).await;
            assert!(waited >= 5 * DAY, "{waited:?}");
            assert!(waited < 6 * DAY, "{waited:?}");
        }
    });
}
