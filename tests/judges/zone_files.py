"""Exported zones, read by BIND's named-checkzone and dnspython, against what boto3 reads.

Record sets of every type that the sandbox holds are made with boto3, in Route 53's own spelling:
octal escapes, names without a trailing dot, a wildcard. The export must be a zone that BIND loads,
and mean to dnspython, which shares no code with the tool, exactly those records. Then a file that
dnspython wrote is restored, and boto3 must read those records.
"""

import subprocess
import unittest

import dns.name
import dns.rdataset
import dns.rdatatype
import dns.zone

import spore

DOMAIN = "spore.example.edu"
SETS = [
    (f"{DOMAIN}.", "MX", 300, ["10 mail.example.edu", "20 mail2.example.edu."]),
    (f"{DOMAIN}.", "TXT", 300, ['"say \\"hi\\"; \\303\\274" "more"']),
    (f"{DOMAIN}.", "CAA", 300, ['0 issue "ca.example.net"']),
    (f"\\052.{DOMAIN}.", "A", 60, ["192.0.2.3"]),
    (f"www.{DOMAIN}.", "A", 0, ["192.0.2.1", "192.0.2.2"]),
    (f"www.{DOMAIN}.", "AAAA", 60, ["2001:db8::1"]),
    (f"alias.{DOMAIN}.", "CNAME", 60, [f"www.{DOMAIN}"]),
    (f"_sip._tcp.{DOMAIN}.", "SRV", 60, ["10 5 5060 sip.example.edu"]),
    (f"host.{DOMAIN}.", "SSHFP", 60, ["4 2 " + "AB" * 32]),
    (f"_443._tcp.{DOMAIN}.", "TLSA", 60, ["3 1 1 " + "CD" * 32]),
    (f"num.{DOMAIN}.", "NAPTR", 60, ['100 50 "u" "E2U+sip" "!^.*$!sip:a@example.edu!" .']),
    (f"ptr.{DOMAIN}.", "PTR", 60, ["www.example.edu"]),
    (f"child.{DOMAIN}.", "NS", 60, ["ns1.example.net", "ns2.example.net."]),
    (f"child.{DOMAIN}.", "DS", 60, ["12345 13 2 " + "EF" * 32]),
    (
        f"_spore.node.{DOMAIN}.",
        "TXT",
        60,
        ['"v=1 p=123456789012/us-east-1/i-0123456789abcdef0 t=2026-03-01T00:00:00Z n=abc"'],
    ),
]


def plain(text):
    """Octal escapes of Route 53 as the decimal ones of master files."""
    out, at = "", 0
    while at < len(text):
        if text[at] == "\\" and text[at + 1 : at + 4].isdigit():
            out += f"\\{int(text[at + 1 : at + 4], 8):03d}"
            at += 4
        else:
            out += text[at]
            at += 1
    return out


def by_boto3(sets):
    """Record sets as dnspython understands their values, whose names are complete in any case."""
    found = {}
    for name, rtype, ttl, values in sets:
        node = dns.name.from_text(plain(name))
        found[node, rtype] = dns.rdataset.from_text_list(
            "IN",
            rtype,
            ttl,
            [plain(value) for value in values],
            origin=dns.name.root,
            relativize=False,
        )
    return found


def by_file(text):
    """Record sets of a master file, without those that Route 53 makes."""
    zone = dns.zone.from_text(text, origin=DOMAIN, relativize=False)
    return {
        (name, dns.rdatatype.to_text(rdataset.rdtype)): rdataset
        for name, rdataset in zone.iterate_rdatasets()
        if not (
            name == zone.origin and rdataset.rdtype in (dns.rdatatype.NS, dns.rdatatype.SOA)
        )
    }


class ZoneFiles(unittest.TestCase):
    """One zone in a served world."""

    @classmethod
    def setUpClass(cls):
        cls.serving = spore.serving("--profile", "instant")
        cls.place, cls.server = cls.serving.__enter__()
        cls.addClassCleanup(cls.serving.__exit__, None, None, None)
        cls.document = cls.place.document(DOMAIN)
        cls.place.run("apply", cls.document, "--yes", **cls.server.env()).expect(0)
        cls.route53 = cls.server.client("route53", spore.ACCOUNT)
        zones = cls.route53.list_hosted_zones_by_name(DNSName=DOMAIN, MaxItems="1")
        cls.zone = zones["HostedZones"][0]["Id"]

    def change(self, action, sets):
        changes = [
            {
                "Action": action,
                "ResourceRecordSet": {
                    "Name": name,
                    "Type": rtype,
                    "TTL": ttl,
                    "ResourceRecords": [{"Value": value} for value in values],
                },
            }
            for name, rtype, ttl, values in sets
        ]
        self.route53.change_resource_record_sets(
            HostedZoneId=self.zone, ChangeBatch={"Changes": changes}
        )

    def live(self):
        pages = self.route53.get_paginator("list_resource_record_sets").paginate(
            HostedZoneId=self.zone
        )
        return [
            (
                found["Name"],
                found["Type"],
                found["TTL"],
                [record["Value"] for record in found["ResourceRecords"]],
            )
            for page in pages
            for found in page["ResourceRecordSets"]
            if not (found["Name"] == f"{DOMAIN}." and found["Type"] in ("NS", "SOA"))
        ]

    def run_tool(self, *args):
        return self.place.run(*args, **self.server.env()).expect(0).out

    def test_there_and_back(self):
        self.change("CREATE", SETS)
        text = self.run_tool("export", self.document)
        self.assertEqual(by_file(text), by_boto3(SETS))
        path = self.place.dir / "exported.zone"
        path.write_text(text)
        # Names outside the zone are looked up by nobody here.
        checked = subprocess.run(
            ["named-checkzone", "-i", "local", "-k", "fail", "-n", "ignore", DOMAIN, path],
            capture_output=True,
            text=True,
            timeout=60,
        )
        self.assertEqual(checked.returncode, 0, checked.stdout + checked.stderr)
        self.assertIn("loaded serial", checked.stdout)

        # dnspython's own spelling of the same zone, into an empty one.
        zone = dns.zone.from_text(text, origin=DOMAIN, relativize=True)
        path.write_text(f"$ORIGIN {DOMAIN}.\n" + zone.to_text(relativize=True))
        self.assertIn("No changes.", self.run_tool("restore", self.document, path))
        self.change("DELETE", SETS)
        self.assertEqual(self.live(), [])
        self.run_tool("restore", self.document, path, "--yes")
        self.assertEqual(by_boto3(self.live()), by_boto3(SETS))


if __name__ == "__main__":
    spore.main()
