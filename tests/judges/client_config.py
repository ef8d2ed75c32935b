"""What `client-config` prints is what it says it is: to PyYAML, botocore, hcl2 and Terraform as well.

The file, the user data, the local values and the parameter are read by programs that are not ours, and
each has to give the same file, with what boto3 sees of the live stack in it.
"""

import json
import shutil
import subprocess
import tomllib
import unittest

import botocore.session
import botocore.validate
import hcl2
import spore
import yaml

DOMAIN = "spore.example.edu"
PATH = "/etc/spore-register.toml"


class ClientConfig(unittest.TestCase):
    """One server; the forms of one live stack."""

    @classmethod
    def setUpClass(cls):
        cls.place = spore.Place()
        cls.addClassCleanup(cls.place.close)
        cls.stack = cls.place.document(DOMAIN, more='[updater]\nlease = "36 hours"\n')
        sandbox = cls.place.dir / "world"
        cls.server = spore.Server(cls.place, sandbox, "--profile", "instant")
        cls.addClassCleanup(lambda: cls.server.stop())
        cls.before = cls.form("toml", cls.server.env())
        cls.place.run("apply", cls.stack, "--yes", **cls.server.env()).expect(0)
        cls.file = cls.form("toml", cls.server.env()).expect(0).out

    @classmethod
    def form(cls, form, env):
        return cls.place.run("client-config", cls.stack, "--format", form, **env)

    def printed(self, form):
        return self.form(form, self.server.env()).expect(0).out

    def test_before_the_stack_is_there_it_says_what_to_do(self):
        self.before.expect(1)
        self.assertIn("spore-infra apply", self.before.err)

    def test_the_file_says_what_boto3_sees(self):
        file = tomllib.loads(self.file)
        zone = self.server.client("route53").list_hosted_zones_by_name(DNSName=DOMAIN)
        api = self.server.client("apigateway").get_rest_apis()["items"][0]["id"]
        function = self.server.client("lambda").list_functions()["Functions"][0]
        self.assertEqual(
            file,
            {
                "version": 1,
                "url": f"{self.server.url}/restapis/{api}/prod/_user_request_/update-dns",
                "domain": DOMAIN,
                "zone-id": zone["HostedZones"][0]["Id"].removeprefix("/hostedzone/"),
                "account": spore.ACCOUNT,
                "updater-role": function["Role"],
                "lease": "36h",
                "families": ["ipv4", "ipv6"],
            },
        )

    def test_user_data_writes_the_file_as_root_s(self):
        text = self.printed("cloud-init")
        self.assertTrue(text.startswith("#cloud-config\n"))
        self.assertEqual(
            yaml.safe_load(text),
            {
                "write_files": [
                    {
                        "path": PATH,
                        "owner": "root:root",
                        # A number would be read as octal by some and as decimal by others.
                        "permissions": "0644",
                        "content": self.file,
                    }
                ]
            },
        )

    def test_the_parameter_is_one_that_put_parameter_takes(self):
        parameter = json.loads(self.printed("ssm"))
        self.assertEqual(parameter["Value"], self.file)
        model = botocore.session.get_session().get_service_model("ssm")
        shape = model.operation_model("PutParameter").input_shape
        report = botocore.validate.ParamValidator().validate(parameter, shape)
        self.assertFalse(report.has_errors(), report.generate_report())
        self.assertLessEqual(len(parameter["Value"]), 4096)

    def test_hcl2_reads_the_local_values(self):
        [local] = hcl2.loads(self.printed("terraform"))["locals"]
        # This parser leaves strings as they are written.
        read = {name: value for name, value in local.items() if name.startswith("spore_register_")}
        self.assertEqual({name: json.loads(value) for name, value in read.items()}, {
            "spore_register_toml": self.file,
            "spore_register_user_data": self.printed("cloud-init"),
        })

    def test_terraform_gives_the_same_file(self):
        terraform = shutil.which("terraform") or shutil.which("tofu")
        if not terraform:
            self.skipTest("neither terraform nor tofu is here")
        folder = self.place.dir / "terraform"
        folder.mkdir()
        (folder / "main.tf").write_text(self.printed("terraform"))
        asked = "jsonencode([local.spore_register_toml, local.spore_register_user_data, local.spore_register])"
        done = subprocess.run(
            [terraform, "console"],
            cwd=folder,
            env=self.place.env(CHECKPOINT_DISABLE="1"),
            input=asked,
            capture_output=True,
            text=True,
            timeout=spore.PATIENCE_SECS,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        file, user_data, settings = json.loads(json.loads(done.stdout))
        self.assertEqual(file, self.file)
        self.assertEqual(yaml.safe_load(user_data)["write_files"][0]["content"], self.file)
        expected = {name.replace("-", "_"): value for name, value in tomllib.loads(file).items()}
        del expected["version"]
        self.assertEqual(settings, expected)


if __name__ == "__main__":
    spore.main()
