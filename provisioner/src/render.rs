//! Plans, outcomes and records as text. Returns strings; only `cli` prints.

use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};
use serde_json::{Value, json};
use similar::TextDiff;

use crate::addr::Kind;
use crate::condition::Condition;
use crate::desired::Desired;
use crate::ds::{DigestType, DnsKey};
use crate::journal;
use crate::kind::{hosted_zone, ksk};
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
    if add + change + destroy > 0 {
        format!("Plan: {add} to add, {change} to change, {destroy} to destroy.")
    } else if !plan.blocked().is_empty() {
        "Nothing can be planned before what blocks is solved.".into()
    } else if !plan.refusals.is_empty() {
        "Nothing is planned: what the document asks for is refused.".into()
    } else if plan.leftover_lock().is_some() {
        "Plan: only the lock of an interrupted run is to be removed.".into()
    } else if plan.waits_for_others() {
        "No changes of ours. The rest waits for people outside (Notes).".into()
    } else {
        match plan.goal {
            Goal::Converge => "No changes. Live AWS matches the document.".into(),
            Goal::Destroy(_) => "Nothing to destroy. No object of this stack exists.".into(),
            Goal::Unsign => "Nothing to do. The zone is not signed and has no keys.".into(),
            Goal::Rotate => "Nothing to do now.".into(),
            Goal::AbortRotation => "Nothing to do. No rotation is under way.".into(),
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
                Condition::ChangeInSync | Condition::FunctionReady { .. } => {}
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
        Report::Warning { addr, what } => Some(format!("warning: {addr}: {what}")),
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

/// The records for the parent zone.
pub fn ds_text(desired: &Desired, key: &DnsKey) -> String {
    let domain = &desired.domain;
    let ds = key.ds(domain, DigestType::Sha256);
    let ds4 = key.ds(domain, DigestType::Sha384);
    format!(
        "{domain}. 3600 IN DS {ds}\n\
         {domain}. 3600 IN DNSKEY {key}\n\n\
         key tag      {}\n\
         algorithm    {} (ECDSAP256SHA256)\n\
         digest type  2 (SHA-256)\n\
         digest       {}\n\
         digest type  4 (SHA-384), where the registry wants it\n\
         digest       {}\n\
         flags        {} (KSK)\n\
         public key   {}\n",
        ds.key_tag,
        ds.algorithm,
        ds.hex(),
        ds4.hex(),
        key.flags(),
        key.base64(),
    )
}

/// The same as JSON.
pub fn ds_json(desired: &Desired, key: &DnsKey) -> Value {
    let domain = &desired.domain;
    let record = |digest_type| {
        let ds = key.ds(domain, digest_type);
        json!({
            "key_tag": ds.key_tag,
            "algorithm": ds.algorithm,
            "digest_type": ds.digest_type,
            "digest": ds.hex(),
            "record": format!("{domain}. IN DS {ds}"),
        })
    };
    json!({
        "domain": domain,
        "ds": [record(DigestType::Sha256), record(DigestType::Sha384)],
        "dnskey": {
            "flags": key.flags(),
            "protocol": 3,
            "algorithm": key.algorithm(),
            "public_key": key.base64(),
            "record": format!("{domain}. IN DNSKEY {key}"),
        },
    })
}

/// DS records in BIND's form, both digest types.
pub fn ds_bind(desired: &Desired, key: &DnsKey) -> String {
    let domain = &desired.domain;
    [DigestType::Sha256, DigestType::Sha384]
        .map(|digest_type| format!("{domain}. IN DS {}\n", key.ds(domain, digest_type)))
        .concat()
}

/// The records of a zone as a master file (RFC 1035, section 5). Alias records, which no master file
/// can hold, stand in comments, each as the change that makes it again.
pub fn zone_file(domain: &str, zone: &hosted_zone::Live, now: jiff::Timestamp) -> String {
    let mut out = format!("; {domain}, written by spore-infra at {now:.0}\n$ORIGIN {domain}.\n");
    if zone.records.iter().any(|set| set.alias.is_some()) {
        let _ = write!(
            out,
            "; Alias records are in comments below: no master file can hold them. To make one again in a\n\
             ; new zone, give its JSON to\n\
             ;   aws route53 change-resource-record-sets --hosted-zone-id ID --change-batch 'JSON'\n\
             ; A HostedZoneId of {} is that of this zone: put the new zone's there instead.\n",
            zone.id
        );
    }
    for set in &zone.records {
        let name = decimal_escapes(&set.name);
        if let Some((target_zone, target, health)) = &set.alias {
            let change = json!({"Changes": [{"Action": "CREATE", "ResourceRecordSet": {
                "Name": set.name,
                "Type": set.rtype,
                "AliasTarget": {
                    "HostedZoneId": target_zone,
                    "DNSName": target,
                    "EvaluateTargetHealth": health,
                },
            }}]});
            let _ = writeln!(out, "; {change}");
            continue;
        }
        let ttl = set.ttl_secs.unwrap_or_default();
        for value in &set.values {
            let _ = writeln!(
                out,
                "{name} {ttl} IN {} {}",
                set.rtype,
                decimal_escapes(value)
            );
        }
    }
    out
}

/// Route 53 escapes in octal (`\052`), master files in decimal (`\042`).
fn decimal_escapes(text: &str) -> String {
    let mut out = String::new();
    let mut rest = text;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        let digits = rest
            .get(at + 1..at + 4)
            .and_then(|digits| u8::from_str_radix(digits, 8).ok());
        match digits {
            Some(byte) => {
                let _ = write!(out, "\\{byte:03}");
                rest = &rest[at + 4..];
            }
            None => {
                let end = rest[at..]
                    .char_indices()
                    .nth(2)
                    .map_or(rest.len(), |(i, _)| at + i);
                out.push_str(&rest[at..end]);
                rest = &rest[end..];
            }
        }
    }
    out.push_str(rest);
    out
}

/// The zone's key-signing keys, for `ksk list`.
pub fn keys(desired: &Desired, snapshot: &Snapshot, dnssec: &ksk::Live) -> String {
    let aliased = snapshot.kms_key.present().map(|key| key.arn.as_str());
    let mut text = format!("signing is {}\n", dnssec.signing);
    if dnssec.keys.is_empty() {
        text.push_str("no key-signing keys\n");
    }
    for key in &dnssec.keys {
        let whose = if aliased == Some(key.kms_arn.as_str()) {
            format!("{}'s key", desired.key_alias)
        } else if desired.is_ksk_name(&key.name) {
            "the other key of a rotation".to_owned()
        } else {
            "not this stack's".to_owned()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_alias_record_is_kept_as_the_change_that_makes_it_again() {
        let set = |name: &str, alias| hosted_zone::RecordSet {
            name: name.into(),
            rtype: "A".into(),
            alias,
            ..hosted_zone::RecordSet::default()
        };
        let target = (
            "Z2FDTNDATAQYW2".to_owned(),
            "d1.cloudfront.net.".to_owned(),
            true,
        );
        let mut zone = hosted_zone::Live {
            id: "ZOLD".into(),
            records: vec![set("\\052.spore.example.edu.", Some(target))],
            ..hosted_zone::Live::default()
        };
        let text = zone_file("spore.example.edu", &zone, jiff::Timestamp::UNIX_EPOCH);
        assert!(text.contains("ZOLD"), "{text}");
        let json = text.lines().find_map(|line| line.strip_prefix("; {"));
        let change: Value = serde_json::from_str(&format!("{{{}", json.expect("a change")))
            .expect("JSON in one line");
        let record = &change["Changes"][0]["ResourceRecordSet"];
        assert_eq!(record["Name"], "\\052.spore.example.edu.");
        assert_eq!(record["AliasTarget"]["HostedZoneId"], "Z2FDTNDATAQYW2");
        assert_eq!(record["AliasTarget"]["DNSName"], "d1.cloudfront.net.");
        assert_eq!(record["AliasTarget"]["EvaluateTargetHealth"], true);
        zone.records.clear();
        let text = zone_file("spore.example.edu", &zone, jiff::Timestamp::UNIX_EPOCH);
        assert!(!text.contains("Alias"));
    }

    #[test]
    fn octal_escapes_become_decimal_and_others_stay() {
        for (route53, master) in [
            (r"\052.example.edu.", r"\042.example.edu."),
            (r#""say \"hi\" \303\274""#, r#""say \"hi\" \195\188""#),
            (r"plain", r"plain"),
            (r"a\\b", r"a\\b"),
            (r"end\", r"end\"),
        ] {
            assert_eq!(decimal_escapes(route53), master, "{route53}");
        }
    }
}
