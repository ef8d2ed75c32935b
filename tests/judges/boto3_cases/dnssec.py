"""Route 53's DNSSEC: which KMS keys may sign, and a zone's life from its first key to deletion."""

import json

from .kms import policy
from .route53 import ZoneCase

ROUTE53_SIGNS = [
    {
        "Sid": "Route53",
        "Effect": "Allow",
        "Principal": {"Service": "dnssec-route53.amazonaws.com"},
        "Action": ["kms:DescribeKey", "kms:GetPublicKey", "kms:Sign"],
        "Resource": "*",
    },
    {
        "Sid": "Grants",
        "Effect": "Allow",
        "Principal": {"Service": "dnssec-route53.amazonaws.com"},
        "Action": "kms:CreateGrant",
        "Resource": "*",
        "Condition": {"Bool": {"kms:GrantIsForAWSResource": "true"}},
    },
]


class Dnssec(ZoneCase):
    """Each test in an account of its own."""

    def ksk(self, zone, name, key, status="ACTIVE", reference=None):
        return self.route53.create_key_signing_key(
            HostedZoneId=zone,
            Name=name,
            KeyManagementServiceArn=key,
            Status=status,
            CallerReference=reference or name,
        )

    def key(self, *statements, **more):
        asked = {"KeySpec": "ECC_NIST_P256", "KeyUsage": "SIGN_VERIFY"} | more
        made = self.client("kms").create_key(Policy=policy(self.account, *statements), **asked)
        return made["KeyMetadata"]["Arn"]

    def test_route53_keys_that_cannot_sign_are_refused(self):
        zone, route53 = self.zone(), self.route53
        asked = {"HostedZoneId": zone, "Name": "judged", "Status": "ACTIVE"}
        west = self.client("kms", region="eu-west-1").create_key(
            KeySpec="ECC_NIST_P256",
            KeyUsage="SIGN_VERIFY",
            Policy=policy(self.account, *ROUTE53_SIGNS),
        )["KeyMetadata"]["Arn"]
        disabled = self.key(*ROUTE53_SIGNS)
        self.client("kms").disable_key(KeyId=disabled)
        wrong = {
            "policy": self.key(),
            "no grants": self.key(ROUTE53_SIGNS[0]),
            "symmetric": self.key(
                *ROUTE53_SIGNS, KeySpec="SYMMETRIC_DEFAULT", KeyUsage="ENCRYPT_DECRYPT"
            ),
            "region": west,
            "disabled": disabled,
            "missing": f"arn:aws:kms:us-east-1:{self.account}:key/00000000-0000-0000-0000-000000000000",
        }
        for number, (why, arn) in enumerate(wrong.items()):
            with self.subTest(why=why):
                self.refused(
                    "InvalidKMSArn",
                    route53.create_key_signing_key,
                    **asked,
                    KeyManagementServiceArn=arn,
                    CallerReference=f"r{number}",
                )
        self.refused(
            "InvalidKeySigningKeyName",
            route53.create_key_signing_key,
            **asked | {"Name": "with-hyphen"},
            KeyManagementServiceArn=self.key(*ROUTE53_SIGNS),
            CallerReference="name",
        )
        self.assertEqual(route53.get_dnssec(HostedZoneId=zone)["KeySigningKeys"], [])

    def test_route53_dnssec_from_first_key_to_deletion(self):
        route53, zone, key = self.route53, self.zone("signed.example."), self.key(*ROUTE53_SIGNS)
        status = route53.get_dnssec(HostedZoneId=zone)
        self.assertEqual(
            (status["Status"]["ServeSignature"], status["KeySigningKeys"]), ("NOT_SIGNING", [])
        )
        self.refused(
            "KeySigningKeyWithActiveStatusNotFound",
            route53.enable_hosted_zone_dnssec,
            HostedZoneId=zone,
        )
        made = self.ksk(zone, "one", key, status="INACTIVE")
        self.assertEqual(
            (made["KeySigningKey"]["Status"], made["ChangeInfo"]["Status"]), ("INACTIVE", "PENDING")
        )
        self.refused(
            "KeySigningKeyAlreadyExists",
            self.ksk,
            zone=zone,
            name="one",
            key=self.key(*ROUTE53_SIGNS),
            reference="x",
        )
        self.refused(
            "KeySigningKeyWithActiveStatusNotFound",
            route53.enable_hosted_zone_dnssec,
            HostedZoneId=zone,
        )
        self.in_sync(route53.activate_key_signing_key(HostedZoneId=zone, Name="one")["ChangeInfo"])
        self.in_sync(route53.enable_hosted_zone_dnssec(HostedZoneId=zone)["ChangeInfo"])
        status = route53.get_dnssec(HostedZoneId=zone)
        self.assertEqual(status["Status"]["ServeSignature"], "SIGNING")
        (ksk,) = status["KeySigningKeys"]
        self.assertEqual((ksk["KmsArn"], ksk["Status"], ksk["Name"]), (key, "ACTIVE", "one"))
        self.assertEqual(
            (ksk["Flag"], ksk["SigningAlgorithmType"], ksk["DigestAlgorithmType"]), (257, 13, 2)
        )

        # Only the last active key may not go, and no zone with keys.
        asked = {"HostedZoneId": zone, "Name": "one"}
        self.refused("KeySigningKeyInUse", route53.deactivate_key_signing_key, **asked)
        self.refused("InvalidKeySigningKeyStatus", route53.delete_key_signing_key, **asked)
        self.refused("HostedZoneNotEmpty", route53.delete_hosted_zone, Id=zone)
        self.ksk(zone, "two", self.key(*ROUTE53_SIGNS))
        self.refused(
            "TooManyKeySigningKeys", self.ksk, zone=zone, name="three", key=self.key(*ROUTE53_SIGNS)
        )
        route53.deactivate_key_signing_key(HostedZoneId=zone, Name="two")
        route53.delete_key_signing_key(HostedZoneId=zone, Name="two")

        # Nothing that the parent trusts may go.
        self.command("registrar", "delegate", "signed.example")
        said = self.command("registrar", "ds", "signed.example", ksk["DSRecord"])
        self.assertIn(ksk["DSRecord"].split()[3], said)
        self.refused(
            "KeySigningKeyInParentDSRecord", route53.disable_hosted_zone_dnssec, HostedZoneId=zone
        )
        self.assertEqual(
            route53.get_dnssec(HostedZoneId=zone)["Status"]["ServeSignature"], "SIGNING"
        )
        self.command("registrar", "withdraw", "signed.example", "--ds-only")
        self.in_sync(route53.disable_hosted_zone_dnssec(HostedZoneId=zone)["ChangeInfo"])
        self.assertEqual(
            route53.get_dnssec(HostedZoneId=zone)["Status"]["ServeSignature"], "NOT_SIGNING"
        )
        route53.deactivate_key_signing_key(**asked)
        self.refused("HostedZoneNotEmpty", route53.delete_hosted_zone, Id=zone)
        route53.delete_key_signing_key(**asked)
        self.refused("NoSuchKeySigningKey", route53.delete_key_signing_key, **asked)
        route53.delete_hosted_zone(Id=zone)
        self.assertEqual(
            json.loads(self.client("kms").get_key_policy(KeyId=key)["Policy"])["Statement"][1:],
            ROUTE53_SIGNS,
        )
