//! Patterns of policies: wildcards and policy variables.
//!
//! Decides which texts a pattern stands for, once the request's context has filled in its variables.
//! <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html>.

use super::Context;

/// A pattern whose variables are filled in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Pattern(Vec<Token>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Token {
    /// `*`
    Any,
    /// `?`
    One,
    Just(char),
}

/// What `*` and `?` mean where a text stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Wild {
    /// Anything, and one character.
    Cards,
    /// Themselves.
    Text,
}

/// Whether upper and lower case differ.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    Matters,
    Ignored,
}

/// A text with wildcards, for whoever has them outside policies with the same meaning.
#[derive(Debug)]
pub(crate) struct Glob(Pattern);

impl Glob {
    /// `*` is anything, `?` one character.
    pub(crate) fn new(text: &str) -> Self {
        Self(Pattern::plain(text, Wild::Cards))
    }

    /// Whether a text is one that the pattern stands for; case matters.
    pub(crate) fn fits(&self, text: &str) -> bool {
        self.0.fits(text, Case::Matters)
    }
}

impl Pattern {
    /// A pattern without variables.
    pub fn plain(text: &str, wild: Wild) -> Self {
        Self(tokens(text, wild).collect())
    }

    /// Fills in the variables. None if one has no value: AWS then takes the statement for invalid,
    /// so that it neither allows nor denies. What a variable stands for is text, wildcards and all:
    /// a session named `*` must not become a pattern.
    pub fn filled(text: &str, wild: Wild, context: &Context) -> Option<Self> {
        let mut all = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find("${") {
            all.extend(tokens(&rest[..start], wild));
            let inner = &rest[start + 2..];
            let end = inner.find('}')?;
            match &inner[..end] {
                // The three that stand for themselves.
                special @ ("*" | "?" | "$") => all.extend(special.chars().map(Token::Just)),
                variable => all.extend(value(variable, context)?.chars().map(Token::Just)),
            }
            rest = &inner[end + 1..];
        }
        all.extend(tokens(rest, wild));
        Some(Self(all))
    }

    /// Whether a text is one that the pattern stands for.
    pub fn fits(&self, text: &str, case: Case) -> bool {
        fits(&self.0, text, case)
    }

    /// Whether an ARN is one that the pattern stands for: each of the six parts is compared by
    /// itself, so that `*` in one of the first five never spans a colon.
    pub fn fits_arn(&self, text: &str) -> bool {
        let pattern: Vec<_> = self
            .0
            .splitn(6, |token| *token == Token::Just(':'))
            .collect();
        let given: Vec<_> = text.splitn(6, ':').collect();
        pattern.len() == 6
            && given.len() == 6
            && pattern
                .iter()
                .zip(given)
                .all(|(pattern, given)| fits(pattern, given, Case::Matters))
    }
}

fn tokens(text: &str, wild: Wild) -> impl Iterator<Item = Token> {
    text.chars().map(move |char| match (char, wild) {
        ('*', Wild::Cards) => Token::Any,
        ('?', Wild::Cards) => Token::One,
        (char, Wild::Cards | Wild::Text) => Token::Just(char),
    })
}

/// The value of `key` or `key, 'default'`. "You can't use a multivalued context key as a policy
/// variable", so a key of several values has none.
fn value<'a>(variable: &'a str, context: &'a Context) -> Option<&'a str> {
    let (key, default) = match variable.split_once(',') {
        Some((key, default)) => {
            let quoted = default.trim();
            let default = quoted.strip_prefix('\'').and_then(|d| d.strip_suffix('\''));
            (key.trim(), default)
        }
        None => (variable.trim(), None),
    };
    match super::given(context, key) {
        Some([one]) => Some(one),
        Some([]) | None => default,
        Some(_) => None,
    }
}

fn fits(pattern: &[Token], text: &str, case: Case) -> bool {
    let same = |wanted: char, given: char| match case {
        Case::Matters => wanted == given,
        Case::Ignored => wanted.to_lowercase().eq(given.to_lowercase()),
    };
    let (mut at, mut rest) = (0, text);
    // Where the last `*` stands, and the text it was tried on.
    let mut star: Option<(usize, &str)> = None;
    while let Some(char) = rest.chars().next() {
        let tail = &rest[char.len_utf8()..];
        match pattern.get(at) {
            Some(Token::Any) => {
                star = Some((at, rest));
                at += 1;
            }
            Some(Token::One) => {
                at += 1;
                rest = tail;
            }
            Some(&Token::Just(wanted)) if same(wanted, char) => {
                at += 1;
                rest = tail;
            }
            Some(Token::Just(_)) | None => match star {
                // The last `*` takes one character more.
                Some((any, from)) => {
                    let width = from.chars().next().map_or(0, char::len_utf8);
                    star = Some((any, &from[width..]));
                    at = any + 1;
                    rest = &from[width..];
                }
                None => return false,
            },
        }
    }
    pattern[at..].iter().all(|token| *token == Token::Any)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wildcards() {
        let check = |pattern: &str, text: &str, expected: bool| {
            let found = Pattern::plain(pattern, Wild::Cards).fits(text, Case::Matters);
            assert_eq!(found, expected, "{pattern} on {text}");
        };
        check("*", "", true);
        check("a*", "a", true);
        check("a?", "a", false);
        check("a*c*e", "abcde", true);
        check("a*c*e", "abcdef", false);
        check("*ab", "aab", true);
        check("*a?b", "aaxab", false);
        check("?", "ü", true);
        check("A", "a", false);
        let text = Pattern::plain("a*", Wild::Text);
        assert!(text.fits("a*", Case::Matters) && !text.fits("ab", Case::Matters));
        assert!(Pattern::plain("KMS:sign", Wild::Cards).fits("kms:Sign", Case::Ignored));
    }

    #[test]
    fn variables() {
        let context = Context::from([
            ("aws:username".to_owned(), vec!["ann".to_owned()]),
            ("aws:PrincipalTag/team".to_owned(), vec!["*".to_owned()]),
            (
                "aws:TagKeys".to_owned(),
                vec!["a".to_owned(), "b".to_owned()],
            ),
        ]);
        let check = |pattern: &str, text: &str, expected: Option<bool>| {
            let filled = Pattern::filled(pattern, Wild::Cards, &context);
            let found = filled.map(|pattern| pattern.fits(text, Case::Matters));
            assert_eq!(found, expected, "{pattern} on {text}");
        };
        check("user/${aws:username}", "user/ann", Some(true));
        check("user/${AWS:UserName}/*", "user/ann/x", Some(true));
        check("x-${aws:PrincipalTag/team}", "x-*", Some(true));
        check("x-${aws:PrincipalTag/team}", "x-y", Some(false));
        check("${*}${?}${$}{}", "*?${}", Some(true));
        check("${*}", "a", Some(false));
        check("${aws:PrincipalTag/none, 'all'}", "all", Some(true));
        check("${aws:username, 'all'}", "ann", Some(true));
        check("${aws:PrincipalTag/none}", "", None);
        check("${aws:TagKeys}", "a", None);
        check("${unfinished", "", None);
    }
}
