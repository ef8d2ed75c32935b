"""What runs on instances: the Python client by the published vectors, the units by systemd.

The client is read here as a module; how it behaves as a program is judged by `lambda/tests/register.rs`.
"""

import ast
import base64
import contextlib
import hashlib
import http.server
import importlib.util
import io
import json
import os
import pathlib
import re
import shlex
import shutil
import subprocess
import sys
import tempfile
import threading
import tomllib
import unittest
from unittest import mock

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


    def test_metadata_is_where_instances_have_it_or_on_this_machine(self):
        places = {
            None: ("http://169.254.169.254", False),
            "http://169.254.169.254": ("http://169.254.169.254", False),
            "http://169.254.169.254/": ("http://169.254.169.254", False),
            "http://[fd00:ec2::254]": ("http://[fd00:ec2::254]", False),
            "http://127.0.0.1:81": ("http://127.0.0.1:81", True),
            "http://[::1]:81/": ("http://[::1]:81", True),
        }
        for url, expected in places.items():
            with self.environment(AWS_EC2_METADATA_SERVICE_ENDPOINT=url):
                self.assertEqual(register.metadata_service(), expected, url)
        for variable in ("AWS_EC2_METADATA_SERVICE_ENDPOINT", "AWS_ENDPOINT_URL_STS"):
            for url in (
                "http://10.0.0.1:80",
                "https://127.0.0.1:80",
                "http://localhost:80",
                "http://127.0.0.1.example.edu",
                "http://user@127.0.0.1",
                "http://127.0.0.1/path",
                "http://127.0.0.1:port",
                "http://[::1",
                "",
            ):
                with self.environment(**{variable: url}), self.assertRaises(register.Trouble) as raised:
                    register.simulated(variable, register.METADATA_HOSTS)
                self.assertEqual(raised.exception.exit_code, register.USAGE, url)
        # Other services are not where metadata is.
        with self.environment(AWS_ENDPOINT_URL_STS="http://169.254.169.254"):
            self.assertRaises(register.Trouble, register.simulated, "AWS_ENDPOINT_URL_STS")

    def environment(self, **variables):
        given = {name: value for name, value in variables.items() if value is not None}
        return mock.patch.dict(os.environ, given, clear=True)

    def test_an_error_of_the_program_ends_no_watch_and_tells_no_secret(self):
        class Ended(BaseException):
            """No exception of a program: the test's own end."""

        client = register.Client({}, "/nowhere", None)
        error = io.StringIO()
        looks = [KeyError("secret"), KeyError("secret"), True, ValueError("secret"), Ended()]
        with mock.patch.object(client, "watch_once", side_effect=looks) as look:
            with mock.patch.object(register.time, "sleep"), contextlib.redirect_stderr(error):
                self.assertRaises(Ended, client.watch)
        self.assertEqual(look.call_count, len(looks))
        self.assertEqual(len(error.getvalue().splitlines()), 2)
        for word in ("KeyError", "ValueError"):
            self.assertIn(word, error.getvalue())
        self.assertNotIn("secret", error.getvalue())

    def test_an_error_of_the_program_may_work_later(self):
        error = io.StringIO()
        command = ["spore-register", "register"]
        with mock.patch.object(register, "read_config", side_effect=RuntimeError("secret")):
            with mock.patch.object(sys, "argv", command), contextlib.redirect_stderr(error):
                self.assertEqual(register.main(), register.LATER)
        self.assertIn("RuntimeError", error.getvalue())
        self.assertNotIn("secret", error.getvalue())


class Curl(unittest.TestCase):
    """The script for instances with nothing but curl, with metadata and an updater of this test."""

    # A document whose last line ends, as a signature is over every byte.
    METADATA = {
        "meta-data/public-ipv4": "203.0.113.7",
        "dynamic/instance-identity/document": '{\n  "instanceId" : "i-1"\n}\n',
        "dynamic/instance-identity/rsa2048": "AAAA\nBBBB\n",
    }

    def run_script(self, metadata, status, said):
        """How it ends, what it shows, and what the updater received."""
        received = []

        class World(http.server.BaseHTTPRequestHandler):
            def answer(self, status, text):
                self.send_response(status)
                self.send_header("content-length", str(len(text.encode())))
                self.end_headers()
                self.wfile.write(text.encode())

            def do_PUT(self):
                self.answer(200, "token")

            def do_GET(self):
                text = metadata.get(self.path.removeprefix("/latest/"))
                is_right = self.headers["x-aws-ec2-metadata-token"] == "token"
                self.answer(200 if is_right and text else 404, text or "")

            def do_POST(self):
                received.append(json.loads(self.rfile.read(int(self.headers["content-length"]))))
                self.answer(status, said)

            def log_message(self, *_):
                pass

        with http.server.ThreadingHTTPServer(("127.0.0.1", 0), World) as server:
            threading.Thread(target=server.serve_forever, daemon=True).start()
            here = f"http://127.0.0.1:{server.server_port}"
            done = subprocess.run(
                [CLIENT / "register-with-curl.sh", here + "/prod/update-dns", "my-instance"],
                # A proxy would be another address than the instance's.
                env={
                    "PATH": os.environ["PATH"],
                    "AWS_EC2_METADATA_SERVICE_ENDPOINT": here,
                    "http_proxy": "http://127.0.0.1:1",
                },
                capture_output=True,
                text=True,
                timeout=spore.PATIENCE_SECS,
            )
            server.shutdown()
        return done.returncode, done.stdout, received

    def test_it_is_done_when_the_updater_says_so(self):
        said = '{"success":true,\n"code":"ok"}'
        code, shown, (received,) = self.run_script(self.METADATA, 200, said)
        self.assertEqual((code, shown), (0, said + "\n"))
        document = base64.b64decode(received["instance_identity_document"], validate=True)
        self.assertEqual(document.decode(), self.METADATA["dynamic/instance-identity/document"])
        self.assertEqual(received["instance_identity_rsa2048"], "AAAABBBB")
        self.assertEqual(received["ip_address"], "203.0.113.7")

    def test_a_refusal_is_shown_and_not_taken_for_done(self):
        for status in (201, 301, 403, 409, 503):
            said = '{"success":false}'
            code, shown, received = self.run_script(self.METADATA, status, said)
            self.assertNotEqual(code, 0, status)
            self.assertEqual((shown, len(received)), (said + "\n", 1), status)

    def test_nobody_is_asked_without_the_whole_proof(self):
        for missing in self.METADATA:
            metadata = {path: text for path, text in self.METADATA.items() if path != missing}
            code, _, received = self.run_script(metadata, 200, "{}")
            self.assertNotEqual(code, 0, missing)
            self.assertEqual(received, [], missing)


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

    def test_user_data_starts_nothing_that_is_not_what_was_compared(self):
        files = ["spore-register", "spore-register.service"]
        self.assertEqual(self.first_start(files, files), ["daemon-reload", "enable --now " + files[1]])
        for served in ([], files[:1]):
            self.assertEqual(self.first_start(files, served), [], "a file that is not there")
        for wrong in files:
            self.assertEqual(self.first_start(files, files, wrong), [], "the wrong sum of " + wrong)

    def first_start(self, files, served, wrong=None):
        """Runs the commands as cloud-init does; what systemctl was asked for."""
        commands = yaml.safe_load((CLIENT / "cloud-init.yaml").read_text())["runcmd"]
        # cloud-init makes one script of sh of them, each word of a list quoted, and none of its lines
        # stops it (cloudinit.util.shellify).
        script = "\n".join(shlex.join(command) for command in commands)
        script = script.replace("<YOUR SITE>", "site.example.edu")
        for file in files:
            text = "another" if file == wrong else file
            expected = hashlib.sha256(text.encode()).hexdigest() + "  " + file
            script, count = re.subn(rf"<SHA-256>  {re.escape(file)}$", expected, script, flags=re.M)
            self.assertEqual(count, 1, file)
        self.assertNotIn("<", script.replace("<<", ""))
        with tempfile.TemporaryDirectory() as folder:
            stubs, home = pathlib.Path(folder) / "stubs", pathlib.Path(folder) / "tmp"
            stubs.mkdir()
            home.mkdir()
            # What is served has its own name as content; -f means that what is not ends with 22.
            curl = 'case " $SERVED " in *" ${url##*/} "*) printf %s "${url##*/}" > "$out" ;; *) exit 22 ;; esac'
            for name, body in {
                "curl": 'while [ $# -gt 1 ]; do [ "$1" != -o ] || out=$2; shift; done\nurl=$1\n' + curl,
                "install": 'echo "$*" >> "$INSTALLED"',
                "systemctl": 'echo "$*" >> "$ASKED"',
            }.items():
                (stubs / name).write_text("#!/bin/sh\nset -eu\n" + body + "\n")
                (stubs / name).chmod(0o755)
            installed, asked = (pathlib.Path(folder) / name for name in ("installed", "asked"))
            installed.touch()
            asked.touch()
            environment = {
                "PATH": f"{stubs}:{os.environ['PATH']}",
                "TMPDIR": str(home),
                "SERVED": " ".join(served),
                "INSTALLED": str(installed),
                "ASKED": str(asked),
            }
            subprocess.run(["sh", "-c", script], env=environment, capture_output=True)
            self.assertEqual(list(home.iterdir()), [], "what was downloaded is not left behind")
            lines = installed.read_text().splitlines()
            told = asked.read_text().splitlines()
            self.assertEqual(len(lines), len(files) if told else 0, lines)
            return told

    def test_programs_can_be_started(self):
        for name in ("spore-register.py", "register-with-curl.sh"):
            self.assertTrue(os.access(CLIENT / name, os.X_OK), name)


if __name__ == "__main__":
    spore.main()
