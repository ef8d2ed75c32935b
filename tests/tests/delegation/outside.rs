//! The same from outside: the real binary, every run of it from an empty disk, is the client of a world that this
//! process serves, and what resolvers everywhere may hold is judged inside every call that changes it.
//! Waits are real there: a run that has to wait longer than it may ends, and the next one, days later, goes on.

use std::collections::BTreeMap;
use std::process::Command;
use std::sync::{Arc, Mutex, MutexGuard, mpsc};
use std::thread::{self, JoinHandle};

use jiff::{SignedDuration, Timestamp};
use spore_infra::kind::hosted_zone::Records;
use spore_sandbox::Profile;
use spore_sandbox::serve::{self, Server};
use spore_tests::cases::each_waiting;
use spore_tests::stage::{DOCUMENT, Finished, open_world};
use tokio::sync::oneshot;

use super::*;

/// A command of the tool, on the stage of a world.
type Order = fn(&Stage) -> Run;

/// What is looked at in DNS, and by whom a run is killed.
struct Watch {
    judge: Judge,
    looks: usize,
    /// What the first look that was bogus came after.
    bogus: Option<String>,
    /// Calls of the binary that changed something.
    writes: Vec<String>,
    /// The run under way, and the write after which it dies before it hears of it.
    dies: Option<(u32, usize)>,
}

impl Watch {
    fn take(&mut self, what: &str, verdict: &Verdict) {
        self.looks += 1;
        if verdict.is_bogus() && self.bogus.is_none() {
            self.bogus = Some(format!("look {}, {what}: {verdict:?}", self.looks));
        }
    }

    fn wrote(&mut self, what: &str) {
        self.writes.push(what.to_owned());
        let number = self.writes.len();
        if let Some((process, _)) = self.dies.take_if(|(_, write)| *write == number) {
            let kill = Command::new("kill")
                .args(["-KILL", &process.to_string()])
                .status();
            assert!(kill.unwrap().success());
        }
    }
}

/// A served world with a parent zone in Route 53.
pub(super) struct Life {
    pub(super) stage: Stage,
    pub(super) sandbox: Sandbox,
    watch: Arc<Mutex<Watch>>,
    /// How often somebody looks while time passes.
    step: Duration,
    stop: Option<oneshot::Sender<()>>,
    server: Option<JoinHandle<()>>,
}

impl Drop for Life {
    fn drop(&mut self) {
        self.stop.take();
        self.server.take().map(JoinHandle::join);
    }
}

impl Life {
    /// Serves a copy of a stored world.
    fn of(base: &Stage) -> Self {
        let stage = Stage::copy_of(base);
        stage.write("stack.toml", std::fs::read(base.document()).unwrap());
        let options = Options {
            profile: Some(Profile::Instant),
            ..Options::default()
        };
        let sandbox = open_world(&stage.world(), &options);
        let name = DnsName::parse(DOMAIN).unwrap();
        let watch = Arc::new(Mutex::new(Watch {
            judge: Judge::new(&name).also(&name.child("www"), "A".parse().unwrap()),
            looks: 0,
            bogus: None,
            writes: Vec::new(),
            dies: None,
        }));
        let watching = watch.clone();
        sandbox.watch(move |what, world, now| {
            let mut watch = watching.lock().unwrap();
            // Names of the rest of the stack do not show in DNS.
            let concerns = [
                "HostedZone",
                "KeySigningKey",
                "ResourceRecord",
                "Key",
                "Alias",
            ];
            if what == "by hand" || concerns.iter().any(|part| what.contains(part)) {
                let verdict = watch.judge.look(world, now);
                watch.take(what, &verdict);
            }
            if what != "by hand" {
                watch.wrote(what);
            }
        });
        let (stop, stopped) = oneshot::channel::<()>();
        let (up, is_up) = mpsc::channel();
        let served = sandbox.clone();
        let server = thread::spawn(move || {
            run(async {
                let options = serve::Options {
                    listen: ([127, 0, 0, 1], 0).into(),
                    ..serve::Options::default()
                };
                let server = Server::listen(served, options).await.unwrap();
                up.send(()).unwrap();
                server.run(async { drop(stopped.await) }).await;
            });
        });
        is_up.recv().unwrap();
        let life = Self {
            stage,
            sandbox,
            watch,
            step: Duration::MAX,
            stop: Some(stop),
            server: Some(server),
        };
        life.look("the beginning");
        life
    }

    fn watch(&self) -> MutexGuard<'_, Watch> {
        self.watch.lock().unwrap()
    }

    pub(super) fn look(&self, what: &str) -> Verdict {
        self.sandbox.inspect(|world, now| {
            let mut watch = self.watch();
            let verdict = watch.judge.look(world, now);
            watch.take(what, &verdict);
            verdict
        })
    }

    pub(super) fn wait(&self, span: Duration) {
        let mut left = span;
        while !left.is_zero() {
            let step = left.min(self.step);
            self.sandbox.advance(step).unwrap();
            self.look("time passed");
            left -= step;
        }
    }

    /// Time passes until the moment that a run named.
    pub(super) fn wait_as_told(&self, told: &Finished) {
        let (_, time) = told
            .stderr
            .rsplit_once("run the same command again after ")
            .unwrap_or_else(|| panic!("no time is named: {}", told.tell()));
        self.wait_until(time.split_whitespace().next().unwrap().parse().unwrap());
    }

    pub(super) fn wait_until(&self, until: Timestamp) {
        let left = until.duration_since(self.sandbox.now());
        self.wait(Duration::try_from(left).unwrap_or_default() + Duration::from_secs(1));
    }

    /// Runs a command again and again, as it says itself, until it is done. How often it had to wait.
    fn through(&self, what: &str, command: Order) -> Result<usize, String> {
        for waits in 0..12 {
            let ended = patient(command(&self.stage)).end()?;
            self.look(what);
            match ended.code {
                Some(0) => return Ok(waits),
                Some(3) => self.wait_as_told(&ended),
                _ => return Err(format!("{what}: {}", ended.tell())),
            }
        }
        Err(format!("{what} comes to no end"))
    }

    /// The same, with a death of the run that makes the write of this number, counted from the beginning.
    fn through_death(&self, command: Order, write: usize) -> Result<(), String> {
        for _ in 0..12 {
            let child = patient(command(&self.stage)).spawn();
            self.watch().dies = Some((child.id(), write));
            let ended = Finished::of(
                child
                    .wait_with_output()
                    .map_err(|error| error.to_string())?,
            );
            self.look("it died");
            match (ended.signal, ended.code) {
                (Some(9), _) => return Ok(()),
                (_, Some(3)) => self.wait_as_told(&ended),
                _ => return Err(format!("it was to die: {}", ended.tell())),
            }
        }
        Err("it did not die".to_owned())
    }

    /// No resolver failed, as often as anybody looked.
    pub(super) fn fine(&self) -> Result<(), String> {
        self.wait(72 * HOUR);
        self.watch().bogus.clone().map_or(Ok(()), Err)
    }

    pub(super) fn document(&self, more: &str) {
        let text = std::fs::read_to_string(self.stage.document()).unwrap();
        let (own, _) = text.split_once("[dnssec]").unwrap_or((&text, ""));
        self.stage.write("stack.toml", format!("{own}{more}"));
    }
}

/// So patient is a run, and no more: time passes when it has ended.
pub(super) fn patient(run: Run) -> Run {
    run.arg("--wait=20s")
}

/// How the stack's document names the parent zone, and the account that has it.
#[derive(Clone, Copy, Debug)]
enum Whose {
    Own,
    Elsewhere,
}

/// A stored world with a parent zone, and a document for the stack below it.
fn base(whose: Whose) -> &'static Stage {
    static ELSEWHERE: OnceLock<Stage> = OnceLock::new();
    match whose {
        Whose::Own => with_parent(),
        Whose::Elsewhere => ELSEWHERE.get_or_init(|| {
            let stage = Stage::new();
            run(async {
                let sandbox = stage.open_world();
                let parent = parent(&sandbox, OTHER).await;
                let_in(&parent, ACCOUNT).await;
            });
            stage.write("stack.toml", format!("{DOCUMENT}{}", through_role()));
            stage
        }),
    }
}

fn disable(stage: &Stage) -> Run {
    let run = stage.run(["dnssec", "disable"]).arg(stage.document());
    run.arg("--yes")
        .arg(format!("--sandbox={}", stage.world().display()))
}

fn give_up(stage: &Stage) -> Run {
    rotate(stage).arg("--abort")
}

fn sets(life: &Life, whose: Whose) -> Vec<String> {
    let account = match whose {
        Whose::Own => ACCOUNT,
        Whose::Elsewhere => OTHER,
    };
    run(async {
        let parent = Bench::on(life.sandbox.clone(), desired(PARENT, account, "")).await;
        in_parent(&parent)
            .await
            .into_iter()
            .map(|(kind, ..)| kind)
            .collect()
    })
}

/// How long each command took, by the world's clock, with every run of it on an empty disk.
fn whole_life(whose: Whose) -> BTreeMap<&'static str, SignedDuration> {
    let life = Life::of(base(whose));
    let mut took = BTreeMap::new();
    let mut through = |what: &'static str, command: Order| {
        let before = life.sandbox.now();
        let waits = life.through(what, command).unwrap();
        took.entry(what)
            .or_insert(life.sandbox.now().duration_since(before));
        waits
    };
    let is_converged = || life.stage.plan().done("plan").map(drop).unwrap();

    // It was signed before anybody could ask for it: nothing has to wait.
    assert_eq!(through("apply", Stage::apply), 0);
    assert_eq!(sets(&life, whose), ["DS", "NS"]);
    life.wait(48 * HOUR);
    assert_eq!(life.look("secured"), Verdict::Secure);
    is_converged();

    // Before the second record, before the first goes, before the old key goes.
    assert_eq!(through("rotate", rotate), 3);
    assert_eq!(keys(&life.stage), [SECOND]);
    life.wait(48 * HOUR);
    assert_eq!(life.look("rotated"), Verdict::Secure);
    is_converged();

    // Both are vouched for, and the rotation is given up.
    for _ in 0..2 {
        let begun = patient(rotate(&life.stage)).exits(3, "rotate").unwrap();
        life.wait_as_told(&begun);
    }
    let records = run(async {
        let bench = Bench::on(life.sandbox.clone(), desired(DOMAIN, ACCOUNT, "")).await;
        let snapshot = bench.snapshot(Records::FirstPage, None).await;
        snapshot.parent.all().unwrap()[0].ds.len()
    });
    assert_eq!(records, 2);
    assert_eq!(through("give up", give_up), 1);
    assert_eq!(keys(&life.stage), [SECOND]);
    life.wait(48 * HOUR);
    assert_eq!(life.look("given up"), Verdict::Secure);
    is_converged();

    life.document("[dnssec]\nenabled = false\n");
    assert_eq!(through("disable", disable), 1);
    assert_eq!(sets(&life, whose), ["NS"]);
    through("apply", Stage::apply);
    assert_eq!(life.look("unsigned"), Verdict::Insecure);
    is_converged();
    life.wait(48 * HOUR);

    // Resolvers may remember that it was in use unsigned.
    life.document("");
    assert_eq!(through("apply", Stage::apply), 1);
    assert_eq!(sets(&life, whose), ["DS", "NS"]);
    life.wait(48 * HOUR);
    assert_eq!(life.look("signed again"), Verdict::Secure);
    is_converged();

    // For the DS record, and for the delegation.
    assert_eq!(through("destroy", Stage::destroy), 2);
    assert_eq!(sets(&life, whose), [""; 0]);
    is_gone(&life).unwrap();
    life.fine().unwrap();
    let looks = life.watch().looks;
    assert!(looks > 60, "{looks} looks");
    took
}

/// The stack's zone is gone; the parent zone has a stack of its own.
fn is_gone(life: &Life) -> Result<(), String> {
    match life.stage.live()?.zones(DOMAIN).len() {
        0 => Ok(()),
        left => Err(format!("{left} zones")),
    }
}

/// How long commands take, by the world's clock, when all waits of each are in one run.
fn at_once(base: &Stage, commands: &[(&'static str, Order)]) -> Vec<SignedDuration> {
    let stage = Stage::copy_of(base);
    let time = || stage.live().unwrap().time().unwrap();
    let took = commands.iter().map(|(what, command)| {
        let before = time();
        command(&stage).done(what).unwrap();
        time().duration_since(before)
    });
    took.collect()
}

#[test]
fn a_whole_life_below_a_parent_of_the_account() {
    let in_parts = whole_life(Whose::Own);
    let commands: [(&str, Order); 3] = [
        ("apply", Stage::apply),
        ("rotate", rotate),
        ("destroy", Stage::destroy),
    ];
    // Changes take a minute each in one world and no time in the other.
    let slack = SignedDuration::from_mins(30);
    for ((what, _), at_once) in commands.iter().zip(at_once(with_parent(), &commands)) {
        let in_parts = in_parts[what];
        assert!(
            (in_parts - at_once).abs() < slack,
            "{what}: {at_once:#} and {in_parts:#}"
        );
    }
}

#[test]
fn a_whole_life_below_a_parent_in_another_account() {
    whole_life(Whose::Elsewhere);
}

/// A command, on a world in which it has something to do, and what it leaves.
struct Story {
    name: &'static str,
    base: Stage,
    /// How often somebody looks while time passes.
    step: Duration,
    /// What happens first.
    begins: fn(&Life) -> Result<(), String>,
    command: Order,
    leaves: fn(&Life) -> Result<(), String>,
}

impl Story {
    fn begin(&self) -> Result<Life, String> {
        let mut life = Life::of(&self.base);
        life.step = self.step;
        (self.begins)(&life)?;
        Ok(life)
    }
}

/// A name in use at other name servers, to which its parent delegates, with the stack beside it: the parent's NS set is
/// remembered for a day, the servers' own for two, and an answer for an hour.
pub(super) fn elsewhere(base: Stage, parent: Option<&str>, is_signed: bool) -> Stage {
    run(async {
        let sandbox = base.open_world();
        let former = Bench::on(sandbox.clone(), desired(DOMAIN, crate::moved::FORMER, "")).await;
        let servers = if is_signed {
            former.converge().await;
            let snapshot = former.snapshot(Records::FirstPage, None).await;
            snapshot.hosted_zone.present().unwrap().name_servers(DOMAIN)
        } else {
            crate::moved::make(&former, (172_800, 3_600)).await.1
        };
        match parent {
            Some(account) => {
                let parent = Bench::on(sandbox.clone(), desired(PARENT, account, "")).await;
                let zone = parent.zone_id().await;
                crate::moved::put(&parent, &zone, DOMAIN, RrType::Ns, 86_400, &servers).await;
            }
            None => registrar(
                &sandbox,
                RegistrarAction::Delegate {
                    zone: DOMAIN.into(),
                    name_servers: Some(servers),
                },
            ),
        }
        former.advance(72 * HOUR);
        if is_signed {
            former.converge().await;
            let snapshot = former.snapshot(Records::FirstPage, None).await;
            let keys = &snapshot.dnssec.present().unwrap().keys;
            registrar(
                &sandbox,
                RegistrarAction::Ds {
                    zone: DOMAIN.into(),
                    records: keys.iter().map(|key| key.ds.clone()).collect(),
                },
            );
            former.advance(72 * HOUR);
        }
    });
    base
}

/// The parent's people turn the delegation to somebody else's unsigned zone.
pub(super) async fn taken_away(sandbox: &Sandbox) {
    let thief = Bench::on(sandbox.clone(), desired(DOMAIN, crate::moved::FORMER, "")).await;
    let (_, servers) = crate::moved::make(&thief, (172_800, 3_600)).await;
    registrar(
        sandbox,
        RegistrarAction::Delegate {
            zone: DOMAIN.into(),
            name_servers: Some(servers),
        },
    );
}

/// Serves a copy of a stored world, in which somebody looks every hour.
pub(super) fn in_use(base: &Stage) -> Life {
    let mut life = Life::of(base);
    life.step = HOUR;
    life
}

fn is_secure(life: &Life, when: &str) -> Result<(), String> {
    let verdict = life.look(when);
    if verdict == Verdict::Secure {
        Ok(())
    } else {
        Err(format!("{when}: {verdict:?}"))
    }
}

/// The parent's people turn the NS set to the zone here.
fn turned(life: &Life) -> Result<(), String> {
    let snapshot = run(async {
        let bench = Bench::on(life.sandbox.clone(), desired(DOMAIN, ACCOUNT, "")).await;
        bench.snapshot(Records::FirstPage, None).await
    });
    let zone = snapshot.hosted_zone.present().ok_or("no zone")?;
    registrar(
        &life.sandbox,
        RegistrarAction::Delegate {
            zone: DOMAIN.into(),
            name_servers: Some(zone.name_servers(DOMAIN)),
        },
    );
    life.look("turned");
    Ok(())
}

/// The parent's people publish what `ds` prints as soon as it does, and no resolver fails for it.
fn vouched(life: &Life) -> Result<(), String> {
    for _ in 0..12 {
        life.through("apply", Stage::apply)?;
        let ds = life.stage.on_world("ds", &["--format", "bind"]).end()?;
        if ds.code == Some(0) {
            let record = ds
                .stdout
                .lines()
                .find_map(|line| line.split_once(" IN DS "));
            let (_, record) = record.ok_or("no record")?;
            let run = life
                .stage
                .run(["sandbox", "registrar", "ds", DOMAIN, record]);
            let run = run.arg(format!("--sandbox={}", life.stage.world().display()));
            run.done("registrar ds")?;
            life.fine()?;
            return is_secure(life, "vouched for");
        }
        if ds.code != Some(3) {
            return Err(ds.tell());
        }
        let told = ds.stderr.rsplit_once("ask again at ");
        match told.and_then(|(_, until)| until.split_whitespace().next()?.parse().ok()) {
            Some(until) => life.wait_until(until),
            None => life.wait(HOUR / 60),
        }
    }
    Err("no DS record comes".to_owned())
}

/// Moves from other name servers, whoever turns the delegation.
fn moves() -> Vec<Story> {
    let secure: fn(&Life) -> Result<(), String> = |life| {
        life.through("apply", Stage::apply)?;
        life.wait(48 * HOUR);
        is_secure(life, "the end")
    };
    let alone = elsewhere(Stage::new(), None, false);
    let beside = Stage::copy_of(&alone);
    beside.apply().done("apply").unwrap();
    let own = elsewhere(Stage::copy_of(with_parent()), Some(ACCOUNT), false);
    own.apply().done("apply").unwrap();
    let story = |name, base: &Stage, begins, command, leaves| Story {
        name,
        base: Stage::copy_of(base),
        step: HOUR,
        begins,
        command,
        leaves,
    };
    vec![
        story(
            "apply before a move",
            &alone,
            |_| Ok(()),
            Stage::apply,
            |life| {
                turned(life)?;
                vouched(life)
            },
        ),
        story("apply after a move", &beside, turned, Stage::apply, vouched),
        story("move", &own, |_| Ok(()), adopt, secure),
        story(
            "apply after the tool's move",
            &own,
            |life| life.through("adopt", adopt).map(drop),
            Stage::apply,
            secure,
        ),
    ]
}

fn adopt(stage: &Stage) -> Run {
    stage.on_world("adopt", &["--yes"])
}

fn stories() -> Vec<Story> {
    let secure = |life: &Life| match (life.look("the end"), &sets(life, Whose::Own)[..]) {
        (Verdict::Secure, [ds, ns]) if ds == "DS" && ns == "NS" => Ok(()),
        other => Err(format!("{other:?}")),
    };
    // Both keys are vouched for.
    let life = Life::of(applied());
    for _ in 0..2 {
        let begun = patient(rotate(&life.stage)).exits(3, "rotate").unwrap();
        life.wait_as_told(&begun);
    }
    let both = Stage::copy_of(&life.stage);
    drop(life);
    let off = Stage::copy_of(applied());
    off.write(
        "stack.toml",
        format!("{DOCUMENT}[dnssec]\nenabled = false\n"),
    );
    vec![
        Story {
            name: "rotate",
            base: Stage::copy_of(applied()),
            step: Duration::MAX,
            begins: |_| Ok(()),
            command: rotate,
            leaves: secure,
        },
        Story {
            name: "give up",
            base: both,
            step: Duration::MAX,
            begins: |_| Ok(()),
            command: give_up,
            leaves: |life| match &keys(&life.stage)[..] {
                [first] if first == FIRST => Ok(()),
                other => Err(format!("{other:?}")),
            },
        },
        Story {
            name: "disable",
            base: off,
            step: Duration::MAX,
            begins: |_| Ok(()),
            command: disable,
            leaves: |life| match &sets(life, Whose::Own)[..] {
                [ns] if ns == "NS" && keys(&life.stage).is_empty() => Ok(()),
                other => Err(format!("{other:?}")),
            },
        },
        Story {
            name: "destroy",
            base: Stage::copy_of(applied()),
            step: Duration::MAX,
            begins: |_| Ok(()),
            command: Stage::destroy,
            leaves: |life| match &sets(life, Whose::Own)[..] {
                [] => is_gone(life),
                other => Err(format!("{other:?}")),
            },
        },
    ]
}

/// Calls after which DNS is another, or what later waits count from. That a run may die after any other call
/// is shown with time that costs nothing, in [`with_every_crash`].
const DECIDING: [&str; 6] = [
    "ResourceRecordSets",
    "KeySigningKey",
    "DNSSEC",
    "DeleteHostedZone",
    "TagResource",
    "UpdateAlias",
];

/// A story, and the write after which its run dies.
struct Death<'a>(&'a Story, usize);

impl std::fmt::Display for Death<'_> {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(out, "{}, dead after write {}", self.0.name, self.1)
    }
}

/// Tells a story undisturbed; where its run may die.
fn deaths(story: &Story) -> Vec<Death<'_>> {
    let life = story.begin().unwrap();
    let begun = life.watch().writes.len();
    life.through(story.name, story.command).unwrap();
    let ended = life.watch().writes.len();
    (story.leaves)(&life).unwrap();
    life.fine().unwrap();
    let watch = life.watch();
    let writes = watch.writes.iter().zip(1..);
    let writes = writes.skip(begun).take(ended - begun);
    let deciding = writes.filter(|(what, _)| DECIDING.iter().any(|part| what.contains(part)));
    deciding.map(|(_, write)| Death(story, write)).collect()
}

fn survives_every_death(stories: &[Story], least: usize) {
    let deaths: Vec<Death<'_>> = thread::scope(|scope| {
        let runs: Vec<_> = stories
            .iter()
            .map(|story| scope.spawn(|| deaths(story)))
            .collect();
        let deaths = runs.into_iter().flat_map(|run| run.join().unwrap());
        deaths.collect()
    });
    assert!(deaths.len() > least, "{} deaths", deaths.len());
    each_waiting(&deaths, |Death(story, write)| {
        let life = story.begin()?;
        life.through_death(story.command, *write)?;
        life.through(story.name, story.command)?;
        (story.leaves)(&life)?;
        life.fine()
    });
}

#[test]
fn no_resolver_fails_whatever_write_a_run_dies_after() {
    survives_every_death(&stories(), 25);
}

#[test]
fn nor_on_the_way_here_from_other_name_servers() {
    let moves = moves();
    // The judge sees what a hostmaster does who waits for nothing.
    let life = moves[1].begin().unwrap();
    life.through("apply", Stage::apply).unwrap();
    let keys = run(async {
        let bench = Bench::on(life.sandbox.clone(), desired(DOMAIN, ACCOUNT, "")).await;
        let snapshot = bench.snapshot(Records::FirstPage, None).await;
        snapshot.dnssec.present().unwrap().keys.clone()
    });
    registrar(
        &life.sandbox,
        RegistrarAction::Ds {
            zone: DOMAIN.into(),
            records: keys.into_iter().map(|key| key.ds).collect(),
        },
    );
    life.fine().unwrap_err();
    survives_every_death(&moves, 20);
}
