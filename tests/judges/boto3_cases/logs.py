"""CloudWatch Logs: groups and their attributes, streams, events, tags through both interfaces."""

import time

from .base import Case
from .kms import policy

LOGS_MAY_ENCRYPT = {
    "Effect": "Allow",
    "Principal": {"Service": "logs.us-east-1.amazonaws.com"},
    "Action": [
        "kms:Encrypt*",
        "kms:Decrypt*",
        "kms:ReEncrypt*",
        "kms:GenerateDataKey*",
        "kms:Describe*",
    ],
    "Resource": "*",
}


class Logs(Case):
    """Each test in an account of its own."""

    def setUp(self):
        super().setUp()
        self.logs = self.client("logs")

    def group(self, name="/judged", **more):
        self.logs.create_log_group(logGroupName=name, **more)
        (found,) = [
            one
            for one in self.logs.describe_log_groups(logGroupNamePrefix=name)["logGroups"]
            if one["logGroupName"] == name
        ]
        return found

    def test_logs_groups_are_read_back(self):
        logs = self.logs
        found = self.group(tags={"a": "1"})
        base = f"arn:aws:logs:us-east-1:{self.account}:log-group:/judged"
        self.assertEqual((found["arn"], found["logGroupArn"]), (base + ":*", base))
        self.assertNotIn("retentionInDays", found)
        self.refused(
            "ResourceAlreadyExistsException", logs.create_log_group, logGroupName="/judged"
        )
        logs.put_retention_policy(logGroupName="/judged", retentionInDays=30)
        (found,) = logs.describe_log_groups(logGroupNamePrefix="/judged")["logGroups"]
        self.assertEqual(found["retentionInDays"], 30)
        self.refused(
            "InvalidParameterException",
            logs.put_retention_policy,
            logGroupName="/judged",
            retentionInDays=31,
        )
        logs.delete_retention_policy(logGroupName="/judged")
        (found,) = logs.describe_log_groups(logGroupNamePrefix="/judged")["logGroups"]
        self.assertNotIn("retentionInDays", found)
        listed = logs.list_log_groups(logGroupNamePattern="judged")["logGroups"]
        self.assertEqual([one["logGroupName"] for one in listed], ["/judged"])
        logs.delete_log_group(logGroupName="/judged")
        self.refused("ResourceNotFoundException", logs.delete_log_group, logGroupName="/judged")
        self.refused(
            "ResourceNotFoundException",
            logs.put_retention_policy,
            logGroupName="/judged",
            retentionInDays=30,
        )

    def test_logs_tags_are_the_same_through_both_interfaces(self):
        logs, arn = self.logs, self.group(tags={"a": "1", "b": ""})["logGroupArn"]
        logs.tag_resource(resourceArn=arn, tags={"c": "3", "a": "one"})
        logs.tag_log_group(logGroupName="/judged", tags={"d": "4"})
        logs.untag_resource(resourceArn=arn, tagKeys=["b"])
        expected = {"a": "one", "c": "3", "d": "4"}
        self.assertEqual(logs.list_tags_for_resource(resourceArn=arn)["tags"], expected)
        self.assertEqual(logs.list_tags_log_group(logGroupName="/judged")["tags"], expected)

    def test_logs_groups_come_in_pages(self):
        for number in range(5):
            self.group(f"/many/{number}")
        listed, pages = self.pages(
            self.logs, "describe_log_groups", "logGroups", 2, logGroupNamePrefix="/many/"
        )
        self.assertEqual(
            ([one["logGroupName"] for one in listed], pages), ([f"/many/{n}" for n in range(5)], 3)
        )

    def test_logs_events_are_kept_in_order(self):
        logs, now = self.logs, int(time.time() * 1000)
        self.group()
        self.refused(
            "ResourceNotFoundException",
            logs.put_log_events,
            logGroupName="/judged",
            logStreamName="s",
            logEvents=[{"timestamp": now, "message": "x"}],
        )
        logs.create_log_stream(logGroupName="/judged", logStreamName="s")
        self.refused(
            "ResourceAlreadyExistsException",
            logs.create_log_stream,
            logGroupName="/judged",
            logStreamName="s",
        )
        events = [{"timestamp": now - 2000 + n, "message": f"event {n} ☃"} for n in range(5)]
        logs.put_log_events(logGroupName="/judged", logStreamName="s", logEvents=events)
        got = logs.get_log_events(logGroupName="/judged", logStreamName="s", startFromHead=True)[
            "events"
        ]
        self.assertEqual(
            [(event["timestamp"], event["message"]) for event in got],
            [(event["timestamp"], event["message"]) for event in events],
        )
        some = logs.get_log_events(
            logGroupName="/judged", logStreamName="s", startFromHead=True, limit=2
        )
        rest = logs.get_log_events(
            logGroupName="/judged",
            logStreamName="s",
            startFromHead=True,
            nextToken=some["nextForwardToken"],
        )
        self.assertEqual(
            [event["message"] for event in some["events"] + rest["events"]],
            [event["message"] for event in events],
        )
        found, _ = self.pages(
            logs,
            "filter_log_events",
            "events",
            2,
            logGroupName="/judged",
            filterPattern='"event 3"',
        )
        self.assertEqual([event["message"] for event in found], ["event 3 ☃"])
        refused = [
            {"timestamp": now, "message": "later"},
            {"timestamp": now - 1, "message": "earlier"},
        ]
        self.refused(
            "InvalidParameterException",
            logs.put_log_events,
            logGroupName="/judged",
            logStreamName="s",
            logEvents=refused,
        )
        (stream,) = logs.describe_log_streams(logGroupName="/judged")["logStreams"]
        self.assertEqual(
            (stream["logStreamName"], stream["firstEventTimestamp"], stream["lastEventTimestamp"]),
            ("s", events[0]["timestamp"], events[4]["timestamp"]),
        )
        logs.delete_log_stream(logGroupName="/judged", logStreamName="s")
        self.assertEqual(logs.describe_log_streams(logGroupName="/judged")["logStreams"], [])

    def test_logs_encryption_needs_a_key_that_allows_it(self):
        kms, logs = self.client("kms"), self.logs
        arn = kms.create_key()["KeyMetadata"]["Arn"]
        self.group()
        self.refused(
            "InvalidParameterException",
            logs.associate_kms_key,
            logGroupName="/judged",
            kmsKeyId=arn,
        )
        kms.put_key_policy(KeyId=arn, Policy=policy(self.account, LOGS_MAY_ENCRYPT))
        logs.associate_kms_key(logGroupName="/judged", kmsKeyId=arn)
        (found,) = logs.describe_log_groups(logGroupNamePrefix="/judged")["logGroups"]
        self.assertEqual(found["kmsKeyId"], arn)
        logs.disassociate_kms_key(logGroupName="/judged")
        (found,) = logs.describe_log_groups(logGroupNamePrefix="/judged")["logGroups"]
        self.assertNotIn("kmsKeyId", found)

    def test_logs_events_of_other_times_are_rejected(self):
        logs, now = self.logs, self.now() * 1000
        day = 24 * 60 * 60 * 1000
        self.group()
        logs.put_retention_policy(logGroupName="/judged", retentionInDays=3)
        logs.create_log_stream(logGroupName="/judged", logStreamName="s")

        def put(*times):
            events = [{"timestamp": now + time, "message": str(time)} for time in times]
            return logs.put_log_events(
                logGroupName="/judged", logStreamName="s", logEvents=events
            ).get("rejectedLogEventsInfo", {})

        def kept():
            found, _ = self.pages(logs, "filter_log_events", "events", 100, logGroupName="/judged")
            return [event["timestamp"] - now for event in found]

        # PutLogEvents: none older than 14 days or the retention, none more than 2 hours ahead, the
        # first index that is too new, and the indices after the last that are too old or expired.
        self.assertEqual(put(0), {})
        self.assertEqual(
            put(-15 * day, -4 * day, -60_000, 3 * day),
            {
                "tooOldLogEventEndIndex": 1,
                "expiredLogEventEndIndex": 2,
                "tooNewLogEventStartIndex": 3,
            },
        )
        self.assertEqual(kept(), [-60_000, 0])
        # A batch spans 24 hours at most, and holds 10,000 events.
        self.refused(
            "InvalidParameterException",
            logs.put_log_events,
            logGroupName="/judged",
            logStreamName="s",
            logEvents=[
                {"timestamp": now - day - 60_000, "message": "a"},
                {"timestamp": now, "message": "b"},
            ],
        )
        self.refused(
            "InvalidParameterException",
            self.client("logs", parameter_validation=False).put_log_events,
            logGroupName="/judged",
            logStreamName="s",
            logEvents=[{"timestamp": now, "message": "x"}] * 10_001,
        )
        self.assertEqual(kept(), [-60_000, 0])
        # What is older than the retention goes.
        self.command("advance", "4d")
        self.assertEqual(kept(), [])

    def test_logs_streams_are_listed_by_name_or_by_their_last_event(self):
        logs, now = self.logs, self.now() * 1000
        self.group()
        for name, age in (("a", 10), ("b", 30), ("c", 20), ("other", 40)):
            logs.create_log_stream(logGroupName="/judged", logStreamName=name)
            logs.put_log_events(
                logGroupName="/judged",
                logStreamName=name,
                logEvents=[{"timestamp": now - age * 1000, "message": name}],
            )

        def names(size=1, **more):
            found, pages = self.pages(
                logs, "describe_log_streams", "logStreams", size, logGroupName="/judged", **more
            )
            self.assertEqual(pages, len(found))
            return "".join(stream["logStreamName"][0] for stream in found)

        self.assertEqual(names(), "abco")
        self.assertEqual(names(descending=True), "ocba")
        self.assertEqual(names(orderBy="LastEventTime", descending=True), "acbo")
        self.assertEqual(names(logStreamNamePrefix="o"), "o")
        # A prefix goes with the order of names only.
        self.refused(
            "InvalidParameterException",
            logs.describe_log_streams,
            logGroupName="/judged",
            logStreamNamePrefix="o",
            orderBy="LastEventTime",
        )
        for wrong in ("a:b", "a*b"):
            self.refused(
                "InvalidParameterException",
                self.client("logs", parameter_validation=False).create_log_stream,
                logGroupName="/judged",
                logStreamName=wrong,
            )

    def test_logs_encryption_is_allowed_by_context(self):
        kms, logs = self.client("kms"), self.logs
        base = f"arn:aws:logs:us-east-1:{self.account}:log-group:"

        def key(group):
            """A key for one group only: "Encrypt log data", step 2."""
            context = {"ArnLike": {"kms:EncryptionContext:aws:logs:arn": base + group}}
            return kms.create_key(
                Policy=policy(self.account, LOGS_MAY_ENCRYPT | {"Condition": context})
            )["KeyMetadata"]

        fit, other = key("/judged"), key("/other")
        self.refused(
            "InvalidParameterException",
            logs.create_log_group,
            logGroupName="/judged",
            kmsKeyId=other["Arn"],
        )
        self.assertEqual(logs.describe_log_groups()["logGroups"], [])
        made = self.group(kmsKeyId=fit["Arn"])
        self.assertEqual(made["kmsKeyId"], fit["Arn"])
        self.refused(
            "InvalidParameterException",
            logs.associate_kms_key,
            logGroupName="/judged",
            kmsKeyId=other["Arn"],
        )
        kms.disable_key(KeyId=fit["KeyId"])
        self.refused(
            "InvalidParameterException",
            logs.associate_kms_key,
            logGroupName="/judged",
            kmsKeyId=fit["Arn"],
        )
        signing = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
        self.refused(
            "InvalidParameterException",
            logs.associate_kms_key,
            logGroupName="/judged",
            kmsKeyId=signing["Arn"],
        )
        (found,) = logs.describe_log_groups()["logGroups"]
        self.assertEqual(found["kmsKeyId"], fit["Arn"])
