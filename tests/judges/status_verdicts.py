"""What `status` calls secure, insecure or bogus, against validators that know only the sandbox's root.

A stack is applied in a served world and brought into each state. delv (BIND) and unbound-host (NLnet
Labs) put the chain of trust together themselves, and `status --json` has to come to the same word.
`status` also names who refuses: the servers whose answers these tools do not accept.
"""

import json
import urllib.request

import spore
from dnssec_chain import BOGUS, DOMAIN, INSECURE, PARENT, SECURE, Delegated


class Verdicts(Delegated):
    """One world, from the delegation through every way of breaking it and back."""

    @classmethod
    def tamper(cls, name, rtype, tampered):
        command = {"tamper": {"name": name, "record_type": rtype, "tampered": tampered}}
        request = urllib.request.Request(
            f"{cls.server.url}/_spore/command", json.dumps(command).encode()
        )
        urllib.request.urlopen(request).read()

    def setUp(self):
        self.registrar("ds", DOMAIN, *self.ds)

    def status(self):
        done = self.place.run("status", self.document, "--json", **self.server.env()).expect(0)
        return json.loads(done.out)

    def agree(self, verdict):
        """All three say this; what `status` found besides."""
        said = self.status()
        with self.subTest(tool="status"):
            self.assertEqual(said["verdict"]["word"], verdict, json.dumps(said["findings"], indent=1))
        for tool in (self.validators.delv, self.validators.unbound_host):
            with self.subTest(tool=tool.__name__):
                found, output = tool(DOMAIN, "SOA")
                self.assertEqual(found, verdict, output)
        return said

    def test_a_sound_chain_is_secure(self):
        said = self.agree(SECURE)
        self.assertEqual([zone["verdict"]["word"] for zone in said["zones"]], [SECURE] * 4)
        # The world's resolver is asked as any other, and said not to validate.
        self.assertIn(self.resolver, said["resolvers"][0]["name"])
        self.assertIs(said["resolvers"][0]["answer"]["validates"], False)

    def test_wrong_ds_records_are_bogus(self):
        tag = self.ds[0].split()[0]
        for wrong in (f"12735 13 2 {'AB' * 32}", f"{tag} 13 2 {'AB' * 32}"):
            self.registrar("ds", DOMAIN, wrong)
            self.agree(BOGUS)
        self.registrar("ds", DOMAIN, wrong, *self.ds)
        self.agree(SECURE)

    def test_what_validators_do_not_know_is_insecure(self):
        tag = self.ds[0].split()[0]
        self.registrar("ds", DOMAIN, f"{tag} 200 2 {'AB' * 32}")
        self.agree(INSECURE)
        self.registrar("ds", DOMAIN, f"{tag} 13 200 {'AB' * 32}")
        self.agree(INSECURE)

    def test_unsigned_delegations_are_insecure(self):
        self.registrar("withdraw", DOMAIN, "--ds-only")
        self.agree(INSECURE)
        self.registrar("ds", DOMAIN, *self.ds)
        self.registrar("unsign", PARENT)
        try:
            said = self.agree(INSECURE)
            self.assertIn("island", [finding["code"] for finding in said["findings"]])
        finally:
            self.registrar("sign", PARENT)
        self.agree(SECURE)

    def test_tampering_is_bogus_wherever_it_happens(self):
        for owner, rtype in [(DOMAIN, "SOA"), (DOMAIN, "DNSKEY"), (DOMAIN, "DS"), (PARENT, "DNSKEY")]:
            self.tamper(owner, rtype, True)
            try:
                self.agree(BOGUS)
            finally:
                self.tamper(owner, rtype, False)
        self.agree(SECURE)


if __name__ == "__main__":
    spore.main()
