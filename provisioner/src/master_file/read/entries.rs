//! A master file entry by entry, with the place of each. The scanner stops for good at its first mistake and tells
//! places of what it has passed already; so it is given one entry at a time, and after a mistake a new one goes on
//! from where the old one was.

use std::collections::VecDeque;

use domain::base::iana::Class;
use domain::base::name::Name;
use domain::base::{Ttl, name::ToName as _};
use domain::zonefile::inplace::{Entry, Zonefile};
use hyper::body::Bytes;

use super::{Place, Problem};

/// The TTL of records without any before them: an hour, which is also what the scanner gives them.
const TTL_UNSAID: Ttl = Ttl::from_secs(3_600);

/// What stands in a file.
pub enum Piece {
    /// An entry, at its first character.
    Entry(Place, Box<Entry>),
    /// What is none.
    Wrong(Problem),
}

/// The entries of a file.
pub struct Entries<'a> {
    cuts: VecDeque<Result<Cut<'a>, Problem>>,
    scanner: Scanner,
    /// Of an entry that was cut in too few.
    more: VecDeque<Piece>,
}

/// A span as BIND alone writes TTLs, such as `1h` or `1w2d`, and its seconds.
fn span(word: &str) -> Option<(&str, u64)> {
    let mut secs: u64 = 0;
    let mut rest = word;
    while !rest.is_empty() {
        let digits = rest
            .find(|c: char| !c.is_ascii_digit())
            .filter(|at| *at > 0)?;
        let number: u64 = rest[..digits].parse().ok()?;
        let unit = match rest.as_bytes()[digits].to_ascii_lowercase() {
            b's' => 1,
            b'm' => 60,
            b'h' => 3_600,
            b'd' => 86_400,
            b'w' => 604_800,
            _ => return None,
        };
        secs = secs.checked_add(number.checked_mul(unit)?)?;
        rest = &rest[digits + 1..];
    }
    (!word.is_empty()).then_some((word, secs))
}

/// The text of one entry: lines, or several where a parenthesis or a string goes on.
#[derive(Clone, Copy)]
struct Cut<'a> {
    text: &'a str,
    /// Its first line.
    line: usize,
}

impl<'a> Entries<'a> {
    pub fn of(text: &'a str, origin: Name<Bytes>) -> Self {
        Self {
            cuts: cut(text),
            scanner: Scanner::new(origin),
            more: VecDeque::new(),
        }
    }
}

impl Iterator for Entries<'_> {
    type Item = Piece;

    fn next(&mut self) -> Option<Piece> {
        loop {
            if let Some(piece) = self.more.pop_front() {
                return Some(piece);
            }
            match self.cuts.pop_front()? {
                Ok(cut) => self.more = self.scanner.scan(cut),
                Err(problem) => return Some(Piece::Wrong(problem)),
            }
        }
    }
}

/// The entries of a text; what is never closed is the last.
fn cut(text: &str) -> VecDeque<Result<Cut<'_>, Problem>> {
    let mut cuts = VecDeque::new();
    let (mut start, mut first, mut line, mut line_start) = (0, 1, 1, 0);
    let mut open: Vec<Place> = Vec::new();
    let mut string: Option<Place> = None;
    let (mut is_comment, mut is_escaped) = (false, false);
    for (at, byte) in text.bytes().enumerate() {
        let place = Place {
            line,
            column: at - line_start + 1,
        };
        if byte == b'\n' {
            (line, line_start, is_comment, is_escaped) = (line + 1, at + 1, false, false);
            if open.is_empty() && string.is_none() {
                let text = &text[start..at];
                cuts.push_back(Ok(Cut { text, line: first }));
                (start, first) = (at + 1, line);
            }
            continue;
        }
        if is_comment {
            continue;
        }
        if is_escaped {
            is_escaped = false;
            continue;
        }
        match byte {
            b'\\' => is_escaped = true,
            b'"' => string = if string.is_some() { None } else { Some(place) },
            _ if string.is_some() => {}
            b';' => is_comment = true,
            b'(' => open.push(place),
            b')' => {
                open.pop();
            }
            _ => {}
        }
    }
    let unclosed = |place, what: &str| Problem {
        place,
        what: format!("this {what} is not closed"),
    };
    cuts.push_back(match (string, open.first()) {
        (Some(place), _) => Err(unclosed(place, "quotation mark")),
        (None, Some(place)) => Err(unclosed(*place, "parenthesis")),
        (None, None) => Ok(Cut {
            text: &text[start..],
            line: first,
        }),
    });
    cuts
}

/// The scanner, and what it would have to be told to go on after a mistake.
struct Scanner {
    source: Zonefile,
    origin: Name<Bytes>,
    /// The last `$TTL` entry.
    default_ttl: Option<String>,
    owner: Option<String>,
    ttl: Option<Ttl>,
    class: Class,
    /// Lines that `source` has been given.
    lines: usize,
}

impl Scanner {
    fn new(origin: Name<Bytes>) -> Self {
        let mut source = Zonefile::new();
        source.set_origin(origin.clone());
        source.set_default_class(Class::IN);
        Self {
            source,
            origin,
            default_ttl: None,
            owner: None,
            ttl: None,
            class: Class::IN,
            lines: 0,
        }
    }

    fn scan(&mut self, cut: Cut<'_>) -> VecDeque<Piece> {
        let before = self.lines;
        self.give(cut.text);
        let mut pieces = VecDeque::new();
        loop {
            match self.source.next_entry() {
                Ok(None) => break,
                Ok(Some(entry)) => {
                    if let Entry::Record(record) = &entry {
                        let owner: Name<Vec<u8>> = record.owner().to_name();
                        self.owner = Some(format!("{}.", owner));
                        (self.ttl, self.class) = (Some(record.ttl()), record.class());
                    }
                    pieces.push_back(Piece::Entry(cut.beginning(), Box::new(entry)));
                }
                Err(error) => {
                    pieces.push_back(Piece::Wrong(cut.problem(before, &error.to_string())));
                    self.recover(cut);
                    return pieces;
                }
            }
        }
        if let Ok(origin) = self.source.origin() {
            self.origin = origin;
        }
        if cut
            .text
            .get(..4)
            .is_some_and(|word| word.eq_ignore_ascii_case("$TTL"))
        {
            self.default_ttl = Some(cut.text.to_owned());
        }
        pieces
    }

    /// The scanner wants every line ended.
    fn give(&mut self, text: &str) {
        self.source.extend_from_slice(text.as_bytes());
        self.source.extend_from_slice(b"\n");
        self.lines += text.matches('\n').count() + 1;
    }

    /// A new scanner in the state that the old one would be in, had the entry been right: its owner is that of
    /// records below that name none.
    fn recover(&mut self, wrong: Cut<'_>) {
        let mut owners: Vec<String> = self.owner.take().into_iter().collect();
        let word = wrong
            .text
            .split(|c: char| c.is_whitespace() || "();\"".contains(c))
            .next();
        if let Some(word) = word.filter(|word| !word.is_empty() && !word.starts_with('$')) {
            owners.insert(0, word.to_owned());
        }
        let (ttl, class) = (self.ttl.unwrap_or(TTL_UNSAID), self.class);
        for owner in owners.into_iter().map(Some).chain([None]) {
            let mut new = Scanner::new(self.origin.clone());
            if let Some(default) = &self.default_ttl {
                new.give(default);
            }
            if let Some(owner) = &owner {
                new.give(&format!("{owner} {} {class} TXT \"\"", ttl.as_secs()));
            }
            let mut entries = std::iter::from_fn(|| new.source.next_entry().transpose());
            if entries.all(|entry| entry.is_ok()) {
                self.source = new.source;
                self.lines = new.lines;
                self.owner = owner;
                return;
            }
        }
    }
}

impl Cut<'_> {
    /// Its first character.
    fn beginning(self) -> Place {
        let blank = self.text.len() - self.text.trim_start().len();
        self.place(blank)
    }

    fn place(self, at: usize) -> Place {
        let before = self.text.get(..at).unwrap_or(self.text);
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Place {
            line: self.line + before.matches('\n').count(),
            column: at.min(self.text.len()) - line_start + 1,
        }
    }

    /// A mistake of the scanner's, which tells it as `line:column: what`, counting the `before` lines that it was
    /// given earlier. It tells where it was when it noticed, which is behind a word that it had to know whole.
    fn problem(self, before: usize, told: &str) -> Problem {
        let mut parts = told.splitn(3, ':');
        let mut number = || {
            parts
                .next()
                .and_then(|part| part.trim().parse::<usize>().ok())
        };
        let (line, column) = (number(), number());
        let mut what = parts.next().unwrap_or(told).trim().to_owned();
        if let Some((span, secs)) = self.text.split_whitespace().find_map(span) {
            what.push_str(&format!(
                "; a TTL is a number of seconds (RFC 1035, section 5.1): {span} is {secs}"
            ));
        }
        let (Some(line), Some(column)) = (line, column) else {
            let place = self.beginning();
            return Problem { place, what };
        };
        let lines: Vec<&str> = self.text.split('\n').collect();
        let line = line.saturating_sub(before + 1);
        let start: usize = lines.iter().take(line).map(|line| line.len() + 1).sum();
        let at = (start + column.saturating_sub(1)).min(self.text.len());
        Problem {
            place: self.place(self.word(at)),
            what,
        }
    }

    /// The beginning of the word at a place, or of the last one before it, whatever comments are between.
    fn word(self, at: usize) -> usize {
        let text = self.text.as_bytes();
        let is_word = |byte: u8| !byte.is_ascii_whitespace() && !b"();\"".contains(&byte);
        let here = text.get(at).copied();
        if here == Some(b')') {
            return at;
        }
        let before = |end: usize| text.get(..end).unwrap_or(text);
        let mut end = at;
        if !here.is_some_and(is_word) {
            let line_start = before(at).iter().rposition(|byte| *byte == b'\n');
            let line_start = line_start.map_or(0, |newline| newline + 1);
            let mut line = before(at).iter().skip(line_start);
            end = line
                .position(|byte| *byte == b';')
                .map_or(at, |comment| line_start + comment);
            end = before(end)
                .iter()
                .rposition(|byte| is_word(*byte))
                .map_or(0, |last| last + 1);
        }
        let start = before(end).iter().rposition(|byte| !is_word(*byte));
        start.map_or(0, |blank| blank + 1)
    }
}
