//! What differs from run to run, replaced by words: the same thing gets the same word, so that a
//! transcript still shows whether two lines speak of one zone or two.

use std::collections::BTreeMap;

use regex_lite::{Captures, Regex};

/// Words given out so far.
#[derive(Debug)]
pub struct Steady {
    rules: Vec<(&'static str, Regex)>,
    words: BTreeMap<(&'static str, String), String>,
}

impl Default for Steady {
    fn default() -> Self {
        let rule = |word, pattern| (word, Regex::new(pattern).unwrap());
        Self {
            rules: vec![
                rule("PROCESS", r"process \d+ on [A-Za-z0-9_.-]+"),
                rule("TIME", r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z"),
                rule("STAMP", r"\d{8}T\d{6}Z"),
                rule(
                    "KEY",
                    r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}",
                ),
                rule("ZONE", r"\bZ[0-9A-Z]{12,32}\b"),
                rule("NS", r"\bns-\d+\.awsdns-\d+\.(com|net|org|co\.uk)\b"),
                rule("SERVER", r"\b(\d{1,3}\.){3}\d{1,3}\b"),
                rule("PUBLICKEY", r"[A-Za-z0-9+/]{86}=="),
                rule("DIGEST", r"\b([0-9A-F]{96}|[0-9A-F]{64})\b"),
                rule("CODE", r"\b[A-Za-z0-9+/]{43}="),
                rule("SHA256", r"\b[0-9a-f]{64}\b"),
                rule("TAG", r"\bDS \d{1,5}\b"),
                rule("API", r"\b[a-z0-9]{10} -> \(known after apply: rest_api/"),
            ],
            words: BTreeMap::new(),
        }
    }
}

impl Steady {
    /// The text with words in place of what does not hold still.
    pub fn text(&mut self, text: &str) -> String {
        let Self { rules, words } = self;
        let mut text = text.to_owned();
        for (word, pattern) in rules {
            text = pattern
                .replace_all(&text, |found: &Captures<'_>| match *word {
                    // Every command has its own times: their order is told by the story.
                    "PROCESS" | "TIME" | "STAMP" => (*word).to_owned(),
                    "TAG" => "DS TAG".to_owned(),
                    "API" => "API -> (known after apply: rest_api/".to_owned(),
                    // Documentation addresses are the story's own.
                    "SERVER"
                        if found[0].starts_with("192.0.2.") || found[0].starts_with("127.") =>
                    {
                        found[0].to_owned()
                    }
                    _ => {
                        let number = words.keys().filter(|(known, _)| known == word).count() + 1;
                        let key = (*word, found[0].to_owned());
                        words
                            .entry(key)
                            .or_insert_with(|| format!("{word}-{number}"))
                            .clone()
                    }
                })
                .into_owned();
        }
        text
    }
}
