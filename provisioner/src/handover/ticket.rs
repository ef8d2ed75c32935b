//! A hand-over text and its forms.

use std::fmt::Write as _;

use serde_json::{Value, json};

/// One text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ticket {
    /// The step's word on the command line.
    pub step: &'static str,
    /// For whom it is.
    pub to: String,
    /// Its first line.
    pub subject: String,
    /// What is to be done: the sentence before the records, then what else counts.
    pub what: Vec<String>,
    /// The records, as lines of a zone file.
    pub records: Vec<String>,
    /// The command of this tool that does it, where nobody has to be asked.
    pub command: Option<&'static str>,
    /// The rest.
    pub sections: Vec<Section>,
}

/// A part of a text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Section {
    /// Its heading.
    pub title: &'static str,
    /// A paragraph each, or a command each.
    pub lines: Vec<String>,
}

impl Section {
    pub(super) fn is_commands(&self) -> bool {
        self.title == "How to check"
    }
}

impl Ticket {
    /// Plain text, for mail and web forms.
    pub fn text(&self) -> String {
        let mut out = format!("To:      {}\nSubject: {}\n\nWhat\n", self.to, self.subject);
        self.write_what(&mut out, "  ", "    ");
        for section in &self.sections {
            let _ = writeln!(out, "\n{}", section.title);
            for line in &section.lines {
                let _ = writeln!(out, "  {line}");
            }
        }
        out
    }

    /// Markdown, for trackers.
    pub fn markdown(&self) -> String {
        let mut out = format!("# {}\n\nFor {}.\n\n## What\n\n", self.subject, self.to);
        self.write_what(&mut out, "", "    ");
        for section in &self.sections {
            let _ = writeln!(out, "\n## {}\n", section.title);
            let prefix = match (section.is_commands(), section.lines.len()) {
                (true, _) => "    ",
                (false, 1) => "",
                (false, _) => "- ",
            };
            for line in &section.lines {
                let _ = writeln!(out, "{prefix}{line}");
            }
        }
        out
    }

    fn write_what(&self, out: &mut String, prose: &str, records: &str) {
        for (index, sentence) in self.what.iter().enumerate() {
            let _ = writeln!(out, "{prose}{sentence}");
            if index == 0 {
                out.push('\n');
                for record in &self.records {
                    let _ = writeln!(out, "{records}{record}");
                }
                if self.what.len() > 1 {
                    out.push('\n');
                }
            }
        }
    }

    /// JSON, for programs that file tickets.
    pub fn json(&self) -> Value {
        json!({
            "step": self.step,
            "outcome": "text",
            "to": self.to,
            "subject": self.subject,
            "what": self.what,
            "records": self.records,
            "command": self.command,
            "sections": self.sections.iter().map(|section| json!({
                "title": section.title,
                "lines": section.lines,
            })).collect::<Vec<_>>(),
        })
    }
}
