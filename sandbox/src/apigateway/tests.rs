//! API Gateway judged from outside: what was written is read back, and clients get what was deployed.

use serde_json::{Value, json};

use crate::bench::Bench;
use crate::profile::Profile;
use crate::world::AwsError;

mod clients;
mod control;
mod documents;

/// A bench with one API, and ids of what is in it.
struct Gateway {
    bench: Bench,
    api: String,
    root: String,
}

const URI: &str = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/\
                   arn:aws:lambda:us-east-1:123456789012:function:updater/invocations";
const GROUP: &str = "arn:aws:logs:us-east-1:123456789012:log-group:/spore/access";
const LOGGER: &str = "arn:aws:iam::123456789012:role/logger";
const CALLER: &str = "arn:aws:iam::123456789012:role/caller";

impl Gateway {
    fn new(profile: Profile) -> Self {
        let mut bench = Bench::new(profile);
        let input = json!({ "name": "spore", "endpointConfiguration": { "types": ["REGIONAL"] } });
        let created = bench.call("apigateway", "CreateRestApi", input).unwrap();
        Self {
            bench,
            api: text(&created, "id"),
            root: text(&created, "rootResourceId"),
        }
    }

    /// Calls an operation on the API.
    fn call(&mut self, name: &str, mut input: Value) -> Result<Value, AwsError> {
        input["restApiId"] = self.api.as_str().into();
        self.bench.call("apigateway", name, input)
    }

    fn ok(&mut self, name: &str, input: Value) -> Value {
        self.call(name, input).unwrap()
    }

    /// The error of a call: code and message.
    fn refused(&mut self, name: &str, input: Value) -> (String, String) {
        let error = self.call(name, input).unwrap_err();
        (error.code, error.message)
    }

    fn resource(&mut self, part: &str) -> String {
        let input = json!({ "parentId": self.root, "pathPart": part });
        text(&self.ok("CreateResource", input), "id")
    }

    /// A method with a MOCK integration that answers 200.
    fn mock(&mut self, resource: &str, verb: &str) {
        let at = json!({ "resourceId": resource, "httpMethod": verb });
        let with = |more: Value| {
            let mut input = at.clone();
            for (key, value) in more.as_object().unwrap() {
                input[key] = value.clone();
            }
            input
        };
        self.ok("PutMethod", with(json!({ "authorizationType": "NONE" })));
        self.ok("PutMethodResponse", with(json!({ "statusCode": "200" })));
        let template = json!({ "application/json": "{\"statusCode\": 200}" });
        let input = json!({ "type": "MOCK", "requestTemplates": template });
        self.ok("PutIntegration", with(input));
        let template = json!({ "application/json": "{\"stage\":\"$context.stage\"}" });
        let input = json!({ "statusCode": "200", "responseTemplates": template });
        self.ok("PutIntegrationResponse", with(input));
    }

    fn deploy(&mut self, stage: &str) -> String {
        text(
            &self.ok("CreateDeployment", json!({ "stageName": stage })),
            "id",
        )
    }

    fn role(&mut self, name: &str, actions: &[&str]) {
        let trust = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": "sts:AssumeRole",
            "Principal": { "Service": "apigateway.amazonaws.com" },
        }]});
        let input = json!({ "RoleName": name, "AssumeRolePolicyDocument": trust.to_string() });
        self.bench.call("iam", "CreateRole", input).unwrap();
        let policy = json!({ "Version": "2012-10-17", "Statement": [{
            "Effect": "Allow", "Action": actions, "Resource": "*",
        }]});
        let input = json!({ "RoleName": name, "PolicyName": "p",
                            "PolicyDocument": policy.to_string() });
        self.bench.call("iam", "PutRolePolicy", input).unwrap();
    }

    /// The account's role for logs, and a group for access logs.
    fn logging(&mut self) {
        self.role("logger", &["logs:*"]);
        let input = patch(&[("replace", "/cloudwatchRoleArn", LOGGER)]);
        self.ok("UpdateAccount", input);
        let input = json!({ "logGroupName": "/spore/access" });
        self.bench.call("logs", "CreateLogGroup", input).unwrap();
    }
}

fn text(value: &Value, member: &str) -> String {
    value[member].as_str().unwrap().to_owned()
}

fn patch(operations: &[(&str, &str, &str)]) -> Value {
    let operations: Vec<_> = operations
        .iter()
        .map(|(op, path, value)| json!({ "op": op, "path": path, "value": value }))
        .collect();
    json!({ "patchOperations": operations })
}

/// The patches of an update of one object of the API.
fn patch_of(object: Value, operations: &[(&str, &str, &str)]) -> Value {
    let mut input = patch(operations);
    for (key, value) in object.as_object().unwrap() {
        input[key] = value.clone();
    }
    input
}
