"""parliament and cloudsplaining judge every policy that the tool prints or would write for an identity.

What they find and is accepted is listed here with its reason, and must be found: a finding that is
gone has to leave the list.
"""

import json
import pathlib
import unittest
import warnings

import spore

# parliament's pkg_resources: the reason for the pinned setuptools.
warnings.filterwarnings("ignore", message="pkg_resources is deprecated")

from cloudsplaining.scan.policy_document import PolicyDocument  # noqa: E402
from parliament import analyze_policy_string  # noqa: E402

DOMAIN = "spore.example.edu"
FULL = """
region = "eu-central-1"
[logs]
queries = true
[api]
allow-from = ["192.0.2.0/24"]
"""

BOTH = "KMS asks for the right on alias and key: each statement grants one of them, under its conditions"
UNKNOWN = "Unknown condition kms:ResourceAliases for action"
OF_KEYS = (
    "a condition of every operation on a key (KMS Developer Guide, kms:ResourceAliases; Service Authorization "
    "Reference, resource type key), which parliament looks for at the single actions"
)
ACCEPTED = {
    # (policy, finding, action): reason
    ("reader", "RESOURCE_MISMATCH", "kms:DescribeKey"): "while an alias names no key, KMS judges the alias",
    ("operator", "RESOURCE_MISMATCH", "kms:DescribeKey"): "the reader's",
    ("operator", "RESOURCE_MISMATCH", "route53:ChangeTagsForResource"): "of zones only, not of health checks",
    ("operator", "RESOURCE_MISMATCH", "kms:CreateAlias"): BOTH,
    ("operator", "RESOURCE_MISMATCH", "kms:DeleteAlias"): BOTH,
    ("operator", "RESOURCE_MISMATCH", "kms:UpdateAlias"): BOTH,
    ("operator", "UNKNOWN_CONDITION_FOR_ACTION", f"{UNKNOWN} kms:TagResource"): OF_KEYS,
    ("operator", "UNKNOWN_CONDITION_FOR_ACTION", f"{UNKNOWN} kms:UpdateAlias"): OF_KEYS,
}


class Policies(unittest.TestCase):
    """The reader's and the operator's policy for two documents."""

    @classmethod
    def setUpClass(cls):
        cls.place = spore.Place()
        cls.addClassCleanup(cls.place.close)
        cls.policies = {}
        for name, more in (("three lines", ""), ("full", FULL)):
            document = cls.place.document(DOMAIN, more=more)
            for who in ("reader", "operator"):
                dir = cls.place.dir / f"{name}-{who}"
                dir.mkdir()
                written = cls.place.run("policy", who, document, "--out", dir).expect(0)
                parts = [json.loads(pathlib.Path(path).read_text()) for path in written.out.splitlines()]
                cls.policies[name, who] = parts

    def test_parliament(self):
        found = set()
        for (_, who), parts in self.policies.items():
            for part in parts:
                for finding in analyze_policy_string(json.dumps(part)).findings:
                    detail = finding.detail if isinstance(finding.detail, list) else [finding.detail]
                    for one in detail:
                        action = one.get("action") if isinstance(one, dict) else str(one)
                        found.add((who, finding.issue, action))
        self.assertEqual(sorted(found - ACCEPTED.keys()), [], "not accepted")
        self.assertEqual(sorted(ACCEPTED.keys() - found), [], "accepted, and not found any more")

    def test_cloudsplaining(self):
        for (document, who), parts in self.policies.items():
            whole = {
                "Version": "2012-10-17",
                "Statement": [statement for part in parts for statement in part["Statement"]],
            }
            judged = PolicyDocument(whole)
            with self.subTest(document=document, who=who):
                self.assertEqual(judged.allows_privilege_escalation, [])
                self.assertEqual(judged.permissions_management_without_constraints, [])
                self.assertEqual(judged.write_actions_without_constraints, [])
                self.assertEqual(judged.allows_data_exfiltration_actions, [])
                self.assertEqual(judged.credentials_exposure, [])


if __name__ == "__main__":
    spore.main()
