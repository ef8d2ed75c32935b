"""boto3 at `sandbox serve`: every operation answers with sense or is refused by its name.

The cases in boto3_cases use the served world as any program would: they make, read back, change and
delete, and provoke the documented errors. What they have seen answered is then compared with the
tables of the sandbox: an operation that no case saw answered must be refused with an error that
names it, so that neither a missing operation nor a missing case can hide.
"""

import json
import unittest

import spore
from boto3_cases.access import Access
from boto3_cases.alarms import Alarms, Metrics
from boto3_cases.base import ANSWERED, Case, World, watched
from boto3_cases.credentials import Credentials
from boto3_cases.dnssec import Dnssec
from boto3_cases.filters import Filters, LogPolicies
from boto3_cases.functions import Functions
from boto3_cases.instances import Instances
from boto3_cases.gateway import Gateway
from boto3_cases.gateway_data import GatewayData
from boto3_cases.iam import Iam, Roles, Simulation
from boto3_cases.kms import Kms
from boto3_cases.logs import Logs
from boto3_cases.route53 import Route53
from boto3_cases.tagging import Tagging

TABLES = sorted((spore.ROOT / "sandbox" / "shapes").glob("*.json"))


def least(shape):
    """The smallest valid value of a shape: required members only."""
    kind, limits = shape.type_name, shape.metadata
    if kind == "structure":
        return {name: least(shape.members[name]) for name in shape.required_members}
    if kind == "list":
        return [least(shape.member) for _ in range(max(1, limits.get("min", 0)))]
    if kind == "map":
        return {least(shape.key): least(shape.value)}
    if kind == "string":
        return shape.enum[0] if shape.enum else "x" * max(1, limits.get("min", 0))
    if kind == "boolean":
        return False
    if kind == "blob":
        return b"x"
    return limits.get("min", 1)


class Completeness(Case):
    """Runs last."""

    def test_every_operation_was_answered_or_is_refused_by_name(self):
        refused = []
        for path in TABLES:
            table = json.loads(path.read_text())
            # Limits of texts are not the point here; the server judges.
            client = self.client(table["service"], parameter_validation=False)
            for operation in table["operations"]:
                name = f"{table['service']}:{operation}"
                if name in ANSWERED:
                    continue
                shape = client.meta.service_model.operation_model(operation).input_shape
                with self.subTest(operation=name):
                    params = {
                        "operation_name": operation,
                        "api_params": least(shape) if shape else {},
                    }
                    error = self.refused("NotImplemented", client._make_api_call, **params)
                    self.assertIn(name, error["Error"]["Message"])
                    self.assertEqual(error["ResponseMetadata"]["HTTPStatusCode"], 501)
                    refused.append(name)
        print(
            f"       {len(ANSWERED)} operations answered, {len(refused)} refused: {' '.join(refused)}"
        )

    def test_what_no_table_has_is_refused_by_name(self):
        for service, operation, params in (
            ("kms", "ReplicateKey", {"KeyId": "x", "ReplicaRegion": "eu-west-1"}),
            ("route53", "ListHealthChecks", {}),
            ("sts", "GetAccessKeyInfo", {"AccessKeyId": "AKIAIOSFODNN7EXAMPLE"}),
            ("logs", "DescribeDestinations", {}),
            ("ec2", "TerminateInstances", {"InstanceIds": ["i-0123456789abcdef0"]}),
            ("dynamodb", "ListTables", {}),
        ):
            with self.subTest(operation=operation):
                call = self.client(service)._make_api_call
                error = self.refused(
                    "NotImplemented", call, operation_name=operation, api_params=params
                )
                self.assertIn(f"{service}:{operation}", error["Error"]["Message"])


class Serving(unittest.TestCase):
    """The server itself."""

    def test_a_stopped_server_keeps_what_it_answered(self):
        place = spore.Place()
        self.addCleanup(place.close)
        world = place.dir / "world"
        server = spore.Server(place, world)
        made = watched(server.client("kms")).create_key()["KeyMetadata"]
        self.assertEqual(server.stop(), 0)
        self.assertFalse(
            (world / "serve.json").exists(), "a stopped server still says where it listens"
        )
        server = spore.Server(place, world)
        found = watched(server.client("kms")).describe_key(KeyId=made["KeyId"])["KeyMetadata"]
        self.assertEqual(server.stop(), 0)
        self.assertEqual(found, made)


def load_tests(loader, _tests, _pattern):
    """Completeness judges what all others have seen."""
    cases = (
        Credentials,
        Kms,
        Route53,
        Dnssec,
        Logs,
        Tagging,
        Functions,
        Instances,
        Gateway,
        GatewayData,
        Iam,
        Simulation,
        Roles,
        Access,
        Alarms,
        Metrics,
        Filters,
        LogPolicies,
        Serving,
        Completeness,
    )
    return unittest.TestSuite(loader.loadTestsFromTestCase(case) for case in cases)


def tearDownModule():
    World.stop()


if __name__ == "__main__":
    spore.main()
