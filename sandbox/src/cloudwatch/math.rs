//! Metric math: expressions over metrics
//! (<https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/using-metric-math.html>).
//!
//! Modelled are arithmetic, comparisons, AND and OR, lists, and ABS, AVG, CEIL, FILL, FLOOR, IF, MAX,
//! METRICS, MIN, PERIOD and SUM. SEARCH, anomaly detection, Metrics Insights and the other functions
//! are refused by name.

use std::collections::BTreeMap;

use super::invalid;
use crate::world::AwsError;

/// Values of a metric at successive times; none where it has none.
pub(super) type Points = Vec<Option<f64>>;

/// The metrics that an expression is over: by id, with their period.
pub(super) struct Known<'a> {
    /// Results of queries by id.
    pub results: &'a BTreeMap<String, Points>,
    /// Ids of the queries that are plain metrics, for METRICS().
    pub plain: &'a [String],
    /// How many times there are.
    pub len: usize,
    /// Seconds between two times.
    pub period_secs: i64,
}

/// A parsed expression.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Expression {
    Number(f64),
    Text(String),
    Name(String),
    List(Vec<Self>),
    Negated(Box<Self>),
    Binary(Box<Self>, &'static str, Box<Self>),
    Call(Function, Vec<Self>),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Function {
    Abs,
    Avg,
    Ceil,
    Fill,
    Floor,
    If,
    Max,
    Metrics,
    Min,
    Period,
    Sum,
}

/// What a part of an expression is worth.
#[derive(Debug, Clone)]
enum Worth {
    Scalar(f64),
    Series(Points),
    Many(Vec<Points>),
}

const FUNCTIONS: [(&str, Function); 11] = [
    ("ABS", Function::Abs),
    ("AVG", Function::Avg),
    ("CEIL", Function::Ceil),
    ("FILL", Function::Fill),
    ("FLOOR", Function::Floor),
    ("IF", Function::If),
    ("MAX", Function::Max),
    ("METRICS", Function::Metrics),
    ("MIN", Function::Min),
    ("PERIOD", Function::Period),
    ("SUM", Function::Sum),
];

/// Operators by what binds least, longer ones first.
const LEVELS: [&[&str]; 6] = [
    &["||", "OR"],
    &["&&", "AND"],
    &["==", "!=", "<=", ">=", "<", ">"],
    &["+", "-"],
    &["*", "/"],
    &["^"],
];

impl Expression {
    /// Reads an expression.
    pub fn parse(text: &str) -> Result<Self, AwsError> {
        if text
            .trim_start()
            .to_ascii_uppercase()
            .starts_with("SELECT ")
        {
            return Err(AwsError::not_modelled("Metrics Insights queries"));
        }
        let mut parser = Parser { rest: text };
        let expression = parser.level(0)?;
        if parser.rest.trim_start().is_empty() {
            Ok(expression)
        } else {
            Err(parser.wrong())
        }
    }

    /// The ids it names.
    pub fn names(&self) -> Box<dyn Iterator<Item = &str> + '_> {
        match self {
            Self::Number(_) | Self::Text(_) => Box::new(std::iter::empty()),
            Self::Name(name) => Box::new(std::iter::once(name.as_str())),
            Self::List(items) => Box::new(items.iter().flat_map(Self::names)),
            Self::Negated(inner) => inner.names(),
            Self::Binary(left, _, right) => Box::new(left.names().chain(right.names())),
            // The second argument of FILL may be a word.
            Self::Call(Function::Fill, arguments) => {
                let is_word =
                    |e: &&Self| !matches!(e, Self::Name(n) if FILL_WORDS.contains(&n.as_str()));
                Box::new(arguments.iter().filter(is_word).flat_map(Self::names))
            }
            Self::Call(_, arguments) => Box::new(arguments.iter().flat_map(Self::names)),
        }
    }

    /// The values at each time.
    pub fn points(&self, known: &Known<'_>) -> Result<Points, AwsError> {
        match self.worth(known)? {
            Worth::Scalar(value) => Ok(vec![Some(value); known.len]),
            Worth::Series(points) => Ok(points),
            Worth::Many(mut all) if all.len() == 1 => Ok(all.remove(0)),
            Worth::Many(_) => Err(AwsError::not_modelled(
                "metric math that results in several time series",
            )),
        }
    }

    fn worth(&self, known: &Known<'_>) -> Result<Worth, AwsError> {
        Ok(match self {
            Self::Number(value) => Worth::Scalar(*value),
            Self::Text(_) => return Err(invalid("A text has no place in this expression")),
            Self::Name(name) => {
                let points = known.results.get(name);
                Worth::Series(points.cloned().unwrap_or_else(|| vec![None; known.len]))
            }
            Self::List(items) => Worth::Many(
                items
                    .iter()
                    .map(|item| item.points(known))
                    .collect::<Result<_, _>>()?,
            ),
            Self::Negated(inner) => map(inner.worth(known)?, |value| -value),
            Self::Binary(left, operator, right) => combine(
                left.worth(known)?,
                right.worth(known)?,
                known.len,
                |a, b| apply(operator, a, b),
            )?,
            Self::Call(function, arguments) => call(*function, arguments, known)?,
        })
    }
}

const FILL_WORDS: [&str; 2] = ["REPEAT", "LINEAR"];

fn truth(holds: bool) -> Option<f64> {
    Some(if holds { 1.0 } else { 0.0 })
}

/// One operation. A division by zero has no value.
fn apply(operator: &str, a: f64, b: f64) -> Option<f64> {
    let set = |value: f64| value.abs() > 0.0;
    let value = match operator {
        "+" => Some(a + b),
        "-" => Some(a - b),
        "*" => Some(a * b),
        "/" => Some(a / b),
        "^" => Some(a.powf(b)),
        "==" => truth(a.total_cmp(&b).is_eq()),
        "!=" => truth(a.total_cmp(&b).is_ne()),
        "<" => truth(a < b),
        "<=" => truth(a <= b),
        ">" => truth(a > b),
        ">=" => truth(a >= b),
        "&&" | "AND" => truth(set(a) && set(b)),
        _ => truth(set(a) || set(b)),
    };
    value.filter(|value| value.is_finite())
}

fn map(worth: Worth, with: impl Fn(f64) -> f64) -> Worth {
    let each = |points: Points| points.into_iter().map(|p| p.map(&with)).collect();
    match worth {
        Worth::Scalar(value) => Worth::Scalar(with(value)),
        Worth::Series(points) => Worth::Series(each(points)),
        Worth::Many(all) => Worth::Many(all.into_iter().map(each).collect()),
    }
}

/// Combines time by time; where either is missing, so is the result.
fn combine(
    left: Worth,
    right: Worth,
    len: usize,
    with: impl Fn(f64, f64) -> Option<f64>,
) -> Result<Worth, AwsError> {
    Ok(match (left, right) {
        (Worth::Scalar(a), Worth::Scalar(b)) => {
            with(a, b).map_or_else(|| Worth::Series(vec![None; len]), Worth::Scalar)
        }
        (Worth::Series(a), Worth::Scalar(b)) => {
            Worth::Series(a.into_iter().map(|a| with(a?, b)).collect())
        }
        (Worth::Scalar(a), Worth::Series(b)) => {
            Worth::Series(b.into_iter().map(|b| with(a, b?)).collect())
        }
        (Worth::Series(a), Worth::Series(b)) => {
            Worth::Series(a.into_iter().zip(b).map(|(a, b)| with(a?, b?)).collect())
        }
        (Worth::Many(_), _) | (_, Worth::Many(_)) => {
            return Err(AwsError::not_modelled(
                "metric math on several time series at once",
            ));
        }
    })
}

fn call(
    function: Function,
    arguments: &[Expression],
    known: &Known<'_>,
) -> Result<Worth, AwsError> {
    let wrong = || {
        invalid(format!(
            "Wrong arguments for {function:?} in the expression"
        ))
    };
    Ok(match (function, arguments) {
        (Function::Abs, [one]) => map(one.worth(known)?, f64::abs),
        (Function::Ceil, [one]) => map(one.worth(known)?, f64::ceil),
        (Function::Floor, [one]) => map(one.worth(known)?, f64::floor),
        (Function::Sum, [one]) => reduce(one.worth(known)?, |values| values.iter().sum()),
        (Function::Avg, [one]) => reduce(one.worth(known)?, |values| {
            #[expect(clippy::cast_precision_loss, reason = "at most some thousand values")]
            let count = values.len() as f64;
            values.iter().sum::<f64>() / count
        }),
        (Function::Min, [one]) => reduce(one.worth(known)?, |values| {
            values.iter().copied().fold(f64::INFINITY, f64::min)
        }),
        (Function::Max, [one]) => reduce(one.worth(known)?, |values| {
            values.iter().copied().fold(f64::NEG_INFINITY, f64::max)
        }),
        (Function::Fill, [one, with]) => {
            let Worth::Series(points) = one.worth(known)? else {
                return Err(wrong());
            };
            let word = match with {
                Expression::Name(word) => word.as_str(),
                Expression::Number(_)
                | Expression::Text(_)
                | Expression::List(_)
                | Expression::Negated(_)
                | Expression::Binary(..)
                | Expression::Call(..) => "",
            };
            match word {
                "REPEAT" => Worth::Series(repeated(points)),
                "LINEAR" => return Err(AwsError::not_modelled("FILL(.., LINEAR)")),
                _ => {
                    let fill = with.points(known)?;
                    let filled = points.into_iter().zip(fill);
                    Worth::Series(filled.map(|(point, fill)| point.or(fill)).collect())
                }
            }
        }
        (Function::If, [test, then]) => chosen(test, then, None, known)?,
        (Function::If, [test, then, or]) => chosen(test, then, Some(or), known)?,
        (Function::Metrics, []) => metrics(known, ""),
        (Function::Metrics, [Expression::Text(part)]) => metrics(known, part),
        #[expect(clippy::cast_precision_loss, reason = "periods are at most a week")]
        (Function::Period, [Expression::Name(_)]) => Worth::Scalar(known.period_secs as f64),
        _ => return Err(wrong()),
    })
}

/// "METRICS() returns all the metrics in the request", or those whose id contains a text.
fn metrics(known: &Known<'_>, part: &str) -> Worth {
    let ids = known.plain.iter().filter(|id| id.contains(part));
    Worth::Many(
        ids.filter_map(|id| known.results.get(id).cloned())
            .collect(),
    )
}

/// Of a time series, a number over all its values; of several, the time series of the numbers over
/// their values at each time.
fn reduce(worth: Worth, with: impl Fn(&[f64]) -> f64) -> Worth {
    let over = |values: Vec<f64>| (!values.is_empty()).then(|| with(&values));
    match worth {
        Worth::Scalar(value) => Worth::Scalar(with(&[value])),
        Worth::Series(points) => match over(points.iter().flatten().copied().collect()) {
            Some(value) => Worth::Scalar(value),
            None => Worth::Series(vec![None; points.len()]),
        },
        Worth::Many(all) => {
            let len = all.iter().map(Vec::len).max().unwrap_or_default();
            let at = |index: usize| all.iter().filter_map(|p| *p.get(index)?).collect();
            Worth::Series((0..len).map(|index| over(at(index))).collect())
        }
    }
}

fn repeated(points: Points) -> Points {
    let mut last = None;
    points
        .into_iter()
        .map(|point| {
            last = point.or(last);
            last
        })
        .collect()
}

fn chosen(
    test: &Expression,
    then: &Expression,
    or: Option<&Expression>,
    known: &Known<'_>,
) -> Result<Worth, AwsError> {
    let (test, then) = (test.points(known)?, then.points(known)?);
    let or = or.map(|or| or.points(known)).transpose()?;
    let each = test.into_iter().enumerate().map(|(index, test)| {
        if test?.abs() > 0.0 {
            *then.get(index)?
        } else {
            *or.as_ref()?.get(index)?
        }
    });
    Ok(Worth::Series(each.collect()))
}

struct Parser<'a> {
    rest: &'a str,
}

impl Parser<'_> {
    fn wrong(&self) -> AwsError {
        let rest = self.rest.trim_start();
        invalid(format!("Error in expression: unexpected '{rest}'"))
    }

    /// Takes a token if it is next.
    fn take(&mut self, token: &str) -> bool {
        let rest = self.rest.trim_start();
        let Some(after) = rest.strip_prefix(token) else {
            return false;
        };
        let is_word = token.ends_with(|c: char| c.is_ascii_alphabetic());
        if is_word && after.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_') {
            return false;
        }
        self.rest = after;
        true
    }

    fn level(&mut self, level: usize) -> Result<Expression, AwsError> {
        let Some(operators) = LEVELS.get(level) else {
            return self.unary();
        };
        let mut left = self.level(level + 1)?;
        while let Some(operator) = operators.iter().find(|operator| self.take(operator)) {
            // Only the power binds to the right.
            let next = if *operator == "^" { level } else { level + 1 };
            let right = self.level(next)?;
            left = Expression::Binary(Box::new(left), operator, Box::new(right));
        }
        Ok(left)
    }

    fn unary(&mut self) -> Result<Expression, AwsError> {
        if self.take("-") {
            return Ok(Expression::Negated(Box::new(self.unary()?)));
        }
        if self.take("(") {
            let inner = self.level(0)?;
            return if self.take(")") {
                Ok(inner)
            } else {
                Err(self.wrong())
            };
        }
        if self.take("[") {
            return Ok(Expression::List(self.list("]")?));
        }
        for quote in ['"', '\''] {
            if self.take(&quote.to_string()) {
                let (text, rest) = self.rest.split_once(quote).ok_or_else(|| self.wrong())?;
                self.rest = rest;
                return Ok(Expression::Text(text.to_owned()));
            }
        }
        self.rest = self.rest.trim_start();
        let word = |c: char| c.is_ascii_alphanumeric() || c == '_' || c == '.';
        let end = self.rest.find(|c| !word(c)).unwrap_or(self.rest.len());
        let (token, rest) = self.rest.split_at(end);
        if token.starts_with(|c: char| c.is_ascii_digit() || c == '.') {
            let number = token.parse().map_err(|_| self.wrong())?;
            self.rest = rest;
            return Ok(Expression::Number(number));
        }
        if token.is_empty() || token.contains('.') {
            return Err(self.wrong());
        }
        self.rest = rest;
        if self.take("(") {
            let found = FUNCTIONS.iter().find(|(name, _)| *name == token);
            let (_, function) = found.ok_or_else(|| {
                AwsError::not_modelled(&format!("the metric math function {token}"))
            })?;
            return Ok(Expression::Call(*function, self.list(")")?));
        }
        Ok(Expression::Name(token.to_owned()))
    }

    /// Items up to a closing bracket.
    fn list(&mut self, close: &str) -> Result<Vec<Expression>, AwsError> {
        let mut items = Vec::new();
        if self.take(close) {
            return Ok(items);
        }
        loop {
            items.push(self.level(0)?);
            if self.take(close) {
                return Ok(items);
            }
            if !self.take(",") {
                return Err(self.wrong());
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    /// Over `m1` = 4, missing, 6 and `m2` = 2, 0, 3, a minute apart.
    fn points(text: &str) -> Result<Points, AwsError> {
        let results = BTreeMap::from([
            ("m1".to_owned(), vec![Some(4.0), None, Some(6.0)]),
            ("m2".to_owned(), vec![Some(2.0), Some(0.0), Some(3.0)]),
        ]);
        Expression::parse(text)?.points(&Known {
            results: &results,
            plain: &["m1".to_owned(), "m2".to_owned()],
            len: 3,
            period_secs: 60,
        })
    }

    #[test]
    fn arithmetic() {
        let check = |text: &str, expected: [Option<f64>; 3]| {
            assert_eq!(points(text).unwrap(), expected, "{text}");
        };
        check("m1/m2", [Some(2.0), None, Some(2.0)]);
        check("100*(m2/m1)", [Some(50.0), None, Some(50.0)]);
        check("m2 + 2 * 3 ^ 2", [Some(20.0), Some(18.0), Some(21.0)]);
        check("1/m2", [Some(0.5), None, Some(1.0 / 3.0)]);
        check("-m2 - -1", [Some(-1.0), Some(1.0), Some(-2.0)]);
        check("m2 > 1 AND m2 < 3", [Some(1.0), Some(0.0), Some(0.0)]);
        check("SUM([m1,m2])", [Some(6.0), Some(0.0), Some(9.0)]);
        check("SUM(METRICS())", [Some(6.0), Some(0.0), Some(9.0)]);
        check("m2/SUM(m2)", [Some(0.4), Some(0.0), Some(0.6)]);
        check("FILL(m1, 0)", [Some(4.0), Some(0.0), Some(6.0)]);
        check("FILL(m1, REPEAT)", [Some(4.0), Some(4.0), Some(6.0)]);
        check("IF(m2 > 1, m2, 7)", [Some(2.0), Some(7.0), Some(3.0)]);
        check("m2/PERIOD(m2)*60", [Some(2.0), Some(0.0), Some(3.0)]);
        check("MAX([m1, m2])", [Some(4.0), Some(0.0), Some(6.0)]);
    }

    #[test]
    fn what_is_wrong_and_what_is_not_modelled() {
        let code = |text: &str| points(text).unwrap_err().code;
        for text in ["", "m1 +", "(m1", "m1 m2", "SUM()", "1.2.3", "m1..x"] {
            assert_eq!(code(text), "ValidationError", "{text}");
        }
        let modelled_not = [
            "SEARCH('x', 'Sum', 300)",
            "RATE(m1)",
            "METRICS()",
            "SELECT x FROM y",
        ];
        for text in modelled_not {
            assert_eq!(code(text), "NotImplemented", "{text}");
        }
    }

    #[test]
    fn names_are_found() {
        let names = |text: &str| {
            let expression = Expression::parse(text).unwrap();
            expression.names().map(str::to_owned).collect::<Vec<_>>()
        };
        assert_eq!(
            names("IF(m1 > 0, FILL(m2, REPEAT), e1)"),
            ["m1", "m2", "e1"]
        );
    }
}
