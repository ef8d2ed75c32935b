"""The README's two commands, as they stand there.

The first is run twice in a folder that has nothing but the stack documents: it applies and prints the
DS record; run again, it makes no write call. The second is the script that runs this judge.
"""

import os
import re
import shutil
import subprocess
import sys
import unittest

import spore


def commands(heading):
    """The commands of the first `sh` block under a heading."""
    readme = (spore.ROOT / "README.md").read_text()
    found = re.search(rf"^#+ {heading}\b.*?^```sh\n(.*?)^```", readme, re.M | re.S)
    if found is None:
        raise AssertionError(f"README.md has no ```sh block under {heading!r}")
    lines = found[1].strip().splitlines()
    return [line for line in lines if line and not line.startswith("#")]


class Readme(unittest.TestCase):
    """What a newcomer types."""

    def setUp(self):
        self.place = spore.Place()
        self.addCleanup(self.place.close)
        shutil.copytree(spore.ROOT / "plans", self.place.dir / "plans")
        # rustup and cargo look here for what they are to use, not where the sources are.
        shutil.copy(spore.ROOT / "rust-toolchain.toml", self.place.dir)
        if (spore.ROOT / ".cargo").is_dir():
            shutil.copytree(spore.ROOT / ".cargo", self.place.dir / ".cargo")
        # `cargo run` runs where it is called; the sources stay where they are built already.
        shim = self.place.dir / "bin" / "cargo"
        shim.parent.mkdir()
        cargo = shutil.which("cargo")
        shim.write_text(
            f"""#!/bin/sh
verb=$1
shift
exec "{cargo}" "$verb" --manifest-path "{spore.ROOT}/Cargo.toml" "$@"
"""
        )
        shim.chmod(0o755)

    def typed(self, command, record):
        home = os.path.expanduser("~")
        env = self.place.env(
            SPORE_RECORD=record,
            CARGO_HOME=os.environ.get("CARGO_HOME", f"{home}/.cargo"),
            RUSTUP_HOME=os.environ.get("RUSTUP_HOME", f"{home}/.rustup"),
            CARGO_TARGET_DIR=spore.ROOT / os.environ.get("CARGO_TARGET_DIR", "target"),
        )
        env |= {name: os.environ[name] for name in ("CARGO_INCREMENTAL",) if name in os.environ}
        env["PATH"] = f"{self.place.dir / 'bin'}:{env['PATH']}"
        # It may have to build, if only one judge is run.
        done = subprocess.run(
            ["bash", "-euc", command],
            cwd=self.place.dir,
            env=env,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            timeout=1500,
        )
        self.assertEqual(done.returncode, 0, f"{command}\n{done.stdout}{done.stderr}")
        return done.stdout

    def test_try_it_applies_and_again_writes_nothing(self):
        (command,) = commands("Try it")
        self.assertIn("--sandbox", command)
        first = self.typed(command, self.place.dir / "first.jsonl")
        printed = re.search(r"^(\S+)\. 300 IN DS \d+ 13 2 [0-9A-F]{64}$", first, re.M)
        self.assertTrue(printed, first)
        self.assertNotEqual(spore.writes(spore.record(self.place.dir / "first.jsonl")), [])
        # At once, while AWS's lists do not yet show what was made, and when they do.
        for name in ("second", "third"):
            record = self.place.dir / f"{name}.jsonl"
            said = self.typed(command, record)
            self.assertGreater(len(spore.record(record)), 0, "nothing was recorded")
            self.assertEqual(spore.writes(spore.record(record)), [], f"{name} run")
            self.assertFalse([line for line in spore.record(record) if line["wrote"]])
            self.assertIn(printed[0], said)
            self.assertIn("No changes.", said)
            self.place.run("sandbox", "advance", "1h", "--sandbox").expect(0)

    def test_what_serve_prints_leads_boto3_there(self):
        with spore.serving() as (place, server):
            asked = "import boto3; print(boto3.client('sts').get_caller_identity()['Account'])"
            done = subprocess.run(
                ["bash", "-euc", f"{server.said}\n{sys.executable} -c \"{asked}\""],
                cwd=place.dir,
                env=place.env(),
                stdin=subprocess.DEVNULL,
                capture_output=True,
                text=True,
                timeout=spore.PATIENCE_SECS,
            )
        self.assertEqual((done.stdout.strip(), done.returncode), (spore.ACCOUNT, 0), done.stderr)

    def test_what_is_built_alone_is_what_the_workspace_is_built_with(self):
        # A feature that only a test asks for would have every crate above it compiled twice.
        def crates(*which):
            tree = subprocess.run(
                ["cargo", "tree", "--locked", "--prefix=none", "--format={p} [{f}]", *which],
                cwd=spore.ROOT,
                capture_output=True,
                text=True,
                check=True,
            )
            return {line.removesuffix(" (*)") for line in tree.stdout.splitlines()}

        alone = crates("--package=spore-infra", "--edges=normal,build")
        self.assertGreater(len(alone), 100)
        self.assertEqual(alone - crates("--workspace", "--edges=normal,build,dev"), set())

    def test_test_it_is_the_script_that_runs_this(self):
        self.assertEqual(commands("Test it"), ["tests/run"])
        self.assertTrue(os.access(spore.ROOT / "tests" / "run", os.X_OK))


if __name__ == "__main__":
    spore.main()
