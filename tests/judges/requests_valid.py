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
from localstack.aws.protocol.parser import OperationNotFoundParserError, create_parser
from localstack.aws.protocol.service_router import ProtocolError, determine_aws_protocol
from localstack.aws.spec import get_service_catalog, load_service
from localstack.http import Request

import spore

DOMAIN = "spore.example.edu"
# The foreign records of the destroyed zone: quotes, escapes, several values, a wildcard.
FOREIGN = [
    {
        "Name": f"www.{DOMAIN}.",
        "Type": "A",
        "TTL": 300,
        "ResourceRecords": [{"Value": "192.0.2.1"}, {"Value": "192.0.2.2"}],
    },
    {
        "Name": f"\\052.{DOMAIN}.",
        "Type": "TXT",
        "TTL": 60,
        "ResourceRecords": [{"Value": '"a <&> \\"quoted\\" \\303\\251" "two"'}],
    },
    {
        "Name": f"_spore.n.{DOMAIN}.",
        "Type": "TXT",
        "TTL": 60,
        "ResourceRecords": [{"Value": '"v=1"'}],
    },
    {
        "Name": f"mail.{DOMAIN}.",
        "Type": "MX",
        "TTL": 3600,
        "ResourceRecords": [{"Value": f"10 www.{DOMAIN}."}],
    },
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
        return {
            name: prepared(known[name], inner) if name in known else inner
            for name, inner in value.items()
        }
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
    size = (
        value if kind in ("integer", "long") else len(value) if hasattr(value, "__len__") else None
    )
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


# Building a model or a parser costs a tenth of a second.
parser = functools.cache(create_parser)
loaded = functools.cache(load_service)


@functools.cache
def signing_as(name):
    """The services that sign with a name."""
    return [loaded(service.name) for service in get_service_catalog().by_signing_name(name)]


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
    # Elsewhere the host's first label is the name all services here sign with (botocore: endpointPrefix
    # is signingName), and of the services that share a name only one may have such a request.
    label = http["host"].partition(".")[0]
    found = []
    for service in (
        [loaded(line["service"])] if http["host"].startswith("127.") else signing_as(label)
    ):
        try:
            protocol = determine_aws_protocol(request, service)
            operation, params = parser(service, protocol).parse(request)
        except (OperationNotFoundParserError, ProtocolError):
            continue
        found.append((service.service_name, operation.name, plain(params)))
    if len(found) != 1:
        raise AssertionError(f"{label} has {len(found)} services for {http}: {found}")
    return found[0]


# What no record may hold, in parameters and bodies neither; `authorizationType` is a method's attribute.
SECRET = re.compile(
    r"AWS4-HMAC-SHA256|authorization(?!type|scopes)|security-token|Signature=", re.I
)


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
        # By now AWS's lists show what was made.
        cls.run_in_world("sandbox", "advance", "1h").expect(0)
        cls.scene("later plan", "plan", cls.document)
        cls.scene("later apply", "apply", cls.document, "--yes")
        # Others put records into the zone, the parent delegates and trusts it.
        cls.records_of_others()
        cls.scene("blocked by records", "destroy", cls.document, "--yes", exit_code=4)
        cls.registrar("delegate", DOMAIN)
        ds = json.loads(cls.run_in_world("ds", cls.document, "--format", "json").expect(0).out)[
            "ds"
        ][0]
        cls.registrar(
            "ds", DOMAIN, f"{ds['key_tag']} {ds['algorithm']} {ds['digest_type']} {ds['digest']}"
        )
        cls.scene("plan of a trusted zone", "plan", cls.document)
        cls.scene(
            "blocked by the parent",
            "destroy",
            cls.document,
            "--yes",
            "--include-records",
            exit_code=4,
        )
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
        route53.change_resource_record_sets(
            HostedZoneId=zone["Id"], ChangeBatch={"Changes": changes}
        )
        if server.stop() != 0:
            raise AssertionError("the server did not stop cleanly")

    @classmethod
    def with_a_session(cls):
        """The same through an endpoint, with credentials that are secret."""
        path = cls.place.dir / "session.jsonl"
        server = spore.Server(
            cls.place, cls.place.dir / "served", "--profile", "instant", SPORE_RECORD=path
        )
        made = server.client("sts").get_session_token()["Credentials"]
        cls.secrets = [made["SecretAccessKey"], made["SessionToken"]]
        before = len(spore.record(path))
        env = server.env(made["AccessKeyId"], made["SecretAccessKey"]) | {
            "AWS_SESSION_TOKEN": made["SessionToken"]
        }
        for command in ("apply", "destroy"):
            cls.place.run(command, cls.document, "--yes", **env).expect(0)
        if server.stop() != 0:
            raise AssertionError("the server did not stop cleanly")
        cls.scenes["with a session"] = spore.record(path)[before:]
        cls.session_text = path.read_text()

    def test_the_scenes_show_what_the_tool_calls(self):
        seen = {f"{line['service']}:{line['operation']}" for line in self.all}
        for call in (
            "sts:GetCallerIdentity",
            "route53:CreateHostedZone",
            "route53:CreateKeySigningKey",
            "route53:EnableHostedZoneDNSSEC",
            "route53:DisableHostedZoneDNSSEC",
            "route53:DeleteHostedZone",
            "route53:DeleteKeySigningKey",
            "route53:ChangeResourceRecordSets",
            "kms:CreateKey",
            "kms:CreateAlias",
            "kms:ScheduleKeyDeletion",
            "logs:CreateLogGroup",
            "logs:DeleteLogGroup",
            "logs:PutLogEvents",
            "resourcegroupstaggingapi:GetResources",
        ):
            self.assertIn(call, seen)
        self.assertGreater(len(self.all), 200)
        print(
            f"       {len(self.all)} requests of {len(seen)} operations in {len(self.scenes)} scenes"
        )

    def test_parameters_are_valid_under_botocore(self):
        for line in self.all:
            shape = model(line["service"]).operation_model(line["operation"]).input_shape
            if shape is None:
                self.assertIn(line["input"], (None, {}), line["operation"])
                continue
            self.assertIsNotNone(line["input"], f"{line['operation']} was not understood: {line}")
            params = prepared(shape, line["input"])
            report = ParamValidator().validate(params, shape)
            self.assertFalse(
                report.has_errors(), f"{line['operation']}: {report.generate_report()}\n{params}"
            )
            self.assertEqual(list(deeper(shape, params, line["operation"])), [])

    def test_raw_requests_say_the_same_to_a_foreign_parser(self):
        for line in self.all:
            ours = line["service"], line["operation"], line["input"] or {}
            self.assertEqual(parsed(line), ours, line["http"])

    def test_only_apply_and_destroy_write(self):
        for scene, lines in self.scenes.items():
            with self.subTest(scene=scene):
                written = [line for line in lines if spore.is_write(line)]
                if scene in (
                    "first apply",
                    "apply again",
                    "destroy",
                    "destroy again",
                    "with a session",
                ):
                    self.assertNotEqual(written, [])
                elif scene == "blocked by the parent":
                    self.notes_in_the_journal(written)
                else:
                    self.assertEqual(spore.writes(lines), [])

    def notes_in_the_journal(self, written):
        """A destroy that the parent's DS forbids notes that DS, under the lock, and nothing else."""
        journal = f"/spore-infra/{DOMAIN}"
        group = f"arn:aws:logs:us-east-1:{spore.ACCOUNT}:log-group:{journal}"
        lock, tag, unlock = written
        self.assertEqual(
            (lock["operation"], lock["input"]["logGroupName"]),
            ("CreateLogGroup", f"{journal}/lock"),
        )
        self.assertEqual((tag["operation"], tag["input"]["resourceArn"]), ("TagResource", group))
        for name in tag["input"]["tags"]:
            self.assertRegex(name, r"^spore:(.*ds|delegated)", "a tag that is no evidence of the parent's")
        self.assertEqual(
            (unlock["operation"], unlock["input"]),
            ("DeleteLogGroup", {"logGroupName": f"{journal}/lock"}),
        )

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
                    self.assertTrue(
                        named[1], f"{scene}: {line['operation']} names no plan: {agent}"
                    )
                    digests.add(named[1])
            if scene != "with a session":
                self.assertLessEqual(len(digests), 1, f"{scene}: {digests}")
            if scene == "first apply":
                applied = digests
        (digest,) = applied
        self.assertTrue(planned.startswith(digest) and len(digest) >= 16, (planned, digest))

    def test_writes_are_sent_once(self):
        # Retries of writes belong to the tool's own loop, where they are seen and bounded.
        for line in filter(spore.is_write, self.all):
            attempt = line["http"]["headers"].get("amz-sdk-request", "attempt=1")
            self.assertTrue(attempt.startswith("attempt=1"), f"{line['operation']}: {attempt}")

    def test_the_record_has_no_secret(self):
        texts = [path.read_text() for path in self.place.dir.glob("*.jsonl")]
        self.assertGreater(len(texts), 8)
        for line in (line for text in texts for line in text.splitlines()):
            # Bodies are recorded in base64, which would hide a word.
            body = base64.b64decode(json.loads(line)["http"]["body"]).decode(errors="replace")
            for text in (line, body):
                found = SECRET.search(text)
                self.assertIsNone(found, found and text[max(0, found.start() - 80) :][:200])
                for secret in self.secrets:
                    self.assertNotIn(secret, text)
        self.assertIn(self.session_text, texts, "the session's record was not judged")

    def test_calls_go_where_they_must(self):
        for line in self.all:
            # Keys of KSKs and Route 53 itself live in us-east-1 whatever the stack's region.
            if line["service"] in ("kms", "route53"):
                self.assertEqual(line["region"], "us-east-1", line["operation"])
            self.assertEqual(line["account"], spore.ACCOUNT, line["operation"])


if __name__ == "__main__":
    spore.main()
