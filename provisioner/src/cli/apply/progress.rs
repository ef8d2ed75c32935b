//! What a run is doing, as lines: each start and end, and what is waited for, said once per wait.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::json;

use crate::apply::Progress;
use crate::cli::output;
use crate::plan::span;

/// Tells progress to stderr, or as JSON lines to stdout.
pub struct Teller {
    json: bool,
    /// Waits that were told: each is said once, however often the run wakes.
    told: BTreeSet<String>,
}

impl Teller {
    /// A teller.
    pub fn new(json: bool) -> Self {
        Self {
            json,
            told: BTreeSet::new(),
        }
    }

    /// Tells one thing.
    pub fn tell(&mut self, progress: Progress, now: Timestamp) {
        if self.json {
            output::line(&as_json(&progress, now).to_string());
            return;
        }
        match progress {
            Progress::Started { id, verb } => output::note(&format!("{}: {verb}", id.addr)),
            Progress::Done { id, took } => {
                output::note(&format!(
                    "{}: {} done after {}",
                    id.addr,
                    id.name,
                    span(took)
                ));
            }
            Progress::Trouble { id, failure, again } => {
                let tail = if again { "; trying again" } else { "" };
                output::note(&format!("{}: {failure}{tail}", id.addr));
            }
            Progress::Waiting { steps, until } => {
                let lines: Vec<String> = steps
                    .iter()
                    .map(|(id, what)| format!("{id} waits: {what}"))
                    .collect();
                let mut is_new = false;
                for line in lines {
                    if self.told.insert(line.clone()) {
                        output::note(&format!("  {line}"));
                        is_new = true;
                    }
                }
                // A poll comes soon; only a wait of minutes is worth a time.
                if let Some(until) = until
                    && is_new
                    && until.duration_since(now).as_secs() > 60
                {
                    output::note(&format!("  until {until:.0}"));
                }
            }
            Progress::Note(text) => output::note(&format!("note: {text}")),
        }
    }
}

fn as_json(progress: &Progress, now: Timestamp) -> serde_json::Value {
    let time = format!("{now:.3}");
    match progress {
        Progress::Started { id, verb } => {
            json!({"type": "started", "time": time, "step": id.to_string(), "verb": verb})
        }
        Progress::Done { id, took } => {
            json!({"type": "done", "time": time, "step": id.to_string(), "seconds": took.as_secs_f64()})
        }
        Progress::Trouble { id, failure, again } => json!({
            "type": "trouble", "time": time, "step": id.to_string(), "operation": failure.operation,
            "code": failure.code, "message": failure.message, "again": again,
        }),
        Progress::Waiting { steps, until } => json!({
            "type": "waiting", "time": time,
            "steps": steps.iter().map(|(id, what)| json!({"step": id.to_string(), "for": what}))
                .collect::<Vec<_>>(),
            "until": until.map(|until| format!("{until:.0}")),
        }),
        Progress::Note(text) => json!({"type": "note", "time": time, "text": text}),
    }
}
