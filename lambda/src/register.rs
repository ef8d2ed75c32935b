//! `spore-register`: what runs on an instance. It registers the instance's addresses under a name, keeps
//! them right, and believes only answers that are proven to be the updater's.
//!
//! ```text
//! config    which updater                      memory    what is remembered of a name
//! metadata  who this instance is               due       when to ask again, and for what
//! ask       one update and its proven answer   trouble   what went wrong, and what to do
//! ```
//!
//! Invariant: what is done, and the owner mark that is remembered, is only what STS says the updater's
//! role signed. Invariant: no secret, token or proof is in any text that is shown or kept.
//!
//! Deliberately absent: any proof but `instance-role`, version 1 of the metadata service, proxies, and any
//! way to choose the updater other than the configuration file.

mod ask;
pub mod config;
pub mod due;
pub mod endpoint;
mod http;
pub mod memory;
mod metadata;
pub mod trouble;
mod watch;

use std::net::IpAddr;
use std::path::PathBuf;
use std::time::Duration;

use jiff::Timestamp;

use crate::name::RecordLabel;
use crate::owner::Owner;
use crate::protocol::{Outcome, Update};

use ask::{Asker, random, shown};
use config::Config;
use due::Task;
use endpoint::Endpoints;
use http::Http;
use memory::{Kind, Memory};
use metadata::{Metadata, NameTag};
use trouble::{NoInstance, Trouble};

/// How often a command that somebody waits for tries again what may work later.
const TRIES: u32 = 3;

/// The longest that somebody is made to wait for it at once.
const PATIENCE: Duration = Duration::from_secs(30);

/// The client of one updater on this instance.
#[derive(Debug)]
pub struct Client {
    config: Config,
    endpoints: Endpoints,
    http: Http,
    folder: PathBuf,
}

/// What was done, in a line for people and scripts: `NAME TYPE ADDRESS`, or the updater's own sentence.
pub type Lines = Vec<String>;

/// Where lines of warning go while something is under way.
pub trait Say {
    /// Shows one.
    fn say(&self, line: &str);
}

impl Client {
    /// Opens nothing yet. `folder` is that of the state.
    pub fn new(config: Config, endpoints: Endpoints, folder: PathBuf) -> Self {
        Self {
            config,
            endpoints,
            http: Http::new(),
            folder,
        }
    }

    /// Registers these addresses, or those the instance has; records that the name had by the last
    /// answers and that are not among them are removed.
    ///
    /// # Errors
    /// When it was not done, or nobody knows.
    pub async fn register(
        &self,
        name: Option<&RecordLabel>,
        addresses: &[IpAddr],
        say: &impl Say,
    ) -> Result<Lines, Trouble> {
        let metadata = self.metadata().await?;
        let name = self.name(&metadata, name, say).await?;
        let has = match addresses {
            [] => self.addresses(&metadata).await?,
            given => given.to_vec(),
        };
        let [a, aaaa] = [Kind::A, Kind::Aaaa].map(|kind| has.iter().filter(of(kind)).count());
        if a > 1 || aaaa > 1 {
            return Err(Trouble::Addresses);
        }
        let asker = self.asker(&metadata).await?;
        let mut memory = self.remembered(&metadata, &name).await?;
        let mut tasks: Vec<Task> = has.iter().map(|address| Task::Set(*address)).collect();
        let gone = memory
            .records
            .keys()
            .filter(|kind| !has.iter().any(|address| Kind::of(*address) == **kind));
        tasks.extend(gone.map(|kind| Task::Drop(*kind)));
        let done = self
            .carry_out_all(&asker, &name, &mut memory, &tasks, TRIES, say)
            .await;
        self.keep(&name, &memory, say);
        done
    }

    /// Releases a name with all its records.
    ///
    /// # Errors
    /// When it was not done, or nobody knows.
    pub async fn delete(
        &self,
        name: Option<&RecordLabel>,
        say: &impl Say,
    ) -> Result<Lines, Trouble> {
        let metadata = self.metadata().await?;
        let name = self.name(&metadata, name, say).await?;
        let asker = self.asker(&metadata).await?;
        let mut memory = self.remembered(&metadata, &name).await?;
        let update = Update {
            record_name: Some(name.to_string()),
            action: Some("DELETE".to_owned()),
            ..Update::default()
        };
        let outcome = patiently(say, TRIES, async || {
            self.newer(&asker, &mut memory, update.clone()).await
        })
        .await?;
        if let Err(error) = Memory::forget(&self.folder, &name) {
            say.say(&format!("{}: {error}", self.folder.display()));
        }
        Ok(vec![sentence(&outcome)])
    }

    async fn metadata(&self) -> Result<Metadata<'_>, Trouble> {
        Ok(Metadata::open(&self.http, &self.endpoints).await?)
    }

    async fn asker<'a>(&'a self, metadata: &'a Metadata<'a>) -> Result<Asker<'a>, Trouble> {
        Ok(Asker {
            config: &self.config,
            endpoints: &self.endpoints,
            http: &self.http,
            metadata,
            credentials: metadata.credentials().await?,
            region: metadata.region().await?,
        })
    }

    async fn remembered(
        &self,
        metadata: &Metadata<'_>,
        name: &RecordLabel,
    ) -> Result<Memory, Trouble> {
        let id = metadata.instance_id().await?;
        let zone_id = &self.config.zone_id;
        Ok(Memory::read(&self.folder, name, zone_id, &id))
    }

    /// The addresses to register; at least one.
    async fn addresses(&self, metadata: &Metadata<'_>) -> Result<Vec<IpAddr>, Trouble> {
        let found = metadata.addresses(&self.config.families).await?;
        if found.is_empty() {
            return Err(self.no_address().into());
        }
        Ok(found)
    }

    /// The name: as given, as configured, or as the instance is called.
    async fn name(
        &self,
        metadata: &Metadata<'_>,
        given: Option<&RecordLabel>,
        say: &impl Say,
    ) -> Result<RecordLabel, Trouble> {
        if let Some(name) = given.or(self.config.name.as_ref()) {
            return Ok(name.clone());
        }
        let tag = metadata.name_tag().await?;
        if let NameTag::Is(text) = &tag {
            let given = format!("the instance's tag Name, {:?}", shown(text));
            return text
                .parse()
                .map_err(|refused| Trouble::Name { given, refused });
        }
        let why = match tag {
            NameTag::Off => {
                "the instance's metadata shows no tags (on: aws ec2 modify-instance-metadata-options \
                 --instance-id ID --instance-metadata-tags enabled)"
            }
            NameTag::None | NameTag::Is(_) => "the instance has no tag Name",
        };
        let node = rustix::system::uname()
            .nodename()
            .to_string_lossy()
            .into_owned();
        let first = node.split('.').next().unwrap_or_default();
        if is_made_up(first) {
            let why = format!("{why}, and its host name {:?} is EC2's own", shown(first));
            return Err(NoInstance::NoName(why).into());
        }
        say.say(&format!("{why}; its host name is used"));
        let given = format!("the host name {:?}", shown(first));
        first
            .parse()
            .map_err(|refused| Trouble::Name { given, refused })
    }

    /// Carries out as many of these as it can, each with so many tries: one that is refused is no reason to
    /// leave the others. Where not all are done, those that are, are told, and the first trouble is given
    /// back.
    async fn carry_out_all(
        &self,
        asker: &Asker<'_>,
        name: &RecordLabel,
        memory: &mut Memory,
        tasks: &[Task],
        tries: u32,
        say: &impl Say,
    ) -> Result<Lines, Trouble> {
        let mut lines = Lines::new();
        let mut troubles = Vec::new();
        for task in tasks {
            let done = patiently(say, tries, async || {
                self.carry_out(asker, name, memory, *task).await
            });
            match done.await {
                Ok(line) => lines.push(line),
                Err(trouble) => {
                    let is_of_one = trouble.is_of_one_record();
                    troubles.push(trouble);
                    if !is_of_one {
                        break;
                    }
                }
            }
        }
        let now = asker.metadata.now();
        due::ended(memory, &troubles, now, self.config.lease, chance());
        match troubles.into_iter().next() {
            None => Ok(lines),
            Some(first) => {
                lines.iter().for_each(|line| say.say(line));
                Err(first)
            }
        }
    }

    /// Carries out a task once, and notes it where it is done.
    async fn carry_out(
        &self,
        asker: &Asker<'_>,
        name: &RecordLabel,
        memory: &mut Memory,
        task: Task,
    ) -> Result<String, Trouble> {
        let (action, kind, address) = match task {
            Task::Set(address) => ("UPSERT", Kind::of(address), Some(address.to_string())),
            Task::Drop(kind) => ("DELETE", kind, None),
        };
        let update = Update {
            record_name: Some(name.to_string()),
            ip_address: address.clone(),
            action: Some(action.to_owned()),
            record_type: Some(kind.word().to_owned()),
            ..Update::default()
        };
        let outcome = self.newer(asker, memory, update).await?;
        memory.owner.clone_from(&outcome.owner);
        let now = asker.metadata.now();
        due::done(memory, task, now, self.config.lease, chance());
        let record = shown(outcome.record.as_deref().unwrap_or_default());
        let address = address.unwrap_or_else(|| "-".to_owned());
        Ok(format!("{record} {} {address}", kind.word()))
    }

    /// Asks with a date that is later than that of the mark. Where the name is not as it was believed to
    /// be, the mark is forgotten and the updater asked once more: it looks then.
    async fn newer(
        &self,
        asker: &Asker<'_>,
        memory: &mut Memory,
        update: Update,
    ) -> Result<Outcome, Trouble> {
        wait_until_newer(asker.metadata, memory).await;
        // A DELETE looks by itself.
        let is_set = update.action.as_deref() == Some("UPSERT");
        let first = Update {
            owner: memory.owner.clone().filter(|_| is_set),
            ..update.clone()
        };
        match asker.ask(&first).await {
            Err(Trouble::Changed(_)) => {
                memory.owner = None;
                // What it was changed by may have been dated in this very second.
                tokio::time::sleep(Duration::from_millis(1_100)).await;
                asker.ask(&update).await
            }
            asked => asked,
        }
    }

    fn keep(&self, name: &RecordLabel, memory: &Memory, say: &impl Say) {
        if let Err(error) = memory.keep(&self.folder, name) {
            say.say(&format!(
                "{}: {error}; nothing is remembered, which costs the updater a question more each time",
                self.folder.display()
            ));
        }
    }
}

/// Tries what may work later, so many times, while somebody waits.
async fn patiently<T>(
    say: &impl Say,
    at_most: u32,
    mut once: impl AsyncFnMut() -> Result<T, Trouble>,
) -> Result<T, Trouble> {
    let mut tries = 1;
    loop {
        let (text, after) = match once().await {
            Err(Trouble::Later { text, after }) => (text, after),
            done => return done,
        };
        let wait = after.unwrap_or(Duration::from_secs(2 << tries));
        if tries >= at_most || wait > PATIENCE {
            return Err(Trouble::Later { text, after });
        }
        tries += 1;
        let wait = wait.mul_f64(1.0 + chance() / 4.0);
        say.say(&format!("{text}; trying again in {} s", wait.as_secs()));
        tokio::time::sleep(wait).await;
    }
}

/// A mark names a second, and what replaces it must be of a later one.
async fn wait_until_newer(metadata: &Metadata<'_>, memory: &Memory) {
    let mark = memory.owner.as_deref().and_then(|mark| mark.parse().ok());
    let marked = mark.and_then(|mark: Owner| {
        let zoned = mark.time.to_zoned(jiff::tz::TimeZone::UTC).ok()?;
        Some(zoned.timestamp())
    });
    let Some(marked) = marked else {
        return;
    };
    let now = metadata.now();
    let ready = Timestamp::from_second(marked.as_second() + 1).unwrap_or(now);
    // A mark from the future is the updater's to judge.
    let wait = ready.duration_since(now).max(jiff::SignedDuration::ZERO);
    if wait <= jiff::SignedDuration::from_secs(2) {
        tokio::time::sleep(wait.unsigned_abs()).await;
    }
}

fn of(kind: Kind) -> impl Fn(&&IpAddr) -> bool {
    move |address| Kind::of(**address) == kind
}

/// Names that EC2 gives to hosts by itself: `ip-10-0-0-1`, and the instance's id (EC2 User Guide, "EC2
/// instance hostname types").
fn is_made_up(host: &str) -> bool {
    let numbers = host.strip_prefix("ip-").map(|rest| rest.split('-'));
    let is_address =
        numbers.is_some_and(|mut numbers| numbers.all(|number| number.parse::<u8>().is_ok()));
    let is_id = host
        .strip_prefix("i-")
        .is_some_and(|rest| rest.len() >= 8 && rest.bytes().all(|byte| byte.is_ascii_hexdigit()));
    host.is_empty() || host == "localhost" || is_address || is_id
}

fn sentence(outcome: &Outcome) -> String {
    shown(outcome.message.as_deref().unwrap_or(&outcome.code))
}

/// Between 0 and 1.
fn chance() -> f64 {
    let byte = random().map_or(128, |bits| bits.to_be_bytes()[0]);
    f64::from(byte) / 255.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_that_ec2_makes_up_are_no_names() {
        for host in [
            "ip-172-31-5-6",
            "i-0123456789abcdef0",
            "localhost",
            "",
            "ip-10-0-0-1",
        ] {
            assert!(is_made_up(host), "{host}");
        }
        for host in ["web", "ip-phone", "i-am-here", "ip-300-1-1-1"] {
            assert!(!is_made_up(host), "{host}");
        }
    }
}
