"""What the judges share: the real binary, its sandbox server, and how results are told.

Nothing here knows what is right. The binary runs as a user would run it, in a folder and a home of
its own, with no credentials or settings of whoever runs the judges.
"""

import contextlib
import json
import os
import pathlib
import re
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
import unittest
import urllib.request

ROOT = pathlib.Path(__file__).resolve().parents[2]
ACCOUNT = "123456789012"
REGION = "us-east-1"
# Longer than any command takes on a busy machine; a command that needs longer hangs.
PATIENCE_SECS = 240


def binary():
    """The binary under judgement; older than its sources, it would be judged for another's deeds."""
    named = os.environ.get("SPORE_INFRA_BIN")
    if named:
        return pathlib.Path(named).resolve()
    target = pathlib.Path(os.environ.get("CARGO_TARGET_DIR", "target"))
    path = ROOT / target / "release" / "spore-infra"
    if not path.exists():
        sys.exit(f"{path} is missing; build it with: cargo build --release")
    listed = path.with_suffix(".d").read_text().split(": ", 1)[1]
    sources = [source.replace("\\ ", " ") for source in re.split(r"(?<!\\)\s+", listed.strip())]
    built = path.stat().st_mtime
    for source in map(pathlib.Path, sources):
        if not source.exists() or source.stat().st_mtime > built:
            sys.exit(f"{path} is older than {source}; build it with: cargo build --release")
    return path


BINARY = binary()


class Result:
    """How a command ended."""

    def __init__(self, args, exit_code, out, err):
        self.args, self.exit, self.out, self.err = args, exit_code, out, err

    def __str__(self):
        command = " ".join(map(str, self.args))
        return f"{command}\nexit {self.exit}\n--- stdout\n{self.out}\n--- stderr\n{self.err}"

    def expect(self, exit_code):
        """Fails unless the command ended with this exit code."""
        if self.exit != exit_code:
            raise AssertionError(f"exit {exit_code} was expected\n{self}")
        return self


class Place:
    """A folder of its own to run the binary in."""

    def __init__(self):
        self.dir = pathlib.Path(tempfile.mkdtemp(prefix="spore-judge-"))
        self.home = self.dir / "home"
        self.home.mkdir()

    def close(self):
        shutil.rmtree(self.dir, ignore_errors=True)

    def env(self, **more):
        """The environment of a command: nothing of ours but what finds programs and the updater."""
        names = ("PATH", "TMPDIR", "LANG", "SPORE_UPDATER_ZIP")
        kept = {name: os.environ[name] for name in names if name in os.environ}
        kept |= {
            "HOME": str(self.home),
            "NO_COLOR": "1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": str(self.home / "none"),
            "AWS_SHARED_CREDENTIALS_FILE": str(self.home / "none"),
        }
        return kept | {name: str(value) for name, value in more.items()}

    def document(self, domain, account=ACCOUNT, more=""):
        """Writes a stack document."""
        path = self.dir / f"{domain}.toml"
        path.write_text(f'version = 1\ndomain = "{domain}"\naccount = "{account}"\n{more}')
        return path

    def run(self, *args, **env):
        """Runs the binary to its end."""
        done = subprocess.run(
            [BINARY, *map(str, args)],
            cwd=self.dir,
            env=self.env(**env),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=PATIENCE_SECS,
        )
        return Result(("spore-infra", *args), done.returncode, done.stdout, done.stderr)


class Server:
    """`sandbox serve` on a free port; told to stop with SIGTERM, it must end with 0."""

    def __init__(self, place, sandbox, *args, **env):
        self.place, self.sandbox = place, sandbox
        self.process = subprocess.Popen(
            [BINARY, "sandbox", "serve", "--listen", "127.0.0.1:0", f"--sandbox={sandbox}", *args],
            cwd=place.dir,
            env=place.env(**env),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        # A server that says nothing must not hang the judge.
        watchdog = threading.Timer(PATIENCE_SECS, self.process.kill)
        watchdog.start()
        said = ""
        self.url = None
        for line in self.process.stdout:
            said += line
            if found := re.search(r"^export AWS_ENDPOINT_URL=(http://\S+)$", said, re.M):
                self.url = found[1]
            if "AWS_ACCESS_KEY_ID" in line:
                break
        watchdog.cancel()
        self.said = said
        if self.url is None:
            _, err = self.process.communicate(timeout=PATIENCE_SECS)
            raise AssertionError(f"the server did not say where it listens: {said}{err}")

    def stop(self):
        """Stops it; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.communicate(timeout=30)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.communicate()
            raise AssertionError("the server did not stop within 30 s of SIGTERM") from None
        return self.process.returncode

    def env(self, key=ACCOUNT, secret="test"):
        """The environment that leads the AWS SDKs here."""
        return {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_ACCESS_KEY_ID": key,
            "AWS_SECRET_ACCESS_KEY": secret,
            "AWS_REGION": REGION,
        }

    def client(self, service, key="test", secret="test", token=None, region=REGION, **config):
        """A boto3 client that does not try again by itself."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            service,
            endpoint_url=self.url,
            region_name=region,
            aws_access_key_id=key,
            aws_secret_access_key=secret,
            aws_session_token=token,
            config=Config(retries={"total_max_attempts": 1}, **config),
        )


@contextlib.contextmanager
def ministack(**env):
    """ministack, an emulator of AWS by others, on a port of its own; its URL."""
    place = Place()
    try:
        for _ in range(5):
            with socket.socket() as free:
                free.bind(("127.0.0.1", 0))
                port = free.getsockname()[1]
            process = subprocess.Popen(
                [sys.executable, "-m", "ministack"],
                cwd=place.dir,
                env=place.env(GATEWAY_PORT=port, EDGE_PORT=port, HOST="127.0.0.1", **env),
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            url = f"http://127.0.0.1:{port}"
            end = time.monotonic() + PATIENCE_SECS
            # Somebody else may have taken the port meanwhile: then it ends, and another one is tried.
            while process.poll() is None and time.monotonic() < end:
                try:
                    urllib.request.urlopen(f"{url}/_ministack/health", timeout=5).close()
                except OSError:
                    time.sleep(0.2)
                    continue
                try:
                    yield url
                finally:
                    process.terminate()
                    process.wait(timeout=30)
                return
            process.kill()
            process.wait()
        raise AssertionError("ministack does not start")
    finally:
        place.close()


@contextlib.contextmanager
def serving(*args, **env):
    """A place with a server of a new world."""
    place = Place()
    try:
        server = Server(place, place.dir / "world", *args, **env)
        try:
            yield place, server
        finally:
            code = server.stop()
        if code != 0:
            raise AssertionError(f"the server ended with {code} on SIGTERM")
    finally:
        place.close()


def record(path):
    """The requests that the sandbox recorded."""
    path = pathlib.Path(path)
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


# What an AWS operation of these names does is only reading; everything else counts as a write.
READS = ("Get", "List", "Describe", "Filter", "Test")


def is_write(line):
    """Whether a recorded request asks for a change, by its name and not by the sandbox's opinion."""
    return not line["operation"].startswith(READS)


def writes(lines):
    """The writes among requests, as service:Operation."""
    return [f"{line['service']}:{line['operation']}" for line in lines if is_write(line)]


class Told(unittest.TestResult):
    """One line for each test."""

    def __init__(self):
        super().__init__()
        self.passed = 0
        self.started = 0.0

    def startTest(self, test):
        super().startTest(test)
        self.started = time.monotonic()

    def tell(self, word, test, more=""):
        name = getattr(test, "_testMethodName", str(test)).removeprefix("test_").replace("_", " ")
        spent = time.monotonic() - self.started
        print(f"  {word:4} {name}{more} ({spent:.1f} s)", flush=True)

    def addSuccess(self, test):
        self.passed += 1
        self.tell("ok", test)

    def addFailure(self, test, err):
        super().addFailure(test, err)
        self.tell("FAIL", test)
        print(self.failures[-1][1])

    def addError(self, test, err):
        super().addError(test, err)
        self.tell("FAIL", test)
        print(self.errors[-1][1])

    def addSkip(self, test, reason):
        super().addSkip(test, reason)
        self.tell("skip", test, f": {reason}")

    def addSubTest(self, test, subtest, err):
        super().addSubTest(test, subtest, err)
        if err is not None:
            print(f"  FAIL {subtest}\n{self._exc_info_to_string(err, test)}")


def main():
    """Runs the tests of the calling judge; the last line is what `tests/run` adds up."""
    chosen = sys.argv[1:] or None
    loader = unittest.TestLoader()
    if chosen:
        loader.testNamePatterns = [f"*{name}*" for name in chosen]
    told = Told()
    loader.loadTestsFromModule(sys.modules["__main__"]).run(told)
    failed = len(told.failures) + len(told.errors)
    if told.passed + failed + len(told.skipped) == 0:
        print("  FAIL no test was run")
        failed = 1
    print(f"judged: {told.passed} passed, {failed} failed, {len(told.skipped)} skipped")
    sys.exit(1 if failed else 0)
