"""The tagging API: one view of the tags that every service keeps."""

from .base import Case


class Tagging(Case):
    """Each test in an account of its own."""

    def setUp(self):
        super().setUp()
        self.tagging = self.client("resourcegroupstaggingapi")
        zone = self.client("route53").create_hosted_zone(
            Name="judged.example", CallerReference="1"
        )["HostedZone"]["Id"]
        self.client("logs").create_log_group(
            logGroupName="/judged", tags={"stack": "x", "own": "1"}
        )
        self.key = self.client("kms").create_key(Tags=[{"TagKey": "stack", "TagValue": "x"}])[
            "KeyMetadata"
        ]["Arn"]
        self.zone = "arn:aws:route53:::hostedzone/" + zone.removeprefix("/hostedzone/")
        self.group = f"arn:aws:logs:us-east-1:{self.account}:log-group:/judged"

    def found(self, **question):
        listed, _ = self.pages(
            self.tagging, "get_resources", "ResourceTagMappingList", 1, **question
        )
        return {
            one["ResourceARN"]: {tag["Key"]: tag["Value"] for tag in one["Tags"]} for one in listed
        }

    def test_tagging_finds_what_services_tagged(self):
        stack = [{"Key": "stack", "Values": ["x", "z"]}]
        self.assertEqual(
            self.found(TagFilters=stack),
            {self.key: {"stack": "x"}, self.group: {"stack": "x", "own": "1"}},
        )
        self.assertEqual(self.found(TagFilters=[{"Key": "stack", "Values": ["y"]}]), {})
        self.assertEqual(
            list(self.found(TagFilters=stack, ResourceTypeFilters=["kms"])), [self.key]
        )
        named = self.tagging.get_resources(ResourceARNList=[self.group])["ResourceTagMappingList"]
        self.assertEqual([one["ResourceARN"] for one in named], [self.group])
        pages = self.tagging.get_paginator("get_tag_keys").paginate()
        self.assertEqual(sorted(key for page in pages for key in page["TagKeys"]), ["own", "stack"])

    def test_tagging_changes_are_seen_by_the_services(self):
        done = self.tagging.tag_resources(
            ResourceARNList=[self.zone, self.key, self.group], Tags={"new": "1"}
        )
        self.assertEqual(done.get("FailedResourcesMap", {}), {})
        route53, name = self.client("route53"), self.zone.rsplit("/", 1)[1]
        tags = route53.list_tags_for_resource(ResourceType="hostedzone", ResourceId=name)[
            "ResourceTagSet"
        ]["Tags"]
        self.assertEqual(tags, [{"Key": "new", "Value": "1"}])
        self.assertIn(
            {"TagKey": "new", "TagValue": "1"},
            self.client("kms").list_resource_tags(KeyId=self.key)["Tags"],
        )
        self.assertEqual(
            self.client("logs").list_tags_for_resource(resourceArn=self.group)["tags"],
            {"stack": "x", "own": "1", "new": "1"},
        )
        self.tagging.untag_resources(ResourceARNList=[self.group], TagKeys=["new", "own"])
        self.assertEqual(
            self.client("logs").list_tags_for_resource(resourceArn=self.group)["tags"],
            {"stack": "x"},
        )

    def test_tagging_says_which_resource_failed(self):
        missing = f"arn:aws:logs:us-east-1:{self.account}:log-group:/never-there"
        done = self.tagging.tag_resources(ResourceARNList=[missing, self.group], Tags={"new": "1"})
        self.assertEqual(list(done["FailedResourcesMap"]), [missing])
        self.assertEqual(
            self.client("logs").list_tags_for_resource(resourceArn=self.group)["tags"]["new"], "1"
        )
        self.refused(
            "InvalidParameterException",
            self.tagging.get_resources,
            TagFilters=[{"Key": "a"}],
            ResourceARNList=[self.group],
        )

    def test_tagging_keeps_the_prefix_of_aws_and_the_limits(self):
        calls = self.client("resourcegroupstaggingapi", parameter_validation=False)
        # TagResources: 20 resources in one call at most.
        self.refused(
            "InvalidParameterException",
            calls.tag_resources,
            ResourceARNList=[f"{self.group}/{n}" for n in range(21)],
            Tags={"a": ""},
        )
        # Whether the call fails or the resource: nobody sets a key that begins with aws:.
        try:
            done = calls.tag_resources(ResourceARNList=[self.group], Tags={"aws:a": "1"})
        except calls.exceptions.ClientError as error:
            self.assertEqual(error.response["Error"]["Code"], "InvalidParameterException")
        else:
            self.assertEqual(list(done["FailedResourcesMap"]), [self.group])
        self.assertEqual(
            self.client("logs").list_tags_for_resource(resourceArn=self.group)["tags"],
            {"stack": "x", "own": "1"},
        )
