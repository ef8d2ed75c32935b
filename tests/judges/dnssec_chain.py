"""The chain of trust of an applied stack, by validators that know only the sandbox's root.

A stack is applied in a served world and delegated by `sandbox registrar`. delv (BIND), drill (ldns)
and unbound-host then ask the world's resolver, which validates nothing, and put the chain together
themselves. All three end with 0 whatever they find, so it is their words that are judged.
"""

import json
import re
import subprocess
import unittest
import urllib.request

import spore

DOMAIN = "spore.example.edu"
PARENT = "example.edu"

SECURE, INSECURE, BOGUS = "secure", "insecure", "bogus"


def said(*command):
    """What a tool prints, both ways."""
    done = subprocess.run(command, capture_output=True, text=True, timeout=60)
    return done.stdout + done.stderr


def one_of(output, words):
    """The verdict whose words are in a tool's output; the first that fits."""
    for pattern, verdict in words:
        if re.search(pattern, output, re.M):
            return verdict
    raise AssertionError(f"no verdict in:\n{output}")


class Validators:
    """The tools, and where they start from."""

    def __init__(self, folder, resolver):
        self.host, self.port = resolver.rsplit(":", 1)
        self.key, self.bind = folder / "root.key", folder / "bind.keys"
        self.unbound = folder / "unbound-host.conf"
        self.unbound.write_text(
            "server:\n"
            "  do-not-query-localhost: no\n"
            '  module-config: "validator iterator"\n'
            "forward-zone:\n"
            '  name: "."\n'
            f"  forward-addr: {self.host}@{self.port}\n"
        )

    def delv(self, name, rtype):
        output = said(
            "delv", f"@{self.host}", "-p", self.port, "-a", self.bind, "+root=.", name, rtype
        )
        words = [
            # It calls a validated denial a failed resolution as well.
            (r"fully validated", SECURE),
            (r"unsigned answer", INSECURE),
            (r"resolution failed", BOGUS),
        ]
        return one_of(output, words), output

    def drill(self, name, rtype):
        server = ("-p", self.port, f"@{self.host}")
        output = said("drill", "-S", "-b", "1232", "-k", self.key, *server, name, rtype)
        words = [
            (r"^;; Chase successful", SECURE),
            (r"^;; Chase failed", BOGUS),
        ]
        return one_of(output, words), output

    def unbound_host(self, name, rtype):
        output = said("unbound-host", "-C", self.unbound, "-f", self.key, "-v", "-t", rtype, name)
        words = [
            (r"\(BOGUS", BOGUS),
            (r"\(secure\)$", SECURE),
            (r"\(insecure\)$", INSECURE),
        ]
        return one_of(output, words), output


class Delegated(unittest.TestCase):
    """A served world with the stack applied and its zone delegated; without a DS record."""

    @classmethod
    def setUpClass(cls):
        cls.serving = spore.serving("--profile", "instant", "--dns", "127.0.0.1:0")
        cls.place, cls.server = cls.serving.__enter__()
        cls.addClassCleanup(cls.serving.__exit__, None, None, None)
        info = json.loads(urllib.request.urlopen(f"{cls.server.url}/_spore/info").read())
        cls.resolver = info["resolver"]
        cls.validators = Validators(cls.place.dir / "world", cls.resolver)
        cls.document = cls.place.document(DOMAIN)
        cls.place.run("apply", cls.document, "--yes", **cls.server.env()).expect(0)
        cls.registrar("delegate", DOMAIN)
        ds = cls.place.run("ds", cls.document, "--format", "json", **cls.server.env()).expect(0)
        cls.ds = [
            f"{ds['key_tag']} {ds['algorithm']} {ds['digest_type']} {ds['digest']}"
            for ds in json.loads(ds.out)["ds"]
        ]

    @classmethod
    def registrar(cls, *args):
        world = f"--sandbox={cls.place.dir / 'world'}"
        cls.place.run("sandbox", "registrar", *args, world).expect(0)


class Chain(Delegated):
    """One world, from the unsigned delegation to every way of breaking it."""

    @classmethod
    def setUpClass(cls):
        super().setUpClass()
        zones = cls.server.client("route53").list_hosted_zones_by_name(DNSName=DOMAIN)
        cls.zone = zones["HostedZones"][0]["Id"]
        cls.record("CREATE", f"a.{DOMAIN}", "A", "192.0.2.1")
        cls.record("CREATE", f"*.wild.{DOMAIN}", "TXT", '"w"')
        cls.record("CREATE", f"alias.{DOMAIN}", "CNAME", f"a.{DOMAIN}")

    @classmethod
    def command(cls, **command):
        """A command that only tests give."""
        request = urllib.request.Request(
            f"{cls.server.url}/_spore/command",
            json.dumps({name.replace("_", "-"): value for name, value in command.items()}).encode(),
        )
        urllib.request.urlopen(request).read()

    @classmethod
    def record(cls, action, name, rtype, value):
        record = {"Name": name, "Type": rtype, "TTL": 60, "ResourceRecords": [{"Value": value}]}
        changes = [{"Action": action, "ResourceRecordSet": record}]
        cls.server.client("route53").change_resource_record_sets(
            HostedZoneId=cls.zone, ChangeBatch={"Changes": changes}
        )

    def judge(self, verdict, *questions):
        for name, rtype in questions:
            for tool in (self.validators.delv, self.validators.drill, self.validators.unbound_host):
                with self.subTest(tool=tool.__name__, name=name, rtype=rtype):
                    found, output = tool(name, rtype)
                    self.assertEqual(found, verdict, output)

    def setUp(self):
        self.registrar("ds", DOMAIN, *self.ds)

    def test_records_are_secure_from_the_root(self):
        self.judge(
            SECURE,
            (DOMAIN, "SOA"),
            (DOMAIN, "NS"),
            (DOMAIN, "DNSKEY"),
            (f"a.{DOMAIN}", "A"),
            (f"x.wild.{DOMAIN}", "TXT"),
            (f"alias.{DOMAIN}", "A"),
            (PARENT, "SOA"),
            (DOMAIN, "DS"),
        )

    def test_what_does_not_exist_is_proven(self):
        self.judge(
            SECURE,
            (f"none.{DOMAIN}", "A"),
            (f"a.{DOMAIN}", "AAAA"),
            (f"none.{PARENT}", "A"),
            ("no.such.domain.edu", "A"),
        )

    def test_a_tampered_record_is_bogus(self):
        for owner, rtype, asked in [
            (f"a.{DOMAIN}", "A", (f"a.{DOMAIN}", "A")),
            (DOMAIN, "DNSKEY", (f"a.{DOMAIN}", "A")),
            (DOMAIN, "DS", (f"a.{DOMAIN}", "A")),
        ]:
            self.command(tamper={"name": owner, "record_type": rtype, "tampered": True})
            try:
                self.judge(BOGUS, asked)
            finally:
                self.command(tamper={"name": owner, "record_type": rtype, "tampered": False})
        self.judge(SECURE, (f"a.{DOMAIN}", "A"))

    def test_a_wrong_ds_is_bogus(self):
        tag = self.ds[0].split()[0]
        self.registrar("ds", DOMAIN, f"{tag} 13 2 {'AB' * 32}")
        self.judge(BOGUS, (f"a.{DOMAIN}", "A"))

    def test_without_ds_and_below_an_unsigned_parent_it_is_insecure(self):
        # drill cannot tell insecure from bogus when it chases: it only finds no trusted key.
        for tool in (self.validators.delv, self.validators.unbound_host):
            self.registrar("withdraw", DOMAIN, "--ds-only")
            found, output = tool(f"a.{DOMAIN}", "A")
            self.assertEqual(found, INSECURE, output)
            self.registrar("ds", DOMAIN, *self.ds)
            self.registrar("unsign", PARENT)
            found, output = tool(f"a.{DOMAIN}", "A")
            self.registrar("sign", PARENT)
            self.assertEqual(found, INSECURE, output)
        self.judge(SECURE, (f"a.{DOMAIN}", "A"))


if __name__ == "__main__":
    spore.main()
