"""Every request the binary sends, against AWS's own models and a foreign parser.

The binary plans, applies, prints and destroys in several scenes with SPORE_RECORD; then each recorded
request is judged three times. botocore's ParamValidator, and its models' enumerations, patterns and
lengths, judge the parameters. localstack's protocol parser, which shares nothing with our codec, finds
service, protocol, operation and parameters from the raw HTTP alone and must come to the same. And what
the request tells others is judged: who asks, on behalf of which plan, and no secret.
"""

import base64
import datetime
import functools
import json
import re
import unittest

import botocore.session
from botocore.validate import ParamValidator
from localstack.aws.protocol.parser import create_parser
from localstack.aws.protocol.service_router import (
    determine_aws_protocol,
    determine_aws_service_model,
)
from localstack.aws.spec import load_service
from localstack.http import Request

import spore

DOMAIN = "spore.example.edu"
# The foreign records of the destroyed zone: quotes, escapes, several values, a wildcard.
FOREIGN = [
    {"Name": f"www.{DOMAIN}.", "Type": "A", "TTL": 300, "ResourceRecords": [{"Value": "192.0.2.1"}, {"Value": "192.0.2.2"}]},
    {"Name": f"\\052.{DOMAIN}.", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"a <&> \\"quoted\\" \\303\\251" "two"'}]},
    {"Name": f"_spore.n.{DOMAIN}.", "Type": "TXT", "TTL": 60, "ResourceRecords": [{"Value": '"v=1"'}]},
    {"Name": f"mail.{DOMAIN}.", "Type": "MX", "TTL": 3600, "ResourceRecords": [{"Value": f"10 www.{DOMAIN}."}]},
]
TAGS = '[tags]\n"cost center" = "a+b/c=d @ 1_2.3"\n"été" = "x"\n'
CALLS = botocore.session.get_session()


@functools.cache
def model(service):
    return CALLS.get_service_model(service)


def prepared(shape, value):
    """Recorded parameters as botocore's users write them: blobs are bytes."""
    if shape.type_name == "structure" and isinstance(value, dict):
        known = shape.members
        return {name: prepared(known[name], inner) if name in known else inner for name, inner in value.items()}
    if shape.type_name == "list" and isinstance(value, list):
        return [prepared(shape.member, inner) for inner in value]
    if shape.type_name == "blob":
        return base64.b64decode(value)
    return value


def deeper(shape, value, path=""):
    """What ParamValidator does not look at: enumerations, greatest lengths and values, patterns."""
    kind, limits = shape.type_name, shape.metadata
    if kind == "structure":
        for name, inner in value.items():
            yield from deeper(shape.members[name], inner, f"{path}.{name}")
        return
    if kind == "list":
        for inner in value:
            yield from deeper(shape.member, inner, f"{path}[]")
    elif kind == "map":
        for key, inner in value.items():
            yield from deeper(shape.key, key, f"{path} key")
            yield from deeper(shape.value, inner, f"{path}[{key}]")
    if kind == "string":
        if shape.enum and value not in shape.enum:
            yield f"{path}: {value!r} is none of {shape.enum}"
        # Java's patterns; those that Python reads differently are not used by these services.
        if (pattern := limits.get("pattern")) and not re.search(java(pattern), value):
            yield f"{path}: {value!r} does not match {pattern}"
    size = value if kind in ("integer", "long") else len(value) if hasattr(value, "__len__") else None
    if size is not None and "max" in limits and size > limits["max"]:
        yield f"{path}: {size} is more than {limits['max']}"


def java(pattern):
    """A pattern of Java's, which anchors the whole text, in Python's words."""
    classes = {r"\p{L}": r"^\W\d_", r"\p{Z}": r"\s", r"\p{N}": r"\d"}
    if r"\p{L}\p{Z}\p{N}" in pattern:
        # Inside brackets there is no "a letter"; \w covers letters, digits and the underscore.
        pattern = pattern.replace(r"\p{L}\p{Z}\p{N}", r"\w\s")
    for theirs, ours in classes.items():
        pattern = pattern.replace(theirs, ours)
    return rf"\A(?:{pattern})\Z"


def plain(value):
    """What localstack's parser found, as the record writes it."""
    if isinstance(value, dict):
        return {key: plain(inner) for key, inner in value.items() if inner is not None}
    if isinstance(value, list):
        return [plain(inner) for inner in value]
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, datetime.datetime):
        return value.timestamp()
    return value


# Building a parser costs a tenth of a second.
parser = functools.cache(create_parser)


def parsed(line):
    """Service, operation and parameters of a raw request, by localstack."""
    http = line["http"]
    request = Request(
        http["method"],
        path=http["path"],
        query_string=http["query"],
        headers=http["headers"],
        body=base64.b64decode(http["body"]),
    )
    # At a loopback endpoint the host says nothing, and the signature, which would, is not recorded.
    at_home = http["host"].startswith("127.")
    service = load_service(line["service"]) if at_home else determine_aws_service_model(request)
    operation, params = parser(service, determine_aws_protocol(request, service)).parse(request)
    return service.service_name, operation.name, plain(params)


def promised():
    """What README.md says that plan needs, and what apply and destroy need besides."""
    readme = (spore.ROOT / "README.md").read_text()
    blocks = re.findall(r"^```text\n((?:[a-z0-9]+:[A-Z].*\n(?:.*\n)*?))```", readme, re.M)
    services = {"tag": "resourcegroupstaggingapi"}
    found = []
    for block in blocks:
        names, service = set(), None
        for word in block.split():
            if named := re.fullmatch(r"([a-z0-9]+):([A-Z]\w+)", word):
                service, word = services.get(named[1], named[1]), named[2]
            if re.fullmatch(r"[A-Z][a-z]+[A-Z]\w+", word):
                names.add(f"{service}:{word}")
        found.append(names)
    return found


class Requests(unittest.TestCase):
    """The scenes run once; each test judges all that was recorded."""

    @classmethod
    def setUpClass(cls):
        cls.place = spore.Place()
        cls.addClassCleanup(cls.place.close)
        cls.scenes = {}
        cls.outs = {}
        cls.document = cls.place.document(DOMAIN, more=TAGS)
        # From nothing to nothing.
        cls.scene("first plan", "plan", cls.document, "--json")
        cls.scene("first apply", "apply", cls.document, "--yes")
        cls.scene("second plan", "plan", cls.document)
        cls.scene("second apply", "apply", cls.document, "--yes")
        cls.scene("ds", "ds", cls.document)
        # Others put records into the zone, the parent delegates and trusts it.
        cls.records_of_others()
        cls.scene("blocked by records", "destroy", cls.document, "--yes", exit_code=4)
        cls.registrar("delegate", DOMAIN)
        ds = json.loads(cls.run_in_world("ds", cls.document, "--format", "json").expect(0).out)["ds"][0]
        cls.registrar("ds", DOMAIN, f"{ds['key_tag']} {ds['algorithm']} {ds['digest_type']} {ds['digest']}")
        cls.scene("plan of a trusted zone", "plan", cls.document)
        cls.scene("blocked by the parent", "destroy", cls.document, "--yes", "--include-records", exit_code=4)
        cls.registrar("withdraw", DOMAIN)
        cls.run_in_world("sandbox", "advance", "10d").expect(0)
        cls.scene("destroy", "destroy", cls.document, "--yes", "--include-records")
        # AWS never accepts a used caller reference again.
        cls.scene("apply again", "apply", cls.document, "--yes")
        cls.scene("destroy again", "destroy", cls.document, "--yes")
        cls.with_a_session()
        cls.all = [line for lines in cls.scenes.values() for line in lines]

    @classmethod
    def run_in_world(cls, *args, **env):
        return cls.place.run(*args, f"--sandbox={cls.place.dir / 'world'}", **env)

    @classmethod
    def registrar(cls, *args):
        cls.run_in_world("sandbox", "registrar", *args).expect(0)

    @classmethod
    def scene(cls, name, *args, exit_code=0):
        path = cls.place.dir / f"{len(cls.scenes)}.jsonl"
        cls.outs[name] = cls.run_in_world(*args, SPORE_RECORD=path).expect(exit_code)
        cls.scenes[name] = spore.record(path)

    @classmethod
    def records_of_others(cls):
        server = spore.Server(cls.place, cls.place.dir / "world")
        route53 = server.client("route53")
        (zone,) = route53.list_hosted_zones()["HostedZones"]
        changes = [{"Action": "CREATE", "ResourceRecordSet": record} for record in FOREIGN]
        route53.change_resource_record_sets(HostedZoneId=zone["Id"], ChangeBatch={"Changes": changes})
        if server.stop() != 0:
            raise AssertionError("the server did not stop cleanly")

    @classmethod
    def with_a_session(cls):
        """The same through an endpoint, with credentials that are secret."""
        path = cls.place.dir / "session.jsonl"
        server = spore.Server(cls.place, cls.place.dir / "served", "--profile", "instant", SPORE_RECORD=path)
        made = server.client("sts").get_session_token()["Credentials"]
        cls.secrets = [made["SecretAccessKey"], made["SessionToken"]]
        before = len(spore.record(path))
        env = server.env(made["AccessKeyId"], made["SecretAccessKey"]) | {"AWS_SESSION_TOKEN": made["SessionToken"]}
        for command in ("apply", "destroy"):
            cls.place.run(command, cls.document, "--yes", **env).expect(0)
        if server.stop() != 0:
            raise AssertionError("the server did not stop cleanly")
        cls.scenes["with a session"] = spore.record(path)[before:]
        cls.session_text = path.read_text()

    def test_the_scenes_show_what_the_tool_calls(self):
        seen = {f"{line['service']}:{line['operation']}" for line in self.all}
        for call in (
            "sts:GetCallerIdentity", "route53:CreateHostedZone", "route53:CreateKeySigningKey",
            "route53:EnableHostedZoneDNSSEC", "route53:DisableHostedZoneDNSSEC", "route53:DeleteHostedZone",
            "route53:DeleteKeySigningKey", "route53:ChangeResourceRecordSets", "kms:CreateKey",
            "kms:CreateAlias", "kms:ScheduleKeyDeletion", "logs:CreateLogGroup", "logs:DeleteLogGroup",
            "logs:PutLogEvents", "resourcegroupstaggingapi:GetResources",
        ):
            self.assertIn(call, seen)
        self.assertGreater(len(self.all), 200)
        print(f"       {len(self.all)} requests of {len(seen)} operations in {len(self.scenes)} scenes")

    def test_parameters_are_valid_under_botocore(self):
        for line in self.all:
            shape = model(line["service"]).operation_model(line["operation"]).input_shape
            if shape is None:
                self.assertIn(line["input"], (None, {}), line["operation"])
                continue
            self.assertIsNotNone(line["input"], f"{line['operation']} was not understood: {line}")
            params = prepared(shape, line["input"])
            report = ParamValidator().validate(params, shape)
            self.assertFalse(report.has_errors(), f"{line['operation']}: {report.generate_report()}\n{params}")
            self.assertEqual(list(deeper(shape, params, line["operation"])), [])

    def test_raw_requests_say_the_same_to_a_foreign_parser(self):
        for line in self.all:
            ours = line["service"], line["operation"], line["input"] or {}
            self.assertEqual(parsed(line), ours, line["http"])

    def test_only_apply_and_destroy_write(self):
        for scene, lines in self.scenes.items():
            with self.subTest(scene=scene):
                written = spore.writes(lines)
                if scene in ("first apply", "apply again", "destroy", "destroy again", "with a session"):
                    self.assertNotEqual(written, [])
                else:
                    self.assertEqual(written, [])

    def test_writes_name_the_plan(self):
        planned = json.loads(self.outs["first plan"].out)["digest"]
        applied = set()
        for scene, lines in self.scenes.items():
            digests = set()
            for line in lines:
                agent = line["http"]["headers"]["user-agent"]
                named = re.search(r" app/spore-infra(?:-([0-9a-f]+))?(?: |$)", agent)
                self.assertTrue(named, agent)
                if spore.is_write(line):
                    self.assertTrue(named[1], f"{scene}: {line['operation']} names no plan: {agent}")
                    digests.add(named[1])
            if scene != "with a session":
                self.assertLessEqual(len(digests), 1, f"{scene}: {digests}")
            if scene == "first apply":
                applied = digests
        (digest,) = applied
        self.assertTrue(planned.startswith(digest) and len(digest) >= 16, (planned, digest))

    def test_readme_names_every_action(self):
        plan, apply = promised()
        for scene, lines in self.scenes.items():
            called = {f"{line['service']}:{line['operation']}" for line in lines}
            allowed = plan if spore.writes(lines) == [] else plan | apply
            self.assertEqual(called - allowed, set(), scene)

    def test_writes_are_sent_once(self):
        # Retries of writes belong to the tool's own loop, where they are seen and bounded.
        for line in filter(spore.is_write, self.all):
            attempt = line["http"]["headers"].get("amz-sdk-request", "attempt=1")
            self.assertTrue(attempt.startswith("attempt=1"), f"{line['operation']}: {attempt}")

    def test_the_record_has_no_secret(self):
        texts = [path.read_text() for path in self.place.dir.glob("*.jsonl")]
        self.assertGreater(len(texts), 8)
        for text in texts:
            for word in ("AWS4-HMAC-SHA256", "authorization", "security-token", "Signature="):
                self.assertNotIn(word.lower(), text.lower())
        for secret in self.secrets:
            self.assertNotIn(secret, self.session_text)

    def test_calls_go_where_they_must(self):
        for line in self.all:
            # Keys of KSKs and Route 53 itself live in us-east-1 whatever the stack's region.
            if line["service"] in ("kms", "route53"):
                self.assertEqual(line["region"], "us-east-1", line["operation"])
            self.assertEqual(line["account"], spore.ACCOUNT, line["operation"])


if __name__ == "__main__":
    spore.main()
