"""Record golden runs anew: ``python -m tests.golden_runs.record [NAMES]``, all of them without names.

Allowed in three cases only, and never to make a red test green without knowing why it is red:

- a case is new, or its command line has changed on purpose: record it, and no other;
- a change of what an algorithm computes is meant: record the cases that notice it, and name them and the
  change in the commit's message;
- the records are of another processor or of other versions of JAX, and one wants bits compared here: first
  see the old records hold on unchanged sources (to 1e-5), then record all, in a commit of its own.
"""

from __future__ import annotations

import argparse
import os
import tempfile
import time
from pathlib import Path

from tests.golden_runs import comparison
from tests.golden_runs.cases import CASES
from tests.golden_runs.trainer import Trainer, fingerprint


def record(names: list[str]) -> None:
    """Train cases and keep what they leave in the place of their records."""
    with tempfile.TemporaryDirectory() as made:
        os.environ.setdefault("QFLOCK_CACHE", str(Path(made) / "cache"))
        with Trainer(Path(made)) as trainer:
            for name in names:
                began = time.monotonic()
                comparison.write(name, comparison.read(trainer.train(name)), fingerprint())
                print(f"{name:28}{time.monotonic() - began:6.1f} s", flush=True)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m tests.golden_runs.record", description="Record anew.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="cases; all if none is named")
    chosen = parser.parse_args().names
    if unknown := sorted(set(chosen) - set(CASES)):
        parser.error(f"no golden run {unknown[0]}; there are: {', '.join(CASES)}")
    record(chosen or list(CASES))
