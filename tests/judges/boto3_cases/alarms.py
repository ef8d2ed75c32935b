"""CloudWatch: alarms are read back and follow what was measured; metrics are what was put."""

import datetime

from botocore.exceptions import ClientError

from .base import Case

HOUR = 3600
# What CloudWatch says of wrong parameters; the API reference does not tell which of them when.
WRONG = (
    "InvalidParameterValue",
    "InvalidParameterCombination",
    "MissingParameter",
    "ValidationError",
    "ValidationException",
)
# "How alarm state is evaluated when data is missing", Amazon CloudWatch User Guide: the data points of
# the evaluation range from the oldest to the newest, X over the threshold, 0 not, - missing; then the
# state for missing data treated as missing, ignored (a dash: as it was), breaching, not breaching.
TREATMENTS = ("missing", "ignore", "breaching", "notBreaching")
THREE_OF_THREE = """
    0-X-X  OK                OK     OK     OK
    ----0  OK                OK     OK     OK
    -----  INSUFFICIENT_DATA -      ALARM  OK
    0XX-X  ALARM             ALARM  ALARM  ALARM
    --X--  ALARM             -      ALARM  OK
"""
TWO_OF_THREE = """
    0-X-X  ALARM             ALARM  ALARM  ALARM
    00X0X  ALARM             ALARM  ALARM  ALARM
    0-X--  OK                OK     ALARM  OK
    ----0  OK                OK     ALARM  OK
    ---X-  ALARM             -      ALARM  OK
"""


class AlarmCase(Case):
    """What cases on metrics share."""

    def setUp(self):
        super().setUp()
        self.cloudwatch = self.client("cloudwatch")

    def put(self, name, value, at=None, **more):
        datum = {"MetricName": name, "Value": value} | more
        if at is not None:
            datum["Timestamp"] = at
        self.cloudwatch.put_metric_data(Namespace="Judged", MetricData=[datum])

    def alarm(self, name="judged", **more):
        """Puts an alarm; a member that is None is left out."""
        given = {
            "AlarmName": name,
            "Namespace": "Judged",
            "MetricName": "m",
            "Statistic": "Sum",
            "Period": 60,
            "EvaluationPeriods": 1,
            "Threshold": 1.0,
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        } | more
        given = {key: value for key, value in given.items() if value is not None}
        # The service judges, not botocore.
        self.client("cloudwatch", parameter_validation=False).put_metric_alarm(**given)
        return given

    def shown(self, name="judged"):
        (alarm,) = self.cloudwatch.describe_alarms(AlarmNames=[name])["MetricAlarms"]
        return alarm

    def arn(self, name="judged"):
        return f"arn:aws:cloudwatch:us-east-1:{self.account}:alarm:{name}"


class Alarms(AlarmCase):
    """Each test in an account of its own."""

    def test_alarms_are_read_back(self):
        topic = f"arn:aws:sns:us-east-1:{self.account}:ops"
        given = self.alarm(
            AlarmDescription="what <&> é",
            ActionsEnabled=False,
            OKActions=[topic],
            AlarmActions=[topic, topic + "2"],
            InsufficientDataActions=[topic],
            Dimensions=[{"Name": "b", "Value": "2"}, {"Name": "a", "Value": "1"}],
            Unit="Count",
            EvaluationPeriods=5,
            DatapointsToAlarm=3,
            Threshold=0.5,
            TreatMissingData="notBreaching",
        )
        found = self.shown()
        for name, value in given.items():
            shown = found[name]
            if name == "Dimensions":
                value, shown = (
                    {one["Name"]: one["Value"] for one in all} for all in (value, shown)
                )
            self.assertEqual(shown, value, name)
        self.assertEqual(
            (found["AlarmArn"], found["StateValue"]), (self.arn(), "INSUFFICIENT_DATA")
        )
        # What is put again is wholly what it is then.
        self.alarm(Statistic=None, ExtendedStatistic="p99.5")
        found = self.shown()
        self.assertEqual(
            (found["ExtendedStatistic"], found["ActionsEnabled"], found["AlarmActions"]),
            ("p99.5", True, []),
        )
        for name in (
            "Statistic",
            "DatapointsToAlarm",
            "TreatMissingData",
            "AlarmDescription",
            "Unit",
        ):
            self.assertNotIn(name, found)
        self.cloudwatch.disable_alarm_actions(AlarmNames=["judged"])
        self.assertFalse(self.shown()["ActionsEnabled"])
        self.cloudwatch.enable_alarm_actions(AlarmNames=["judged"])
        self.assertTrue(self.shown()["ActionsEnabled"])

    def test_alarms_that_cannot_be(self):
        self.alarm()
        before = self.shown()
        for wrong in (
            {"Period": 45},
            {"EvaluationPeriods": 0},
            {"DatapointsToAlarm": 2},
            {"Statistic": "Median"},
            {"ComparisonOperator": "IsOdd"},
            {"TreatMissingData": "perhaps"},
            {"Threshold": None},
            {"MetricName": None},
            {"Statistic": None},
            {"ExtendedStatistic": "p90"},
            # Period times EvaluationPeriods: seven days at most.
            {"Period": 86400, "EvaluationPeriods": 8},
            # Less, if a period is shorter than an hour: one day.
            {"EvaluationPeriods": 1441},
            {"AlarmActions": ["not-an-arn"]},
            {"AlarmActions": [f"arn:aws:sns:us-east-1:{self.account}:t{n}" for n in range(6)]},
            # A topic is in the alarm's region.
            {"AlarmActions": [f"arn:aws:sns:eu-west-1:{self.account}:t"]},
            {"AlarmName": "x" * 256},
            {"AlarmDescription": "x" * 1025},
            {"Statistic": None, "ExtendedStatistic": "p101"},
            {"Tags": [{"Key": f"k{n}", "Value": ""} for n in range(51)]},
            {"Dimensions": [{"Name": f"d{n}", "Value": "1"} for n in range(31)]},
        ):
            try:
                self.alarm(**wrong)
            except ClientError as error:
                code = error.response["Error"]["Code"]
                self.assertIn(code, WRONG, wrong)
            else:
                self.fail(f"{wrong} was accepted")
            self.assertEqual(self.shown(), before)

    def test_alarms_are_listed(self):
        for name in ("a/1", "a/2", "b/1"):
            self.alarm(name, AlarmActions=[f"arn:aws:sns:us-east-1:{self.account}:{name[0]}"])

        def names(**question):
            found, pages = self.pages(
                self.cloudwatch, "describe_alarms", "MetricAlarms", 1, **question
            )
            self.assertEqual(pages, max(1, len(found)))
            return [alarm["AlarmName"] for alarm in found]

        self.assertEqual(names(), ["a/1", "a/2", "b/1"])
        self.assertEqual(names(AlarmNamePrefix="a/"), ["a/1", "a/2"])
        self.assertEqual(names(AlarmNames=["b/1", "never"]), ["b/1"])
        self.assertEqual(names(ActionPrefix=f"arn:aws:sns:us-east-1:{self.account}:b"), ["b/1"])
        self.cloudwatch.set_alarm_state(AlarmName="a/2", StateValue="ALARM", StateReason="judged")
        self.assertEqual(names(StateValue="ALARM"), ["a/2"])
        for_metric = self.cloudwatch.describe_alarms_for_metric
        self.assertEqual(len(for_metric(Namespace="Judged", MetricName="m")["MetricAlarms"]), 3)
        self.assertEqual(for_metric(Namespace="Judged", MetricName="n")["MetricAlarms"], [])
        # One wrong name and nothing is deleted (API reference, DeleteAlarms).
        self.refused("ResourceNotFound", self.cloudwatch.delete_alarms, AlarmNames=["a/1", "never"])
        self.assertEqual(names(), ["a/1", "a/2", "b/1"])
        self.cloudwatch.delete_alarms(AlarmNames=["a/1", "b/1"])
        self.assertEqual(names(), ["a/2"])
        self.refused(
            "ResourceNotFound",
            self.cloudwatch.set_alarm_state,
            AlarmName="a/1",
            StateValue="OK",
            StateReason="judged",
        )

    def test_alarms_of_metric_math_are_kept(self):
        def metric(id, name, returned=False):
            return {
                "Id": id,
                "ReturnData": returned,
                "MetricStat": {
                    "Metric": {
                        "Namespace": "Judged",
                        "MetricName": name,
                        "Dimensions": [{"Name": "d", "Value": "1"}],
                    },
                    "Period": 300,
                    "Stat": "Sum",
                },
            }

        metrics = [
            {
                "Id": "rate",
                "Expression": "100 * errors / calls",
                "Label": "percent",
                "ReturnData": True,
            },
            metric("errors", "e"),
            metric("calls", "c"),
        ]
        simple = {"Namespace": None, "MetricName": None, "Statistic": None, "Period": None}
        self.alarm(Metrics=metrics, Threshold=50.0, **simple)
        found = self.shown()
        self.assertEqual(
            sorted(found["Metrics"], key=lambda one: one["Id"]),
            sorted(metrics, key=lambda one: one["Id"]),
        )
        for name in simple:
            self.assertNotIn(name, found)
        for wrong in (
            # Exactly one returns data; what an expression names is there; not both forms at once.
            [metrics[0] | {"ReturnData": False}, *metrics[1:]],
            [metrics[0], metric("errors", "e", True), metrics[2]],
            metrics[:2],
        ):
            self.refused("ValidationError", self.alarm, name="new", Metrics=wrong, **simple)
        at = self.now() - 300
        dimensions = [{"Name": "d", "Value": "1"}]
        for name, value in (("e", 3), ("c", 5)):
            self.put(name, value, at, Dimensions=dimensions)
        self.command("advance", "2min")
        self.assertEqual(self.shown()["StateValue"], "ALARM", "60 of 100")

    def test_alarms_treat_missing_data_as_documented(self):
        now, wanted = self.now(), {}
        for to_alarm, table in ((3, THREE_OF_THREE), (2, TWO_OF_THREE)):
            for number, line in enumerate(table.split("\n")[1:-1]):
                points, *states = line.split()
                self.assertEqual((len(points), len(states)), (5, 4))
                metric = f"{to_alarm}/{number}"
                for age, point in enumerate(reversed(points)):
                    if point != "-":
                        # In the middle of its hour, whenever the alarm is evaluated.
                        self.put(metric, float(point == "X"), now - age * HOUR - HOUR // 2)
                for treatment, state in zip(TREATMENTS, states, strict=True):
                    name = f"{points} {to_alarm} of 3, {treatment}"
                    self.alarm(
                        name,
                        MetricName=metric,
                        Statistic="Maximum",
                        Period=HOUR,
                        EvaluationPeriods=3,
                        DatapointsToAlarm=to_alarm,
                        TreatMissingData=treatment,
                    )
                    wanted[name] = "INSUFFICIENT_DATA" if state == "-" else state
        self.assertEqual(len(wanted), 40)
        self.command("advance", "2min")
        found, _ = self.pages(self.cloudwatch, "describe_alarms", "MetricAlarms", 100)
        self.assertEqual({one["AlarmName"]: one["StateValue"] for one in found}, wanted)

    def test_alarms_tell_their_history(self):
        topic = f"arn:aws:sns:us-east-1:{self.account}:ops"
        # Alarms that look at more than a day are evaluated once an hour (API reference,
        # PutMetricAlarm), so that none is evaluated between two of the lines below.
        self.alarm(
            Period=86400,
            EvaluationPeriods=2,
            DatapointsToAlarm=1,
            TreatMissingData="notBreaching",
            AlarmActions=[topic],
        )
        self.command("advance", "61min")
        self.assertEqual(self.shown()["StateValue"], "OK")
        # A state that was set lasts until the next evaluation (API reference, SetAlarmState).
        self.cloudwatch.set_alarm_state(
            AlarmName="judged", StateValue="ALARM", StateReason="a drill", StateReasonData="{}"
        )
        shown = self.shown()
        self.assertEqual(
            (shown["StateValue"], shown["StateReason"], shown["StateReasonData"]),
            ("ALARM", "a drill", "{}"),
        )
        self.command("advance", "61min")
        self.assertEqual(self.shown()["StateValue"], "OK")
        self.put("m", 3.0)
        self.command("advance", "61min")
        found, pages = self.pages(
            self.cloudwatch,
            "describe_alarm_history",
            "AlarmHistoryItems",
            2,
            AlarmName="judged",
            ScanBy="TimestampAscending",
        )
        self.assertEqual(pages, -(-len(found) // 2))
        self.assertEqual(
            [one["HistorySummary"] for one in found if one["HistoryItemType"] == "StateUpdate"],
            [
                f"Alarm updated from {before} to {after}"
                for before, after in (
                    ("INSUFFICIENT_DATA", "OK"),
                    ("OK", "ALARM"),
                    ("ALARM", "OK"),
                    ("OK", "ALARM"),
                )
            ],
        )
        self.assertEqual([one["HistoryItemType"] for one in found][0], "ConfigurationUpdate")
        actions = [one for one in found if one["HistoryItemType"] == "Action"]
        self.assertEqual(len(actions), 2, "once for each ALARM")
        times = [one["Timestamp"] for one in found]
        self.assertEqual(times, sorted(times))
        newest = self.cloudwatch.describe_alarm_history(
            AlarmName="judged", HistoryItemType="StateUpdate", MaxRecords=1
        )["AlarmHistoryItems"]
        self.assertEqual(
            [one["HistorySummary"] for one in newest], ["Alarm updated from OK to ALARM"]
        )

    def test_alarms_have_tags(self):
        cloudwatch, arn = self.cloudwatch, self.arn()
        self.alarm(Tags=[{"Key": "a", "Value": "1"}])
        # Tags of an alarm that is there are left as they are (API reference, PutMetricAlarm).
        self.alarm(Tags=[{"Key": "b", "Value": "2"}])

        def tags():
            listed = cloudwatch.list_tags_for_resource(ResourceARN=arn)["Tags"]
            return {tag["Key"]: tag["Value"] for tag in listed}

        self.assertEqual(tags(), {"a": "1"})
        cloudwatch.tag_resource(
            ResourceARN=arn, Tags=[{"Key": "a", "Value": "2"}, {"Key": "c", "Value": ""}]
        )
        cloudwatch.untag_resource(ResourceARN=arn, TagKeys=["c", "never"])
        self.assertEqual(tags(), {"a": "2"})
        self.refused(
            "ResourceNotFoundException",
            cloudwatch.list_tags_for_resource,
            ResourceARN=self.arn("never"),
        )
        (found,) = self.client("resourcegroupstaggingapi").get_resources(
            ResourceTypeFilters=["cloudwatch:alarm"]
        )["ResourceTagMappingList"]
        self.assertEqual(found["ResourceARN"], arn)


class Metrics(AlarmCase):
    """What was put is what is shown."""

    def test_metrics_are_summed_by_period(self):
        minute = self.now() // 60 * 60 - 600
        for second, value in ((0, 1.0), (30, 5.0), (60, 7.0), (180, -2.0)):
            self.put("m", value, minute + second)
        self.put("m", 100.0, minute, Dimensions=[{"Name": "d", "Value": "1"}])
        self.put("m", 200.0, minute, Unit="Bytes")
        self.cloudwatch.put_metric_data(
            Namespace="Judged",
            MetricData=[
                {
                    "MetricName": "m",
                    "Timestamp": minute + 240,
                    "StatisticValues": {
                        "SampleCount": 4,
                        "Sum": 10,
                        "Minimum": 1,
                        "Maximum": 4,
                    },
                },
                {
                    "MetricName": "m",
                    "Timestamp": minute + 300,
                    "Values": [1.0, 2.0],
                    "Counts": [3.0, 1.0],
                },
            ],
        )
        asked = {
            "Namespace": "Judged",
            "MetricName": "m",
            "StartTime": minute,
            "EndTime": minute + 360,
            "Period": 60,
            "Unit": "None",
        }
        points = self.cloudwatch.get_metric_statistics(
            Statistics=["Sum", "Average", "Minimum", "Maximum", "SampleCount"], **asked
        )["Datapoints"]
        found = {
            int(point["Timestamp"].timestamp()) - minute: tuple(
                point[name] for name in ("Sum", "Average", "Minimum", "Maximum", "SampleCount")
            )
            for point in points
        }
        self.assertEqual(
            found,
            {
                0: (6, 3, 1, 5, 2),
                60: (7, 7, 7, 7, 1),
                180: (-2, -2, -2, -2, 1),
                240: (10, 2.5, 1, 4, 4),
                300: (5, 1.25, 1, 2, 4),
            },
        )
        # The end is not part of the question, nor other dimensions.
        one = self.cloudwatch.get_metric_statistics(
            Statistics=["Sum"], **asked | {"EndTime": minute + 60}
        )["Datapoints"]
        self.assertEqual([point["Sum"] for point in one], [6.0])
        with_dimension = asked | {"Dimensions": [{"Name": "d", "Value": "1"}]}
        (point,) = self.cloudwatch.get_metric_statistics(Statistics=["Sum"], **with_dimension)[
            "Datapoints"
        ]
        self.assertEqual(point["Sum"], 100)
        for wrong in (
            {"Period": 45},
            {"StartTime": minute + 360},
            {"StartTime": minute - 86400 * 10, "EndTime": minute, "Period": 60},
        ):
            code = self.refused_code(
                self.cloudwatch.get_metric_statistics, Statistics=["Sum"], **asked | wrong
            )
            self.assertIn(code, WRONG, wrong)

    def refused_code(self, call, **params):
        try:
            call(**params)
        except ClientError as error:
            return error.response["Error"]["Code"]
        return self.fail(f"{params} was accepted")

    def test_metrics_that_cannot_be_put(self):
        now = self.now()
        for wrong in (
            {"Timestamp": now - 15 * 86400},
            {"Timestamp": now + 3 * HOUR},
            {"Unit": "Furlong"},
            {"StatisticValues": {"SampleCount": 1, "Sum": 1, "Minimum": 1, "Maximum": 1}},
            {"Dimensions": [{"Name": f"d{n}", "Value": "1"} for n in range(31)]},
        ):
            code = self.refused_code(
                self.client("cloudwatch", parameter_validation=False).put_metric_data,
                Namespace="Judged",
                MetricData=[{"MetricName": "m", "Value": 1.0} | wrong],
            )
            self.assertIn(code, WRONG, wrong)
        self.refused(
            "InvalidParameterValue",
            self.cloudwatch.put_metric_data,
            Namespace="AWS/Judged",
            MetricData=[{"MetricName": "m", "Value": 1.0}],
        )
        self.assertEqual(self.cloudwatch.list_metrics(Namespace="Judged")["Metrics"], [])

    def test_metrics_are_listed(self):
        for name in ("a", "b"):
            for value in ("1", "2"):
                self.put(name, 1.0, Dimensions=[{"Name": "d", "Value": value}])

        def found(**question):
            pages = self.cloudwatch.get_paginator("list_metrics").paginate(**question)
            return sorted(
                (one["MetricName"], one["Dimensions"][0]["Value"])
                for page in pages
                for one in page["Metrics"]
            )

        every = [("a", "1"), ("a", "2"), ("b", "1"), ("b", "2")]
        self.assertEqual(found(), every)
        self.assertEqual(found(MetricName="a"), every[:2])
        self.assertEqual(found(Dimensions=[{"Name": "d", "Value": "2"}]), [("a", "2"), ("b", "2")])
        self.assertEqual(found(Dimensions=[{"Name": "d"}], Namespace="Judged"), every)
        self.assertEqual(found(Namespace="Other"), [])

    def test_metric_data_come_with_math_and_in_pages(self):
        minute = self.now() // 60 * 60 - 600
        for second in range(0, 300, 60):
            self.put("m", float(second), minute + second)
        query = {
            "Id": "m",
            "MetricStat": {
                "Metric": {"Namespace": "Judged", "MetricName": "m"},
                "Period": 60,
                "Stat": "Sum",
            },
            "ReturnData": False,
        }
        math = {"Id": "double", "Expression": "m * 2 + 1"}
        asked = {
            "MetricDataQueries": [query, math],
            "StartTime": minute,
            "EndTime": minute + 300,
            "ScanBy": "TimestampAscending",
        }
        (result,) = self.cloudwatch.get_metric_data(**asked)["MetricDataResults"]
        self.assertEqual(
            (result["Id"], result["Values"], result["StatusCode"]),
            ("double", [1.0, 121.0, 241.0, 361.0, 481.0], "Complete"),
        )
        self.assertEqual(
            result["Timestamps"][0],
            datetime.datetime.fromtimestamp(minute, datetime.timezone.utc),
        )
        pages = list(
            self.cloudwatch.get_paginator("get_metric_data").paginate(
                PaginationConfig={"PageSize": 2}, **asked
            )
        )
        values = [
            value
            for page in pages
            for result in page["MetricDataResults"]
            for value in result["Values"]
        ]
        self.assertEqual((len(pages), values), (3, [1.0, 121.0, 241.0, 361.0, 481.0]))
        self.refused(
            "ValidationError",
            self.cloudwatch.get_metric_data,
            **asked | {"MetricDataQueries": [math]},
        )
