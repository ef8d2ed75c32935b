"""Policies hold for real calls: resources, condition keys, boundaries, denials, other accounts."""

import json

from .iam import IamCase, allowing, document, trusting
from .kms import policy as key_policy
from .route53 import txt

NAMES = "route53:ChangeResourceRecordSetsNormalizedRecordNames"
TYPES = "route53:ChangeResourceRecordSetsRecordTypes"
ACTIONS = "route53:ChangeResourceRecordSetsActions"


def denying(*actions, **more):
    return allowing(*actions, **more) | {"Effect": "Deny"}


class Access(IamCase):
    """Each test in an account of its own."""

    def user(self, *statements, name="judged", **more):
        """A user's credentials."""
        self.iam.create_user(UserName=name, **more)
        self.put(*statements, name=name)
        made = self.iam.create_access_key(UserName=name)["AccessKey"]
        return {"key": made["AccessKeyId"], "secret": made["SecretAccessKey"]}

    def put(self, *statements, name="judged"):
        self.iam.put_user_policy(
            UserName=name, PolicyName="own", PolicyDocument=json.dumps(document(*statements))
        )

    def zone(self, name="judged.example", reference="1"):
        made = self.client("route53").create_hosted_zone(Name=name, CallerReference=reference)
        return made["HostedZone"]["Id"].removeprefix("/hostedzone/")

    def change(self, client, zone, *changes):
        """Asks for a batch; as a call without parameters left."""
        batch = [{"Action": action, "ResourceRecordSet": record} for action, record in changes]

        def call():
            return client.change_resource_record_sets(
                HostedZoneId=zone, ChangeBatch={"Changes": batch}
            )

        return call

    def test_access_to_records_is_by_zone_name_type_and_action(self):
        ours, other = self.zone(), self.zone("other.example", "2")
        keys = self.user(
            allowing(
                "route53:ChangeResourceRecordSets",
                resource=f"arn:aws:route53:::hostedzone/{ours}",
                Condition={
                    "ForAllValues:StringLike": {NAMES: ["*.n.judged.example"]},
                    "ForAllValues:StringEquals": {
                        TYPES: ["A", "TXT"],
                        ACTIONS: ["CREATE", "UPSERT", "DELETE"],
                    },
                },
            ),
            denying(
                "route53:ChangeResourceRecordSets",
                Condition={
                    "ForAnyValue:StringLike": {NAMES: ["_acme-challenge.*", "\\052.*"]},
                },
            ),
        )
        route53 = self.client("route53", **keys)
        address = {
            "Name": "Web.N.Judged.Example.",
            "Type": "A",
            "TTL": 60,
            "ResourceRecords": [{"Value": "192.0.2.1"}],
        }
        # Names are compared in lower case and without the last dot.
        self.change(route53, ours, ("CREATE", address))()
        self.change(route53, ours, ("UPSERT", txt("_spore.web.n.judged.example", "v=1")))()
        for wrong in (
            [("CREATE", txt("web.judged.example", "x"))],
            [("CREATE", txt("judged.example", "x"))],
            # One that is not allowed and all are not.
            [
                ("CREATE", txt("b.n.judged.example", "x")),
                ("CREATE", txt("b.judged.example", "x")),
            ],
            [
                (
                    "CREATE",
                    {
                        "Name": "b.n.judged.example",
                        "Type": "CNAME",
                        "TTL": 60,
                        "ResourceRecords": [{"Value": "c.example"}],
                    },
                )
            ],
            [("CREATE", txt("_acme-challenge.b.n.judged.example", "x"))],
            # An asterisk is written \\052 however it was sent.
            [("CREATE", txt("*.n.judged.example", "x"))],
            [("CREATE", txt("\\052.n.judged.example", "x"))],
        ):
            self.refused("AccessDenied", self.change(route53, ours, *wrong))
        self.refused(
            "AccessDenied",
            self.change(route53, other, ("CREATE", txt("b.n.judged.example", "x"))),
        )
        self.refused("AccessDenied", route53.list_resource_record_sets, HostedZoneId=ours)
        listed = self.client("route53").list_resource_record_sets(HostedZoneId=ours)
        self.assertEqual(
            sorted(
                one["Name"] for one in listed["ResourceRecordSets"] if one["Type"] in ("A", "TXT")
            ),
            ["_spore.web.n.judged.example.", "web.n.judged.example."],
        )
        # Without the action among those allowed.
        self.put(
            allowing(
                "route53:ChangeResourceRecordSets",
                Condition={"ForAllValues:StringEquals": {ACTIONS: ["UPSERT"]}},
            )
        )
        self.change(route53, other, ("UPSERT", txt("a.other.example", "x")))()
        self.refused(
            "AccessDenied", self.change(route53, other, ("CREATE", txt("b.other.example", "x")))
        )

    def test_access_ends_at_the_boundary(self):
        limit = self.policy("limit", allowing("kms:ListKeys", "logs:*"))["Arn"]
        keys = self.user(allowing("kms:*"), PermissionsBoundary=limit)
        kms = self.client("kms", **keys)
        kms.list_keys()
        self.refused("AccessDeniedException", kms.list_aliases)
        # A boundary allows nothing by itself.
        self.refused("AccessDeniedException", self.client("logs", **keys).describe_log_groups)

    def test_access_is_denied_by_one_statement(self):
        keys = self.user(allowing("*"), denying("kms:List*", "logs:CreateLogGroup"))
        kms, logs = self.client("kms", **keys), self.client("logs", **keys)
        self.refused("AccessDeniedException", kms.list_keys)
        kms.create_key()
        self.refused("AccessDeniedException", logs.create_log_group, logGroupName="/judged")
        self.assertEqual(self.client("logs").describe_log_groups()["logGroups"], [])
        # What a denial cannot take: who am I (API reference, GetCallerIdentity).
        self.put(allowing("*"), denying("sts:GetCallerIdentity"))
        self.assertEqual(
            self.client("sts", **keys).get_caller_identity()["Arn"], self.arn("user/judged")
        )

    def test_access_is_by_tags_of_the_request(self):
        wanted = {"StringEquals": {"aws:RequestTag/stack": "x"}}
        keys = self.user(
            allowing("logs:CreateLogGroup", "logs:TagResource", Condition=wanted),
            allowing("kms:CreateKey", "kms:TagResource", Condition=wanted),
        )
        logs, kms = self.client("logs", **keys), self.client("kms", **keys)
        logs.create_log_group(logGroupName="/judged", tags={"stack": "x", "own": "1"})
        for wrong in ({}, {"tags": {"stack": "y"}}, {"tags": {"own": "x"}}):
            self.refused(
                "AccessDeniedException", logs.create_log_group, logGroupName="/other", **wrong
            )
        kms.create_key(Tags=[{"TagKey": "stack", "TagValue": "x"}])
        self.refused("AccessDeniedException", kms.create_key)

    def test_access_to_a_key_is_what_its_policy_says(self):
        kms = self.client("kms")
        keys = self.user(allowing("kms:*"))
        # The policy that leaves it to IAM, and one that does not.
        left = kms.create_key()["KeyMetadata"]["Arn"]
        admin = {
            "Effect": "Allow",
            "Principal": {"AWS": self.arn("root")},
            "Action": ["kms:PutKeyPolicy", "kms:DescribeKey"],
            "Resource": "*",
        }
        own = kms.create_key(
            Policy=json.dumps(document(admin)), BypassPolicyLockoutSafetyCheck=True
        )["KeyMetadata"]["Arn"]
        user = self.client("kms", **keys)
        user.describe_key(KeyId=left)
        user.describe_key(KeyId=own)
        user.get_key_policy(KeyId=left, PolicyName="default")
        self.refused("AccessDeniedException", user.get_key_policy, KeyId=own, PolicyName="default")
        # Another account needs both: the key's policy and its own.
        theirs = self.client("kms", key="299999999998")
        self.refused("AccessDeniedException", theirs.describe_key, KeyId=left)
        for_them = {
            "Effect": "Allow",
            "Principal": {"AWS": "arn:aws:iam::299999999998:root"},
            "Action": "kms:DescribeKey",
            "Resource": "*",
        }
        kms.put_key_policy(KeyId=left, Policy=key_policy(self.account, for_them))
        self.assertEqual(theirs.describe_key(KeyId=left)["KeyMetadata"]["Arn"], left)
        self.refused(
            "AccessDeniedException", theirs.get_key_policy, KeyId=left, PolicyName="default"
        )

    def test_access_to_roles_is_passed_by_permission(self):
        role = self.role("runs", trust=document(trusting({"Service": "lambda.amazonaws.com"})))
        function = {
            "FunctionName": "judged",
            "Role": role["Arn"],
            "Runtime": "provided.al2023",
            "Handler": "bootstrap",
            "Code": {"ZipFile": b"not looked at"},
        }
        passing = {
            "resource": role["Arn"],
            "Condition": {"StringEquals": {"iam:PassedToService": "lambda.amazonaws.com"}},
        }
        keys = self.user(allowing("lambda:*"))
        create = self.client("lambda", **keys).create_function
        self.refused("AccessDeniedException", create, **function)
        for wrong in (
            {"resource": self.arn("role/other")},
            {"Condition": {"StringEquals": {"iam:PassedToService": "ec2.amazonaws.com"}}},
        ):
            self.put(allowing("lambda:*"), allowing("iam:PassRole", **passing | wrong))
            self.refused("AccessDeniedException", create, **function)
        self.put(allowing("lambda:*"), allowing("iam:PassRole", **passing))
        # Now it is the zip that is wrong.
        self.refused("InvalidParameterValueException", create, **function)
