"""IAM: roles, policies, boundaries, users, and what the simulator makes of them."""

import json

from .base import ANSWERED, Case

BASIC = "arn:aws:iam::aws:policy/service-role/AWSLambdaBasicExecutionRole"


def document(*statements):
    """A policy with these statements, as boto3's users write it and as boto3 reads it back."""
    return {"Version": "2012-10-17", "Statement": list(statements)}


def trusting(principal, **more):
    return {"Effect": "Allow", "Principal": principal, "Action": "sts:AssumeRole"} | more


def allowing(*actions, resource="*", **more):
    return {"Effect": "Allow", "Action": list(actions), "Resource": resource} | more


LAMBDA = document(trusting({"Service": "lambda.amazonaws.com"}))


class IamCase(Case):
    """What cases on principals share."""

    def setUp(self):
        super().setUp()
        self.iam = self.client("iam")

    def arn(self, rest):
        return f"arn:aws:iam::{self.account}:{rest}"

    def role(self, name="judged", trust=LAMBDA, **more):
        return self.iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=json.dumps(trust), **more
        )["Role"]

    def policy(self, name="judged", *statements, **more):
        text = json.dumps(document(*(statements or [allowing("logs:PutLogEvents")])))
        return self.iam.create_policy(PolicyName=name, PolicyDocument=text, **more)["Policy"]

    def names(self, operation, key, name, size=1, **params):
        """Names that a listing shows, in pages of `size`; each page must be full but the last."""
        found, pages = self.pages(self.iam, operation, key, size, **params)
        self.assertEqual(pages, max(1, -(-len(found) // size)), operation)
        return [one if name is None else one[name] for one in found]


class Iam(IamCase):
    """Each test in an account of its own."""

    def test_iam_roles_are_read_back(self):
        iam = self.iam
        boundary = self.policy("limit", Path="/b/")["Arn"]
        self.assertEqual(boundary, self.arn("policy/b/limit"))
        given = {
            "Path": "/spore/a/",
            "Description": "judged <&> é",
            "MaxSessionDuration": 7200,
            "Tags": [{"Key": "spore:stack", "Value": "a+b/c=d @ 1_2.3"}],
        }
        made = self.role("Updater+x", PermissionsBoundary=boundary, **given)
        self.assertRegex(made["RoleId"], r"^AROA[A-Z0-9]{17}$")
        self.assertEqual(made["Arn"], self.arn("role/spore/a/Updater+x"))
        read = iam.get_role(RoleName="Updater+x")["Role"]
        for name, value in given.items():
            self.assertEqual(read[name], value, name)
        for name in ("RoleId", "Arn", "CreateDate"):
            self.assertEqual(read[name], made[name], name)
        self.assertEqual(read["AssumeRolePolicyDocument"], LAMBDA)
        limit = read["PermissionsBoundary"]
        self.assertEqual(limit["PermissionsBoundaryArn"], boundary)
        # AWS's model names the first, its example output the second.
        self.assertIn(limit["PermissionsBoundaryType"], ("PermissionsBoundaryPolicy", "Policy"))
        # ListRoles leaves out boundary, last use and tags (its documentation says so).
        (listed,) = iam.list_roles(PathPrefix="/spore/")["Roles"]
        for name in ("PermissionsBoundary", "RoleLastUsed", "Tags"):
            self.assertNotIn(name, listed)
        self.assertEqual(listed["RoleId"], made["RoleId"])
        # UpdateRole: what is left out of the call stays; an empty description empties it.
        iam.update_role(RoleName="Updater+x", MaxSessionDuration=3600)
        read = iam.get_role(RoleName="Updater+x")["Role"]
        self.assertEqual((read["MaxSessionDuration"], read["Description"]), (3600, "judged <&> é"))
        iam.update_role(RoleName="Updater+x", Description="")
        self.assertEqual(iam.get_role(RoleName="Updater+x")["Role"].get("Description", ""), "")
        iam.delete_role_permissions_boundary(RoleName="Updater+x")
        self.assertNotIn("PermissionsBoundary", iam.get_role(RoleName="Updater+x")["Role"])
        iam.put_role_permissions_boundary(RoleName="Updater+x", PermissionsBoundary=boundary)
        self.assertEqual(
            iam.get_role(RoleName="Updater+x")["Role"]["PermissionsBoundary"][
                "PermissionsBoundaryArn"
            ],
            boundary,
        )
        self.assertEqual(
            iam.get_policy(PolicyArn=boundary)["Policy"]["PermissionsBoundaryUsageCount"], 1
        )
        # A policy that is a boundary cannot go.
        self.refused("DeleteConflict", iam.delete_policy, PolicyArn=boundary)
        iam.delete_role(RoleName="Updater+x")
        iam.delete_policy(PolicyArn=boundary)
        self.refused("NoSuchEntity", iam.get_role, RoleName="Updater+x")
        # A role of the same name is another one.
        self.assertNotEqual(self.role("Updater+x")["RoleId"], made["RoleId"])

    def test_iam_role_names_are_unique_without_regard_to_case(self):
        self.role("Judged", Path="/a/")
        error = self.refused(
            "EntityAlreadyExists",
            self.iam.create_role,
            RoleName="judged",
            AssumeRolePolicyDocument=json.dumps(LAMBDA),
        )
        self.assertEqual(error["ResponseMetadata"]["HTTPStatusCode"], 409)
        for wrong in ("", "a b", "é", "x" * 65):
            self.refused(
                "ValidationError",
                self.client("iam", parameter_validation=False).create_role,
                RoleName=wrong,
                AssumeRolePolicyDocument=json.dumps(LAMBDA),
            )
        for duration in (3599, 43201):
            self.refused(
                "ValidationError",
                self.client("iam", parameter_validation=False).create_role,
                RoleName="other",
                AssumeRolePolicyDocument=json.dumps(LAMBDA),
                MaxSessionDuration=duration,
            )

    def test_iam_trust_policies_are_checked(self):
        iam = self.iam
        self.role()
        for wrong in (
            "{",
            '"text"',
            "{}",
            # A trust policy has principals and no resources.
            json.dumps(document(allowing("sts:AssumeRole"))),
            json.dumps(document(trusting({"Service": "lambda.amazonaws.com"}, Resource="*"))),
            json.dumps(document(trusting({"Service": "lambda.amazonaws.com"}, Effect="Maybe"))),
            json.dumps(LAMBDA | {"Version": "2012-10-18"}),
            json.dumps(document(trusting({"Nobody": "x"}))),
            json.dumps(document(trusting({"AWS": self.arn("role/never-there")}))),
            # No part of a name may be an asterisk (AWS JSON policy elements: Principal).
            json.dumps(document(trusting({"AWS": self.arn("role/*")}))),
            json.dumps(document(trusting({"AWS": "12345"}))),
            json.dumps(document(trusting({"Service": "nobody"}))),
            json.dumps(document(trusting({"Service": "lambda.amazonaws.com"}, Action="kms:Sign"))),
            json.dumps(document()),
            json.dumps(
                document(
                    trusting(
                        {"Service": "lambda.amazonaws.com"}, Condition={"StringIs": {"a": "b"}}
                    )
                )
            ),
        ):
            self.refused(
                "MalformedPolicyDocument",
                iam.update_assume_role_policy,
                RoleName="judged",
                PolicyDocument=wrong,
            )
            self.refused(
                "MalformedPolicyDocument",
                iam.create_role,
                RoleName="other",
                AssumeRolePolicyDocument=wrong,
            )
            self.assertEqual(
                iam.get_role(RoleName="judged")["Role"]["AssumeRolePolicyDocument"], LAMBDA
            )
        # 2,048 characters at most, white space not counted (IAM and AWS STS quotas).
        long = document(
            *(trusting({"Service": "lambda.amazonaws.com"}, Sid=f"s{n:030}") for n in range(16))
        )
        self.assertGreater(len(json.dumps(long, separators=(",", ":"))), 2048)
        self.refused(
            "LimitExceeded",
            iam.update_assume_role_policy,
            RoleName="judged",
            PolicyDocument=json.dumps(long),
        )
        short = document(trusting({"AWS": self.account}))
        iam.update_assume_role_policy(
            RoleName="judged", PolicyDocument=json.dumps(short, indent=300)
        )
        read = iam.get_role(RoleName="judged")["Role"]["AssumeRolePolicyDocument"]
        # Both forms mean the account (AWS JSON policy elements: Principal).
        self.assertIn(read["Statement"][0]["Principal"]["AWS"], (self.account, self.arn("root")))

    def test_iam_inline_policies_are_read_back(self):
        iam, name = self.iam, {"RoleName": "judged"}
        self.role()
        for policy in ("b", "a", "c"):
            text = json.dumps(document(allowing(f"logs:{policy}", Sid=policy)))
            iam.put_role_policy(PolicyName=policy, PolicyDocument=text, **name)
        self.assertEqual(
            self.names("list_role_policies", "PolicyNames", None, **name), ["a", "b", "c"]
        )
        read = iam.get_role_policy(PolicyName="b", **name)
        self.assertEqual(
            (read["RoleName"], read["PolicyName"], read["PolicyDocument"]),
            ("judged", "b", document(allowing("logs:b", Sid="b"))),
        )
        changed = document(allowing("logs:d", resource="arn:aws:logs:*:*:log-group:/a/*"))
        iam.put_role_policy(PolicyName="b", PolicyDocument=json.dumps(changed), **name)
        self.assertEqual(iam.get_role_policy(PolicyName="b", **name)["PolicyDocument"], changed)
        for wrong in (
            document(allowing("logs:x") | {"Principal": "*"}),
            document({"Effect": "Allow", "Action": "logs:x"}),
            document(allowing("logs:x", resource="not-an-arn")),
            document(allowing("x")),
            document(allowing("logs:x", Sid="not allowed")),
            document(allowing("logs:x", Sid="s"), allowing("logs:y", Sid="s")),
            document(allowing("logs:x", NotAction="logs:y")),
            document(allowing("logs:x", Comment="why")),
            document(allowing("logs:x", Condition=[])),
            document(allowing("logs:x", resource="arn:odd:logs:::x")),
            document(allowing("l*s:x")),
        ):
            self.refused(
                "MalformedPolicyDocument",
                iam.put_role_policy,
                PolicyName="new",
                PolicyDocument=json.dumps(wrong),
                **name,
            )
        # All inline policies of a role together: 10,240 characters.
        long = document(allowing(*(f"logs:{n:0100}" for n in range(85))))
        self.refused(
            "LimitExceeded",
            iam.put_role_policy,
            PolicyName="new",
            PolicyDocument=json.dumps(
                document(*long["Statement"], allowing(*(f"kms:{n:0100}" for n in range(9))))
            ),
            **name,
        )
        iam.put_role_policy(PolicyName="new", PolicyDocument=json.dumps(long), **name)
        self.refused("DeleteConflict", iam.delete_role, **name)
        for policy in ("a", "b", "c", "new"):
            iam.delete_role_policy(PolicyName=policy, **name)
        self.refused("NoSuchEntity", iam.delete_role_policy, PolicyName="a", **name)
        self.refused("NoSuchEntity", iam.get_role_policy, PolicyName="a", **name)
        iam.delete_role(**name)
        self.refused("NoSuchEntity", iam.list_role_policies, **name)

    def test_iam_managed_policies_are_read_back(self):
        iam, name = self.iam, {"RoleName": "judged"}
        self.role()
        tags = [{"Key": "a", "Value": "1"}]
        made = self.policy("own", Path="/p/", Description="what it is for", Tags=tags)
        arn = made["Arn"]
        self.assertRegex(made["PolicyId"], r"^ANPA[A-Z0-9]{17}$")
        read = iam.get_policy(PolicyArn=arn)["Policy"]
        for key, value in {
            "PolicyName": "own",
            "Path": "/p/",
            "Description": "what it is for",
            "Tags": tags,
            "DefaultVersionId": "v1",
            "AttachmentCount": 0,
            "IsAttachable": True,
            "PolicyId": made["PolicyId"],
        }.items():
            self.assertEqual(read[key], value, key)
        version = iam.get_policy_version(PolicyArn=arn, VersionId="v1")["PolicyVersion"]
        self.assertEqual(
            (version["Document"], version["IsDefaultVersion"]),
            (document(allowing("logs:PutLogEvents")), True),
        )
        self.refused("NoSuchEntity", iam.get_policy_version, PolicyArn=arn, VersionId="v2")
        self.assertEqual(
            self.names("list_policy_versions", "Versions", "VersionId", PolicyArn=arn), ["v1"]
        )
        self.refused(
            "EntityAlreadyExists",
            iam.create_policy,
            PolicyName="OWN",
            PolicyDocument=json.dumps(document(allowing("logs:x"))),
        )
        for policy in (arn, BASIC, arn):
            iam.attach_role_policy(PolicyArn=policy, **name)
        self.assertEqual(
            self.names("list_attached_role_policies", "AttachedPolicies", "PolicyArn", **name),
            [BASIC, arn],
        )
        self.assertEqual(
            self.names(
                "list_attached_role_policies",
                "AttachedPolicies",
                "PolicyName",
                PathPrefix="/p/",
                **name,
            ),
            ["own"],
        )
        self.assertEqual(iam.get_policy(PolicyArn=arn)["Policy"]["AttachmentCount"], 1)
        used = iam.list_entities_for_policy(PolicyArn=arn)
        self.assertEqual(
            ([one["RoleName"] for one in used["PolicyRoles"]], used["PolicyUsers"]),
            (["judged"], []),
        )
        self.assertEqual(
            self.names("list_policies", "Policies", "Arn", Scope="Local", OnlyAttached=True), [arn]
        )
        ours = set(self.names("list_policies", "Policies", "Arn", 100, Scope="AWS"))
        self.assertIn(BASIC, ours)
        self.assertNotIn(arn, ours)
        aws = iam.get_policy(PolicyArn=BASIC)["Policy"]
        self.assertEqual((aws["Path"], aws["Arn"]), ("/service-role/", BASIC))
        said = iam.get_policy_version(PolicyArn=BASIC, VersionId=aws["DefaultVersionId"])
        # AWS Managed Policy Reference Guide, AWSLambdaBasicExecutionRole.
        self.assertEqual(
            said["PolicyVersion"]["Document"]["Statement"][0]["Action"],
            ["logs:CreateLogGroup", "logs:CreateLogStream", "logs:PutLogEvents"],
        )
        self.refused("DeleteConflict", iam.delete_policy, PolicyArn=arn)
        self.refused("DeleteConflict", iam.delete_role, **name)
        iam.detach_role_policy(PolicyArn=arn, **name)
        self.refused("NoSuchEntity", iam.detach_role_policy, PolicyArn=arn, **name)
        iam.detach_role_policy(PolicyArn=BASIC, **name)
        iam.delete_policy(PolicyArn=arn)
        for call in (iam.get_policy, iam.delete_policy, iam.list_entities_for_policy):
            self.refused("NoSuchEntity", call, PolicyArn=arn)
        self.refused("NoSuchEntity", iam.attach_role_policy, PolicyArn=arn, **name)
        self.refused(
            "NoSuchEntity", iam.put_role_permissions_boundary, PermissionsBoundary=arn, **name
        )

        # 6,144 characters at most, white space not counted (IAM and AWS STS quotas).
        def long(count):
            return document(allowing(*(f"logs:{n:0100}" for n in range(count))))

        self.refused(
            "LimitExceeded",
            iam.create_policy,
            PolicyName="long",
            PolicyDocument=json.dumps(long(57)),
        )
        self.assertLess(len(json.dumps(long(56), separators=(",", ":"))), 6144)
        iam.create_policy(PolicyName="long", PolicyDocument=json.dumps(long(56), indent=9))
        # Ten managed policies hang on a role at most.
        for number in range(10):
            arn = self.policy(f"p{number}")["Arn"]
            iam.attach_role_policy(PolicyArn=arn, **name)
        self.refused("LimitExceeded", iam.attach_role_policy, PolicyArn=BASIC, **name)

    def test_iam_role_tags(self):
        iam, name = self.iam, {"RoleName": "judged"}
        self.role(Tags=[{"Key": "b", "Value": "1"}, {"Key": "gone", "Value": ""}])
        iam.tag_role(Tags=[{"Key": "b", "Value": "2"}, {"Key": "a", "Value": ""}], **name)
        iam.untag_role(TagKeys=["gone", "never"], **name)
        found, pages = self.pages(iam, "list_role_tags", "Tags", 1, **name)
        self.assertEqual(
            ({tag["Key"]: tag["Value"] for tag in found}, pages), ({"a": "", "b": "2"}, 2)
        )
        many = [{"Key": f"k{n}", "Value": ""} for n in range(48)]
        iam.tag_role(Tags=many, **name)
        self.refused("LimitExceeded", iam.tag_role, Tags=[{"Key": "k48", "Value": ""}], **name)
        self.refused("InvalidInput", iam.tag_role, Tags=[{"Key": "k", "Value": ""}] * 2, **name)
        # The prefix is AWS's own.
        self.refused("InvalidInput", iam.tag_role, Tags=[{"Key": "aws:k", "Value": ""}], **name)
        self.refused("NoSuchEntity", iam.list_role_tags, RoleName="never")
        self.refused("NoSuchEntity", iam.tag_role, RoleName="never", Tags=many)

    def test_iam_listings_come_in_pages(self):
        for name in ("c", "a", "b"):
            self.role(name, Path="/x/" if name != "b" else "/y/")
        self.assertEqual(self.names("list_roles", "Roles", "RoleName"), ["a", "b", "c"])
        self.assertEqual(
            self.names("list_roles", "Roles", "RoleName", PathPrefix="/x/"), ["a", "c"]
        )
        first = self.iam.list_roles(MaxItems=2)
        self.assertTrue(first["IsTruncated"])
        rest = self.iam.list_roles(MaxItems=2, Marker=first["Marker"])
        self.assertEqual([role["RoleName"] for role in rest["Roles"]], ["c"])
        self.assertFalse(rest["IsTruncated"])
        self.assertNotIn("Marker", rest)
        self.refused(
            "ValidationError",
            self.client("iam", parameter_validation=False).list_roles,
            MaxItems=1001,
        )

    def test_iam_users_and_their_keys(self):
        iam, name = self.iam, {"UserName": "Judged"}
        made = iam.create_user(Path="/people/", Tags=[{"Key": "a", "Value": "1"}], **name)["User"]
        self.assertEqual(made["Arn"], self.arn("user/people/Judged"))
        self.assertRegex(made["UserId"], r"^AIDA[A-Z0-9]{17}$")
        read = iam.get_user(**name)["User"]
        self.assertEqual(
            (read["UserId"], read["Path"], read["Tags"]),
            (made["UserId"], "/people/", [{"Key": "a", "Value": "1"}]),
        )
        self.refused("EntityAlreadyExists", iam.create_user, UserName="judged")
        self.assertEqual(self.names("list_users", "Users", "UserName"), ["Judged"])
        self.assertEqual(self.names("list_users", "Users", "UserName", PathPrefix="/machines/"), [])
        key = iam.create_access_key(**name)["AccessKey"]
        self.assertRegex(key["AccessKeyId"], r"^AKIA[A-Z0-9]{16}$")
        self.assertEqual((key["UserName"], key["Status"]), ("Judged", "Active"))
        other = iam.create_access_key(**name)["AccessKey"]
        self.refused("LimitExceeded", iam.create_access_key, **name)
        listed = iam.list_access_keys(**name)["AccessKeyMetadata"]
        self.assertEqual(
            sorted(one["AccessKeyId"] for one in listed),
            sorted((key["AccessKeyId"], other["AccessKeyId"])),
        )
        self.assertNotIn("SecretAccessKey", listed[0])
        own = {"key": key["AccessKeyId"], "secret": key["SecretAccessKey"]}
        self.assertEqual(self.client("sts", **own).get_caller_identity()["Arn"], made["Arn"])
        # Nothing is allowed that no policy allows; then only what it allows.
        kms = self.client("kms", **own)
        self.refused("AccessDeniedException", kms.list_keys)
        iam.put_user_policy(
            PolicyName="own", PolicyDocument=json.dumps(document(allowing("kms:ListKeys"))), **name
        )
        self.assertEqual(kms.list_keys()["Keys"], [])
        self.refused("AccessDeniedException", kms.list_aliases)
        self.assertEqual(self.names("list_user_policies", "PolicyNames", None, **name), ["own"])
        self.assertEqual(iam.list_attached_user_policies(**name)["AttachedPolicies"], [])
        self.assertEqual(iam.list_mfa_devices(**name)["MFADevices"], [])
        self.refused("DeleteConflict", iam.delete_user, **name)
        for one in (key, other):
            iam.delete_access_key(AccessKeyId=one["AccessKeyId"], **name)
        self.refused("InvalidClientTokenId", self.client("sts", **own).get_caller_identity)
        self.refused("NoSuchEntity", iam.delete_access_key, AccessKeyId=key["AccessKeyId"], **name)
        self.refused("DeleteConflict", iam.delete_user, **name)

        iam.create_user(UserName="bare")
        iam.delete_user(UserName="bare")
        self.refused("NoSuchEntity", iam.get_user, UserName="bare")
        self.refused("NoSuchEntity", iam.list_access_keys, UserName="bare")

    def test_iam_the_account_is_described(self):
        iam = self.iam
        self.role()
        self.policy()
        iam.create_user(UserName="judged")
        summary = iam.get_account_summary()["SummaryMap"]
        for name, value in {
            "Roles": 1,
            "Policies": 1,
            "Users": 1,
            "Groups": 0,
            "RolesQuota": 1000,
            "AttachedPoliciesPerRoleQuota": 10,
            "AssumeRolePolicySizeQuota": 2048,
            "AccessKeysPerUserQuota": 2,
        }.items():
            self.assertEqual(summary[name], value, name)
        self.assertEqual(iam.list_account_aliases()["AccountAliases"], [])
        self.assertEqual(iam.list_groups()["Groups"], [])
        self.assertEqual(iam.list_saml_providers()["SAMLProviderList"], [])
        self.assertEqual(iam.list_server_certificates()["ServerCertificateMetadataList"], [])
        iam.list_virtual_mfa_devices()
        self.assertEqual(
            iam.list_instance_profiles_for_role(RoleName="judged")["InstanceProfiles"], []
        )
        self.refused("NoSuchEntity", iam.list_instance_profiles_for_role, RoleName="never")
        self.refused("NoSuchEntity", iam.get_account_password_policy)
        # No account has one, as setting one is not modelled: this is all the answer there is.
        ANSWERED.add("iam:GetAccountPasswordPolicy")
        self.refused("ReportNotPresent", iam.get_credential_report)
        self.assertIn(iam.generate_credential_report()["State"], ("STARTED", "COMPLETE"))
        for _ in range(20):
            if iam.generate_credential_report()["State"] == "COMPLETE":
                break
            self.command("advance", "5s")
        report = iam.get_credential_report()
        self.assertEqual(report["ReportFormat"], "text/csv")
        head, *lines = report["Content"].decode().splitlines()
        self.assertTrue(head.startswith("user,arn,user_creation_time,password_enabled,"))
        self.assertEqual(
            [line.split(",")[:2] for line in lines],
            [
                ["<root_account>", self.arn("root")],
                ["judged", self.arn("user/judged")],
            ],
        )
        self.assertTrue(all(line.count(",") == head.count(",") for line in lines))


class Simulation(IamCase):
    """The simulator says what the policies say."""

    def decided(self, answer):
        """Decisions by action and resource."""
        return {
            (one["EvalActionName"], one["EvalResourceName"]): one["EvalDecision"]
            for one in answer["EvaluationResults"]
        }

    def test_iam_custom_policies_are_simulated(self):
        simulate = self.iam.simulate_custom_policy
        zone = "arn:aws:route53:::hostedzone/Z1"
        policies = [
            json.dumps(
                document(
                    allowing("route53:Change*", resource=zone),
                    allowing(
                        "kms:CreateKey",
                        Condition={"StringEquals": {"aws:RequestTag/a": "1"}},
                    ),
                )
            ),
            json.dumps(
                document({"Effect": "Deny", "Action": "route53:ChangeTags*", "Resource": "*"})
            ),
        ]
        names = ["route53:ChangeResourceRecordSets", "route53:ChangeTagsForResource"]
        asked = {
            "PolicyInputList": policies,
            "ActionNames": names,
            "ResourceArns": [zone, zone + "2"],
        }
        self.assertEqual(
            self.decided(simulate(**asked)),
            {
                (names[0], zone): "allowed",
                (names[0], zone + "2"): "implicitDeny",
                (names[1], zone): "explicitDeny",
                (names[1], zone + "2"): "explicitDeny",
            },
        )
        for value, decision in (("1", "allowed"), ("2", "implicitDeny")):
            entry = {
                "ContextKeyName": "aws:RequestTag/a",
                "ContextKeyValues": [value],
                "ContextKeyType": "string",
            }
            answer = simulate(
                PolicyInputList=policies, ActionNames=["kms:CreateKey"], ContextEntries=[entry]
            )
            self.assertEqual(self.decided(answer), {("kms:CreateKey", "*"): decision})
        # Without a value for it the key is reported missing, and the condition does not hold.
        (lacking,) = simulate(PolicyInputList=policies, ActionNames=["kms:CreateKey"])[
            "EvaluationResults"
        ]
        self.assertEqual(
            (lacking["EvalDecision"], lacking["MissingContextValues"]),
            ("implicitDeny", ["aws:RequestTag/a"]),
        )
        bounded = simulate(
            PermissionsBoundaryPolicyInputList=[json.dumps(document(allowing("kms:*")))], **asked
        )
        self.assertEqual(set(self.decided(bounded).values()), {"implicitDeny", "explicitDeny"})
        found, pages = self.pages(
            self.iam, "simulate_custom_policy", "EvaluationResults", 1, **asked
        )
        self.assertEqual(
            (self.decided({"EvaluationResults": found}), pages),
            (self.decided(simulate(**asked)), 4),
        )
        self.refused("InvalidInput", simulate, PolicyInputList=["{"], ActionNames=names)

    def test_iam_principals_are_simulated_with_what_they_have(self):
        iam = self.iam
        boundary = self.policy("limit", allowing("logs:*", "kms:*"))["Arn"]
        role = self.role(PermissionsBoundary=boundary)["Arn"]
        iam.attach_role_policy(RoleName="judged", PolicyArn=BASIC)
        iam.put_role_policy(
            RoleName="judged",
            PolicyName="own",
            PolicyDocument=json.dumps(document(allowing("sns:Publish", "kms:ListKeys"))),
        )
        names = ["logs:PutLogEvents", "logs:DeleteLogGroup", "kms:ListKeys", "sns:Publish"]
        answer = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=names)
        self.assertEqual(
            [one["EvalDecision"] for one in answer["EvaluationResults"]],
            ["allowed", "implicitDeny", "allowed", "implicitDeny"],
        )
        detail = answer["EvaluationResults"][3]["PermissionsBoundaryDecisionDetail"]
        self.assertFalse(detail["AllowedByPermissionsBoundary"])
        iam.delete_role_permissions_boundary(RoleName="judged")
        answer = iam.simulate_principal_policy(PolicySourceArn=role, ActionNames=names)
        self.assertEqual(answer["EvaluationResults"][3]["EvalDecision"], "allowed")
        self.refused(
            "NoSuchEntity",
            iam.simulate_principal_policy,
            PolicySourceArn=self.arn("role/never"),
            ActionNames=names,
        )


class Roles(IamCase):
    """AssumeRole: who may, for how long, with what rights."""

    def keys(self, user, *statements):
        """A client's credentials as a user with these rights."""
        self.iam.create_user(UserName=user)
        if statements:
            self.iam.put_user_policy(
                UserName=user,
                PolicyName="own",
                PolicyDocument=json.dumps(document(*statements)),
            )
        made = self.iam.create_access_key(UserName=user)["AccessKey"]
        return {"key": made["AccessKeyId"], "secret": made["SecretAccessKey"]}

    def assume(self, credentials, role="judged", name="session", **more):
        return self.client("sts", **credentials).assume_role(
            RoleArn=self.arn(f"role/{role}"), RoleSessionName=name, **more
        )

    def session(self, answer):
        made = answer["Credentials"]
        return {
            "key": made["AccessKeyId"],
            "secret": made["SecretAccessKey"],
            "token": made["SessionToken"],
        }

    def test_sts_roles_are_assumed_by_whom_they_trust(self):
        trusted = self.keys("trusted")
        stranger = self.keys("stranger")
        made = self.role(trust=document(trusting({"AWS": self.arn("user/trusted")})))
        self.iam.put_role_policy(
            RoleName="judged",
            PolicyName="own",
            PolicyDocument=json.dumps(document(allowing("kms:ListKeys"))),
        )
        self.refused("AccessDenied", self.assume, credentials=stranger)
        answer = self.assume(trusted)
        arn = f"arn:aws:sts::{self.account}:assumed-role/judged/session"
        self.assertEqual(
            answer["AssumedRoleUser"],
            {"Arn": arn, "AssumedRoleId": made["RoleId"] + ":session"},
        )
        session = self.session(answer)
        self.assertRegex(session["key"], r"^ASIA[A-Z0-9]{16}$")
        said = self.client("sts", **session).get_caller_identity()
        self.assertEqual((said["Arn"], said["UserId"]), (arn, made["RoleId"] + ":session"))
        self.assertEqual(self.client("kms", **session).list_keys()["Keys"], [])
        self.refused("AccessDeniedException", self.client("kms", **session).list_aliases)
        # A session's policy only takes away.
        for policy, may in (("kms:*", True), ("logs:*", False)):
            given = json.dumps(document(allowing(policy)))
            lesser = self.session(self.assume(trusted, name=policy[:3], Policy=given))
            kms = self.client("kms", **lesser)
            if may:
                kms.list_keys()
                self.refused("AccessDeniedException", kms.list_aliases)
            else:
                self.refused("AccessDeniedException", kms.list_keys)
        self.refused("MalformedPolicyDocument", self.assume, credentials=trusted, Policy="{")
        # What is not there is not told from what is not allowed.
        self.refused("AccessDenied", self.assume, credentials=trusted, role="never")

    def test_sts_trust_in_an_account_leaves_it_to_the_account(self):
        self.role(trust=document(trusting({"AWS": self.account})))
        self.refused("AccessDenied", self.assume, credentials=self.keys("without"))
        allowed = allowing("sts:AssumeRole", resource=self.arn("role/judged"))
        self.assume(self.keys("with", allowed))
        other = self.client("sts", key="299999999999")
        self.refused(
            "AccessDenied",
            other.assume_role,
            RoleArn=self.arn("role/judged"),
            RoleSessionName="session",
        )

    def test_sts_external_ids_and_durations(self):
        condition = {"StringEquals": {"sts:ExternalId": "shared"}}
        allowed = allowing("sts:AssumeRole")
        caller = self.keys("caller", allowed)
        self.role(
            trust=document(trusting({"AWS": self.arn("user/caller")}, Condition=condition)),
            MaxSessionDuration=7200,
        )
        self.refused("AccessDenied", self.assume, credentials=caller)
        self.refused("AccessDenied", self.assume, credentials=caller, ExternalId="other")
        self.assume(caller, ExternalId="shared", DurationSeconds=7200)
        self.refused(
            "ValidationError",
            self.assume,
            credentials=caller,
            ExternalId="shared",
            DurationSeconds=7201,
        )
        # A session that assumes another role gets an hour at most (role chaining).
        self.role("next", trust=document(trusting({"AWS": self.account})), MaxSessionDuration=7200)
        self.iam.put_role_policy(
            RoleName="judged", PolicyName="own", PolicyDocument=json.dumps(document(allowed))
        )
        chained = self.session(self.assume(caller, ExternalId="shared"))
        self.assume(chained, "next", DurationSeconds=3600)
        self.refused(
            "ValidationError", self.assume, credentials=chained, role="next", DurationSeconds=3601
        )

    def test_sts_services_alone_do_not_let_people_in(self):
        self.role()
        self.refused(
            "AccessDenied", self.assume, credentials=self.keys("caller", allowing("sts:*"))
        )
