"""Learners train on environments of other libraries, by changing the name only."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import pytest

from qflock.commands import main

QUICK = {
    "num_envs": 2,
    "hidden": "8",
    "total_steps": 32,
    "log_interval": 32,
    "eval_interval": 0,
    "final_episodes": 2,
}
REPLAY = {**QUICK, "num_steps": 8, "min_buffer_size": 8, "batch_size": 8, "train_frequency": 8}
ROLLOUT = {**QUICK, "num_steps": 8, "minibatches": 1}
RECURRENT = {"network": "gru", "last_action": True}


def summary(folder: Path, algorithm: str, settings: dict[str, Any]) -> dict[str, Any]:
    """What a short run ended with."""
    options = []
    for name, value in settings.items():
        options += [f"--{name}"] if value is True else [f"--{name}", str(value)]
    assert main(["train", algorithm, *options, "--quiet", "--run-dir", str(folder)]) == 0
    return json.loads((folder / "summary.json").read_text())


@pytest.mark.parametrize(
    ("library", "algorithm", "settings"),
    [
        pytest.param(library, algorithm, settings, marks=marks, id=f"{algorithm}-{settings['env']}")
        for library, algorithm, settings, marks in [
            (
                "jaxmarl",
                "pqn_qmix",
                {"env": "jaxmarl:switch_riddle", **ROLLOUT, **RECURRENT},
                [pytest.mark.slow, pytest.mark.ci_slow],
            ),
            (
                "jaxmarl",
                "mappo",
                {"env": "jaxmarl:HeuristicEnemySMAX", "env.scenario": "3m", **ROLLOUT, **RECURRENT},
                [pytest.mark.slow, pytest.mark.ci_slow, pytest.mark.left_out],
            ),
            (
                "jaxmarl",
                "qmix",
                {"env": "jaxmarl:HeuristicEnemySMAX", "env.scenario": "2s3z", **REPLAY},
                [pytest.mark.slow],
            ),
            (
                "jaxmarl",
                "ippo",
                {"env": "jaxmarl:overcooked", "env.max_steps": 20, **ROLLOUT},
                [pytest.mark.slow],
            ),
            (
                "jaxmarl",
                "iql",
                {"env": "jaxmarl:hanabi", "env.num_colors": 2, **REPLAY},
                [pytest.mark.slow],
            ),
            (
                "jaxmarl",
                "qmix",
                {"env": "jaxmarl:coin_game", **REPLAY},
                [pytest.mark.slow],
            ),
            (
                "jumanji",
                "mappo",
                {"env": "jumanji:RobotWarehouse-v0", "env.column_height": 3, "env.time_limit": 20, **ROLLOUT},
                [pytest.mark.slow],
            ),
            (
                "jumanji",
                "iql",
                {"env": "jumanji:Connector-v3", "env.grid_size": 5, "env.num_agents": 2, **REPLAY},
                [pytest.mark.slow],
            ),
        ]
    ],
)
def test_a_run_ends_with_a_score(
    library: str, algorithm: str, settings: dict[str, Any], tmp_path: Path
) -> None:
    pytest.importorskip(library)
    found = summary(tmp_path / "run", algorithm, settings)
    assert found["env_steps"] >= 32
    assert math.isfinite(found["over_seeds"]["return_mean"])
    oracle = {"oracle"} if settings["env"] == "jaxmarl:switch_riddle" else set()
    assert set(found["references"]) == {"random"} | oracle
