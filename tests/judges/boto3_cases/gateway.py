"""API Gateway: definitions are read back as they were written, and deployed as they were then."""

import json

from .base import Case

PROXY = "arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/{}/invocations"


def patch(*changes):
    """Patch operations, as (op, path) or (op, path, value)."""
    return [dict(zip(("op", "path", "value"), change, strict=False)) for change in changes]


class GatewayCase(Case):
    """What cases on REST APIs share."""

    def setUp(self):
        super().setUp()
        self.gateway = self.client("apigateway")

    def api(self, name="judged", **more):
        """A new API's id as parameter, and its root resource."""
        made = self.gateway.create_rest_api(name=name, **more)
        return {"restApiId": made["id"]}, made["rootResourceId"]

    def arn(self, api, rest=""):
        return f"arn:aws:apigateway:us-east-1::/restapis/{api['restApiId']}{rest}"

    def plain(self, answer):
        return {key: value for key, value in answer.items() if key != "ResponseMetadata"}

    def reads_back(self, operation, made, **params):
        """Fails unless the Get operation answers what the writing one did."""
        self.assertEqual(self.plain(getattr(self.gateway, operation)(**params)), self.plain(made))

    def patched(self, operation, *changes, **params):
        return self.plain(
            getattr(self.gateway, operation)(patchOperations=patch(*changes), **params)
        )

    def mock(self, api, resource, method="GET", body='{"answer":"$context.stage"}', status=200):
        """A method that answers by itself."""
        at = api | {"resourceId": resource, "httpMethod": method}
        self.gateway.put_method(authorizationType="NONE", **at)
        template = {"application/json": json.dumps({"statusCode": status})}
        self.gateway.put_integration(type="MOCK", requestTemplates=template, **at)
        self.gateway.put_method_response(statusCode=str(status), **at)
        self.gateway.put_integration_response(
            statusCode=str(status), responseTemplates={"application/json": body}, **at
        )
        return at


class Gateway(GatewayCase):
    """Each test in an account of its own."""

    def test_gateway_apis_are_read_back(self):
        gateway = self.gateway
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": "execute-api:Invoke",
                    "Resource": "execute-api:/prod/POST/*",
                }
            ],
        }
        given = {
            "name": "judged",
            "description": "what <&> é",
            "version": "1",
            "binaryMediaTypes": ["image/png"],
            "minimumCompressionSize": 100,
            "apiKeySource": "HEADER",
            "endpointConfiguration": {"types": ["REGIONAL"], "ipAddressType": "dualstack"},
            "securityPolicy": "SecurityPolicy_TLS13_1_3_2025_09",
            "endpointAccessMode": "BASIC",
            "disableExecuteApiEndpoint": True,
            "tags": {"a": "1"},
        }
        made = gateway.create_rest_api(policy=json.dumps(policy), **given)
        for name, value in given.items():
            self.assertEqual(made[name], value, name)
        api = {"restApiId": made["id"]}
        self.reads_back("get_rest_api", made, **api)
        # AWS shows the policy as text within text: its quotes are escaped once more; and short ARNs long.
        shown = json.loads(json.loads(f'"{made["policy"]}"'))
        self.assertEqual(
            shown["Statement"][0]["Resource"],
            f"arn:aws:execute-api:us-east-1:{self.account}:{made['id']}/prod/POST/*",
        )
        changed = self.patched(
            "update_rest_api",
            ("replace", "/name", "other"),
            ("replace", "/description", "changed"),
            ("replace", "/endpointConfiguration/ipAddressType", "ipv4"),
            ("add", "/binaryMediaTypes/image~1gif"),
            ("remove", "/binaryMediaTypes/image~1png"),
            ("replace", "/disableExecuteApiEndpoint", "false"),
            **api,
        )
        self.assertEqual(
            {
                name: changed[name]
                for name in ("name", "description", "binaryMediaTypes", "disableExecuteApiEndpoint")
            },
            {
                "name": "other",
                "description": "changed",
                "binaryMediaTypes": ["image/gif"],
                "disableExecuteApiEndpoint": False,
            },
        )
        self.assertEqual(changed["endpointConfiguration"]["ipAddressType"], "ipv4")
        self.assertEqual(changed["securityPolicy"], given["securityPolicy"])
        self.reads_back("get_rest_api", changed, **api)
        for wrong in (
            ("replace", "/never", "1"),
            ("replace", "/disableExecuteApiEndpoint", "perhaps"),
            ("replace", "/policy", "{"),
            ("replace", "/endpointAccessMode", "OPEN"),
        ):
            self.refused(
                "BadRequestException",
                gateway.update_rest_api,
                patchOperations=patch(wrong),
                **api,
            )
        self.reads_back("get_rest_api", changed, **api)
        # Names need not be unique.
        self.api("other")
        self.api("third")
        items, pages = self.pages(gateway, "get_rest_apis", "items", 1)
        self.assertEqual(
            (sorted(one["name"] for one in items), pages), (["other", "other", "third"], 3)
        )
        gateway.delete_rest_api(**api)
        self.refused("NotFoundException", gateway.get_rest_api, **api)
        self.refused("NotFoundException", gateway.delete_rest_api, **api)
        self.refused("NotFoundException", gateway.get_resources, **api)

    def test_gateway_resources_are_a_tree(self):
        gateway, (api, root) = self.gateway, self.api()
        a = gateway.create_resource(parentId=root, pathPart="a", **api)
        self.assertEqual((a["path"], a["parentId"]), ("/a", root))
        b = gateway.create_resource(parentId=a["id"], pathPart="{b+}", **api)
        self.assertEqual(b["path"], "/a/{b+}")
        self.reads_back("get_resource", b, resourceId=b["id"], **api)
        for parent, part, code in (
            (root, "a", "ConflictException"),
            (a["id"], "{c}", "BadRequestException"),
            (b["id"], "d", "BadRequestException"),
            (root, "a b", "BadRequestException"),
            ("never", "d", "NotFoundException"),
        ):
            self.refused(code, gateway.create_resource, parentId=parent, pathPart=part, **api)
        self.patched("update_resource", ("replace", "/pathPart", "z"), resourceId=a["id"], **api)
        self.assertEqual(gateway.get_resource(resourceId=b["id"], **api)["path"], "/z/{b+}")
        items, pages = self.pages(gateway, "get_resources", "items", 1, **api)
        self.assertEqual((sorted(one["path"] for one in items), pages), (["/", "/z", "/z/{b+}"], 3))
        self.mock(api, a["id"], "GET")
        plain = gateway.get_resource(resourceId=a["id"], **api)["resourceMethods"]
        self.assertEqual(plain, {"GET": {}})
        (full,) = [
            one
            for one in gateway.get_resources(embed=["methods"], **api)["items"]
            if one["id"] == a["id"]
        ]
        self.assertEqual(full["resourceMethods"]["GET"]["methodIntegration"]["type"], "MOCK")
        self.refused("BadRequestException", gateway.delete_resource, resourceId=root, **api)
        # What is below goes with it.
        gateway.delete_resource(resourceId=a["id"], **api)
        for gone in (a, b):
            self.refused("NotFoundException", gateway.get_resource, resourceId=gone["id"], **api)

    def test_gateway_methods_are_read_back(self):
        gateway, (api, root) = self.gateway, self.api()
        gateway.create_model(name="Update", contentType="application/json", schema="{}", **api)
        validator = gateway.create_request_validator(name="body", validateRequestBody=True, **api)[
            "id"
        ]
        at = api | {"resourceId": root, "httpMethod": "POST"}
        given = {
            "authorizationType": "NONE",
            "apiKeyRequired": False,
            "operationName": "update",
            "requestParameters": {"method.request.header.X-A": True},
            "requestModels": {"application/json": "Update"},
            "requestValidatorId": validator,
        }
        for wrong in (
            {"authorizationType": "MAYBE"},
            {"requestValidatorId": "never"},
            {"requestModels": {"application/json": "Never"}},
            {"requestParameters": {"header.x": True}},
        ):
            self.refused("BadRequestException", gateway.put_method, **at, **given | wrong)
        made = gateway.put_method(**at, **given)
        for name, value in given.items():
            self.assertEqual(made[name], value, name)
        self.reads_back("get_method", made, **at)
        self.refused("ConflictException", gateway.put_method, **at, **given)
        self.refused("ConflictException", gateway.delete_model, modelName="Update", **api)
        self.refused(
            "ConflictException",
            gateway.delete_request_validator,
            requestValidatorId=validator,
            **api,
        )
        changed = self.patched(
            "update_method",
            ("replace", "/operationName", "other"),
            ("remove", "/requestParameters/method.request.header.X-A"),
            ("add", "/requestParameters/method.request.querystring.q", "false"),
            **at,
        )
        self.assertEqual(
            (changed["operationName"], changed["requestParameters"]),
            ("other", {"method.request.querystring.q": False}),
        )
        self.reads_back("get_method", changed, **at)
        response = gateway.put_method_response(
            statusCode="200",
            responseParameters={"method.response.header.X": True},
            responseModels={"application/json": "Update"},
            **at,
        )
        self.reads_back("get_method_response", response, statusCode="200", **at)
        self.refused("ConflictException", gateway.put_method_response, statusCode="200", **at)
        self.refused("NotFoundException", gateway.get_method_response, statusCode="201", **at)
        self.assertEqual(list(gateway.get_method(**at)["methodResponses"]), ["200"])
        gateway.delete_method_response(statusCode="200", **at)
        self.refused("NotFoundException", gateway.get_method_response, statusCode="200", **at)
        gateway.delete_method(**at)
        self.refused("NotFoundException", gateway.get_method, **at)
        self.refused("NotFoundException", gateway.get_integration, **at)

    def test_gateway_integrations_are_read_back(self):
        gateway, (api, root) = self.gateway, self.api()
        at = api | {"resourceId": root, "httpMethod": "POST"}
        function = f"arn:aws:lambda:us-east-1:{self.account}:function:judged"
        uri = PROXY.format(function)
        given = {
            "type": "AWS_PROXY",
            "uri": uri,
            "passthroughBehavior": "NEVER",
            "timeoutInMillis": 10000,
        }
        # No integration without a method.
        self.refused(
            "NotFoundException",
            gateway.put_integration,
            integrationHttpMethod="POST",
            **at,
            **given,
        )
        gateway.put_method(authorizationType="NONE", **at)
        for wrong in (
            {"uri": function},
            {"uri": uri.replace(":lambda:path", ":never:path")},
            {"timeoutInMillis": 49},
            {"timeoutInMillis": 29001},
            {"passthroughBehavior": "PERHAPS"},
            # A role of another account cannot be passed (IAM User Guide, "Pass a role").
            {"credentials": "arn:aws:iam::999999999999:role/theirs"},
        ):
            self.refused(
                "AccessDeniedException" if "credentials" in wrong else "BadRequestException",
                gateway.put_integration,
                integrationHttpMethod="POST",
                **at,
                **given | wrong,
            )
        made = gateway.put_integration(integrationHttpMethod="POST", **at, **given)
        for name, value in given.items():
            self.assertEqual(made[name], value, name)
        # A known oddity: what is put as integrationHttpMethod is answered as httpMethod.
        self.assertEqual(made["httpMethod"], "POST")
        self.reads_back("get_integration", made, **at)
        changed = self.patched(
            "update_integration",
            ("replace", "/timeoutInMillis", "5000"),
            ("add", "/requestTemplates/application~1json", "{}"),
            **at,
        )
        self.assertEqual(
            (changed["timeoutInMillis"], changed["requestTemplates"]),
            (5000, {"application/json": "{}"}),
        )
        self.reads_back("get_integration", changed, **at)
        self.assertEqual(gateway.get_method(**at)["methodIntegration"]["uri"], uri)
        # An integration response maps to a method response, which must be there.
        mapping = {
            "statusCode": "200",
            "selectionPattern": "2..",
            "responseTemplates": {"application/json": "{}"},
            "contentHandling": "CONVERT_TO_TEXT",
        }
        self.refused("NotFoundException", gateway.put_integration_response, **at, **mapping)
        gateway.put_method_response(statusCode="200", **at)
        response = gateway.put_integration_response(**at, **mapping)
        for name, value in mapping.items():
            self.assertEqual(response[name], value, name)
        self.reads_back("get_integration_response", response, statusCode="200", **at)
        gateway.delete_integration_response(statusCode="200", **at)
        self.refused("NotFoundException", gateway.get_integration_response, statusCode="200", **at)
        gateway.delete_integration(**at)
        self.refused("NotFoundException", gateway.get_integration, **at)

    def test_gateway_models_validators_and_authorizers(self):
        gateway, (api, _) = self.gateway, self.api()
        # A new API has these two models (API Gateway Developer Guide, "Models").
        self.assertEqual(
            sorted(one["name"] for one in gateway.get_models(**api)["items"]), ["Empty", "Error"]
        )
        model = gateway.create_model(
            name="Update",
            contentType="application/json",
            description="a",
            schema='{"type": "object"}',
            **api,
        )
        self.assertEqual((model["schema"], model["description"]), ('{"type": "object"}', "a"))
        self.reads_back("get_model", model, modelName="Update", **api)
        self.refused(
            "ConflictException",
            gateway.create_model,
            name="Update",
            contentType="application/json",
            schema="{}",
            **api,
        )
        for wrong in ({"name": "not-alphanumeric"}, {"schema": "{"}, {"schema": '{"type": "odd"}'}):
            self.refused(
                "BadRequestException",
                gateway.create_model,
                **{"name": "New", "contentType": "application/json", "schema": "{}"} | wrong,
                **api,
            )
        changed = self.patched(
            "update_model",
            ("replace", "/schema", '{"type":"array"}'),
            ("replace", "/description", "b"),
            modelName="Update",
            **api,
        )
        self.assertEqual((changed["schema"], changed["description"]), ('{"type":"array"}', "b"))
        items, pages = self.pages(gateway, "get_models", "items", 2, **api)
        self.assertEqual((len(items), pages), (3, 2))
        gateway.delete_model(modelName="Update", **api)
        self.refused("NotFoundException", gateway.get_model, modelName="Update", **api)

        validator = gateway.create_request_validator(name="v", validateRequestBody=True, **api)
        self.assertEqual(
            (validator["validateRequestBody"], validator["validateRequestParameters"]),
            (True, False),
        )
        named = {"requestValidatorId": validator["id"]} | api
        changed = self.patched(
            "update_request_validator",
            ("replace", "/validateRequestParameters", "true"),
            ("replace", "/name", "w"),
            **named,
        )
        self.assertEqual((changed["validateRequestParameters"], changed["name"]), (True, "w"))
        self.reads_back("get_request_validator", changed, **named)
        self.assertEqual(gateway.get_request_validators(**api)["items"], [changed])
        gateway.delete_request_validator(**named)
        self.refused("NotFoundException", gateway.get_request_validator, **named)

        function = f"arn:aws:lambda:us-east-1:{self.account}:function:judged"
        given = {
            "name": "asks",
            "type": "TOKEN",
            "identitySource": "method.request.header.Authorization",
            "authorizerUri": PROXY.format(function),
            "authorizerResultTtlInSeconds": 60,
        }
        made = gateway.create_authorizer(**api, **given)
        for name, value in given.items():
            self.assertEqual(made[name], value, name)
        self.assertEqual(gateway.get_authorizers(**api)["items"], [self.plain(made)])
        self.refused(
            "BadRequestException", gateway.create_authorizer, **api, **given | {"type": "ODD"}
        )
        gateway.delete_authorizer(authorizerId=made["id"], **api)
        self.assertEqual(gateway.get_authorizers(**api)["items"], [])
        self.refused("NotFoundException", gateway.delete_authorizer, authorizerId=made["id"], **api)

    def test_gateway_responses_are_read_back(self):
        gateway, (api, _) = self.gateway, self.api()
        listed = gateway.get_gateway_responses(**api)["items"]
        self.assertTrue(all(one["defaultResponse"] for one in listed))
        kinds = {one["responseType"] for one in listed}
        # Every type of AWS's model has its default.
        model = gateway.meta.service_model.shape_for("GatewayResponseType")
        self.assertEqual(kinds, set(model.enum))
        # Gateway response types for API Gateway: the documented default status codes.
        for kind, status in {
            "THROTTLED": "429",
            "QUOTA_EXCEEDED": "429",
            "BAD_REQUEST_BODY": "400",
            "BAD_REQUEST_PARAMETERS": "400",
            "MISSING_AUTHENTICATION_TOKEN": "403",
            "ACCESS_DENIED": "403",
            "UNAUTHORIZED": "401",
            "INTEGRATION_TIMEOUT": "504",
            "INTEGRATION_FAILURE": "504",
            "REQUEST_TOO_LARGE": "413",
            "UNSUPPORTED_MEDIA_TYPE": "415",
            "RESOURCE_NOT_FOUND": "404",
        }.items():
            found = gateway.get_gateway_response(responseType=kind, **api)
            self.assertEqual((kind, found["statusCode"]), (kind, status))
        given = {
            "responseType": "THROTTLED",
            "statusCode": "503",
            "responseParameters": {"gatewayresponse.header.Retry-After": "'1'"},
            "responseTemplates": {"application/json": '{"code":"busy"}'},
        }
        made = gateway.put_gateway_response(**api, **given)
        self.assertEqual(self.plain(made), given | {"defaultResponse": False})
        self.reads_back("get_gateway_response", made, responseType="THROTTLED", **api)
        self.refused(
            "BadRequestException",
            gateway.put_gateway_response,
            **given | {"responseType": "NEVER"},
            **api,
        )
        gateway.delete_gateway_response(responseType="THROTTLED", **api)
        again = gateway.get_gateway_response(responseType="THROTTLED", **api)
        self.assertEqual((again["statusCode"], again["defaultResponse"]), ("429", True))
        self.refused(
            "NotFoundException", gateway.delete_gateway_response, responseType="THROTTLED", **api
        )

    def test_gateway_stages_and_deployments_are_read_back(self):
        gateway, (api, root) = self.gateway, self.api()
        self.refused("BadRequestException", gateway.create_deployment, **api)
        at = api | {"resourceId": root, "httpMethod": "GET"}
        gateway.put_method(authorizationType="NONE", **at)
        # Neither without methods nor with one that leads nowhere.
        self.refused("BadRequestException", gateway.create_deployment, **api)
        gateway.delete_method(**at)
        self.mock(api, root)
        first = gateway.create_deployment(description="first", **api)
        self.reads_back("get_deployment", first, deploymentId=first["id"], **api)
        seen = gateway.get_deployment(deploymentId=first["id"], embed=["apisummary"], **api)
        self.assertEqual(
            seen["apiSummary"],
            {"/": {"GET": {"authorizationType": "NONE", "apiKeyRequired": False}}},
        )
        given = {
            "stageName": "prod",
            "description": "judged",
            "variables": {"v": "1"},
            "tracingEnabled": True,
            "tags": {"a": "1"},
        }
        self.refused(
            "BadRequestException", gateway.create_stage, deploymentId="never", **api, **given
        )
        made = gateway.create_stage(deploymentId=first["id"], **api, **given)
        for name, value in given.items():
            self.assertEqual(made[name], value, name)
        self.assertEqual((made["deploymentId"], made["methodSettings"]), (first["id"], {}))
        stage = api | {"stageName": "prod"}
        self.reads_back("get_stage", made, **stage)
        self.refused("ConflictException", gateway.create_stage, deploymentId=first["id"], **stage)
        self.refused(
            "BadRequestException",
            gateway.create_stage,
            deploymentId=first["id"],
            stageName="a b",
            **api,
        )
        second = gateway.create_deployment(description="second", **api)
        self.assertEqual(gateway.get_stage(**stage)["deploymentId"], first["id"])
        changed = self.patched(
            "update_stage",
            ("replace", "/deploymentId", second["id"]),
            ("replace", "/variables/v", "2"),
            ("replace", "/*/*/throttling/rateLimit", "5.5"),
            ("replace", "/*/*/throttling/burstLimit", "10"),
            ("replace", "/*/*/metrics/enabled", "true"),
            ("replace", "/~1a/GET/throttling/rateLimit", "1"),
            **stage,
        )
        self.assertEqual(
            (changed["deploymentId"], changed["variables"]), (second["id"], {"v": "2"})
        )
        every = changed["methodSettings"]["*/*"]
        self.assertEqual(
            (every["throttlingRateLimit"], every["throttlingBurstLimit"], every["metricsEnabled"]),
            (5.5, 10, True),
        )
        # The key as in the example of get-stage in the AWS CLI's reference.
        self.assertEqual(changed["methodSettings"]["~1a/GET"]["throttlingRateLimit"], 1.0)
        self.reads_back("get_stage", changed, **stage)
        for wrong in (
            ("replace", "/never", "1"),
            ("replace", "/*/*/throttling/rateLimit", "many"),
            ("replace", "/*/*/logging/loglevel", "LOUD"),
            ("replace", "/deploymentId", "never"),
        ):
            self.refused(
                "BadRequestException", gateway.update_stage, patchOperations=patch(wrong), **stage
            )
        self.reads_back("get_stage", changed, **stage)
        self.assertEqual([one["stageName"] for one in gateway.get_stages(**api)["item"]], ["prod"])
        self.assertEqual(gateway.get_stages(deploymentId=first["id"], **api)["item"], [])
        self.patched(
            "update_deployment",
            ("replace", "/description", "changed"),
            deploymentId=second["id"],
            **api,
        )
        items, pages = self.pages(gateway, "get_deployments", "items", 1, **api)
        self.assertEqual(({one["description"] for one in items}, pages), ({"first", "changed"}, 2))
        # What a stage shows cannot go.
        self.refused(
            "BadRequestException", gateway.delete_deployment, deploymentId=second["id"], **api
        )
        gateway.delete_deployment(deploymentId=first["id"], **api)
        self.refused("NotFoundException", gateway.get_deployment, deploymentId=first["id"], **api)
        gateway.delete_stage(**stage)
        self.refused("NotFoundException", gateway.get_stage, **stage)
        gateway.delete_deployment(deploymentId=second["id"], **api)

    def test_gateway_logging_needs_a_role_of_the_account(self):
        gateway, (api, root) = self.gateway, self.api()
        self.mock(api, root)
        gateway.create_deployment(stageName="prod", **api)
        stage = api | {"stageName": "prod"}
        group = f"arn:aws:logs:us-east-1:{self.account}:log-group:/judged"
        self.client("logs").create_log_group(logGroupName="/judged")
        wanted = [
            ("replace", "/accessLogSettings/destinationArn", group),
            ("replace", "/accessLogSettings/format", "$context.requestId $context.status"),
        ]
        self.assertNotIn("cloudwatchRoleArn", gateway.get_account())
        error = self.refused(
            "BadRequestException", gateway.update_stage, patchOperations=patch(*wanted), **stage
        )
        self.assertIn("CloudWatch Logs role ARN must be set", error["Error"]["Message"])
        iam = self.client("iam")
        set_role = ("replace", "/cloudwatchRoleArn")
        for service, is_fit in (("lambda", False), ("apigateway", True)):
            trust = {
                "Effect": "Allow",
                "Principal": {"Service": f"{service}.amazonaws.com"},
                "Action": "sts:AssumeRole",
            }
            role = iam.create_role(
                RoleName=service,
                AssumeRolePolicyDocument=json.dumps(
                    {"Version": "2012-10-17", "Statement": [trust]}
                ),
            )["Role"]["Arn"]
            iam.attach_role_policy(
                RoleName=service,
                PolicyArn="arn:aws:iam::aws:policy/service-role/"
                "AmazonAPIGatewayPushToCloudWatchLogs",
            )
            if is_fit:
                self.patched("update_account", (*set_role, role))
            else:
                self.refused(
                    "BadRequestException",
                    gateway.update_account,
                    patchOperations=patch((*set_role, role)),
                )
        self.assertEqual(gateway.get_account()["cloudwatchRoleArn"], role)
        changed = self.patched("update_stage", *wanted, **stage)
        self.assertEqual(
            changed["accessLogSettings"],
            {"destinationArn": group, "format": "$context.requestId $context.status"},
        )
        self.reads_back("get_stage", changed, **stage)
        # A line that nobody can tell from another's is refused.
        self.refused(
            "BadRequestException",
            gateway.update_stage,
            patchOperations=patch(("replace", "/accessLogSettings/format", "$context.status")),
            **stage,
        )
        changed = self.patched("update_stage", ("remove", "/accessLogSettings"), **stage)
        self.assertNotIn("accessLogSettings", changed)

    def test_gateway_tags(self):
        gateway, (api, root) = self.gateway, self.api(tags={"a": "1", "b": "2"})
        self.mock(api, root)
        deployment = gateway.create_deployment(**api)["id"]
        gateway.create_stage(stageName="prod", deploymentId=deployment, tags={"s": "1"}, **api)
        arn, stage = self.arn(api), self.arn(api, "/stages/prod")
        gateway.tag_resource(resourceArn=arn, tags={"b": "3", "c": ""})
        gateway.untag_resource(resourceArn=arn, tagKeys=["a", "never"])
        self.assertEqual(gateway.get_tags(resourceArn=arn)["tags"], {"b": "3", "c": ""})
        self.assertEqual(gateway.get_rest_api(**api)["tags"], {"b": "3", "c": ""})
        self.assertEqual(gateway.get_tags(resourceArn=stage)["tags"], {"s": "1"})
        found = self.client("resourcegroupstaggingapi").get_resources(
            ResourceTypeFilters=["apigateway"]
        )["ResourceTagMappingList"]
        self.assertEqual({one["ResourceARN"] for one in found}, {arn, stage})
        self.refused(
            "NotFoundException", gateway.get_tags, resourceArn=self.arn({"restApiId": "never"})
        )
        self.assertEqual(gateway.get_client_certificates()["items"], [])

    def test_gateway_definitions_go_out_and_in(self):
        gateway, (api, root) = self.gateway, self.api()
        a = gateway.create_resource(parentId=root, pathPart="a", **api)["id"]
        gateway.create_model(
            name="Update",
            contentType="application/json",
            schema='{"type":"object","required":["x"]}',
            **api,
        )
        self.mock(api, a, "POST")
        self.patched(
            "update_method",
            ("add", "/requestModels/application~1json", "Update"),
            resourceId=a,
            httpMethod="POST",
            **api,
        )
        gateway.create_deployment(stageName="prod", **api)
        exported = gateway.get_export(
            stageName="prod",
            exportType="oas30",
            parameters={"extensions": "apigateway"},
            accepts="application/json",
            **api,
        )
        self.assertEqual(exported["contentType"], "application/json")
        text = exported["body"].read()
        body = json.loads(text)
        self.assertTrue(body["openapi"].startswith("3.0"))
        self.assertEqual(body["info"]["title"], "judged")
        method = body["paths"]["/a"]["post"]
        self.assertEqual(
            method["requestBody"]["content"]["application/json"]["schema"],
            {"$ref": "#/components/schemas/Update"},
        )
        self.assertEqual(body["components"]["schemas"]["Update"]["required"], ["x"])
        self.assertEqual(method["x-amazon-apigateway-integration"]["type"].upper(), "MOCK")

        def shape(api):
            """What of an API is a definition, by path."""
            found = {}
            for one in gateway.get_resources(embed=["methods"], **api)["items"]:
                for verb, method in one.get("resourceMethods", {}).items():
                    integration = method["methodIntegration"]
                    found[one["path"], verb] = (
                        method.get("requestModels", {}),
                        integration["type"],
                        integration["requestTemplates"],
                        integration["integrationResponses"]["200"]["responseTemplates"],
                    )
            return found

        made = gateway.import_rest_api(
            body=text, parameters={"endpointConfigurationTypes": "REGIONAL"}
        )
        other = {"restApiId": made["id"]}
        self.assertEqual(made["endpointConfiguration"]["types"], ["REGIONAL"])
        self.assertEqual(made["name"], "judged")
        self.assertEqual(shape(other), shape(api))
        # `overwrite` takes away what the document does not have; `merge` does not.
        extra = gateway.create_resource(parentId=made["rootResourceId"], pathPart="b", **other)
        self.mock(other, extra["id"])
        gateway.put_rest_api(mode="merge", body=text, **other)
        self.assertIn(("/b", "GET"), shape(other))
        gateway.put_rest_api(mode="overwrite", body=text, **other)
        self.assertEqual(shape(other), shape(api))
        self.refused("BadRequestException", gateway.import_rest_api, body=b"{")
        self.refused(
            "NotFoundException",
            gateway.get_export,
            stageName="never",
            exportType="oas30",
            **api,
        )
