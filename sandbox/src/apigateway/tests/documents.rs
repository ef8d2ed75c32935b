//! Import and export.

use base64::prelude::{BASE64_STANDARD, Engine as _};

use super::*;

fn document() -> Value {
    json!({
        "openapi": "3.0.1",
        "info": { "title": "spore", "version": "7" },
        "paths": { "/update-dns": { "post": {
            "operationId": "update",
            "requestBody": { "content": { "application/json": {
                "schema": { "$ref": "#/components/schemas/Update" } } }, "required": true },
            "responses": { "200": { "description": "200 response", "content": {
                "application/json": { "schema": { "$ref": "#/components/schemas/Update" } } } } },
            "x-amazon-apigateway-request-validator": "body",
            "x-amazon-apigateway-integration": {
                "type": "aws_proxy", "httpMethod": "POST", "uri": URI,
                "passthroughBehavior": "never", "timeoutInMillis": 10000 },
        } } },
        "components": { "schemas": { "Update": { "type": "object", "required": ["a"] } } },
        "x-amazon-apigateway-request-validators": {
            "body": { "validateRequestBody": true, "validateRequestParameters": false } },
        "x-amazon-apigateway-gateway-responses": {
            "THROTTLED": { "statusCode": 429, "responseTemplates": { "application/json": "{}" } } },
    })
}

fn body(document: &Value) -> Value {
    BASE64_STANDARD.encode(document.to_string()).into()
}

impl Gateway {
    fn exported(&mut self) -> Value {
        self.deploy("prod");
        let input = json!({ "stageName": "prod", "exportType": "oas30",
                            "parameters": { "extensions": "apigateway" } });
        let exported = self.ok("GetExport", input);
        let body = BASE64_STANDARD.decode(text(&exported, "body")).unwrap();
        serde_json::from_slice(&body).unwrap()
    }
}

#[test]
fn what_is_put_is_exported() {
    let mut api = Gateway::new(Profile::Instant);
    let written = document();
    let old = api.resource("update-dns");
    api.ok(
        "PutRestApi",
        json!({ "mode": "merge", "body": body(&written) }),
    );
    assert_eq!(
        api.ok("GetResource", json!({ "resourceId": old }))["path"],
        "/update-dns"
    );
    let mut exported = api.exported();
    exported.as_object_mut().unwrap().remove("servers");
    let mut expected = written.clone();
    // Merged with what a new API has.
    for name in ["Empty", "Error"] {
        expected["components"]["schemas"][name] = exported["components"]["schemas"][name].clone();
    }
    assert_eq!(exported, expected);

    api.ok(
        "PutRestApi",
        json!({ "mode": "overwrite", "body": body(&written) }),
    );
    let mut again = api.exported();
    again.as_object_mut().unwrap().remove("servers");
    assert_eq!(again, written, "overwritten");
}

#[test]
fn an_api_is_made_of_a_document() {
    let mut bench = Bench::new(Profile::Instant);
    let input = json!({ "body": body(&document()),
                        "parameters": { "endpointConfigurationTypes": "REGIONAL" } });
    let created = bench.call("apigateway", "ImportRestApi", input).unwrap();
    assert_eq!(created["name"], "spore");
    assert_eq!(
        created["endpointConfiguration"]["types"],
        json!(["REGIONAL"])
    );
}

#[test]
fn what_is_not_modelled_is_refused_by_name() {
    let mut api = Gateway::new(Profile::Instant);
    let mut check = |path: &str, value: Value, named: &str| {
        let mut document = document();
        let (holder, name) = path.rsplit_once('/').unwrap();
        document.pointer_mut(holder).unwrap()[name] = value;
        let (code, message) = api.refused("PutRestApi", json!({ "body": body(&document) }));
        assert_eq!(code, "NotImplemented", "{path}: {message}");
        assert!(message.contains(named), "{message}");
    };
    check("/security", json!([]), "'security'");
    check(
        "/paths/~1update-dns/post/x-amazon-apigateway-auth",
        json!({}),
        "x-amazon-apigateway-auth",
    );
    check("/paths/~1update-dns/trace", json!({}), "'trace'");
    check("/components/schemas/Update/format", json!("x"), "'format'");
    check("/swagger", json!("2.0"), "Swagger");
}
