"""What botocore writes the sandbox reads: random input for every operation, over its own protocol.

The judge itself is `sandbox/shapes/judge.py`; here it gets a server and several seeds.
"""

import subprocess
import sys
import unittest

import spore

SEEDS = (1, 2, 3)


class Codec(unittest.TestCase):
    def test_every_operation_is_read_as_it_was_sent(self):
        judge = spore.ROOT / "sandbox" / "shapes" / "judge.py"
        for seed in SEEDS:
            place = spore.Place()
            self.addCleanup(place.close)
            record = place.dir / "record.jsonl"
            world = place.dir / "world"
            server = spore.Server(place, world, "--profile", "instant", SPORE_RECORD=record)
            try:
                done = subprocess.run(
                    [sys.executable, judge, server.url, record, str(seed)],
                    capture_output=True,
                    text=True,
                    timeout=spore.PATIENCE_SECS,
                )
            finally:
                server.stop()
            with self.subTest(seed=seed):
                self.assertEqual(done.returncode, 0, done.stdout + done.stderr)
                # A judge that was sent nothing, or skipped everything, has judged nothing.
                counts = done.stdout.replace(",", "").split()
                sent, judged = [int(word) for word in counts if word.isdigit()][:2]
                self.assertGreater(judged, 300)
                self.assertGreaterEqual(sent, judged)


if __name__ == "__main__":
    spore.main()
