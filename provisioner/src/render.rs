//! Plans, outcomes and records as text. Returns strings; only `cli` prints.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use similar::TextDiff;

use crate::addr::Kind;
use crate::condition::Condition;
use crate::desired::Desired;
use crate::ds::keys::{Whose, whose};
use crate::journal;
use crate::kind::ksk;
use crate::plan::{Change, Field, Goal, Plan, Report, Symbol, span};
use crate::run::{Run, StatusText};
use crate::snapshot::Snapshot;

/// Whether text is decorated for a terminal.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Paint {
    /// Plain text.
    Plain,
    /// ANSI colours.
    Color,
}

impl Paint {
    fn on(self, style: Style, text: &str) -> String {
        match self {
            Paint::Plain => text.to_owned(),
            Paint::Color => format!("{style}{text}{style:#}"),
        }
    }

    fn symbol(self, symbol: Symbol) -> String {
        let color = match symbol {
            Symbol::Create => AnsiColor::Green,
            Symbol::Update => AnsiColor::Yellow,
            Symbol::Destroy => AnsiColor::Red,
            Symbol::Adopt => AnsiColor::Cyan,
        };
        self.on(color.on_default(), symbol.sign())
    }

    fn heading(self, text: &str) -> String {
        self.on(Style::new().bold(), text)
    }
}

/// A plan as people review it.
pub fn plan(plan: &Plan, paint: Paint) -> String {
    let mut out = String::new();
    for change in &plan.changes {
        write_change(&mut out, change, paint);
    }
    section(
        &mut out,
        paint,
        "Rights",
        plan.rights.iter().map(|right| {
            let sign = if right.gained { "+" } else { "-" };
            format!("{sign} {}: {}", right.addr, right.sentence)
        }),
    );
    section(&mut out, paint, "Waits", waits(plan));
    section(&mut out, paint, "Cost", cost(plan));
    section(
        &mut out,
        paint,
        "Notes",
        plan.report.iter().filter_map(note),
    );
    section(
        &mut out,
        paint,
        "Blocked",
        plan.blocked()
            .into_iter()
            .map(|(addr, why)| format!("{addr}: {why}")),
    );
    section(
        &mut out,
        paint,
        "Refused",
        plan.refusals
            .iter()
            .map(|refusal| format!("{}: {} [{}]", refusal.addr, refusal.message, refusal.rule)),
    );
    section(&mut out, paint, "Next", plan.notices.iter().cloned());
    out.push_str(&summary(plan));
    out.push('\n');
    out
}

/// The last line of a plan.
pub fn summary(plan: &Plan) -> String {
    let (add, change, destroy) = plan.counts();
    if plan.goal == Goal::Adopt && add + change + plan.adopted() > 0 {
        format!(
            "Plan: {} to adopt, {add} to add, {change} to change.",
            plan.adopted()
        )
    } else if add + change + destroy > 0 {
        format!("Plan: {add} to add, {change} to change, {destroy} to destroy.")
    } else if !plan.blocked().is_empty() {
        "Nothing can be planned before what blocks is solved.".into()
    } else if !plan.refusals.is_empty() {
        "Nothing is planned: what the document asks for is refused.".into()
    } else if plan.leftover_lock().is_some() {
        "Plan: only the lock of an interrupted run is to be removed.".into()
    } else if !plan.waits().is_empty() {
        "No changes now. What is left has to wait (Notes).".into()
    } else if plan.waits_for_others() {
        "No changes of ours. The rest waits for people outside (Notes).".into()
    } else {
        match plan.goal {
            Goal::Converge => "No changes. Live AWS matches the document.".into(),
            Goal::Destroy(_) => "Nothing to destroy. No object of this stack exists.".into(),
            Goal::Unsign => "Nothing to do. The zone is not signed and has no keys.".into(),
            Goal::Rotate => "Nothing to do now.".into(),
            Goal::AbortRotation => "Nothing to do. No rotation is under way.".into(),
            Goal::Adopt => {
                "Nothing to adopt. Whatever exists under this stack's names is its own.".into()
            }
        }
    }
}

fn write_change(out: &mut String, change: &Change, paint: Paint) {
    let symbol = paint.symbol(change.symbol);
    let _ = writeln!(out, "{symbol} {}", paint.heading(&change.addr.to_string()));
    let width = change
        .fields
        .iter()
        .map(|field| field.name.len())
        .max()
        .unwrap_or(0)
        .min(40);
    for field in &change.fields {
        write_field(out, field, width);
    }
    let _ = writeln!(out, "    why: {}", change.why);
    let _ = writeln!(out, "    risk: {}\n", change.risk.words());
}

fn write_field(out: &mut String, field: &Field, width: usize) {
    let name = &field.name;
    let _ = match (&field.before, &field.after) {
        (Some(before), Some(after)) if before == after => {
            writeln!(out, "      {name:width$} = {after}")
        }
        (None, Some(after)) => writeln!(out, "    + {name:width$} = {after}"),
        (Some(before), None) => writeln!(out, "    - {name:width$} = {before}"),
        (Some(before), Some(after)) if before.contains('\n') || after.contains('\n') => {
            let diff = TextDiff::from_lines(before, after)
                .unified_diff()
                .to_string();
            let shown: String = diff.lines().fold(String::new(), |mut text, line| {
                let _ = writeln!(text, "        {line}");
                text
            });
            writeln!(out, "    ~ {name}:\n{shown}")
        }
        (Some(before), Some(after)) => writeln!(out, "    ~ {name:width$} = {before} -> {after}"),
        (None, None) => Ok(()),
    };
}

fn section(out: &mut String, paint: Paint, title: &str, lines: impl IntoIterator<Item = String>) {
    let lines: Vec<String> = lines.into_iter().collect();
    if lines.is_empty() {
        return;
    }
    let _ = writeln!(out, "{}", paint.heading(title));
    for line in lines {
        let _ = writeln!(out, "  {line}");
    }
    out.push('\n');
}

fn waits(plan: &Plan) -> Vec<String> {
    let mut lines = Vec::new();
    for step in &plan.steps {
        for condition in &step.ready_when {
            match condition {
                Condition::HoldDown { lasts, source, .. } => {
                    lines.push(format!(
                        "{} waits {} before it starts: {source}",
                        step.id,
                        span(*lasts)
                    ));
                }
                Condition::ListsSettled { .. } => lines.push(format!(
                    "{} waits until AWS's lists are complete: an earlier attempt got no answer",
                    step.id
                )),
                Condition::ChangeInSync
                | Condition::FunctionReady { .. }
                | Condition::Served(_) => {}
            }
        }
        if step.done_when.contains(&Condition::ChangeInSync) {
            lines.push(format!(
                "{} is done when every Route 53 name server has it (GetChange INSYNC, usually within 60 s)",
                step.id
            ));
        }
    }
    lines
}

/// Prices of us-east-1, read in 2026-11 (AWS price lists of Route 53, KMS and CloudWatch), in cents a
/// month. A metric costs only while it has data.
const PRICES: [(Kind, u32, &str, &str); 5] = [
    (Kind::HostedZone, 50, "hosted zone", "hosted zones"),
    (Kind::KmsKey, 100, "KMS key", "KMS keys"),
    (Kind::LogsKey, 100, "KMS key for logs", "KMS keys for logs"),
    (Kind::MetricFilter, 30, "metric", "metrics"),
    (Kind::Alarm, 10, "alarm", "alarms"),
];

fn cost(plan: &Plan) -> Vec<String> {
    let dollars = |cents: u32| format!("{}.{:02}", cents / 100, cents % 100);
    [(Symbol::Create, "adds"), (Symbol::Destroy, "saves")]
        .into_iter()
        .filter_map(|(symbol, verb)| {
            let mut total = 0;
            let items: Vec<String> = PRICES
                .iter()
                .filter_map(|(kind, cents, one, several)| {
                    let of_kind =
                        |change: &&Change| change.symbol == symbol && change.addr.kind() == *kind;
                    let number = plan.changes.iter().filter(of_kind).count();
                    let sum = cents * u32::try_from(number).unwrap_or(u32::MAX);
                    total += sum;
                    match number {
                        0 => None,
                        1 => Some(format!("{one} {}", dollars(sum))),
                        _ => Some(format!("{number} {several} {}", dollars(sum))),
                    }
                })
                .collect();
            (total > 0).then(|| {
                format!(
                    "{verb} about {} USD a month ({}; prices of 2026-11, queries, requests and log \
                     volume not counted)",
                    dollars(total),
                    items.join(", ")
                )
            })
        })
        .collect()
}

fn note(report: &Report) -> Option<String> {
    match report {
        Report::UpToDate(_) | Report::Blocked { .. } => None,
        Report::HeldBack { addr, by } => Some(format!("{addr} is held back by {by}")),
        Report::External { addr, who, what } => {
            Some(format!("{addr} waits for the people of {who}: {what}"))
        }
        Report::Accepted { addr, what, reason } => {
            Some(format!("{addr}: {what} is accepted: {reason}"))
        }
        Report::Waiting { addr, what, .. } => Some(format!("{addr} has to wait: {what}")),
        Report::Warning { addr, what } => Some(format!("warning: {addr}: {what}")),
        Report::UnderWay { addr, what } => Some(format!("{addr}: {what}")),
        Report::Left { what, why } => Some(format!("{what} is left in place: {why}")),
        Report::AtWork { holder, beat } => Some(format!(
            "{holder} is at work on this stack (last sign of life {beat:.0}); apply waits for it"
        )),
        Report::LeftoverLock { holder, beat } if holder == journal::NOBODY => Some(format!(
            "the run that ended at {beat:.0} left word of what it began to create; that is looked for first"
        )),
        Report::LeftoverLock { holder, beat } => Some(format!(
            "{holder} left its lock (last sign of life {beat:.0}); it is taken over and removed"
        )),
    }
}

/// Version of the JSON form of plans.
pub const PLAN_FORMAT: u32 = 1;

/// A plan as JSON: for `--json`, and with `--out` as a plan file.
pub fn plan_json(plan: &Plan, stack_file: &str, document: &str) -> Value {
    let field =
        |field: &Field| json!({"name": field.name, "before": field.before, "after": field.after});
    let (add, change, destroy) = plan.counts();
    json!({
        "format": PLAN_FORMAT,
        "tool_version": env!("CARGO_PKG_VERSION"),
        "stack": stack_file,
        "document": document,
        "domain": plan.domain,
        "account": plan.account,
        "made_at": format!("{:.0}", plan.made_at),
        "goal": match &plan.goal {
            Goal::Converge => json!("converge"),
            Goal::Unsign => json!("unsign"),
            Goal::Rotate => json!("rotate"),
            Goal::AbortRotation => json!("abort-rotation"),
            Goal::Adopt => json!("adopt"),
            Goal::Destroy(options) => json!({"destroy": {
                "include_records": options.include_records,
                "delete_logs": options.delete_logs,
            }}),
        },
        "changes": plan.changes.iter().map(|change| json!({
            "address": change.addr.to_string(),
            "symbol": change.symbol.sign(),
            "fields": change.fields.iter().map(field).collect::<Vec<_>>(),
            "why": change.why,
            "risk": change.risk.words(),
        })).collect::<Vec<_>>(),
        "rights": plan.rights.iter().map(|right| json!({
            "address": right.addr.to_string(),
            "gained": right.gained,
            "right": right.sentence,
        })).collect::<Vec<_>>(),
        "steps": plan.steps.iter().map(|step| json!({
            "id": step.id.to_string(),
            "action": step.op.action(),
            "needs": step.needs.iter().map(ToString::to_string).collect::<Vec<_>>(),
            "after": step.settled.iter().map(ToString::to_string).collect::<Vec<_>>(),
        })).collect::<Vec<_>>(),
        "waits": waits(plan),
        "cost": cost(plan),
        "notes": plan.report.iter().filter_map(note).collect::<Vec<_>>(),
        "blocked": plan.blocked().into_iter().map(|(addr, why)| json!({
            "address": addr.to_string(), "why": why,
        })).collect::<Vec<_>>(),
        "refusals": plan.refusals.iter().map(|refusal| json!({
            "rule": refusal.rule, "address": refusal.addr.to_string(), "message": refusal.message,
        })).collect::<Vec<_>>(),
        "next": plan.notices,
        "summary": {"add": add, "change": change, "destroy": destroy},
        "built_on": plan.built_on.iter().map(|(addr, attributes)| {
            (addr.to_string(), json!(attributes))
        }).collect::<serde_json::Map<_, _>>(),
        "step_digests": plan.step_digests(),
        "digest": plan.digest(),
    })
}

/// How a run ended, step by step, root causes once.
pub fn failures(run: &Run, now: jiff::Timestamp) -> String {
    let mut out = String::new();
    for status in run.statuses(now) {
        match status.text {
            StatusText::Failed(failure) => {
                let _ = writeln!(out, "error: {}: {failure}", status.id);
            }
            StatusText::Blocked(by) => {
                let _ = writeln!(out, "  not started: {} (needs {by})", status.id);
            }
            StatusText::Waiting(_) | StatusText::Done => {}
        }
    }
    out
}

/// The zone's key-signing keys, for `ksk list`.
pub fn keys(desired: &Desired, snapshot: &Snapshot, dnssec: &ksk::Live) -> String {
    let mut text = format!("signing is {}\n", dnssec.signing);
    if dnssec.keys.is_empty() {
        text.push_str("no key-signing keys\n");
    }
    for key in &dnssec.keys {
        let whose = match whose(desired, snapshot, key) {
            Whose::Stack => format!("{}'s key", desired.key_alias),
            Whose::Rotation => "the other key of a rotation".to_owned(),
            Whose::Stranger => "not this stack's".to_owned(),
            Whose::Unknown(why) => format!("nobody can tell whose: {why}"),
        };
        let made = key.created.map_or_else(
            || "at an unknown time".to_owned(),
            |made| format!("{made:.0}"),
        );
        let message = if key.message.is_empty() {
            String::new()
        } else {
            format!(": {}", key.message)
        };
        text.push_str(&format!(
            "\n{}  key tag {}, {}{message}\n  {whose}, made {made}\n  KMS key {}\n  {}. IN DS {}\n",
            key.name, key.key_tag, key.status, key.kms_arn, desired.domain, key.ds
        ));
    }
    text
}
