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
    for _ in range(times):
        with tempfile.TemporaryDirectory() as folder:
            script = (str(checkout / SCRIPTS / f"{name}_rnn.py"), "+alg=ql_rnn_mpe")
            shorter = ("alg.TOTAL_TIMESTEPS=1e6", f"SAVE_PATH={folder}", f"hydra.run.dir={folder}")
            theirs.append(_seconds(checkout, {"PYTHONPATH": str(checkout)}, *script, *shorter))
            run = ("--run_dir", f"{folder}/run", "--quiet")
            task = ("train", name, "--env", "jaxmarl:MPE_simple_spread_v3")
            cache = {"QFLOCK_CACHE": f"{folder}/cache"}
            ours.append(_seconds(Path(folder), cache, "-m", "qflock", *task, *run))
    return {
        "jaxmarl_seconds": [round(x, 1) for x in theirs],
        "qflock_seconds": [round(x, 1) for x in ours],
        "ratio": round(sum(ours) / sum(theirs), 3),
    }


def _seconds(where: Path, more: dict[str, str], *command: str) -> float:
    environment = {**os.environ, **more}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    began = time.perf_counter()
    done = subprocess.run(
        [sys.executable, *command], cwd=where, env=environment, capture_output=True, text=True
    )
    if done.returncode:
        raise RuntimeError(f"{' '.join(command)} failed:\n{done.stderr[-2000:]}")
    return time.perf_counter() - began
