"""The API's model refuses nothing that the updater takes, and its filters count exactly its audit lines.

Each request is made twice: through the API, and by Invoke past it, where the parser alone judges.
"""

import base64
import collections
import itertools
import json
import time
import unittest
import urllib.error
import urllib.request

import spore

DOMAIN = "spore.example.edu"
# Every type and two proofs are let, and the gateway's throttle is out of the way.
MORE = """
[updater]
proofs = ["instance-role", "identity-document"]
record-types = ["A", "AAAA", "TXT"]

[api]
throttle = { per-second = 10000, burst = 5000 }
"""
FUNCTION = "spore-spore_example_edu-updater"
GROUPS = f"/spore-infra/{DOMAIN}"
VECTORS = json.loads((spore.ROOT / "lambda" / "tests" / "vectors" / "protocol.json").read_text())

IDENTITY = (
    spore.ROOT / "lambda/tests/vectors/identity/us-west-2-2021-teleport/document.json"
).read_bytes()

# Every word of an answer that lambda/src/answer.rs knows.
CODES = {
    *("ok", "bad_request", "proof_invalid", "not_allowed", "name_taken", "name_changed"),
    *("too_large", "unsupported_media_type", "rate_limited", "busy", "unavailable"),
}
# What each filter is to count, by its name: of the updater's lines by code, of the API's by status.
COUNTED = {
    "updater/validation-failures": {"proof_invalid", "not_allowed"},
    "updater/failures": CODES - {"ok"},
    "api/throttled": {"429"},
}

FORGED = '\n{"code":"ok","success":true}\n'
# A value of each kind that JSON has, and what somebody may try instead of each member.
VALUES = [
    *(None, True, 0, 1, 300, -1, 7.5, 2147483647, 2147483648, 10**20, "", " ", "web", [], {}, ["web"]),
    *("192.0.2.7", "2001:db8::7", "delete", "DELETE", "UPSERT", "TXT", "A", "300", "é", FORGED),
    *("a" * 63, "a" * 64, "a" * 253, "a" * 254, "a" * 1000, "a" * 1001, "a" * 4001, "a" * 17000),
]


def proof(**instead):
    return VECTORS["requests"][0]["proof"] | instead


def whole():
    """Bodies whose form is right, with each member as long as it may be."""
    for vector in VECTORS["requests"]:
        if vector["name"] in ("least", "most"):
            yield vector["update"] | {"proof": vector["proof"]}
    least = {"record_name": "web", "ip_address": "192.0.2.7", "proof": proof()}
    document = {name: value for name, value in least.items() if name != "proof"}
    yield least | {"record_name": "a" * 63}
    yield least | {"ip_address": "2001:0db8:0000:0000:0000:0000:0000:0007", "record_type": "AAAA"}
    yield least | {"ttl": 86400}
    yield least | {"proof": proof(token="A" * 4096)}
    yield document | {
        # The longest that is read, in characters of base 64.
        "instance_identity_document": base64.b64encode(IDENTITY.ljust(6144)).decode(),
        "instance_identity_signature": base64.b64encode(bytes(128)).decode(),
    }
    yield {"record_name": "web", "action": "DELETE", "proof": proof()}
    yield {"record_name": "web", "record_type": "TXT", "text": "a" * 1000, "proof": proof()}


def bodies():
    """Those, the published ones, and one with each member in turn as something else."""
    yield from whole()
    yield from (vector["update"] | {"proof": vector["proof"]} for vector in VECTORS["requests"])
    full = VECTORS["requests"][0]["update"] | {"proof": proof()}
    members = sorted({member for body in whole() for member in body} | {"unheard_of"})
    for member, value in itertools.product(members, VALUES):
        yield full | {member: value}


class Door(unittest.TestCase):
    """One served world with the stack of the repository."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.serving = spore.serving("--profile", "instant")
        cls.place, cls.server = cls.serving.__enter__()
        try:
            document = cls.place.document(DOMAIN, more=MORE)
            cls.place.run("apply", document, "--yes", **cls.server.env()).expect(0)
            client = cls.server.client
            cls.logs, cls.function = client("logs"), client("lambda")
            cls.cloudwatch = client("cloudwatch")
            cls.api_id = client("apigateway").get_rest_apis()["items"][0]["id"]
            cls.sources = itertools.count()
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        cls.serving.__exit__(None, None, None)

    def ask(self, body):
        """Through the API: the answer's code and the request's id."""
        url = f"{self.server.url}/restapis/{self.api_id}/prod/_user_request_/update-dns"
        headers = {"Content-Type": "application/json"}
        request = urllib.request.Request(url, method="POST", data=body.encode(), headers=headers)
        try:
            answer = urllib.request.urlopen(request, timeout=spore.PATIENCE_SECS)
        except urllib.error.HTTPError as error:
            answer = error
        with answer:
            said = json.loads(answer.read())
            return said["code"], said["request_id"]

    def invoke(self, body):
        """Past the API, each time from another address, so that no bucket is empty: the answer's code."""
        number = next(self.sources)
        context = {
            "requestId": f"past-the-gateway-{number}",
            "requestTimeEpoch": int(time.time() * 1000),
            "identity": {"sourceIp": f"198.18.{number // 250}.{number % 250}"},
        }
        event = {
            "requestContext": context,
            "httpMethod": "POST",
            "headers": {"Content-Type": "application/json"},
            "body": body,
            "isBase64Encoded": False,
        }
        answer = self.function.invoke(FunctionName=FUNCTION, Payload=json.dumps(event).encode())
        self.assertNotIn("FunctionError", answer)
        return json.loads(json.loads(answer["Payload"].read())["body"])["code"]

    def lines(self, group):
        """The JSON lines of a log group."""
        pages = self.logs.get_paginator("filter_log_events").paginate(
            logGroupName=f"{GROUPS}/{group}"
        )
        messages = [event["message"] for page in pages for event in page["events"]]
        lines = [message for message in messages if message.startswith("{")]
        return [json.loads(line) for line in lines]

    def filters(self):
        """Every filter of the stack as AWS has it, by group and name."""
        return {
            f"{group}/{one['filterName']}": one
            for group in ("api", "updater")
            for one in self.logs.describe_metric_filters(logGroupName=f"{GROUPS}/{group}")[
                "metricFilters"
            ]
        }

    def test_a1_the_model_refuses_nothing_that_the_parser_takes(self):
        refused, taken, by_parser = 0, 0, 0
        asked = []
        for body in bodies():
            text = json.dumps(body)
            code = self.invoke(text)
            asked.append((text, code, *self.ask(text)))
        # A second look at the log, not at the answers, says which the function has seen.
        seen = {line["requestId"] for line in self.lines("updater")}
        for text, alone, code, request in asked:
            with self.subTest(body=text[-300:]):
                if request not in seen:
                    self.assertEqual((alone, code), ("bad_request", "bad_request"))
                    refused += 1
                elif alone == "bad_request":
                    self.assertEqual(code, alone)
                    by_parser += 1
                else:
                    self.assertIn(code, (alone, "rate_limited"))
                    taken += 1
        for text, alone, *_ in asked[: len(list(whole()))]:
            with self.subTest(whole=text[-300:]):
                self.assertEqual(alone, "proof_invalid")
        # The model is there to keep what cannot be right from costing an invocation.
        self.assertGreater(refused, by_parser)
        self.assertGreater(taken, len(list(whole())))

    def test_a2_each_request_has_one_line_and_no_text_made_another(self):
        lines = self.lines("updater")
        ids = collections.Counter(line["requestId"] for line in lines)
        self.assertEqual([one for one, times in ids.items() if times > 1], [])
        self.assertEqual({frozenset(line) for line in lines}, {frozenset(lines[0])})
        self.assertLessEqual({line["code"] for line in lines}, CODES - {"ok"})
        past = {line["requestId"] for line in lines if line["requestId"].startswith("past-")}
        self.assertEqual(len(past), next(self.sources))

    def test_a3_metrics_are_the_numbers_of_lines(self):
        # More than one source may ask at once, so that there are lines of status 429.
        body = json.dumps(next(whole()))
        self.assertIn("rate_limited", {self.ask(body)[0] for _ in range(100)})
        now = time.time()

        def total(metric, **dimensions):
            points = self.cloudwatch.get_metric_statistics(
                Namespace=metric["metricNamespace"],
                MetricName=metric["metricName"],
                Dimensions=[{"Name": key, "Value": value} for key, value in dimensions.items()],
                StartTime=now - 7200,
                EndTime=now + 7200,
                Period=60,
                Statistics=["Sum"],
            )["Datapoints"]
            return sum(point["Sum"] for point in points)

        codes = collections.Counter(line["code"] for line in self.lines("updater"))
        self.assertGreater(len(codes), 1, codes)
        metrics = {name: one["metricTransformations"][0] for name, one in self.filters().items()}
        self.assertEqual(set(metrics), set(COUNTED))
        wanted = sum(codes[code] for code in COUNTED["updater/validation-failures"])
        self.assertEqual(total(metrics["updater/validation-failures"]), wanted)
        for code in CODES:
            with self.subTest(code=code):
                wanted = codes[code] if code in COUNTED["updater/failures"] else 0
                self.assertEqual(total(metrics["updater/failures"], code=code), wanted)
        throttled = [line for line in self.lines("api") if line["status"] == "429"]
        self.assertGreater(len(throttled), 0)
        self.assertEqual(total(metrics["api/throttled"]), len(throttled))

    def test_a4_each_pattern_matches_the_lines_it_is_to_count(self):
        line, access = self.lines("updater")[0], self.lines("api")[0]
        statuses = ["200", "400", "401", "403", "409", "413", "415", "429", "500", "503", "504"]
        candidates = {
            "updater": [(code, line | {"code": code}) for code in sorted(CODES)],
            "api": [(status, access | {"status": status}) for status in statuses],
        }
        for name, one in self.filters().items():
            words, lines = zip(*candidates[name.split("/")[0]])
            # What is not an audit line counts nowhere.
            others = ["START RequestId: 1 Version: $LATEST", '"code": "proof_invalid" status 429']
            found = self.logs.test_metric_filter(
                filterPattern=one["filterPattern"],
                logEventMessages=[json.dumps(line) for line in lines] + others,
            )
            matched = {match["eventNumber"] for match in found["matches"]}
            with self.subTest(filter=name):
                wanted = {at for at, word in enumerate(words, 1) if word in COUNTED[name]}
                self.assertEqual(matched, wanted)


if __name__ == "__main__":
    spore.main()
