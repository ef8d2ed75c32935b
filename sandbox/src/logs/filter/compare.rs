//! Values compared: what stands right of an operator in patterns for JSON and for fields.

use regex_lite::Regex;

use super::wrong;
use crate::world::AwsError;

/// A comparison of a value with a constant.
#[derive(Debug, Clone)]
pub(in super::super) struct Comparison {
    operator: &'static str,
    constant: Constant,
}

#[derive(Debug, Clone)]
enum Constant {
    /// With `*` at its start or end for anything.
    Text(String),
    Number(f64, String),
    Regex(Regex),
}

/// Longer ones first.
const OPERATORS: [&str; 6] = ["!=", "<=", ">=", "=", "<", ">"];

impl Comparison {
    /// Reads operator and constant at the start of a text; what follows is given back.
    pub fn parse(text: &str) -> Result<(Self, &str), AwsError> {
        let text = text.trim_start();
        let operator = OPERATORS
            .into_iter()
            .find(|operator| text.starts_with(operator))
            .ok_or_else(|| wrong(&format!("an operator is expected at '{text}'")))?;
        let (constant, rest) = constant(text[operator.len()..].trim_start())?;
        let ordered = !["=", "!="].contains(&operator);
        if ordered && !matches!(constant, Constant::Number(..)) {
            return Err(wrong(&format!("{operator} needs a number")));
        }
        Ok((Self { operator, constant }, rest))
    }

    /// Whether a value, as text, compares so. "For string fields, you can use = or != operators with
    /// an asterisk (*). For numeric fields, you can use the >, <, >=, <=, =, and != operators."
    pub fn holds(&self, value: &str) -> bool {
        let equal = match &self.constant {
            Constant::Text(pattern) => like(pattern, value),
            Constant::Regex(regex) => regex.is_match(value),
            Constant::Number(number, text) => match value.parse::<f64>() {
                Err(_) => value == text,
                Ok(value) => match self.operator {
                    "<" => return value < *number,
                    "<=" => return value <= *number,
                    ">" => return value > *number,
                    ">=" => return value >= *number,
                    _ => value.total_cmp(number).is_eq(),
                },
            },
        };
        match self.operator {
            "=" => equal,
            "!=" => !equal,
            _ => false,
        }
    }

    pub fn regex_count(&self) -> usize {
        usize::from(matches!(self.constant, Constant::Regex(_)))
    }
}

/// "*Event will match PutEvent and GetEvent. Event* will match EventId and EventName. Ev*ent will only
/// match the actual string Ev*ent."
fn like(pattern: &str, value: &str) -> bool {
    if pattern == "*" {
        return true;
    }
    let (inner, before) = match pattern.strip_prefix('*') {
        Some(inner) => (inner, true),
        None => (pattern, false),
    };
    let (inner, after) = match inner.strip_suffix('*') {
        Some(inner) => (inner, true),
        None => (inner, false),
    };
    match (before, after) {
        (false, false) => value == inner,
        (true, false) => value.ends_with(inner),
        (false, true) => value.starts_with(inner),
        (true, true) => value.contains(inner),
    }
}

fn constant(text: &str) -> Result<(Constant, &str), AwsError> {
    if let Some(start) = text.strip_prefix('%') {
        let (regex, rest) = regex(start)?;
        return Ok((Constant::Regex(regex), rest));
    }
    if let Some(start) = text.strip_prefix('"') {
        let (text, rest) = quoted(start)?;
        return Ok((Constant::Text(text), rest));
    }
    let ends = |c: char| c.is_whitespace() || "&|(){}[],=<>!\"".contains(c);
    let (word, rest) = text.split_at(text.find(ends).unwrap_or(text.len()));
    // Letters and digits need no quotes; the guide's own examples have dots and asterisks too.
    let plain = |c: char| c.is_ascii_alphanumeric() || "_.*+-".contains(c);
    if word.is_empty() || !word.chars().all(plain) {
        return Err(wrong(&format!("'{word}' must be in quotation marks")));
    }
    Ok(match number(word) {
        Some(number) => (Constant::Number(number, word.to_owned()), rest),
        None => (Constant::Text(word.to_owned()), rest),
    })
}

/// An integer or a decimal with an optional sign, and an optional exponent.
fn number(word: &str) -> Option<f64> {
    let unsigned = word.strip_prefix(['+', '-']).unwrap_or(word);
    unsigned
        .starts_with(|c: char| c.is_ascii_digit() || c == '.')
        .then(|| word.parse().ok().filter(|number: &f64| number.is_finite()))?
}

/// A text up to its closing quotation mark, and what follows.
pub(super) fn quoted(text: &str) -> Result<(String, &str), AwsError> {
    let mut out = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return Ok((out, &text[at + 1..])),
            '\\' => out.extend(chars.next().map(|(_, escaped)| escaped)),
            _ => out.push(c),
        }
    }
    Err(wrong("a quotation mark is missing"))
}

/// A regular expression up to its closing `%`, and what follows. Parentheses and other characters
/// than those of the guide's list are refused.
pub(super) fn regex(text: &str) -> Result<(Regex, &str), AwsError> {
    let (expression, rest) = text
        .split_once('%')
        .ok_or_else(|| wrong("a % is missing"))?;
    let allowed = |c: char| c.is_ascii_alphanumeric() || ":_#=@/;,-^$?[]{}|\\*+. ".contains(c);
    if let Some(bad) = expression.chars().find(|c| !allowed(*c)) {
        return Err(wrong(&format!(
            "'{bad}' is not supported in regular expressions"
        )));
    }
    let regex = Regex::new(expression)
        .map_err(|error| wrong(&format!("'{expression}' is no regular expression: {error}")))?;
    Ok((regex, rest))
}
