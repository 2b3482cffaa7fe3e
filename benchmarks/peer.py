"""Simple spread for a million steps, cold: our commands and JaxMARL's own scripts, in turn on the same cores.

JaxMARL publishes its learners as scripts of its repository, not in its package. With a checkout of that, and
hydra-core, omegaconf, flax, flashbax and wandb beside qflock in one environment:

    python -m benchmarks --peer CHECKOUT

Each learner is a process of its own that compiles everything. JaxMARL's has its published configuration, cut
to a million steps; ours has its preset, and also plays references and draws pictures.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from benchmarks import startup

SCRIPTS = Path("baselines", "QLearning")
LEARNERS = ("vdn", "qmix")
ASKED = 0.5
"""Of the peer's time, at most."""


def benchmark(checkout: Path, quick: bool = False) -> dict[str, Any]:
    """Seconds of whole commands, each three times or once, and the ratio of their sums.

    Raises:
        RuntimeError: a command failed.
    """
    return {"asked_ratio": ASKED, **{name: _learner(checkout, name, 1 if quick else 3) for name in LEARNERS}}


def _learner(checkout: Path, name: str, times: int) -> dict[str, Any]:
    theirs, ours = [], []
    task = (name, "--env", "jaxmarl:MPE_simple_spread_v3")
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            place = Path(folder)
            theirs.append(_script(checkout, name, place))
            ours.append(startup.start(place / "run", place / "cache", (), task)["whole_command_seconds"])
    return {
        "jaxmarl_seconds": [round(x, 1) for x in theirs],
        "qflock_seconds": [round(x, 1) for x in ours],
        "ratio": round(sum(ours) / sum(theirs), 3),
    }


def _script(checkout: Path, name: str, place: Path) -> float:
    """Seconds of JaxMARL's script, which writes into ``place``."""
    script = [sys.executable, str(checkout / SCRIPTS / f"{name}_rnn.py"), "+alg=ql_rnn_mpe"]
    settings = ["alg.TOTAL_TIMESTEPS=1e6", f"SAVE_PATH={place}", f"hydra.run.dir={place}"]
    environment = {**os.environ, "PYTHONPATH": str(checkout)}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    began = time.perf_counter()
    done = subprocess.run([*script, *settings], env=environment, capture_output=True, text=True)
    if done.returncode:
        raise RuntimeError(f"{script[1]} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - began
