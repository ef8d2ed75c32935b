//! Properties of all documents: valid ones parse, whatever one is made of never panics and every
//! problem lies inside the text, and the schema knows exactly the keys the reader knows.

use std::io;

use proptest::prelude::*;
use proptest::sample::{select, subsequence};

use super::schema::schema;
use super::table::{Asked, Holds, Presence};
use super::*;

fn parsed(text: &str) -> Result<Stack, Vec<Problem>> {
    parse("x.toml", text, &|_| Err(io::ErrorKind::NotFound.into()))
}

/// Lines each valid by itself and beside any others, by table; the first table is the top.
const TABLES: &[(&str, &[&str])] = &[
    ("", &["region = \"eu-central-1\""]),
    (
        "[delegation]",
        &[
            "parent = \"auto\"",
            "parent-role = \"arn:aws:iam::111111111111:role/p\"",
        ],
    ),
    (
        "[dnssec]",
        &[
            "enabled = false",
            "lower-ttls = false",
            "key-admins = [\"arn:aws:iam::123456789012:user/a/b\"]",
            "rotate-after = \"365 days\"",
        ],
    ),
    (
        "[dns]",
        &[
            "transport = 'tcp'",
            "resolvers = [\"192.0.2.53\", \"[2001:db8::53]:5353\"]",
            "also-check = [\"10.0.0.2\"]",
        ],
    ),
    (
        "[names]",
        &[
            "prefix = \"dns\"",
            "key-alias = \"dns/ksk\"",
            "ksk = \"a_ksk\"",
            "api = \"dns-api\"",
        ],
    ),
    (
        "[iam]",
        &[
            "path = \"/dns/\"",
            "permissions-boundary = \"arn:aws:iam::123456789012:policy/b\"",
            "updater-role = \"dns-updater\"",
        ],
    ),
    (
        "[updater]",
        &[
            "name = \"dns-updater\"",
            "accounts = [\"123456789012\", { id = \"111111111111\", label = \"lab\" }]",
            "deny = [\"222222222222\"]",
            "proofs = [\"iam-role\", \"instance-role\"]\n\
             roles = [\"arn:aws:iam::123456789012:role/ci\"]",
            "naming = \"per-account\"",
            "record-types = [\"A\", \"TXT\"]",
            "ttl = \"5 minutes\"",
            "lease = \"1 day 12 hours\"",
            "quota = 7",
            "rate = \"1 per second\"",
            "reserved = [\"www\", \"mail\"]",
            "require-tag = \"team=\"",
            "private-cidrs = [\"10.20.0.0/16\", \"fd00::/8\"]",
            "memory = 512",
            "timeout = \"15s\"",
            "architecture = \"x86_64\"",
        ],
    ),
    (
        "[api]",
        &[
            "stage = \"v1\"",
            "throttle = { per-second = 5, burst = 5 }",
            "allow-from = [\"192.0.2.0/24\"]",
            "tls-min = \"1.3\"",
            "domain = \"api.example.edu\"\n\
             certificate = \"arn:aws:acm:eu-central-1:123456789012:certificate/1\"",
        ],
    ),
    (
        "[logs]",
        &["retention-days = 365", "encrypt = false", "queries = true"],
    ),
    (
        "[alarms]",
        &[
            "expect-updates = \"1 day\"",
            "notify = [\"arn:aws:sns:us-east-1:123456789012:x\", \
             \"arn:aws:sns:eu-central-1:123456789012:x\"]",
            "thresholds = { validation-failures = 1, ksk-age = \"400 days\" }",
        ],
    ),
    (
        "[contacts]",
        &["owner = \"ünïcode ☎\"", "dns = \"b\"", "security = \"c\""],
    ),
    ("[tags]", &["team = \"dns\"", "\"cost center\" = \"\""]),
    (
        "[[accepted]]",
        &["kind = \"metric-filter\"\nname = \"a.example.\"\nreason = \"theirs\""],
    ),
];

/// Lines of a table in any order, any of them left out.
fn any_lines(lines: &'static [&'static str]) -> impl Strategy<Value = Vec<&'static str>> {
    subsequence(lines, 0..=lines.len()).prop_shuffle()
}

/// A valid document: the three lines, then any tables with any lines in any order.
fn any_document() -> impl Strategy<Value = String> {
    let tables: Vec<_> = TABLES[1..]
        .iter()
        .map(|(header, lines)| {
            let lines: BoxedStrategy<Vec<&str>> = match *header {
                "[[accepted]]" => Just(lines.to_vec()).boxed(),
                _ => any_lines(lines).boxed(),
            };
            lines.prop_map(move |lines| format!("{header}\n{}\n", lines.join("\n")))
        })
        .collect();
    (tables, any::<proptest::sample::Index>()).prop_flat_map(|(tables, count)| {
        let count = count.index(tables.len() + 1);
        subsequence(tables, count).prop_shuffle().prop_map(|tables| {
            // The region stays: the topics of [alarms] are made for it.
            format!(
                "account = \"123456789012\"\n{}\nversion = 1\ndomain = \"spore.example.edu\"\n{}",
                TABLES[0].1[0],
                tables.concat()
            )
        })
    })
}

/// One edit at some place: what a slip of the hand or a bad merge does.
#[derive(Debug, Clone)]
enum Edit {
    Delete(usize),
    Insert(&'static str),
    Truncate,
    RepeatRest,
}

fn any_edit() -> impl Strategy<Value = (proptest::sample::Index, Edit)> {
    let inserted = select(
        &[
            "\"",
            "'",
            "=",
            "[",
            "]",
            "{",
            "}",
            "#",
            "\n",
            "\r",
            "\0",
            ",",
            ".",
            "é",
            "1",
            "-",
            "a",
            "\u{1b}",
            "\u{feff}",
            "\"\"\"",
            "\\u",
            "\n[logs]\n",
            "\nversion = 2\n",
            "\nx.y = 1\n",
        ][..],
    );
    let edit = prop_oneof![
        (1_usize..20).prop_map(Edit::Delete),
        inserted.prop_map(Edit::Insert),
        Just(Edit::Truncate),
        Just(Edit::RepeatRest),
    ];
    (any::<proptest::sample::Index>(), edit)
}

fn edited(text: &str, edits: &[(proptest::sample::Index, Edit)]) -> String {
    let mut text: Vec<char> = text.chars().collect();
    for (place, edit) in edits {
        let at = place.index(text.len() + 1);
        match edit {
            Edit::Delete(count) => {
                let end = (at + count).min(text.len());
                text.drain(at..end);
            }
            Edit::Insert(inserted) => {
                text.splice(at..at, inserted.chars());
            }
            Edit::Truncate => text.truncate(at),
            Edit::RepeatRest => text.extend_from_within(at..),
        }
    }
    text.into_iter().collect()
}

fn check_problems(text: &str) -> Result<(), TestCaseError> {
    let Err(problems) = parsed(text) else {
        return Ok(());
    };
    prop_assert!(!problems.is_empty());
    for problem in &problems {
        prop_assert!(text.get(problem.span.clone()).is_some(), "{problem:?}");
        prop_assert!(!problem.what.contains('\n'), "{problem:?}");
        prop_assert!(!problem.what.contains('\u{1b}'), "{problem:?}");
    }
    prop_assert!(problems.is_sorted_by_key(|problem| problem.span.start));
    let shown = report("x.toml", text, &problems, false);
    prop_assert!(!shown.contains('\u{1b}'), "{shown}");
    for problem in &problems {
        let place = format!("x.toml:{}", problem.position(text));
        prop_assert!(shown.contains(&place), "{place} is missing in:\n{shown}");
    }
    Ok(())
}

proptest! {
    #[test]
    fn valid_documents_parse_whatever_their_order(text in any_document()) {
        prop_assert!(parsed(&text).is_ok(), "{}", said(&text));
    }

    #[test]
    fn edited_documents_never_panic_and_problems_lie_inside(
        text in any_document(),
        edits in proptest::collection::vec(any_edit(), 1..6),
    ) {
        check_problems(&edited(&text, &edits))?;
    }

    #[test]
    fn arbitrary_text_never_panics(text in any::<String>()) {
        check_problems(&text)?;
    }
}

/// The dotted paths of all keys, from what the reader asks for.
fn asked_paths(keys: &[Asked], path: &str, paths: &mut Vec<String>) {
    for key in keys {
        let path = format!("{path}.{}", key.name);
        if let Holds::Table(inner) | Holds::Tables(inner) = &key.holds {
            asked_paths(inner, &path, paths);
        }
        paths.push(path);
    }
}

/// The dotted paths of all keys, from the schema.
fn schema_paths(schema: &serde_json::Value, path: &str, paths: &mut Vec<String>) {
    let object = if schema["items"]["properties"].is_object() {
        &schema["items"]
    } else {
        schema
    };
    for (name, inner) in object["properties"].as_object().into_iter().flatten() {
        let path = format!("{path}.{name}");
        schema_paths(inner, &path, paths);
        paths.push(path);
    }
}

#[test]
fn schema_and_reader_know_the_same_keys() {
    let (mut asked, mut described) = (Vec::new(), Vec::new());
    asked_paths(v1::keys(), "", &mut asked);
    schema_paths(&schema(), "", &mut described);
    asked.sort();
    described.sort();
    assert_eq!(asked, described);
    assert!(asked.contains(&".api.throttle.burst".to_owned()));
    assert!(asked.contains(&".accepted.reason".to_owned()));
}

/// A wrong value is one problem: nothing is said that follows from what stands in for it.
#[test]
fn one_wrong_value_is_one_problem() {
    let top = "version = 1\ndomain = \"spore.example.edu\"\naccount = \"123456789012\"\n";
    let all: String = TABLES
        .iter()
        .map(|(header, lines)| format!("{header}\n{}\n", lines.join("\n")))
        .collect();
    let lines: Vec<&str> = top.lines().chain(all.lines()).collect();
    let whole = lines.join("\n");
    assert!(parsed(&whole).is_ok(), "{}", said(&whole));
    let mut changed = 0;
    for (index, line) in lines.iter().enumerate().skip(1) {
        let Some((key, _)) = line.split_once(" = ") else {
            continue;
        };
        // No key holds a date.
        let wrong = format!("{key} = 1979-05-27");
        let mut lines = lines.clone();
        lines[index] = &wrong;
        let text = lines.join("\n");
        let problems = parsed(&text).expect_err(&wrong);
        assert_eq!(problems.len(), 1, "{}", said(&text));
        assert_eq!(
            problems[0].position(&text).line,
            index + 1,
            "{}",
            said(&text)
        );
        assert!(
            problems[0].what.contains(key.trim_matches('"')),
            "{}",
            said(&text)
        );
        changed += 1;
    }
    assert!(changed > 50, "{changed}");
}

fn said(text: &str) -> String {
    report(
        "x.toml",
        text,
        &parsed(text).err().unwrap_or_default(),
        false,
    )
}

/// Every key of the format is in the generated documents or in one of the named few, so a new key
/// does not go untested.
#[test]
fn generated_documents_write_every_key() {
    let elsewhere = ["version", "domain", "account", "accounts-file"];
    for (table, keys) in tables_of(v1::keys()) {
        let lines: String = TABLES
            .iter()
            .filter(|(header, _)| header.trim_matches(['[', ']']) == table)
            .flat_map(|(_, lines)| {
                lines
                    .join("\n")
                    .lines()
                    .map(|l| format!("{l}\n"))
                    .collect::<Vec<_>>()
            })
            .collect();
        for key in keys.iter().filter(|key| !elsewhere.contains(&key.as_str())) {
            let is_written = lines
                .lines()
                .any(|line| line.starts_with(&format!("{key} = ")));
            assert!(is_written, "[{table}] {key} is in no generated document");
        }
    }
}

fn tables_of(keys: &[Asked]) -> Vec<(String, Vec<String>)> {
    let mut tables = vec![(String::new(), Vec::new())];
    for key in keys {
        match &key.holds {
            Holds::Table(inner) | Holds::Tables(inner) => {
                let names = inner.iter().map(|key| key.name.to_owned()).collect();
                tables.push((key.name.to_owned(), names));
            }
            Holds::Value(_) => tables[0].1.push(key.name.to_owned()),
            Holds::Pairs(..) => {}
        }
    }
    tables
}

/// A default is what a key means when left out: writing it changes nothing.
#[test]
fn writing_every_default_changes_nothing() {
    fn write(keys: &[Asked], path: &str, text: &mut String) {
        for key in keys {
            if let Presence::Default(default) = key.presence {
                text.push_str(&format!("{path}{} = {default}\n", key.name));
            }
            if let Holds::Table(inner) = &key.holds {
                write(inner, &format!("{path}{}.", key.name), text);
            }
        }
    }
    let three = "version = 1\ndomain = \"spore.example.edu\"\naccount = \"123456789012\"\n";
    let mut all = three.to_owned();
    write(v1::keys(), "", &mut all);
    assert!(all.lines().count() > 30, "{all}");
    assert_eq!(parsed(&all), parsed(three), "{all}");
}
