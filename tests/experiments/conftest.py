"""An experiment on a tiny environment, as a file, and a runner that writes runs without training."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from qflock.experiments import cell
from qflock.runs import folder
from qflock.runs.train import runner
from qflock.settings import config, file
from qflock.settings.config import Settings

ECHO = str(Path(__file__).parents[1] / "tiny.py") + ":Echo"
LEARNER = {
    "num_envs": 8,
    "num_steps": 8,
    "row_length": 4,
    "hidden": [16],
    "buffer_capacity": 2048,
    "min_buffer_size": 128,
    "batch_size": 64,
    "train_frequency": 64,
}
RUN = {
    "total_steps": 600,
    "log_interval": 300,
    "eval_interval": 0,
    "eval_episodes": 8,
    "final_episodes": 8,
    "save_interval": 0,
    "state_interval": 1000,
}
Write = Callable[..., Path]


@pytest.fixture
def write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Write:
    """Writes an experiment's file, with keys changed; the current folder is an empty one."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "120")

    def make(**changes: Any) -> Path:
        content = {
            "name": "tiny",
            "seeds": [3, 4],
            "pictures": False,
            "run": RUN,
            "environments": [{"name": ECHO, "label": "echo"}],
            "methods": [{"algorithm": "iql", **LEARNER}, {"algorithm": "vdn", **LEARNER}],
        }
        path = tmp_path / "tiny.yaml"
        given = {key: value for key, value in (content | changes).items() if value is not None}
        path.write_text(file.write(given))
        return path

    return make


class Trained:
    """What stands in for training: a run folder with a score that the settings give."""

    def __init__(self) -> None:
        self.begun: list[str] = []
        self.resumed: list[str] = []
        self.failing: set[str] = set()
        self.short_of_memory = 0  # how often it is, from now on
        self.oracle = 4.0

    def train(self, settings: Settings, quiet: bool = False, *hooks: Any) -> dict[str, Any]:
        where = folder.create(settings, settings.run.run_dir, now=datetime.now())
        self.begun.append(where.name)
        return self.finish(where, settings)

    def resume(
        self, run: Path, total_steps: int | None = None, quiet: bool = False, *hooks: Any
    ) -> dict[str, Any]:
        where = folder.open_run(run)
        self.resumed.append(where.name)
        return self.finish(where, config.read_yaml(where.config))

    def finish(self, where: folder.RunFolder, settings: Settings) -> dict[str, Any]:
        if where.name in self.failing:
            raise ArithmeticError("too much\nof it")
        if self.short_of_memory:
            self.short_of_memory -= 1
            raise MemoryError("none\nleft")
        run = settings.run
        seeds = range(run.seed, run.seed + run.seeds)
        score = 3 - abs(math.log10(settings.learner.lr / 1e-3))  # best at 1e-3
        rows = [row(seed, run.final_episodes, score + 0.01 * seed) for seed in seeds]
        over = {name: value for name, value in rows[0].items() if name != "seed"}
        summary = {
            "run": str(where.path),
            "algorithm": settings.algorithm,
            "environment": run.env,
            "env_steps": run.total_steps,
            "seconds": 1.0,
            "seconds_per_seed": 0.5,
            "parameters": 10,
            "per_seed": rows,
            "over_seeds": over,
            "final_evaluation": {"per_seed": rows, "over_seeds": over},
            "references": {"oracle": row(0, 8, self.oracle), "random": row(0, 8, 1.0)},
        }
        (where.path / "summary.json").write_text(json.dumps(summary))
        return summary


def row(seed: int, episodes: int, score: float) -> dict[str, float]:
    return {"seed": seed, "episodes": episodes, "discounted_mean": score, "return_mean": score}


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> Trained:
    """Cells are done at once, without training."""
    stand_in = Trained()
    monkeypatch.setattr(runner, "train", stand_in.train)
    monkeypatch.setattr(runner, "resume", stand_in.resume)
    monkeypatch.setattr(cell.device, "use", lambda device, devices: None)
    return stand_in
