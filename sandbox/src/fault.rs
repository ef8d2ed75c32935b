//! What goes wrong, and at which call: one text form for the environment, scenarios and traces.
//!
//! ```text
//! crash-before:17                     the process dies instead of carrying out its 17th call
//! crash-after:17                      it is carried out and stored; the process dies before the answer
//! lose-answer:kms.CreateKey           carried out, and the connection breaks
//! hang:3                              not carried out, and no answer ever comes
//! repeat:5                            carried out twice, as when a proxy sends a request again
//! fail:17:InternalFailure:2           the 17th call and the one after it are answered with this code
//! fail:route53.CreateHostedZone:Throttling
//! throttle:route53.GetChange:3        its next three calls are throttled, in the service's own words
//! delay:kms.Sign:30s                  answered 30 s later
//! ```
//!
//! Rules are separated by commas or semicolons. A call is chosen by its number within the process,
//! from 1, or by service and operation.

use std::fmt;
use std::str::FromStr;

use jiff::SignedDuration;

/// What happens to a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Fault {
    /// The calling process dies, the call is not carried out.
    CrashBefore,
    /// The call is carried out and stored, the calling process dies without an answer.
    CrashAfter,
    /// The call is carried out and stored, the connection breaks.
    LoseAnswer,
    /// The call is not carried out and not answered.
    Hang,
    /// The call is carried out twice; the second answer is given.
    Repeat,
    /// The call is not carried out and answered with an error of this code.
    Fail(String),
    /// The call is not carried out and refused as one too many.
    Throttle,
    /// The call is carried out after a while.
    Delay(SignedDuration),
}

/// Which calls a rule is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Selector {
    /// The call of this number, from 1.
    Call(u64),
    /// Calls of an operation.
    Operation {
        /// Name of the service, such as `kms`.
        service: String,
        /// Name of the operation, such as `CreateKey`.
        operation: String,
    },
}

/// A fault, the calls it is for, and how many of them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Rule {
    /// What happens.
    pub fault: Fault,
    /// To which calls.
    pub selector: Selector,
    /// How many calls, from the first that fits.
    pub times: u32,
}

/// All rules of a run.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FaultPlan {
    rules: Vec<Rule>,
}

/// A fault plan that cannot be read.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("'{rule}' is not a fault: {why}")]
pub struct FaultSyntax {
    /// The rule.
    pub rule: String,
    /// What is wrong with it.
    pub why: String,
}

impl FaultPlan {
    /// A plan of one rule, for one call.
    pub fn once(fault: Fault, selector: Selector) -> Self {
        Self::default().with(fault, selector, 1)
    }

    /// Adds a rule.
    #[must_use]
    pub fn with(mut self, fault: Fault, selector: Selector, times: u32) -> Self {
        self.rules.push(Rule {
            fault,
            selector,
            times,
        });
        self
    }

    /// The faults of a call, in the order of the rules. Rules by operation are used up by it.
    pub fn strike(&mut self, index: u64, service: &str, operation: &str) -> Vec<Fault> {
        let mut struck = Vec::new();
        for rule in &mut self.rules {
            let hit = match &rule.selector {
                Selector::Call(first) => index
                    .checked_sub(*first)
                    .is_some_and(|after| after < u64::from(rule.times)),
                Selector::Operation {
                    service: of,
                    operation: named,
                } => {
                    let hit = rule.times > 0 && of == service && named == operation;
                    rule.times -= u32::from(hit);
                    hit
                }
            };
            if hit {
                struck.push(rule.fault.clone());
            }
        }
        struck
    }
}

impl FromStr for FaultPlan {
    type Err = FaultSyntax;

    fn from_str(text: &str) -> Result<Self, FaultSyntax> {
        let rules = text
            .split([',', ';'])
            .map(str::trim)
            .filter(|rule| !rule.is_empty());
        let rules: Result<Vec<Rule>, FaultSyntax> = rules.map(str::parse).collect();
        Ok(Self { rules: rules? })
    }
}

impl FromStr for Rule {
    type Err = FaultSyntax;

    fn from_str(text: &str) -> Result<Self, FaultSyntax> {
        let wrong = |why: String| FaultSyntax {
            rule: text.to_owned(),
            why,
        };
        let mut parts = text.split(':').map(str::trim);
        let name = parts.next().unwrap_or_default();
        let selector = parts
            .next()
            .ok_or_else(|| wrong("say which call, such as 17 or kms.CreateKey".to_owned()))?;
        let selector = selector.parse().map_err(&wrong)?;
        let mut argument = |what: &str| {
            parts
                .next()
                .filter(|part| !part.is_empty())
                .ok_or_else(|| wrong(format!("{name} needs {what}, as in {name}:17:{what}")))
        };
        let fault = match name {
            "crash-before" => Fault::CrashBefore,
            "crash-after" => Fault::CrashAfter,
            "lose-answer" => Fault::LoseAnswer,
            "hang" => Fault::Hang,
            "repeat" => Fault::Repeat,
            "throttle" => Fault::Throttle,
            "fail" => Fault::Fail(argument("InternalFailure")?.to_owned()),
            "delay" => {
                let span = argument("30s")?;
                let span: SignedDuration = span
                    .parse()
                    .map_err(|_| wrong(format!("'{span}' is not a duration")))?;
                if span.is_negative() {
                    return Err(wrong("a delay cannot be negative".to_owned()));
                }
                Fault::Delay(span)
            }
            other => {
                return Err(wrong(format!(
                    "'{other}' is none of crash-before, crash-after, lose-answer, hang, repeat, \
                     throttle, fail, delay"
                )));
            }
        };
        let times = match parts.next() {
            None => 1,
            Some(times) => times
                .parse()
                .ok()
                .filter(|times| *times > 0)
                .ok_or_else(|| wrong(format!("'{times}' is not a number of times")))?,
        };
        match parts.next() {
            None => Ok(Self {
                fault,
                selector,
                times,
            }),
            Some(rest) => Err(wrong(format!("'{rest}' is too much"))),
        }
    }
}

impl FromStr for Selector {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if let Some((service, operation)) = text.split_once('.') {
            let (service, operation) = (service.to_owned(), operation.to_owned());
            return Ok(Self::Operation { service, operation });
        }
        match text.parse() {
            Ok(0) => Err("calls are counted from 1".to_owned()),
            Ok(index) => Ok(Self::Call(index)),
            Err(_) => Err(format!(
                "'{text}' is neither a number nor service.Operation"
            )),
        }
    }
}

impl fmt::Display for FaultPlan {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, rule) in self.rules.iter().enumerate() {
            let separator = if index == 0 { "" } else { "," };
            write!(out, "{separator}{rule}")?;
        }
        Ok(())
    }
}

impl fmt::Display for Rule {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (name, argument) = match &self.fault {
            Fault::CrashBefore => ("crash-before", None),
            Fault::CrashAfter => ("crash-after", None),
            Fault::LoseAnswer => ("lose-answer", None),
            Fault::Hang => ("hang", None),
            Fault::Repeat => ("repeat", None),
            Fault::Throttle => ("throttle", None),
            Fault::Fail(code) => ("fail", Some(code.clone())),
            Fault::Delay(span) => ("delay", Some(format!("{span:#}").replace(' ', ""))),
        };
        write!(out, "{name}:{}", self.selector)?;
        if let Some(argument) = argument {
            write!(out, ":{argument}")?;
        }
        if self.times != 1 {
            write!(out, ":{}", self.times)?;
        }
        Ok(())
    }
}

impl fmt::Display for Selector {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Call(index) => write!(out, "{index}"),
            Self::Operation { service, operation } => write!(out, "{service}.{operation}"),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn text_and_plan_are_the_same_thing() {
        for text in [
            "crash-before:17",
            "crash-after:1",
            "lose-answer:kms.CreateKey",
            "hang:3,repeat:5",
            "fail:17:InternalFailure:2",
            "fail:route53.CreateHostedZone:Throttling",
            "throttle:route53.GetChange:3",
            "delay:kms.Sign:30s",
            "delay:4:1m30s:2",
        ] {
            let plan: FaultPlan = text.parse().unwrap();
            assert_eq!(plan.to_string(), text);
            assert_eq!(plan.to_string().parse::<FaultPlan>().unwrap(), plan);
        }
        let plan: FaultPlan = " crash-after:2 ; hang:3, ".parse().unwrap();
        assert_eq!(plan.to_string(), "crash-after:2,hang:3");
    }

    #[test]
    fn what_is_wrong_is_said() {
        let check = |text: &str, why: &str| {
            let error = text.parse::<FaultPlan>().unwrap_err();
            assert!(error.why.contains(why), "{text}: {error}");
        };
        check("crash:1", "none of crash-before");
        check("crash-after", "say which call");
        check("crash-after:0", "counted from 1");
        check("crash-after:x", "neither a number");
        check("fail:1", "fail:17:InternalFailure");
        check("delay:1:soon", "not a duration");
        check("hang:1:0", "not a number of times");
        check("hang:1:1:1", "too much");
    }

    #[test]
    fn a_rule_strikes_as_often_as_it_says() {
        let mut plan: FaultPlan = "fail:2:X:2,throttle:kms.Sign:2".parse().unwrap();
        let mut strike = |index, operation| plan.strike(index, "kms", operation).len();
        assert_eq!(strike(1, "Sign"), 1);
        assert_eq!(strike(2, "Verify"), 1);
        assert_eq!(strike(3, "Sign"), 2);
        assert_eq!(strike(4, "Sign"), 0);
    }
}
