"""Continuous simple spread: our IPPO and JaxMARL's script for continuous actions, in turn on the same cores.

The script is ``baselines/IPPO/ippo_ff_mabrax.py`` of a checkout of JaxMARL, on ``MPE_simple_spread_v3`` with
``action_type=Continuous``. It lives in an environment of its own, with what ``benchmarks/peers/jaxmarl.txt``
names:

    python -m benchmarks --peer CHECKOUT --peer_python ITS/bin/python

The script writes only to Weights & Biases; a module of that name in front of it on the path writes the same
numbers to a file. Both sides play by chance in what is compared, episodes have 26 rewards, and a score is the
undiscounted return of an agent over the last tenth of training. Each side is a process of its own that
compiles everything: JaxMARL's with its settings of MPE (16 copies of 128 steps) as far as they differ from
the script's own; ours with its preset, cut to as many steps, and once more with settings like theirs.
"""

from __future__ import annotations

import csv
import json
import os
import subprocess
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple

from benchmarks import startup

SCRIPT = Path("baselines", "IPPO", "ippo_ff_mabrax.py")
STEPS = 300_000
AGENTS = 3
STAND_IN = """import json, os, time


def init(*arguments, **settings):
    pass


def log(metrics, step=None):
    row = {name: float(value) for name, value in metrics.items()}
    with open(os.environ["PEER_LOG"], "a") as file:
        file.write(json.dumps({**row, "time": time.perf_counter()}) + "\\n")
"""
THEIRS = {
    "LR": 2.5e-4,
    "NUM_ENVS": 16,
    "NUM_STEPS": 128,
    "ENT_COEF": 0.01,
    "VF_COEF": 0.5,
    "TOTAL_TIMESTEPS": STEPS,
    "ENV_NAME": "MPE_simple_spread_v3",
    "+ENV_KWARGS.action_type": "Continuous",
    "WANDB_MODE": "disabled",
}
OURS = ("ippo", "--env", "jaxmarl:MPE_simple_spread_v3")
ALIKE = {
    "hidden": "64,64",
    "critic_hidden": "64,64",
    "deviation": "free",
    "lr": "2.5e-4",
    "lr_critic": "2.5e-4",
    "lr_final": "0",
    "num_envs": "16",
    "num_steps": "128",
    "minibatches": "4",
    "gamma": "0.99",
    "gae_lambda": "0.95",
    "alpha0": "0.01",
    "max_grad_norm": "0.5",
}
"""Their networks' widths, rollouts, minibatches and step sizes."""
SETTINGS = ("--env.action_type", "Continuous", "--env.max_steps", "26", "--eval_interval", "0")


class Side(NamedTuple):
    """Attributes:
    score: undiscounted return of an agent over the last tenth of training, played by chance.
    seconds: of the whole command.
    steps_per_second: environment steps of all copies, after the first row of the log.
    """

    score: float
    seconds: float
    steps_per_second: float


def benchmark(checkout: Path, python: str, quick: bool = False) -> dict[str, Any]:
    """Scores, seconds and speeds of both, each with three seeds or one, and ratios of their means.

    Args:
        checkout: of JaxMARL's repository.
        python: of the environment that has what its scripts need.
        quick: one seed.

    Raises:
        RuntimeError: a command failed.
    """
    theirs, ours = [], {"qflock": [], "qflock_alike": []}
    for seed in range(1 if quick else 3):
        with tempfile.TemporaryDirectory() as folder:
            theirs.append(_script(checkout, python, seed, Path(folder)))
            ours["qflock"].append(_own(seed, Path(folder, "preset")))
            ours["qflock_alike"].append(_own(seed, Path(folder, "alike"), ALIKE))
    beside = {name: {**_figures(sides), **_beside(sides, theirs)} for name, sides in ours.items()}
    return {"steps": STEPS, "jaxmarl": _figures(theirs), **beside}


def _beside(ours: list[Side], theirs: list[Side]) -> dict[str, float]:
    """Ours divided by theirs; of scores the difference."""
    mean = lambda sides, name: sum(getattr(side, name) for side in sides) / len(sides)
    return {
        "ratio_of_seconds": round(mean(ours, "seconds") / mean(theirs, "seconds"), 3),
        "ratio_of_speeds": round(mean(ours, "steps_per_second") / mean(theirs, "steps_per_second"), 3),
        "difference_of_scores": round(mean(ours, "score") - mean(theirs, "score"), 2),
    }


def _figures(sides: list[Side]) -> dict[str, Any]:
    return {name: [round(getattr(side, name), 2) for side in sides] for name in Side._fields}


def _script(checkout: Path, python: str, seed: int, place: Path) -> Side:
    """JaxMARL's script."""
    (place / "wandb.py").write_text(STAND_IN)
    settings = [f"{name}={value}" for name, value in {**THEIRS, "SEED": seed}.items()]
    path = os.pathsep.join([str(place), str(checkout)])
    environment = {**os.environ, "PYTHONPATH": path, "PEER_LOG": str(place / "log.jsonl")}
    environment.pop("JAX_COMPILATION_CACHE_DIR", None)
    command = [python, str(checkout / SCRIPT), *settings, f"hydra.run.dir={place}"]
    began = time.perf_counter()
    done = subprocess.run(command, env=environment, capture_output=True, text=True)
    seconds = time.perf_counter() - began
    if done.returncode:
        raise RuntimeError(f"{command[1]} failed:\n{done.stderr[-2000:]}")
    rows = [json.loads(line) for line in (place / "log.jsonl").read_text().splitlines()]
    last = rows[-max(1, len(rows) // 10) :]
    score = sum(row["returned_episode_returns"] for row in last) / len(last)
    passed = rows[-1]["env_step"] - rows[0]["env_step"]
    return Side(score, seconds, passed / (rows[-1]["time"] - rows[0]["time"]))


def _own(seed: int, place: Path, more: Mapping[str, str] = MappingProxyType({})) -> Side:
    """Our command, with further settings. The log's last row is as old as the file."""
    place.mkdir()
    run = {"total_steps": STEPS, "seed": seed, "log_interval": "5%", **more}
    settings = (*SETTINGS, *(f"--{name}={value}" for name, value in run.items()))
    began = time.time()
    took = startup.start(place / "run", place / "cache", settings, OURS)
    log = place / "run" / "training_log.csv"
    learnt = log.stat().st_mtime - began - took["first_row_seconds"]
    with log.open() as file:
        rows = [
            (int(row["env_step"]), float(row["episode_return_undiscounted"])) for row in csv.DictReader(file)
        ]
    last = [paid for step, paid in rows if step > 0.9 * STEPS]
    speed = (rows[-1][0] - rows[0][0]) / learnt
    return Side(sum(last) / len(last) / AGENTS, took["whole_command_seconds"], speed)
