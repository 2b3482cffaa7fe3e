"""Run folders as training leaves them, made up."""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qflock.evidence.metrics import SCORES
from qflock.runs import folder

MakeRun = Callable[..., Path]
REFERENCES = {
    "oracle": {"discounted_mean": 10.0, "return_mean": 12.0, "solved": 1.0, "length_mean": 5.0},
    "random": {"discounted_mean": 2.0, "return_mean": 3.0, "solved": 0.1, "length_mean": 50.0},
}


@pytest.fixture
def make_run(tmp_path: Path) -> MakeRun:
    """Writes a finished run whose seeds end with the given scores, climbing to them in a straight line."""

    def make(
        name: str,
        scores: dict[int, float],
        *,
        algorithm: str = "qmix",
        environment: dict[str, Any] | None = None,
        episodes: int = 128,
        steps: int = 1000,
        references: dict[str, Any] = REFERENCES,
        summary: dict[str, Any] | None = None,
        **settings: Any,
    ) -> Path:
        path = tmp_path / name
        (path / "configs").mkdir(parents=True)
        env = {"name": "gridworld25", "grid_size": 5, **(environment or {})}
        facts: dict[str, Any] = {
            "schema": folder.SCHEMA,
            "created": "2026-01-02T03:04:05+00:00",
            "seeds": list(scores),
            "versions": {"qflock": "0.1.0"},
            "settings": {
                "algorithm": algorithm,
                "env": env,
                "total_steps": steps,
                "seeds": len(scores),
                "lr": 0.01,
            }
            | settings,
        }
        facts["sha256"] = folder._checksum(facts)
        (path / "configs" / "hparams.json").write_text(json.dumps(facts))
        rows = [evaluation(seed, steps, score, episodes) for seed, score in scores.items()]
        content = {
            "algorithm": algorithm,
            "environment": env["name"],
            "env_steps": steps,
            "seconds": 20.0 * len(scores),
            "seconds_per_seed": 20.0,
            "parameters": 1234,
            "references": references,
            "final_evaluation": {"per_seed": rows, "over_seeds": {}},
        }
        (path / "summary.json").write_text(json.dumps(content | (summary or {})))
        with (path / "evaluation.csv").open("w", newline="") as file:
            writer = csv.DictWriter(file, list(rows[0]))
            writer.writeheader()
            for share in (0.0, 0.25, 0.5, 0.75, 1.0):
                writer.writerows(
                    evaluation(s, int(share * steps), share * v, episodes) for s, v in scores.items()
                )
        return path

    return make


def evaluation(seed: int, step: int, score: float, episodes: int) -> dict[str, Any]:
    row = dict.fromkeys(SCORES, score) | {
        "return_std": 1.0,
        "solved": score / 10,
        "length_mean": 55 - 5 * score,
    }
    return {"seed": seed, "env_step": step, "episodes": episodes} | row
