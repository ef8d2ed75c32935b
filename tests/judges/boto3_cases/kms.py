"""KMS: keys and their attributes, real cryptography, grants, listings, states."""

import datetime
import hashlib
import json

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.asymmetric.utils import Prehashed
from cryptography.hazmat.primitives.serialization import load_der_public_key

from .base import Case


def policy(account, *statements):
    """A key policy that leaves the account in charge."""
    own = {
        "Sid": "Account",
        "Effect": "Allow",
        "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
        "Action": "kms:*",
        "Resource": "*",
    }
    return json.dumps({"Version": "2012-10-17", "Statement": [own, *statements]})


class Kms(Case):
    """Each test in an account of its own."""

    def setUp(self):
        super().setUp()
        self.kms = self.client("kms")

    def key(self, **more):
        return self.kms.create_key(**more)["KeyMetadata"]["KeyId"]

    def signing_key(self, **more):
        return self.key(KeySpec="ECC_NIST_P256", KeyUsage="SIGN_VERIFY", **more)

    def test_kms_attributes_are_read_back(self):
        kms, tags = self.kms, [{"TagKey": "a", "TagValue": "1"}, {"TagKey": "b", "TagValue": ""}]
        made = kms.create_key(
            KeySpec="ECC_NIST_P256",
            KeyUsage="SIGN_VERIFY",
            Description="signs ☃",
            Tags=tags,
            Policy=policy(self.account),
        )["KeyMetadata"]
        key, arn = made["KeyId"], made["Arn"]
        self.assertEqual(arn, f"arn:aws:kms:us-east-1:{self.account}:key/{key}")
        self.assertEqual(kms.describe_key(KeyId=arn)["KeyMetadata"], made)
        for field, value in {
            "AWSAccountId": self.account,
            "Description": "signs ☃",
            "KeySpec": "ECC_NIST_P256",
            "KeyUsage": "SIGN_VERIFY",
            "KeyState": "Enabled",
            "Enabled": True,
            "Origin": "AWS_KMS",
            "KeyManager": "CUSTOMER",
            "MultiRegion": False,
            "SigningAlgorithms": ["ECDSA_SHA_256"],
        }.items():
            self.assertEqual(made[field], value, field)
        age = datetime.datetime.now(datetime.timezone.utc) - made["CreationDate"]
        self.assertLess(abs(age), datetime.timedelta(hours=1))
        self.assertEqual(kms.list_resource_tags(KeyId=key)["Tags"], tags)
        self.assertEqual(
            json.loads(kms.get_key_policy(KeyId=key)["Policy"]), json.loads(policy(self.account))
        )
        self.assertEqual(kms.list_key_policies(KeyId=key)["PolicyNames"], ["default"])

        kms.tag_resource(KeyId=key, Tags=[{"TagKey": "a", "TagValue": "2"}])
        kms.untag_resource(KeyId=key, TagKeys=["b", "never there"])
        self.assertEqual(
            kms.list_resource_tags(KeyId=key)["Tags"], [{"TagKey": "a", "TagValue": "2"}]
        )
        kms.update_key_description(KeyId=key, Description="")
        self.assertEqual(kms.describe_key(KeyId=key)["KeyMetadata"]["Description"], "")
        reader = {
            "Sid": "Reader",
            "Effect": "Allow",
            "Principal": {"AWS": "*"},
            "Action": "kms:Describe*",
            "Resource": "*",
        }
        kms.put_key_policy(KeyId=key, Policy=policy(self.account, reader))
        self.assertEqual(len(json.loads(kms.get_key_policy(KeyId=key)["Policy"])["Statement"]), 2)

    def test_kms_policies_that_are_none_or_lock_out_are_refused(self):
        kms = self.kms
        key = self.key()
        self.refused("MalformedPolicyDocumentException", kms.put_key_policy, KeyId=key, Policy="{}")
        stranger = json.loads(policy("999999999999"))
        self.refused(
            "MalformedPolicyDocumentException",
            kms.put_key_policy,
            KeyId=key,
            Policy=json.dumps(stranger),
        )
        self.refused("MalformedPolicyDocumentException", kms.create_key, Policy="nonsense")
        self.assertEqual(len(kms.list_keys()["Keys"]), 1, "a refused key was made")

    def test_kms_signatures_hold_for_an_independent_library(self):
        kms, key = self.kms, self.signing_key()
        public = kms.get_public_key(KeyId=key)
        self.assertEqual(public["KeySpec"], "ECC_NIST_P256")
        point = load_der_public_key(public["PublicKey"])
        self.assertIsInstance(point.curve, ec.SECP256R1)
        for message in (b"x", b"\x00\xff" * 2048):
            raw = kms.sign(KeyId=key, Message=message, SigningAlgorithm="ECDSA_SHA_256")[
                "Signature"
            ]
            point.verify(raw, message, ec.ECDSA(hashes.SHA256()))
            digest = hashlib.sha256(message).digest()
            of_digest = kms.sign(
                KeyId=key, Message=digest, MessageType="DIGEST", SigningAlgorithm="ECDSA_SHA_256"
            )
            point.verify(of_digest["Signature"], digest, ec.ECDSA(Prehashed(hashes.SHA256())))
            with self.assertRaises(InvalidSignature):
                point.verify(raw, message + b"!", ec.ECDSA(hashes.SHA256()))
            asked = {"KeyId": key, "Message": message, "SigningAlgorithm": "ECDSA_SHA_256"}
            self.assertTrue(kms.verify(Signature=raw, **asked)["SignatureValid"])
            self.refused(
                "KMSInvalidSignatureException",
                kms.verify,
                Signature=of_digest["Signature"][:-1] + b"\x00",
                **asked,
            )
        self.refused(
            "ValidationException",
            kms.sign,
            KeyId=key,
            Message=b"short",
            MessageType="DIGEST",
            SigningAlgorithm="ECDSA_SHA_256",
        )
        self.refused(
            "InvalidKeyUsageException",
            kms.sign,
            KeyId=key,
            Message=b"x",
            SigningAlgorithm="ECDSA_SHA_384",
        )
        self.refused(
            "ValidationException",
            kms.sign,
            KeyId=key,
            Message=b"x" * 4097,
            SigningAlgorithm="ECDSA_SHA_256",
        )
        self.refused("InvalidKeyUsageException", kms.encrypt, KeyId=key, Plaintext=b"x")

    def test_kms_ciphertexts_are_bound_to_their_context(self):
        kms, key, context = self.kms, self.key(), {"group": "a", "other": "é"}
        sealed = kms.encrypt(KeyId=key, Plaintext=b"secret", EncryptionContext=context)[
            "CiphertextBlob"
        ]
        self.assertNotIn(b"secret", sealed)
        opened = kms.decrypt(CiphertextBlob=sealed, EncryptionContext=context)
        self.assertEqual((opened["Plaintext"], opened["KeyId"].split("/")[1]), (b"secret", key))
        self.refused("InvalidCiphertextException", kms.decrypt, CiphertextBlob=sealed)
        self.refused(
            "InvalidCiphertextException",
            kms.decrypt,
            CiphertextBlob=sealed[:-1] + bytes([sealed[-1] ^ 1]),
            EncryptionContext=context,
        )
        self.refused(
            "IncorrectKeyException",
            kms.decrypt,
            CiphertextBlob=sealed,
            EncryptionContext=context,
            KeyId=self.key(),
        )
        data = kms.generate_data_key(KeyId=key, KeySpec="AES_256")
        self.assertEqual(len(data["Plaintext"]), 32)
        self.assertEqual(
            kms.decrypt(CiphertextBlob=data["CiphertextBlob"])["Plaintext"], data["Plaintext"]
        )
        self.refused(
            "InvalidKeyUsageException",
            kms.sign,
            KeyId=key,
            Message=b"x",
            SigningAlgorithm="ECDSA_SHA_256",
        )

    def test_kms_rotation(self):
        kms, key = self.kms, self.key()
        self.assertFalse(kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"])
        kms.enable_key_rotation(KeyId=key, RotationPeriodInDays=180)
        status = kms.get_key_rotation_status(KeyId=key)
        self.assertTrue(status["KeyRotationEnabled"])
        self.assertEqual(status["RotationPeriodInDays"], 180)
        kms.disable_key_rotation(KeyId=key)
        self.assertFalse(kms.get_key_rotation_status(KeyId=key)["KeyRotationEnabled"])
        self.refused(
            "UnsupportedOperationException", kms.enable_key_rotation, KeyId=self.signing_key()
        )

    def test_kms_other_key_specs_are_refused_by_name(self):
        error = self.refused(
            "NotImplemented", self.kms.create_key, KeySpec="ECC_NIST_P384", KeyUsage="SIGN_VERIFY"
        )
        self.assertIn("ECC_NIST_P384", error["Error"]["Message"])

    def test_kms_aliases(self):
        kms, one, two = self.kms, self.signing_key(), self.signing_key()
        kms.create_alias(AliasName="alias/mine", TargetKeyId=one)
        self.refused(
            "AlreadyExistsException", kms.create_alias, AliasName="alias/mine", TargetKeyId=two
        )
        self.assertEqual(kms.describe_key(KeyId="alias/mine")["KeyMetadata"]["KeyId"], one)
        kms.update_alias(AliasName="alias/mine", TargetKeyId=two)
        self.assertEqual(kms.describe_key(KeyId="alias/mine")["KeyMetadata"]["KeyId"], two)
        (listed,) = kms.list_aliases(KeyId=two)["Aliases"]
        self.assertEqual(listed["AliasArn"], f"arn:aws:kms:us-east-1:{self.account}:alias/mine")
        self.assertEqual(kms.list_aliases(KeyId=one)["Aliases"], [])
        self.refused(
            "ValidationException", kms.create_alias, AliasName="alias/with.dot", TargetKeyId=one
        )
        self.refused("ValidationException", kms.create_alias, AliasName="mine", TargetKeyId=one)
        kms.delete_alias(AliasName="alias/mine")
        self.refused("NotFoundException", kms.delete_alias, AliasName="alias/mine")
        self.refused("NotFoundException", kms.describe_key, KeyId="alias/mine")

    def test_kms_states_of_a_key(self):
        kms, key = self.kms, self.signing_key()
        sign = {"KeyId": key, "Message": b"x", "SigningAlgorithm": "ECDSA_SHA_256"}
        kms.disable_key(KeyId=key)
        self.assertEqual(kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "Disabled")
        self.refused("DisabledException", kms.sign, **sign)
        kms.enable_key(KeyId=key)
        kms.sign(**sign)
        self.refused(
            "ValidationException", kms.schedule_key_deletion, KeyId=key, PendingWindowInDays=6
        )
        asked = kms.schedule_key_deletion(KeyId=key, PendingWindowInDays=30)
        self.assertEqual((asked["KeyState"], asked["PendingWindowInDays"]), ("PendingDeletion", 30))
        days = (
            asked["DeletionDate"] - kms.describe_key(KeyId=key)["KeyMetadata"]["CreationDate"]
        ).days
        self.assertIn(days, (29, 30))
        for call, params in (
            (kms.sign, sign),
            (kms.enable_key, {"KeyId": key}),
            (kms.schedule_key_deletion, {"KeyId": key}),
        ):
            self.refused("KMSInvalidStateException", call, **params)
        kms.cancel_key_deletion(KeyId=key)
        self.assertEqual(kms.describe_key(KeyId=key)["KeyMetadata"]["KeyState"], "Disabled")
        self.refused("KMSInvalidStateException", kms.cancel_key_deletion, KeyId=key)

    def test_kms_grants(self):
        kms, key = self.kms, self.signing_key()
        who = f"arn:aws:iam::{self.account}:root"
        made = kms.create_grant(
            KeyId=key,
            GranteePrincipal=who,
            RetiringPrincipal=who,
            Operations=["Sign", "Verify"],
            Name="g",
        )
        (grant,) = kms.list_grants(KeyId=key)["Grants"]
        self.assertEqual(
            (grant["GrantId"], grant["Operations"], grant["Name"]),
            (made["GrantId"], ["Sign", "Verify"], "g"),
        )
        again = kms.create_grant(
            KeyId=key,
            GranteePrincipal=who,
            RetiringPrincipal=who,
            Operations=["Sign", "Verify"],
            Name="g",
        )
        self.assertEqual(again["GrantId"], made["GrantId"], "a named grant is made once")
        kms.revoke_grant(KeyId=key, GrantId=made["GrantId"])
        self.assertEqual(kms.list_grants(KeyId=key)["Grants"], [])
        other = kms.create_grant(
            KeyId=key, GranteePrincipal=who, RetiringPrincipal=who, Operations=["GetPublicKey"]
        )
        kms.retire_grant(GrantToken=other["GrantToken"])
        self.assertEqual(kms.list_grants(KeyId=key)["Grants"], [])
        self.refused("NotFoundException", kms.revoke_grant, KeyId=key, GrantId="0" * 64)

    def test_kms_listings_come_in_pages(self):
        keys = sorted(self.key() for _ in range(5))
        listed, pages = self.pages(self.kms, "list_keys", "Keys", 2)
        self.assertEqual((sorted(key["KeyId"] for key in listed), pages), (keys, 3))
        for number in range(5):
            self.kms.create_alias(AliasName=f"alias/n{number}", TargetKeyId=keys[0])
        listed, pages = self.pages(self.kms, "list_aliases", "Aliases", 2, KeyId=keys[0])
        self.assertEqual((len(listed), pages), (5, 3))
        self.kms.tag_resource(
            KeyId=keys[0], Tags=[{"TagKey": f"t{n}", "TagValue": "v"} for n in range(5)]
        )
        listed, pages = self.pages(self.kms, "list_resource_tags", "Tags", 2, KeyId=keys[0])
        self.assertEqual((len(listed), pages), (5, 3))
        self.refused("InvalidMarkerException", self.kms.list_keys, Marker="nonsense")

    def test_kms_what_is_elsewhere_is_not_found(self):
        key = self.signing_key()
        elsewhere = self.client("kms", region="eu-west-1")
        self.refused("NotFoundException", elsewhere.describe_key, KeyId=key)
        stranger = self.client("kms", key="999999999999")
        self.refused("NotFoundException", stranger.describe_key, KeyId=key)
        arn = f"arn:aws:kms:us-east-1:{self.account}:key/{key}"
        self.refused("AccessDeniedException", stranger.describe_key, KeyId=arn)
        self.refused(
            "NotFoundException", self.kms.describe_key, KeyId="00000000-0000-0000-0000-000000000000"
        )
        self.refused(
            "TagException", self.kms.create_key, Tags=[{"TagKey": "aws:x", "TagValue": ""}]
        )
