"""The AWS CLI reads and changes the stack in the served sandbox, and plan finds what it changed.

The CLI is AWS's own, with its own copy of the service models, its waiters and its shorthand syntax. It
runs in this process, which spares loading it for each command.
"""

import base64
import contextlib
import io
import json
import os
import unittest
from unittest import mock

import spore
from awscli import clidriver

DOMAIN = "spore.example.edu"
FUNCTION = "spore-spore_example_edu-updater"
GROUP = f"/spore-infra/{DOMAIN}/updater"
KEY = "alias/spore-spore_example_edu"
ALARM = f"spore/{DOMAIN}/function-errors"


class Cli(unittest.TestCase):
    """One served world with the stack."""

    maxDiff = None

    @classmethod
    def setUpClass(cls):
        cls.serving = spore.serving("--profile", "fast")
        cls.place, cls.server = cls.serving.__enter__()
        try:
            cls.document = cls.place.document(DOMAIN)
            cls.tool("apply", "--yes").expect(0)
            env = cls.place.env(**cls.server.env())
            # Where the CLI has its models, which it sets when it is loaded.
            env |= {"AWS_DATA_PATH": os.environ["AWS_DATA_PATH"]}
            env |= {"AWS_PAGER": "", "AWS_DEFAULT_REGION": spore.REGION, "AWS_MAX_ATTEMPTS": "1"}
            cls.env = mock.patch.dict(os.environ, env, clear=True)
            cls.env.start()
            zones = cls.aws("route53 list-hosted-zones-by-name --dns-name", DOMAIN)["HostedZones"]
            cls.zone = zones[0]["Id"].removeprefix("/hostedzone/")
            cls.api = cls.aws("apigateway get-rest-apis")["items"][0]["id"]
        except BaseException:
            cls.tearDownClass()
            raise

    @classmethod
    def tearDownClass(cls):
        mock.patch.stopall()
        cls.serving.__exit__(None, None, None)

    @classmethod
    def tool(cls, command, *args):
        return cls.place.run(command, cls.document, *args, **cls.server.env())

    @classmethod
    def aws(cls, words, *more):
        """Runs a command of the CLI; what it prints, as JSON if it is any."""
        args = [*words.split(), *map(str, more)]
        out, err = io.TextIOWrapper(io.BytesIO()), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            code = clidriver.create_clidriver().main(args)
        out.flush()
        said = out.buffer.getvalue().decode()
        if code != 0:
            raise AssertionError(f"aws {' '.join(args)}: exit {code}\n{said}{err.getvalue()}")
        return json.loads(said) if said[:1] in ("{", "[") else said

    def everything(self):
        """What the CLI reads of the stack."""
        aws, api, zone = self.aws, self.api, self.zone
        root = aws("apigateway get-resources --embed methods --rest-api-id", api)["items"]
        (resource,) = [one["id"] for one in root if one["path"] == "/update-dns"]
        return {
            "zone": aws("route53 get-hosted-zone --id", zone),
            "dnssec": aws("route53 get-dnssec --hosted-zone-id", zone),
            "tags": aws("route53 list-tags-for-resource --resource-type hostedzone --resource-id", zone),
            "key": aws("kms describe-key --key-id", KEY),
            "key policy": aws(
                "kms get-key-policy --policy-name default --key-id", self.key_id()
            )["Policy"],
            "public key": aws("kms get-public-key --key-id", KEY)["PublicKey"],
            "grants": aws("kms list-grants --key-id", self.key_id())["Grants"],
            "role": aws("iam get-role --role-name", FUNCTION)["Role"]["AssumeRolePolicyDocument"],
            "policies": aws("iam list-role-policies --role-name", FUNCTION)["PolicyNames"],
            "function": {
                name: value
                for name, value in aws("lambda get-function --function-name", FUNCTION)[
                    "Configuration"
                ].items()
                # Of the last change, whose it was and what it said.
                if name not in ("LastModified", "RevisionId")
            },
            "permissions": json.loads(
                aws("lambda get-policy --function-name", FUNCTION)["Policy"]
            ),
            "concurrency": aws("lambda get-function-concurrency --function-name", FUNCTION),
            "method": aws(
                f"apigateway get-method --rest-api-id {api} --resource-id {resource} --http-method POST"
            ),
            "stage": {
                name: value
                for name, value in aws(
                    f"apigateway get-stage --stage-name prod --rest-api-id {api}"
                ).items()
                if name not in ("lastUpdatedDate", "deploymentId")
            },
            "groups": aws("logs describe-log-groups --log-group-name-prefix", GROUP)["logGroups"],
            "filters": [
                one | {"creationTime": None}
                for one in aws("logs describe-metric-filters --log-group-name", GROUP)[
                    "metricFilters"
                ]
            ],
            "alarm": {
                name: value
                for name, value in aws("cloudwatch describe-alarms --alarm-names", ALARM)[
                    "MetricAlarms"
                ][0].items()
                if not name.startswith("State") and not name.endswith("Timestamp")
            },
            "tagged": sorted(
                one["ResourceARN"]
                for one in aws(
                    "resourcegroupstaggingapi get-resources --tag-filters",
                    f"Key=spore:stack,Values={DOMAIN}",
                )["ResourceTagMappingList"]
            ),
        }

    def key_id(self):
        return self.aws("kms describe-key --key-id", KEY)["KeyMetadata"]["KeyId"]

    def test_a1_it_reads_the_stack(self):
        seen = self.everything()
        self.assertEqual(self.aws("sts get-caller-identity")["Account"], spore.ACCOUNT)
        self.assertEqual(seen["dnssec"]["Status"]["ServeSignature"], "SIGNING")
        (key,) = seen["dnssec"]["KeySigningKeys"]
        self.assertEqual(key["KmsArn"], seen["key"]["KeyMetadata"]["Arn"])
        # The last 64 octets of the public key are those of the DNSKEY record (RFC 6605, section 4).
        point = base64.b64decode(seen["public key"])[-64:]
        self.assertEqual(base64.b64decode(key["DNSKEYRecord"].split()[-1]), point)
        self.assertIn(key["DSRecord"], self.tool("ds").expect(0).out)
        self.assertEqual(seen["groups"][0]["retentionInDays"], 30)
        self.assertEqual(seen["function"]["State"], "Active")
        self.assertGreater(len(seen["tagged"]), 10)

    def test_a2_its_waiters_end(self):
        record = f'{{"Name":"www.{DOMAIN}","Type":"A","TTL":60,"ResourceRecords":[{{"Value":"192.0.2.1"}}]}}'
        change = self.aws(
            "route53 change-resource-record-sets --hosted-zone-id",
            self.zone,
            "--change-batch",
            f'{{"Changes":[{{"Action":"CREATE","ResourceRecordSet":{record}}}]}}',
        )
        # It looks every 30 s.
        sandbox = f"--sandbox={self.server.sandbox}"
        self.place.run("sandbox", "advance", "1min", sandbox).expect(0)
        self.aws("route53 wait resource-record-sets-changed --id", change["ChangeInfo"]["Id"])
        self.assertEqual(
            self.aws("route53 get-change --id", change["ChangeInfo"]["Id"])["ChangeInfo"]["Status"],
            "INSYNC",
        )
        self.aws("lambda wait function-active --function-name", FUNCTION)

    def test_a3_it_invokes_the_function_and_tails_its_log(self):
        with open(self.place.dir / "answer.json", "w+") as answer:
            said = self.aws(
                "lambda invoke --payload {} --log-type Tail --function-name", FUNCTION, answer.name
            )
            self.assertEqual(said["StatusCode"], 200)
            self.assertEqual(json.loads(json.load(answer)["body"])["code"], "bad_request")
        events = self.aws("logs filter-log-events --log-group-name", GROUP)["events"]
        lines = [json.loads(one["message"]) for one in events if one["message"].startswith("{")]
        self.assertIn("bad_request", [line["code"] for line in lines])

    def test_b1_plan_finds_what_it_changed_and_apply_takes_it_back(self):
        before = self.everything()
        policy = {"Version": "2012-10-17", "Statement": []}
        policy["Statement"].append({"Effect": "Allow", "Action": "kms:Sign", "Resource": "*"})
        anybody = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "kms:Sign", "Resource": "*"}
        loose = json.loads(before["key policy"])
        loose["Statement"].append(anybody)
        edits = {
            "role/updater": [
                (
                    "iam put-role-policy --policy-name extra --role-name",
                    FUNCTION,
                    "--policy-document",
                    json.dumps(policy),
                ),
                (
                    "iam attach-role-policy --policy-arn arn:aws:iam::aws:policy/AdministratorAccess",
                    "--role-name",
                    FUNCTION,
                ),
            ],
            "function/updater": [
                (
                    "lambda update-function-configuration --timeout 900 --environment",
                    "Variables={RUST_LOG=trace}",
                    "--function-name",
                    FUNCTION,
                ),
                ("lambda wait function-updated --function-name", FUNCTION),
                (
                    "lambda add-permission --statement-id all --action lambda:InvokeFunction",
                    *("--principal", "*", "--function-name", FUNCTION),
                ),
                ("lambda delete-function-concurrency --function-name", FUNCTION),
            ],
            "log_group/updater": [
                ("logs put-retention-policy --retention-in-days 1 --log-group-name", GROUP),
            ],
            "metric_filter/updater/failures": [
                ("logs delete-metric-filter --filter-name failures --log-group-name", GROUP),
            ],
            "alarm/function-errors": [
                ("cloudwatch disable-alarm-actions --alarm-names", ALARM),
            ],
            "rest_api/updater": [
                (
                    f"apigateway update-stage --rest-api-id {self.api} --stage-name prod --patch-operations",
                    "op=replace,path=/*/*/throttling/rateLimit,value=9999",
                ),
            ],
            "kms_key/ksk": [
                (
                    "kms put-key-policy --policy-name default --key-id",
                    self.key_id(),
                    "--policy",
                    json.dumps(loose),
                ),
            ],
            f"hosted_zone/{DOMAIN}": [
                (
                    "route53 change-tags-for-resource --resource-type hostedzone --resource-id",
                    self.zone,
                    "--remove-tag-keys",
                    "spore:tool-version",
                ),
            ],
        }
        for commands in edits.values():
            for command in commands:
                self.aws(*command)
        found = json.loads(self.tool("plan", "--json").expect(0).out)
        self.assertEqual({one["address"] for one in found["changes"]}, set(edits))
        self.tool("apply", "--yes").expect(0)
        self.tool("plan", "--detailed-exitcode").expect(0)
        after = self.everything()
        for what, value in before.items():
            with self.subTest(what=what):
                self.assertEqual(after[what], value)

    def test_b2_errors_reach_it_as_aws_words_them(self):
        for command, words in (
            (("route53 get-hosted-zone --id ZNOSUCHZONE",), "NoSuchHostedZone"),
            (("kms describe-key --key-id alias/none",), "NotFoundException"),
            (("iam get-role --role-name none",), "NoSuchEntity"),
            (("lambda get-function --function-name none",), "ResourceNotFoundException"),
            (
                ("logs put-retention-policy --retention-in-days 2 --log-group-name", GROUP),
                "InvalidParameterException",
            ),
            (("apigateway get-rest-api --rest-api-id none",), "NotFoundException"),
        ):
            with self.subTest(command=command[0]), self.assertRaises(AssertionError) as refused:
                self.aws(*command)
            self.assertIn(words, str(refused.exception))


if __name__ == "__main__":
    spore.main()
