//! The data plane: what clients get.

use std::net::IpAddr;
use std::time::Duration;

use super::*;
use crate::apigateway::{execute, resume};
use crate::world::{Effect, Invocation, Ran, Request, Response, Waiting};

const PEER: &str = "198.51.100.7";

impl Gateway {
    /// What a request leads to.
    fn effect(&mut self, verb: &str, path: &str, body: &[u8]) -> Effect {
        let request = Request {
            method: verb.into(),
            host: format!("{}.execute-api.us-east-1.amazonaws.com", self.api),
            path: path.split('?').next().unwrap().into(),
            query: path.split_once('?').map_or("", |(_, query)| query).into(),
            headers: vec![
                ("content-type".into(), "application/json".into()),
                ("user-agent".into(), "test".into()),
                ("x-forwarded-for".into(), "1.2.3.4".into()),
            ],
            body: body.to_vec(),
        };
        let peer: IpAddr = PEER.parse().unwrap();
        let now = self.bench.caller.now;
        execute(&mut self.bench.world, now, peer, &request).unwrap()
    }

    fn answer(&mut self, verb: &str, path: &str, body: &[u8]) -> Response {
        match self.effect(verb, path, body) {
            Effect::Answer(response) => response,
            other @ (Effect::Invoke(_) | Effect::Silence | Effect::Die) => panic!("{other:?}"),
        }
    }

    fn check(&mut self, verb: &str, path: &str, status: u16, body: &str) {
        let response = self.answer(verb, path, b"");
        let found = (response.status, String::from_utf8(response.body).unwrap());
        assert_eq!(found, (status, body.to_owned()), "{verb} {path}");
    }

    /// A POST method that calls a function by a role.
    fn proxy(&mut self, part: &str) -> Value {
        self.role("caller", &["lambda:InvokeFunction"]);
        let resource = self.resource(part);
        let at = json!({ "resourceId": resource, "httpMethod": "POST" });
        let mut input = at.clone();
        input["authorizationType"] = "NONE".into();
        self.ok("PutMethod", input);
        let mut input = at.clone();
        input["type"] = "AWS_PROXY".into();
        input["integrationHttpMethod"] = "POST".into();
        input["uri"] = URI.into();
        input["credentials"] = CALLER.into();
        self.ok("PutIntegration", input);
        at
    }

    fn invoked(&mut self, path: &str, body: &[u8]) -> Invocation {
        match self.effect("POST", path, body) {
            Effect::Invoke(invocation) => invocation,
            other @ (Effect::Answer(_) | Effect::Silence | Effect::Die) => panic!("{other:?}"),
        }
    }

    fn resumed(&mut self, invocation: Invocation, payload: &str, took: u64) -> Response {
        let ran = Ran {
            outcome: Ok(payload.as_bytes().to_vec()),
            log: Vec::new(),
            took: Duration::from_millis(took),
        };
        let Waiting::ApiGateway(waiting) = invocation.waiting else {
            panic!("not for a client");
        };
        resume(&mut self.bench.world, self.bench.caller.now, waiting, ran)
    }
}

fn body(response: &Response) -> String {
    String::from_utf8(response.body.clone()).unwrap()
}

#[test]
fn clients_get_what_is_deployed() {
    let mut api = Gateway::new(Profile::Instant);
    let root = api.root.clone();
    api.check("GET", "/prod/", 403, "{\"message\":\"Forbidden\"}");
    api.mock(&root, "GET");
    api.deploy("prod");
    api.check("GET", "/prod/", 200, "{\"stage\":\"prod\"}");
    let unknown = "{\"message\":\"Missing Authentication Token\"}";
    api.check("POST", "/prod/", 403, unknown);
    let any = api.resource("{rest+}");
    api.mock(&any, "ANY");
    api.check("PUT", "/prod/a/b", 403, unknown);
    api.deploy("prod");
    api.check("PUT", "/prod/a/b", 200, "{\"stage\":\"prod\"}");
    let disable = patch(&[("replace", "/disableExecuteApiEndpoint", "true")]);
    api.ok("UpdateRestApi", disable);
    api.check("GET", "/prod", 200, "{\"stage\":\"prod\"}");
    api.deploy("prod");
    api.check("GET", "/prod", 403, "{\"message\":\"Forbidden\"}");
}

#[test]
fn a_resource_policy_names_who_may_call() {
    let mut api = Gateway::new(Profile::Instant);
    let root = api.root.clone();
    api.mock(&root, "GET");
    let policy = |range: &str| {
        json!({ "Version": "2012-10-17", "Statement": [
            { "Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke",
              "Resource": "execute-api:/prod/GET/*",
              "Condition": { "IpAddress": { "aws:SourceIp": range } } },
        ]})
        .to_string()
    };
    api.ok(
        "UpdateRestApi",
        patch(&[("replace", "/policy", &policy("198.51.100.0/24"))]),
    );
    api.deploy("prod");
    api.deploy("other");
    assert_eq!(api.answer("GET", "/prod/", b"").status, 200);
    let refused = api.answer("GET", "/other/", b"");
    assert_eq!(refused.status, 403);
    let expected = format!(
        "User: anonymous is not authorized to perform: execute-api:Invoke on resource: \
         arn:aws:execute-api:us-east-1:********9012:{}/other/GET/",
        api.api
    );
    let found: Value = serde_json::from_slice(&refused.body).unwrap();
    assert_eq!(found, json!({ "message": expected }));
    api.ok(
        "UpdateRestApi",
        patch(&[("replace", "/policy", &policy("203.0.113.0/24"))]),
    );
    assert_eq!(
        api.answer("GET", "/prod/", b"").status,
        200,
        "not yet deployed"
    );
    api.deploy("prod");
    assert_eq!(api.answer("GET", "/prod/", b"").status, 403);
}

#[test]
fn throttles_hold_for_each_method() {
    let mut api = Gateway::new(Profile::Instant);
    let root = api.root.clone();
    api.mock(&root, "GET");
    api.mock(&root, "PUT");
    api.deploy("prod");
    api.ok(
        "UpdateStage",
        patch_of(
            json!({ "stageName": "prod" }),
            &[
                ("replace", "/*/*/throttling/rateLimit", "0.5"),
                ("replace", "/*/*/throttling/burstLimit", "2"),
            ],
        ),
    );
    let mut statuses = |verb: &str, count: usize| -> Vec<u16> {
        (0..count)
            .map(|_| api.answer(verb, "/prod/", b"").status)
            .collect()
    };
    assert_eq!(statuses("GET", 3), [200, 200, 429]);
    assert_eq!(statuses("PUT", 1), [200]);
    api.bench.advance(2);
    api.check("GET", "/prod/", 200, "{\"stage\":\"prod\"}");
    api.check("GET", "/prod/", 429, "{\"message\":\"Too Many Requests\"}");
}

#[test]
fn bodies_are_checked_and_refusals_customised() {
    let mut api = Gateway::new(Profile::Instant);
    let at = api.proxy("update-dns");
    let schema = json!({ "type": "object", "required": ["record_name"] }).to_string();
    api.ok(
        "CreateModel",
        json!({ "name": "Update", "contentType": "application/json", "schema": schema }),
    );
    let validator = api.ok(
        "CreateRequestValidator",
        json!({ "validateRequestBody": true, "validateRequestParameters": true }),
    );
    api.ok(
        "UpdateMethod",
        patch_of(
            at,
            &[
                ("replace", "/requestModels/application~1json", "Update"),
                ("replace", "/requestValidatorId", &text(&validator, "id")),
                (
                    "replace",
                    "/requestParameters/method.request.querystring.v",
                    "true",
                ),
            ],
        ),
    );
    let template = "{\"error\":$context.error.messageString,\"why\":\"$context.error.responseType\",\
                    \"code\":\"bad_request\",\"request_id\":\"$context.requestId\"}";
    api.ok(
        "PutGatewayResponse",
        json!({ "responseType": "BAD_REQUEST_BODY", "statusCode": "422",
        "responseTemplates": { "application/json": template },
        "responseParameters": { "gatewayresponse.header.Cache-Control": "'no-store'" } }),
    );
    api.deploy("prod");
    let response = api.answer("POST", "/prod/update-dns?v=1", b"{}");
    let header = |name: &str| {
        response
            .headers
            .iter()
            .find(|(found, _)| found == name)
            .map(|(_, value)| value.clone())
    };
    assert_eq!(response.status, 422);
    assert_eq!(header("cache-control").as_deref(), Some("no-store"));
    let found: Value = serde_json::from_slice(&response.body).unwrap();
    assert_eq!(
        found,
        json!({ "error": "Invalid request body", "why": "BAD_REQUEST_BODY",
        "code": "bad_request", "request_id": header("x-amzn-requestid").unwrap() })
    );
    assert_eq!(
        api.answer("POST", "/prod/update-dns?v=1", b"").status,
        422,
        "no body is no object"
    );
    let response = api.answer("POST", "/prod/update-dns", b"{}");
    assert_eq!(response.status, 400);
    assert_eq!(
        body(&response),
        "{\"message\":\"Missing required request parameters: [v]\"}"
    );
    let large = vec![b' '; 10 * 1024 * 1024 + 1];
    assert_eq!(
        api.answer("POST", "/prod/update-dns?v=1", &large).status,
        413
    );
    api.invoked("/prod/update-dns?v=1", b"{\"record_name\":\"a\"}");
}

#[test]
fn a_function_gets_the_documented_event() {
    let mut api = Gateway::new(Profile::Instant);
    api.proxy("update-dns");
    api.deploy("prod");
    let invocation = api.invoked("/prod/update-dns?a=1&a=2", b"{\"x\":1}");
    assert_eq!(invocation.function, "updater");
    let event: Value = serde_json::from_slice(&invocation.event).unwrap();
    assert_eq!(event["resource"], "/update-dns");
    assert_eq!(event["path"], "/update-dns");
    assert_eq!(event["httpMethod"], "POST");
    assert_eq!(event["body"], "{\"x\":1}");
    assert_eq!(event["isBase64Encoded"], false);
    assert_eq!(event["pathParameters"], Value::Null);
    assert_eq!(event["queryStringParameters"], json!({ "a": "2" }));
    assert_eq!(
        event["multiValueQueryStringParameters"],
        json!({ "a": ["1", "2"] })
    );
    assert_eq!(
        event["headers"]["X-Forwarded-For"],
        format!("1.2.3.4, {PEER}")
    );
    let context = &event["requestContext"];
    assert_eq!(context["identity"]["sourceIp"], PEER);
    assert_eq!(context["path"], "/prod/update-dns");
    assert_eq!(context["requestTime"], "01/Jan/2026:00:00:00 +0000");
    assert_eq!(context["apiId"], *api.api);

    let response = api.resumed(
        invocation,
        "{\"statusCode\":409,\"headers\":{\"Retry-After\":3},\"body\":\"{}\"}",
        5,
    );
    assert_eq!((response.status, body(&response)), (409, "{}".to_owned()));
    assert!(
        response
            .headers
            .contains(&("retry-after".into(), "3".into()))
    );
    assert!(
        response
            .headers
            .contains(&("content-type".into(), "application/json".into()))
    );
    let mut check = |payload: &str, took: u64, status: u16, expected: &str| {
        let invocation = api.invoked("/prod/update-dns", b"{}");
        let response = api.resumed(invocation, payload, took);
        assert_eq!(
            (response.status, body(&response)),
            (status, expected.to_owned()),
            "{payload}"
        );
    };
    let failed = "{\"message\": \"Internal server error\"}".replace(": ", ":");
    check("\"ok\"", 1, 502, &failed);
    check("{\"status\":200}", 1, 502, &failed);
    check("{\"statusCode\":200,\"body\":{}}", 1, 502, &failed);
    check(
        "{\"statusCode\":200}",
        29_001,
        504,
        "{\"message\":\"Endpoint request timed out\"}",
    );
    check("{\"statusCode\":200}", 29_000, 200, "");
}

#[test]
fn without_permission_no_function_is_called() {
    let mut api = Gateway::new(Profile::Instant);
    let at = api.proxy("update-dns");
    api.ok(
        "UpdateIntegration",
        patch_of(at, &[("remove", "/credentials", "")]),
    );
    api.deploy("prod");
    api.check(
        "POST",
        "/prod/update-dns",
        500,
        "{\"message\":\"Internal server error\"}",
    );
}

#[test]
fn a_request_leaves_a_line_and_metrics() {
    let mut api = Gateway::new(Profile::Instant);
    api.logging();
    let root = api.root.clone();
    api.mock(&root, "GET");
    api.deploy("prod");
    let format = "{\"id\":\"$context.requestId\",\"status\":$context.status,\
                  \"ip\":\"$context.identity.sourceIp\",\"error\":\"$context.error.responseType\"}";
    api.ok(
        "UpdateStage",
        patch_of(
            json!({ "stageName": "prod" }),
            &[
                ("replace", "/accessLogSettings/destinationArn", GROUP),
                ("replace", "/accessLogSettings/format", format),
            ],
        ),
    );
    assert_eq!(api.answer("GET", "/prod/", b"").status, 200);
    assert_eq!(api.answer("DELETE", "/prod/", b"").status, 403);
    let lines = |api: &mut Gateway| -> Vec<Value> {
        let input = json!({ "logGroupName": "/spore/access" });
        let found = api.bench.call("logs", "FilterLogEvents", input).unwrap();
        let events = found["events"].as_array().unwrap().iter();
        events
            .map(|event| serde_json::from_str(&text(event, "message")).unwrap())
            .collect()
    };
    let found = lines(&mut api);
    assert_eq!(found.len(), 2);
    assert_eq!(
        (&found[0]["status"], &found[0]["error"]),
        (&json!(200), &json!("-"))
    );
    assert_eq!(found[1]["status"], 403);
    assert_eq!(found[1]["error"], "MISSING_AUTHENTICATION_TOKEN");
    assert_eq!(found[1]["ip"], PEER);

    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Deny", "Action": "logs:PutLogEvents", "Resource": "*" }]});
    let input =
        json!({ "RoleName": "logger", "PolicyName": "no", "PolicyDocument": policy.to_string() });
    api.bench.call("iam", "PutRolePolicy", input).unwrap();
    api.answer("GET", "/prod/", b"");
    assert_eq!(
        lines(&mut api).len(),
        2,
        "the role must be allowed to write"
    );

    let sum = |api: &mut Gateway, metric: &str| {
        let input = json!({
            "Namespace": "AWS/ApiGateway", "MetricName": metric, "Period": 60,
            "StartTime": api.bench.caller.now.as_second(),
            "EndTime": api.bench.caller.now.as_second() + 60, "Statistics": ["Sum"],
            "Dimensions": [{ "Name": "ApiName", "Value": "spore" }, { "Name": "Stage", "Value": "prod" }],
        });
        let found = api
            .bench
            .call("cloudwatch", "GetMetricStatistics", input)
            .unwrap();
        found["Datapoints"][0]["Sum"].as_f64()
    };
    assert_eq!(sum(&mut api, "Count"), Some(3.0));
    assert_eq!(sum(&mut api, "4XXError"), Some(1.0));
    assert_eq!(sum(&mut api, "5XXError"), Some(0.0));
}
