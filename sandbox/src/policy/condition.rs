//! Conditions: which operators there are, and does a request's context satisfy one?
//!
//! Operators: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html>,
//! sets: <https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html>.
//! A document with another operator, or with a value that its operator cannot compare, is malformed.

use std::cmp::Ordering;
use std::net::IpAddr;

use base64::prelude::{BASE64_STANDARD, Engine as _};
use jiff::Timestamp;

use super::pattern::{Case, Pattern, Wild};
use super::{Context, given};

/// One key of one operator.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Condition {
    operator: String,
    quantifier: Quantifier,
    test: Test,
    if_exists: bool,
    key: String,
    values: Vec<String>,
}

/// How the several values of a key count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quantifier {
    /// The key has one value at most.
    Single,
    /// `ForAllValues:`
    All,
    /// `ForAnyValue:`
    Any,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Test {
    /// Whether the key is absent.
    Null,
    /// Whether the value is one of those in the policy.
    Is(Compare),
    /// Whether the value is none of those in the policy.
    IsNot(Compare),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Compare {
    Text(Wild, Case),
    Arn,
    Number(Order),
    Date(Order),
    Bool,
    Binary,
    Address,
}

/// How the request's value stands to the policy's.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Order {
    Equal,
    Less,
    LessOrEqual,
    Greater,
    GreaterOrEqual,
}

impl Order {
    fn holds(self, found: Ordering) -> bool {
        match self {
            Self::Equal => found.is_eq(),
            Self::Less => found.is_lt(),
            Self::LessOrEqual => found.is_le(),
            Self::Greater => found.is_gt(),
            Self::GreaterOrEqual => found.is_ge(),
        }
    }
}

/// Why conditions do not hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Why {
    pub text: String,
    /// Whether AWS might see it otherwise: then a Deny is taken to hold.
    pub uncertain: bool,
}

impl Why {
    fn not(text: String) -> Self {
        Self {
            text,
            uncertain: false,
        }
    }
}

/// Whether all conditions hold; the first that does not is the reason. One that is uncertain counts
/// only if no other fails for sure. `variables` says whether the document's version has them.
pub(super) fn all_hold(
    conditions: &[Condition],
    context: &Context,
    variables: bool,
) -> Result<(), Why> {
    let mut uncertain = Ok(());
    for condition in conditions {
        match condition.holds(context, variables) {
            Ok(()) => {}
            Err(why) if why.uncertain => uncertain = uncertain.and(Err(why)),
            Err(why) => return Err(why),
        }
    }
    uncertain
}

impl Condition {
    /// Reads an operator's name and checks that it can compare the values.
    pub fn new(operator: &str, key: &str, values: Vec<String>) -> Result<Self, String> {
        let unknown = || format!("Invalid Condition type : {operator}.");
        let (quantifier, rest) = match operator.split_once(':') {
            None => (Quantifier::Single, operator),
            Some(("ForAllValues", rest)) => (Quantifier::All, rest),
            Some(("ForAnyValue", rest)) => (Quantifier::Any, rest),
            Some(_) => return Err(unknown()),
        };
        let (name, if_exists) = match rest.strip_suffix("IfExists") {
            Some(name) => (name, true),
            None => (rest, false),
        };
        let test = test_of(name).ok_or_else(unknown)?;
        // Whether a key exists is no question of its values.
        if test == Test::Null && (if_exists || quantifier != Quantifier::Single) {
            return Err(unknown());
        }
        if let Some(odd) = values.iter().find(|value| !test.takes(value)) {
            return Err(format!(
                "Value {odd} of condition key {key} is invalid for {operator}."
            ));
        }
        Ok(Self {
            operator: operator.to_owned(),
            quantifier,
            test,
            if_exists,
            key: key.to_owned(),
            values,
        })
    }

    fn holds(&self, context: &Context, variables: bool) -> Result<(), Why> {
        let Self { operator, key, .. } = self;
        let given = given(context, key).unwrap_or_default();
        let (compare, negated) = match self.test {
            Test::Null => {
                let absent = given.is_empty();
                let wanted = |value: &String| value.eq_ignore_ascii_case(&absent.to_string());
                let word = if absent { "absent" } else { "present" };
                return if self.values.iter().any(wanted) {
                    Ok(())
                } else {
                    Err(Why::not(format!("{key} is {word}")))
                };
            }
            Test::Is(compare) => (compare, false),
            Test::IsNot(compare) => (compare, true),
        };
        if given.is_empty() {
            // ForAllValues holds on an empty set. A negated operator holds on an absent key, except
            // that ForAnyValue asks for a value.
            let holds = self.if_exists
                || match self.quantifier {
                    Quantifier::All => true,
                    Quantifier::Any => false,
                    Quantifier::Single => negated,
                };
            return if holds {
                Ok(())
            } else {
                Err(Why::not(format!("the request has no condition key {key}")))
            };
        }
        let wanted = self.wanted(compare, context, variables)?;
        let holds = |given: &String| {
            let found = wanted.iter().any(|wanted| wanted.accepts(given));
            found != negated
        };
        let all_hold = match (self.quantifier, given) {
            (Quantifier::All, given) => given.iter().all(holds),
            (Quantifier::Any, given) => given.iter().any(holds),
            (Quantifier::Single, [given]) => holds(given),
            // "Multivalued context keys require a condition set operator." What happens without one
            // is documented nowhere.
            (Quantifier::Single, _) => {
                return Err(Why {
                    text: format!(
                        "{key} has several values, which {operator} cannot compare without \
                         ForAllValues or ForAnyValue"
                    ),
                    uncertain: true,
                });
            }
        };
        if all_hold {
            return Ok(());
        }
        let (given, wanted) = (given.join(", "), self.values.join(", "));
        Err(Why::not(format!(
            "{key} is '{given}', which {operator} '{wanted}' does not accept"
        )))
    }

    /// The policy's values, ready to be compared.
    fn wanted(
        &self,
        compare: Compare,
        context: &Context,
        variables: bool,
    ) -> Result<Vec<Wanted<'_>>, Why> {
        let pattern = |value: &str, wild| {
            if !variables {
                return Ok(Pattern::plain(value, wild));
            }
            Pattern::filled(value, wild, context).ok_or_else(|| {
                Why::not(format!("a variable in {value} has no value in the request"))
            })
        };
        let ready = |value| {
            Ok(match compare {
                Compare::Text(wild, case) => Wanted::Text(pattern(value, wild)?, case),
                Compare::Arn => Wanted::Arn(pattern(value, Wild::Cards)?),
                other @ (Compare::Number(_)
                | Compare::Date(_)
                | Compare::Bool
                | Compare::Binary
                | Compare::Address) => Wanted::Value(other, value),
            })
        };
        self.values.iter().map(|value| ready(value)).collect()
    }
}

/// One of the policy's values.
enum Wanted<'a> {
    Text(Pattern, Case),
    Arn(Pattern),
    Value(Compare, &'a str),
}

impl Wanted<'_> {
    fn accepts(&self, given: &str) -> bool {
        match self {
            Self::Text(pattern, case) => pattern.fits(given, *case),
            Self::Arn(pattern) => pattern.fits_arn(given),
            Self::Value(compare, wanted) => compare_values(*compare, wanted, given) == Some(true),
        }
    }
}

/// None if one of the two is no value of this type.
fn compare_values(compare: Compare, wanted: &str, given: &str) -> Option<bool> {
    Some(match compare {
        Compare::Text(..) | Compare::Arn => wanted == given,
        Compare::Number(order) => {
            let found = number(given)?.partial_cmp(&number(wanted)?)?;
            order.holds(found)
        }
        Compare::Date(order) => order.holds(date(given)?.cmp(&date(wanted)?)),
        Compare::Bool => wanted.eq_ignore_ascii_case(given),
        Compare::Binary => {
            BASE64_STANDARD.decode(wanted).ok()? == BASE64_STANDARD.decode(given).ok()?
        }
        Compare::Address => Network::parse(wanted)?.contains(given.parse().ok()?),
    })
}

fn number(text: &str) -> Option<f64> {
    let number: f64 = text.trim().parse().ok()?;
    number.is_finite().then_some(number)
}

/// ISO 8601 as W3C profiles it, or seconds since 1970.
fn date(text: &str) -> Option<Timestamp> {
    if let Ok(seconds) = text.parse() {
        return Timestamp::from_second(seconds).ok();
    }
    let day = || {
        let day: jiff::civil::Date = text.parse().ok()?;
        Some(day.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp())
    };
    text.parse().ok().or_else(day)
}

/// A range of addresses.
struct Network {
    address: IpAddr,
    bits: u32,
}

impl Network {
    /// `203.0.113.0/24`, `2001:db8::/32`, or one address.
    fn parse(text: &str) -> Option<Self> {
        let (address, bits) = match text.split_once('/') {
            Some((address, bits)) => (address, Some(bits.parse().ok()?)),
            None => (text, None),
        };
        let address: IpAddr = address.parse().ok()?;
        let width = if address.is_ipv4() { 32 } else { 128 };
        let bits = bits.unwrap_or(width);
        (bits <= width).then_some(Self { address, bits })
    }

    fn contains(&self, other: IpAddr) -> bool {
        let (ours, theirs, width) = match (self.address, other) {
            (IpAddr::V4(ours), IpAddr::V4(theirs)) => {
                (ours.to_bits().into(), theirs.to_bits().into(), 32)
            }
            (IpAddr::V6(ours), IpAddr::V6(theirs)) => (ours.to_bits(), theirs.to_bits(), 128),
            (IpAddr::V4(_), IpAddr::V6(_)) | (IpAddr::V6(_), IpAddr::V4(_)) => return false,
        };
        let differing: u128 = ours ^ theirs;
        differing.checked_shr(width - self.bits).unwrap_or(0) == 0
    }
}

impl Test {
    /// Whether a policy may have this value. A text can be anything, a variable included.
    fn takes(self, value: &str) -> bool {
        let is_bool =
            |value: &str| value.eq_ignore_ascii_case("true") || value.eq_ignore_ascii_case("false");
        match self {
            Self::Null => is_bool(value),
            Self::Is(compare) | Self::IsNot(compare) => match compare {
                Compare::Text(..) | Compare::Arn => true,
                Compare::Number(_) => number(value).is_some(),
                Compare::Date(_) => date(value).is_some(),
                Compare::Bool => is_bool(value),
                Compare::Binary => BASE64_STANDARD.decode(value).is_ok(),
                Compare::Address => Network::parse(value).is_some(),
            },
        }
    }
}

fn test_of(name: &str) -> Option<Test> {
    use Compare::{Address, Arn, Binary, Bool, Date, Number, Text};
    use Order::{Equal, Greater, GreaterOrEqual, Less, LessOrEqual};
    use Test::{Is, IsNot, Null};
    Some(match name {
        "Null" => Null,
        "StringEquals" => Is(Text(Wild::Text, Case::Matters)),
        "StringNotEquals" => IsNot(Text(Wild::Text, Case::Matters)),
        "StringEqualsIgnoreCase" => Is(Text(Wild::Text, Case::Ignored)),
        "StringNotEqualsIgnoreCase" => IsNot(Text(Wild::Text, Case::Ignored)),
        "StringLike" => Is(Text(Wild::Cards, Case::Matters)),
        "StringNotLike" => IsNot(Text(Wild::Cards, Case::Matters)),
        // "ArnEquals and ArnLike behave identically."
        "ArnEquals" | "ArnLike" => Is(Arn),
        "ArnNotEquals" | "ArnNotLike" => IsNot(Arn),
        "NumericEquals" => Is(Number(Equal)),
        "NumericNotEquals" => IsNot(Number(Equal)),
        "NumericLessThan" => Is(Number(Less)),
        "NumericLessThanEquals" => Is(Number(LessOrEqual)),
        "NumericGreaterThan" => Is(Number(Greater)),
        "NumericGreaterThanEquals" => Is(Number(GreaterOrEqual)),
        "DateEquals" => Is(Date(Equal)),
        "DateNotEquals" => IsNot(Date(Equal)),
        "DateLessThan" => Is(Date(Less)),
        "DateLessThanEquals" => Is(Date(LessOrEqual)),
        "DateGreaterThan" => Is(Date(Greater)),
        "DateGreaterThanEquals" => Is(Date(GreaterOrEqual)),
        "Bool" => Is(Bool),
        "BinaryEquals" => Is(Binary),
        "IpAddress" => Is(Address),
        "NotIpAddress" => IsNot(Address),
        _ => return None,
    })
}
