//! The report as people read it. A server is a column; where the columns do not fit, a block.

use std::collections::BTreeSet;
use std::fmt::Write as _;

use anstyle::{AnsiColor, Style};

use super::diagnosis::{left, numbers};
use super::facts::{Facts, Heard, Resolver, Role, Verdict, Zone};
use super::report::{Level, Report, Who};
use crate::ds::Ds;
use crate::ds::keys::Whose;
use crate::plan::span;
use crate::render::Paint;

/// Columns are never squeezed below this; text is wrapped to at least this.
const WIDTH_MIN: usize = 40;

/// Renders facts and report for a terminal of `width` columns.
pub fn render(facts: &Facts, report: &Report, width: usize, paint: Paint) -> String {
    let mut page = Page {
        out: String::new(),
        width: width.max(WIDTH_MIN),
        paint,
    };
    let word = page.level(report.level);
    page.wrapped(
        "",
        &format!("{word} {}", report.headline),
        word.len() - report.level.word().len(),
    );
    page.chain(facts);
    if let Some(zone) = facts.zone() {
        page.parent(facts, zone);
        page.zone(facts, zone);
    }
    page.resolvers(&facts.resolvers);
    page.route53(facts);
    let worth: Vec<_> = report.findings.iter().collect();
    if !worth.is_empty() {
        page.heading("Found");
        for finding in worth {
            let word = match finding.level {
                Level::Ok | Level::Note => "note".to_owned(),
                Level::Warning => page.tinted(AnsiColor::Yellow, "warning"),
                Level::Critical => page.tinted(AnsiColor::Red, "critical"),
                Level::Unknown => page.tinted(AnsiColor::Magenta, "unknown"),
            };
            let invisible = word.len() - plain_len(&word);
            page.wrapped("  ", &format!("{word}: {}", finding.text), invisible);
        }
    }
    page.heading("Next");
    if report.next.is_empty() {
        page.wrapped("  ", "nothing to do", 0);
    }
    for (index, action) in report.next.iter().enumerate() {
        let who = match &action.who {
            Who::Us => "you".to_owned(),
            Who::Others(who) => who.clone(),
            Who::Wait => "wait".to_owned(),
        };
        page.wrapped("  ", &format!("{}. {who}: {}", index + 1, action.what), 0);
    }
    page.out
}

struct Page {
    out: String,
    width: usize,
    paint: Paint,
}

impl Page {
    fn styled(&self, style: Style, text: &str) -> String {
        match self.paint {
            Paint::Plain => text.to_owned(),
            Paint::Color => format!("{style}{text}{style:#}"),
        }
    }

    fn tinted(&self, color: AnsiColor, text: &str) -> String {
        self.styled(color.on_default(), text)
    }

    fn level(&self, level: Level) -> String {
        let color = match level {
            Level::Ok | Level::Note => AnsiColor::Green,
            Level::Warning => AnsiColor::Yellow,
            Level::Critical => AnsiColor::Red,
            Level::Unknown => AnsiColor::Magenta,
        };
        self.styled(color.on_default().bold(), level.word())
    }

    fn heading(&mut self, text: &str) {
        let text = self.styled(Style::new().bold(), text);
        let _ = writeln!(self.out, "\n{text}");
    }

    /// A paragraph; lines after the first are indented by two more. `invisible`: bytes of colour in its
    /// first word.
    fn wrapped(&mut self, indent: &str, text: &str, invisible: usize) {
        let mut line = indent.to_owned();
        let mut len = indent.len();
        let mut is_first = true;
        for word in text.split_whitespace() {
            let seen = if is_first {
                word.len() - invisible
            } else {
                word.chars().count()
            };
            if !is_first && len + 1 + seen > self.width {
                let _ = writeln!(self.out, "{line}");
                line = format!("{indent}  {word}");
                len = indent.len() + 2 + seen;
            } else {
                if !is_first {
                    line.push(' ');
                    len += 1;
                }
                line.push_str(word);
                len += seen;
            }
            is_first = false;
        }
        let _ = writeln!(self.out, "{line}");
    }

    fn chain(&mut self, facts: &Facts) {
        if facts.zones.is_empty() {
            return;
        }
        self.heading("Chain of trust");
        let name_width = facts
            .zones
            .iter()
            .map(|zone| zone.name.len())
            .max()
            .unwrap_or(1);
        for zone in &facts.zones {
            let asked: Vec<_> = zone
                .servers
                .iter()
                .filter(|server| server.in_parent)
                .collect();
            let answered = asked.iter().filter(|server| server.answer.is_ok()).count();
            let color = match zone.verdict {
                Verdict::Secure => AnsiColor::Green,
                Verdict::Insecure(_) => AnsiColor::Yellow,
                Verdict::Bogus(_) => AnsiColor::Red,
                Verdict::Unknown(_) => AnsiColor::Magenta,
            };
            let verdict = self.tinted(color, &format!("{:8}", zone.verdict.word()));
            let why = zone
                .verdict
                .why()
                .map(|why| format!(": {why}"))
                .unwrap_or_default();
            let head = format!("{:name_width$}", zone.name);
            let text = format!(
                "{answered} of {} {}{why}",
                asked.len(),
                if asked.len() == 1 {
                    "server"
                } else {
                    "servers"
                }
            );
            // The name and the verdict are columns, the rest is text.
            let indent = name_width + 2 + 8 + 2 + 2;
            let mut rest = Page {
                out: String::new(),
                width: self.width,
                paint: Paint::Plain,
            };
            if self.width > indent + 24 {
                rest.wrapped(&" ".repeat(indent), &text, 0);
            } else {
                rest.wrapped("    ", &text, 0);
                rest.out.insert(0, '\n');
            }
            let _ = write!(self.out, "  {head}  {verdict}{}", {
                let text = rest.out;
                match text.strip_prefix(&" ".repeat(indent)) {
                    Some(text) => format!("  {text}"),
                    None => text,
                }
            });
        }
        if let Some(why) = &facts.cut_short {
            self.wrapped("  ", &format!("then no further: {why}"), 0);
        }
    }

    fn parent(&mut self, facts: &Facts, zone: &Zone) {
        let Some(parent) = facts.parent() else {
            return;
        };
        self.heading(&format!("At the parent, {}", parent.name));
        let mut table = Table::new([
            "address",
            "name servers",
            "DS",
            "NS TTL",
            "DS TTL",
            "proven",
        ]);
        for server in &zone.parents {
            let address = server
                .address
                .map_or("-".to_owned(), |address| address.to_string());
            let cells = match &server.answer {
                Err(trouble) => vec![address, trouble.word().to_owned()],
                Ok(answer) => {
                    let ttl = |is_there: bool, secs: u32| {
                        if is_there {
                            span(std::time::Duration::from_secs(secs.into()))
                        } else {
                            "-".to_owned()
                        }
                    };
                    let tags = ds_tags(&answer.ds);
                    vec![
                        address,
                        answer.ns.len().to_string(),
                        if tags.is_empty() {
                            "none".to_owned()
                        } else {
                            numbers(&tags)
                        },
                        ttl(!answer.ns.is_empty(), answer.ns_ttl_secs),
                        ttl(!answer.ds.is_empty(), answer.ds_ttl_secs),
                        answer.proof.word().to_owned(),
                    ]
                }
            };
            table.column(&server.name, cells);
        }
        self.table(&table);
    }

    fn zone(&mut self, facts: &Facts, zone: &Zone) {
        self.heading(&format!("Servers of {}", zone.name));
        if zone.servers.is_empty() {
            self.wrapped("  ", "none", 0);
            return;
        }
        let mut table = Table::new([
            "address",
            "named by",
            "SOA serial",
            "name servers",
            "keys",
            "key signature",
            "SOA signature",
            "verdict",
        ]);
        for server in &zone.servers {
            let address = server
                .address
                .map_or("-".to_owned(), |address| address.to_string());
            let named = match (server.in_parent, server.in_route53) {
                (true, Some(true)) => "both",
                (true, Some(false) | None) => "parent",
                (false, _) => "Route 53",
            };
            let cells = match &server.answer {
                Err(trouble) => {
                    vec![address, named.to_owned(), trouble.word().to_owned()]
                }
                Ok(serving) => {
                    let signing = serving.signing_tags();
                    let keys: Vec<String> = serving
                        .keys
                        .iter()
                        .map(|key| {
                            let tag = key.key_tag();
                            let mark = if signing.contains(&tag) { "*" } else { "" };
                            format!("{tag}{mark}")
                        })
                        .collect();
                    let until = |covers| {
                        zone.ends(serving, covers)
                            .map_or("none".to_owned(), |ends| {
                                if ends <= facts.at {
                                    "ended".to_owned()
                                } else {
                                    left(facts.at, ends)
                                }
                            })
                    };
                    vec![
                        address,
                        named.to_owned(),
                        serving
                            .serial
                            .map_or("-".to_owned(), |serial| serial.to_string()),
                        serving.ns.len().to_string(),
                        if keys.is_empty() {
                            "none".to_owned()
                        } else {
                            keys.join(" ")
                        },
                        until("DNSKEY"),
                        until("SOA"),
                        serving.verdict.word().to_owned(),
                    ]
                }
            };
            table.column(&server.name, cells);
        }
        self.table(&table);
        if zone
            .serving()
            .any(|(_, serving)| !serving.signing_tags().is_empty())
        {
            self.wrapped(
                "  ",
                "* signs the keys; a signature's cell is the time it has left",
                0,
            );
        }
    }

    fn resolvers(&mut self, resolvers: &[Resolver]) {
        if resolvers.is_empty() {
            return;
        }
        self.heading("Resolvers");
        for resolver in resolvers {
            let role = match resolver.role {
                Role::Resolver => "",
                Role::View => " (internal view)",
            };
            let text = match &resolver.answer {
                Err(why) => why.clone(),
                Ok(answer) => {
                    let mut text = answer.code.clone();
                    if answer.authentic {
                        text.push_str(", AD");
                    }
                    if let Some(unchecked) = &answer.code_unchecked {
                        let _ = write!(text, "; with CD {unchecked}");
                    }
                    for (code, words) in &answer.extended {
                        let _ = write!(text, "; EDE {code} {words}");
                    }
                    match answer.validates {
                        Some(true) => text.push_str("; validates"),
                        Some(false) => text.push_str("; does not validate"),
                        None => {}
                    }
                    if resolver.role == Role::View {
                        let tags = answer.key_tags.as_ref();
                        let tags = tags.map_or("not told".to_owned(), numbers);
                        let _ = write!(text, "; keys {tags}");
                    }
                    text
                }
            };
            self.wrapped("  ", &format!("{}{role}: {text}", resolver.name), 0);
        }
    }

    fn route53(&mut self, facts: &Facts) {
        self.heading("Route 53");
        let aws = match &facts.aws {
            Err(why) => {
                self.wrapped("  ", &format!("not read: {why}"), 0);
                return;
            }
            Ok(aws) => aws,
        };
        let zone = match &aws.zone {
            Some(zone) => zone,
            None if aws.foreign_zone.is_some() => "not the stack's",
            None if aws.is_read() => "none",
            None => "not read",
        };
        let signing = aws
            .signing
            .as_ref()
            .map_or("-".to_owned(), |(status, message)| {
                format!("{status} {message}").trim_end().to_owned()
            });
        self.wrapped("  ", &format!("hosted zone {zone}, signing {signing}"), 0);
        for ksk in &aws.keys {
            let tag = ksk
                .key
                .as_ref()
                .map_or("?".to_owned(), |key| key.key_tag().to_string());
            let kms = match &ksk.kms_state {
                Some((state, Some(date))) => format!(", KMS key {state}, to be deleted at {date}"),
                Some((state, None)) => format!(", KMS key {state}"),
                None => String::new(),
            };
            let message = if ksk.message.is_empty() {
                String::new()
            } else {
                format!(" ({})", ksk.message)
            };
            let whose = match &ksk.whose {
                Whose::Stack => String::new(),
                Whose::Rotation => ", the other key of a rotation".to_owned(),
                Whose::Stranger => ", not this stack's".to_owned(),
                Whose::Unknown(why) => format!(", nobody can tell whose: {why}"),
            };
            let line = format!(
                "key {tag}: {} {}{message}{whose}{kms}",
                ksk.name, ksk.status
            );
            self.wrapped("  ", &line, 0);
        }
        for (name, heard) in &aws.alarms {
            let who = match heard {
                Heard::By(topics) => topics.join(", "),
                Heard::Nobody(why) => format!("nobody: {why}"),
            };
            self.wrapped("  ", &format!("alarm {name} is heard by {who}"), 0);
        }
        for line in &aws.evidence {
            self.wrapped("  ", &format!("journal: {line}"), 0);
        }
        self.wrapped("  ", &format!("plan: {}", aws.plan.summary), 0);
    }

    fn table(&mut self, table: &Table) {
        let text = table.columns_text();
        if text.lines().all(|line| line.chars().count() <= self.width) {
            self.out.push_str(&text);
        } else {
            self.out.push_str(&table.blocks_text(self.width));
        }
    }
}

/// Key tags of DS records, each once; with the digest type where several have the same.
fn ds_tags(records: &[Ds]) -> BTreeSet<String> {
    let label = |ds: &Ds| {
        let alike = records.iter().filter(|other| other.key_tag == ds.key_tag);
        if alike.count() > 1 {
            format!("{}/{}", ds.key_tag, ds.digest_type)
        } else {
            ds.key_tag.to_string()
        }
    };
    records.iter().map(label).collect()
}

/// Length of a text as it is seen.
fn plain_len(text: &str) -> usize {
    let mut len = 0;
    let mut is_escape = false;
    for c in text.chars() {
        match c {
            '\u{1b}' => is_escape = true,
            'm' if is_escape => is_escape = false,
            _ if !is_escape => len += 1,
            _ => {}
        }
    }
    len
}

/// Labels down, servers across.
struct Table {
    labels: Vec<&'static str>,
    columns: Vec<(String, Vec<String>)>,
}

impl Table {
    fn new<const N: usize>(labels: [&'static str; N]) -> Self {
        Self {
            labels: labels.to_vec(),
            columns: Vec::new(),
        }
    }

    fn column(&mut self, name: &str, cells: Vec<String>) {
        self.columns.push((name.to_owned(), cells));
    }

    /// Server names, shortened to their first labels where these tell them apart.
    fn heads(&self) -> Vec<&str> {
        let first = |name: &str| name.split('.').next().unwrap_or_default().len();
        let short: Vec<&str> = self
            .columns
            .iter()
            .map(|(name, _)| name.get(..first(name)).unwrap_or(name))
            .collect();
        let distinct: BTreeSet<&str> = short.iter().copied().collect();
        if distinct.len() == short.len() {
            short
        } else {
            self.columns.iter().map(|(name, _)| name.as_str()).collect()
        }
    }

    fn columns_text(&self) -> String {
        let label_width = self
            .labels
            .iter()
            .map(|label| label.len())
            .max()
            .unwrap_or(0);
        let heads = self.heads();
        let widths: Vec<usize> = self
            .columns
            .iter()
            .zip(&heads)
            .map(|((_, cells), head)| {
                cells
                    .iter()
                    .map(String::len)
                    .chain([head.len()])
                    .max()
                    .unwrap_or(0)
            })
            .collect();
        let mut out = String::new();
        let mut line = |label: &str, cells: Vec<&str>| {
            let mut text = format!("  {label:label_width$}");
            for (cell, width) in cells.iter().zip(&widths) {
                let _ = write!(text, "  {cell:width$}");
            }
            let _ = writeln!(out, "{}", text.trim_end());
        };
        line("", heads);
        for (index, label) in self.labels.iter().enumerate() {
            let cell = |(_, cells): &'_ (String, Vec<String>)| {
                cells.get(index).cloned().unwrap_or_default()
            };
            let cells: Vec<String> = self.columns.iter().map(cell).collect();
            line(label, cells.iter().map(String::as_str).collect());
        }
        out
    }

    fn blocks_text(&self, width: usize) -> String {
        let label_width = self
            .labels
            .iter()
            .map(|label| label.len())
            .max()
            .unwrap_or(0);
        let mut out = String::new();
        for (name, cells) in &self.columns {
            let _ = writeln!(out, "  {name}");
            for (label, cell) in self.labels.iter().zip(cells) {
                let line = format!("    {label:label_width$}  {cell}");
                // A cell that is too long even so goes below its label.
                if line.len() > width {
                    let _ = writeln!(out, "    {label}\n      {cell}");
                } else {
                    let _ = writeln!(out, "{line}");
                }
            }
        }
        out
    }
}
