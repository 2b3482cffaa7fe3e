"""What commands print has every word and number on a terminal of 20 columns, and fits into it."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qflock.commands import _cells_output, _comparison_output, _output, doctor, main
from qflock.evidence.comparison.compare import compare
from qflock.runs.train.progress import Progress
from tests.evidence.conftest import make_run  # noqa: F401

SCORE = {"seed": 0, "episodes": 8, "return_mean": 1.234, "discounted_mean": 1234.5, "a_measure_of_mine": 3.0}
CELL = {
    "cell": "iql-gridworld25-seed0",
    "algorithm": "iql",
    "seeds": [0, 1, 2],
    "total_steps": 123_000,
    "state": "waiting",
    "over_seeds": {"discounted_mean": 4.567},
}
TRIAL = {"trial": 3, "score": 4.567, "settings": {"learning_rate": 0.000123, "hidden": [64, 64]}}
TUNED = {
    "sweep": "fast",
    "cost": {"trials": 2, "seeds": [0], "steps": 10},
    "best": TRIAL,
    "trials": [TRIAL],
    "algorithm": "iql",
    "environment": {"name": "gridworld25"},
    "folder": "runs/f",
}
PLAN = {"trials": [], "cells": [CELL], "folder": "runs/x"}
DONE = {"cells": [CELL], "tuning": [], "folder": "runs/x", "failures": {}, "compare": "qflock compare runs/x"}
SHOWN: dict[str, tuple[Callable[[], Any], list[str]]] = {
    "scores": (
        lambda: _output.show_scores({"per_seed": [SCORE], "references": {"oracle": SCORE}}),
        ["1.234", "1234.500", "a_measure_of_mine", "oracle"],
    ),
    "plan": (lambda: _cells_output.show_plan(PLAN), ["iql-gridworld25-seed0", "0-2", "123k", "waiting"]),
    "experiment": (
        lambda: _cells_output.show_experiment(DONE),
        ["iql-gridworld25-seed0", "4.567", "waiting"],
    ),
    "sweep": (lambda: _cells_output.show_sweep(TUNED), ["learning_rate", "0.000123", "4.567"]),
    "list": (lambda: main(["list", "environments"]), ["gridworld25", "heavy", "published"]),
}


@pytest.fixture(autouse=True)
def narrow(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "20")


@pytest.mark.parametrize("name", SHOWN)
def test_tables(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    show, words = SHOWN[name]
    show()
    whole = capsys.readouterr().out
    assert "…" not in whole
    together = "".join(whole.split())
    assert [word for word in words if word not in together] == []


def test_a_comparison(make_run: Any, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:  # noqa: F811
    scores = {seed: 8.0 + 0.1 * seed for seed in range(5)}
    runs = [make_run("qmix", scores), make_run("vdn", {s: v - 2 for s, v in scores.items()}, algorithm="vdn")]
    _comparison_output.show(compare(runs, resamples=50), [tmp_path / "comparison.csv"])
    whole = capsys.readouterr().out
    assert "…" not in whole
    assert "IQM 8.20" in whole
    assert "P(beats 0.00" in " ".join(whole.split())


def test_doctor(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    report = {
        **dict.fromkeys(("qflock", "python", "platform", "cores", "memory_gib", "cache_mib"), "1.2.3"),
        "packages": {"jax": "0.8"},
        "extras": {},
        "trained": {"env_steps": 4096, "seconds": 1.0},
        "devices": [],
        "nvidia_gpus": [],
        "cache": "/var/a/long/one",
        "folder_writable": True,
        "advice": [],
        "problems": [],
    }
    doctor._show(report)
    whole = capsys.readouterr().out
    assert "…" not in whole
    assert "/var/a/long/one" in "".join(whole.split())


def test_training() -> None:
    class Terminal(io.StringIO):
        def isatty(self) -> bool:
            return True

    stream = Terminal()
    progress = Progress("qmix on gridworld25", stream=stream)
    with progress:
        progress.start(1000)
        progress.update(620, 1.5, 100.0)
    assert "…" not in stream.getvalue()
    assert "62 %" in stream.getvalue()
