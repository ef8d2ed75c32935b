"""Whose policy refuses a call is told, with what to change, and differently for each sort of policy.

The real binary runs as principals that boto3 makes in a served world: with a right missing, with a
statement that denies, under a boundary, in a session with a policy of its own, under a service control
policy, and on a key whose own policy leaves the account out. The words looked for are those of AWS's
page "Troubleshoot access denied error messages", and the advice that follows from them.
"""

import json
import unittest

import spore

DOMAIN = "spore.example.edu"
KSK = f"alias/spore-{DOMAIN.replace('.', '_')}"
ALL = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ORGANISATION = "ask those who administer the organisation"


def document(*statements):
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


def deny(action):
    return {"Effect": "Deny", "Action": action, "Resource": "*"}


def all_but(action):
    return {"Effect": "Allow", "NotAction": action, "Resource": "*"}


class Denials(unittest.TestCase):
    """One server; each test is one sort of policy."""

    @classmethod
    def setUpClass(cls):
        cls.place = spore.Place()
        cls.addClassCleanup(cls.place.close)
        cls.stack = cls.place.document(DOMAIN)
        cls.serve()
        cls.addClassCleanup(lambda: cls.server.stop())
        cls.made = 0

    @classmethod
    def serve(cls):
        cls.server = spore.Server(cls.place, cls.place.dir / "world", "--profile", "instant")

    def session(self, *policy, boundary=None, session=None):
        """The environment of a session of a new role."""
        type(self).made += 1
        name, iam = f"case-{self.made}", self.server.client("iam")
        more = {}
        if boundary:
            made = iam.create_policy(PolicyName=name, PolicyDocument=document(boundary))
            more["PermissionsBoundary"] = made["Policy"]["Arn"]
        trust = {"Effect": "Allow", "Principal": {"AWS": spore.ACCOUNT}, "Action": "sts:AssumeRole"}
        role = iam.create_role(
            RoleName=name, AssumeRolePolicyDocument=document(trust), **more
        )["Role"]
        iam.put_role_policy(RoleName=name, PolicyName=name, PolicyDocument=document(*policy))
        iam.create_user(UserName=name)
        iam.put_user_policy(UserName=name, PolicyName=name, PolicyDocument=document(ALL))
        key = iam.create_access_key(UserName=name)["AccessKey"]
        sts = self.server.client("sts", key["AccessKeyId"], key["SecretAccessKey"])
        limits = {"Policy": document(session)} if session else {}
        given = sts.assume_role(RoleArn=role["Arn"], RoleSessionName="judge", **limits)["Credentials"]
        keys = self.server.env(given["AccessKeyId"], given["SecretAccessKey"])
        return keys | {"AWS_SESSION_TOKEN": given["SessionToken"]}

    def told(self, env, command, *words):
        """The command fails, and says all of this and nothing encoded."""
        args = ("--yes",) if command == "apply" else ()
        result = self.place.run(command, self.stack, *args, **env).expect(1)
        said = result.out + result.err
        for word in words:
            self.assertIn(word, said, str(result))
        self.assertNotIn(env["AWS_SESSION_TOKEN"], said)
        return said

    def test_a_right_that_is_missing(self):
        env = self.session(all_but("route53:ListHostedZonesByName"))
        said = self.told(
            env, "plan", "because no identity-based policy allows",
            "the policies of whoever runs this must allow route53:ListHostedZonesByName",
            "spore-infra policy operator",
        )
        self.assertNotIn(ORGANISATION, said)

    def test_a_statement_that_denies(self):
        env = self.session(ALL, deny("lambda:GetFunction"))
        said = self.told(
            env, "plan", "with an explicit deny in an identity-based policy",
            "the policies of whoever runs this denies lambda:GetFunction on arn:aws:lambda:",
            "change that statement",
        )
        self.assertNotIn("must allow", said)

    def test_a_boundary(self):
        env = self.session(ALL, boundary=all_but("iam:GetRole"))
        self.told(
            env, "plan", "because no permissions boundary allows",
            "the permissions boundary of whoever runs this must allow iam:GetRole on "
            f"arn:aws:iam::{spore.ACCOUNT}:role/",
        )

    def test_a_session_policy(self):
        env = self.session(ALL, session=all_but("apigateway:GET"))
        self.told(
            env, "plan", "because no session policy allows",
            "the session policy must allow apigateway:GET on arn:aws:apigateway:",
        )

    def test_a_service_control_policy(self):
        world = self.place.dir / "world" / "world.json"
        self.server.stop()
        kept = json.loads(world.read_text())
        kept["scps"] = {spore.ACCOUNT: [document(ALL, deny("route53:CreateHostedZone"))]}
        world.write_text(json.dumps(kept))
        self.serve()
        try:
            said = self.told(
                self.session(ALL), "apply", "with an explicit deny in a service control policy",
                "a service control policy of the organisation denies route53:CreateHostedZone",
                ORGANISATION,
            )
            self.assertNotIn("spore-infra policy operator", said)
        finally:
            self.server.stop()
            kept["scps"] = {}
            world.write_text(json.dumps(kept))
            self.serve()

    def test_the_policy_of_a_key(self):
        kms = self.server.client("kms")
        key = kms.create_key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY")["KeyMetadata"]
        kms.create_alias(AliasName=KSK, TargetKeyId=key["KeyId"])
        root = {"AWS": f"arn:aws:iam::{spore.ACCOUNT}:root"}
        only = {"Effect": "Allow", "Principal": root, "Resource": "*",
                "Action": ["kms:PutKeyPolicy", "kms:DeleteAlias"]}
        kms.put_key_policy(KeyId=key["KeyId"], PolicyName="default", Policy=document(only))
        try:
            self.told(
                self.session(ALL), "plan", "because no resource-based policy allows",
                f"the key's own policy must allow kms:DescribeKey on {key['Arn']}",
                "KMS asks it first",
            )
        finally:
            kms.delete_alias(AliasName=KSK)


if __name__ == "__main__":
    spore.main()
