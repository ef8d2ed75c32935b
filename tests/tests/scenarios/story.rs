//! The runner: one story in one temporary folder with one simulated world.
//!
//! ```text
//! document [FILE]           writes FILE (stack.toml) from the lines `| ...` below
//! plan|ds|validate ARGS     runs the tool, shows all it prints
//! adopt ARGS                the same with --yes
//! apply|destroy ARGS        with --yes; shows what changes and how it ended, not each call
//! fault RULES               what goes wrong in the next run of the tool
//! advance DURATION          moves the world's clock
//! elapsed                   whole hours that the world's clock was moved since the last such question
//! registrar ARGS            what a registrar or hostmaster does; `@ds` is the DS record `ds` prints,
//!                           `@old-ds` the one it printed last
//! edit-live EDIT            what somebody does to AWS by hand (`edit.rs`)
//! show ENDING               a file that the tool wrote, judged by named-checkzone where there is one
//! ```

use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};
use std::time::Duration;

use spore_sandbox::door::Options;
use spore_tests::stage::open_world;
use spore_tests::{binary, updater};
use tempfile::TempDir;

use super::edit;
use super::steady::Steady;

/// A story being told.
pub struct Story {
    dir: TempDir,
    steady: Steady,
    fault: Option<String>,
    ahead: Duration,
    printed: String,
}

impl Story {
    /// Runs a script; the answer is the script with what was seen.
    pub fn tell(script: &str) -> String {
        let mut story = Self::new();
        let mut seen = String::new();
        let mut lines = script.lines().peekable();
        while let Some(line) = lines.next() {
            let Some(command) = line.strip_prefix("$ ") else {
                // Comments stay; output is what the commands below print now.
                if line.starts_with('#') {
                    writeln!(seen, "{line}").unwrap();
                }
                continue;
            };
            writeln!(seen, "$ {command}").unwrap();
            let mut input = String::new();
            while let Some(more) = lines.next_if(|line| line.starts_with('|')) {
                writeln!(seen, "{more}").unwrap();
                writeln!(input, "{}", more.trim_start_matches('|').trim_start()).unwrap();
            }
            let printed = story.carry_out(command, &input);
            seen.push_str(&story.steady.text(&printed));
        }
        seen
    }

    /// What `plan` prints of a document on an account where there is nothing.
    pub fn plan_from_empty(document: &str) -> String {
        let mut story = Self::new();
        fs::write(story.path("stack.toml"), document).unwrap();
        let output = story.tool(&["plan", "stack.toml"]);
        assert!(output.status.success(), "{}", text(&output.stderr));
        let plan = story.steady.text(&text(&output.stdout));
        format!("{}\n", plan.trim())
    }

    fn new() -> Self {
        let memory = std::path::Path::new("/dev/shm");
        let dir = if memory.is_dir() {
            tempfile::tempdir_in(memory)
        } else {
            tempfile::tempdir()
        };
        Self {
            dir: dir.unwrap(),
            steady: Steady::default(),
            fault: None,
            ahead: Duration::ZERO,
            printed: String::new(),
        }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn carry_out(&mut self, command: &str, input: &str) -> String {
        let mut words: Vec<String> = command.split_whitespace().map(str::to_owned).collect();
        let name = words.remove(0);
        match name.as_str() {
            "document" => {
                let file = words.first().map_or("stack.toml", String::as_str);
                fs::write(self.path(file), input).unwrap();
                String::new()
            }
            "fault" => {
                self.fault = Some(words.join(","));
                String::new()
            }
            "plan" | "ds" | "validate" => self.command(&name, &words, true),
            "apply" | "adopt" | "destroy" => {
                words.push("--yes".into());
                self.command(&name, &words, name == "adopt")
            }
            "advance" => self.sandbox("advance", words),
            "registrar" => {
                let words = words
                    .into_iter()
                    .map(|word| match word.as_str() {
                        "@ds" => self.ds(),
                        "@old-ds" => self.printed.clone(),
                        _ => word,
                    })
                    .collect();
                self.sandbox("registrar", words)
            }
            "edit-live" => edit::make(&self.path("world"), &self.path("stack.toml"), &words),
            "elapsed" => {
                let sandbox = open_world(&self.path("world"), &Options::default());
                let ahead = sandbox.inspect(|world, _| world.ahead);
                let hours = (ahead - std::mem::replace(&mut self.ahead, ahead)).as_secs() / 3_600;
                format!("{hours} h\n")
            }
            "show" => self.show(&words[0]),
            other => panic!("{other:?} is no command of a scenario"),
        }
    }

    fn command(&mut self, name: &str, words: &[String], everything: bool) -> String {
        let mut arguments = vec![name];
        if !words.iter().any(|word| word.ends_with(".toml")) {
            arguments.push("stack.toml");
        }
        arguments.extend(words.iter().map(String::as_str));
        let output = self.tool(&arguments);
        let stdout = text(&output.stdout);
        let mut seen = String::new();
        // Why something is not done is told whole.
        let mut in_reasons = false;
        // What a new resource is like is kept beside the documents, in their plans from empty; what one
        // that goes was like says nothing new.
        let mut created: Vec<&str> = Vec::new();
        let mut in_new = false;
        for line in stdout.lines().filter(|line| !line.trim().is_empty()) {
            in_reasons =
                line == "Refused" || line == "Blocked" || (in_reasons && line.starts_with("  "));
            if !line.starts_with(' ') {
                let address = line.strip_prefix("+ ");
                in_new = address.is_some() || line.starts_with("- ");
                created.extend(address);
            }
            let right = line.strip_prefix("  + ").and_then(|l| l.split_once(": "));
            let is_of_new = (in_new && line.starts_with("    "))
                || right.is_some_and(|(address, _)| created.contains(&address));
            if (everything && !is_of_new) || in_reasons || is_news(line) {
                writeln!(seen, "{line}").unwrap();
            }
        }
        for line in text(&output.stderr).lines() {
            if !line.trim().is_empty()
                && !line.ends_with("(sandbox)")
                && !line.ends_with("; trying again")
                && !is_progress(line)
            {
                writeln!(seen, "{line}").unwrap();
            }
        }
        match output.status.code() {
            Some(0) => {}
            Some(code) => writeln!(seen, "exit {code}").unwrap(),
            None => seen.push_str("killed\n"),
        }
        seen
    }

    fn sandbox(&mut self, command: &str, words: Vec<String>) -> String {
        let mut arguments = vec!["sandbox", command];
        arguments.extend(words.iter().map(String::as_str));
        let output = self.tool(&arguments);
        format!("{}{}", text(&output.stdout), text(&output.stderr))
    }

    /// The fields of the DS record that is to be published.
    fn ds(&mut self) -> String {
        let output = self.tool(&["ds", "stack.toml", "--format", "bind"]);
        let lines = text(&output.stdout);
        let record = lines
            .lines()
            .find_map(|line| line.split_once(" DS "))
            .map(|(_, ds)| ds.trim().to_owned());
        let told = || format!("no DS record: {lines}{}", text(&output.stderr));
        self.printed = record.unwrap_or_else(|| panic!("{}", told()));
        self.printed.clone()
    }

    fn show(&self, ending: &str) -> String {
        let mut found: Vec<PathBuf> = fs::read_dir(self.dir.path())
            .unwrap()
            .map(|entry| entry.unwrap().path())
            .filter(|path| path.to_string_lossy().ends_with(ending))
            .collect();
        found.sort();
        assert!(!found.is_empty(), "no file ends with {ending}");
        let mut seen = String::new();
        for path in found {
            let text = fs::read_to_string(&path).unwrap();
            let origin = text
                .lines()
                .find_map(|line| line.strip_prefix("$ORIGIN "))
                .unwrap_or("example.edu.");
            let judge = Command::new("named-checkzone")
                .arg(origin)
                .arg(&path)
                .output();
            let verdict = judge.expect("named-checkzone is installed by tests/run");
            let said = String::from_utf8_lossy(&verdict.stdout);
            assert!(verdict.status.success(), "{said}");
            for line in text.lines() {
                writeln!(seen, "  {line}").unwrap();
            }
        }
        seen
    }

    fn tool(&mut self, arguments: &[&str]) -> Output {
        let mut command = Command::new(binary::path());
        command
            .env_clear()
            .env(updater::VARIABLE, updater::zip())
            .env("SPORE_SANDBOX_POLICY", "own")
            .current_dir(self.dir.path())
            .stdin(Stdio::null());
        command.args(arguments).arg("--sandbox=world");
        if let Some(fault) = self.fault.take() {
            command.env("SPORE_SANDBOX_FAULT", fault);
        }
        command.output().unwrap()
    }
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// What changes, in one line each, the record for the parent, and the last words.
fn is_news(line: &str) -> bool {
    let starts = ["+ ", "~ ", "- ", "Plan:", "No changes"];
    starts.iter().any(|start| line.starts_with(start)) || line.contains(" IN DS ")
}

/// A line for each call; which calls were made is the record's story. Trouble is told.
fn is_progress(line: &str) -> bool {
    let step = line
        .trim_start()
        .split([':', ' '])
        .next()
        .unwrap_or_default();
    let is_step = step.contains('/') && !step.starts_with('/');
    let is_trouble =
        line.contains("; trying again") || line.contains("rror") || line.contains("xception");
    line.starts_with("  until ") || (is_step && !is_trouble)
}
