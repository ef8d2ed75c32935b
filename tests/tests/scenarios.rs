//! Stories of operators, told to the real binary on a simulated AWS and compared with the transcript in
//! `tests/scenarios/*.txt`, line by line; and the plan from empty beside each document of `plans/`.
//!
//! A script is its own transcript: `$ ` begins a command, `| ` is input that belongs to it, everything
//! else is what it printed. `SPORE_BLESS=1` writes what was seen; the difference is reviewed as code.
//! What no seed holds still (times, and the ids and keys that follow from the order of calls) is
//! replaced by words, the same word for the same thing.

#![expect(clippy::unwrap_used, reason = "tests")]

#[path = "scenarios/edit.rs"]
mod edit;
#[path = "scenarios/steady.rs"]
mod steady;
#[path = "scenarios/story.rs"]
mod story;

use std::path::{Path, PathBuf};
use std::{env, fmt, fs};

use similar::TextDiff;
use spore_tests::cases::each;
use story::Story;

/// A script longer than this tells more than one story.
const LINES_MAX: usize = 200;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn is_blessing() -> bool {
    env::var_os("SPORE_BLESS").is_some_and(|value| !value.is_empty())
}

/// Compares what was seen with what is kept, or keeps it.
fn compare(path: &Path, seen: &str, wrong: &mut Vec<String>) {
    let kept = fs::read_to_string(path).unwrap_or_default();
    if kept == seen {
        return;
    }
    if is_blessing() {
        fs::write(path, seen).unwrap();
        return;
    }
    let diff = TextDiff::from_lines(&kept, seen);
    let name = path.file_name().unwrap().to_string_lossy();
    wrong.push(format!(
        "{name} (bless with SPORE_BLESS=1)\n{}",
        diff.unified_diff().context_radius(2).header("kept", "seen")
    ));
}

fn listed(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.to_string_lossy().ends_with(ending))
        .collect();
    found.sort();
    found
}

#[test]
fn scenarios() {
    let only = env::var("SPORE_SCENARIO").unwrap_or_default();
    let mut files = listed(&root().join("tests/scenarios"), ".txt");
    assert!(files.len() >= 22, "only {} scenarios", files.len());
    files.retain(|path| path.file_stem().unwrap().to_string_lossy().contains(&only));
    let stories: Vec<Told> = files.into_iter().map(Told).collect();
    each(&stories, |Told(path)| {
        let mut wrong = Vec::new();
        let script = fs::read_to_string(path).unwrap();
        let mut seen = Story::tell(&script);
        // How many numbers a world has drawn before a zone's servers depends on the machine's speed, and
        // one in 128 zones of a name gets a server of the one before it.
        if seen != script && without_server_numbers(&seen) == without_server_numbers(&script) {
            seen = Story::tell(&script);
        }
        let first = seen.lines().next().unwrap_or_default();
        if !first.starts_with("# Proves: ") {
            wrong.push("its first line says what it proves".to_owned());
        }
        if seen.lines().count() > LINES_MAX {
            wrong.push(format!("more than {LINES_MAX} lines"));
        }
        let is_settled = seen
            .trim_end()
            .rsplit("$ ")
            .next()
            .is_some_and(|last| last.starts_with("plan") && last.contains("\nNo changes. "));
        if !is_settled && !first.ends_with("(open)") {
            wrong.push("does not end with a plan without changes".to_owned());
        }
        compare(path, &seen, &mut wrong);
        if wrong.is_empty() {
            Ok(())
        } else {
            Err(wrong.join("\n\n"))
        }
    });
}

fn without_server_numbers(text: &str) -> String {
    let mut parts = text.split("NS-");
    let mut rest = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        rest.push_str("NS-");
        rest.push_str(part.trim_start_matches(|c: char| c.is_ascii_digit()));
    }
    rest
}

/// A transcript.
struct Told(PathBuf);

impl fmt::Display for Told {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}", self.0.display())
    }
}

/// A review of a document shows what the edit does.
#[test]
fn plans_from_empty_are_kept_beside_their_documents() {
    let mut wrong = Vec::new();
    for document in listed(&root().join("plans"), ".toml") {
        let text = fs::read_to_string(&document).unwrap();
        let plan = Story::plan_from_empty(&text);
        compare(&document.with_extension("plan.txt"), &plan, &mut wrong);
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n\n"));
}
