"""Credentials: who is let in, as whom, and until when."""

import datetime
import functools
from unittest import mock

from botocore.compat import get_current_datetime

from .base import Case

# What the services that speak XML and those that speak JSON say.
UNKNOWN = {
    "sts": "InvalidClientTokenId",
    "route53": "InvalidClientTokenId",
    "kms": "UnrecognizedClientException",
}
SIGNATURE = {
    "sts": "SignatureDoesNotMatch",
    "route53": "SignatureDoesNotMatch",
    "kms": "InvalidSignatureException",
}
EXPIRED = {"sts": "ExpiredToken", "route53": "ExpiredToken", "kms": "ExpiredTokenException"}
HARMLESS = {"sts": "get_caller_identity", "route53": "list_hosted_zones", "kms": "list_keys"}


def clock_off_by(span, *args, **named):
    """What botocore is told when it asks for the time."""
    return get_current_datetime(*args, **named) + span


class Credentials(Case):
    """The emulators' convention, sessions, signatures and clocks."""

    def asked(self, service, **credentials):
        return getattr(self.client(service, **credentials), HARMLESS[service])

    def test_sts_tells_who_calls(self):
        said = self.client("sts").get_caller_identity()
        self.assertEqual(
            (said["Account"], said["Arn"]), (self.account, f"arn:aws:iam::{self.account}:root")
        )
        self.assertEqual(
            self.client("sts", key="test").get_caller_identity()["Account"], "123456789012"
        )

    def test_sts_unknown_keys_and_wrong_secrets_are_refused(self):
        for service in HARMLESS:
            self.refused(UNKNOWN[service], self.asked(service, key="AKIAIOSFODNN7EXAMPLE"))
            self.refused(UNKNOWN[service], self.asked(service, key="12345678901"))
            self.refused(UNKNOWN[service], self.asked(service, token="nobody's"))
            self.refused(SIGNATURE[service], self.asked(service, secret="Test"))

    def test_sts_sessions_end(self):
        made = self.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
        session = {
            "key": made["AccessKeyId"],
            "secret": made["SecretAccessKey"],
            "token": made["SessionToken"],
        }
        self.assertEqual(
            self.client("sts", **session).get_caller_identity()["Account"], self.account
        )
        for service in HARMLESS:
            self.asked(service, **session)()
            self.refused(UNKNOWN[service], self.asked(service, **session | {"token": None}))
            self.refused(
                UNKNOWN[service],
                self.asked(service, **session | {"token": made["SessionToken"] + "x"}),
            )
            self.refused(SIGNATURE[service], self.asked(service, **session | {"secret": "test"}))
        self.command("advance", "14min")
        self.asked("kms", **session)()
        self.command("advance", "2min")
        for service in HARMLESS:
            self.refused(EXPIRED[service], self.asked(service, **session))

    def test_sts_a_clock_that_is_wrong_is_refused(self):
        for minutes, is_let_in in ((-10, True), (10, True), (-20, False), (2 * 24 * 60, False)):
            moved = functools.partial(clock_off_by, datetime.timedelta(minutes=minutes))
            with mock.patch("botocore.auth.get_current_datetime", moved):
                for service in HARMLESS:
                    if is_let_in:
                        self.asked(service)()
                    else:
                        self.refused(SIGNATURE[service], self.asked(service))
