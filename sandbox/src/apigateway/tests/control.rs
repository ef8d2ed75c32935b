//! The control plane: defaults, checks, patches.

use super::*;

const BAD: &str = "BadRequestException";
const MISSING: &str = "NotFoundException";
const TAKEN: &str = "ConflictException";

#[test]
fn an_api_reads_back_as_it_was_written() {
    let mut bench = Bench::new(Profile::Instant);
    let policy = json!({ "Version": "2012-10-17", "Statement": [{
        "Effect": "Allow", "Principal": "*", "Action": "execute-api:Invoke",
        "Resource": ["execute-api:/prod/POST/*", "*"],
    }]});
    let input = json!({
        "name": "spore", "description": "d", "version": "1", "apiKeySource": "AUTHORIZER",
        "binaryMediaTypes": ["image/png"], "minimumCompressionSize": 0,
        "endpointConfiguration": { "types": ["REGIONAL"], "ipAddressType": "dualstack" },
        "policy": policy.to_string(), "tags": { "a": "1" }, "disableExecuteApiEndpoint": true,
        "securityPolicy": "SecurityPolicy_TLS13_1_2_PFS_PQ_2025_09", "endpointAccessMode": "STRICT",
    });
    let created = bench
        .call("apigateway", "CreateRestApi", input.clone())
        .unwrap();
    let id = text(&created, "id");
    for (member, value) in input.as_object().unwrap() {
        if member != "policy" {
            assert_eq!(created[member], *value, "{member}");
        }
    }
    assert_eq!(created["apiStatus"], "AVAILABLE");
    let shown = text(&created, "policy");
    assert!(shown.starts_with("{\\\""), "escaped once more: {shown}");
    let plain: Value = serde_json::from_str(&format!("\"{shown}\"")).unwrap();
    let plain: Value = serde_json::from_str(plain.as_str().unwrap()).unwrap();
    assert_eq!(
        plain["Statement"][0]["Resource"],
        json!([
            format!("arn:aws:execute-api:us-east-1:123456789012:{id}/prod/POST/*"),
            "*"
        ])
    );
    let by_id = json!({ "restApiId": id });
    let got = bench
        .call("apigateway", "GetRestApi", by_id.clone())
        .unwrap();
    assert_eq!(got, created);
    let listed = bench.call("apigateway", "GetRestApis", json!({})).unwrap();
    assert_eq!(listed["items"], json!([created]));
    let models = bench
        .call("apigateway", "GetModels", by_id.clone())
        .unwrap();
    let names: Vec<_> = models["items"]
        .as_array()
        .unwrap()
        .iter()
        .map(|m| text(m, "name"))
        .collect();
    assert_eq!(names, ["Empty", "Error"]);
    bench
        .call("apigateway", "DeleteRestApi", by_id.clone())
        .unwrap();
    let gone = bench.call("apigateway", "GetRestApi", by_id).unwrap_err();
    assert_eq!(
        gone.message,
        format!("Invalid API identifier specified 123456789012:{id}")
    );
}

#[test]
fn apis_are_refused_for_what_aws_refuses() {
    let mut bench = Bench::new(Profile::Instant);
    let mut check = |input: Value| {
        let mut all = json!({ "name": "x" });
        all.as_object_mut()
            .unwrap()
            .extend(input.as_object().unwrap().clone());
        let error = bench.call("apigateway", "CreateRestApi", all).unwrap_err();
        assert_eq!(error.code, BAD, "{input}");
    };
    check(json!({ "name": " " }));
    check(json!({ "policy": "{}" }));
    check(json!({ "minimumCompressionSize": -1 }));
    check(json!({ "endpointConfiguration": { "types": ["EDGE", "REGIONAL"] } }));
    check(json!({ "endpointConfiguration": { "types": ["PRIVATE"], "ipAddressType": "ipv4" } }));
    let regional = json!({ "types": ["REGIONAL"] });
    let enhanced = "SecurityPolicy_TLS13_1_3_2025_09";
    check(json!({ "endpointConfiguration": regional, "securityPolicy": enhanced }));
    check(json!({ "securityPolicy": enhanced, "endpointAccessMode": "BASIC" }));
    check(json!({ "securityPolicy": "TLS_1_2", "endpointAccessMode": "STRICT" }));
}

#[test]
fn an_api_is_patched_by_known_paths_only() {
    let mut api = Gateway::new(Profile::Instant);
    let got = api.ok(
        "UpdateRestApi",
        patch(&[
            ("replace", "/name", "other"),
            (
                "replace",
                "/endpointConfiguration/ipAddressType",
                "dualstack",
            ),
            ("add", "/binaryMediaTypes/image~1png", ""),
            (
                "replace",
                "/securityPolicy",
                "SecurityPolicy_TLS13_1_3_2025_09",
            ),
            ("replace", "/endpointAccessMode", "BASIC"),
            ("replace", "/disableExecuteApiEndpoint", "true"),
            ("replace", "/minimumCompressionSize", "10"),
        ]),
    );
    assert_eq!(got["name"], "other");
    assert_eq!(got["endpointConfiguration"]["ipAddressType"], "dualstack");
    assert_eq!(got["binaryMediaTypes"], json!(["image/png"]));
    assert_eq!(got["minimumCompressionSize"], 10);
    assert_eq!(got, api.ok("GetRestApi", json!({})));
    let got = api.ok(
        "UpdateRestApi",
        patch(&[("remove", "/minimumCompressionSize", "")]),
    );
    assert_eq!(got.get("minimumCompressionSize"), None);
    let (code, message) = api.refused("UpdateRestApi", patch(&[("replace", "/nope", "1")]));
    assert_eq!(code, BAD);
    assert!(
        message
            .starts_with("Invalid patch path '/nope' specified for op 'replace'. Must be one of:")
    );
    for (path, value) in [
        ("/disableExecuteApiEndpoint", "yes"),
        ("/policy", "[]"),
        ("/endpointConfiguration/types/REGIONAL", "GLOBAL"),
        ("/endpointConfiguration/types/REGIONAL", "EDGE"),
        ("/endpointAccessMode", ""),
    ] {
        assert_eq!(
            api.refused("UpdateRestApi", patch(&[("replace", path, value)]))
                .0,
            BAD,
            "{path}"
        );
    }
    // What GetRestApi shows can be written back.
    let policy =
        json!({ "Version": "2012-10-17", "Statement": { "Effect": "Deny", "Principal": "*",
        "Action": "execute-api:Invoke", "Resource": "execute-api:/*" } })
        .to_string();
    let got = api.ok("UpdateRestApi", patch(&[("replace", "/policy", &policy)]));
    let again = api.ok(
        "UpdateRestApi",
        patch(&[("replace", "/policy", &text(&got, "policy"))]),
    );
    assert_eq!(again["policy"], got["policy"]);
}

#[test]
fn resources_are_a_tree() {
    let mut api = Gateway::new(Profile::Instant);
    let a = api.resource("a");
    let b = text(
        &api.ok(
            "CreateResource",
            json!({ "parentId": a, "pathPart": "{b}" }),
        ),
        "id",
    );
    let got = api.ok("GetResource", json!({ "resourceId": b }));
    assert_eq!(
        got,
        json!({ "id": b, "parentId": a, "pathPart": "{b}", "path": "/a/{b}" })
    );
    let root = api.root.clone();
    let mut refused = |parent: &str, part: &str, code: &str| {
        let input = json!({ "parentId": parent, "pathPart": part });
        assert_eq!(api.refused("CreateResource", input).0, code, "{part}");
    };
    refused(&root, "a", TAKEN);
    refused(&root, "a b", BAD);
    refused(&a, "{c}", BAD);
    refused("nowhere", "c", MISSING);
    api.mock(&b, "GET");
    let embedded = api.ok("GetResources", json!({ "embed": ["methods"] }));
    let plain = api.ok("GetResources", json!({}));
    let of = |listed: &Value| {
        let items = listed["items"].as_array().unwrap();
        items.iter().find(|item| item["id"] == *b).unwrap()["resourceMethods"].clone()
    };
    assert_eq!(of(&plain), json!({ "GET": {} }));
    assert_eq!(of(&embedded)["GET"]["methodIntegration"]["type"], "MOCK");
    let moved = api.ok(
        "UpdateResource",
        patch_of(json!({ "resourceId": a }), &[("replace", "/pathPart", "z")]),
    );
    assert_eq!(moved["path"], "/z");
    assert_eq!(
        api.ok("GetResource", json!({ "resourceId": b }))["path"],
        "/z/{b}"
    );
    assert_eq!(
        api.refused("DeleteResource", json!({ "resourceId": root }))
            .0,
        BAD
    );
    api.ok("DeleteResource", json!({ "resourceId": a }));
    assert_eq!(
        api.refused("GetResource", json!({ "resourceId": b })).0,
        MISSING
    );
}

#[test]
fn methods_and_integrations_have_defaults_and_references() {
    let mut api = Gateway::new(Profile::Instant);
    let resource = api.resource("update-dns");
    let at = json!({ "resourceId": resource, "httpMethod": "POST" });
    let with = |more: Value| {
        let mut input = at.clone();
        input
            .as_object_mut()
            .unwrap()
            .extend(more.as_object().unwrap().clone());
        input
    };
    let none = json!({ "authorizationType": "NONE" });
    for (more, code) in [
        (json!({ "authorizationType": "MAYBE" }), BAD),
        (
            json!({ "authorizationType": "CUSTOM", "authorizerId": "nope" }),
            BAD,
        ),
        (
            json!({ "authorizationType": "NONE", "requestValidatorId": "nope" }),
            BAD,
        ),
        (
            json!({ "authorizationType": "NONE", "requestModels": { "a/b": "Nope" } }),
            BAD,
        ),
        (
            json!({ "authorizationType": "NONE", "requestParameters": { "header.a": true } }),
            BAD,
        ),
        (
            json!({ "authorizationType": "NONE", "httpMethod": "PURGE" }),
            BAD,
        ),
    ] {
        assert_eq!(
            api.refused("PutMethod", with(more.clone())).0,
            code,
            "{more}"
        );
    }
    let got = api.ok("PutMethod", with(none.clone()));
    let expected =
        json!({ "httpMethod": "POST", "authorizationType": "NONE", "apiKeyRequired": false });
    assert_eq!(got, expected);
    assert_eq!(api.refused("PutMethod", with(none)).0, TAKEN);
    assert_eq!(
        api.refused("CreateDeployment", json!({})).1,
        "No integration defined for method"
    );
    for more in [
        json!({ "type": "AWS_PROXY", "uri": URI }),
        json!({ "type": "AWS_PROXY", "uri": "arn:aws:lambda:x", "integrationHttpMethod": "POST" }),
        json!({ "type": "AWS_PROXY", "uri": URI.replace("lambda:path", "s3:path"),
                "integrationHttpMethod": "POST" }),
        json!({ "type": "AWS_PROXY", "uri": URI, "integrationHttpMethod": "POST",
                "timeoutInMillis": 30000 }),
        json!({ "type": "AWS_PROXY", "uri": URI, "integrationHttpMethod": "POST",
                "credentials": "arn:aws:iam::999999999999:role/x" }),
    ] {
        assert_eq!(
            api.refused("PutIntegration", with(more.clone())).0,
            BAD,
            "{more}"
        );
    }
    let proxy = json!({ "type": "AWS_PROXY", "uri": URI, "integrationHttpMethod": "POST" });
    let got = api.ok("PutIntegration", with(proxy));
    assert_eq!(
        got,
        json!({
            "type": "AWS_PROXY", "httpMethod": "POST", "uri": URI, "timeoutInMillis": 29000,
            "passthroughBehavior": "WHEN_NO_MATCH", "cacheNamespace": resource,
            "cacheKeyParameters": [], "responseTransferMode": "BUFFERED",
        })
    );
    let got = api.ok(
        "UpdateIntegration",
        patch_of(
            at.clone(),
            &[
                ("replace", "/timeoutInMillis", "5000"),
                ("add", "/requestTemplates/application~1json", "{}"),
            ],
        ),
    );
    assert_eq!(got["timeoutInMillis"], 5000);
    assert_eq!(got["requestTemplates"], json!({ "application/json": "{}" }));
    assert_eq!(got, api.ok("GetIntegration", at.clone()));
    let got = api.ok(
        "UpdateMethod",
        patch_of(
            at.clone(),
            &[
                ("replace", "/requestModels/application~1json", "Error"),
                ("add", "/requestParameters/method.request.header.x", "true"),
            ],
        ),
    );
    assert_eq!(
        got["requestParameters"],
        json!({ "method.request.header.x": true })
    );
    assert_eq!(
        api.refused("DeleteModel", json!({ "modelName": "Error" }))
            .0,
        TAKEN
    );
    assert_eq!(
        api.refused(
            "PutIntegrationResponse",
            with(json!({ "statusCode": "200" }))
        )
        .0,
        MISSING
    );
    api.ok("DeleteIntegration", at.clone());
    assert_eq!(api.refused("GetIntegration", at.clone()).0, MISSING);
    api.ok("DeleteMethod", at.clone());
    assert_eq!(api.refused("GetMethod", at).0, MISSING);
}

#[test]
fn models_validators_and_gateway_responses() {
    let mut api = Gateway::new(Profile::Instant);
    let model = json!({ "name": "Update", "contentType": "application/json",
                        "schema": "{\"type\":\"object\"}" });
    let created = api.ok("CreateModel", model.clone());
    assert_eq!(created["schema"], model["schema"]);
    assert_eq!(api.refused("CreateModel", model).0, TAKEN);
    let odd = json!({ "name": "A-b", "contentType": "application/json", "schema": "{}" });
    assert_eq!(api.refused("CreateModel", odd).0, BAD);
    let got = api.ok(
        "UpdateModel",
        patch_of(
            json!({ "modelName": "Update" }),
            &[("replace", "/schema", "{\"type\":\"array\"}")],
        ),
    );
    assert_eq!(got["schema"], "{\"type\":\"array\"}");

    let created = api.ok(
        "CreateRequestValidator",
        json!({ "name": "v", "validateRequestBody": true }),
    );
    let by_id = json!({ "requestValidatorId": created["id"] });
    assert_eq!(created["validateRequestParameters"], false);
    let got = api.ok(
        "UpdateRequestValidator",
        patch_of(
            by_id.clone(),
            &[("replace", "/validateRequestParameters", "true")],
        ),
    );
    assert_eq!(got["validateRequestParameters"], true);
    assert_eq!(api.ok("GetRequestValidator", by_id.clone()), got);
    api.ok("DeleteRequestValidator", by_id.clone());
    assert_eq!(api.refused("GetRequestValidator", by_id).0, MISSING);

    let listed = api.ok("GetGatewayResponses", json!({}));
    let listed = listed["items"].as_array().unwrap();
    assert_eq!(listed.len(), 21);
    assert!(listed.iter().all(|item| item["defaultResponse"] == true));
    let kind = json!({ "responseType": "THROTTLED" });
    let got = api.ok("GetGatewayResponse", kind.clone());
    assert_eq!(got["statusCode"], "429");
    let put = json!({ "responseType": "THROTTLED", "statusCode": "503",
        "responseTemplates": { "application/json": "{}" },
        "responseParameters": { "gatewayresponse.header.Retry-After": "'1'" } });
    let got = api.ok("PutGatewayResponse", put.clone());
    assert_eq!(got["defaultResponse"], false);
    for (member, value) in put.as_object().unwrap() {
        assert_eq!(got[member], *value);
    }
    api.ok("DeleteGatewayResponse", kind.clone());
    assert_eq!(api.refused("DeleteGatewayResponse", kind).0, MISSING);
}

#[test]
fn stages_keep_their_settings() {
    let mut api = Gateway::new(Profile::Instant);
    assert_eq!(
        api.refused("CreateDeployment", json!({})).1,
        "The REST API doesn't contain any methods"
    );
    let root = api.root.clone();
    api.mock(&root, "GET");
    let first = text(
        &api.ok("CreateDeployment", json!({ "description": "hash" })),
        "id",
    );
    let input = json!({ "stageName": "prod", "deploymentId": first, "variables": { "a": "1" },
                        "tags": { "t": "1" }, "tracingEnabled": true });
    let created = api.ok("CreateStage", input.clone());
    assert_eq!(created["methodSettings"], json!({}));
    assert_eq!(created["cacheClusterStatus"], "NOT_AVAILABLE");
    assert_eq!(created["variables"], json!({ "a": "1" }));
    assert_eq!(api.refused("CreateStage", input).0, TAKEN);
    let prod = json!({ "stageName": "prod" });
    let got = api.ok(
        "UpdateStage",
        patch_of(
            prod.clone(),
            &[
                ("replace", "/*/*/throttling/rateLimit", "2.5"),
                ("replace", "/*/*/throttling/burstLimit", "5"),
                ("replace", "/~1update-dns/POST/metrics/enabled", "true"),
                ("replace", "/update-dns/POST/logging/dataTrace", "true"),
            ],
        ),
    );
    let settings = &got["methodSettings"];
    assert_eq!(
        settings["*/*"],
        json!({
            "metricsEnabled": false, "dataTraceEnabled": false, "throttlingBurstLimit": 5,
            "throttlingRateLimit": 2.5, "cachingEnabled": false, "cacheTtlInSeconds": 300,
            "cacheDataEncrypted": false, "requireAuthorizationForCacheControl": true,
            "unauthorizedCacheControlHeaderStrategy": "SUCCEED_WITH_RESPONSE_HEADER",
        })
    );
    assert_eq!(
        settings.as_object().unwrap().len(),
        2,
        "two spellings are one method"
    );
    assert_eq!(settings["~1update-dns/POST"]["dataTraceEnabled"], true);
    let got = api.ok(
        "UpdateStage",
        patch_of(prod.clone(), &[("remove", "/*/*", "")]),
    );
    assert_eq!(got["methodSettings"].get("*/*"), None);
    assert_eq!(got, api.ok("GetStage", prod.clone()));

    let logs = |format: &str| {
        patch_of(
            prod.clone(),
            &[
                ("replace", "/accessLogSettings/destinationArn", GROUP),
                ("replace", "/accessLogSettings/format", format),
            ],
        )
    };
    assert_eq!(
        api.refused("UpdateStage", logs("$context.requestId")).1,
        "CloudWatch Logs role ARN must be set in account settings to enable logging"
    );
    let unknown = patch(&[("replace", "/cloudwatchRoleArn", LOGGER)]);
    assert_eq!(api.refused("UpdateAccount", unknown).0, BAD, "no such role");
    api.logging();
    assert_eq!(api.ok("GetAccount", json!({}))["cloudwatchRoleArn"], LOGGER);
    assert_eq!(api.refused("UpdateStage", logs("$context.status")).0, BAD);
    let got = api.ok("UpdateStage", logs("$context.requestId"));
    assert_eq!(
        got["accessLogSettings"],
        json!({ "destinationArn": GROUP, "format": "$context.requestId" })
    );
    let elsewhere = [(
        "replace",
        "/accessLogSettings/destinationArn",
        "arn:aws:logs:us-east-1:123456789012:log-group:none",
    )];
    assert_eq!(
        api.refused("UpdateStage", patch_of(prod.clone(), &elsewhere))
            .0,
        BAD
    );
    for (path, value) in [
        ("/deploymentId", "nope"),
        ("/x", "1"),
        ("/*/*/throttling/rateLimit", "fast"),
        ("/*/*/logging/loglevel", "LOUD"),
        ("/variables/a", "{}"),
    ] {
        let input = patch_of(prod.clone(), &[("replace", path, value)]);
        assert_eq!(api.refused("UpdateStage", input).0, BAD, "{path}");
    }
    let by_id = json!({ "deploymentId": first });
    assert_eq!(
        api.refused("DeleteDeployment", by_id.clone()).1,
        "Active stages pointing to this deployment must be moved or deleted"
    );
    let summary = api.ok(
        "GetDeployment",
        json!({ "deploymentId": first, "embed": ["apisummary"] }),
    );
    assert_eq!(
        summary["apiSummary"],
        json!({ "/": { "GET": { "authorizationType": "NONE", "apiKeyRequired": false } } })
    );
    assert_eq!(
        api.ok("GetDeployments", json!({}))["items"][0]["description"],
        "hash"
    );
    api.ok("DeleteStage", prod);
    api.ok("DeleteDeployment", by_id);
}

#[test]
fn tags_of_apis_and_stages() {
    let mut api = Gateway::new(Profile::Instant);
    let root = api.root.clone();
    api.mock(&root, "GET");
    api.deploy("prod");
    let arn = format!("arn:aws:apigateway:us-east-1::/restapis/{}", api.api);
    let stage = format!("{arn}/stages/prod");
    for arn in [&arn, &stage] {
        let mut call = |name: &str, input: Value| {
            let mut all = json!({ "resourceArn": arn });
            all.as_object_mut()
                .unwrap()
                .extend(input.as_object().unwrap().clone());
            api.bench.call("apigateway", name, all)
        };
        call("TagResource", json!({ "tags": { "a": "1", "b": "2" } })).unwrap();
        call("UntagResource", json!({ "tagKeys": ["a"] })).unwrap();
        assert_eq!(
            call("GetTags", json!({})).unwrap(),
            json!({ "tags": { "b": "2" } })
        );
        let reserved = call("TagResource", json!({ "tags": { "aws:x": "1" } }));
        assert_eq!(reserved.unwrap_err().code, BAD);
    }
    let found = api.bench.call(
        "resourcegroupstaggingapi",
        "GetResources",
        json!({ "TagFilters": [{ "Key": "b" }] }),
    );
    let found = found.unwrap();
    let arns: Vec<_> = found["ResourceTagMappingList"]
        .as_array()
        .unwrap()
        .iter()
        .map(|item| text(item, "ResourceARN"))
        .collect();
    assert_eq!(arns, [arn, stage]);
    let unknown = json!({ "resourceArn": "arn:aws:apigateway:us-east-1::/restapis/none" });
    let unknown = api.bench.call("apigateway", "GetTags", unknown);
    assert_eq!(unknown.unwrap_err().code, MISSING);
}

#[test]
fn authorizers_are_kept_and_guarded() {
    let mut api = Gateway::new(Profile::Instant);
    let input = json!({ "name": "a", "type": "TOKEN", "authorizerUri": URI,
                        "identitySource": "method.request.header.Authorization" });
    let created = api.ok("CreateAuthorizer", input.clone());
    assert_eq!(created["authorizerResultTtlInSeconds"], 300);
    assert_eq!(api.refused("CreateAuthorizer", input).0, TAKEN);
    assert_eq!(
        api.ok("GetAuthorizers", json!({}))["items"],
        json!([created])
    );
    let method = json!({ "resourceId": api.root, "httpMethod": "GET",
                         "authorizationType": "CUSTOM", "authorizerId": created["id"] });
    api.ok("PutMethod", method);
    let by_id = json!({ "authorizerId": created["id"] });
    assert_eq!(api.refused("DeleteAuthorizer", by_id).0, TAKEN);
}

#[test]
fn pages_and_needs() {
    let mut api = Gateway::new(Profile::Instant);
    for part in ["a", "b", "c"] {
        api.resource(part);
    }
    let first = api.ok("GetResources", json!({ "limit": 3 }));
    let rest = api.ok(
        "GetResources",
        json!({ "limit": 3, "position": first["position"] }),
    );
    assert_eq!(rest["items"].as_array().unwrap().len(), 1);
    assert_eq!(rest.get("position"), None);
    assert_eq!(api.refused("GetResources", json!({ "limit": 501 })).0, BAD);

    let check = |name: &str, input: Value, expected: &[(&str, &str)]| {
        let needs = api.bench.needs("apigateway", name, &input);
        let found: Vec<_> = needs.iter().map(|n| (&*n.action, &*n.resource)).collect();
        assert_eq!(found, expected, "{name}");
        needs
    };
    let of = |path: &str| format!("arn:aws:apigateway:us-east-1::{path}");
    let needs = check(
        "CreateRestApi",
        json!({ "name": "n", "policy": "{}", "tags": { "k": "v" } }),
        &[
            ("apigateway:POST", &of("/restapis")),
            ("apigateway:UpdateRestApiPolicy", &of("/restapis")),
        ],
    );
    assert_eq!(needs[0].context["aws:RequestTag/k"], ["v"]);
    assert_eq!(needs[0].context["apigateway:Request/ApiName"], ["n"]);
    let api_path = format!("/restapis/{}", api.api);
    let put = json!({ "restApiId": api.api, "resourceId": "r", "httpMethod": "POST",
                      "credentials": CALLER });
    let needs = check(
        "PutIntegration",
        put,
        &[
            (
                "apigateway:PUT",
                &of(&format!("{api_path}/resources/r/methods/POST/integration")),
            ),
            ("iam:PassRole", CALLER),
        ],
    );
    assert_eq!(needs[0].context["apigateway:Resource/ApiName"], ["spore"]);
    let tags = json!({ "resourceArn": of(&api_path), "tagKeys": ["k"] });
    let encoded = of(&api_path).replace(':', "%3A").replace('/', "%2F");
    check(
        "UntagResource",
        tags,
        &[("apigateway:DELETE", &of(&format!("/tags/{encoded}")))],
    );
    check(
        "UpdateAccount",
        patch(&[("replace", "/cloudwatchRoleArn", LOGGER)]),
        &[
            ("apigateway:PATCH", &of("/account")),
            ("iam:PassRole", LOGGER),
        ],
    );
}
