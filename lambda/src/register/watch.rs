//! Keeps a name right for as long as the program runs: looks at the metadata twice a minute, which costs
//! nobody anything, and asks the updater only when something is due.

use std::time::Duration;

use jiff::Timestamp;

use crate::name::RecordLabel;

use super::due;
use super::memory::Memory;
use super::metadata::Metadata;
use super::trouble::{NoInstance, Trouble};
use super::{Client, Lines, Say};

/// How often addresses are looked at.
const LOOK: Duration = Duration::from_secs(30);

/// What is remembered while the program runs, also where nothing can be kept on the disk.
struct Seen {
    name: RecordLabel,
    memory: Memory,
    is_kept: bool,
    /// Until when the updater is not asked, after a failure.
    waits: Option<Timestamp>,
}

impl Client {
    /// Does what is due now, once: for timers.
    ///
    /// # Errors
    /// When it was not done, or is not yet to be tried again.
    pub async fn watch_once(
        &self,
        name: Option<&RecordLabel>,
        say: &impl Say,
    ) -> Result<Lines, Trouble> {
        let mut seen = None;
        let lines = self.pass(name, &mut seen, say).await?;
        match seen {
            Some(Seen {
                waits: Some(then), ..
            }) => Err(Trouble::NotYet(then)),
            Some(_) | None => Ok(lines),
        }
    }

    /// Keeps the name right until it is told to stop. Failures are told once, not each time.
    pub async fn watch(
        &self,
        name: Option<&RecordLabel>,
        say: &impl Say,
        stop: impl Future<Output = ()>,
    ) {
        let mut stop = std::pin::pin!(stop);
        let mut seen = None;
        let mut told = None;
        loop {
            let pass = self.pass(name, &mut seen, say);
            let done = tokio::select! {
                // A request under way is not waited for: what was sent is carried out all the same.
                () = &mut stop => return,
                done = pass => done,
            };
            match done {
                Ok(lines) => {
                    if !lines.is_empty() {
                        told = None;
                    }
                    lines.iter().for_each(|line| say.say(line));
                }
                Err(trouble) => {
                    let text = trouble.to_string();
                    if told.as_ref() != Some(&text) {
                        say.say(&text);
                        told = Some(text);
                    }
                }
            }
            tokio::select! {
                () = &mut stop => return,
                () = tokio::time::sleep(LOOK) => {}
            }
        }
    }

    /// Looks, and does what is due.
    async fn pass(
        &self,
        name: Option<&RecordLabel>,
        seen: &mut Option<Seen>,
        say: &impl Say,
    ) -> Result<Lines, Trouble> {
        let metadata = self.metadata().await?;
        // Read anew each time, since `register` may have been run meanwhile.
        let name = match seen {
            Some(before) => before.name.clone(),
            None => self.name(&metadata, name, say).await?,
        };
        let kept = self.remembered(&metadata, &name).await?;
        let mut now = match seen.take() {
            Some(before) if !before.is_kept => before,
            Some(_) | None => Seen {
                name,
                memory: kept,
                is_kept: true,
                waits: None,
            },
        };
        let before = now.memory.clone();
        let done = self.do_due(&metadata, &mut now, say).await;
        if now.memory != before {
            let kept = now.memory.keep(&self.folder, &now.name);
            if let Err(error) = kept
                && now.is_kept
            {
                say.say(&format!("{}: {error}", self.folder.display()));
                now.is_kept = false;
            }
        }
        *seen = Some(now);
        done
    }

    async fn do_due(
        &self,
        metadata: &Metadata<'_>,
        seen: &mut Seen,
        say: &impl Say,
    ) -> Result<Lines, Trouble> {
        let Seen {
            name,
            memory,
            waits,
            ..
        } = seen;
        let has = metadata.addresses(&self.config.families).await?;
        let now = metadata.now();
        due::look(memory, &has, now);
        *waits = due::waits(memory, now);
        let tasks = due::due(memory, &has, now, self.config.lease);
        if tasks.is_empty() {
            // Nothing to say, unless there never was an address.
            return match (has.is_empty(), memory.records.is_empty()) {
                (true, true) => Err(self.no_address().into()),
                _ => Ok(Lines::new()),
            };
        }
        let asker = self.asker(metadata).await?;
        // Whoever is not waited for tries once: the next look is soon.
        self.carry_out_all(&asker, name, memory, &tasks, 1, say)
            .await
    }

    pub(super) fn no_address(&self) -> NoInstance {
        let families = &self.config.families;
        let words: Vec<&str> = families.iter().map(|family| family.words()).collect();
        NoInstance::NoAddress(words.join(" and no "))
    }
}
