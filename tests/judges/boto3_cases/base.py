"""One served world for all cases, an account of its own for each, and who answered what."""

import itertools
import unittest

from botocore.exceptions import ClientError

import spore

# Every operation that was answered with success, as service:Operation.
ANSWERED = set()


class World:
    """The server all cases share; it is started by the first and stopped by the judge."""

    place = server = serving = None

    @classmethod
    def start(cls):
        if cls.server is None:
            # `fast`, so that changes are seen PENDING before they are INSYNC.
            cls.serving = spore.serving("--profile", "fast")
            cls.place, cls.server = cls.serving.__enter__()

    @classmethod
    def stop(cls):
        if cls.server is not None:
            cls.server = None
            cls.serving.__exit__(None, None, None)


def answered(http_response, model, **_):
    if http_response.status_code < 300:
        ANSWERED.add(f"{model.service_model.service_name}:{model.name}")


def watched(client):
    """A client whose answered operations are noted."""
    client.meta.events.register("after-call", answered)
    return client


class Case(unittest.TestCase):
    """A test in an account where nothing is yet."""

    accounts = itertools.count(200_000_000_001)

    def setUp(self):
        World.start()
        self.account = str(next(self.accounts))

    def client(self, service, **options):
        """A client of this test's account."""
        options = {"key": self.account} | options
        return watched(World.server.client(service, **options))

    def refused(self, code, call, **params):
        """Fails unless AWS's error code comes back; the error."""
        with self.assertRaises(ClientError) as caught:
            call(**params)
        error = caught.exception.response
        self.assertEqual(error["Error"]["Code"], code, error)
        self.assertGreaterEqual(error["ResponseMetadata"]["HTTPStatusCode"], 400)
        return error

    def command(self, *args):
        """`spore-infra sandbox ARGS` at the served world."""
        sandbox = f"--sandbox={World.place.dir / 'world'}"
        return World.place.run("sandbox", *args, sandbox).expect(0).out

    def now(self):
        """The world's time, in seconds: STS says when a session of 15 minutes ends."""
        made = self.client("sts").get_session_token(DurationSeconds=900)["Credentials"]
        return int(made["Expiration"].timestamp()) - 900

    def pages(self, client, operation, key, size, **params):
        """What a paginator collects, and from how many pages."""
        pages = list(
            client.get_paginator(operation).paginate(**params, PaginationConfig={"PageSize": size})
        )
        return [item for page in pages for item in page[key]], len(pages)
