"""QMIX on GridWorld25v0 by `configs/qmix_gridworld25_fast.yaml`: seconds of the whole command, and its score.

Every seed is a process of its own with an empty cache of compiled programs: start, compilation, training, the
final evaluation, references and pictures all count. Beside them stand the seconds that the matrix products of
all gradient steps take alone, measured in the same run: machines of two cores differ by a factor of two.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

from benchmarks import startup, updates
from qflock.runs.train import program
from qflock.settings import config

CONFIG = Path(__file__).parent.parent / "configs" / "qmix_gridworld25_fast.yaml"
SHARE, SECONDS = 0.92, 90.0
"""Asked: a share of the oracle's discounted return on the same boards; wall-clock time on two cores."""


def benchmark(quick: bool = False) -> dict[str, Any]:
    """Three seeds, or one."""
    found: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as folder:
        for seed in range(1 if quick else 3):
            place = Path(folder) / f"run{seed}"
            took = startup.start(
                place, Path(folder) / f"cache{seed}", ("--config", str(CONFIG), "--seed", str(seed))
            )
            summary = json.loads((place / "summary.json").read_text(encoding="utf8"))
            score = summary["over_seeds"]["discounted_mean"]
            oracle = summary["references"]["oracle"]["discounted_mean"]
            found[f"seed_{seed}"] = {
                "score": round(score, 3),
                "share_of_oracle": round(score / oracle, 4),
                "env_steps": summary["env_steps"],
                **took,
            }
    reached = [
        one["share_of_oracle"] >= SHARE and one["whole_command_seconds"] <= SECONDS for one in found.values()
    ]
    return {
        "asked_share_of_oracle": SHARE,
        "asked_seconds": SECONDS,
        "reached": sum(reached),
        "products_alone_seconds": round(products_alone(next(iter(found.values()))["env_steps"]), 1),
        **found,
    }


def products_alone(env_steps: int) -> float:
    """Seconds of the matrix products in all updates of a run."""
    settings = config.resolve(config=CONFIG)
    env = config.make_environment(settings.run.env, settings.environment)
    measured = updates.measure(settings, 20)
    steps = program.learner_of(settings, env).source.cost
    return env_steps / steps * measured["products_alone_ms"] / 1e3
