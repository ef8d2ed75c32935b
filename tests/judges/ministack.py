"""The same binary on ministack, an AWS that others wrote: applies, finds nothing to do, destroys.

ministack has no DNSSEC, no query logging and no DNS. The document asks for neither of the first two; what
the tool only reads of them is answered here as AWS answers where there is nothing, and DNS comes from the
sandbox. Nothing else is put between. Where ministack itself deviates, the call is listed below, and the
plan has to show exactly that and nothing more.
"""

import http.server
import json
import threading
import unittest
import urllib.error
import urllib.request

import spore

DOMAIN = "spore.example.edu"
ACCOUNT = "000000000000"
NAMESPACE = "https://route53.amazonaws.com/doc/2013-04-01/"
ABSENT = {
    "dnssec": f"""<GetDNSSECResponse xmlns="{NAMESPACE}"><Status><ServeSignature>NOT_SIGNING</ServeSignature>\
</Status><KeySigningKeys/></GetDNSSECResponse>""",
    "queryloggingconfig": f"""<ListQueryLoggingConfigsResponse xmlns="{NAMESPACE}"><QueryLoggingConfigs/>\
</ListQueryLoggingConfigsResponse>""",
}
# What ministack 1.5.33 does not keep as it was written, and the call that shows it.
DEVIATIONS = {
    "endpoint.access-mode": "apigateway:CreateRestApi drops endpointAccessMode",
    "security-policy": "apigateway:CreateRestApi drops securityPolicy",
    "method./update-dns.POST.operation-name": "apigateway:GetMethod has an empty operationName",
}


class Front(http.server.BaseHTTPRequestHandler):
    """Passes everything on but what ministack lacks."""

    protocol_version = "HTTP/1.1"
    aws = sandbox = None

    def handle_any(self):
        length = int(self.headers.get("content-length", 0))
        body = self.rfile.read(length)
        path = self.path.split("?")[0]
        if self.command == "GET" and path.startswith("/2013-04-01/"):
            if (answer := ABSENT.get(path.rsplit("/", 1)[1])) is not None:
                self.answer(200, {"content-type": "text/xml"}, answer.encode())
                return
        base = self.sandbox if path.startswith("/_spore/") else self.aws
        drop = ("host", "connection", "content-length")
        headers = {name: value for name, value in self.headers.items() if name.lower() not in drop}
        request = urllib.request.Request(
            base + self.path, data=body or None, headers=headers, method=self.command
        )
        try:
            with urllib.request.urlopen(request, timeout=60) as given:
                self.answer(given.status, given.headers, given.read())
        except urllib.error.HTTPError as error:
            self.answer(error.code, error.headers, error.read())

    do_GET = do_POST = do_PUT = do_PATCH = do_DELETE = do_HEAD = handle_any

    def answer(self, status, headers, body):
        self.send_response(status)
        for name, value in headers.items():
            if name.lower() not in ("content-length", "transfer-encoding", "connection", "date"):
                self.send_header(name, value)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(body)

    def log_message(self, *_):
        pass


class Ministack(unittest.TestCase):
    """The stack's whole life but for DNSSEC."""

    def setUp(self):
        aws = self.enterContext(spore.ministack())
        place, server = self.enterContext(spore.serving())
        self.place = place
        front = type("To", (Front,), {"aws": aws, "sandbox": server.url})
        proxy = http.server.ThreadingHTTPServer(("127.0.0.1", 0), front)
        threading.Thread(target=proxy.serve_forever, daemon=True).start()
        self.addCleanup(proxy.server_close)
        self.addCleanup(proxy.shutdown)
        self.url = f"http://127.0.0.1:{proxy.server_port}"
        self.document = place.document(DOMAIN, ACCOUNT, "[dnssec]\nenabled = false\n")

    def tool(self, *args, code=0):
        env = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": ACCOUNT,
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_REGION": spore.REGION,
        }
        return self.place.run(args[0], self.document, *args[1:], **env).expect(code)

    def client(self, service):
        import boto3

        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=spore.REGION,
            aws_access_key_id=ACCOUNT,
            aws_secret_access_key="test",
        )

    def changed(self):
        """Attributes that a plan would change, by resource."""
        plan = json.loads(self.tool("plan", "--json").out)
        return {
            (change["address"], field["name"])
            for change in plan["changes"]
            for field in change["fields"]
        }

    def test_applies_and_finds_nothing_to_do_and_destroys(self):
        # What it does not keep is still to be done.
        self.tool("apply", "--yes", code=3)
        self.assertEqual(self.changed(), {("rest_api/updater", name) for name in DEVIATIONS})
        zones = self.client("route53").list_hosted_zones()["HostedZones"]
        self.assertEqual([zone["Name"] for zone in zones], [f"{DOMAIN}."])
        functions = self.client("lambda").list_functions()["Functions"]
        self.assertEqual(len(functions), 1)
        self.assertEqual(len(self.client("apigateway").get_rest_apis()["items"]), 1)
        alarms = self.client("cloudwatch").describe_alarms()["MetricAlarms"]
        self.assertGreater(len(alarms), 3)

        self.tool("destroy", "--yes", "--delete-logs")
        self.assertEqual(self.client("route53").list_hosted_zones()["HostedZones"], [])
        self.assertEqual(self.client("lambda").list_functions()["Functions"], [])
        self.assertEqual(self.client("apigateway").get_rest_apis()["items"], [])
        self.assertEqual(self.client("cloudwatch").describe_alarms()["MetricAlarms"], [])
        self.assertEqual(self.client("logs").describe_log_groups()["logGroups"], [])
        roles = self.client("iam").list_roles()["Roles"]
        # The account's logging role is shared with other APIs, and is left and named.
        self.assertEqual([role["RoleName"] for role in roles], ["spore-infra-api-logs"])
        # A used caller reference and names that come back are no obstacle.
        self.tool("apply", "--yes", code=3)


if __name__ == "__main__":
    spore.main()
