"""Instances: EC2's answers by boto3, metadata by botocore's own fetcher, documents by openssl."""

import base64
import json
import pathlib
import re
import subprocess
import tempfile
import urllib.error
import urllib.request

from botocore.utils import InstanceMetadataFetcher

import spore

from .base import Case, World
from .functions import code, policy

IDENTITY = "meta-data/identity-credentials/ec2/security-credentials/ec2-instance"


def own(route):
    """What the sandbox itself answers."""
    with urllib.request.urlopen(f"{World.server.url}/_spore/{route}") as got:
        return json.loads(got.read())


def asked(url, method="GET", timeout=10, **headers):
    """Status and text of an answer."""
    headers = {name.replace("_", "-"): value for name, value in headers.items()}
    request = urllib.request.Request(url, method=method, headers=headers)
    try:
        with urllib.request.urlopen(request, timeout=timeout) as got:
            return got.status, got.read().decode()
    except urllib.error.HTTPError as error:
        with error:
            return error.code, error.read().decode()


class Instances(Case):
    """What boto3, botocore and openssl make of an instance."""

    def start(self, *args):
        """Starts an instance of this test's account; how the sandbox shows it."""
        said = self.command("instance", "start", "--account", self.account, *args)
        id = re.match(r"i-[0-9a-f]{17}\b", said)[0]
        return next(one for one in own("instances") if one["id"] == id)

    def told(self, url, path):
        token = asked(
            f"{url}/latest/api/token", "PUT", X_aws_ec2_metadata_token_ttl_seconds="60"
        )[1]
        status, text = asked(f"{url}/latest/{path}", X_aws_ec2_metadata_token=token)
        self.assertEqual(status, 200, path)
        return text

    def keys(self, url, path=IDENTITY):
        found = json.loads(self.told(url, path))
        return {
            "key": found["AccessKeyId"],
            "secret": found["SecretAccessKey"],
            "token": found["Token"],
        }

    def through(self, url, service, **keys):
        """A client whose requests go out through an instance or a function."""
        return spore.Server.client(
            type("Way", (), {"url": url})(), service, **{"key": self.account} | keys
        )

    def ids(self, **params):
        found = self.client("ec2").describe_instances(**params)
        return [one["InstanceId"] for group in found["Reservations"] for one in group["Instances"]]

    def test_ec2_shows_an_instance_as_it_was_started(self):
        one = self.start("--tag", "spawn:managed=true", "--tag", "Name=a b", "--ipv6")
        found = self.client("ec2").describe_instances(InstanceIds=[one["id"]])
        (reservation,) = found["Reservations"]
        (shown,) = reservation["Instances"]
        self.assertEqual(reservation["OwnerId"], self.account)
        self.assertEqual(shown["State"], {"Code": 16, "Name": "running"})
        self.assertEqual(
            {tag["Key"]: tag["Value"] for tag in shown["Tags"]},
            {"spawn:managed": "true", "Name": "a b"},
        )
        self.assertEqual(shown["PublicIpAddress"], one["public_ip"])
        self.assertEqual(shown["PrivateIpAddress"], one["private_ip"])
        (interface,) = shown["NetworkInterfaces"]
        self.assertEqual(interface["Ipv6Addresses"][0]["Ipv6Address"], one["ipv6"])
        self.assertEqual(interface["Association"]["PublicIp"], one["public_ip"])
        self.assertEqual(shown["MetadataOptions"]["HttpTokens"], "required")
        self.command("instance", "stop", one["id"])
        shown = self.client("ec2").describe_instances(InstanceIds=[one["id"]])
        shown = shown["Reservations"][0]["Instances"][0]
        self.assertEqual(shown["State"]["Name"], "stopped")
        self.assertNotIn("PublicIpAddress", shown)
        self.assertIn("PrivateIpAddress", shown)
        with self.assertRaises(urllib.error.URLError):
            asked(f"{one['url']}/latest/meta-data/")
        self.command("instance", "start", one["id"])
        again = next(two for two in own("instances") if two["id"] == one["id"])
        self.assertNotEqual(again["public_ip"], one["public_ip"])
        self.command("instance", "terminate", one["id"])
        (shown,) = self.client("ec2").describe_instances(InstanceIds=[one["id"]])["Reservations"]
        self.assertEqual(shown["Instances"][0]["State"]["Name"], "terminated")
        self.assertNotIn("PrivateIpAddress", shown["Instances"][0])
        self.command("advance", "61min")
        ec2 = self.client("ec2")
        self.refused(
            "InvalidInstanceID.NotFound", ec2.describe_instances, InstanceIds=[one["id"]]
        )

    def test_ec2_finds_by_filters_and_in_pages(self):
        made = [self.start("--tag", f"n={n}")["id"] for n in range(6)]
        private = self.start("--no-public")
        other = self.start("--region", "eu-west-1")
        ec2 = self.client("ec2")
        by = lambda name, *values: self.ids(Filters=[{"Name": name, "Values": list(values)}])
        self.assertEqual(set(self.ids()), {*made, private["id"]})
        self.assertEqual(by("tag:n", "3"), [made[3]])
        self.assertEqual(set(by("tag:n", "*")), set(made))
        self.assertEqual(by("private-ip-address", private["private_ip"]), [private["id"]])
        self.assertEqual(by("instance-state-name", "stopped"), [])
        self.assertEqual(
            by("network-interface.addresses.private-ip-address", private["private_ip"]),
            [private["id"]],
        )
        groups, pages = self.pages(ec2, "describe_instances", "Reservations", 5)
        self.assertEqual(pages, 2)
        self.assertEqual(
            {one["InstanceId"] for group in groups for one in group["Instances"]},
            {*made, private["id"]},
        )
        describe = ec2.describe_instances
        self.refused("InvalidParameterValue", describe, MaxResults=4)
        self.refused("InvalidParameterCombination", describe, MaxResults=5, InstanceIds=made[:1])
        self.refused("InvalidNextToken", describe, NextToken="x")
        self.refused("InvalidInstanceID.Malformed", describe, InstanceIds=["i-x"])
        self.refused("InvalidInstanceID.NotFound", describe, InstanceIds=[other["id"]])
        self.refused("DryRunOperation", describe, DryRun=True)
        error = self.refused(
            "NotImplemented", describe, Filters=[{"Name": "dns-name", "Values": ["x"]}]
        )
        self.assertIn("dns-name", error["Error"]["Message"])

    def test_ec2_tags_are_changed_and_listed(self):
        one = self.start("--metadata-tags")
        ec2 = self.client("ec2")
        ec2.create_tags(Resources=[one["id"]], Tags=[{"Key": "a", "Value": "1"}])
        ec2.create_tags(Resources=[one["id"]], Tags=[{"Key": "a", "Value": "2"}])
        filters = [{"Name": "resource-id", "Values": [one["id"]]}]
        self.assertEqual(
            ec2.describe_tags(Filters=filters)["Tags"],
            [{"Key": "a", "ResourceId": one["id"], "ResourceType": "instance", "Value": "2"}],
        )
        self.assertEqual(self.told(one["url"], "meta-data/tags/instance/a"), "2")
        create = ec2.create_tags
        for key in ("a b", "aws:x"):
            tags = [{"Key": key, "Value": ""}]
            self.refused("InvalidParameterValue", create, Resources=[one["id"]], Tags=tags)
        missing = "i-0123456789abcdef0"
        tags = [{"Key": "a", "Value": ""}]
        self.refused("InvalidInstanceID.NotFound", create, Resources=[missing], Tags=tags)

    def test_ec2_regions_and_refusals(self):
        ec2 = self.client("ec2")
        names = {region["RegionName"] for region in ec2.describe_regions()["Regions"]}
        self.assertIn("us-east-1", names)
        self.assertNotIn("af-south-1", names)
        every = ec2.describe_regions(AllRegions=True)["Regions"]
        status = {region["RegionName"]: region["OptInStatus"] for region in every}
        self.assertEqual(status["af-south-1"], "not-opted-in")
        self.refused("AuthFailure", self.client("ec2", secret="x").describe_instances)
        self.refused("AuthFailure", self.client("ec2", key="AKIAX").describe_instances)
        iam = self.client("iam")
        iam.create_user(UserName="nobody")
        made = iam.create_access_key(UserName="nobody")["AccessKey"]
        nobody = {"key": made["AccessKeyId"], "secret": made["SecretAccessKey"]}
        error = self.refused(
            "UnauthorizedOperation", self.client("ec2", **nobody).describe_instances
        )
        self.assertRegex(
            error["Error"]["Message"],
            r"^You are not authorized to perform this operation\. User: \S+user/nobody is not "
            "authorized to perform: ec2:DescribeInstances because no identity-based policy",
        )

    def test_metadata_is_what_botocore_expects(self):
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "ec2.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        self.client("iam").create_role(
            RoleName="app", AssumeRolePolicyDocument=policy(trust)
        )
        one = self.start("--role", "app")
        fetcher = InstanceMetadataFetcher(base_url=one["url"], timeout=5)
        found = fetcher.retrieve_iam_role_credentials()
        self.assertEqual(found["role_name"], "app")
        session = self.through(
            one["url"],
            "sts",
            key=found["access_key"],
            secret=found["secret_key"],
            token=found["token"],
        )
        self.assertEqual(
            session.get_caller_identity()["Arn"],
            f"arn:aws:sts::{self.account}:assumed-role/app/{one['id']}",
        )

    def test_metadata_identity_role_is_the_instance(self):
        one = self.start()
        keys = self.keys(one["url"])
        said = self.through(one["url"], "sts", **keys).get_caller_identity()
        self.assertEqual(
            (said["Account"], said["Arn"], said["UserId"]),
            (
                self.account,
                f"arn:aws:sts::{self.account}:assumed-role/aws:ec2-instance/{one['id']}",
                f"{self.account}:aws:ec2-instance:{one['id']}",
            ),
        )
        for service, call, denied in (
            ("ec2", "describe_instances", "UnauthorizedOperation"),
            ("route53", "list_hosted_zones", "AccessDenied"),
            ("kms", "list_keys", "AccessDeniedException"),
        ):
            self.refused(denied, getattr(self.through(one["url"], service, **keys), call))

    def test_metadata_tokens_do_not_reach_containers_beyond_the_hop_limit(self):
        one = self.start("--hop-limit", "1")
        put = {"method": "PUT", "X_aws_ec2_metadata_token_ttl_seconds": "60"}
        self.assertEqual(asked(f"{one['url']}/latest/api/token", **put)[0], 200)
        with self.assertRaises(TimeoutError):
            asked(f"{one['container_url']}/latest/api/token", timeout=1, **put)
        self.assertEqual(asked(f"{one['container_url']}/latest/meta-data/")[0], 401)
        closed = self.start("--no-metadata")
        self.assertEqual(asked(f"{closed['url']}/latest/meta-data/")[0], 403)

    def test_documents_are_verified_by_openssl(self):
        one = self.start("--region", "eu-south-1")
        document = self.told(one["url"], "dynamic/instance-identity/document")
        signature = self.told(one["url"], "dynamic/instance-identity/signature")
        message = self.told(one["url"], "dynamic/instance-identity/rsa2048")
        self.assertEqual(json.loads(document)["instanceId"], one["id"])
        keys = own("identity-keys?region=eu-south-1")["eu-south-1"]
        certificates = own("identity-certificates?region=eu-south-1")["eu-south-1"]
        with tempfile.TemporaryDirectory() as place:
            dir = pathlib.Path(place)
            pem = "-----BEGIN PUBLIC KEY-----\n{}\n-----END PUBLIC KEY-----\n"
            (dir / "key.pem").write_text(pem.format(keys["rsa1024"]))
            (dir / "certificate.pem").write_text(certificates["rsa2048"])
            (dir / "document").write_text(document)
            (dir / "signature").write_bytes(base64.b64decode(signature))
            armour = f"-----BEGIN PKCS7-----\n{message}\n-----END PKCS7-----\n"
            (dir / "message.pem").write_text(armour)

            def openssl(*args):
                return subprocess.run(
                    ["openssl", *args], cwd=dir, capture_output=True, text=True, timeout=30
                )

            verify = ["dgst", "-sha256", "-verify", "key.pem", "-signature", "signature"]
            self.assertEqual(openssl(*verify, "document").returncode, 0)
            cms = ["cms", "-verify", "-binary", "-inform", "PEM", "-in", "message.pem"]
            cms += ["-certfile", "certificate.pem", "-nointern", "-noverify"]
            done = openssl(*cms)
            self.assertEqual((done.returncode, done.stdout), (0, document), done.stderr)
            # A different document, and another region's certificate of the same issuer.
            (dir / "document").write_text(document + "\n")
            self.assertNotEqual(openssl(*verify, "document").returncode, 0)
            other = own("identity-certificates?region=eu-west-1")["eu-west-1"]
            (dir / "certificate.pem").write_text(other["rsa2048"])
            self.assertNotEqual(openssl(*cms).returncode, 0)

    def test_requests_come_from_the_instance_that_sends_them(self):
        one, two = self.start("--ipv6"), self.start("--no-public")
        api = self.client("apigateway")
        rest = api.create_rest_api(
            name="from",
            policy=policy(
                {
                    "Effect": "Allow",
                    "Principal": "*",
                    "Action": "execute-api:Invoke",
                    "Resource": "execute-api:/*",
                    "Condition": {
                        "IpAddress": {"aws:SourceIp": [one["public_ip"], one["ipv6"]]}
                    },
                }
            ),
        )["id"]
        root = api.get_resources(restApiId=rest)["items"][0]["id"]
        method = {"restApiId": rest, "resourceId": root, "httpMethod": "GET"}
        api.put_method(**method, authorizationType="NONE")
        template = {"application/json": '{"statusCode": 200}'}
        api.put_integration(**method, type="MOCK", requestTemplates=template)
        api.put_method_response(**method, statusCode="200")
        api.put_integration_response(**method, statusCode="200")
        api.create_deployment(restApiId=rest, stageName="prod")
        path = f"/restapis/{rest}/prod/_user_request_/"
        spoofed = {"X_Forwarded_For": one["public_ip"], "Forwarded": f"for={one['public_ip']}"}
        for url, status in (
            (one["url"], 200),
            (one["container_url"], 200),
            (one["ipv6_url"], 200),
            (two["url"], 403),
            (World.server.url, 403),
        ):
            self.assertEqual(asked(url + path, **spoofed)[0], status, url)
        # What belongs to the sandbox is not for instances.
        with self.assertRaises((urllib.error.URLError, ConnectionError)):
            asked(f"{one['url']}/_spore/info")

    def test_functions_find_aws_by_a_way_of_their_own(self):
        iam, lambda_ = self.client("iam"), self.client("lambda")
        trust = {
            "Effect": "Allow",
            "Principal": {"Service": "lambda.amazonaws.com"},
            "Action": "sts:AssumeRole",
        }
        role = iam.create_role(RoleName="runs", AssumeRolePolicyDocument=policy(trust))
        allowed = {
            "Effect": "Allow",
            "Action": ["ec2:DescribeInstances", "route53:ListHostedZones"],
            "Resource": "*",
            "Condition": {"NotIpAddress": {"aws:SourceIp": "127.0.0.0/8"}},
        }
        iam.put_role_policy(RoleName="runs", PolicyName="own", PolicyDocument=policy(allowed))
        lambda_.create_function(
            FunctionName="judged",
            Role=role["Role"]["Arn"],
            Runtime="provided.al2023",
            Handler="bootstrap",
            Code={"ZipFile": code()},
        )
        lambda_.get_waiter("function_active_v2").wait(FunctionName="judged")
        answer = lambda_.invoke(FunctionName="judged", Payload="{}")
        seen = json.loads(answer["Payload"].read())["environment"]
        keys = {
            "key": seen["AWS_ACCESS_KEY_ID"],
            "secret": seen["AWS_SECRET_ACCESS_KEY"],
            "token": seen["AWS_SESSION_TOKEN"],
        }
        url = seen["AWS_ENDPOINT_URL"]
        self.assertNotEqual(url, World.server.url)
        self.through(url, "ec2", **keys).describe_instances()
        self.through(url, "route53", **keys).list_hosted_zones()
        self.through(url, "sts", **keys).get_caller_identity()
        self.refused(
            "UnauthorizedOperation", self.client("ec2", **keys).describe_instances
        )
        with urllib.request.urlopen(seen["SPORE_SANDBOX_IDENTITY_KEYS"]) as got:
            self.assertIsInstance(json.loads(got.read()), dict)
