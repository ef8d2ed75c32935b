"""What runs on instances: the Python client by the published vectors, the units by systemd.

The client is read here as a module; how it behaves as a program is judged by `lambda/tests/register.rs`.
"""

import ast
import contextlib
import importlib.util
import io
import json
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile
import tomllib
import unittest

import spore
import yaml

CLIENT = spore.ROOT / "lambda" / "client"
VECTORS = json.loads((spore.ROOT / "lambda" / "tests" / "vectors" / "protocol.json").read_text())
# The oldest Python that the client promises to run on.
OLDEST = (3, 6)
# Keyword arguments of the standard library that are younger than that.
YOUNGER = {"capture_output", "text", "missing_ok", "dirs_exist_ok", "sort_dicts"}

NAMESPACE = "https://sts.amazonaws.com/doc/2011-06-15/"
ARN = "arn:aws:sts::123456789012:assumed-role/spore-updater/spore"
ANSWER = f"""<GetCallerIdentityResponse xmlns="{NAMESPACE}">
  <GetCallerIdentityResult>
    <Arn>{ARN}</Arn>
    <UserId>AROAEXAMPLEEXAMPLE123:spore</UserId>
    <Account>123456789012</Account>
  </GetCallerIdentityResult>
  <ResponseMetadata><RequestId>1</RequestId></ResponseMetadata>
</GetCallerIdentityResponse>
"""
ROLE = ("aws", "123456789012", "spore-updater")


def load():
    sys.dont_write_bytecode = True
    spec = importlib.util.spec_from_file_location("register", CLIENT / "spore-register.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


register = load()


class Client(unittest.TestCase):
    """The file as a module."""

    def test_requests_are_those_of_the_vectors(self):
        domain, zone = VECTORS["domain"], VECTORS["zone_id"]
        self.assertGreater(len(VECTORS["requests"]), 3)
        for vector in VECTORS["requests"]:
            with self.subTest(vector["name"]):
                update, proof = vector["update"], vector["proof"]
                canonical = register.canonical_update(update)
                self.assertEqual(canonical, vector["canonical_update"])
                self.assertEqual(register.sha256(canonical), vector["sha256"])
                headers = register.signed_headers(
                    proof["region"],
                    proof["date"],
                    proof["token"],
                    f"spore/1 request {domain} {zone}",
                    proof["nonce"],
                    register.sha256(canonical),
                )
                expected = dict(vector["headers"])
                del expected["authorization"]
                self.assertEqual(headers, expected)
                signature = register.sign(
                    VECTORS["secret_access_key"], proof["region"], headers
                )
                self.assertEqual(signature, proof["signature"])
                self.assertEqual(register.ACTION, vector["body"])

    def test_answers_are_those_of_the_vectors(self):
        self.assertGreater(len(VECTORS["answers"]), 1)
        for vector in VECTORS["answers"]:
            with self.subTest(vector["name"]):
                request = register.sha256(register.canonical_update(vector["update"]))
                canonical = register.canonical_answer(request, vector["answer"])
                self.assertEqual(canonical, vector["canonical_answer"])
                proof = vector["proof"]
                headers = register.signed_headers(
                    proof["region"],
                    proof["date"],
                    proof["token"],
                    f"spore/1 response {VECTORS['domain']} {VECTORS['zone_id']}",
                    vector["nonce"],
                    register.sha256(canonical),
                )
                secret = VECTORS["secret_access_key"]
                signature = register.sign(secret, proof["region"], headers)
                self.assertEqual(signature, proof["signature"])

    def test_it_is_one_file_for_old_pythons(self):
        source = (CLIENT / "spore-register.py").read_text()
        tree = ast.parse(source, feature_version=OLDEST)
        imported, younger = set(), set()
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                imported |= {name.name.split(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom):
                imported.add(node.module.split(".")[0])
            elif isinstance(node, ast.Call):
                younger |= {word.arg for word in node.keywords} & YOUNGER
        self.assertLessEqual(imported, sys.stdlib_module_names)
        self.assertEqual(younger, set())

    def test_only_sts_own_form_names_anybody(self):
        who = register.who_signed(ANSWER.encode())
        self.assertTrue(register.is_updater(ROLE, who))
        declared = '<?xml version="1.0" encoding="UTF-8"?>' + ANSWER
        self.assertEqual(register.who_signed(declared.encode()), who)
        arn = f"<Arn>{ARN}</Arn>"
        for lie in (
            "",
            '{"GetCallerIdentityResponse": {}}',
            ANSWER.replace(NAMESPACE, "https://sts.amazonaws.com/"),
            ANSWER.replace(f' xmlns="{NAMESPACE}"', ""),
            ANSWER.replace("GetCallerIdentityResponse", "AssumeRoleResponse"),
            ANSWER.replace(arn, arn * 2),
            ANSWER.replace(arn, f"<Arn><Arn>{ARN}</Arn></Arn>"),
            ANSWER.replace(arn, f"<Other>{arn}</Other>"),
            ANSWER.replace(arn, f"<!-- -->{arn}"),
            ANSWER.replace(ARN, f"<![CDATA[{ARN}]]>"),
            ANSWER.replace("<Arn>", '<Arn a="b">'),
            ANSWER.replace("<RequestId>1</RequestId>", ""),
            f"<!DOCTYPE a [<!ENTITY b '{ARN}'>]>" + ANSWER.replace(ARN, "&b;"),
            ANSWER + ANSWER,
            ANSWER[:-4],
            ANSWER + " " * 4096,
        ):
            self.assertIsNone(register.who_signed(lie.encode()), lie)

    def test_only_a_session_of_the_role_is_the_updater(self):
        user_id, account = "AROAEXAMPLEEXAMPLE123:spore", "123456789012"
        self.assertTrue(register.is_updater(ROLE, (ARN, user_id, account)))
        for who in (
            (ARN.replace("spore-updater", "spore-updater-2"), user_id, account),
            (ARN.replace("assumed-role", "federated-user"), user_id, account),
            (ARN.replace("arn:aws:", "arn:aws-cn:"), user_id, account),
            (ARN.replace(account, "210987654321"), user_id, account),
            (ARN, user_id, "210987654321"),
            (ARN, "AROAEXAMPLEEXAMPLE123:other", account),
            (ARN, "AIDAEXAMPLEEXAMPLE123:spore", account),
            (f"arn:aws:iam::{account}:role/spore-updater", "AROAEXAMPLEEXAMPLE123", account),
            (ARN + "/more", "AROAEXAMPLEEXAMPLE123:more", account),
            ("arn:aws:sts::123456789012:assumed-role/aws:ec2-instance/i-1", "x:i-1", account),
        ):
            self.assertFalse(register.is_updater(ROLE, who), who)

    def test_its_reader_of_the_configuration_agrees_with_tomllib(self):
        good = (
            'version = 1\nurl = "https://a.example.edu/prod/update-dns" # where\ndomain = "spore.example.edu"\n'
            'zone-id = "Z1"\naccount = "123456789012"\n\n# whose\n'
            'updater-role = "arn:aws:iam::123456789012:role/spore-updater"\n'
        )
        read = 0
        for text in (
            good,
            good + 'families = ["ipv6"]\nlease = "36h"\n',
            good + 'families = [ "ipv4" , "ipv6", ]\n',
            good + 'name="a"\n',
            good + 'name = "a#b"\n',
            good + "name = a\n",
            good + 'name = "a\n',
            good + 'name = "a" x\n',
            good + "[table]\n",
            good + 'domain = "again.example.edu"\n',
        ):
            try:
                expected = tomllib.loads(text)
            except tomllib.TOMLDecodeError:
                expected = None
            found = self.configuration(text)
            if found is None:
                # It may know less than TOML, or refuse what TOML lets in, but never reads another text.
                continue
            read += 1
            self.assertIsNotNone(expected, text)
            for key, value in expected.items():
                if key not in ("lease", "families"):
                    self.assertEqual(found[key], value)
        self.assertEqual(read, 4)

    def configuration(self, text):
        with tempfile.TemporaryDirectory() as folder:
            path = pathlib.Path(folder) / "spore-register.toml"
            path.write_text(text)
            path.chmod(0o644)
            with contextlib.redirect_stderr(io.StringIO()):
                try:
                    return register.read_config(str(path))
                except register.Trouble as trouble:
                    self.assertEqual(trouble.exit_code, register.USAGE)
                    return None


class Units(unittest.TestCase):
    """What systemd and cloud-init read."""

    def units(self, folder):
        program = pathlib.Path(folder) / "spore-register"
        program.write_text("#!/bin/sh\n")
        program.chmod(0o755)
        for unit in sorted(CLIENT.glob("*.service")) + sorted(CLIENT.glob("*.timer")):
            path = pathlib.Path(folder) / unit.name
            path.write_text(unit.read_text().replace("/usr/local/bin/spore-register", str(program)))
            yield path

    def test_systemd_takes_the_units(self):
        if not shutil.which("systemd-analyze"):
            self.skipTest("there is no systemd-analyze here")
        with tempfile.TemporaryDirectory() as folder:
            units = list(self.units(folder))
            self.assertEqual(len(units), 3)
            done = subprocess.run(
                ["systemd-analyze", "verify", *units], capture_output=True, text=True
            )
            # It complains on standard error about keys that it does not know, and exits 0.
            self.assertEqual((done.returncode, done.stderr), (0, ""))

    def test_the_services_keep_to_themselves(self):
        for unit in CLIENT.glob("*.service"):
            lines = unit.read_text().splitlines()
            for line in (
                "DynamicUser=yes",
                "StateDirectory=spore-register",
                "NoNewPrivileges=yes",
                "ProtectSystem=strict",
                "ProtectHome=yes",
                "CapabilityBoundingSet=",
            ):
                self.assertIn(line, lines, unit.name)

    def test_user_data_writes_the_configuration_for_root(self):
        data = (CLIENT / "cloud-init.yaml").read_text()
        self.assertTrue(data.startswith("#cloud-config\n"))
        (file,) = yaml.safe_load(data)["write_files"]
        self.assertEqual(file["path"], "/etc/spore-register.toml")
        self.assertEqual((file["owner"], file["permissions"]), ("root:root", "0644"))
        keys = set(tomllib.loads(file["content"]))
        needed = {"version", "url", "domain", "zone-id", "account", "updater-role"}
        self.assertLessEqual(needed, keys)

    def test_programs_can_be_started(self):
        for name in ("spore-register.py", "register-with-curl.sh"):
            self.assertTrue(os.access(CLIENT / name, os.X_OK), name)


if __name__ == "__main__":
    spore.main()
