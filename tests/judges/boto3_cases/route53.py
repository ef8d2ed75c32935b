"""Route 53: zones, batches, changes, tags, delegation sets."""

from .base import Case


def txt(name, *values, ttl=60, **more):
    """A TXT record set."""
    records = [{"Value": f'"{value}"'} for value in values]
    return {"Name": name, "Type": "TXT", "TTL": ttl, "ResourceRecords": records} | more


class ZoneCase(Case):
    """What cases on zones share."""

    def setUp(self):
        super().setUp()
        self.route53 = self.client("route53")

    def zone(self, name="judged.example.", reference="1", **more):
        return self.route53.create_hosted_zone(Name=name, CallerReference=reference, **more)[
            "HostedZone"
        ]["Id"]

    def change(self, zone, *changes, **more):
        batch = [{"Action": action, "ResourceRecordSet": record} for action, record in changes]
        return self.route53.change_resource_record_sets(
            HostedZoneId=zone, ChangeBatch={"Changes": batch, **more}
        )

    def records(self, zone):
        listed, _ = self.pages(
            self.route53,
            "list_resource_record_sets",
            "ResourceRecordSets",
            "100",
            HostedZoneId=zone,
        )
        return [record for record in listed if record["Type"] not in ("SOA", "NS")]

    def in_sync(self, change):
        """Waits as users of boto3 wait."""
        waiter = self.route53.get_waiter("resource_record_sets_changed")
        waiter.wait(Id=change["Id"], WaiterConfig={"Delay": 1, "MaxAttempts": 20})


class Route53(ZoneCase):
    """Each test in an account of its own."""

    def test_route53_zone_is_read_back(self):
        route53 = self.route53
        made = route53.create_hosted_zone(
            Name="Judged.Example", CallerReference="once", HostedZoneConfig={"Comment": "first <&>"}
        )
        zone, servers = made["HostedZone"]["Id"], made["DelegationSet"]["NameServers"]
        self.assertEqual(made["ChangeInfo"]["Status"], "PENDING")
        self.assertEqual(len(set(servers)), 4)
        found = route53.get_hosted_zone(Id=zone)
        self.assertEqual(found["HostedZone"], made["HostedZone"])
        self.assertEqual(found["DelegationSet"]["NameServers"], servers)
        self.assertEqual(found["HostedZone"]["Name"], "judged.example.")
        self.assertEqual(
            found["HostedZone"]["Config"], {"Comment": "first <&>", "PrivateZone": False}
        )
        self.assertEqual(found["HostedZone"]["ResourceRecordSetCount"], 2)
        listed = route53.list_resource_record_sets(HostedZoneId=zone)["ResourceRecordSets"]
        self.assertEqual(
            [(record["Name"], record["Type"]) for record in listed],
            [("judged.example.", "NS"), ("judged.example.", "SOA")],
        )
        self.assertEqual(
            {record["Value"].rstrip(".") for record in listed[0]["ResourceRecords"]}, set(servers)
        )
        changed = route53.update_hosted_zone_comment(Id=zone, Comment="second")
        self.assertEqual(changed["HostedZone"]["Config"]["Comment"], "second")
        self.assertEqual(route53.get_hosted_zone_count()["HostedZoneCount"], 1)
        limit = route53.get_account_limit(Type="MAX_HOSTED_ZONES_BY_OWNER")
        self.assertEqual((limit["Count"], limit["Limit"]["Value"]), (1, 500))
        self.in_sync(made["ChangeInfo"])
        self.assertEqual(
            route53.get_change(Id=made["ChangeInfo"]["Id"])["ChangeInfo"]["Status"], "INSYNC"
        )

    def test_route53_a_reference_is_used_once_for_ever(self):
        route53, zone = self.route53, self.zone(reference="spent")
        self.refused(
            "HostedZoneAlreadyExists",
            route53.create_hosted_zone,
            Name="judged.example",
            CallerReference="spent",
        )
        route53.delete_hosted_zone(Id=zone)
        self.refused("NoSuchHostedZone", route53.get_hosted_zone, Id=zone)
        self.refused("NoSuchHostedZone", route53.delete_hosted_zone, Id=zone)
        self.refused("NoSuchHostedZone", route53.list_resource_record_sets, HostedZoneId=zone)
        self.refused(
            "HostedZoneAlreadyExists",
            route53.create_hosted_zone,
            Name="judged.example",
            CallerReference="spent",
        )
        self.refused(
            "HostedZoneAlreadyExists",
            route53.create_hosted_zone,
            Name="other.example",
            CallerReference="spent",
        )
        self.zone(reference="fresh")

    def test_route53_zones_are_listed_in_pages(self):
        names = sorted(f"n{number}.example." for number in range(5))
        for name in reversed(names):
            self.zone(name, reference=name)
        listed, pages = self.pages(self.route53, "list_hosted_zones", "HostedZones", "2")
        self.assertEqual((sorted(zone["Name"] for zone in listed), pages), (names, 3))
        first = self.route53.list_hosted_zones_by_name(MaxItems="3")
        self.assertEqual([zone["Name"] for zone in first["HostedZones"]], names[:3])
        self.assertEqual((first["IsTruncated"], first["NextDNSName"]), (True, names[3]))
        rest = self.route53.list_hosted_zones_by_name(
            DNSName=first["NextDNSName"], HostedZoneId=first["NextHostedZoneId"]
        )
        self.assertEqual([zone["Name"] for zone in rest["HostedZones"]], names[3:])

    def test_route53_batches_are_whole_or_nothing(self):
        zone, name = self.zone(), "_spore.judged.example."
        self.in_sync(self.change(zone, ("CREATE", txt(name, "a")), Comment="first")["ChangeInfo"])
        before = self.records(zone)
        self.assertEqual(before, [txt(name, "a")])
        # In one batch a set is deleted and made anew: how the updater compares and swaps.
        self.change(zone, ("DELETE", txt(name, "a")), ("CREATE", txt(name, "b")))
        self.assertEqual(self.records(zone), [txt(name, "b")])
        for wrong in (
            [("CREATE", txt("new.judged.example.", "x")), ("CREATE", txt(name, "c"))],
            [("UPSERT", txt("new.judged.example.", "x")), ("DELETE", txt(name, "a"))],
            [("UPSERT", txt("new.judged.example.", "x")), ("DELETE", txt(name, "b", ttl=61))],
            [("CREATE", txt("elsewhere.example.", "x"))],
            [
                (
                    "CREATE",
                    {
                        "Name": "a.judged.example.",
                        "Type": "A",
                        "TTL": 60,
                        "ResourceRecords": [{"Value": "1.2.3.256"}],
                    },
                )
            ],
            [
                (
                    "CREATE",
                    {
                        "Name": "a.judged.example.",
                        "Type": "AAAA",
                        "TTL": 60,
                        "ResourceRecords": [{"Value": "::g"}],
                    },
                )
            ],
            [("CREATE", txt("a.judged.example.", "x", "x"))],
            [
                ("DELETE", record)
                for record in self.route53.list_resource_record_sets(HostedZoneId=zone)[
                    "ResourceRecordSets"
                ]
                if record["Type"] == "SOA"
            ],
        ):
            params = {
                "HostedZoneId": zone,
                "ChangeBatch": {
                    "Changes": [
                        {"Action": action, "ResourceRecordSet": record} for action, record in wrong
                    ]
                },
            }
            self.refused("InvalidChangeBatch", self.route53.change_resource_record_sets, **params)
            self.assertEqual(self.records(zone), [txt(name, "b")], wrong)
        self.change(zone, ("UPSERT", txt(name, "c", ttl=300)))
        self.assertEqual(self.records(zone), [txt(name, "c", ttl=300)])
        self.refused("HostedZoneNotEmpty", self.route53.delete_hosted_zone, Id=zone)
        self.change(zone, ("DELETE", txt(name, "c", ttl=300)))
        self.route53.delete_hosted_zone(Id=zone)

    def test_route53_records_keep_their_attributes_and_order(self):
        zone = self.zone()
        sets = [
            txt("\\052.judged.example.", "wild"),
            {
                "Name": "target.judged.example.",
                "Type": "A",
                "TTL": 1,
                "ResourceRecords": [{"Value": "192.0.2.1"}, {"Value": "192.0.2.2"}],
            },
        ]
        self.change(zone, *(("CREATE", record) for record in reversed(sets)))
        found = {record["Name"]: record for record in self.records(zone)}
        self.assertEqual(found, {record["Name"]: record for record in sets})
        for number in range(20):
            self.change(zone, ("CREATE", txt(f"n{number:02}.judged.example.", "x")))
        listed, pages = self.pages(
            self.route53, "list_resource_record_sets", "ResourceRecordSets", "4", HostedZoneId=zone
        )
        self.assertEqual((len(listed), pages), (24, 6))
        # AWS orders by the labels from the last to the first.
        order = [
            [label.encode() for label in reversed(record["Name"].split("."))] for record in listed
        ]
        self.assertEqual(order, sorted(order))
        tail = self.route53.list_resource_record_sets(
            HostedZoneId=zone, StartRecordName="n18.judged.example", MaxItems="2"
        )
        self.assertEqual(
            [record["Name"] for record in tail["ResourceRecordSets"]],
            ["n18.judged.example.", "n19.judged.example."],
        )

    def test_route53_values_have_the_form_of_their_type(self):
        zone = self.zone()

        def record(name, rtype, *values, ttl=60):
            records = [{"Value": value} for value in values]
            return {"Name": name, "Type": rtype, "TTL": ttl, "ResourceRecords": records}

        good = [
            record("mx.judged.example.", "MX", "10 mail.judged.example."),
            record("caa.judged.example.", "CAA", '0 issue "ca.example"'),
            record("_s._tcp.judged.example.", "SRV", "1 10 53 a.judged.example."),
            record("sub.judged.example.", "DS", "1 13 2 " + "AB" * 32),
            record("alias.judged.example.", "CNAME", "judged.example."),
            record("v6.judged.example.", "AAAA", "2001:db8::1"),
            txt("long.judged.example.", "x" * 255),
        ]
        self.change(zone, *(("CREATE", one) for one in good))
        found = {one["Name"]: one for one in self.records(zone)}
        self.assertEqual(found, {one["Name"]: one for one in good})
        for wrong in (
            txt("a.judged.example", "x" * 256),
            record("a.judged.example", "TXT", "not quoted"),
            record("a.judged.example", "MX", "mail.judged.example"),
            record("a.judged.example", "CAA", "ca.example"),
            record("a.judged.example", "NS", "not a name"),
            record("a.judged.example", "CNAME", "a.example", "b.example"),
            record("x" * 64 + ".judged.example", "A", "192.0.2.1"),
            record("a b.judged.example", "A", "192.0.2.1"),
            # No CNAME and no DS at the apex; nothing beside a CNAME.
            record("judged.example", "CNAME", "a.example"),
            record("judged.example", "DS", "1 13 2 " + "AB" * 32),
            record("alias.judged.example", "A", "192.0.2.1"),
            record("mx.judged.example", "CNAME", "a.example"),
        ):
            changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": wrong}]}
            self.refused(
                "InvalidChangeBatch",
                self.route53.change_resource_record_sets,
                HostedZoneId=zone,
                ChangeBatch=changes,
            )
        for wrong in (
            record("a.judged.example", "A", "192.0.2.1", ttl=2**31),
            record("a.judged.example", "A"),
            {"Name": "a.judged.example", "Type": "A", "ResourceRecords": [{"Value": "192.0.2.1"}]},
        ):
            changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": wrong}]}
            self.refused(
                "InvalidInput",
                self.client("route53", parameter_validation=False).change_resource_record_sets,
                HostedZoneId=zone,
                ChangeBatch=changes,
            )
        self.assertEqual({one["Name"] for one in self.records(zone)}, set(found))

    def test_route53_what_is_not_modelled_is_refused_by_name(self):
        zone, name = self.zone(), "heavy.judged.example."
        place = {"AWSRegion": "us-east-1"}
        for what, record in {
            "HealthCheckId": txt(name, "one", HealthCheckId="one"),
            "GeoProximityLocation": txt(
                name, "one", SetIdentifier="one", GeoProximityLocation=place
            ),
        }.items():
            changes = {"Changes": [{"Action": "CREATE", "ResourceRecordSet": record}]}
            error = self.refused(
                "NotImplemented",
                self.route53.change_resource_record_sets,
                HostedZoneId=zone,
                ChangeBatch=changes,
            )
            self.assertIn(what, error["Error"]["Message"])

    def test_route53_test_dns_answer(self):
        zone = self.zone()
        self.in_sync(self.change(zone, ("CREATE", txt("t.judged.example.", "said")))["ChangeInfo"])
        said = self.route53.test_dns_answer(
            HostedZoneId=zone, RecordName="t.judged.example", RecordType="TXT"
        )
        self.assertEqual((said["ResponseCode"], said["RecordData"]), ("NOERROR", ['"said"']))
        none = self.route53.test_dns_answer(
            HostedZoneId=zone, RecordName="no.judged.example", RecordType="TXT"
        )
        self.assertEqual((none["ResponseCode"], none["RecordData"]), ("NXDOMAIN", []))

    def test_route53_tags(self):
        zones = [
            self.zone(name, reference=name).removeprefix("/hostedzone/")
            for name in ("a.example.", "b.example.")
        ]
        asked = {"ResourceType": "hostedzone", "ResourceId": zones[0]}
        self.route53.change_tags_for_resource(
            **asked, AddTags=[{"Key": "k:1", "Value": "v <&>"}, {"Key": "gone", "Value": ""}]
        )
        self.route53.change_tags_for_resource(**asked, RemoveTagKeys=["gone"])
        self.assertEqual(
            self.route53.list_tags_for_resource(**asked)["ResourceTagSet"]["Tags"],
            [{"Key": "k:1", "Value": "v <&>"}],
        )
        many = self.route53.list_tags_for_resources(ResourceType="hostedzone", ResourceIds=zones)[
            "ResourceTagSets"
        ]
        self.assertEqual(
            {one["ResourceId"]: len(one["Tags"]) for one in many}, {zones[0]: 1, zones[1]: 0}
        )
        self.refused(
            "NoSuchHostedZone",
            self.route53.list_tags_for_resource,
            ResourceType="hostedzone",
            ResourceId="Z0",
        )

    def test_route53_delegation_sets(self):
        route53 = self.route53
        made = route53.create_reusable_delegation_set(CallerReference="set")["DelegationSet"]
        self.refused(
            "DelegationSetAlreadyCreated",
            route53.create_reusable_delegation_set,
            CallerReference="set",
        )
        self.assertEqual(
            route53.get_reusable_delegation_set(Id=made["Id"])["DelegationSet"]["NameServers"],
            made["NameServers"],
        )
        zone = route53.create_hosted_zone(
            Name="judged.example", CallerReference="1", DelegationSetId=made["Id"]
        )
        self.assertEqual(zone["DelegationSet"]["NameServers"], made["NameServers"])
        self.assertEqual(
            [one["Id"] for one in route53.list_reusable_delegation_sets()["DelegationSets"]],
            [made["Id"]],
        )
        self.refused("DelegationSetInUse", route53.delete_reusable_delegation_set, Id=made["Id"])
        route53.delete_hosted_zone(Id=zone["HostedZone"]["Id"])
        route53.delete_reusable_delegation_set(Id=made["Id"])
        self.refused("NoSuchDelegationSet", route53.get_reusable_delegation_set, Id=made["Id"])

    def test_route53_aliases_and_groups(self):
        zone = self.zone()
        bare = zone.removeprefix("/hostedzone/")
        group = [
            {
                "Name": "www.judged.example.",
                "Type": "A",
                "SetIdentifier": name,
                "Weight": weight,
                "TTL": 60,
                "ResourceRecords": [{"Value": f"192.0.2.{weight}"}],
            }
            for name, weight in (("blue", 1), ("green", 2))
        ]
        place = {
            "Name": "x.judged.example.",
            "Type": "TXT",
            "SetIdentifier": "at",
            "GeoLocation": {"ContinentCode": "EU"},
            "TTL": 60,
            "ResourceRecords": [{"Value": '"eu"'}],
        }
        alias = {
            "Name": "a.judged.example.",
            "Type": "A",
            "AliasTarget": {
                "HostedZoneId": bare,
                "DNSName": "www.judged.example.",
                "EvaluateTargetHealth": False,
            },
        }
        self.change(zone, *(("CREATE", one) for one in [*group, place, alias]))
        listed = self.records(zone)
        # The alias comes without values; botocore makes an empty list of none.
        self.assertEqual(
            [{key: value for key, value in one.items() if value != []} for one in listed],
            [alias, *group, place],
        )
        other = group[0] | {"SetIdentifier": "red", "TTL": 61}
        self.refused(
            "InvalidChangeBatch",
            self.route53.change_resource_record_sets,
            HostedZoneId=zone,
            ChangeBatch={"Changes": [{"Action": "CREATE", "ResourceRecordSet": other}]},
        )
        self.change(zone, *(("DELETE", one) for one in [*group, place, alias]))
        self.assertEqual(self.records(zone), [])

    def test_route53_what_is_not_there(self):
        self.refused("NoSuchHostedZone", self.route53.get_hosted_zone, Id="Z00000000000000000000")
        self.refused(
            "NoSuchHostedZone", self.route53.get_dnssec, HostedZoneId="Z00000000000000000000"
        )
        self.refused("NoSuchChange", self.route53.get_change, Id="C00000000000000000000")
        stranger = self.client("route53", key="999999999999")
        self.assertIn(
            self.refused_code(stranger.get_hosted_zone, Id=self.zone()),
            ("NoSuchHostedZone", "AccessDenied"),
        )

    def refused_code(self, call, **params):
        try:
            call(**params)
        except self.route53.exceptions.ClientError as error:
            return error.response["Error"]["Code"]
        return self.fail("a stranger was let in")
