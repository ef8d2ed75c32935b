//! Forms of single values: what may stand behind a key, how it is said, and how it is read.
//!
//! A [`Form`] is a type that knows its own spelling in a document. The reader and the JSON Schema
//! both ask it, so they cannot disagree. Types of one subject (domain names, ARNs, networks)
//! implement it in their own files; here are the plain ones.

use std::collections::BTreeSet;
use std::fmt;
use std::ops::Range;

use serde_json::{Value, json};
use toml::de::DeValue;

use super::diagnostics::{Problem, nearest, quoted};

/// A value of a document with its place and the path of its key, such as `updater.accounts[1]`.
pub(super) struct Item<'d> {
    pub value: &'d DeValue<'d>,
    pub span: Range<usize>,
    pub path: String,
}

/// A type that can stand behind a key.
pub(super) trait Form: Sized {
    /// What a document may write here, to follow the word "expected".
    fn expected() -> String;
    /// The same for editors, as JSON Schema.
    fn schema() -> Value;
    /// The value, or everything that is wrong with it.
    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>>;
}

/// Why a text is not what it should be; the text form of values that also come from elsewhere,
/// such as the command line.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct Refused {
    /// What is wrong, without the key.
    pub what: String,
    /// What to write instead, where that can be said.
    pub hint: Option<String>,
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.what)?;
        match &self.hint {
            Some(hint) => write!(f, "; {hint}"),
            None => Ok(()),
        }
    }
}

impl Refused {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self {
            what: what.into(),
            hint: None,
        }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }
}

impl Item<'_> {
    /// A problem with this value.
    pub fn problem(&self, what: impl fmt::Display) -> Problem {
        Problem::new(self.span.clone(), format!("{}: {what}", self.path))
    }

    /// The problem that the value has another type than `expected`.
    pub fn wrong_type(&self, expected: &str) -> Problem {
        self.problem(format!(
            "expected {expected}, found {}",
            described(self.value)
        ))
    }

    /// The value read as text by `parse`.
    pub fn text<T: Form>(
        &self,
        parse: impl Fn(&str) -> Result<T, Refused>,
    ) -> Result<T, Vec<Problem>> {
        let DeValue::String(text) = self.value else {
            let hint = written(self.value)
                .filter(|text| parse(text).is_ok())
                .map(|text| format!("write it in quotes: \"{text}\""));
            return Err(vec![self.wrong_type(&T::expected()).with_hint(hint)]);
        };
        parse(text).map_err(|refused| vec![self.problem(refused.what).with_hint(refused.hint)])
    }
}

/// A closed set of words. The enum lists its spellings once.
pub(super) trait Word: Copy + 'static {
    const WORDS: &'static [(&'static str, Self)];
    /// Words that somebody may well write here, and why each is refused.
    const REFUSED: &'static [(&'static str, &'static str)] = &[];
}

impl<T: Word> Form for T {
    fn expected() -> String {
        one_of(T::WORDS.iter().map(|(word, _)| format!("\"{word}\"")))
    }

    fn schema() -> Value {
        json!({ "enum": T::WORDS.iter().map(|(word, _)| *word).collect::<Vec<_>>() })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        item.text(|text| {
            let exact = T::WORDS.iter().find(|(word, _)| *word == text);
            exact.map(|(_, value)| *value).ok_or_else(|| {
                let mut refused = T::REFUSED.iter();
                if let Some((_, why)) = refused.find(|(word, _)| *word == text) {
                    return Refused::new((*why).to_owned());
                }
                let hint = nearest(text, T::WORDS.iter().map(|(word, _)| *word))
                    .map(|word| format!("did you mean \"{word}\"?"));
                Refused::new(format!(
                    "expected {}, found {}",
                    T::expected(),
                    quoted(text)
                ))
                .with_hint(hint)
            })
        })
    }
}

impl Form for bool {
    fn expected() -> String {
        "true or false".to_owned()
    }

    fn schema() -> Value {
        json!({ "type": "boolean" })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        if let DeValue::Boolean(value) = item.value {
            return Ok(*value);
        }
        let hint = match item.value.as_str() {
            Some(text @ ("true" | "false")) => Some(format!("write it without quotes: {text}")),
            _ => None,
        };
        Err(vec![item.wrong_type(&Self::expected()).with_hint(hint)])
    }
}

/// A whole number between two bounds, both allowed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Whole<const MIN: u32, const MAX: u32>(pub u32);

impl<const MIN: u32, const MAX: u32> Form for Whole<MIN, MAX> {
    fn expected() -> String {
        format!("a whole number from {MIN} to {MAX}")
    }

    fn schema() -> Value {
        json!({ "type": "integer", "minimum": MIN, "maximum": MAX })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        let DeValue::Integer(digits) = item.value else {
            let hint = item
                .value
                .as_str()
                .filter(|text| text.parse::<u32>().is_ok())
                .map(|text| format!("write it without quotes: {text}"));
            return Err(vec![item.wrong_type(&Self::expected()).with_hint(hint)]);
        };
        match u32::from_str_radix(digits.as_str(), digits.radix()) {
            Ok(value) if (MIN..=MAX).contains(&value) => Ok(Self(value)),
            Ok(_) | Err(_) => Err(vec![
                item.problem(format!("{digits} is not {}", Self::expected())),
            ]),
        }
    }
}

/// A list without repetitions; the order of the document does not matter.
impl<T: Form + Ord> Form for BTreeSet<T> {
    fn expected() -> String {
        format!("a list in [ ], each entry {}", T::expected())
    }

    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema(), "uniqueItems": true })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        let mut set = Self::new();
        let mut problems = Vec::new();
        for entry in entries(item, &Self::expected())? {
            match T::read(&entry) {
                Ok(value) if set.contains(&value) => {
                    problems.push(entry.problem("appears twice"));
                }
                Ok(value) => {
                    set.insert(value);
                }
                Err(wrong) => problems.extend(wrong),
            }
        }
        if problems.is_empty() {
            Ok(set)
        } else {
            Err(problems)
        }
    }
}

/// A list whose order counts.
impl<T: Form> Form for Vec<T> {
    fn expected() -> String {
        format!("a list in [ ], each entry {}", T::expected())
    }

    fn schema() -> Value {
        json!({ "type": "array", "items": T::schema() })
    }

    fn read(item: &Item<'_>) -> Result<Self, Vec<Problem>> {
        let mut list = Self::new();
        let mut problems = Vec::new();
        for entry in entries(item, &Self::expected())? {
            match T::read(&entry) {
                Ok(value) => list.push(value),
                Err(wrong) => problems.extend(wrong),
            }
        }
        if problems.is_empty() {
            Ok(list)
        } else {
            Err(problems)
        }
    }
}

/// The entries of a list, each with its own place.
fn entries<'d>(item: &Item<'d>, expected: &str) -> Result<Vec<Item<'d>>, Vec<Problem>> {
    let DeValue::Array(array) = item.value else {
        let hint = item
            .value
            .as_str()
            .map(|text| format!("write [\"{text}\"]"));
        return Err(vec![item.wrong_type(expected).with_hint(hint)]);
    };
    let entry = |(index, value): (usize, &'d toml::Spanned<DeValue<'d>>)| Item {
        value: value.get_ref(),
        span: value.span(),
        path: format!("{}[{index}]", item.path),
    };
    Ok(array.iter().enumerate().map(entry).collect())
}

/// The type of a value in words that follow "found".
fn described(value: &DeValue<'_>) -> &'static str {
    match value {
        DeValue::String(_) => "text",
        DeValue::Integer(_) => "a whole number",
        DeValue::Float(_) => "a number with a fraction",
        DeValue::Boolean(_) => "true or false",
        DeValue::Datetime(_) => "a date",
        DeValue::Array(_) => "a list",
        DeValue::Table(_) => "a table",
    }
}

/// What an unquoted scalar would be as text.
fn written(value: &DeValue<'_>) -> Option<String> {
    match value {
        DeValue::Integer(digits) => Some(digits.to_string()),
        DeValue::Float(digits) => Some(digits.to_string()),
        DeValue::Boolean(value) => Some(value.to_string()),
        DeValue::String(_) | DeValue::Datetime(_) | DeValue::Array(_) | DeValue::Table(_) => None,
    }
}

/// `a`, `a or b`, `a, b or c`.
pub(super) fn one_of(words: impl IntoIterator<Item = String>) -> String {
    let words: Vec<String> = words.into_iter().collect();
    match words.as_slice() {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} or {last}", first.join(", ")),
    }
}
