"""API Gateway's data plane: what clients get from a stage, with nothing but HTTP."""

import json
import urllib.error
import urllib.request

from .base import World
from .functions import code
from .gateway import PROXY, GatewayCase, patch

ECHO = """#!/usr/bin/env python3
import json, os, urllib.request

base = "http://" + os.environ["AWS_LAMBDA_RUNTIME_API"] + "/2018-06-01/runtime/invocation/"
while True:
    with urllib.request.urlopen(base + "next") as got:
        event, id = json.loads(got.read()), got.headers["Lambda-Runtime-Aws-Request-Id"]
    asked = json.loads(event["body"] or "{}")
    answer = asked.get("raw", {
        "statusCode": 201, "headers": {"X-Own": "a"}, "multiValueHeaders": {"X-Many": ["1", "2"]},
        "body": json.dumps(event),
    })
    data = json.dumps(answer).encode()
    urllib.request.urlopen(urllib.request.Request(base + id + "/response", data=data)).read()
"""


class GatewayData(GatewayCase):
    """Each test in an account of its own."""

    def ask(self, api, path="/", stage="prod", method="GET", body=None, **headers):
        """Status, headers and body, as a client without any SDK gets them."""
        url = f"{World.server.url}/restapis/{api['restApiId']}/{stage}/_user_request_{path}"
        data = json.dumps(body).encode() if isinstance(body, dict) else body
        headers = {"Content-Type": "application/json"} | headers
        request = urllib.request.Request(url, data=data, method=method, headers=headers)
        try:
            answer = urllib.request.urlopen(request)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            text = answer.read().decode()
            return answer.status, answer.headers, json.loads(text) if text else None

    def gets(self, expected, api, *args, **more):
        """Fails unless this status and message come back, AWS's default refusals; the headers."""
        status, headers, body = self.ask(api, *args, **more)
        self.assertEqual((status, body), (expected[0], {"message": expected[1]}))
        return headers

    def deploy(self, api, stage="prod"):
        return self.gateway.create_deployment(stageName=stage, **api)["id"]

    def echo(self):
        """An API whose POST on /update-dns is a function that answers with its event."""
        api, root = self.api()
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        role = self.client("iam").create_role(
            RoleName="runs",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )["Role"]["Arn"]
        self.lambda_ = self.client("lambda")
        arn = self.lambda_.create_function(
            FunctionName="echo",
            Role=role,
            Runtime="provided.al2023",
            Handler="bootstrap",
            Timeout=20,
            Code={"ZipFile": code(ECHO)},
        )["FunctionArn"]
        self.lambda_.get_waiter("function_active_v2").wait(FunctionName="echo")
        resource = self.gateway.create_resource(parentId=root, pathPart="update-dns", **api)["id"]
        at = api | {"resourceId": resource, "httpMethod": "POST"}
        self.gateway.put_method(authorizationType="NONE", **at)
        self.gateway.put_integration(
            type="AWS_PROXY", integrationHttpMethod="POST", uri=PROXY.format(arn), **at
        )
        return api, at

    def permit(self, api, what, statement="api"):
        self.lambda_.add_permission(
            FunctionName="echo",
            StatementId=statement,
            Action="lambda:InvokeFunction",
            Principal="apigateway.amazonaws.com",
            SourceArn=f"arn:aws:execute-api:us-east-1:{self.account}:{api['restApiId']}/{what}",
        )

    def test_data_clients_get_what_was_deployed(self):
        api, root = self.api()
        at = self.mock(api, root, body='{"stage":"$context.stage","v":"$stageVariables.v"}')
        self.deploy(api)
        self.gateway.update_stage(
            stageName="prod", patchOperations=patch(("replace", "/variables/v", "1")), **api
        )
        status, headers, body = self.ask(api)
        self.assertEqual((status, body), (200, {"stage": "prod", "v": "1"}))
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertTrue(headers["x-amzn-RequestId"])
        # A change is seen when it is deployed, by the stage that shows that deployment.
        self.gateway.put_integration_response(
            statusCode="200", responseTemplates={"application/json": '{"new":true}'}, **at
        )
        self.assertEqual(self.ask(api)[2], {"stage": "prod", "v": "1"})
        self.deploy(api, "next")
        self.assertEqual(self.ask(api)[2], {"stage": "prod", "v": "1"})
        self.assertEqual(self.ask(api, stage="next")[2], {"new": True})
        # What is not there: AWS asks for a token (gateway response MISSING_AUTHENTICATION_TOKEN).
        self.gets((403, "Missing Authentication Token"), api, "/never")
        self.gets((403, "Missing Authentication Token"), api, method="POST")
        self.gets((403, "Forbidden"), api, stage="never")
        self.gateway.delete_stage(stageName="next", **api)
        self.gets((403, "Forbidden"), api, stage="next")

    def test_data_resource_policies_say_who_may_call(self):
        def policy(address):
            return json.dumps(
                {
                    "Version": "2012-10-17",
                    "Statement": [
                        {
                            "Effect": "Allow",
                            "Principal": "*",
                            "Action": "execute-api:Invoke",
                            "Resource": "execute-api:/prod/*",
                            "Condition": {"IpAddress": {"aws:SourceIp": address}},
                        }
                    ],
                }
            )

        api, root = self.api(policy=policy("127.0.0.0/8"))
        self.mock(api, root, body='{"ok":true}')
        self.deploy(api)
        self.deploy(api, "other")
        self.assertEqual(self.ask(api)[0], 200)
        status, _, body = self.ask(api, stage="other")
        self.assertEqual(status, 403)
        self.assertIn("is not authorized to perform: execute-api:Invoke", body["message"])
        # No header makes another address of it.
        self.gateway.update_rest_api(
            patchOperations=patch(("replace", "/policy", policy("203.0.113.0/24"))), **api
        )
        self.assertEqual(self.ask(api)[0], 200, "a policy holds when it is deployed")
        self.deploy(api)
        self.assertEqual(self.ask(api, **{"X-Forwarded-For": "203.0.113.1"})[0], 403)

    def test_data_bodies_and_parameters_are_validated(self):
        api, at = self.echo()
        self.permit(api, "*/POST/update-dns")
        self.gateway.create_model(
            name="Update",
            contentType="application/json",
            schema=json.dumps(
                {
                    "type": "object",
                    "required": ["record_name"],
                    "properties": {
                        "record_name": {"type": "string", "pattern": "^[a-z]+$", "maxLength": 5},
                        "ttl": {"type": "integer", "minimum": 1},
                        "raw": {},
                    },
                    "additionalProperties": False,
                }
            ),
            **api,
        )
        validator = self.gateway.create_request_validator(
            name="all", validateRequestBody=True, validateRequestParameters=True, **api
        )["id"]
        self.gateway.update_method(
            patchOperations=patch(
                ("replace", "/requestValidatorId", validator),
                ("add", "/requestModels/application~1json", "Update"),
                ("add", "/requestParameters/method.request.header.X-Needed", "true"),
            ),
            **at,
        )
        self.deploy(api)

        def ask(body, **headers):
            headers = {"X-Needed": "1"} | headers
            return self.ask(api, "/update-dns", method="POST", body=body, **headers)

        status, headers, event = ask({"record_name": "a", "ttl": 1})
        self.assertEqual(status, 201)
        for wrong in (
            {},
            {"record_name": 1},
            {"record_name": "A"},
            {"record_name": "aaaaaa"},
            {"record_name": "a", "ttl": 0},
            {"record_name": "a", "ttl": 1.5},
            {"record_name": "a", "other": 1},
            b"[]",
            b"{",
            b"",
        ):
            status, _, body = ask(wrong)
            self.assertEqual((status, body), (400, {"message": "Invalid request body"}), wrong)
        self.gets(
            (400, "Missing required request parameters: [X-Needed]"),
            api,
            "/update-dns",
            method="POST",
            body={"record_name": "a"},
        )
        # The refusal's own body and headers.
        self.gateway.put_gateway_response(
            responseType="BAD_REQUEST_BODY",
            statusCode="422",
            responseTemplates={
                "application/json": '{"code":"bad_request","said":$context.error.messageString,'
                '"request_id":"$context.requestId"}'
            },
            responseParameters={"gatewayresponse.header.Cache-Control": "'no-store'"},
            **api,
        )
        self.assertEqual(ask({})[0], 400, "gateway responses hold when they are deployed")
        self.deploy(api)
        status, headers, body = ask({})
        self.assertEqual(
            (status, headers["Cache-Control"], body),
            (
                422,
                "no-store",
                {
                    "code": "bad_request",
                    "said": "Invalid request body",
                    "request_id": headers["x-amzn-RequestId"],
                },
            ),
        )
        self.assertEqual(ask(b" " * (10 * 1024 * 1024 + 1))[0], 413, "payloads are 10 MB at most")

    def test_data_functions_get_the_documented_event(self):
        api, _ = self.echo()
        self.deploy(api)
        asked = {"method": "POST", "body": {"x": 1}}
        # Without a permission for this very method nobody is invoked.
        self.gets((500, "Internal server error"), api, "/update-dns", **asked)
        self.permit(api, "other/POST/update-dns")
        self.gets((500, "Internal server error"), api, "/update-dns", **asked)
        self.permit(api, "prod/POST/update-dns", "right")
        status, headers, event = self.ask(
            api, "/update-dns?a=1&a=2&b=%20", **asked, **{"X-Forwarded-For": "1.2.3.4"}
        )
        self.assertEqual(
            (status, headers["X-Own"], headers.get_all("X-Many")), (201, "a", ["1", "2"])
        )
        # Set up Lambda proxy integrations, "Input format of a Lambda function for proxy integration".
        for name, value in {
            "resource": "/update-dns",
            "path": "/update-dns",
            "httpMethod": "POST",
            "queryStringParameters": {"a": "2", "b": " "},
            "multiValueQueryStringParameters": {"a": ["1", "2"], "b": [" "]},
            "pathParameters": None,
            "stageVariables": None,
            "body": '{"x": 1}',
            "isBase64Encoded": False,
        }.items():
            self.assertEqual(event[name], value, name)
        self.assertTrue(event["headers"]["X-Forwarded-For"].startswith("1.2.3.4, "))
        context = event["requestContext"]
        for name, value in {
            "accountId": self.account,
            "apiId": api["restApiId"],
            "stage": "prod",
            "path": "/prod/update-dns",
            "httpMethod": "POST",
            "resourcePath": "/update-dns",
            "requestId": headers["x-amzn-RequestId"],
        }.items():
            self.assertEqual(context[name], value, name)
        self.assertEqual(context["identity"]["sourceIp"], "127.0.0.1")
        self.assertRegex(
            context["requestTime"], r"^\d\d/[A-Z][a-z]{2}/\d{4}:\d\d:\d\d:\d\d \+0000$"
        )
        # An answer of any other form is a malformed Lambda proxy response.
        for raw in ("text", {"status": 200}, {"statusCode": 200, "body": {}}, None):
            self.gets(
                (502, "Internal server error"),
                api,
                "/update-dns",
                method="POST",
                body={"raw": raw},
            )
        self.assertEqual(
            self.ask(api, "/update-dns", method="POST", body={"raw": {"statusCode": 204}})[0], 204
        )

    def test_data_stages_throttle_each_method(self):
        api, root = self.api()
        self.mock(api, root, "GET", body="{}")
        self.mock(api, root, "PUT", body="{}")
        self.deploy(api)
        self.gateway.update_stage(
            stageName="prod",
            patchOperations=patch(
                ("replace", "/*/*/throttling/rateLimit", "0.001"),
                ("replace", "/*/*/throttling/burstLimit", "2"),
            ),
            **api,
        )
        self.assertEqual([self.ask(api)[0] for _ in range(3)], [200, 200, 429])
        self.gets((429, "Too Many Requests"), api)
        self.assertEqual(self.ask(api, method="PUT")[0], 200, "each method has its own bucket")
        self.command("advance", "20min")
        self.assertEqual([self.ask(api)[0] for _ in range(2)], [200, 429])

    def test_data_requests_leave_lines_and_metrics(self):
        iam, logs = self.client("iam"), self.client("logs")
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "apigateway.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        role = iam.create_role(
            RoleName="logger",
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )["Role"]["Arn"]
        iam.attach_role_policy(
            RoleName="logger",
            PolicyArn="arn:aws:iam::aws:policy/service-role/AmazonAPIGatewayPushToCloudWatchLogs",
        )
        self.gateway.update_account(patchOperations=patch(("replace", "/cloudwatchRoleArn", role)))
        logs.create_log_group(logGroupName="/judged")
        api, root = self.api(name="metered")
        self.mock(api, root, body="{}")
        self.deploy(api)
        form = (
            '{"id":"$context.requestId","status":$context.status,"ip":"$context.identity.sourceIp",'
            '"path":"$context.resourcePath","why":"$context.error.responseType"}'
        )
        self.gateway.update_stage(
            stageName="prod",
            patchOperations=patch(
                (
                    "replace",
                    "/accessLogSettings/destinationArn",
                    f"arn:aws:logs:us-east-1:{self.account}:log-group:/judged",
                ),
                ("replace", "/accessLogSettings/format", form),
            ),
            **api,
        )
        answers = [self.ask(api), self.ask(api, "/never"), self.ask(api)]
        lines = [
            json.loads(event["message"])
            for event in logs.filter_log_events(logGroupName="/judged")["events"]
        ]
        self.assertEqual(
            [(line["id"], line["status"]) for line in lines],
            [(headers["x-amzn-RequestId"], status) for status, headers, _ in answers],
        )
        self.assertEqual(lines[1]["why"], "MISSING_AUTHENTICATION_TOKEN")
        self.assertEqual((lines[0]["why"], lines[0]["ip"]), ("-", "127.0.0.1"))
        # Amazon API Gateway dimensions and metrics: ApiName and Stage.
        cloudwatch = self.client("cloudwatch")
        by_stage = [{"Name": "ApiName", "Value": "metered"}, {"Name": "Stage", "Value": "prod"}]
        for metric, expected in (("Count", 3), ("4XXError", 1), ("5XXError", 0)):
            found = cloudwatch.list_metrics(
                Namespace="AWS/ApiGateway", MetricName=metric, Dimensions=by_stage
            )["Metrics"]
            self.assertEqual(len(found), 1, metric)
            data = self.sums(metric, by_stage)
            self.assertEqual(data, expected, metric)

    def sums(self, metric, dimensions):
        """The sum of a metric around now."""
        now = self.now()
        points = self.client("cloudwatch").get_metric_statistics(
            Namespace="AWS/ApiGateway",
            MetricName=metric,
            Dimensions=dimensions,
            StartTime=now - 600,
            EndTime=now + 600,
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return sum(point["Sum"] for point in points)

    def test_data_a_disabled_endpoint_answers_nobody(self):
        api, root = self.api()
        self.mock(api, root, body="{}")
        self.deploy(api)
        self.gateway.update_rest_api(
            patchOperations=patch(("replace", "/disableExecuteApiEndpoint", "true")), **api
        )
        self.deploy(api)
        self.gets((403, "Forbidden"), api)

    def test_data_paths_are_matched_by_the_most_exact_resource(self):
        api, root = self.api()

        def child(parent, part):
            return self.gateway.create_resource(parentId=parent, pathPart=part, **api)["id"]

        a = child(root, "a")
        self.mock(api, a, "GET", body='{"is":"a"}')
        one = child(a, "{one}")
        self.mock(api, one, "ANY", body='{"is":"one","at":"$context.resourcePath"}')
        self.mock(api, one, "PUT", body='{"is":"put"}')
        self.mock(api, child(root, "{proxy+}"), "ANY", body='{"is":"proxy"}')
        self.deploy(api)
        for method, path, expected in (
            ("GET", "/a", {"is": "a"}),
            ("GET", "/a/b", {"is": "one", "at": "/a/{one}"}),
            ("PUT", "/a/b", {"is": "put"}),
            ("GET", "/c", {"is": "proxy"}),
            ("DELETE", "/c/d/e", {"is": "proxy"}),
        ):
            status, _, body = self.ask(api, path, method=method)
            self.assertEqual((status, body), (200, expected), f"{method} {path}")
        # A greedy path has something to take.
        self.gets((403, "Missing Authentication Token"), api, "/")

    def test_data_integrations_that_pass_nothing_through(self):
        """MOCK with a template for one content type only: "Integration passthrough behaviors"."""
        api, root = self.api()
        at = self.mock(api, root, "POST", body='{"ok":true}')
        for behavior, status in (("NEVER", 415), ("WHEN_NO_TEMPLATES", 415)):
            self.gateway.update_integration(
                patchOperations=patch(("replace", "/passthroughBehavior", behavior)), **at
            )
            self.deploy(api)
            self.assertEqual(self.ask(api, method="POST", body={})[0], 200, behavior)
            answer = self.ask(api, method="POST", body={}, **{"Content-Type": "text/plain"})
            self.assertEqual(
                (answer[0], answer[2]), (status, {"message": "Unsupported Media Type"}), behavior
            )

    def test_data_mock_statuses_are_mapped(self):
        api, root = self.api()
        for sent in ("200", "404", "418"):
            resource = self.gateway.create_resource(parentId=root, pathPart=sent, **api)["id"]
            at = self.mock(api, resource, "GET", body='{"is":"default"}')
            template = (
                "replace",
                "/requestTemplates/application~1json",
                f'{{"statusCode": {sent}}}',
            )
            self.gateway.update_integration(patchOperations=patch(template), **at)
            self.gateway.put_method_response(
                statusCode="404", responseParameters={"method.response.header.X-Own": True}, **at
            )
            self.gateway.put_integration_response(
                statusCode="404",
                selectionPattern="4..",
                responseTemplates={"application/json": '{"is":"4"}'},
                responseParameters={"method.response.header.X-Own": "'own'"},
                **at,
            )
        self.deploy(api)
        for sent, status, body in (("200", 200, "default"), ("404", 404, "4"), ("418", 404, "4")):
            found, headers, said = self.ask(api, f"/{sent}")
            self.assertEqual((found, said), (status, {"is": body}), sent)
            self.assertEqual(headers["X-Own"], "own" if status == 404 else None)

    def test_data_methods_have_throttles_of_their_own(self):
        api, root = self.api()
        for method in ("GET", "PUT"):
            self.mock(api, root, method, body="{}")
        self.deploy(api)
        self.gateway.update_stage(
            stageName="prod",
            patchOperations=patch(
                ("replace", "/*/*/throttling/rateLimit", "100"),
                ("replace", "/*/*/throttling/burstLimit", "100"),
                ("replace", "/~1/GET/throttling/rateLimit", "0.001"),
                ("replace", "/~1/GET/throttling/burstLimit", "1"),
            ),
            **api,
        )
        self.assertEqual([self.ask(api)[0] for _ in range(2)], [200, 429])
        self.assertEqual([self.ask(api, method="PUT")[0] for _ in range(5)], [200] * 5)

    def test_data_what_is_not_modelled_is_refused_by_name(self):
        api, root = self.api()
        for part, method, changes, named in (
            ("iam", "GET", [("replace", "/authorizationType", "AWS_IAM")], "AWS_IAM"),
            ("key", "GET", [("replace", "/apiKeyRequired", "true")], "API key"),
        ):
            resource = self.gateway.create_resource(parentId=root, pathPart=part, **api)["id"]
            at = self.mock(api, resource, method, body="{}")
            self.gateway.update_method(patchOperations=patch(*changes), **at)
            self.deploy(api)
            # Better no answer than one that lets in whom AWS would refuse.
            status, _, body = self.ask(api, f"/{part}")
            self.assertIn(status, (403, 501))
            if status == 501:
                self.assertIn(named.lower(), body["message"].lower())
        resource = self.gateway.create_resource(parentId=root, pathPart="vtl", **api)["id"]
        self.mock(api, resource, body="#set($x = 1)$x")
        self.deploy(api)
        status, _, body = self.ask(api, "/vtl")
        self.assertEqual(status, 501)
        self.assertIn("VTL", body["message"])
