"""ministack, which evaluates policies by itself, judges who may do what: the same roles, the same calls.

Both emulators get the same zone, key, log group and roles; each role has policies of one case, perhaps a
boundary, a session policy or a key policy. A session of the role then makes every call, and who is
refused must be refused by both. Besides written cases there are policies drawn from a seed. What the
two are known to see differently is listed by name with its reason, and must differ: a difference that
is gone has to leave the list.
"""

import collections
import contextlib
import json
import random
import sys
import unittest

import boto3
import spore
from botocore.config import Config
from botocore.exceptions import ClientError

SEED = 20260115
DRAWN = 60


class Emulator:
    """One of the two, with the objects that calls are about."""

    def __init__(self, url):
        self.url = url
        self.made = 0
        self.account = self.client("sts").get_caller_identity()["Account"]
        route53, kms, logs = self.client("route53"), self.client("kms"), self.client("logs")
        zone = route53.create_hosted_zone(Name="judged.example.edu", CallerReference="judged")
        self.zone = zone["HostedZone"]["Id"].rsplit("/", 1)[1]
        self.keys = [kms.create_key()["KeyMetadata"]["Arn"] for _ in range(2)]
        for name in ("/judged/a", "/judged/b"):
            logs.create_log_group(logGroupName=name)
        # The root of an account cannot assume roles.
        iam = self.client("iam")
        iam.create_user(UserName="judge")
        allow = {"Effect": "Allow", "Action": "sts:AssumeRole", "Resource": "*"}
        iam.put_user_policy(UserName="judge", PolicyName="judge", PolicyDocument=document(allow))
        key = iam.create_access_key(UserName="judge")["AccessKey"]
        self.judge = (key["AccessKeyId"], key["SecretAccessKey"], None)

    def client(self, service, keys=("test", "test", None)):
        key, secret, token = keys
        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=spore.REGION,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}),
        )

    def filled(self, value):
        """A policy with the names of this emulator's objects."""
        text = json.dumps(value)
        for name, found in (
            ("ACCOUNT", self.account),
            ("ZONE", self.zone),
            ("KEY0", self.keys[0]),
            ("KEY1", self.keys[1]),
        ):
            text = text.replace(f"<{name}>", found)
        return json.loads(text)

    def session(self, case):
        """Credentials of a new role with the policies of a case."""
        self.made += 1
        name, iam = f"case-{self.made}", self.client("iam")
        root = {"AWS": f"arn:aws:iam::{self.account}:root"}
        trust = {"Effect": "Allow", "Principal": root, "Action": "sts:AssumeRole"}
        more = {}
        if "boundary" in case:
            made = iam.create_policy(
                PolicyName=name, PolicyDocument=document(*self.filled(case["boundary"]))
            )
            more["PermissionsBoundary"] = made["Policy"]["Arn"]
        role = iam.create_role(
            RoleName=name,
            AssumeRolePolicyDocument=document(trust),
            Tags=[{"Key": "team", "Value": "dns"}],
            **more,
        )["Role"]
        if case["policy"]:
            policy = document(*self.filled(case["policy"]))
            iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=policy)
        if "key" in case:
            text = document(*self.filled(case["key"])).replace("<ROLE>", role["Arn"])
            self.client("kms").put_key_policy(
                KeyId=self.keys[0], PolicyName="default", Policy=text,
                BypassPolicyLockoutSafetyCheck=True,
            )
        limits = {}
        if "session" in case:
            limits["Policy"] = document(*self.filled(case["session"]))
        sts = self.client("sts", self.judge)
        answer = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="judged", **limits)
        keys = answer["Credentials"]
        return keys["AccessKeyId"], keys["SecretAccessKey"], keys["SessionToken"]

    def verdicts(self, case):
        """What each call comes to: allowed, or refused."""
        session = self.session(case)
        clients = {service: self.client(service, session) for service, _, _ in CALLS.values()}
        found = {}
        for name, (service, method, params) in CALLS.items():
            call = getattr(clients[service], method)
            try:
                call(**self.filled(params))
                found[name] = "allowed"
            except ClientError as error:
                code = error.response["Error"]["Code"]
                # Any other error comes after permission was given.
                found[name] = "refused" if code.startswith("AccessDenied") else "allowed"
        if "key" in case:
            # The next case finds the key as it was, its policy delegating to the account.
            root = {"AWS": f"arn:aws:iam::{self.account}:root"}
            whole = {"Effect": "Allow", "Principal": root, "Action": "kms:*", "Resource": "*"}
            self.restore(session, document(whole))
        return found

    def restore(self, session, policy):
        """Gives the first key its policy back, by whoever may."""
        for keys in (session, ("test", "test", None)):
            with contextlib.suppress(ClientError):
                self.client("kms", keys).put_key_policy(
                    KeyId=self.keys[0], PolicyName="default", Policy=policy
                )
                return
        raise AssertionError("nobody may change the key's policy back")


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def allow(actions, resources="*", **more):
    return {"Effect": "Allow", "Action": actions, "Resource": resources, **more}


def deny(actions, resources="*", **more):
    return {"Effect": "Deny", "Action": actions, "Resource": resources, **more}


def when(operator, key, value):
    return {"Condition": {operator: {key: value}}}


# Of each kind of action: with and without a resource, reading and writing, in three protocols.
CALLS = {
    "GetCallerIdentity": ("sts", "get_caller_identity", {}),
    "ListHostedZones": ("route53", "list_hosted_zones", {}),
    "GetHostedZone": ("route53", "get_hosted_zone", {"Id": "<ZONE>"}),
    "ListResourceRecordSets": (
        "route53", "list_resource_record_sets", {"HostedZoneId": "<ZONE>"}),
    "UpdateHostedZoneComment": (
        "route53", "update_hosted_zone_comment", {"Id": "<ZONE>", "Comment": "judged"}),
    "ListKeys": ("kms", "list_keys", {}),
    "DescribeKey 0": ("kms", "describe_key", {"KeyId": "<KEY0>"}),
    "DescribeKey 1": ("kms", "describe_key", {"KeyId": "<KEY1>"}),
    "Encrypt 0": ("kms", "encrypt", {"KeyId": "<KEY0>", "Plaintext": "x"}),
    "DescribeLogGroups": ("logs", "describe_log_groups", {}),
    "PutRetentionPolicy a": (
        "logs", "put_retention_policy", {"logGroupName": "/judged/a", "retentionInDays": 7}),
    "PutRetentionPolicy b": (
        "logs", "put_retention_policy", {"logGroupName": "/judged/b", "retentionInDays": 7}),
    "ListRoles": ("iam", "list_roles", {}),
    "GetRole 1": ("iam", "get_role", {"RoleName": "case-1"}),
}

ROOT = {"AWS": "arn:aws:iam::<ACCOUNT>:root"}
ZONE = "arn:aws:route53:::hostedzone/<ZONE>"
GROUP = "arn:aws:logs:*:*:log-group:/judged/a"

CASES = {
    "nothing": {"policy": []},
    "everything": {"policy": [allow("*")]},
    "one service": {"policy": [allow("route53:*")]},
    "actions have no case": {"policy": [allow(["KMS:describekey", "Route53:LIST*"])]},
    "a question mark": {"policy": [allow(["kms:DescribeKe?", "kms:?istKeys", "kms:Encryp"])]},
    "one zone": {"policy": [allow("route53:*", ZONE)]},
    "another zone": {"policy": [allow("route53:*", "arn:aws:route53:::hostedzone/Z000")]},
    "resources have case": {"policy": [allow("route53:*", "arn:aws:route53:::HostedZone/<ZONE>")]},
    "one key": {"policy": [allow("kms:*", "<KEY0>")]},
    "one log group": {"policy": [allow("logs:*", [GROUP, f"{GROUP}:*"])]},
    "all but": {"policy": [{"Effect": "Allow", "NotAction": ["kms:*", "iam:*"], "Resource": "*"}]},
    "all resources but": {
        "policy": [{"Effect": "Allow", "Action": "*", "NotResource": ["<KEY1>", ZONE]}]},
    "a deny first": {"policy": [deny("kms:*"), allow("*")]},
    "a deny last": {"policy": [allow("*"), deny("route53:List*")]},
    "a deny of one resource": {"policy": [allow("*"), deny("kms:*", "<KEY1>")]},
    "a deny of all but": {
        "policy": [allow("*"), {"Effect": "Deny", "NotAction": "kms:*", "Resource": "*"}]},
    "a condition that holds": {
        "policy": [allow("*", **when("StringEquals", "aws:RequestedRegion", "us-east-1"))]},
    "a condition that does not": {
        "policy": [allow("*", **when("StringEquals", "aws:RequestedRegion", "eu-west-1"))]},
    "an absent key": {"policy": [allow("*", **when("StringEquals", "aws:SourceVpce", "vpce-1"))]},
    "an absent key if it exists": {
        "policy": [allow("*", **when("StringEqualsIfExists", "aws:SourceVpce", "vpce-1"))]},
    "an absent key negated": {
        "policy": [allow("*", **when("StringNotEquals", "aws:SourceVpce", "vpce-1"))]},
    "null, absent": {"policy": [allow("*", **when("Null", "aws:SourceVpce", "true"))]},
    "null, present": {"policy": [allow("*", **when("Null", "aws:PrincipalArn", "true"))]},
    "all values of none": {
        "policy": [allow("*", **when("ForAllValues:StringEquals", "aws:TagKeys", ["a"]))]},
    "any value of none": {
        "policy": [allow("*", **when("ForAnyValue:StringEquals", "aws:TagKeys", ["a"]))]},
    "a principal tag": {
        "policy": [allow("*", **when("StringEquals", "aws:PrincipalTag/team", "dns"))]},
    "another principal tag": {
        "policy": [allow("*", **when("StringLike", "aws:PrincipalTag/team", "web*"))]},
    "a date in the future": {
        "policy": [allow("*", **when("DateLessThan", "aws:CurrentTime", "2099-01-01T00:00:00Z"))]},
    "a date in the past": {
        "policy": [allow("*", **when("DateLessThan", "aws:CurrentTime", "2009-01-01T00:00:00Z"))]},
    "a number": {
        "policy": [allow("*", **when("NumericGreaterThan", "aws:EpochTime", "1000"))]},
    "an address": {"policy": [allow("*", **when("IpAddress", "aws:SourceIp", "127.0.0.0/8"))]},
    "not an address": {
        "policy": [allow("*", **when("NotIpAddress", "aws:SourceIp", "127.0.0.0/8"))]},
    "a role's arn": {
        "policy": [
            allow("*", **when("ArnLike", "aws:PrincipalArn", "arn:aws:iam::<ACCOUNT>:role/case-*"))
        ]},
    "a session's arn is not the principal's": {
        "policy": [
            allow("*", **when("ArnLike", "aws:PrincipalArn", "arn:aws:sts::*:assumed-role/*"))
        ]},
    "a variable": {
        "policy": [allow("kms:*", "arn:aws:kms:us-east-1:${aws:PrincipalAccount}:key/*")]},
    "a boundary": {"policy": [allow("*")], "boundary": [allow(["kms:*", "iam:Get*"])]},
    "a boundary grants nothing": {"policy": [allow("route53:*")], "boundary": [allow("*")]},
    "a boundary that denies": {
        "policy": [allow("*")], "boundary": [allow("*"), deny("kms:DescribeKey")]},
    "a session policy": {"policy": [allow("*")], "session": [allow("route53:*")]},
    "a session policy grants nothing": {"policy": [allow("kms:*")], "session": [allow("*")]},
    "all three": {
        "policy": [allow(["kms:*", "logs:*"])],
        "boundary": [allow(["kms:*", "route53:*"])],
        "session": [allow(["kms:Describe*", "logs:*"])],
    },
    "a key that delegates": {
        "policy": [allow("kms:DescribeKey")],
        "key": [{"Effect": "Allow", "Principal": ROOT, "Action": "kms:*", "Resource": "*"}],
    },
    "a key that names the role": {
        "policy": [],
        "key": [
            {"Effect": "Allow", "Principal": ROOT, "Action": "kms:PutKeyPolicy", "Resource": "*"},
            {"Effect": "Allow", "Principal": {"AWS": "<ROLE>"}, "Action": "kms:Encrypt",
             "Resource": "*"},
        ],
    },
    "a key that delegates nothing but its policy": {
        "policy": [allow("kms:*")],
        "key": [
            {"Effect": "Allow", "Principal": ROOT, "Action": "kms:PutKeyPolicy", "Resource": "*"},
        ],
    },
    "a key that denies": {
        "policy": [allow("kms:*")],
        "key": [
            {"Effect": "Allow", "Principal": ROOT, "Action": "kms:*", "Resource": "*"},
            {"Effect": "Deny", "Principal": {"AWS": "<ROLE>"}, "Action": "kms:Encrypt",
             "Resource": "*"},
        ],
    },
    "a key and a boundary": {
        "policy": [],
        "boundary": [allow("kms:Describe*")],
        "key": [
            {"Effect": "Allow", "Principal": ROOT, "Action": "kms:PutKeyPolicy", "Resource": "*"},
            {"Effect": "Allow", "Principal": {"AWS": "<ROLE>"},
             "Action": ["kms:Encrypt", "kms:DescribeKey"], "Resource": "*"},
        ],
    },
}

# Cases in which the two differ: in how many calls, and why.
KNOWN = {
    "a role's arn": (
        13,
        "ministack gives a session's own ARN as aws:PrincipalArn, where AWS gives its role's",
    ),
    "a session's arn is not the principal's": (13, "the same"),
    "a variable": (3, "ministack fills in no policy variables"),
}


def drawn():
    """Policies of a few statements each, from a seed."""
    draw = random.Random(SEED)
    actions = ["*", "kms:*", "kms:Describe*", "route53:*", "route53:Get*", "logs:*", "iam:*",
               "logs:Put*", "route53:ListHostedZones", "kms:Encrypt", "iam:GetRole"]
    resources = ["*", "<KEY0>", "<KEY1>", "arn:aws:kms:*:*:key/*", ZONE, "arn:aws:route53:::*",
                 [GROUP, f"{GROUP}:*"], "arn:aws:logs:*:*:*", "arn:aws:iam::<ACCOUNT>:role/*"]
    conditions = [
        {},
        {},
        {},
        when("StringEquals", "aws:RequestedRegion", "us-east-1"),
        when("StringNotEquals", "aws:RequestedRegion", "us-east-1"),
        when("StringLike", "aws:PrincipalTag/team", "d?s"),
        when("StringNotLikeIfExists", "aws:PrincipalTag/none", "d*"),
        when("Null", "aws:PrincipalTag/team", "false"),
        when("ForAnyValue:StringLike", "aws:TagKeys", "*"),
    ]

    def statement():
        action = draw.choice(["Action", "Action", "Action", "NotAction"])
        resource = draw.choice(["Resource", "Resource", "Resource", "NotResource"])
        return {
            "Effect": draw.choice(["Allow", "Allow", "Deny"]),
            action: draw.sample(actions, draw.randint(1, 2)),
            resource: draw.choice(resources),
            **draw.choice(conditions),
        }

    def statements():
        return [statement() for _ in range(draw.randint(1, 3))]

    for number in range(DRAWN):
        case = {"policy": statements()}
        for limit in ("boundary", "session"):
            if draw.random() < 0.25:
                case[limit] = [allow("*"), *statements()]
        yield f"drawn {number}", case


class Policies(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.stack = contextlib.ExitStack()
        cls.addClassCleanup(cls.stack.close)
        cls.theirs = Emulator(cls.stack.enter_context(spore.ministack(AUTH="true")))
        _, server = cls.stack.enter_context(spore.serving())
        cls.ours = Emulator(server.url)

    def judge(self, cases):
        """Compares; the calls that differ in each case that is known to."""
        compared, refused, differing = 0, 0, collections.Counter()
        for name, case in cases:
            theirs, ours = self.theirs.verdicts(case), self.ours.verdicts(case)
            for call in CALLS:
                compared += 1
                refused += ours[call] == "refused"
                if theirs[call] == ours[call]:
                    continue
                differing[name] += 1
                if name not in KNOWN:
                    with self.subTest(case=name, call=call):
                        said = f"ministack: {theirs[call]}, sandbox: {ours[call]}"
                        self.fail(f"{said}\n{json.dumps(case, indent=2)}")
        print(f"       {compared} compared, {refused} of them refused, {differing.total()} differ")
        return differing

    def test_written_cases(self):
        differing = self.judge(CASES.items())
        self.assertEqual(differing, {name: calls for name, (calls, _) in KNOWN.items()})
        for name, (calls, why) in KNOWN.items():
            print(f"       known: {name}, {calls} calls: {why}")

    def test_drawn_policies(self):
        self.assertEqual(self.judge(drawn()), {})


if __name__ == "__main__":
    spore.main()
