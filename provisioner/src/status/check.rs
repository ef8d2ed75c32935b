//! The report for monitoring: one line as monitoring plugins print it, and metrics as Prometheus reads
//! them.
//!
//! Exit codes are those of monitoring plugins (Monitoring Plugins Development Guidelines, "Plugin Return
//! Codes"), and only with `--check`: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN. Whatever keeps the check from
//! looking at all is UNKNOWN, a mistyped command line and a wrong document included: a monitor must not
//! take that for a warning about the zone. All other commands keep this tool's own codes.
//!
//! The metrics follow the line, in the text exposition format, version 0.0.4. Labels are the zone and a
//! server's name; none has a value that grows without bound.

use std::fmt::Write as _;

use super::facts::{Facts, Heard, Verdict};
use super::report::{Level, Report};

/// The code to exit with.
pub fn exit_code(level: Level) -> u8 {
    match level {
        Level::Ok | Level::Note => 0,
        Level::Warning => 1,
        Level::Critical => 2,
        Level::Unknown => 3,
    }
}

/// The line for what could not even be looked at.
pub fn failed(why: &str) -> String {
    let why: Vec<&str> = why.split_whitespace().collect();
    format!(
        "SPORE {} - {}\n",
        Level::Unknown.word(),
        plain(&why.join(" "))
    )
}

/// One line, then metrics.
pub fn render(facts: &Facts, report: &Report) -> String {
    let mut out = format!(
        "SPORE {} - {}\n",
        report.level.word(),
        plain(&report.headline)
    );
    let zone = &facts.domain;
    let mut metrics = Metrics { out: &mut out };
    metrics.family(
        "spore_status_level",
        "Exit code of the check: 0 OK, 1 WARNING, 2 CRITICAL, 3 UNKNOWN.",
    );
    metrics.sample(
        "spore_status_level",
        &[("zone", zone)],
        i64::from(exit_code(report.level)),
    );
    metrics.family("spore_findings", "What was found, by code.");
    let mut codes: Vec<&str> = report.findings.iter().map(|finding| finding.code).collect();
    codes.sort_unstable();
    for group in codes.chunk_by(|one, other| one == other) {
        if let [code, ..] = group {
            let count = i64::try_from(group.len()).unwrap_or(i64::MAX);
            metrics.sample("spore_findings", &[("zone", zone), ("code", code)], count);
        }
    }
    metrics.family(
        "spore_verdict",
        "DNSSEC of each zone on the way: 1 for the word that holds.",
    );
    for one in &facts.zones {
        for word in ["secure", "insecure", "bogus", "unknown"] {
            let holds = i64::from(one.verdict.word() == word);
            metrics.sample(
                "spore_verdict",
                &[("zone", &one.name), ("verdict", word)],
                holds,
            );
        }
    }
    if let Some(own) = facts.zone() {
        metrics.family(
            "spore_server_up",
            "Whether a name server answers for the zone.",
        );
        for server in &own.servers {
            let labels = [("zone", zone.as_str()), ("server", server.name.as_str())];
            metrics.sample("spore_server_up", &labels, i64::from(server.answer.is_ok()));
        }
        metrics.family(
            "spore_server_bogus",
            "Whether validators refuse what a name server answers.",
        );
        for (server, serving) in own.serving() {
            let labels = [("zone", zone.as_str()), ("server", server.name.as_str())];
            let is_bogus = matches!(serving.verdict, Verdict::Bogus(_));
            metrics.sample("spore_server_bogus", &labels, i64::from(is_bogus));
        }
        metrics.family(
            "spore_signature_seconds_left",
            "Time until the best signature that a server shows over a type ends; negative when it has.",
        );
        for (server, serving) in own.serving() {
            for covers in ["DNSKEY", "SOA"] {
                if let Some(ends) = own.ends(serving, covers) {
                    let labels = [
                        ("zone", zone.as_str()),
                        ("server", server.name.as_str()),
                        ("covers", covers),
                    ];
                    let left = ends.duration_since(facts.at).as_secs();
                    metrics.sample("spore_signature_seconds_left", &labels, left);
                }
            }
        }
        metrics.family("spore_parent_ds", "DS records at each parent server.");
        for (server, delegation) in own.delegations() {
            let labels = [("zone", zone.as_str()), ("server", server)];
            let count = i64::try_from(delegation.ds.len()).unwrap_or(i64::MAX);
            metrics.sample("spore_parent_ds", &labels, count);
        }
    }
    if let Ok(aws) = &facts.aws {
        metrics.family(
            "spore_ksk_active",
            "Whether a key-signing key is ACTIVE in Route 53.",
        );
        for ksk in &aws.keys {
            let labels = [("zone", zone.as_str()), ("ksk", ksk.name.as_str())];
            metrics.sample(
                "spore_ksk_active",
                &labels,
                i64::from(ksk.status == "ACTIVE"),
            );
        }
        metrics.family("spore_alarm_heard", "Whether anybody is told of an alarm.");
        for (name, heard) in &aws.alarms {
            let labels = [("zone", zone.as_str()), ("alarm", name.as_str())];
            metrics.sample(
                "spore_alarm_heard",
                &labels,
                i64::from(matches!(heard, Heard::By(_))),
            );
        }
        metrics.family(
            "spore_plan_changes",
            "Objects that differ from the document.",
        );
        let changes = i64::try_from(aws.plan.changes.len()).unwrap_or(i64::MAX);
        metrics.sample("spore_plan_changes", &[("zone", zone)], changes);
    }
    out
}

/// `|` begins performance data in a plugin's first line.
fn plain(text: &str) -> String {
    text.replace('|', "/")
}

struct Metrics<'a> {
    out: &'a mut String,
}

impl Metrics<'_> {
    fn family(&mut self, name: &str, help: &str) {
        let _ = writeln!(self.out, "# HELP {name} {help}\n# TYPE {name} gauge");
    }

    fn sample(&mut self, name: &str, labels: &[(&str, &str)], value: i64) {
        let labels: Vec<String> = labels
            .iter()
            .map(|(label, value)| {
                let value = value
                    .replace('\\', "\\\\")
                    .replace('"', "\\\"")
                    .replace('\n', "\\n");
                format!("{label}=\"{value}\"")
            })
            .collect();
        let _ = writeln!(self.out, "{name}{{{}}} {value}", labels.join(","));
    }
}
