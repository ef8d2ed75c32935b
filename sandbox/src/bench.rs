//! A world with one caller, for the tests of services.
//!
//! A call passes the checks that it passes at the wire: the input against the shape's constraints, the
//! output against the shape. And it may fail only with an error that the operation's model lists, that
//! is common to all of AWS, or that refuses by name what is not modelled.

use jiff::SignedDuration;
use serde_json::Value;

use crate::profile::Profile;
use crate::wire::check;
use crate::wire::model::model;
use crate::world::{AwsError, Caller, Need, Operation, World};
use crate::{apigateway, cloudwatch, iam, kms, lambda, logs, route53, sts, tagging};

/// The world, and who calls from where and when.
pub(crate) struct Bench {
    pub world: World,
    pub caller: Caller,
}

/// Errors that services answer without listing them for an operation
/// (<https://docs.aws.amazon.com/kms/latest/APIReference/CommonErrors.html>).
///
/// `NoSuchEntity` is IAM's: it answers it also where a boundary does not exist, which CreateRole does
/// not list.
const COMMON_ERRORS: [&str; 7] = [
    "AccessDenied",
    "AccessDeniedException",
    "NoSuchEntity",
    "NotAuthorizedException",
    "NotImplemented",
    "ValidationError",
    "ValidationException",
];

fn operation(service: &str, name: &str) -> &'static Operation {
    let found = match service {
        "apigateway" => apigateway::operation(name),
        "iam" => iam::operation(name),
        "cloudwatch" => cloudwatch::operation(name),
        "kms" => kms::operation(name),
        "lambda" => lambda::operation(name),
        "logs" => logs::operation(name),
        "resourcegroupstaggingapi" => tagging::operation(name),
        "route53" => route53::operation(name),
        "sts" => sts::operation(name),
        _ => None,
    };
    found.unwrap_or_else(|| panic!("{service} has no operation {name}"))
}

impl Bench {
    /// An administrator of account 123456789012 in us-east-1, at the start of 2026.
    pub fn new(profile: Profile) -> Self {
        let caller = Caller {
            account: "123456789012".into(),
            arn: "arn:aws:iam::123456789012:user/admin".into(),
            user_id: "AIDA".into(),
            region: "us-east-1".into(),
            now: "2026-01-01T00:00:00Z".parse().unwrap(),
            source: crate::world::Via::Host.source(),
        };
        Self {
            world: World::new(1, profile),
            caller,
        }
    }

    pub fn advance(&mut self, seconds: i64) {
        self.caller.now += SignedDuration::from_secs(seconds);
    }

    /// From now on an administrator of another account calls.
    pub fn as_account(&mut self, account: &str) {
        self.caller.account = account.into();
        self.caller.arn = format!("arn:aws:iam::{account}:user/admin");
    }

    pub fn needs(&self, service: &str, name: &str, input: &Value) -> Vec<Need> {
        (operation(service, name).needs)(&self.world, &self.caller, input)
    }

    pub fn call(&mut self, service: &str, name: &str, input: Value) -> Result<Value, AwsError> {
        let model = model(service).unwrap();
        let shapes = &model.operations[name];
        if let Some(side) = &shapes.input {
            let problems = check::constraints(model, model.shape(&side.shape), &input);
            if !problems.is_empty() {
                // As the codec has it.
                let code = match service {
                    "logs" | "resourcegroupstaggingapi" => "InvalidParameterException",
                    "route53" => "InvalidInput",
                    "apigateway" => "BadRequestException",
                    "iam" | "sts" => "ValidationError",
                    "cloudwatch" => "ValidationError",
                    _ => "ValidationException",
                };
                return Err(AwsError::new(code, check::message(&problems)));
            }
        }
        self.needs(service, name, &input);
        let answer = (operation(service, name).run)(&mut self.world, &self.caller, input);
        match &answer {
            Ok(output) => match &shapes.output {
                Some(side) => {
                    check::conforms(model, model.shape(&side.shape), output, name).unwrap();
                }
                None => assert_eq!(output, &serde_json::json!({}), "{name} has no output"),
            },
            Err(error) => {
                let is_known = shapes
                    .errors
                    .iter()
                    .any(|shape| model.error_code(shape) == error.code)
                    || COMMON_ERRORS.contains(&error.code.as_str());
                assert!(
                    is_known,
                    "{name} answers {error}, which its model does not list"
                );
            }
        }
        answer
    }
}
