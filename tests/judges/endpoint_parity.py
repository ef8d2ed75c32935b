"""The tool at `sandbox serve` does what it does with `--sandbox`: exit codes and words are the same.

One life of a stack, with all its refusals, is led four ways: in a world of the process's own, through
AWS_ENDPOINT_URL with the key pair test/test, with the key of another account, and with `--sandbox=DIR`
while a server holds DIR. Apart from ids, keys, times and the name of the place, nothing may differ.
"""

import collections
import difflib
import json
import re
import unittest

import spore

OTHER_ACCOUNT = "966362334030"
# What differs between worlds: a name for it.
VARYING = [
    (r"ns-\d+\.awsdns-\d+\.(?:com|net|org|co\.uk)", "NS"),
    (r"\b[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}\b", "UUID"),
    (r"\bZ[0-9A-Z]{12,31}\b", "ZONE"),
    (r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d+)?Z", "TIME"),
    (r"\b\d{8}T\d{6}Z", "TIME"),
    (rf"\b(?:{spore.ACCOUNT}|{OTHER_ACCOUNT})\b", "ACCOUNT"),
    (r"(?<=DS )\d+(?= 13 )", "TAG"),
    (r"(?<=key tag )( +)\d+", r"\1TAG"),
    (r'(?<="key_tag": )\d+', "TAG"),
    # API Gateway's ids, as the tool shows them.
    (r"(?<=[ /])(?=[a-z]*[0-9])(?=[0-9]*[a-z])[a-z0-9]{10}(?![a-z0-9.-])", "API"),
    (r"\b[0-9A-F]{64}(?:[0-9A-F]{32})?\b", "DIGEST"),
    (r"[A-Za-z0-9+/]{86}==", "KEY"),
    (r'(?<="digest": ")[0-9a-f]{16,64}', "PLAN"),
    (r"\bafter (?:\d+ (?:d|h|min|s)\b ?)+", "after a while"),
    (r"\((?:sandbox|simulated AWS at \S+|sandbox served at \S+)\)", "(PLACE)"),
]


def normal(text):
    """Text without what varies."""
    for pattern, name in VARYING:
        text = re.sub(pattern, name, text)
    return text


# What AWS answers to an operation that comes too soon, at an address; only a world whose clock jumps
# from wait to wait meets these, because the served one has moved on meanwhile. A closed list: any
# other error that only one of the worlds answers is a difference.
TOO_SOON = re.compile(
    r"^(?P<address>[^:]+): (?:"
    # IAM's new role is not yet seen by Lambda.
    r"lambda:CreateFunction: InvalidParameterValueException: "
    r"The role defined for the function cannot be assumed by Lambda\."
    # A bucket of requests is empty.
    r"|\w+:\w+: (?:ThrottlingException|Throttling|TooManyRequestsException): Rate exceeded"
    r"); trying again$"
)


def told(text):
    """Progress without its order, which is concurrent, and without what a fast world spares: waits
    and the attempts that came too soon.

    An attempt made again is told again, so that each such error accounts for one line of its address:
    the number of the lines without these is told as well.
    """
    lines = [line for line in normal(text).splitlines() if " waits: " not in line]
    again = [found["address"] for line in lines if (found := TOO_SOON.match(line))]
    lines = [line for line in lines if not TOO_SOON.match(line)]
    counted = collections.Counter(line.partition(": ")[0] for line in lines)
    counted.subtract(again)
    return sorted(set(lines)) + [f"{address}: {n} told" for address, n in sorted(counted.items())]


class Life:
    """Leads a stack's life and notes each command's end."""

    def __init__(self, place, flags, env, account=spore.ACCOUNT, sandbox=None):
        self.place, self.flags, self.env, self.sandbox = place, flags, env, sandbox
        # Named as seen from the folder, so that the words are the same wherever the folder is.
        self.document = place.document("parity.example.edu", account).name
        self.noted = []

    def run(self, *args):
        result = self.place.run(*args, *self.flags, **self.env)
        shown = [str(arg) for arg in args if arg != self.document]
        self.noted.append((" ".join(shown), result.exit, normal(result.out), told(result.err)))
        return result

    def registrar(self, *args):
        self.place.run("sandbox", "registrar", *args, f"--sandbox={self.sandbox}").expect(0)

    def lead(self):
        document = self.document
        self.run("ds", document)
        self.run("plan", document, "--detailed-exitcode")
        self.run("plan", document, "--json")
        self.run("apply", document)
        self.run("apply", document, "--yes")
        self.run("plan", document, "--detailed-exitcode")
        self.run("apply", document, "--yes")
        for form in ("text", "bind", "json"):
            result = self.run("ds", document, "--format", form)
        ds = json.loads(result.expect(0).out)["ds"][0]
        self.registrar("delegate", "parity.example.edu")
        self.registrar("ds", "parity.example.edu", f"{ds['key_tag']} 13 2 {ds['digest']}")
        self.run("plan", document)
        self.run("destroy", document, "--yes")
        self.registrar("withdraw", "parity.example.edu")
        self.end()
        self.run("destroy", document, "--yes")
        self.run("plan", document, "--detailed-exitcode")
        return self.noted

    def end(self):
        """Destroys a zone that was vouched for. In one world the hold-down costs nothing, in the others
        hours pass between two runs."""
        command = ["destroy", self.document, "--yes", *self.flags]
        result = self.place.run(*command, **self.env)
        for _ in range(4):
            if result.exit == 3:
                self.place.run("sandbox", "advance", "2h", f"--sandbox={self.sandbox}").expect(0)
                result = self.place.run(*command, **self.env)
        result.expect(0)


class Parity(unittest.TestCase):
    """Each way against the process's own world."""

    # The unified difference says it better.
    longMessage = False

    @classmethod
    def setUpClass(cls):
        place = spore.Place()
        cls.addClassCleanup(place.close)
        world = place.dir / "world"
        cls.own = Life(place, [f"--sandbox={world}"], {}, sandbox=world).lead()

    def same(self, noted, hide=r"(?!)"):
        """Fails unless both lives were the same; what `hide` matches may differ."""
        self.assertEqual(len(noted), len(self.own))
        for (command, code, out, err), (_, own_code, own_out, own_err) in zip(
            noted, self.own, strict=True
        ):
            self.assertEqual(code, own_code, f"{command}: {err}")
            for theirs, ours in ((out.splitlines(), own_out.splitlines()), (err, own_err)):
                theirs, ours = (
                    [re.sub(hide, "HIDDEN", line) for line in lines] for lines in (theirs, ours)
                )
                differing = difflib.unified_diff(
                    ours, theirs, "--sandbox", "here", lineterm="", n=1
                )
                self.assertEqual(theirs, ours, f"{command}\n" + "\n".join(differing))

    def served(self, flags, env, account=spore.ACCOUNT):
        with spore.serving(SPORE_RECORD="record.jsonl") as (place, server):
            world = place.dir / "world"
            filled = [flag.format(world=world) for flag in flags]
            noted = Life(place, filled, env(server), account, sandbox=world).lead()
            return noted, spore.record(place.dir / "record.jsonl")

    def test_the_life_was_led(self):
        exits = [(command, code) for command, code, *_ in self.own]
        self.assertEqual(
            [code for _, code in exits],
            [1, 2, 0, 1, 0, 0, 0, 0, 0, 0, 0, 4, 0, 2],
            exits,
        )

    def test_endpoint_with_the_test_keys(self):
        noted, lines = self.served([], lambda server: server.env("test", "test"))
        self.same(noted)
        self.assertEqual({line["account"] for line in lines}, {spore.ACCOUNT})

    def test_endpoint_with_the_key_of_another_account(self):
        noted, lines = self.served([], lambda server: server.env(OTHER_ACCOUNT), OTHER_ACCOUNT)
        # Digests of what names the account: of steps, and of the API's definition.
        self.same(noted, hide=r"\b[0-9a-f]{64}\b|(?<= )\"?[0-9a-f]{16}\"?(?=,?$)")
        self.assertEqual({line["account"] for line in lines}, {OTHER_ACCOUNT})

    def test_folder_held_by_a_server(self):
        noted, lines = self.served(["--sandbox={world}"], lambda server: {})
        self.same(noted)
        self.assertIn("route53:CreateHostedZone", spore.writes(lines), "the server was not asked")
        self.assertIn("route53:DeleteHostedZone", spore.writes(lines))

    def test_an_endpoint_with_the_wrong_account_is_left_alone(self):
        with spore.serving(SPORE_RECORD="record.jsonl") as (place, server):
            document = place.document("parity.example.edu", OTHER_ACCOUNT)
            for command in (["plan"], ["apply", "--yes"], ["destroy", "--yes"], ["ds"]):
                result = place.run(
                    command[0], document, *command[1:], **server.env("test", "test")
                ).expect(1)
                self.assertIn(spore.ACCOUNT, result.err)
                self.assertIn(OTHER_ACCOUNT, result.err)
                self.assertEqual(result.out, "")
            self.assertEqual(spore.writes(spore.record(place.dir / "record.jsonl")), [])

    def test_an_endpoint_of_a_profile(self):
        """It counts as the variable does, for DNS as well: the parent is asked in the served world."""
        with spore.serving() as (place, server):
            document = place.document("parity.example.edu")
            config = place.dir / "aws-config"
            config.write_text(
                "[profile here]\naws_access_key_id = test\naws_secret_access_key = test\n"
                f"endpoint_url = {server.url}\n"
            )
            env = {"AWS_CONFIG_FILE": str(config), "AWS_PROFILE": "here"}
            result = place.run("apply", document, "--yes", **env).expect(0)
            self.assertIn(f"(simulated AWS at {server.url})", result.err)
            self.assertIn("have example.edu delegate parity.example.edu to ", result.err)
            config.write_text(config.read_text().replace(server.url, "here"))
            result = place.run("plan", document, **env).expect(1)
            self.assertIn("endpoint `here`", result.err)

    def test_an_endpoint_where_nobody_answers(self):
        place = spore.Place()
        self.addCleanup(place.close)
        document = place.document("parity.example.edu")
        # Port 9 is discard's; nothing listens there on a machine that can run this.
        env = {
            "AWS_ENDPOINT_URL": "http://127.0.0.1:9",
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
        }
        result = place.run("apply", document, "--yes", **env).expect(1)
        self.assertIn("could not be reached", result.err)


if __name__ == "__main__":
    spore.main()
