"""DS records that `ds` prints, against Route 53's, BIND's, ldns' and dnspython's.

Each stack is applied in a served world of its own kind of name; what the tool prints in its forms
is compared with GetDNSSEC as boto3 reads it, with what `dnssec-dsfromkey`, `ldns-key2ds` and
dnspython make of the DNSKEY, and with the public key that KMS gives out, read by an independent
library. EPP is read by an XML parser and held against the schema of RFC 5910, the nsupdate script
by nsupdate itself, what is for Route 53 Domains by botocore. The published pairs of tests/vectors
go through the same tools, so that a tool that is wrong is seen.
"""

import base64
import json
import subprocess
import unittest
import xml.etree.ElementTree

import botocore.session
import dns.dnssec
import dns.name
import dns.rdata
import dns.rdataclass
import dns.rdatatype
from botocore.validate import ParamValidator
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    PublicFormat,
    load_der_public_key,
)

import spore

EPP = "{urn:ietf:params:xml:ns:epp-1.0}"
EPP_DOMAIN = "{urn:ietf:params:xml:ns:domain-1.0}"
SECDNS = "{urn:ietf:params:xml:ns:secDNS-1.1}"
# RFC 5910, section 5: dsDataType and keyDataType are sequences.
DS_DATA = ["keyTag", "alg", "digestType", "digest"]
KEY_DATA = ["flags", "protocol", "alg", "pubKey"]

VECTORS = json.loads((spore.ROOT / "tests" / "vectors" / "ds-vectors.json").read_text())

# Every sort of name that a digest could get wrong: short, deep, hyphens, digits, labels and names of
# the greatest length that leaves room for what stands below, upper case in the document.
DOMAINS = [
    "spore.example.edu",
    "a.io",
    "my-lab--2.dept-of-physics.uni-example.ac.uk",
    "0.1.2.3.4.5.6.7.example.org",
    "xn--bcher-kva.example",
    f"{'l' * 63}.example.net",
    # 111 characters, the most that the names made from a domain leave room for.
    ".".join(["label-of-some-length"] * 5) + ".abc.de",
    "Mixed-Case.Example.EDU",
    "123.example.info",
]


def canonical(tag, algorithm, digest_type, digest):
    """One form for all spellings."""
    return int(tag), int(algorithm), int(digest_type), digest.replace(" ", "").upper()


def of_lines(text):
    """The DS records of lines in presentation form, by owner."""
    found = []
    for line in text.splitlines():
        fields = line.split()
        if "DS" not in fields or line.startswith(";"):
            continue
        at = fields.index("DS")
        owner = fields[0].lower().rstrip(".") + "."
        found.append((owner, canonical(*fields[at + 1 : at + 4], "".join(fields[at + 4 :]))))
    return found


def by_dnspython(owner, dnskey):
    """DS records of types 2 and 4 from dnspython."""
    rdata = dns.rdata.from_text(dns.rdataclass.IN, dns.rdatatype.DNSKEY, dnskey)
    name = dns.name.from_text(owner)
    return [
        canonical(*dns.dnssec.make_ds(name, rdata, algorithm).to_text().split(maxsplit=3))
        for algorithm in ("SHA256", "SHA384")
    ]


def asked(*command, text=None):
    """What a tool prints."""
    done = subprocess.run(command, input=text, capture_output=True, text=True, timeout=60)
    if done.returncode != 0:
        raise AssertionError(f"{command} ended with {done.returncode}: {done.stderr}")
    return done.stdout


def by_tools(folder, owner, dnskey):
    """DS records of types 2 and 4 as each tool computes them from a DNSKEY."""
    owner = owner.rstrip(".") + "."
    key = folder / "judged.key"
    key.write_text(f"{owner} 3600 IN DNSKEY {dnskey}\n")
    # -f takes names and keys from a file that is not named after the key.
    bind = asked("dnssec-dsfromkey", "-a", "SHA-256", "-a", "SHA-384", "-f", key, owner)
    ldns = [asked("ldns-key2ds", "-n", flag, key) for flag in ("-2", "-4")]
    return {
        "dnssec-dsfromkey": [ds for _, ds in of_lines(bind)],
        "ldns-key2ds": [ds for text in ldns for _, ds in of_lines(text)],
        "dnspython": by_dnspython(owner, dnskey),
    }


class Stacks(unittest.TestCase):
    """Applied stacks."""

    @classmethod
    def setUpClass(cls):
        cls.serving = spore.serving("--profile", "instant")
        cls.place, cls.server = cls.serving.__enter__()
        cls.addClassCleanup(cls.serving.__exit__, None, None, None)

    def shown(self, document, form):
        return self.place.run("ds", document, "--format", form, **self.server.env()).expect(0).out

    def judge(self, domain):
        document = self.place.document(domain)
        applied = self.place.run("apply", document, "--yes", **self.server.env()).expect(0)
        owner = domain.lower() + "."

        # What the tool prints: JSON, BIND and text must say the same.
        shown = json.loads(self.shown(document, "json"))
        ours = [
            canonical(ds["key_tag"], ds["algorithm"], ds["digest_type"], ds["digest"])
            for ds in shown["ds"]
        ]
        self.assertEqual([ds[2] for ds in ours], [2, 4])
        self.assertEqual(
            [of_lines(ds["record"]) for ds in shown["ds"]], [[(owner, ds)] for ds in ours]
        )
        self.assertEqual(of_lines(self.shown(document, "bind")), [(owner, ds) for ds in ours])
        text = self.shown(document, "text")
        self.assertEqual(of_lines(text), [(owner, ours[0])])
        self.assertIn(ours[1][3], text.upper())
        self.assertIn(text, applied.out, "apply ends with the record that ds prints")

        key = shown["dnskey"]
        dnskey = f"{key['flags']} {key['protocol']} {key['algorithm']} {key['public_key']}"
        self.assertTrue(key["record"].endswith(f" IN DNSKEY {dnskey}"), key["record"])

        self.judge_forms(document, owner, ours, key)

        # What independent tools make of the key.
        for tool, theirs in by_tools(self.place.dir, owner, dnskey).items():
            self.assertEqual(theirs, ours, tool)

        # What AWS says, and the key behind it.
        route53, kms = (
            self.server.client("route53", spore.ACCOUNT),
            self.server.client("kms", spore.ACCOUNT),
        )
        zones = route53.list_hosted_zones_by_name(DNSName=owner, MaxItems="1")["HostedZones"]
        self.assertEqual(zones[0]["Name"], owner)
        dnssec = route53.get_dnssec(HostedZoneId=zones[0]["Id"])
        self.assertEqual(dnssec["Status"]["ServeSignature"], "SIGNING")
        (ksk,) = dnssec["KeySigningKeys"]
        self.assertEqual(canonical(*ksk["DSRecord"].split()), ours[0])
        self.assertEqual(ksk["DNSKEYRecord"], dnskey)
        self.assertEqual((ksk["KeyTag"], ksk["Flag"]), (ours[0][0], 257))
        self.assertEqual(ksk["PublicKey"], key["public_key"])
        public = load_der_public_key(kms.get_public_key(KeyId=ksk["KmsArn"])["PublicKey"])
        point = public.public_bytes(Encoding.X962, PublicFormat.UncompressedPoint)
        self.assertEqual(base64.b64encode(point[1:]).decode(), key["public_key"])
        return ours[0]

    def judge_forms(self, document, owner, ours, key):
        """What is for registries, registrars and name servers of the parent."""

        def form(name, *more):
            told = self.place.run("ds", document, "--format", name, *more, **self.server.env())
            return told.expect(0).out

        self.assertEqual(of_lines(form("dsset")), [(owner, ours[0])])
        for digest, records in (("2", ours[:1]), ("4", ours[1:]), ("both", ours)):
            with self.subTest(digest=digest):
                for name in ("bind", "dsset"):
                    shown = of_lines(form(name, "--digest", digest))
                    self.assertEqual(shown, [(owner, ds) for ds in records])
                found = self.epp(form("epp", "--digest", digest), owner, "dsData", DS_DATA)
                self.assertEqual([canonical(*fields) for fields in found], records)
        made = self.epp(form("epp-create"), None, "dsData", DS_DATA)
        self.assertEqual([canonical(*fields) for fields in made], ours[:1])
        as_key = [str(key[name]) for name in ("flags", "protocol", "algorithm", "public_key")]
        self.assertEqual(self.epp(form("epp-key"), owner, "keyData", KEY_DATA), [as_key])
        self.assertEqual(self.epp(form("epp-key-create"), None, "keyData", KEY_DATA), [as_key])

        # dnssec-dsfromkey reads the DNSKEY line as it is.
        path = self.place.dir / "form.key"
        path.write_text(form("dnskey"))
        bind = asked("dnssec-dsfromkey", "-a", "SHA-256", "-a", "SHA-384", "-f", path, owner)
        self.assertEqual([ds for _, ds in of_lines(bind)], ours)

        attributes = json.loads(form("route53domains"))
        shape = (
            botocore.session.get_session()
            .get_service_model("route53domains")
            .operation_model("AssociateDelegationSignerToDomain")
            .input_shape
        )
        request = {"DomainName": owner.rstrip("."), "SigningAttributes": attributes}
        report = ParamValidator().validate(request, shape)
        self.assertFalse(report.has_errors(), report.generate_report())
        self.assertEqual(attributes["PublicKey"], key["public_key"])
        self.assertEqual((attributes["Flags"], attributes["Algorithm"]), (257, 13))

        # nsupdate shows what it would send; a server that nobody is keeps it off the network.
        script = form("nsupdate", "--digest", "both")
        self.assertTrue(script.endswith("\nsend\n"), script)
        text = "server 127.0.0.1 9\n" + script.removesuffix("send\n") + "show\nquit\n"
        sent = asked("nsupdate", text=text).split("UPDATE SECTION:")[1]
        self.assertEqual(of_lines(sent), [(owner, ds) for ds in ours])

        fields = dict(line.split("\t") for line in form("fields").splitlines())
        self.assertEqual(
            (fields["Key tag"], fields["Digest"], fields["Public key"]),
            (str(ours[0][0]), ours[0][3], key["public_key"]),
        )

    def epp(self, text, owner, element, order):
        """The data in an EPP command or extension, each in the order of RFC 5910's schema."""
        root = xml.etree.ElementTree.fromstring(text.encode())
        if owner is None:
            self.assertEqual(root.tag, f"{EPP}extension")
            (create,) = root
            self.assertEqual(create.tag, f"{SECDNS}create")
            parts = list(create)
        else:
            (command,) = root
            self.assertEqual((root.tag, command.tag), (f"{EPP}epp", f"{EPP}command"))
            self.assertEqual([part.tag for part in command], [f"{EPP}update", f"{EPP}extension"])
            name = command.find(f"{EPP}update/{EPP_DOMAIN}update/{EPP_DOMAIN}name")
            self.assertEqual(name.text, owner.rstrip("."))
            (update,) = command.find(f"{EPP}extension")
            self.assertEqual([part.tag for part in update], [f"{SECDNS}add"])
            parts = [data for part in update for data in part]
        for data in parts:
            self.assertEqual(data.tag, f"{SECDNS}{element}")
            self.assertEqual([field.tag for field in data], [SECDNS + name for name in order])
        return [[field.text for field in data] for data in parts]

    def test_no_two_stacks_share_a_key(self):
        found = {}
        for domain in DOMAINS:
            with self.subTest(domain=domain):
                found[domain] = self.judge(domain)
        self.assertEqual(len({ds[3] for ds in found.values()}), len(DOMAINS))


class Vectors(unittest.TestCase):
    """Published pairs: the tools that judge must themselves be right."""

    def setUp(self):
        self.place = spore.Place()
        self.addCleanup(self.place.close)

    def test_published_pairs(self):
        for pair in VECTORS["pairs"]:
            published = [canonical(*pair[name].split(maxsplit=3)) for name in ("ds", "ds_sha384")]
            for tool, theirs in by_tools(self.place.dir, pair["owner"], pair["dnskey"]).items():
                self.assertEqual(theirs, published, f"{tool}, {pair['owner']}")

    def test_negatives_do_not_match(self):
        for negative in VECTORS["negative"]:
            wrong = canonical(*negative["ds"].split(maxsplit=3))
            for tool, theirs in by_tools(
                self.place.dir, negative["owner"], negative["dnskey"]
            ).items():
                self.assertNotIn(wrong, theirs, f"{tool}, {negative['owner']}")


if __name__ == "__main__":
    spore.main()
