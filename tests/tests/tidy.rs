//! The house rules that a compiler does not check: the planner's files stay pure, the sandbox stays
//! apart, every file says what it decides, nothing is left half done, and nothing names a build machine.

#![expect(clippy::unwrap_used, reason = "tests")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

/// The pure core: what it reads, waits for or prints would make plans depend on more than document,
/// snapshot and time.
const PURE: [&str; 23] = [
    "addr",
    "adoption",
    "arg",
    "client_config",
    "condition",
    "desired",
    "ds",
    "graph",
    "handover",
    "master_file",
    "name",
    "names",
    "plan",
    "policy",
    "render",
    "restore",
    "retry",
    "run",
    "safety",
    "snapshot",
    "stack",
    "status",
    "strays",
];

/// What has no place in it.
const IMPURE: [&str; 13] = [
    "async ",
    ".await",
    "aws_sdk",
    "aws_smithy",
    "aws_config",
    "tokio",
    "std::fs",
    "std::env",
    "std::net::Tcp",
    "println!",
    "SystemTime",
    "Instant::now",
    "Timestamp::now",
];

/// Left-overs, and lints switched off without a reason or beyond need.
const UNFINISHED: [&str; 5] = [
    "todo!(",
    "unimplemented!(",
    "#[ignore",
    "#[allow(",
    "#![allow(",
];

/// What only a build machine's paths have.
const MACHINE: [&str; 4] = ["/wor\u{6b}/", "/home\u{2f}", "/roo\u{74}/", "/Users\u{2f}"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("..")
        .canonicalize()
        .unwrap()
}

/// Files of the workspace below a folder, by their path from the root. What git ignores is left out by
/// name: the judge also runs where there is no git.
fn files(below: &str) -> Vec<(String, PathBuf)> {
    let root = root();
    let mut found = Vec::new();
    let mut open = vec![root.join(below)];
    while let Some(dir) = open.pop() {
        for entry in fs::read_dir(&dir).unwrap() {
            let path = entry.unwrap().path();
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            let ignored = name.starts_with("target")
                || [".git", ".spore", ".venv", "__pycache__"].contains(&name.as_str());
            if ignored {
                continue;
            }
            if path.is_dir() {
                open.push(path);
            } else {
                let shown = path.strip_prefix(&root).unwrap().display().to_string();
                found.push((shown, path));
            }
        }
    }
    found.sort();
    found
}

/// The text of every Rust file of the workspace.
fn sources() -> BTreeMap<String, String> {
    files("")
        .into_iter()
        .filter(|(name, _)| name.ends_with(".rs"))
        .map(|(name, path)| (name, fs::read_to_string(path).unwrap()))
        .collect()
}

/// Code without comments, up to its unit tests.
fn code(text: &str) -> impl Iterator<Item = (usize, &str)> {
    text.lines()
        .enumerate()
        .take_while(|(_, line)| !line.starts_with("mod tests") && !line.starts_with("#[cfg(test)]"))
        .map(|(index, line)| (index + 1, line.split("//").next().unwrap_or_default()))
}

#[test]
fn the_core_is_pure() {
    let sources = sources();
    let mut wrong = Vec::new();
    for module in PURE {
        let file = format!("provisioner/src/{module}.rs");
        assert!(
            sources.contains_key(&file),
            "{file} is gone; this list has to follow"
        );
        let folder = format!("provisioner/src/{module}/");
        for (name, text) in sources
            .iter()
            .filter(|(name, _)| **name == file || name.starts_with(&folder))
        {
            for (line, code) in code(text) {
                wrong.extend(
                    IMPURE
                        .iter()
                        .filter(|word| code.contains(**word))
                        .map(|word| format!("{name}:{line}: {word}")),
                );
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "the pure core reads, waits or prints:\n{}",
        wrong.join("\n")
    );
}

/// The first two thirds of each kind are pure as well: everything before its `observe`.
#[test]
fn kinds_decide_without_io() {
    let mut wrong = Vec::new();
    for (name, text) in sources()
        .iter()
        .filter(|(name, _)| name.starts_with("provisioner/src/kind/"))
    {
        let edge = code(text)
            .find(|(_, code)| code.contains("async fn"))
            .map(|(line, _)| line);
        let decides = [
            "pub fn converge",
            "pub fn destroy",
            "fn refs",
            "pub fn attributes",
        ];
        for (line, code) in code(text) {
            if edge.is_some_and(|edge| line > edge)
                && decides.iter().any(|word| code.contains(word))
            {
                wrong.push(format!(
                    "{name}:{line}: decides after the first line of its edge"
                ));
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

#[test]
fn every_file_says_what_it_decides() {
    let silent: Vec<String> = sources()
        .into_iter()
        .filter(|(_, text)| {
            text.lines()
                .next()
                .is_none_or(|line| !line.starts_with("//! ") || line.len() < 12)
        })
        .map(|(name, _)| name)
        .collect();
    assert!(
        silent.is_empty(),
        "without a word at the top: {}",
        silent.join(", ")
    );
}

#[test]
fn nothing_is_left_half_done() {
    let mut found = Vec::new();
    for (name, text) in sources() {
        if name == "tests/tests/tidy.rs" {
            continue;
        }
        for (index, line) in text.lines().enumerate() {
            let hits = UNFINISHED.iter().filter(|word| line.contains(**word));
            found.extend(hits.map(|word| format!("{name}:{}: {word}", index + 1)));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// It judges the provisioner from outside.
#[test]
fn the_sandbox_knows_nothing_of_what_it_judges() {
    let manifest = fs::read_to_string(root().join("sandbox/Cargo.toml")).unwrap();
    for package in [
        "spore-infra",
        "spore-updater",
        "../provisioner",
        "../lambda",
    ] {
        assert!(
            !manifest.contains(package),
            "sandbox/Cargo.toml names {package}"
        );
    }
    for (name, text) in sources()
        .iter()
        .filter(|(name, _)| name.starts_with("sandbox/src/"))
    {
        for word in ["spore_infra::", "spore_updater::"] {
            assert!(!text.contains(word), "{name} uses {word}");
        }
    }
}

#[test]
fn no_file_names_a_build_machine() {
    let mut found = Vec::new();
    for (name, path) in files("") {
        let Ok(text) = fs::read_to_string(&path) else {
            continue;
        };
        for (index, line) in text.lines().enumerate() {
            let hits = MACHINE.iter().filter(|word| {
                // A word of prose or of a URL goes on before the slash.
                line.match_indices(**word).any(|(at, _)| {
                    !line[..at].ends_with(|c: char| c.is_alphanumeric() || "./}>_-".contains(c))
                })
            });
            found.extend(hits.map(|word| format!("{name}:{}: {word}", index + 1)));
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// What SECURITY.md names as the test of an answer is there: a path, or the name of a test.
#[test]
fn every_promise_names_a_test_that_exists() {
    let text = fs::read_to_string(root().join("SECURITY.md")).unwrap();
    let sources = sources();
    let is_test = |name: &str| {
        let declared = format!("fn {name}(");
        sources.values().any(|source| source.contains(&declared))
    };
    let is_path = |path: &str| {
        let fixed = path.split('*').next().unwrap_or(path).trim_end_matches('/');
        ["", "lambda", "lambda/src"]
            .iter()
            .any(|base| root().join(base).join(fixed).exists())
    };
    let mut wrong = Vec::new();
    let mut rows = 0;
    for line in text.lines() {
        let cells: Vec<&str> = line.split('|').collect();
        let [_, hole, _, tests, _] = cells[..] else {
            continue;
        };
        let is_hole =
            |first: char| hole.trim().starts_with(first) && hole.contains(char::is_numeric);
        if !is_hole('H') && !is_hole('P') {
            continue;
        }
        rows += 1;
        let named: Vec<&str> = tests.split('`').skip(1).step_by(2).collect();
        if named.is_empty() {
            wrong.push(format!("{hole}: names no test"));
        }
        for name in named.into_iter().filter(|name| *name != "iam-role") {
            if !(is_path(name) || is_test(name)) {
                wrong.push(format!("{hole}: there is no {name}"));
            }
        }
    }
    assert_eq!(rows, 37, "27 holes of one and 10 of another");
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// A sentence that goes on in the next line of its source has one blank there, and not the source's indentation.
#[test]
fn no_text_has_a_hole() {
    let hole = regex_lite::Regex::new(r#"^[^/]*"[^"]*[a-z,;:] {6,}[a-z`]"#).unwrap();
    let mut found = Vec::new();
    for (name, text) in sources() {
        for (index, line) in text.lines().enumerate() {
            if name.contains("/src/") && hole.is_match(line) {
                found.push(format!("{name}:{}: {line}", index + 1));
            }
        }
    }
    assert!(found.is_empty(), "{}", found.join("\n"));
}

/// An assumption has a number of its own, and whoever cites one cites one that there is.
#[test]
fn assumptions_are_numbered_and_cited_rightly() {
    let text = fs::read_to_string(root().join("ASSUMPTIONS.md")).unwrap();
    let head = regex_lite::Regex::new(r"(?m)^\*\*A-(\d+)\.").unwrap();
    let number = |found: regex_lite::Captures<'_>| found[1].parse::<u32>().unwrap();
    let mut numbers: Vec<u32> = head.captures_iter(&text).map(number).collect();
    assert!(numbers.len() > 50, "{numbers:?}");
    numbers.sort_unstable();
    let twice: Vec<_> = numbers
        .windows(2)
        .filter(|pair| pair[0] == pair[1])
        .collect();
    assert!(twice.is_empty(), "{twice:?}");
    let cited = regex_lite::Regex::new(r"\bA-(\d+)\b").unwrap();
    let mut wrong = Vec::new();
    for (name, text) in sources() {
        let cites = text.lines().filter(|line| line.contains("ASSUMPTIONS.md"));
        for found in cites.flat_map(|line| cited.captures_iter(line)) {
            if !numbers.contains(&number(found)) {
                wrong.push(name.clone());
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong:?}");
}

/// A file that `all.rs` does not name would be compiled by nobody, and its tests never run.
#[test]
fn every_file_of_tests_is_run() {
    let all = fs::read_to_string(root().join("tests/tests/all.rs")).unwrap();
    let named: Vec<&str> = all
        .lines()
        .filter_map(|line| line.strip_prefix("mod ")?.strip_suffix(';'))
        .collect();
    let mut there = Vec::new();
    for (_, path) in files("tests/tests") {
        let is_part = path
            .parent()
            .is_some_and(|dir| dir.ends_with("tests/tests"));
        let stem = path.file_stem().unwrap().to_string_lossy().into_owned();
        if is_part && stem != "all" && path.extension().is_some_and(|end| end == "rs") {
            there.push(stem);
        }
    }
    there.sort();
    assert_eq!(named, there);
}

/// No file is so long that nobody reads it. The median is what the house style asks for.
#[test]
fn files_are_of_a_size_to_read() {
    let mut sizes: Vec<(usize, String)> = sources()
        .into_iter()
        .map(|(name, text)| (text.lines().count(), name))
        .collect();
    sizes.sort();
    let median = sizes[sizes.len() / 2].0;
    let report: Vec<String> = sizes
        .iter()
        .rev()
        .take(5)
        .map(|(lines, name)| format!("{lines:5} {name}"))
        .collect();
    let longest = report.join("\n");
    assert!(
        median <= 300,
        "median of {median} lines; longest:\n{longest}"
    );
    assert!(
        sizes.iter().all(|(lines, _)| *lines <= 1_200),
        "too long:\n{longest}"
    );
}
