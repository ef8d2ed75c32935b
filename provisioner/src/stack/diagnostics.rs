//! What is wrong with a stack document, where, and what to write instead.
//!
//! A [`Problem`] is data: a place in the text, a fragment that names the key first, and a hint.
//! [`report`] turns problems into text with the source line and a caret. Nothing here knows what a
//! stack is.

use std::fmt;
use std::ops::Range;

use annotate_snippets::renderer::DecorStyle;
use annotate_snippets::{AnnotationKind, Level, Renderer, Snippet};

/// One thing a document must change before it can be planned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Problem {
    /// Bytes of the document this is about; always inside the text, on character boundaries.
    pub span: Range<usize>,
    /// The key first, then what is wrong; no full stop.
    pub what: String,
    /// What to write instead, where that can be said.
    pub hint: Option<String>,
    /// Whether it is that something is not there.
    pub(super) is_missing: bool,
}

/// Line and column of a problem, both from 1, columns counted in characters.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub struct Position {
    /// Line, from 1.
    pub line: usize,
    /// Column in characters, from 1.
    pub column: usize,
}

impl Problem {
    pub(super) fn new(span: Range<usize>, what: impl Into<String>) -> Self {
        Self {
            span,
            what: what.into(),
            hint: None,
            is_missing: false,
        }
    }

    pub(super) fn missing(span: Range<usize>, what: impl Into<String>) -> Self {
        Self {
            is_missing: true,
            ..Self::new(span, what)
        }
    }

    pub(super) fn with_hint(mut self, hint: impl Into<Option<String>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Where the problem begins.
    pub fn position(&self, text: &str) -> Position {
        let before = &text[..self.span.start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Position {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
        }
    }

    /// The same problem with its span moved inside `text`, on character boundaries. What is said
    /// of the end of the text is said of the end of its last line, the last that can be shown.
    pub(super) fn inside(mut self, text: &str) -> Self {
        let last = if self.span.start < text.len() {
            text.len()
        } else {
            text.trim_end_matches(['\n', '\r']).len()
        };
        let start = text.floor_char_boundary(self.span.start.min(last));
        let end = text.ceil_char_boundary(self.span.end.clamp(start, last));
        self.span = start..end;
        self
    }
}

impl fmt::Display for Position {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.line, self.column)
    }
}

/// The problems as people read them: message, `file:line:column`, source line with a caret, hint.
pub fn report(file: &str, text: &str, problems: &[Problem], color: bool) -> String {
    let renderer = if color {
        Renderer::styled().decor_style(DecorStyle::Unicode)
    } else {
        Renderer::plain()
    };
    let rendered: Vec<String> = problems
        .iter()
        .map(|problem| {
            let snippet = Snippet::source(text)
                .path(file)
                .annotation(AnnotationKind::Primary.span(problem.span.clone()));
            let group = Level::ERROR.primary_title(&problem.what).element(snippet);
            let group = match &problem.hint {
                Some(hint) => group.element(Level::HELP.message(hint)),
                None => group,
            };
            renderer.render(&[group])
        })
        .collect();
    rendered.join("\n\n")
}

/// The candidate a misspelt word most likely meant, if any is close enough to suggest.
pub(super) fn nearest<'c>(
    word: &str,
    candidates: impl IntoIterator<Item = &'c str>,
) -> Option<&'c str> {
    // One edit per three characters: `retenton_days` still finds `retention-days`, while short
    // words do not match everything.
    let tolerance = (word.chars().count() / 3).max(1);
    candidates
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= tolerance)
        .min()
        .map(|(_, candidate)| candidate)
}

/// Text of a document as it can be shown in a message: quoted, escaped, and short.
pub(super) fn quoted(text: &str) -> String {
    // Long enough for any name AWS accepts, short enough for one line of a terminal.
    const SHOWN_CHARS_MAX: usize = 80;
    let mut shown: String = text
        .chars()
        .take(SHOWN_CHARS_MAX)
        .flat_map(char::escape_debug)
        .collect();
    if text.chars().nth(SHOWN_CHARS_MAX).is_some() {
        shown.push('…');
    }
    format!("`{shown}`")
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn positions_count_lines_and_characters_from_one() {
        let text = "ä = 1\nbü = 2\n";
        let at = |needle: &str| {
            let start = text.find(needle).unwrap();
            Problem::new(start..start + 1, "x").position(text)
        };
        assert_eq!(at("ä").to_string(), "1:1");
        assert_eq!(at("= 1").to_string(), "1:3");
        assert_eq!(at("= 2").to_string(), "2:4");
    }

    #[test]
    fn spans_are_moved_inside_the_text_on_character_boundaries() {
        let text = "aé";
        for (span, inside) in [(0..9, 0..3), (2..2, 1..3), (7..9, 3..3), (0..0, 0..0)] {
            assert_eq!(Problem::new(span, "x").inside(text).span, inside);
        }
        let lines = "a = 1\r\n\n";
        assert_eq!(Problem::new(8..8, "x").inside(lines).span, 5..5);
    }

    #[test]
    fn nearest_suggests_only_close_words() {
        let keys = ["retention-days", "encrypt", "queries", "ttl"];
        assert_eq!(nearest("retenton_days", keys), Some("retention-days"));
        assert_eq!(nearest("tll", keys), Some("ttl"));
        assert_eq!(nearest("memory", keys), None);
    }

    #[test]
    fn report_shows_file_line_column_source_caret_and_hint() {
        let text = "version = 1\n[logs]\nretenton-days = 30\n";
        let problem = Problem::new(19..32, "logs: unknown key `retenton-days`")
            .with_hint("did you mean `retention-days`?".to_owned());
        let plain = report("plans/x.toml", text, std::slice::from_ref(&problem), false);
        for part in [
            "error: logs: unknown key `retenton-days`",
            "plans/x.toml:3:1",
            "3 | retenton-days = 30",
            "^^^^^^^^^^^^^",
            "help: did you mean `retention-days`?",
        ] {
            assert!(plain.contains(part), "{part:?} is missing in:\n{plain}");
        }
        assert!(!plain.contains('\u{1b}'));
        assert!(report("plans/x.toml", text, &[problem], true).contains('\u{1b}'));
    }
}
