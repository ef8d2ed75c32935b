"""boto3 sees the whole stack as the plan promised it, and the API's URL runs the built bootstrap.

A plan from empty names every attribute that the stack will have. What boto3 reads after the apply
is put under the same names here, written without looking at the tool, and compared.
"""

import base64
import hashlib
import io
import json
import os
import pathlib
import unittest
import urllib.error
import urllib.request
import zipfile

import spore

DOMAIN = "spore.example.edu"
DOCUMENT = spore.ROOT / "plans" / f"{DOMAIN}.toml"
FUNCTION = "spore-spore_example_edu-updater"
GROUPS = f"/spore-infra/{DOMAIN}"
PATH = "/update-dns"
TAGS = {
    "spore:managed-by": "spore-infra",
    "spore:stack": DOMAIN,
}


def word(value):
    """A value as plans write it."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


def same_json(value):
    """Texts that hold JSON in one spelling."""
    try:
        return json.dumps(json.loads(value), sort_keys=True)
    except (TypeError, ValueError):
        return value


def tagged(tags, prefix=""):
    """Attributes of tags, which AWS's services write in four ways."""
    if isinstance(tags, list):
        tags = {
            tag.get("Key", tag.get("TagKey")): tag.get("Value", tag.get("TagValue")) for tag in tags
        }
    return {f"{prefix}tags.{key}": value for key, value in tags.items()}


class Eyes:
    """Reads the stack with boto3."""

    def __init__(self, server):
        client = server.client
        self.route53, self.kms, self.iam = client("route53"), client("kms"), client("iam")
        self.function, self.api = client("lambda"), client("apigateway")
        self.logs, self.cloudwatch = client("logs"), client("cloudwatch")
        zones = self.route53.list_hosted_zones_by_name(DNSName=DOMAIN)["HostedZones"]
        self.zones = [zone for zone in zones if zone["Name"] == f"{DOMAIN}."]
        self.zone = self.zones[0]
        self.zone_id = self.zone["Id"].removeprefix("/hostedzone/")
        self.apis = self.api.get_rest_apis()["items"]
        self.api_id = self.apis[0]["id"]

    def stack(self):
        """Every object by the address that plans give it."""
        seen = {
            f"journal_group/{DOMAIN}": self.group(GROUPS),
            f"hosted_zone/{DOMAIN}": self.hosted_zone(),
            f"zone_signing/{DOMAIN}": self.signing(),
            "kms_key/ksk": self.key("alias/spore-spore_example_edu"),
            "ksk/active": self.ksk(),
            "logs_key/logs": self.key("alias/spore-spore_example_edu-logs"),
            "log_group/updater": self.group(f"{GROUPS}/updater"),
            "log_group/api": self.group(f"{GROUPS}/api"),
            "role/updater": self.role(FUNCTION),
            "function/updater": self.lambda_function(),
            "api_account/us-east-1": self.account(),
            "rest_api/updater": self.rest_api(),
        }
        for group in ("api", "updater"):
            found = self.logs.describe_metric_filters(logGroupName=f"{GROUPS}/{group}")
            for one in found["metricFilters"]:
                seen[f"metric_filter/{group}/{one['filterName']}"] = self.metric_filter(one)
        for alarm in self.cloudwatch.describe_alarms()["MetricAlarms"]:
            seen[f"alarm/{alarm['AlarmName'].removeprefix(f'spore/{DOMAIN}/')}"] = self.alarm(alarm)
        return seen

    def hosted_zone(self):
        sets = self.route53.list_resource_record_sets(HostedZoneId=self.zone_id)
        soa = next(one for one in sets["ResourceRecordSets"] if one["Type"] == "SOA")
        tags = self.route53.list_tags_for_resource(
            ResourceType="hostedzone", ResourceId=self.zone_id
        )
        return {
            "name": self.zone["Name"].removesuffix("."),
            "caller-reference": self.zone["CallerReference"],
            "comment": self.zone["Config"]["Comment"],
            "soa.ttl": word(soa["TTL"]),
            "soa.minimum": soa["ResourceRecords"][0]["Value"].split()[-1],
            **tagged(tags["ResourceTagSet"]["Tags"]),
        }

    def dnssec(self):
        return self.route53.get_dnssec(HostedZoneId=self.zone_id)

    def signing(self):
        return {"status": self.dnssec()["Status"]["ServeSignature"]}

    def ksk(self):
        (key,) = self.dnssec()["KeySigningKeys"]
        return {"name": key["Name"], "kms-key": key["KmsArn"], "status": key["Status"]}

    def key(self, alias):
        key = self.kms.describe_key(KeyId=alias)["KeyMetadata"]
        aliases = self.kms.list_aliases(KeyId=key["KeyId"])["Aliases"]
        seen = {
            "alias": " ".join(one["AliasName"] for one in aliases),
            "region": key["Arn"].split(":")[3],
            "spec": key["KeySpec"],
            **tagged(self.kms.list_resource_tags(KeyId=key["KeyId"])["Tags"]),
        }
        if key["KeyUsage"] == "SIGN_VERIFY":
            return seen | {"usage": key["KeyUsage"]}
        rotation = self.kms.get_key_rotation_status(KeyId=key["KeyId"])
        if rotation["KeyRotationEnabled"]:
            seen["rotation"] = f"every {rotation['RotationPeriodInDays']} days, by KMS"
        return seen

    def group(self, name):
        groups = self.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
        group = next(one for one in groups if one["logGroupName"] == name)
        seen = {
            "name": name,
            "retention-days": word(group["retentionInDays"]),
            **tagged(self.logs.list_tags_for_resource(resourceArn=group["logGroupArn"])["tags"]),
        }
        return seen | ({"kms-key": group["kmsKeyId"]} if "kmsKeyId" in group else {})

    def role(self, name):
        role = self.iam.get_role(RoleName=name)["Role"]
        return {"name": role["RoleName"], "path": role["Path"], **tagged(role["Tags"])}

    def lambda_function(self):
        got = self.function.get_function(FunctionName=FUNCTION)
        config = got["Configuration"]
        seen = {
            "name": config["FunctionName"],
            "code-sha256": config["CodeSha256"],
            "architecture": " ".join(config["Architectures"]),
            "description": config["Description"],
            "handler": config["Handler"],
            "log-format": config["LoggingConfig"]["LogFormat"],
            "log-group": config["LoggingConfig"]["LogGroup"],
            "memory": f"{config['MemorySize']} MiB",
            "role": config["Role"],
            "runtime": config["Runtime"],
            "storage": f"{config['EphemeralStorage']['Size']} MiB",
            "timeout": f"{config['Timeout']} s",
            "tracing": config["TracingConfig"]["Mode"],
            "concurrency": word(got["Concurrency"]["ReservedConcurrentExecutions"]),
            **tagged(got["Tags"]),
        }
        policy = json.loads(self.function.get_policy(FunctionName=FUNCTION)["Policy"])
        for one in policy["Statement"]:
            source = one["Condition"]["ArnLike"]["AWS:SourceArn"]
            who = one["Principal"]["Service"]
            seen[f"permission.{one['Sid']}"] = f"{who} may {one['Action']} from {source}"
        return seen

    def account(self):
        return {"log-role": self.api.get_account()["cloudwatchRoleArn"], "region": spore.REGION}

    def rest_api(self):
        api = self.api.get_rest_api(restApiId=self.api_id)
        endpoint = api["endpointConfiguration"]
        seen = {
            "name": api["name"],
            "description": api["description"],
            "api-key-source": api["apiKeySource"],
            "binary-media-types": " ".join(api.get("binaryMediaTypes", [])),
            "minimum-compression-size": word(api.get("minimumCompressionSize", "")),
            "endpoint.type": " ".join(endpoint["types"]),
            "endpoint.ip-address-type": endpoint["ipAddressType"],
            "endpoint.default": "disabled" if api["disableExecuteApiEndpoint"] else "enabled",
            "endpoint.access-mode": api["endpointAccessMode"],
            "security-policy": api["securityPolicy"],
            **tagged(api["tags"]),
        }
        names = {"restApiId": self.api_id}
        validators = {
            one["id"]: one for one in self.api.get_request_validators(**names)["items"]
        }
        for one in validators.values():
            at = f"validator.{one['name']}"
            seen[f"{at}.body"] = word(one["validateRequestBody"])
            seen[f"{at}.parameters"] = word(one["validateRequestParameters"])
        for one in self.api.get_models(**names)["items"]:
            # AWS puts these two into every API.
            if one["name"] not in ("Empty", "Error"):
                at = f"model.{one['name']}"
                seen[f"{at}.content-type"] = one["contentType"]
                seen[f"{at}.description"] = one["description"]
                seen[f"{at}.schema"] = one["schema"]
        for one in self.api.get_gateway_responses(**names)["items"]:
            if not one["defaultResponse"]:
                at = f"gateway-response.{one['responseType']}"
                seen[f"{at}.status"] = one.get("statusCode", "each type's own")
                for kind, body in one["responseTemplates"].items():
                    seen[f"{at}.body.{kind}"] = body
                for name, value in one["responseParameters"].items():
                    seen[f"{at}.{name}"] = value
        for resource in self.api.get_resources(**names, embed=["methods"])["items"]:
            if resource["path"] != "/":
                seen[f"resource.{resource['path']}"] = "present"
            for verb in resource.get("resourceMethods", {}):
                place = f"{resource['path']}.{verb}"
                seen |= self.method(place, resource["id"], verb, validators)
        for one in self.api.get_authorizers(**names)["items"]:
            seen[f"authorizer.{one['name']}"] = one["type"]
        for one in self.api.get_stages(**names)["item"]:
            seen |= self.stage(one)
        return seen

    def method(self, place, resource, verb, validators):
        got = self.api.get_method(restApiId=self.api_id, resourceId=resource, httpMethod=verb)
        integration = got["methodIntegration"]
        at, to = f"method.{place}", f"integration.{place}"
        seen = {
            f"{at}.api-key-required": word(got["apiKeyRequired"]),
            f"{at}.authorization": got["authorizationType"],
            f"{at}.validator": validators[got["requestValidatorId"]]["name"],
            f"{to}.http-method": integration["httpMethod"],
            f"{to}.passthrough": integration["passthroughBehavior"],
            f"{to}.timeout-ms": word(integration["timeoutInMillis"]),
            f"{to}.type": integration["type"],
            f"{to}.uri": integration["uri"],
        }
        for kind, model in got["requestModels"].items():
            seen[f"{at}.model.{kind}"] = model
        return seen

    def stage(self, stage):
        at = f"stage.{stage['stageName']}"
        (method,) = stage["methodSettings"].values()
        deployment = self.api.get_deployment(
            restApiId=self.api_id, deploymentId=stage["deploymentId"]
        )
        return {
            f"{at}.access-log.destination": stage["accessLogSettings"]["destinationArn"],
            f"{at}.access-log.format": stage["accessLogSettings"]["format"],
            f"{at}.cache-cluster": word(stage["cacheClusterEnabled"]),
            f"{at}.caching": word(method["cachingEnabled"]),
            f"{at}.definition": deployment["description"],
            f"{at}.logging.data-trace": word(method["dataTraceEnabled"]),
            f"{at}.logging.level": method.get("loggingLevel", "OFF"),
            f"{at}.metrics": word(method["metricsEnabled"]),
            f"{at}.throttling.burst": word(method["throttlingBurstLimit"]),
            f"{at}.throttling.rate": word(method["throttlingRateLimit"]),
            f"{at}.tracing": word(stage["tracingEnabled"]),
        }

    @staticmethod
    def metric_filter(one):
        (metric,) = one["metricTransformations"]
        seen = {
            "pattern": one["filterPattern"],
            "metric.name": metric["metricName"],
            "metric.namespace": metric["metricNamespace"],
            "metric.value": metric["metricValue"],
            "metric.unit": metric["unit"],
        }
        if "defaultValue" in metric:
            seen["metric.default"] = word(metric["defaultValue"])
        for name, value in metric.get("dimensions", {}).items():
            seen[f"metric.dimensions.{name}"] = value
        return seen

    def alarm(self, alarm):
        seen = {
            "actions-enabled": word(alarm["ActionsEnabled"]),
            "comparison": alarm["ComparisonOperator"],
            "description": alarm["AlarmDescription"],
            "evaluation-periods": word(alarm["EvaluationPeriods"]),
            "metric": alarm["MetricName"],
            "missing-data": alarm["TreatMissingData"],
            "namespace": alarm["Namespace"],
            "period": f"{alarm['Period']} s",
            "statistic": alarm["Statistic"],
            "threshold": word(alarm["Threshold"]),
            **tagged(self.cloudwatch.list_tags_for_resource(ResourceARN=alarm["AlarmArn"])["Tags"]),
        }
        for one in alarm["Dimensions"]:
            seen[f"dimensions.{one['Name']}"] = one["Value"]
        for member, name in (
            ("AlarmActions", "alarm-actions"),
            ("OKActions", "ok-actions"),
            ("InsufficientDataActions", "insufficient-data-actions"),
        ):
            if alarm[member]:
                seen[name] = " ".join(sorted(alarm[member]))
        return seen


class Stack(unittest.TestCase):
    """The stack of the plan that the repository shows, in one served world."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.serving = spore.serving("--profile", "instant")
        cls.place, cls.server = cls.serving.__enter__()
        try:
            plan = cls.run_tool("plan", "--json").expect(0)
            cls.promised = {
                change["address"]: {
                    field["name"]: field["after"] for field in change["fields"]
                }
                for change in json.loads(plan.out)["changes"]
            }
            cls.run_tool("apply", "--yes").expect(0)
            cls.eyes = Eyes(cls.server)
            cls.seen = cls.eyes.stack()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.serving.__exit__(None, None, None)

    @classmethod
    def run_tool(cls, command, *args):
        return cls.place.run(command, DOCUMENT, *args, **cls.server.env())

    def ask(self, path=PATH, method="POST", body=None, kind="application/json"):
        """A request to the API's URL: status, headers, JSON."""
        url = f"{self.server.url}/restapis/{self.eyes.api_id}/prod/_user_request_{path}"
        body = body if body is None or isinstance(body, bytes) else json.dumps(body).encode()
        headers = {"Content-Type": kind} if body is not None else {}
        request = urllib.request.Request(url, method=method, data=body, headers=headers)
        try:
            answer = urllib.request.urlopen(request, timeout=spore.PATIENCE_SECS)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            return answer.status, answer.headers, json.loads(answer.read())

    def lines(self, group):
        """The JSON lines of a log group, by request id."""
        events = self.eyes.logs.filter_log_events(logGroupName=f"{GROUPS}/{group}")["events"]
        lines = [json.loads(one["message"]) for one in events if one["message"].startswith("{")]
        return {line["requestId"]: line for line in lines}

    # ---- What was made -------------------------------------------------------------------------

    def test_a1_every_promised_object_is_there_and_no_other(self):
        unseen = {f"delegation/{DOMAIN}"}
        self.assertEqual(set(self.seen), set(self.promised) - unseen)
        self.assertEqual(len(self.eyes.zones), 1)
        self.assertEqual(len(self.eyes.apis), 1)
        names = {one["FunctionName"] for one in self.eyes.function.list_functions()["Functions"]}
        self.assertEqual(names, {FUNCTION})
        roles = {one["RoleName"] for one in self.eyes.iam.list_roles()["Roles"]}
        self.assertEqual(roles, {FUNCTION, "spore-infra-api-logs"})

    def test_a2_every_attribute_reads_as_promised(self):
        known = {
            "ksk/active": {"kms-key": self.key_arn("alias/spore-spore_example_edu")},
            "log_group/updater": {"kms-key": self.key_arn("alias/spore-spore_example_edu-logs")},
            "log_group/api": {"kms-key": self.key_arn("alias/spore-spore_example_edu-logs")},
        }
        for at, attributes in self.promised.items():
            with self.subTest(address=at):
                seen = self.seen.get(at, {})
                if at.startswith("journal_group/"):
                    # The journal keeps evidence as tags, beyond what the plan says.
                    seen = {name: value for name, value in seen.items() if name in attributes}
                wanted = {}
                for name, value in attributes.items():
                    value = value.replace("(id of the API)", self.eyes.api_id)
                    if value == f"(known after apply: hosted_zone/{DOMAIN}.id)":
                        value = self.eyes.zone_id
                    elif name == "code-sha256":
                        value = self.zip()[0]
                    elif value.startswith("(known after apply: "):
                        value = known[at][name]
                    wanted[name] = same_json(value)
                seen = {name: same_json(value) for name, value in seen.items()}
                self.assertEqual(seen, wanted)

    def key_arn(self, alias):
        return self.eyes.kms.describe_key(KeyId=alias)["KeyMetadata"]["Arn"]

    def zip(self):
        """The function's zip as the world keeps it: CodeSha256 by our own reckoning, and the files."""
        location = self.eyes.function.get_function(FunctionName=FUNCTION)["Code"]["Location"]
        name = location.rsplit("/", 1)[1]
        (found,) = pathlib.Path(self.place.dir).glob(f"world/blobs/{name}*")
        content = found.read_bytes()
        files = zipfile.ZipFile(io.BytesIO(content))
        sha = base64.b64encode(hashlib.sha256(content).digest()).decode()
        return sha, {one: files.read(one) for one in files.namelist()}

    def test_a3_the_function_has_the_bootstrap_of_the_plan_and_its_configuration(self):
        _, files = self.zip()
        promised = self.promised["function/updater"]["code-sha256"]
        self.assertIn("bootstrap", files)
        self.assertIn(hashlib.sha256(files["bootstrap"]).hexdigest(), promised)
        if given := os.environ.get("SPORE_UPDATER_ZIP"):
            self.assertEqual(zipfile.ZipFile(given).read("bootstrap"), files["bootstrap"])
        (config,) = [content for name, content in files.items() if name != "bootstrap"]
        self.assertIn(DOMAIN, config.decode())
        self.assertIn(self.eyes.zone_id, config.decode())

    def test_a4_nobody_but_route_53_may_sign_and_only_this_zone(self):
        key = self.eyes.kms.describe_key(KeyId="alias/spore-spore_example_edu")["KeyMetadata"]
        policy = self.eyes.kms.get_key_policy(KeyId=key["KeyId"], PolicyName="default")["Policy"]
        signers = []
        for one in json.loads(policy)["Statement"]:
            actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
            self.assertFalse([action for action in actions if "*" in action], one)
            if "kms:Sign" in actions:
                signers.append((one["Principal"], one["Condition"]))
        zone = f"arn:aws:route53:::hostedzone/{self.eyes.zone_id}"
        self.assertEqual(
            signers,
            [
                (
                    {"Service": "dnssec-route53.amazonaws.com"},
                    {
                        "StringEquals": {"aws:SourceAccount": spore.ACCOUNT},
                        "ArnEquals": {"aws:SourceArn": zone},
                    },
                )
            ],
        )

    def test_a5_the_role_has_one_policy_for_one_zone_and_one_log_group(self):
        iam = self.eyes.iam
        role = iam.get_role(RoleName=FUNCTION)["Role"]
        (trust,) = role["AssumeRolePolicyDocument"]["Statement"]
        self.assertEqual(trust["Principal"], {"Service": "lambda.amazonaws.com"})
        self.assertEqual(
            trust["Condition"], {"StringEquals": {"aws:SourceAccount": spore.ACCOUNT}}
        )
        attached = iam.list_attached_role_policies(RoleName=FUNCTION)["AttachedPolicies"]
        self.assertEqual(attached, [])
        (name,) = iam.list_role_policies(RoleName=FUNCTION)["PolicyNames"]
        policy = iam.get_role_policy(RoleName=FUNCTION, PolicyName=name)["PolicyDocument"]
        resources = {}
        for one in policy["Statement"]:
            if one["Effect"] != "Allow":
                continue
            actions = one["Action"] if isinstance(one["Action"], list) else [one["Action"]]
            for action in actions:
                resources.setdefault(action, []).append(one["Resource"])
        zone = f"arn:aws:route53:::hostedzone/{self.eyes.zone_id}"
        log = f"arn:aws:logs:us-east-1:{spore.ACCOUNT}:log-group:{GROUPS}/updater:log-stream:*"
        self.assertEqual(
            resources,
            {
                "route53:ChangeResourceRecordSets": [zone],
                "route53:ListResourceRecordSets": [zone],
                "ec2:DescribeInstances": ["*"],
                "logs:CreateLogStream": [log],
                "logs:PutLogEvents": [log],
            },
        )

    def test_a6_the_stage_is_tagged_like_the_api(self):
        stage = self.eyes.api.get_stage(restApiId=self.eyes.api_id, stageName="prod")
        self.assertLessEqual(TAGS.items(), stage["tags"].items())

    def test_a7_a_second_plan_is_empty(self):
        self.run_tool("plan", "--detailed-exitcode").expect(0)

    # ---- What it does --------------------------------------------------------------------------

    def test_b1_a_request_reaches_the_bootstrap_and_leaves_its_lines(self):
        status, headers, answer = self.ask(body={"record_name": "web", "ip_address": "192.0.2.7"})
        self.assertEqual(status, 401)
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(headers["Cache-Control"], "no-store")
        self.assertEqual(
            set(answer),
            {
                *("success", "code", "message", "error", "record", "change_id", "owner"),
                *("request_id", "timestamp", "proof"),
            },
        )
        self.assertIs(answer["success"], False)
        self.assertEqual(answer["code"], "proof_invalid")
        self.assertIn("proves nothing", answer["error"])
        self.assertIsNone(answer["proof"], "nobody signs an answer for a stranger")
        request = answer["request_id"]
        self.assertEqual(request, headers["x-amzn-RequestId"])
        audit = self.lines("updater")[request]
        self.assertEqual((audit["code"], audit["message"]), (answer["code"], answer["error"]))
        self.assertEqual((audit["validation"], audit["principal"]), ("failure", None))
        self.assertEqual((audit["ipAddress"], audit["success"]), ("192.0.2.7", False))
        access = self.lines("api")[request]
        self.assertEqual(
            (access["status"], access["method"], access["path"], access["stage"], access["ip"]),
            ("401", "POST", PATH, "prod", "127.0.0.1"),
        )
        metrics = {
            (one["Namespace"], one["MetricName"])
            for one in self.eyes.cloudwatch.list_metrics()["Metrics"]
        }
        for metric in (
            ("AWS/ApiGateway", "Count"),
            ("AWS/ApiGateway", "4XXError"),
            ("AWS/Lambda", "Invocations"),
        ):
            self.assertIn(metric, metrics)

    def refused(self, status, code, **request):
        """The gateway refuses by itself, in the updater's form, and the access log has it."""
        before = set(self.lines("updater"))
        got, headers, answer = self.ask(**request)
        self.assertEqual((got, answer["code"]), (status, code), answer)
        self.assertIs(answer["success"], False)
        self.assertEqual(answer["error"], answer["message"])
        self.assertEqual(headers["Content-Type"], "application/json")
        self.assertEqual(self.lines("api")[answer["request_id"]]["status"], str(status))
        self.assertEqual(set(self.lines("updater")), before, "the function has run")

    def test_b2_what_is_not_json_is_refused_by_the_gateway(self):
        self.refused(400, "bad_request", body=b'{"record_name": ')

    def test_b3_json_of_another_form_is_refused_by_the_gateway(self):
        self.refused(400, "bad_request", body={"ip_address": "192.0.2.7"})
        self.refused(400, "bad_request", body={"record_name": 7, "ip_address": "192.0.2.7"})
        self.refused(400, "bad_request", body=[])

    def test_b4_another_path_or_method_is_not_found(self):
        self.refused(404, "not_found", path="/other", body={"record_name": "web"})
        self.refused(404, "not_found", path="/", body={"record_name": "web"})
        self.refused(404, "not_found", path=f"{PATH}/more", body={"record_name": "web"})
        self.refused(404, "not_found", method="GET")
        self.refused(404, "not_found", method="DELETE")

    # ---- Its end -------------------------------------------------------------------------------

    def test_z_destroy_leaves_what_it_names_and_nothing_else(self):
        said = self.run_tool("destroy", "--yes").expect(0).out
        eyes = self.eyes
        log_key = self.seen["log_group/api"]["kms-key"]
        left = {
            "log groups": {
                one["logGroupName"] for one in eyes.logs.describe_log_groups()["logGroups"]
            },
            "roles": {one["RoleName"] for one in eyes.iam.list_roles()["Roles"]},
            "keys": {
                one["KeyArn"]
                for one in eyes.kms.list_keys()["Keys"]
                if eyes.kms.describe_key(KeyId=one["KeyId"])["KeyMetadata"]["KeyState"]
                != "PendingDeletion"
            },
            "aliases": {
                one["AliasName"]
                for one in eyes.kms.list_aliases()["Aliases"]
                if one["AliasName"].startswith("alias/spore")
            },
            "zones": eyes.route53.list_hosted_zones()["HostedZones"],
            "functions": eyes.function.list_functions()["Functions"],
            "apis": eyes.api.get_rest_apis()["items"],
            "alarms": eyes.cloudwatch.describe_alarms()["MetricAlarms"],
            "metric filters": eyes.logs.describe_metric_filters()["metricFilters"],
        }
        groups = {f"{GROUPS}/updater", f"{GROUPS}/api"}
        self.assertEqual(
            left,
            {
                "log groups": groups,
                "roles": {"spore-infra-api-logs"},
                "keys": {log_key},
                "aliases": {"alias/spore-spore_example_edu-logs"},
                **dict.fromkeys(("zones", "functions", "apis", "alarms", "metric filters"), []),
            },
        )
        named = [line for line in said.splitlines() if " left in place" in line]
        for what in (*groups, log_key, "spore-infra-api-logs"):
            self.assertTrue([line for line in named if what in line], f"{what} in {said}")
        self.assertEqual(
            eyes.api.get_account()["cloudwatchRoleArn"],
            f"arn:aws:iam::{spore.ACCOUNT}:role/spore-infra-api-logs",
        )


if __name__ == "__main__":
    spore.main()
