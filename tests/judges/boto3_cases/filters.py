"""CloudWatch Logs beyond groups: metric filters, resource policies, queries, and Route 53's use of them."""

import json

from .alarms import AlarmCase
from .base import Case


def statement(service, resource, *actions, effect="Allow"):
    return {
        "Effect": effect,
        "Principal": {"Service": service},
        "Action": list(actions) or ["logs:CreateLogStream", "logs:PutLogEvents"],
        "Resource": resource,
    }


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


class Filters(AlarmCase):
    """Each test in an account of its own, with a group and a stream."""

    def setUp(self):
        super().setUp()
        self.logs = self.client("logs")
        self.logs.create_log_group(logGroupName="/judged")
        self.logs.create_log_stream(logGroupName="/judged", logStreamName="s")

    def filter(self, pattern='{ $.code = "denied" }', name="judged", **transformation):
        made = {"metricName": "denied", "metricNamespace": "Judged", "metricValue": "1"}
        given = {
            "logGroupName": "/judged",
            "filterName": name,
            "filterPattern": pattern,
            "metricTransformations": [made | transformation],
        }
        self.logs.put_metric_filter(**given)
        return given

    def write(self, *messages, at=None):
        at = 1000 * (self.now() if at is None else at)
        events = [
            {
                "timestamp": at,
                "message": message if isinstance(message, str) else json.dumps(message),
            }
            for message in messages
        ]
        self.logs.put_log_events(logGroupName="/judged", logStreamName="s", logEvents=events)

    def sums(self, **dimensions):
        """Sums of the metric by minute, around now."""
        now = self.now()
        points = self.cloudwatch.get_metric_statistics(
            Namespace="Judged",
            MetricName="denied",
            Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
            StartTime=now - 3600,
            EndTime=now + 3600,
            Period=60,
            Statistics=["Sum"],
        )["Datapoints"]
        return [point["Sum"] for point in sorted(points, key=lambda point: point["Timestamp"])]

    def matched(self, pattern, *messages):
        found = self.logs.test_metric_filter(filterPattern=pattern, logEventMessages=list(messages))
        return [match["eventNumber"] for match in found["matches"]]

    def test_filters_are_read_back(self):
        logs = self.logs
        given = self.filter(defaultValue=0.0, unit="Count")
        (found,) = logs.describe_metric_filters(logGroupName="/judged")["metricFilters"]
        for name, value in given.items():
            self.assertEqual(found[name], value, name)
        given = self.filter("{ $.n > 0 }", metricValue="$.n", dimensions={"zone": "$.zone"})
        (found,) = logs.describe_metric_filters(metricName="denied", metricNamespace="Judged")[
            "metricFilters"
        ]
        for name, value in given.items():
            self.assertEqual(found[name], value, name)
        self.assertNotIn("defaultValue", found["metricTransformations"][0])
        self.filter(name="other")
        names, pages = self.pages(
            logs, "describe_metric_filters", "metricFilters", 1, logGroupName="/judged"
        )
        self.assertEqual(([one["filterName"] for one in names], pages), (["judged", "other"], 2))
        some = logs.describe_metric_filters(logGroupName="/judged", filterNamePrefix="o")
        self.assertEqual([one["filterName"] for one in some["metricFilters"]], ["other"])
        (group,) = logs.describe_log_groups(logGroupNamePrefix="/judged")["logGroups"]
        self.assertEqual(group["metricFilterCount"], 2)
        # Name and namespace go together.
        self.refused("InvalidParameterException", logs.describe_metric_filters, metricName="denied")
        logs.delete_metric_filter(logGroupName="/judged", filterName="other")
        self.refused(
            "ResourceNotFoundException",
            logs.delete_metric_filter,
            logGroupName="/judged",
            filterName="other",
        )
        self.refused(
            "ResourceNotFoundException", logs.describe_metric_filters, logGroupName="/never"
        )

    def test_filters_that_cannot_be(self):
        for wrong in (
            {"pattern": "{ $.code = }"},
            {"pattern": "{ $.a = 1 && }"},
            {"pattern": "[a, b"},
            {"metricValue": "many"},
            {"metricNamespace": "AWS/Judged"},
            # A default value and dimensions exclude each other; three dimensions at most.
            {"defaultValue": 0.0, "dimensions": {"z": "$.zone"}},
            {"dimensions": {f"d{n}": f"$.d{n}" for n in range(4)}},
        ):
            self.refused("InvalidParameterException", self.filter, **wrong)
        (group,) = self.logs.describe_log_groups(logGroupNamePrefix="/judged")["logGroups"]
        self.assertEqual(group["metricFilterCount"], 0)
        for number in range(100):
            self.filter(name=f"f{number}")
        self.refused("LimitExceededException", self.filter, name="one more")
        self.filter(name="f0", metricValue="2")

    def test_filters_match_as_documented(self):
        # Examples of "Filter pattern syntax for metric filters", CloudWatch Logs User Guide.
        error = [
            "[ERROR 400] BAD REQUEST",
            "[ERROR 401] UNAUTHORIZED REQUEST",
            "[ERROR 419] MISSING ARGUMENTS",
            "[ERROR 420] INVALID ARGUMENTS",
        ]
        for pattern, expected in (
            ("ERROR", [1, 2, 3, 4]),
            ("ERROR ARGUMENTS", [3, 4]),
            ("?ERROR ?ARGUMENTS", [1, 2, 3, 4]),
            ("?400 ?420", [1, 4]),
            ("ERROR -ARGUMENTS", [1, 2]),
            ('"INVALID ARGUMENTS"', [4]),
            ("error", []),
            ("", [1, 2, 3, 4]),
        ):
            self.assertEqual(self.matched(pattern, *error), expected, pattern)
        event = {
            "eventType": "UpdateTrail",
            "sourceIPAddress": "111.111.111.111",
            "arrayKey": ["value", "another value"],
            "objectList": [{"name": "a", "id": 1}, {"name": "b", "id": 2}],
            "SomeObject": None,
            "cluster.name": "c",
            "errorCode": 500,
            "open": True,
        }
        for pattern, is_match in (
            ('{ $.eventType = "UpdateTrail" }', True),
            ('{ $.eventType != "UpdateTrail" }', False),
            ("{ $.eventType = UpdateTrail }", True),
            ('{ $.eventType = "Update*" }', True),
            ("{ $.sourceIPAddress != 123.123.* }", True),
            ('{ $.arrayKey[0] = "value" }', True),
            ('{ $.arrayKey[1] = "value" }', False),
            ("{ $.objectList[1].id = 2 }", True),
            ("{ $.errorCode >= 400 }", True),
            ("{ $.errorCode < 400 }", False),
            ("{ $.SomeObject IS NULL }", True),
            ("{ $.SomeOtherObject NOT EXISTS }", True),
            ("{ $.eventType NOT EXISTS }", False),
            ("{ $.open IS TRUE }", True),
            ("{ $.open IS FALSE }", False),
            ("{ ($.errorCode = 500) && ($.open IS FALSE) }", False),
            ("{ ($.errorCode = 500) || ($.open IS FALSE) }", True),
            ('{ ($.errorCode = 1) || (($.open IS TRUE) && ($.eventType = "U*")) }', True),
        ):
            self.assertEqual(self.matched(pattern, json.dumps(event)), [1] * is_match, pattern)
        line = (
            '127.0.0.1 Prod frank [10/Oct/2000:13:25:15 -0700] "GET /index.html HTTP/1.0" 404 1534'
        )
        for pattern, is_match in (
            ("[ip, server, username, timestamp, request, status_code, bytes]", True),
            ("[ip, server, username, timestamp, request, status_code = 4*, bytes]", True),
            ("[ip, server, username, timestamp, request, status_code = 5*, bytes]", False),
            ("[..., status_code = 404, bytes > 1000]", True),
            ("[..., request = *html*, status_code, bytes]", True),
            ("[ip, server]", False),
        ):
            self.assertEqual(self.matched(pattern, line), [1] * is_match, pattern)
        (match,) = self.logs.test_metric_filter(
            filterPattern="[ip, , user, ..., bytes]", logEventMessages=[line]
        )["matches"]
        values = match["extractedValues"]
        self.assertEqual(
            (values["$ip"], values["$user"], values["$bytes"]), ("127.0.0.1", "frank", "1534")
        )
        self.refused(
            "InvalidParameterException",
            self.logs.test_metric_filter,
            filterPattern="{ $.a = ",
            logEventMessages=["x"],
        )

    def test_filters_make_metrics(self):
        self.write({"code": "denied"})
        self.filter(defaultValue=0.0)
        self.assertEqual(self.sums(), [], "only what comes after the filter counts")
        self.write({"code": "denied"}, {"code": "denied"}, {"code": "ok"}, at=self.now() - 180)
        self.write({"code": "ok"}, "no JSON", at=self.now() - 60)
        self.assertEqual(self.sums(), [2.0, 0.0], "the default stands for minutes without a match")
        self.filter("{ $.n > 0 }", metricValue="$.n", dimensions={"zone": "$.zone"})
        self.write({"n": 2.5, "zone": "a"}, {"n": 4, "zone": "b"}, {"n": 8}, {"n": 0, "zone": "a"})
        self.assertEqual((self.sums(zone="a"), self.sums(zone="b")), ([2.5], [4.0]))

    def test_filters_ring_alarms(self):
        self.filter()
        self.alarm(MetricName="denied", Threshold=2.0, TreatMissingData="notBreaching")
        for count, state in ((1, "OK"), (2, "ALARM"), (0, "OK")):
            self.command("advance", "10min")
            if count:
                self.write(*[{"code": "denied"}] * count)
            self.command("advance", "1min")
            self.assertEqual(self.shown()["StateValue"], state, count)


class LogPolicies(Case):
    """Who may write to the account's logs."""

    def setUp(self):
        super().setUp()
        self.logs = self.client("logs")

    def arn(self, rest):
        return f"arn:aws:logs:us-east-1:{self.account}:log-group:{rest}"

    def test_logs_resource_policies(self):
        logs = self.logs
        text = document(statement("route53.amazonaws.com", self.arn("/aws/route53/*")))
        put = logs.put_resource_policy(policyName="p0", policyDocument=text)["resourcePolicy"]
        self.assertEqual(
            (put["policyName"], json.loads(put["policyDocument"])), ("p0", json.loads(text))
        )
        for wrong in (
            "{",
            document(),
            json.dumps({"Statement": []}),
            document(statement("route53.amazonaws.com", "*") | {"Effect": "Maybe"}),
        ):
            self.refused(
                "InvalidParameterException",
                logs.put_resource_policy,
                policyName="wrong",
                policyDocument=wrong,
            )
        for number in range(1, 10):
            logs.put_resource_policy(policyName=f"p{number}", policyDocument=text)
        self.refused(
            "LimitExceededException",
            logs.put_resource_policy,
            policyName="p10",
            policyDocument=text,
        )
        changed = document(statement("route53.amazonaws.com", "*"))
        logs.put_resource_policy(policyName="p3", policyDocument=changed)
        found, pages = self.pages(logs, "describe_resource_policies", "resourcePolicies", 4)
        self.assertEqual(
            (sorted(one["policyName"] for one in found), pages), ([f"p{n}" for n in range(10)], 3)
        )
        self.assertEqual(
            {
                one["policyName"]
                for one in found
                if json.loads(one["policyDocument"]) == json.loads(changed)
            },
            {"p3"},
        )
        logs.delete_resource_policy(policyName="p3")
        self.refused("ResourceNotFoundException", logs.delete_resource_policy, policyName="p3")
        logs.put_resource_policy(policyName="p10", policyDocument=text)

    def test_logs_queries_are_kept(self):
        logs = self.logs
        logs.create_log_group(logGroupName="/judged")
        given = {
            "name": "judged/errors",
            "queryString": "fields @message | limit 5",
            "logGroupNames": ["/judged"],
        }
        id = logs.put_query_definition(**given)["queryDefinitionId"]
        logs.put_query_definition(name="other", queryString="fields @timestamp")
        (found,) = logs.describe_query_definitions(queryDefinitionNamePrefix="judged/")[
            "queryDefinitions"
        ]
        for name, value in (given | {"queryDefinitionId": id}).items():
            self.assertEqual(found[name], value, name)
        logs.put_query_definition(queryDefinitionId=id, **given | {"queryString": "limit 1"})
        found = logs.describe_query_definitions()["queryDefinitions"]
        self.assertEqual(
            sorted(one["queryString"] for one in found), ["fields @timestamp", "limit 1"]
        )
        self.refused(
            "ResourceNotFoundException",
            logs.put_query_definition,
            queryDefinitionId="00000000-0000-0000-0000-000000000000",
            **given,
        )
        self.assertTrue(logs.delete_query_definition(queryDefinitionId=id)["success"])
        self.refused(
            "ResourceNotFoundException", logs.delete_query_definition, queryDefinitionId=id
        )

    def test_lines_are_handed_on_and_hidden(self):
        logs = self.logs
        put, read = logs.put_subscription_filter, logs.describe_subscription_filters
        logs.create_log_group(logGroupName="/judged")
        given = {
            "logGroupName": "/judged",
            "filterName": "theirs",
            "filterPattern": "",
            "destinationArn": f"arn:aws:kinesis:us-east-1:{self.account}:stream/judged",
            "roleArn": f"arn:aws:iam::{self.account}:role/theirs",
            "distribution": "Random",
        }
        put(**given)
        (found,) = read(logGroupName="/judged")["subscriptionFilters"]
        for name, value in given.items():
            self.assertEqual(found[name], value, name)
        put(**given | {"filterName": "other"})
        names, pages = self.pages(
            logs, "describe_subscription_filters", "subscriptionFilters", 1, logGroupName="/judged"
        )
        self.assertEqual(([one["filterName"] for one in names], pages), (["other", "theirs"], 2))
        self.refused("LimitExceededException", put, **given | {"filterName": "third"})
        self.refused("ResourceNotFoundException", read, logGroupName="/never")
        logs.delete_subscription_filter(logGroupName="/judged", filterName="other")
        self.refused(
            "ResourceNotFoundException",
            logs.delete_subscription_filter,
            logGroupName="/judged",
            filterName="other",
        )
        data = {"DataIdentifier": ["arn:aws:dataprotection::aws:data-identifier/IpAddress"]}
        text = json.dumps({"Name": "judged", "Version": "2021-06-01", "Statement": [
            data | {"Sid": "audit", "Operation": {"Audit": {"FindingsDestination": {}}}},
            data | {"Sid": "hide", "Operation": {"Deidentify": {"MaskConfig": {}}}},
        ]})
        of = {"logGroupIdentifier": "/judged"}
        answer = logs.put_data_protection_policy(**of, policyDocument=text)
        self.assertEqual(answer["policyDocument"], text)
        self.assertEqual(logs.get_data_protection_policy(**of)["policyDocument"], text)
        (group,) = logs.describe_log_groups(logGroupNamePrefix="/judged")["logGroups"]
        self.assertEqual(group["dataProtectionStatus"], "ACTIVATED")
        logs.delete_data_protection_policy(**of)
        self.assertNotIn("policyDocument", logs.get_data_protection_policy(**of))

    def test_route53_queries_are_logged_where_it_may_write(self):
        route53, logs = self.client("route53"), self.logs
        zone = route53.create_hosted_zone(Name="judged.example", CallerReference="1")
        zone = zone["HostedZone"]["Id"].removeprefix("/hostedzone/")
        group = "/aws/route53/judged.example"
        wanted = {"HostedZoneId": zone, "CloudWatchLogsLogGroupArn": self.arn(group)}
        create = route53.create_query_logging_config
        self.refused("NoSuchCloudWatchLogsLogGroup", create, **wanted)
        logs.create_log_group(logGroupName=group)
        self.refused("InsufficientCloudWatchLogsResourcePolicy", create, **wanted)
        for wrong in (
            statement("lambda.amazonaws.com", self.arn("/aws/route53/*")),
            statement("route53.amazonaws.com", self.arn("/other/*")),
            statement("route53.amazonaws.com", self.arn("/aws/route53/*"), "logs:PutLogEvents"),
        ):
            logs.put_resource_policy(policyName="p", policyDocument=document(wrong))
            self.refused("InsufficientCloudWatchLogsResourcePolicy", create, **wanted)
        right = statement("route53.amazonaws.com", self.arn("/aws/route53/*"))
        logs.put_resource_policy(policyName="p", policyDocument=document(right))
        for wrong, code in (
            ({"HostedZoneId": "Z00000000000000000000"}, "NoSuchHostedZone"),
            # The group must be in us-east-1.
            (
                {"CloudWatchLogsLogGroupArn": self.arn(group).replace("us-east-1", "eu-west-1")},
                "InvalidInput",
            ),
        ):
            self.refused(code, create, **wanted | wrong)
        answer = create(**wanted)
        made = answer["QueryLoggingConfig"]
        self.assertEqual({name: made[name] for name in wanted}, wanted)
        self.assertTrue(answer["Location"].endswith("/queryloggingconfig/" + made["Id"]))
        self.assertEqual(
            route53.get_query_logging_config(Id=made["Id"])["QueryLoggingConfig"], made
        )
        self.refused("QueryLoggingConfigAlreadyExists", create, **wanted)
        other = route53.create_hosted_zone(Name="other.example", CallerReference="2")
        other = other["HostedZone"]["Id"].removeprefix("/hostedzone/")
        second = create(**wanted | {"HostedZoneId": other})["QueryLoggingConfig"]
        found, pages = self.pages(route53, "list_query_logging_configs", "QueryLoggingConfigs", "1")
        self.assertEqual(
            (sorted(one["Id"] for one in found), pages), (sorted((made["Id"], second["Id"])), 2)
        )
        only = route53.list_query_logging_configs(HostedZoneId=zone)["QueryLoggingConfigs"]
        self.assertEqual(only, [made])
        route53.delete_query_logging_config(Id=made["Id"])
        for call in (route53.get_query_logging_config, route53.delete_query_logging_config):
            self.refused("NoSuchQueryLoggingConfig", call, Id=made["Id"])
        create(**wanted)
