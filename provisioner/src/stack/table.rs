//! Reading one table of a document, and describing it, with the same code.
//!
//! A reader of a table is straight-line code that asks for each key once, with its type, default
//! and meaning. What it asked for is the list of known keys: everything else in the document is
//! unknown, and the JSON Schema is what the readers ask of an empty document. There is no second
//! list of keys that could differ.
//!
//! Rule for readers: ask for every key whatever the document holds, and only then judge.

use std::collections::BTreeMap;
use std::ops::Range;
use std::str::FromStr;

use serde_json::Value;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::diagnostics::{Problem, nearest, quoted};
use super::form::{Form, Item, Refused, one_of};

/// A table being read. Left out of the document, it is empty and all its keys have their defaults.
pub(super) struct Table<'d> {
    found: Option<&'d DeTable<'d>>,
    /// The header or the braces of the table; the place of what is missing in it.
    span: Range<usize>,
    /// Its dotted path; empty at the top.
    path: String,
    asked: Vec<Asked>,
    problems: Vec<Problem>,
}

/// A key a reader asked for.
#[derive(Debug, Clone)]
pub(super) struct Asked {
    pub name: &'static str,
    pub about: &'static str,
    pub holds: Holds,
    pub presence: Presence,
}

/// What stands behind a key.
#[derive(Debug, Clone)]
pub(super) enum Holds {
    /// A value, described by its form.
    Value(fn() -> Value),
    /// A table with these keys.
    Table(Vec<Asked>),
    /// Any number of tables with these keys.
    Tables(Vec<Asked>),
    /// A table whose keys the author chooses: forms of key and value.
    Pairs(fn() -> Value, fn() -> Value),
}

/// What it means to leave a key out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Presence {
    /// It must be written; this is an example.
    Required(&'static str),
    /// Then it has this value, written as in a document.
    Default(&'static str),
    /// Then there is none.
    Optional,
}

impl<'d> Table<'d> {
    /// The top of a document.
    pub fn top(table: &'d DeTable<'d>) -> Self {
        Self::new(Some(table), 0..0, String::new())
    }

    fn new(found: Option<&'d DeTable<'d>>, span: Range<usize>, path: String) -> Self {
        Self {
            found,
            span,
            path,
            asked: Vec::new(),
            problems: Vec::new(),
        }
    }

    /// The keys that `read` asks for.
    pub fn describe<T>(read: impl FnOnce(&mut Self) -> T) -> Vec<Asked> {
        let mut empty = Self::new(None, 0..0, String::new());
        read(&mut empty);
        empty.asked
    }

    /// A table that stands where a value is expected, as in a list.
    pub fn of_item<T>(
        item: &Item<'d>,
        table: &'d DeTable<'d>,
        read: impl FnOnce(&mut Self) -> Option<T>,
    ) -> Result<T, Vec<Problem>> {
        let mut inner = Self::new(Some(table), item.span.clone(), item.path.clone());
        let value = read(&mut inner);
        let problems = inner.finish();
        match value {
            Some(value) if problems.is_empty() => Ok(value),
            Some(_) | None => Err(problems),
        }
    }

    /// A key that must be written. `None` when it is missing or wrong, which is then a problem.
    pub fn need<T: Form>(
        &mut self,
        name: &'static str,
        example: &'static str,
        about: &'static str,
    ) -> Option<T> {
        let item = self.ask(
            name,
            about,
            Holds::Value(T::schema),
            Presence::Required(example),
        );
        if item.is_none() {
            let what = format!("{}: missing", self.key_path(name));
            let hint = format!("add `{name} = {example}`");
            self.problems
                .push(Problem::missing(self.span.clone(), what).with_hint(hint));
        }
        self.read(item)
    }

    /// A key with a default, which also stands in for a wrong value once that is a problem.
    ///
    /// # Panics
    /// If the default is not a valid value: a mistake in this program.
    pub fn or<T: Form>(
        &mut self,
        name: &'static str,
        default: &'static str,
        about: &'static str,
    ) -> T {
        self.sound_or(name, default, about)
            .unwrap_or_else(|| self.stand_in(name, default))
    }

    /// The same, but `None` for a wrong value: for keys that rules judge beside others, which
    /// would find fault with what the document does not say.
    ///
    /// # Panics
    /// If the default is not a valid value: a mistake in this program.
    pub fn sound_or<T: Form>(
        &mut self,
        name: &'static str,
        default: &'static str,
        about: &'static str,
    ) -> Option<T> {
        let presence = Presence::Default(default);
        match self.ask(name, about, Holds::Value(T::schema), presence) {
            Some(item) => self.read(Some(item)),
            None => Some(self.stand_in(name, default)),
        }
    }

    fn stand_in<T: Form>(&self, name: &'static str, default: &'static str) -> T {
        let value = DeValue::parse(default).expect("a default is TOML");
        let path = self.key_path(name);
        let item = Item {
            value: value.get_ref(),
            span: value.span(),
            path,
        };
        T::read(&item).expect("a default is valid")
    }

    /// A key that may be left out.
    pub fn maybe<T: Form>(&mut self, name: &'static str, about: &'static str) -> Option<T> {
        let item = self.ask(name, about, Holds::Value(T::schema), Presence::Optional);
        self.read(item)
    }

    /// A table below this one.
    pub fn table<T>(
        &mut self,
        name: &'static str,
        about: &'static str,
        read: impl FnOnce(&mut Self) -> T,
    ) -> T {
        let item = self.ask(name, about, Holds::Table(Vec::new()), Presence::Optional);
        let mut inner = match &item {
            None => Self::new(None, self.span.clone(), self.key_path(name)),
            Some(item) => match item.value {
                DeValue::Table(table) => {
                    Self::new(Some(table), item.span.clone(), item.path.clone())
                }
                DeValue::String(_)
                | DeValue::Integer(_)
                | DeValue::Float(_)
                | DeValue::Boolean(_)
                | DeValue::Datetime(_)
                | DeValue::Array(_) => {
                    let hint = format!("write [{}] and its keys below", item.path);
                    self.problems
                        .push(item.wrong_type("a table").with_hint(hint));
                    Self::new(None, item.span.clone(), item.path.clone())
                }
            },
        };
        let value = read(&mut inner);
        self.now_holds(Holds::Table(inner.asked.clone()));
        self.problems.extend(inner.finish());
        value
    }

    /// Any number of tables `[[name]]`.
    pub fn tables<T>(
        &mut self,
        name: &'static str,
        about: &'static str,
        read: impl Fn(&mut Self) -> Option<T>,
    ) -> Vec<T> {
        let holds = Holds::Tables(Self::describe(&read));
        let Some(item) = self.ask(name, about, holds, Presence::Optional) else {
            return Vec::new();
        };
        let mut values = Vec::new();
        let hint = format!("write [[{}]] and its keys below, once for each", item.path);
        let DeValue::Array(array) = item.value else {
            self.problems
                .push(item.wrong_type("tables").with_hint(hint));
            return values;
        };
        for (index, entry) in array.iter().enumerate() {
            let path = format!("{}[{index}]", item.path);
            let entry = Item {
                value: entry.get_ref(),
                span: entry.span(),
                path,
            };
            let DeValue::Table(table) = entry.value else {
                self.problems
                    .push(entry.wrong_type("a table").with_hint(hint.clone()));
                continue;
            };
            match Self::of_item(&entry, table, &read) {
                Ok(value) => values.push(value),
                Err(problems) => self.problems.extend(problems),
            }
        }
        values
    }

    /// A table whose keys the author of the document chooses.
    pub fn pairs<K, V>(&mut self, name: &'static str, about: &'static str) -> BTreeMap<K, V>
    where
        K: Form + Ord + FromStr<Err = Refused>,
        V: Form,
    {
        let holds = Holds::Pairs(K::schema, V::schema);
        let item = self.ask(name, about, holds, Presence::Optional);
        let mut pairs = BTreeMap::new();
        let Some(item) = item else { return pairs };
        let DeValue::Table(table) = item.value else {
            let hint = format!("write [{}] and its keys below", item.path);
            self.problems
                .push(item.wrong_type("a table").with_hint(hint));
            return pairs;
        };
        for (key, value) in table {
            let path = format!("{}.{}", item.path, quoted(key.get_ref()));
            match key.get_ref().parse::<K>() {
                Ok(parsed) => {
                    let item = Item {
                        value: value.get_ref(),
                        span: value.span(),
                        path,
                    };
                    if let Some(value) = self.read(Some(item)) {
                        pairs.insert(parsed, value);
                    }
                }
                Err(refused) => {
                    let what = format!("{path}: {}", refused.what);
                    self.problems
                        .push(Problem::new(key.span(), what).with_hint(refused.hint));
                }
            }
        }
        pairs
    }

    /// Whether the document writes this key.
    pub fn is_written(&self, name: &str) -> bool {
        self.entry(name).is_some()
    }

    /// A problem with a key that is right by itself but not beside the others. Said at its value,
    /// or at the table when it is left out.
    pub fn refuse(
        &mut self,
        name: &str,
        what: impl std::fmt::Display,
        hint: impl Into<Option<String>>,
    ) {
        let what = format!("{}: {what}", self.key_path(name));
        let problem = match self.entry(name) {
            Some((_, value)) => Problem::new(value.span(), what),
            None => Problem::missing(self.span.clone(), what),
        };
        self.problems.push(problem.with_hint(hint));
    }

    /// All problems of the table, unknown keys included.
    pub fn finish(mut self) -> Vec<Problem> {
        for (key, _) in self.found.into_iter().flatten() {
            let name = key.get_ref().as_ref();
            if self.asked.iter().any(|asked| asked.name == name) {
                continue;
            }
            let subject = if self.path.is_empty() {
                format!("unknown key {}", quoted(name))
            } else {
                format!("{}: unknown key {}", self.path, quoted(name))
            };
            let hint = self.hint_for_unknown(name);
            self.problems
                .push(Problem::new(key.span(), subject).with_hint(hint));
        }
        self.problems
    }

    fn hint_for_unknown(&self, name: &str) -> Option<String> {
        let homes = super::v1::homes_of(name);
        if !homes.is_empty() {
            return Some(format!("`{name}` belongs {}", one_of(homes)));
        }
        nearest(name, self.asked.iter().map(|asked| asked.name))
            .map(|known| format!("did you mean `{known}`?"))
    }

    fn entry(&self, name: &str) -> Option<(&'d Spanned<toml::de::DeString<'d>>, Place<'d>)> {
        self.found?.get_key_value(name)
    }

    /// Notes that the reader asked for a key, and finds it.
    fn ask(
        &mut self,
        name: &'static str,
        about: &'static str,
        holds: Holds,
        presence: Presence,
    ) -> Option<Item<'d>> {
        assert!(
            self.asked.iter().all(|asked| asked.name != name),
            "a reader asks for each key once, but twice for {name}"
        );
        self.asked.push(Asked {
            name,
            about,
            holds,
            presence,
        });
        let (_, value) = self.entry(name)?;
        Some(Item {
            value: value.get_ref(),
            span: value.span(),
            path: self.key_path(name),
        })
    }

    /// Completes the key asked for last.
    fn now_holds(&mut self, holds: Holds) {
        if let Some(asked) = self.asked.last_mut() {
            asked.holds = holds;
        }
    }

    fn read<T: Form>(&mut self, item: Option<Item<'_>>) -> Option<T> {
        match T::read(&item?) {
            Ok(value) => Some(value),
            Err(problems) => {
                self.problems.extend(problems);
                None
            }
        }
    }

    fn key_path(&self, name: &str) -> String {
        if self.path.is_empty() {
            name.to_owned()
        } else {
            format!("{}.{name}", self.path)
        }
    }
}

type Place<'d> = &'d Spanned<DeValue<'d>>;
