"""Every out-of-band edit is found by attribute name and repaired.

One served stack is edited with boto3, one edit at a time. The plan after an edit must name exactly
the attributes that are listed here by hand, and nothing else, which also shows that every edit before
was repaired; after `apply --yes` boto3 must read what was there before. Edits that the tool must not
undo by itself have to block, with the reason named here.
"""

import contextlib
import io
import json
import pathlib
import unittest
import zipfile

import spore

DOMAIN = "spore.example.edu"
DOCUMENT = spore.ROOT / "plans" / f"{DOMAIN}.toml"
ROLE = FUNCTION = "spore-spore_example_edu-updater"
API = "spore-spore_example_edu"
METHOD = "/update-dns.POST"
UPDATER_LOGS = f"/spore-infra/{DOMAIN}/updater"
API_LOGS = f"/spore-infra/{DOMAIN}/api"
JOURNAL = f"/spore-infra/{DOMAIN}"
KSK_ALIAS = "alias/spore-spore_example_edu"
LOGS_ALIAS = "alias/spore-spore_example_edu-logs"
ALARMS = f"spore/{DOMAIN}/"
FOREIGN = "arn:aws:iam::999999999999:root"
TAG = "spore:managed-by"


def allow(action, resource="*", **more):
    """A policy of one statement."""
    statement = {"Effect": "Allow", "Action": action, "Resource": resource, **more}
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def also(policy, **statement):
    """A policy with one more statement."""
    policy = json.loads(policy) if isinstance(policy, str) else json.loads(json.dumps(policy))
    policy["Statement"].append({"Effect": "Allow", **statement})
    return json.dumps(policy)


def statements(policy):
    """The statements of a policy by Sid."""
    policy = json.loads(policy) if isinstance(policy, str) else policy
    return {statement.get("Sid"): statement for statement in policy["Statement"]}


class World:
    """The served stack."""

    def __init__(self):
        self.stack = contextlib.ExitStack()
        self.place, self.server = self.stack.enter_context(
            spore.serving("--profile", "instant")
        )
        self.clients = {}
        try:
            self.keys = {name: self.principal(name) for name in ("reader", "operator")}
            self.run("apply", "--yes").expect(0)
            apis = self.apigateway.get_rest_apis()["items"]
            self.api = next(api["id"] for api in apis if api["name"] == API)
            paths = self.apigateway.get_resources(restApiId=self.api)["items"]
            self.paths = {path["path"]: path["id"] for path in paths}
            zones = self.route53.list_hosted_zones_by_name(DNSName=DOMAIN)["HostedZones"]
            self.zone = zones[0]["Id"].removeprefix("/hostedzone/")
        except BaseException:
            self.stack.close()
            raise

    def __getattr__(self, service):
        """A boto3 client by its service's name."""
        if service not in self.clients:
            self.clients[service] = self.server.client(
                {"awslambda": "lambda"}.get(service, service)
            )
        return self.clients[service]

    def principal(self, name):
        """A session of a role with exactly what `spore-infra policy` prints for who runs the tool."""
        written = self.place.run("policy", name, DOCUMENT, "--out", self.place.dir).expect(0)
        trust = {"Effect": "Allow", "Principal": {"AWS": spore.ACCOUNT}, "Action": "sts:AssumeRole"}
        role = self.iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=json.dumps({"Version": "2012-10-17", "Statement": [trust]}),
        )["Role"]
        for path in map(pathlib.Path, written.out.split()):
            policy = self.iam.create_policy(PolicyName=path.stem, PolicyDocument=path.read_text())
            self.iam.attach_role_policy(RoleName=name, PolicyArn=policy["Policy"]["Arn"])
        # The root of an account cannot assume roles.
        self.iam.create_user(UserName=f"as-{name}")
        self.iam.put_user_policy(
            UserName=f"as-{name}", PolicyName="assume", PolicyDocument=allow("sts:AssumeRole")
        )
        key = self.iam.create_access_key(UserName=f"as-{name}")["AccessKey"]
        sts = self.server.client("sts", key["AccessKeyId"], key["SecretAccessKey"])
        given = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="judge")["Credentials"]
        return given["AccessKeyId"], given["SecretAccessKey"], given["SessionToken"]

    def run(self, *args):
        """A command, by one who may do that and nothing more."""
        key, secret, token = self.keys["reader" if args[0] == "plan" else "operator"]
        session = {"AWS_SESSION_TOKEN": token}
        return self.place.run(args[0], DOCUMENT, *args[1:], **self.server.env(key, secret), **session)

    def plan(self, whole=False):
        """What a plan would change: {address: (symbol, {attributes})}, and the whole plan.

        Only a plan that is kept reads what costs calls of its own.
        """
        kept = ("--out", self.place.dir / "kept.plan") if whole else ()
        result = self.run("plan", "--json", *kept)
        if result.exit not in (0, 1):
            result.expect(0)
        plan = json.loads(result.out)
        # A plan that is blocked anywhere is an error.
        result.expect(1 if plan["blocked"] else 0)
        changes = {
            change["address"]: (change["symbol"], {field["name"] for field in change["fields"]})
            for change in plan["changes"]
        }
        return changes, plan

    def function(self):
        return self.awslambda.get_function_configuration(FunctionName=FUNCTION)

    def role(self):
        return self.iam.get_role(RoleName=ROLE)["Role"]

    def configure(self, **settings):
        self.awslambda.update_function_configuration(FunctionName=FUNCTION, **settings)

    def stage(self, name="prod"):
        return self.apigateway.get_stage(restApiId=self.api, stageName=name)

    def patch(self, what, *operations, **names):
        """An update of a part of the API: (op, path, value)..."""
        getattr(self.apigateway, what)(
            restApiId=self.api,
            patchOperations=[
                {"op": op, "path": path} | ({} if value is None else {"value": value})
                for op, path, value in operations
            ],
            **names,
        )

    def patch_stage(self, path, value, op="replace"):
        self.patch("update_stage", (op, path, value), stageName="prod")

    def patch_method(self, path, value):
        names = {"resourceId": self.paths["/update-dns"], "httpMethod": "POST"}
        self.patch("update_method", ("replace", path, value), **names)

    def method(self):
        return self.apigateway.get_method(
            restApiId=self.api, resourceId=self.paths["/update-dns"], httpMethod="POST"
        )

    def group(self, name):
        found = self.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        return next((group for group in found if group["logGroupName"] == name), None)

    def filters(self, group):
        found = self.logs.describe_metric_filters(logGroupName=group)["metricFilters"]
        return {
            one["filterName"]: {
                "filterPattern": one["filterPattern"],
                "metricTransformations": one["metricTransformations"],
            }
            for one in found
        }

    def alarm(self, name):
        found = self.cloudwatch.describe_alarms(AlarmNames=[ALARMS + name])["MetricAlarms"]
        return found[0] if found else None

    def put_alarm(self, name, **changed):
        """Writes an alarm as it is, but for what is changed; None takes a member away."""
        alarm = self.alarm(name)
        members = self.cloudwatch.meta.service_model.operation_model("PutMetricAlarm").input_shape
        alarm = {key: value for key, value in alarm.items() if key in members.members} | changed
        self.cloudwatch.put_metric_alarm(**{k: v for k, v in alarm.items() if v is not None})

    def key(self, alias):
        return self.kms.describe_key(KeyId=alias)["KeyMetadata"]

    def key_policy(self, alias):
        key = self.key(alias)["KeyId"]
        return json.loads(self.kms.get_key_policy(KeyId=key, PolicyName="default")["Policy"])

    @contextlib.contextmanager
    def administrator_may(self, alias, action):
        """A key's policy lets the account do more for a moment, and is put back."""
        key = {"KeyId": self.key(alias)["KeyId"], "PolicyName": "default"}
        before = self.kms.get_key_policy(**key)["Policy"]
        root = {"AWS": f"arn:aws:iam::{spore.ACCOUNT}:root"}
        wide = also(before, Principal=root, Action=action, Resource="*")
        self.kms.put_key_policy(**key, Policy=wide)
        yield key["KeyId"]
        self.kms.put_key_policy(**key, Policy=before)

    def apex(self, rtype):
        sets = self.route53.list_resource_record_sets(HostedZoneId=self.zone)["ResourceRecordSets"]
        return next(s for s in sets if s["Name"] == f"{DOMAIN}." and s["Type"] == rtype)

    def upsert(self, record):
        changes = {"Changes": [{"Action": "UPSERT", "ResourceRecordSet": record}]}
        self.route53.change_resource_record_sets(HostedZoneId=self.zone, ChangeBatch=changes)


# In the order of writing: the last ones take away what others need.
EDITS = []


def edit(*expected, blocked=None, more=False, whole=False, noted=()):
    """An edit, and what the plan must say of it, as "ADDRESS SYMBOL ATTRIBUTE...".

    The function edits, yields, and checks with what AWS answers after the repair. With `more` the
    attributes are only the telling ones of an object that is made or removed as a whole. With `whole` it
    takes a plan that is kept to see it, and `noted` is what such a plan only names and leaves.
    """

    def keep(function):
        EDITS.append((function, expected, blocked, more, whole, noted))
        return function

    return keep


# ---- IAM ---------------------------------------------------------------------------------------


@edit("role/updater ~ inline.backdoor")
def role_foreign_inline_policy(w, t):
    w.iam.put_role_policy(RoleName=ROLE, PolicyName="backdoor", PolicyDocument=allow("s3:*"))
    yield
    t.assertEqual(w.iam.list_role_policies(RoleName=ROLE)["PolicyNames"], ["updater"])


@edit(f"role/updater ~ attached.arn:aws:iam::{spore.ACCOUNT}:policy/foreign")
def role_foreign_attached_policy(w, t):
    made = w.iam.create_policy(PolicyName="foreign", PolicyDocument=allow("s3:*"))["Policy"]
    w.iam.attach_role_policy(RoleName=ROLE, PolicyArn=made["Arn"])
    yield
    attached = w.iam.list_attached_role_policies(RoleName=ROLE)["AttachedPolicies"]
    t.assertEqual(attached, [])
    # The policy itself is somebody's own and stays.
    w.iam.get_policy(PolicyArn=made["Arn"])


@edit("role/updater ~ trust")
def role_trust_opened_to_another_account(w, t):
    before = w.role()["AssumeRolePolicyDocument"]
    opened = also(before, Principal={"AWS": FOREIGN}, Action="sts:AssumeRole")
    w.iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=opened)
    yield
    t.assertEqual(w.role()["AssumeRolePolicyDocument"], before)


@edit("role/updater ~ trust")
def role_trust_without_its_condition(w, t):
    before = w.role()["AssumeRolePolicyDocument"]
    opened = json.loads(json.dumps(before))
    del opened["Statement"][0]["Condition"]
    w.iam.update_assume_role_policy(RoleName=ROLE, PolicyDocument=json.dumps(opened))
    yield
    t.assertEqual(w.role()["AssumeRolePolicyDocument"], before)


@edit("role/updater ~ permissions-boundary")
def role_boundary_set(w, t):
    made = w.iam.create_policy(PolicyName="boundary", PolicyDocument=allow("s3:*"))["Policy"]
    w.iam.put_role_permissions_boundary(RoleName=ROLE, PermissionsBoundary=made["Arn"])
    yield
    t.assertNotIn("PermissionsBoundary", w.role())


@edit("role/updater ~ max-session")
def role_longest_session_raised(w, t):
    w.iam.update_role(RoleName=ROLE, MaxSessionDuration=43200)
    yield
    t.assertEqual(w.role()["MaxSessionDuration"], 3600)


@edit("role/updater ~ description")
def role_description_changed(w, t):
    before = w.role()["Description"]
    w.iam.update_role(RoleName=ROLE, Description="free for all")
    yield
    t.assertEqual(w.role()["Description"], before)


@edit(f"role/updater ~ tags.{TAG}")
def role_tag_removed(w, t):
    w.iam.untag_role(RoleName=ROLE, TagKeys=[TAG])
    yield
    t.assertIn({"Key": TAG, "Value": "spore-infra"}, w.role()["Tags"])


@edit("role/updater ~ policy")
def role_policy_widened(w, t):
    before = w.iam.get_role_policy(RoleName=ROLE, PolicyName="updater")["PolicyDocument"]
    wide = json.loads(json.dumps(before))
    wide["Statement"][0]["Resource"] = "arn:aws:route53:::hostedzone/*"
    w.iam.put_role_policy(RoleName=ROLE, PolicyName="updater", PolicyDocument=json.dumps(wide))
    yield
    after = w.iam.get_role_policy(RoleName=ROLE, PolicyName="updater")["PolicyDocument"]
    t.assertEqual(statements(after), statements(before))


@edit("role/updater ~ policy")
def role_policy_without_its_denial(w, t):
    before = w.iam.get_role_policy(RoleName=ROLE, PolicyName="updater")["PolicyDocument"]
    kept = [one for one in before["Statement"] if one["Effect"] == "Allow"]
    t.assertLess(len(kept), len(before["Statement"]))
    text = json.dumps(before | {"Statement": kept})
    w.iam.put_role_policy(RoleName=ROLE, PolicyName="updater", PolicyDocument=text)
    yield
    after = w.iam.get_role_policy(RoleName=ROLE, PolicyName="updater")["PolicyDocument"]
    t.assertEqual(statements(after), statements(before))


@edit("role/updater ~ policy")
def role_policy_deleted(w, t):
    before = w.iam.get_role_policy(RoleName=ROLE, PolicyName="updater")["PolicyDocument"]
    w.iam.delete_role_policy(RoleName=ROLE, PolicyName="updater")
    yield
    after = w.iam.get_role_policy(RoleName=ROLE, PolicyName="updater")["PolicyDocument"]
    t.assertEqual(statements(after), statements(before))


# ---- Lambda ------------------------------------------------------------------------------------


@edit("function/updater ~ code-sha256")
def function_code_replaced(w, t):
    before = w.function()["CodeSha256"]
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("bootstrap", "#!/bin/sh\nexit 1\n")
    w.awslambda.update_function_code(FunctionName=FUNCTION, ZipFile=packed.getvalue())
    t.assertNotEqual(w.function()["CodeSha256"], before)
    yield
    t.assertEqual(w.function()["CodeSha256"], before)


@edit("function/updater ~ environment")
def function_environment_variable_set(w, t):
    w.configure(Environment={"Variables": {"LD_PRELOAD": "/tmp/evil.so"}})
    yield
    t.assertFalse(w.function().get("Environment", {}).get("Variables"))


@edit("function/updater ~ memory")
def function_memory(w, t):
    w.configure(MemorySize=128)
    yield
    t.assertEqual(w.function()["MemorySize"], 256)


@edit("function/updater ~ timeout")
def function_timeout(w, t):
    w.configure(Timeout=3)
    yield
    t.assertEqual(w.function()["Timeout"], 20)


@edit("function/updater ~ storage")
def function_storage(w, t):
    w.configure(EphemeralStorage={"Size": 1024})
    yield
    t.assertEqual(w.function()["EphemeralStorage"], {"Size": 512})


@edit("function/updater ~ description")
def function_description(w, t):
    w.configure(Description="something else")
    yield
    t.assertEqual(w.function()["Description"], f"updates names under {DOMAIN}")


@edit("function/updater ~ handler")
def function_handler(w, t):
    w.configure(Handler="other")
    yield
    t.assertEqual(w.function()["Handler"], "bootstrap")


@edit("function/updater ~ log-format")
def function_log_format(w, t):
    w.configure(LoggingConfig={"LogFormat": "JSON", "LogGroup": UPDATER_LOGS})
    yield
    logging = w.function()["LoggingConfig"]
    t.assertEqual((logging["LogFormat"], logging["LogGroup"]), ("Text", UPDATER_LOGS))


@edit("function/updater ~ log-group")
def function_log_group(w, t):
    w.configure(LoggingConfig={"LogFormat": "Text", "LogGroup": "/somewhere/else"})
    yield
    t.assertEqual(w.function()["LoggingConfig"]["LogGroup"], UPDATER_LOGS)


@edit("function/updater ~ role")
def function_role(w, t):
    before = w.function()["Role"]
    trust = allow("sts:AssumeRole", Principal={"Service": "lambda.amazonaws.com"})
    trust = json.loads(trust)
    del trust["Statement"][0]["Resource"]
    made = w.iam.create_role(RoleName="mighty", AssumeRolePolicyDocument=json.dumps(trust))
    w.configure(Role=made["Role"]["Arn"])
    yield
    t.assertEqual(w.function()["Role"], before)


@edit("function/updater ~ permission.backdoor")
def function_foreign_permission(w, t):
    before = w.awslambda.get_policy(FunctionName=FUNCTION)["Policy"]
    w.awslambda.add_permission(
        FunctionName=FUNCTION,
        StatementId="backdoor",
        Action="lambda:InvokeFunction",
        Principal="999999999999",
    )
    yield
    after = w.awslambda.get_policy(FunctionName=FUNCTION)["Policy"]
    t.assertEqual(statements(after), statements(before))


@edit("function/updater ~ permission.spore-api")
def function_own_permission_removed(w, t):
    before = w.awslambda.get_policy(FunctionName=FUNCTION)["Policy"]
    w.awslambda.remove_permission(FunctionName=FUNCTION, StatementId="spore-api")
    yield
    after = w.awslambda.get_policy(FunctionName=FUNCTION)["Policy"]
    t.assertEqual(statements(after), statements(before))


@edit("function/updater ~ permission.spore-api")
def function_own_permission_for_every_api(w, t):
    before = w.awslambda.get_policy(FunctionName=FUNCTION)["Policy"]
    w.awslambda.remove_permission(FunctionName=FUNCTION, StatementId="spore-api")
    w.awslambda.add_permission(
        FunctionName=FUNCTION,
        StatementId="spore-api",
        Action="lambda:InvokeFunction",
        Principal="apigateway.amazonaws.com",
    )
    yield
    after = w.awslambda.get_policy(FunctionName=FUNCTION)["Policy"]
    t.assertEqual(statements(after), statements(before))


@edit("function/updater ~ url.")
def function_url_past_the_api(w, t):
    w.awslambda.create_function_url_config(FunctionName=FUNCTION, AuthType="NONE")
    yield
    urls = w.awslambda.list_function_url_configs(FunctionName=FUNCTION)["FunctionUrlConfigs"]
    t.assertEqual(urls, [])


@edit("function/updater ~ url.side")
def function_url_of_an_alias(w, t):
    version = w.awslambda.publish_version(FunctionName=FUNCTION)["Version"]
    w.awslambda.create_alias(FunctionName=FUNCTION, Name="side", FunctionVersion=version)
    w.awslambda.create_function_url_config(
        FunctionName=FUNCTION, Qualifier="side", AuthType="NONE"
    )
    yield
    urls = w.awslambda.list_function_url_configs(FunctionName=FUNCTION)["FunctionUrlConfigs"]
    t.assertEqual(urls, [])


@edit("function/updater ~ alias.door alias.door.permission.theirs", whole=True)
def function_alias_that_others_may_invoke(w, t):
    w.awslambda.create_alias(FunctionName=FUNCTION, Name="door", FunctionVersion="$LATEST")
    w.awslambda.add_permission(
        FunctionName=FUNCTION, Qualifier="door", StatementId="theirs",
        Action="lambda:InvokeFunction", Principal="999999999999",
    )
    yield
    t.assertEqual(w.awslambda.list_aliases(FunctionName=FUNCTION)["Aliases"], [])


@edit("function/updater ~ alias.old version.*", whole=True)
def function_versions_of_before(w, t):
    publish = w.awslambda.publish_version
    w.configure(Description="of before")
    first = publish(FunctionName=FUNCTION)["Version"]
    w.configure(Description=f"updates names under {DOMAIN}")
    second = publish(FunctionName=FUNCTION)["Version"]
    w.awslambda.create_alias(FunctionName=FUNCTION, Name="old", FunctionVersion=second)
    w.awslambda.add_permission(
        FunctionName=FUNCTION, Qualifier=first, StatementId="theirs",
        Action="lambda:InvokeFunction", Principal="999999999999",
    )
    yield
    versions = w.awslambda.list_versions_by_function(FunctionName=FUNCTION)["Versions"]
    t.assertEqual([version["Version"] for version in versions], ["$LATEST"])
    t.assertEqual(w.awslambda.list_aliases(FunctionName=FUNCTION)["Aliases"], [])


@edit("function/updater ~ concurrency")
def function_concurrency_no_longer_reserved(w, t):
    w.awslambda.delete_function_concurrency(FunctionName=FUNCTION)
    yield
    got = w.awslambda.get_function_concurrency(FunctionName=FUNCTION)
    t.assertEqual(got["ReservedConcurrentExecutions"], 10)


@edit("function/updater ~ concurrency")
def function_switched_off_by_concurrency(w, t):
    w.awslambda.put_function_concurrency(FunctionName=FUNCTION, ReservedConcurrentExecutions=0)
    yield
    got = w.awslambda.get_function_concurrency(FunctionName=FUNCTION)
    t.assertEqual(got["ReservedConcurrentExecutions"], 10)


@edit(f"function/updater ~ tags.{TAG}")
def function_tag_removed(w, t):
    arn = w.function()["FunctionArn"]
    w.awslambda.untag_resource(Resource=arn, TagKeys=[TAG])
    yield
    t.assertEqual(w.awslambda.list_tags(Resource=arn)["Tags"][TAG], "spore-infra")


# ---- API Gateway -------------------------------------------------------------------------------


@edit("rest_api/updater ~ resource./backdoor")
def api_foreign_resource(w, t):
    w.apigateway.create_resource(restApiId=w.api, parentId=w.paths["/"], pathPart="backdoor")
    yield
    paths = w.apigateway.get_resources(restApiId=w.api)["items"]
    t.assertEqual({path["path"] for path in paths}, {"/", "/update-dns"})


@edit(
    "rest_api/updater ~ method./update-dns.GET.authorization "
    "method./update-dns.GET.api-key-required"
)
def api_foreign_method(w, t):
    resource = w.paths["/update-dns"]
    w.apigateway.put_method(
        restApiId=w.api, resourceId=resource, httpMethod="GET", authorizationType="NONE"
    )
    yield
    got = w.apigateway.get_resource(restApiId=w.api, resourceId=resource)
    t.assertEqual(set(got["resourceMethods"]), {"POST"})


@edit("rest_api/updater ~ authorizer.foreign.*")
def api_foreign_authorizer(w, t):
    arn = w.function()["FunctionArn"]
    w.apigateway.create_authorizer(
        restApiId=w.api,
        name="foreign",
        type="TOKEN",
        identitySource="method.request.header.Authorization",
        authorizerUri="arn:aws:apigateway:us-east-1:lambda:path/2015-03-31/functions/"
        f"{arn}/invocations",
    )
    yield
    t.assertEqual(w.apigateway.get_authorizers(restApiId=w.api)["items"], [])


@edit("rest_api/updater ~ model.Update.schema")
def api_model_lets_everything_in(w, t):
    model = {"restApiId": w.api, "modelName": "Update"}
    before = json.loads(w.apigateway.get_model(**model)["schema"])
    w.patch("update_model", ("replace", "/schema", '{"type": "object"}'), modelName="Update")
    yield
    t.assertEqual(json.loads(w.apigateway.get_model(**model)["schema"]), before)


@edit("rest_api/updater ~ model.Foreign.*")
def api_foreign_model(w, t):
    w.apigateway.create_model(
        restApiId=w.api, name="Foreign", contentType="text/plain", schema='{"type": "string"}'
    )
    yield
    names = {model["name"] for model in w.apigateway.get_models(restApiId=w.api)["items"]}
    t.assertEqual(names - {"Empty", "Error"}, {"Update"})


@edit("rest_api/updater ~ validator.body.body")
def api_validator_lets_everything_in(w, t):
    validators = w.apigateway.get_request_validators(restApiId=w.api)["items"]
    w.patch(
        "update_request_validator",
        ("replace", "/validateRequestBody", "false"),
        requestValidatorId=validators[0]["id"],
    )
    yield
    validators = w.apigateway.get_request_validators(restApiId=w.api)["items"]
    t.assertEqual([one["validateRequestBody"] for one in validators], [True])


@edit("rest_api/updater ~ gateway-response.THROTTLED.body.application/json")
def api_gateway_response_changed(w, t):
    names = {"restApiId": w.api, "responseType": "THROTTLED"}
    before = w.apigateway.get_gateway_response(**names)
    w.apigateway.put_gateway_response(
        **names,
        statusCode=before["statusCode"],
        responseParameters=before["responseParameters"],
        responseTemplates={"application/json": '{"message": "go away"}'},
    )
    yield
    after = w.apigateway.get_gateway_response(**names)
    t.assertEqual(after["responseParameters"], before["responseParameters"])
    for one in (before, after):
        one["body"] = json.loads(one["responseTemplates"]["application/json"])
    t.assertEqual(after["body"], before["body"])


@edit(
    "rest_api/updater ~ gateway-response.ACCESS_DENIED.status "
    "gateway-response.ACCESS_DENIED.body.application/json"
)
def api_gateway_response_deleted(w, t):
    names = {"restApiId": w.api, "responseType": "ACCESS_DENIED"}
    w.apigateway.delete_gateway_response(**names)
    yield
    after = w.apigateway.get_gateway_response(**names)
    t.assertFalse(after["defaultResponse"])
    t.assertIn("not_allowed", after["responseTemplates"]["application/json"])


@edit(f"rest_api/updater ~ integration.{METHOD}.uri")
def api_integration_uri(w, t):
    before = w.method()["methodIntegration"]
    resource = w.paths["/update-dns"]
    w.patch(
        "update_integration",
        ("replace", "/uri", before["uri"].replace(FUNCTION, "somebody-elses")),
        resourceId=resource,
        httpMethod="POST",
    )
    yield
    t.assertEqual(w.method()["methodIntegration"]["uri"], before["uri"])


@edit(f"rest_api/updater ~ integration.{METHOD}.timeout-ms")
def api_integration_timeout(w, t):
    resource = w.paths["/update-dns"]
    w.patch(
        "update_integration",
        ("replace", "/timeoutInMillis", "1000"),
        resourceId=resource,
        httpMethod="POST",
    )
    yield
    t.assertEqual(w.method()["methodIntegration"]["timeoutInMillis"], 21000)


@edit(f"rest_api/updater ~ method.{METHOD}.authorization")
def api_method_authorization(w, t):
    w.patch_method("/authorizationType", "AWS_IAM")
    yield
    t.assertEqual(w.method()["authorizationType"], "NONE")


@edit(f"rest_api/updater ~ method.{METHOD}.api-key-required")
def api_method_wants_a_key(w, t):
    w.patch_method("/apiKeyRequired", "true")
    yield
    t.assertFalse(w.method()["apiKeyRequired"])


@edit("rest_api/updater ~ policy")
def api_resource_policy(w, t):
    policy = allow("execute-api:Invoke", "execute-api:/*", Principal={"AWS": FOREIGN})
    w.patch("update_rest_api", ("replace", "/policy", policy))
    yield
    t.assertFalse(w.apigateway.get_rest_api(restApiId=w.api).get("policy"))


@edit("rest_api/updater ~ name")
def api_renamed(w, t):
    w.patch("update_rest_api", ("replace", "/name", "renamed"))
    yield
    t.assertEqual(w.apigateway.get_rest_api(restApiId=w.api)["name"], API)


@edit("rest_api/updater ~ description")
def api_description(w, t):
    w.patch("update_rest_api", ("replace", "/description", "somebody's"))
    yield
    got = w.apigateway.get_rest_api(restApiId=w.api)["description"]
    t.assertEqual(got, f"Updates of DNS names in {DOMAIN}")


@edit("rest_api/updater ~ binary-media-types")
def api_binary_media_type(w, t):
    w.patch("update_rest_api", ("add", "/binaryMediaTypes/*~1*", None))
    yield
    t.assertFalse(w.apigateway.get_rest_api(restApiId=w.api).get("binaryMediaTypes"))


@edit("rest_api/updater ~ endpoint.default")
def api_endpoint_disabled(w, t):
    w.patch("update_rest_api", ("replace", "/disableExecuteApiEndpoint", "true"))
    yield
    t.assertFalse(w.apigateway.get_rest_api(restApiId=w.api)["disableExecuteApiEndpoint"])


@edit("rest_api/updater ~ security-policy endpoint.access-mode")
def api_takes_old_tls(w, t):
    w.patch(
        "update_rest_api",
        ("replace", "/securityPolicy", "TLS_1_0"),
        ("replace", "/endpointAccessMode", "BASIC"),
    )
    yield
    api = w.apigateway.get_rest_api(restApiId=w.api)
    t.assertTrue(api["securityPolicy"].startswith("SecurityPolicy_TLS13_1_2_PFS"))
    t.assertEqual(api["endpointAccessMode"], "STRICT")


@edit("api_account/us-east-1 + log-role region")
def account_log_role_taken_away(w, t):
    before = w.apigateway.get_account()["cloudwatchRoleArn"]
    patch = {"op": "replace", "path": "/cloudwatchRoleArn", "value": ""}
    w.apigateway.update_account(patchOperations=[patch])
    yield
    t.assertEqual(w.apigateway.get_account()["cloudwatchRoleArn"], before)


LOGS_ROLE = "spore-infra-api-logs"


@edit("api_account/us-east-1 ~ role.trust", whole=True)
def account_log_role_trusts_another_account(w, t):
    before = w.iam.get_role(RoleName=LOGS_ROLE)["Role"]["AssumeRolePolicyDocument"]
    opened = also(before, Principal={"AWS": FOREIGN}, Action="sts:AssumeRole")
    w.iam.update_assume_role_policy(RoleName=LOGS_ROLE, PolicyDocument=opened)
    yield
    after = w.iam.get_role(RoleName=LOGS_ROLE)["Role"]["AssumeRolePolicyDocument"]
    t.assertEqual(after, before)


@edit("api_account/us-east-1 ~ role.policy", whole=True)
def account_log_role_may_more(w, t):
    name = {"RoleName": LOGS_ROLE, "PolicyName": "write-logs"}
    before = w.iam.get_role_policy(**name)["PolicyDocument"]
    w.iam.put_role_policy(**name, PolicyDocument=also(before, Action="s3:*", Resource="*"))
    yield
    t.assertEqual(w.iam.get_role_policy(**name)["PolicyDocument"], before)


@edit("api_account/us-east-1 ~ role.policy", whole=True)
def account_log_role_may_log_no_more(w, t):
    name = {"RoleName": LOGS_ROLE, "PolicyName": "write-logs"}
    before = w.iam.get_role_policy(**name)["PolicyDocument"]
    w.iam.delete_role_policy(**name)
    yield
    t.assertEqual(w.iam.get_role_policy(**name)["PolicyDocument"], before)


@edit(
    whole=True,
    noted=[
        "api_account/us-east-1: role.inline.backdoor: ",
        f"api_account/us-east-1: role.attached.arn:aws:iam::{spore.ACCOUNT}:policy/shared: ",
    ],
)
def account_log_role_with_policies_of_others_is_only_named(w, t):
    role = {"RoleName": LOGS_ROLE}
    w.iam.put_role_policy(**role, PolicyName="backdoor", PolicyDocument=allow("s3:*"))
    made = w.iam.create_policy(PolicyName="shared", PolicyDocument=allow("s3:*"))["Policy"]
    w.iam.attach_role_policy(**role, PolicyArn=made["Arn"])
    yield
    t.assertIn("backdoor", w.iam.list_role_policies(**role)["PolicyNames"])
    w.iam.delete_role_policy(**role, PolicyName="backdoor")
    w.iam.detach_role_policy(**role, PolicyArn=made["Arn"])


@edit("rest_api/updater ~ stage.prod.throttling.rate")
def stage_throttling(w, t):
    w.patch_stage("/*/*/throttling/rateLimit", "10000")
    yield
    t.assertEqual(w.stage()["methodSettings"]["*/*"]["throttlingRateLimit"], 10.0)


@edit("rest_api/updater ~ stage.prod.access-log.destination stage.prod.access-log.format")
def stage_access_log_off(w, t):
    before = w.stage()["accessLogSettings"]
    w.patch_stage("/accessLogSettings", None, op="remove")
    t.assertNotIn("accessLogSettings", w.stage())
    yield
    t.assertEqual(w.stage()["accessLogSettings"], before)


@edit("rest_api/updater ~ stage.prod.logging.data-trace")
def stage_data_trace(w, t):
    w.patch_stage("/*/*/logging/dataTrace", "true")
    yield
    t.assertFalse(w.stage()["methodSettings"]["*/*"]["dataTraceEnabled"])


@edit("rest_api/updater ~ stage.prod.logging.level")
def stage_logging_level(w, t):
    w.patch_stage("/*/*/logging/loglevel", "INFO")
    yield
    t.assertEqual(w.stage()["methodSettings"]["*/*"]["loggingLevel"], "OFF")


@edit("rest_api/updater ~ stage.prod.method-settings.~1update-dns/POST")
def stage_settings_of_one_method(w, t):
    w.patch_stage("/~1update-dns/POST/throttling/rateLimit", "5000")
    yield
    t.assertEqual(set(w.stage()["methodSettings"]), {"*/*"})


@edit("rest_api/updater ~ stage.prod.variables.backdoor")
def stage_variable(w, t):
    w.patch_stage("/variables/backdoor", "open")
    yield
    t.assertFalse(w.stage().get("variables"))


@edit("rest_api/updater ~ stage.prod.definition")
def stage_of_another_deployment(w, t):
    made = w.apigateway.create_deployment(restApiId=w.api, description="somebody's")
    w.patch_stage("/deploymentId", made["id"])
    yield
    t.assertNotEqual(w.stage()["deploymentId"], made["id"])


@edit("rest_api/updater ~ stage.prod.tracing")
def stage_tracing(w, t):
    w.patch_stage("/tracingEnabled", "true")
    yield
    t.assertFalse(w.stage()["tracingEnabled"])


@edit(f"rest_api/updater ~ stage.prod.tags.{TAG}")
def stage_tag_removed(w, t):
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{w.api}/stages/prod"
    w.apigateway.untag_resource(resourceArn=arn, tagKeys=[TAG])
    yield
    t.assertEqual(w.stage()["tags"][TAG], "spore-infra")


@edit(f"rest_api/updater ~ tags.{TAG}")
def api_tag_removed(w, t):
    arn = f"arn:aws:apigateway:us-east-1::/restapis/{w.api}"
    w.apigateway.untag_resource(resourceArn=arn, tagKeys=[TAG])
    yield
    t.assertEqual(w.apigateway.get_rest_api(restApiId=w.api)["tags"][TAG], "spore-infra")


@edit("rest_api/updater ~ stage.dev.*")
def api_foreign_stage(w, t):
    served = w.stage()["deploymentId"]
    w.apigateway.create_stage(restApiId=w.api, stageName="dev", deploymentId=served)
    yield
    stages = w.apigateway.get_stages(restApiId=w.api)["item"]
    t.assertEqual([stage["stageName"] for stage in stages], ["prod"])


@edit("rest_api/updater ~ stage.prod.*")
def stage_deleted(w, t):
    before = w.stage()
    w.apigateway.delete_stage(restApiId=w.api, stageName="prod")
    yield
    after = w.stage()
    for one in (before, after):
        # Left out and "OFF" are the same.
        one["methodSettings"]["*/*"].setdefault("loggingLevel", "OFF")
    for member in ("accessLogSettings", "methodSettings", "tags"):
        t.assertEqual(after[member], before[member])


# ---- CloudWatch Logs ---------------------------------------------------------------------------


@edit("log_group/updater ~ retention-days")
def logs_kept_for_ever(w, t):
    w.logs.delete_retention_policy(logGroupName=UPDATER_LOGS)
    yield
    t.assertEqual(w.group(UPDATER_LOGS)["retentionInDays"], 30)


@edit("log_group/api ~ retention-days")
def logs_kept_for_a_day(w, t):
    w.logs.put_retention_policy(logGroupName=API_LOGS, retentionInDays=1)
    yield
    t.assertEqual(w.group(API_LOGS)["retentionInDays"], 30)


@edit(f"journal_group/{DOMAIN} ~ retention-days")
def journal_kept_for_a_day(w, t):
    name = JOURNAL
    w.logs.put_retention_policy(logGroupName=name, retentionInDays=1)
    yield
    t.assertEqual(w.group(name)["retentionInDays"], 3653)


@edit(f"journal_group/{DOMAIN} ~ tags.spore:api tags.spore:zone")
def journal_without_its_evidence(w, t):
    arn = w.group(JOURNAL)["logGroupArn"]
    before = w.logs.list_tags_for_resource(resourceArn=arn)["tags"]
    w.logs.untag_resource(resourceArn=arn, tagKeys=["spore:api", "spore:zone"])
    yield
    t.assertEqual(w.logs.list_tags_for_resource(resourceArn=arn)["tags"], before)


@edit("log_group/api ~ kms-key")
def logs_without_their_key(w, t):
    before = w.group(API_LOGS)["kmsKeyId"]
    w.logs.disassociate_kms_key(logGroupName=API_LOGS)
    t.assertNotIn("kmsKeyId", w.group(API_LOGS))
    yield
    t.assertEqual(w.group(API_LOGS)["kmsKeyId"], before)


@edit(f"log_group/updater ~ tags.{TAG}")
def logs_tag_removed(w, t):
    arn = w.group(UPDATER_LOGS)["logGroupArn"]
    w.logs.untag_resource(resourceArn=arn, tagKeys=[TAG])
    yield
    t.assertEqual(w.logs.list_tags_for_resource(resourceArn=arn)["tags"][TAG], "spore-infra")


@edit("metric_filter/updater/failures ~ pattern")
def filter_pattern_changed(w, t):
    before = w.filters(UPDATER_LOGS)
    changed = before["failures"] | {"filterPattern": "{ $.success IS TRUE }"}
    w.logs.put_metric_filter(logGroupName=UPDATER_LOGS, filterName="failures", **changed)
    yield
    t.assertEqual(w.filters(UPDATER_LOGS), before)


@edit("metric_filter/api/throttled ~ metric.value")
def filter_value_changed(w, t):
    before = w.filters(API_LOGS)
    metric = before["throttled"]["metricTransformations"][0] | {"metricValue": "0"}
    w.logs.put_metric_filter(
        logGroupName=API_LOGS,
        filterName="throttled",
        filterPattern=before["throttled"]["filterPattern"],
        metricTransformations=[metric],
    )
    yield
    t.assertEqual(w.filters(API_LOGS), before)


@edit("metric_filter/api/throttled ~ metric.unit")
def filter_unit_changed(w, t):
    before = w.filters(API_LOGS)
    metric = before["throttled"]["metricTransformations"][0] | {"unit": "Seconds"}
    w.logs.put_metric_filter(
        logGroupName=API_LOGS,
        filterName="throttled",
        filterPattern=before["throttled"]["filterPattern"],
        metricTransformations=[metric],
    )
    yield
    t.assertEqual(w.filters(API_LOGS), before)


@edit("metric_filter/updater/validation-failures + pattern metric.name", more=True)
def filter_deleted(w, t):
    before = w.filters(UPDATER_LOGS)
    w.logs.delete_metric_filter(logGroupName=UPDATER_LOGS, filterName="validation-failures")
    yield
    t.assertEqual(w.filters(UPDATER_LOGS), before)


@edit("metric_filter/api/foreign - pattern", more=True)
def filter_foreign(w, t):
    before = w.filters(API_LOGS)
    w.logs.put_metric_filter(
        logGroupName=API_LOGS, filterName="foreign", **before["throttled"]
    )
    yield
    t.assertEqual(w.filters(API_LOGS), before)


@edit("metric_filter/journal/foreign - pattern", more=True)
def filter_on_the_journal(w, t):
    filters = w.filters(API_LOGS)
    w.logs.put_metric_filter(logGroupName=JOURNAL, filterName="foreign", **filters["throttled"])
    yield
    t.assertEqual(w.filters(JOURNAL), {})


def subscribe(w, group, *names):
    for name in names:
        w.logs.put_subscription_filter(
            logGroupName=group, filterName=name, filterPattern="",
            destinationArn=f"arn:aws:kinesis:us-east-1:{spore.ACCOUNT}:stream/theirs",
            roleArn=f"arn:aws:iam::{spore.ACCOUNT}:role/theirs",
        )


def subscriptions(w, group):
    return w.logs.describe_subscription_filters(logGroupName=group)["subscriptionFilters"]


@edit("log_group/updater ~ subscription.one subscription.two", whole=True)
def logs_handed_to_strangers(w, t):
    subscribe(w, UPDATER_LOGS, "one", "two")
    yield
    t.assertEqual(subscriptions(w, UPDATER_LOGS), [])


@edit("log_group/api ~ subscription.theirs", whole=True)
def access_logs_handed_to_a_stranger(w, t):
    subscribe(w, API_LOGS, "theirs")
    yield
    t.assertEqual(subscriptions(w, API_LOGS), [])


@edit(f"journal_group/{DOMAIN} ~ subscription.theirs", whole=True)
def journal_handed_to_a_stranger(w, t):
    subscribe(w, JOURNAL, "theirs")
    yield
    t.assertEqual(subscriptions(w, JOURNAL), [])


def hide(w, group):
    data = {"DataIdentifier": ["arn:aws:dataprotection::aws:data-identifier/IpAddress"]}
    text = json.dumps({"Name": "hide", "Version": "2021-06-01", "Statement": [
        data | {"Sid": "audit", "Operation": {"Audit": {"FindingsDestination": {}}}},
        data | {"Sid": "hide", "Operation": {"Deidentify": {"MaskConfig": {}}}},
    ]})
    w.logs.put_data_protection_policy(logGroupIdentifier=group, policyDocument=text)


@edit("log_group/updater ~ data-protection")
def logs_with_parts_hidden(w, t):
    hide(w, UPDATER_LOGS)
    yield
    t.assertNotEqual(w.group(UPDATER_LOGS)["dataProtectionStatus"], "ACTIVATED")


@edit(f"journal_group/{DOMAIN} ~ data-protection")
def journal_with_parts_hidden(w, t):
    hide(w, JOURNAL)
    yield
    t.assertNotEqual(w.group(JOURNAL)["dataProtectionStatus"], "ACTIVATED")


@edit("log_group/api + retention-days kms-key", "metric_filter/api/throttled + pattern", more=True)
def logs_group_deleted(w, t):
    before = w.group(API_LOGS), w.filters(API_LOGS)
    w.logs.delete_log_group(logGroupName=API_LOGS)
    yield
    after = w.group(API_LOGS), w.filters(API_LOGS)
    for member in ("kmsKeyId", "retentionInDays", "logGroupArn"):
        t.assertEqual(after[0][member], before[0][member])
    t.assertEqual(after[1], before[1])


# ---- CloudWatch alarms -------------------------------------------------------------------------


@edit("alarm/api-5xx ~ actions-enabled")
def alarm_silenced(w, t):
    w.cloudwatch.disable_alarm_actions(AlarmNames=[ALARMS + "api-5xx"])
    yield
    t.assertTrue(w.alarm("api-5xx")["ActionsEnabled"])


@edit("alarm/throttled ~ threshold")
def alarm_threshold(w, t):
    w.put_alarm("throttled", Threshold=1e6)
    yield
    t.assertEqual(w.alarm("throttled")["Threshold"], 50.0)


@edit("alarm/dnssec-internal-failure ~ missing-data")
def alarm_missing_data(w, t):
    w.put_alarm("dnssec-internal-failure", TreatMissingData="breaching")
    yield
    t.assertEqual(w.alarm("dnssec-internal-failure")["TreatMissingData"], "ignore")


@edit("alarm/dnssec-keys-need-action ~ period")
def alarm_period(w, t):
    w.put_alarm("dnssec-keys-need-action", Period=60)
    yield
    t.assertEqual(w.alarm("dnssec-keys-need-action")["Period"], 14400)


@edit("alarm/function-errors ~ datapoints-to-alarm evaluation-periods")
def alarm_evaluation(w, t):
    w.put_alarm("function-errors", EvaluationPeriods=10, DatapointsToAlarm=10)
    yield
    alarm = w.alarm("function-errors")
    t.assertEqual((alarm["EvaluationPeriods"], alarm.get("DatapointsToAlarm")), (1, None))


@edit("alarm/function-throttles ~ metric")
def alarm_metric(w, t):
    w.put_alarm("function-throttles", MetricName="Invocations")
    yield
    t.assertEqual(w.alarm("function-throttles")["MetricName"], "Throttles")


@edit("alarm/validation-failures ~ alarm-actions")
def alarm_tells_a_stranger(w, t):
    w.put_alarm("validation-failures", AlarmActions=["arn:aws:sns:us-east-1:999999999999:x"])
    yield
    t.assertEqual(w.alarm("validation-failures")["AlarmActions"], [])


@edit("alarm/validation-failures ~ dimensions.Code")
def alarm_dimension(w, t):
    w.put_alarm("validation-failures", Dimensions=[{"Name": "Code", "Value": "none"}])
    yield
    t.assertEqual(w.alarm("validation-failures")["Dimensions"], [])


@edit(f"alarm/api-5xx ~ tags.{TAG}")
def alarm_tag_removed(w, t):
    arn = w.alarm("api-5xx")["AlarmArn"]
    w.cloudwatch.untag_resource(ResourceARN=arn, TagKeys=[TAG])
    yield
    tags = w.cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"]
    t.assertIn({"Key": TAG, "Value": "spore-infra"}, tags)


@edit("alarm/function-errors + threshold metric", more=True)
def alarm_deleted(w, t):
    before = w.alarm("function-errors")
    w.cloudwatch.delete_alarms(AlarmNames=[ALARMS + "function-errors"])
    yield
    after = w.alarm("function-errors")
    for member in ("Threshold", "MetricName", "Namespace", "Dimensions", "AlarmDescription"):
        t.assertEqual(after[member], before[member])


# ---- KMS ---------------------------------------------------------------------------------------


@edit("kms_key/ksk ~ policy")
def ksk_key_policy_lets_people_sign(w, t):
    before = w.key_policy(KSK_ALIAS)
    wide = also(
        before,
        Principal={"AWS": f"arn:aws:iam::{spore.ACCOUNT}:root"},
        Action="kms:Sign",
        Resource="*",
    )
    w.kms.put_key_policy(KeyId=w.key(KSK_ALIAS)["KeyId"], PolicyName="default", Policy=wide)
    yield
    t.assertEqual(statements(w.key_policy(KSK_ALIAS)), statements(before))


@edit("logs_key/logs ~ policy")
def logs_key_policy_for_every_group(w, t):
    before = w.key_policy(LOGS_ALIAS)
    wide = json.loads(json.dumps(before))
    del wide["Statement"][1]["Condition"]
    w.kms.put_key_policy(
        KeyId=w.key(LOGS_ALIAS)["KeyId"], PolicyName="default", Policy=json.dumps(wide)
    )
    yield
    t.assertEqual(statements(w.key_policy(LOGS_ALIAS)), statements(before))


@edit("logs_key/logs ~ policy")
def logs_key_policy_with_a_stranger(w, t):
    before = w.key_policy(LOGS_ALIAS)
    wide = also(before, Principal={"AWS": "999999999999"}, Action="kms:Decrypt", Resource="*")
    w.kms.put_key_policy(KeyId=w.key(LOGS_ALIAS)["KeyId"], PolicyName="default", Policy=wide)
    yield
    t.assertEqual(statements(w.key_policy(LOGS_ALIAS)), statements(before))


# Grants have ids; their names need not be there, nor be unique.
@edit("kms_key/ksk ~ grants.*")
def ksk_key_grant_that_outlives_the_policy_that_allowed_it(w, t):
    with w.administrator_may(KSK_ALIAS, ["kms:CreateGrant", "kms:Sign"]) as key:
        before = w.kms.list_grants(KeyId=key)["Grants"]
        w.kms.create_grant(
            KeyId=key, Name="backdoor", GranteePrincipal=w.role()["Arn"], Operations=["Sign"]
        )
    yield
    t.assertEqual(w.kms.list_grants(KeyId=key)["Grants"], before)


@edit("kms_key/ksk ~ state", "ksk/active ~ status")
def ksk_key_disabled(w, t):
    w.kms.disable_key(KeyId=w.key(KSK_ALIAS)["KeyId"])
    yield
    t.assertEqual(w.key(KSK_ALIAS)["KeyState"], "Enabled")
    keys = w.route53.get_dnssec(HostedZoneId=w.zone)["KeySigningKeys"]
    t.assertEqual([key["Status"] for key in keys], ["ACTIVE"])


@edit("logs_key/logs ~ state")
def logs_key_disabled(w, t):
    w.kms.disable_key(KeyId=w.key(LOGS_ALIAS)["KeyId"])
    yield
    t.assertEqual(w.key(LOGS_ALIAS)["KeyState"], "Enabled")


@edit("logs_key/logs ~ rotation")
def logs_key_no_longer_rotated(w, t):
    with w.administrator_may(LOGS_ALIAS, "kms:DisableKeyRotation") as key:
        w.kms.disable_key_rotation(KeyId=key)
    yield
    t.assertTrue(w.kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"])


@edit("logs_key/logs ~ rotation")
def logs_key_rotated_seven_times_more_rarely(w, t):
    key = w.key(LOGS_ALIAS)["KeyId"]
    w.kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=2560)
    yield
    t.assertEqual(w.kms.get_key_rotation_status(KeyId=key)["RotationPeriodInDays"], 365)


@edit("logs_key/logs ~ state rotation")
def logs_key_scheduled_for_deletion(w, t):
    """Nobody could read what it encrypted: a new key beside it would be no repair."""
    key = w.key(LOGS_ALIAS)["KeyId"]
    w.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    yield
    after = w.key(LOGS_ALIAS)
    t.assertEqual((after["KeyId"], after["KeyState"]), (key, "Enabled"))
    t.assertTrue(w.kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"])


@edit("kms_key/ksk ~ alias")
def ksk_key_alias_deleted(w, t):
    before = w.key(KSK_ALIAS)["Arn"]
    w.kms.delete_alias(AliasName=KSK_ALIAS)
    yield
    t.assertEqual(w.key(KSK_ALIAS)["Arn"], before)


@edit("logs_key/logs ~ alias")
def logs_key_alias_deleted(w, t):
    before = w.key(LOGS_ALIAS)["Arn"]
    w.kms.delete_alias(AliasName=LOGS_ALIAS)
    yield
    t.assertEqual(w.key(LOGS_ALIAS)["Arn"], before)


@edit(f"kms_key/ksk ~ tags.{TAG}")
def ksk_key_tag_removed(w, t):
    key = w.key(KSK_ALIAS)["KeyId"]
    w.kms.untag_resource(KeyId=key, TagKeys=[TAG])
    yield
    tags = w.kms.list_resource_tags(KeyId=key)["Tags"]
    t.assertIn({"TagKey": TAG, "TagValue": "spore-infra"}, tags)


# ---- Route 53 ----------------------------------------------------------------------------------


@edit(f"hosted_zone/{DOMAIN} ~ tags.{TAG}")
def zone_tag_removed(w, t):
    names = {"ResourceType": "hostedzone", "ResourceId": w.zone}
    w.route53.change_tags_for_resource(**names, RemoveTagKeys=[TAG])
    yield
    tags = w.route53.list_tags_for_resource(**names)["ResourceTagSet"]["Tags"]
    t.assertIn({"Key": TAG, "Value": "spore-infra"}, tags)


@edit(f"hosted_zone/{DOMAIN} ~ comment")
def zone_described_otherwise(w, t):
    before = w.route53.get_hosted_zone(Id=w.zone)["HostedZone"]["Config"]["Comment"]
    w.route53.update_hosted_zone_comment(Id=w.zone, Comment="to be deleted")
    yield
    after = w.route53.get_hosted_zone(Id=w.zone)["HostedZone"]["Config"]["Comment"]
    t.assertEqual(after, before)


@edit(f"hosted_zone/{DOMAIN} ~ soa.ttl")
def zone_soa_ttl(w, t):
    before = w.apex("SOA")
    w.upsert(before | {"TTL": 86400})
    yield
    t.assertEqual(w.apex("SOA")["TTL"], before["TTL"])


@edit(f"hosted_zone/{DOMAIN} ~ soa.minimum")
def zone_soa_minimum(w, t):
    before = w.apex("SOA")
    value = before["ResourceRecords"][0]["Value"].split()
    value[6] = "86400"
    w.upsert(before | {"ResourceRecords": [{"Value": " ".join(value)}]})
    yield
    t.assertEqual(w.apex("SOA")["ResourceRecords"][0]["Value"].split()[6], "300")


@edit(f"hosted_zone/{DOMAIN} ~ name-servers")
def zone_names_servers_of_somebody_else(w, t):
    """Whoever believed it would have the parent delegate to them."""
    before = w.apex("NS")
    evil = [{"Value": f"ns{number}.evil.example."} for number in (1, 2)]
    w.upsert(before | {"ResourceRecords": evil})
    yield
    assigned = w.route53.get_hosted_zone(Id=w.zone)["DelegationSet"]["NameServers"]
    t.assertCountEqual([one["Value"] for one in w.apex("NS")["ResourceRecords"]],
                       [f"{server}." for server in assigned])
    t.assertEqual(w.apex("NS")["TTL"], before["TTL"])


@edit(f"hosted_zone/{DOMAIN} ~ name-servers")
def zone_names_half_of_its_servers(w, t):
    before = w.apex("NS")
    w.upsert(before | {"ResourceRecords": before["ResourceRecords"][:2]})
    yield
    t.assertCountEqual(w.apex("NS")["ResourceRecords"], before["ResourceRecords"])


@edit(f"query_logging/{DOMAIN} - log-group")
def zone_questions_logged_without_being_asked(w, t):
    name = "/aws/route53/curious"
    w.logs.create_log_group(logGroupName=name)
    policy = allow(
        ["logs:CreateLogStream", "logs:PutLogEvents"],
        f"arn:aws:logs:us-east-1:{spore.ACCOUNT}:log-group:/aws/route53/*",
        Principal={"Service": "route53.amazonaws.com"},
    )
    w.logs.put_resource_policy(policyName="curious", policyDocument=policy)
    w.route53.create_query_logging_config(
        HostedZoneId=w.zone,
        CloudWatchLogsLogGroupArn=f"arn:aws:logs:us-east-1:{spore.ACCOUNT}:log-group:{name}",
    )
    yield
    t.assertEqual(w.route53.list_query_logging_configs()["QueryLoggingConfigs"], [])


# ---- What must not be undone by itself ---------------------------------------------------------


@edit(blocked={"role/updater": "without the tag spore:stack"})
def role_without_the_tag_of_its_stack_is_nobodys(w, t):
    tag = next(tag for tag in w.role()["Tags"] if tag["Key"] == "spore:stack")
    w.iam.untag_role(RoleName=ROLE, TagKeys=["spore:stack"])
    yield
    t.assertNotIn(tag, w.role()["Tags"])
    w.iam.tag_role(RoleName=ROLE, Tags=[tag])


@edit("kms_key/ksk ~ state", "ksk/active ~ status")
def ksk_key_scheduled_for_deletion(w, t):
    key = w.key(KSK_ALIAS)["KeyId"]
    w.kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=7)
    yield
    t.assertEqual(w.key(KSK_ALIAS)["KeyId"], key)
    t.assertEqual(w.key(KSK_ALIAS)["KeyState"], "Enabled")
    (ksk,) = w.route53.get_dnssec(HostedZoneId=w.zone)["KeySigningKeys"]
    t.assertEqual(ksk["Status"], "ACTIVE")


@edit(blocked={"logs_key/logs": "without the tag spore:stack"})
def logs_key_alias_to_somebody_elses_key(w, t):
    own = w.key(LOGS_ALIAS)["KeyId"]
    other = w.kms.create_key(Tags=[{"TagKey": "owner", "TagValue": "somebody"}])["KeyMetadata"]
    w.kms.update_alias(AliasName=LOGS_ALIAS, TargetKeyId=other["KeyId"])
    yield
    t.assertEqual(w.key(LOGS_ALIAS)["KeyId"], other["KeyId"])
    w.kms.update_alias(AliasName=LOGS_ALIAS, TargetKeyId=own)


# ---- Whole objects -----------------------------------------------------------------------------


@edit("function/updater + code-sha256 permission.spore-api", more=True)
def function_deleted(w, t):
    before = w.function()
    w.awslambda.delete_function(FunctionName=FUNCTION)
    yield
    after = w.function()
    for member in ("CodeSha256", "Role", "MemorySize", "Timeout", "LoggingConfig", "FunctionArn"):
        t.assertEqual(after[member], before[member])


@edit(
    "rest_api/updater + name resource./update-dns stage.prod.definition",
    "function/updater ~ permission.spore-api",
    f"journal_group/{DOMAIN} ~ tags.spore:api",
    more=True,
)
def api_deleted(w, t):
    gone = w.api
    w.apigateway.delete_rest_api(restApiId=gone)
    yield
    (api,) = w.apigateway.get_rest_apis()["items"]
    t.assertEqual(api["name"], API)
    policy = statements(w.awslambda.get_policy(FunctionName=FUNCTION)["Policy"])
    source = policy["spore-api"]["Condition"]["ArnLike"]["AWS:SourceArn"]
    t.assertIn(api["id"], source)
    t.assertNotIn(gone, source)


# ---- Running them ------------------------------------------------------------------------------


def matches(expected, got):
    """Whether attributes are those expected; `prefix.*` stands for one or more below it."""
    rest = set(got)
    for name in expected:
        is_below = name.endswith("*")
        found = {one for one in rest if one == name or is_below and one.startswith(name[:-1])}
        if not found:
            return False
        rest -= found
    return not rest


class Drift(unittest.TestCase):
    """Each edit is one fact."""

    maxDiff = None
    # What an edit that failed has left behind, so that the next ones are judged for themselves.
    left = {}

    @classmethod
    def setUpClass(cls):
        cls.world = World()

    @classmethod
    def tearDownClass(cls):
        cls.world.stack.close()

    def plan(self, whole):
        changes, plan = self.world.plan(whole)
        return {at: change for at, change in changes.items() if self.left.get(at) != change}, plan

    def judge(self, function, expected, blocked, more, whole, noted):
        world = self.world
        steps = function(world, self)
        next(steps)
        try:
            changes, plan = self.plan(whole)
            for words in noted:
                self.assertTrue(any(words in note for note in plan["notes"]), plan["notes"])
            reasons = {one["address"]: one for one in plan["blocked"]}
            if blocked is None:
                self.assertFalse(reasons)
                self.assert_named(expected, changes, more)
                world.run("apply", "--yes").expect(0)
            else:
                for at, reason in blocked.items():
                    self.assertIn(at, reasons, plan["changes"])
                    self.assertIn(reason, json.dumps(reasons[at]))
                    self.assertNotIn(at, changes)
            with contextlib.suppress(StopIteration):
                next(steps)
        except BaseException:
            with contextlib.suppress(AssertionError, KeyError, ValueError):
                type(self).left = world.plan(whole)[0]
            raise

    def assert_named(self, expected, changes, more):
        wanted = {}
        for line in expected:
            at, symbol, *names = line.split()
            wanted[at] = (symbol, set(names))
        self.assertEqual(set(changes), set(wanted), f"the plan changes {changes}")
        for at, (symbol, names) in wanted.items():
            self.assertEqual(changes[at][0], symbol, at)
            if more:
                self.assertLessEqual(names, changes[at][1], at)
            else:
                self.assertTrue(
                    matches(names, changes[at][1]), f"{at}: {changes[at][1]} instead of {names}"
                )

    def test_zzz_in_the_end_nothing_is_left_to_change(self):
        kept = self.world.place.dir / "last.plan"
        self.world.run("plan", "--detailed-exitcode", "--out", kept).expect(0)


def load_tests(_loader, _tests, _pattern):
    """The edits in the order of this file."""
    names = []
    for function, *told in EDITS:
        name = f"test_{function.__name__}"

        def test(self, given=(function, *told)):
            self.judge(*given)

        setattr(Drift, name, test)
        names.append(name)
    patterns = _loader.testNamePatterns
    suite = unittest.TestSuite()
    for name in [*names, "test_zzz_in_the_end_nothing_is_left_to_change"]:
        if not patterns or any(pattern.strip("*") in name for pattern in patterns):
            suite.addTest(Drift(name))
    return suite


if __name__ == "__main__":
    spore.main()
