//! How a call names a function: by name, partial ARN or ARN, with or without a qualifier.
//!
//! <https://docs.aws.amazon.com/lambda/latest/api/API_GetFunction.html#API_GetFunction_RequestParameters>

use super::{arn_of, invalid, not_found};
use crate::world::{AwsError, Caller};

/// Version that an unqualified name means.
pub(super) const LATEST: &str = "$LATEST";

/// Longest name of a function; the shape's bound is that of an ARN.
const NAME_MAX: usize = 64;

/// A function of the caller's account and region, and the version or alias that is meant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    pub name: String,
    pub qualifier: Option<String>,
}

impl Target {
    /// Reads `FunctionName` and `Qualifier`.
    pub fn parse(caller: &Caller, given: &str, qualifier: Option<&str>) -> Result<Self, AwsError> {
        let mut parts: Vec<&str> = given.split(':').collect();
        let mut place = (None, None);
        if let ["arn", "aws", "lambda", rest @ ..] = &parts[..] {
            parts = rest.to_vec();
        }
        // What precedes the name is peeled off while a name is left.
        if let [region, rest @ ..] = &parts[..]
            && !rest.is_empty()
            && is_region(region)
        {
            place.0 = Some(*region);
            parts = rest.to_vec();
        }
        if let [account, rest @ ..] = &parts[..]
            && !rest.is_empty()
            && account.len() == 12
            && account.bytes().all(|byte| byte.is_ascii_digit())
        {
            place.1 = Some(*account);
            parts = rest.to_vec();
        }
        if let ["function", rest @ ..] = &parts[..]
            && !rest.is_empty()
        {
            parts = rest.to_vec();
        }
        let (name, derived) = match parts[..] {
            [name] => (name, None),
            [name, derived] => (name, Some(derived)),
            _ => return Err(invalid(format!("{given} is not a valid function ARN"))),
        };
        if let Some(region) = place.0.filter(|region| *region != caller.region) {
            return Err(not_found(format!(
                "Functions from '{region}' are not reachable in this region ('{}')",
                caller.region
            )));
        }
        if place.1.is_some_and(|account| account != caller.account) {
            return Err(AwsError {
                status: Some(403),
                ..AwsError::new(
                    "AccessDeniedException",
                    format!("{} may not reach functions of other accounts", caller.arn),
                )
            });
        }
        if name.len() > NAME_MAX {
            return Err(AwsError::new(
                "ValidationException",
                format!(
                    "1 validation error detected: Value '{name}' at 'functionName' failed to satisfy \
                     constraint: Member must have length less than or equal to {NAME_MAX}"
                ),
            ));
        }
        if let (Some(derived), Some(given)) = (derived, qualifier)
            && derived != given
        {
            return Err(invalid(
                "The derived qualifier from the function name does not match the specified qualifier.",
            ));
        }
        Ok(Self {
            name: name.to_owned(),
            qualifier: qualifier.or(derived).map(str::to_owned),
        })
    }

    /// Reads the name for an operation on the function as a whole, which takes no version.
    pub fn unqualified(caller: &Caller, given: &str) -> Result<Self, AwsError> {
        let target = Self::parse(caller, given, None)?;
        match target.qualifier.as_deref() {
            None | Some(LATEST) => Ok(Self {
                qualifier: None,
                ..target
            }),
            Some(_) => Err(invalid(
                "This operation is permitted on Lambda functions only. Aliases and versions do not \
                 support this operation. Please specify either a function name or an unqualified \
                 function ARN.",
            )),
        }
    }

    /// The ARN of the function as a whole.
    pub fn function_arn(&self, caller: &Caller) -> String {
        arn_of(&caller.account, &caller.region, &self.name)
    }

    /// The ARN with the qualifier that was given.
    pub fn arn(&self, caller: &Caller) -> String {
        let arn = self.function_arn(caller);
        match &self.qualifier {
            Some(qualifier) => format!("{arn}:{qualifier}"),
            None => arn,
        }
    }

    /// Under which name policies and URLs of this target are kept: `$LATEST` has none of its own.
    pub fn place(&self) -> &str {
        match self.qualifier.as_deref() {
            None | Some(LATEST) => "",
            Some(qualifier) => qualifier,
        }
    }

    pub fn not_found(&self, caller: &Caller) -> AwsError {
        not_found(format!("Function not found: {}", self.arn(caller)))
    }
}

fn is_region(text: &str) -> bool {
    let parts: Vec<&str> = text.split('-').collect();
    let [first, middle @ .., last] = &parts[..] else {
        return false;
    };
    first.len() == 2
        && !middle.is_empty()
        && middle
            .iter()
            .all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_lowercase()))
        && last.len() == 1
        && last.bytes().all(|byte| byte.is_ascii_digit())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    fn caller() -> Caller {
        Caller {
            account: "123456789012".into(),
            arn: "arn:aws:iam::123456789012:root".into(),
            user_id: "123456789012".into(),
            region: "us-east-1".into(),
            now: jiff::Timestamp::UNIX_EPOCH,
            source: crate::world::Via::Host.source(),
        }
    }

    #[test]
    fn every_documented_form_names_the_function() {
        for (given, qualifier) in [
            ("my-function", None),
            ("my-function:v1", Some("v1")),
            ("function:my-function", None),
            ("123456789012:function:my-function", None),
            ("123456789012:function:my-function:$LATEST", Some("$LATEST")),
            ("us-east-1:123456789012:function:my-function", None),
            (
                "arn:aws:lambda:us-east-1:123456789012:function:my-function",
                None,
            ),
            (
                "arn:aws:lambda:us-east-1:123456789012:function:my-function:2",
                Some("2"),
            ),
        ] {
            let target = Target::parse(&caller(), given, None).unwrap();
            assert_eq!(target.name, "my-function", "{given}");
            assert_eq!(target.qualifier.as_deref(), qualifier, "{given}");
        }
        // A name may look like what can precede a name.
        for name in ["function", "123456789012", "us-east-1"] {
            assert_eq!(Target::parse(&caller(), name, None).unwrap().name, name);
        }
    }

    #[test]
    fn other_places_and_two_qualifiers_are_refused() {
        let code = |given: &str, qualifier| {
            Target::parse(&caller(), given, qualifier)
                .map_err(|error| error.code)
                .unwrap_err()
        };
        let far = "arn:aws:lambda:eu-west-1:123456789012:function:f";
        assert_eq!(code(far, None), "ResourceNotFoundException");
        let foreign = "arn:aws:lambda:us-east-1:210987654321:function:f";
        assert_eq!(code(foreign, None), "AccessDeniedException");
        assert_eq!(code("f:1", Some("2")), "InvalidParameterValueException");
        assert!(Target::parse(&caller(), "f:1", Some("1")).is_ok());
        assert_eq!(code(&"f".repeat(65), None), "ValidationException");
    }
}
