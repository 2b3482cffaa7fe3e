"""Sweeps: what is drawn, with which budget, and that what they find is what experiments then train."""

from __future__ import annotations

import csv
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from qflock.commands import main
from qflock.core.errors import UserError
from qflock.evidence.comparison.compare import compare
from qflock.experiments import file as experiment_file
from qflock.experiments import run, sweep_ranges
from qflock.experiments.launchers import Launcher
from qflock.settings import config
from tests.experiments.conftest import ECHO, LEARNER, RUN, Trained, Write

TYPES = {"lr": float, "batch": int, "double": bool, "hidden": tuple[int, ...]}
SWEEP = {"trials": 4, "seeds": 2, "seed": 100, "ranges": {"lr": {"log": [1e-4, 1e-2]}}}


def draw(ranges: dict[str, Any], trials: int, seed: int = 0, search: Any = "random") -> list[dict[str, Any]]:
    return sweep_ranges.draw(sweep_ranges.read(ranges, TYPES, "test"), search, trials, seed)


@given(st.integers(0, 1000), st.integers(1, 20))
@settings(max_examples=25)
def test_draws_lie_in_their_ranges_one_in_each_part(seed: int, trials: int) -> None:
    ranges = {
        "lr": {"log": ["1e-4", 1e-2]},
        "batch": {"uniform": [1, 4]},
        "double": [True, False],
        "hidden": [[8], [8, 8]],
    }
    drawn = draw(ranges, trials, seed)
    assert len(drawn) == trials
    assert drawn == draw(ranges, trials, seed)
    parts = sorted(math.floor(trials * math.log10(trial["lr"] / 1e-4) / 2 + 1e-3) for trial in drawn)
    assert (
        np.abs(np.array(parts) - np.arange(trials)).max() <= 1
    )  # rounding to four digits may cross a border
    for trial in drawn:
        assert type(trial["lr"]) is float
        assert 1e-4 <= trial["lr"] <= 1e-2
        assert type(trial["batch"]) is int
        assert 1 <= trial["batch"] <= 4
        assert trial["hidden"] in ((8,), (8, 8))


def test_whole_numbers_are_drawn_alike_often() -> None:
    counts = np.bincount([trial["batch"] for trial in draw({"batch": {"uniform": [1, 4]}}, 400)])
    assert counts.tolist() == [0, 100, 100, 100, 100]


def test_a_grid_is_every_combination() -> None:
    drawn = draw({"lr": {"log": [1e-4, 1e-2], "points": 3}, "double": [True, False]}, 0, search="grid")
    assert [trial["lr"] for trial in drawn] == [1e-4, 1e-4, 1e-3, 1e-3, 1e-2, 1e-2]
    assert [trial["double"] for trial in drawn] == [True, False] * 3


@pytest.mark.parametrize(
    ("ranges", "message"),
    [
        ({"lrr": [1.0]}, "unknown setting 'lrr'; did you mean 'lr'"),
        ({"lr": 0.1}, "range of lr: expected a list of values"),
        ({"lr": []}, "range of lr: the list is empty"),
        ({"lr": ["fast"]}, "range of lr: expected a number, got 'fast'"),
        ({"lr": [0.1, "1e-1"]}, "a value stands twice"),
        ({"lr": {"log": [0, 1]}}, "low must lie below high and above 0"),
        ({"lr": {"uniform": [1, 1]}}, "low must lie below high, got"),
        ({"lr": {"log": [1, 2], "uniform": [1, 2]}}, "expected a list of values"),
        ({"lr": {"log": [1, 2], "point": 2}}, "unknown key 'point'; did you mean 'points'"),
        ({"double": {"uniform": [0, 1]}}, "only a number has ends"),
        ({"batch": {"uniform": [0.5, 2]}}, "expected a whole number, got 0.5"),
        ({}, "ranges are a mapping"),
    ],
)
def test_bad_ranges_are_one_line(ranges: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refused:
        draw(ranges, 2)
    assert message in str(refused.value)


def test_a_grid_needs_points_and_its_own_number_of_trials() -> None:
    with pytest.raises(UserError, match="a grid needs points for lr"):
        draw({"lr": {"log": [1, 2]}}, 0, search="grid")
    with pytest.raises(UserError, match="the grid has 2 trials, not 3"):
        draw({"lr": [1.0, 2.0]}, 3, search="grid")


def test_the_command_finds_the_best_and_writes_a_preset(
    trained: Trained, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    write()
    words = [f"--{name}={value}" for name, value in (RUN | LEARNER | {"hidden": 16}).items()]
    command = ["sweep", "iql", "--env", ECHO, *words, "--seed", "50", "--quiet"]
    ranges = ["--ranges", "lr=1e-2,1e-3,1e-4", "td_lambda=0,0.5", "--search", "grid"]
    assert main([*command, *ranges, "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert found["best"]["settings"] == {"lr": 1e-3, "td_lambda": 0.0}
    assert found["best"]["score"] == pytest.approx(3.5)
    assert found["cost"]["env_steps"] == 6 * 2 * 600
    assert found["cost"]["seeds"] == [50, 51]
    folder = Path("runs/sweep-iql-Echo")
    assert found["folder"] == str(folder)
    with (folder / "trials.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert [float(line["lr"]) for line in rows] == [1e-2, 1e-2, 1e-3, 1e-3, 1e-4, 1e-4]
    assert float(rows[0]["seed_51"]) == pytest.approx(2.51)
    preset = yaml.safe_load((folder / "best.yaml").read_text())
    assert preset["lr"] == 1e-3
    tuned = config.resolve("iql", config=folder / "best.yaml", overrides={"env": ECHO})
    assert tuned.learner.lr == 1e-3
    assert tuned.learner.num_envs == LEARNER["num_envs"]
    assert main([*command, *ranges]) == 0  # again: nothing is trained twice
    assert len(trained.begun) == 6
    assert "best of 6 trials with 2 seeds from 50 and 600 steps each" in capsys.readouterr().out


def test_where_less_is_better_the_least_wins_and_is_shown_first(
    trained: Trained, write: Write, capsys: pytest.CaptureFixture[str]
) -> None:
    trained.oracle = 0.0  # below random play's
    write()
    words = [f"--{name}={value}" for name, value in (RUN | LEARNER | {"hidden": 16}).items()]
    command = ["sweep", "iql", "--env", ECHO, *words, "--seed", "50", "--quiet"]
    assert main([*command, "--ranges", "lr=1e-2,1e-3,1e-5", "--search", "grid"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines[1:4]] == ["1e-05", "0.01", "0.001"]
    assert yaml.safe_load(Path("runs/sweep-iql-Echo/best.yaml").read_text())["lr"] == 1e-5


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name the algorithm first"),
        (["iql"], "name what to search"),
        (["iql", "--ranges", "lr"], "expected SETTING=RANGE"),
        (["iql", "--ranges", "lr=1", "lr=2"], "expected a setting once"),
        (["iql", "--ranges", "lr=log:1e-2:1e-4"], "low must lie below high"),
        (["iql", "--ranges", "batch_size=7"], "trial 0 (batch_size=7): batch_size 7 is no multiple"),
    ],
)
def test_bad_commands_are_one_line(
    write: Write, capsys: pytest.CaptureFixture[str], words: list[str], message: str
) -> None:
    write()
    assert main(["sweep", *words]) == 2
    error = capsys.readouterr().err
    assert message in error
    assert len(error.splitlines()) == 1
    assert not Path("runs").exists()


def test_an_experiment_tunes_every_method_alike_and_says_what_it_cost(write: Write, trained: Trained) -> None:
    file = write(sweep=SWEEP | {"run": {"total_steps": 300}})
    result = run.run(experiment_file.read(file), Launcher())
    assert trained.begun == ["000", "001", "002", "003"] * 2 + ["iql-echo", "vdn-echo"]
    assert result["tuning_seeds"] == [100, 101]
    assert [found["cost"]["env_steps"] for found in result["tuning"]] == [4 * 2 * 300] * 2
    for name in ("iql-echo", "vdn-echo"):
        summary = json.loads(Path(f"runs/tiny/cells/{name}/summary.json").read_text())
        assert summary["tuning_budget"] == 4 * 2 * 300
        trials = json.loads(Path(f"runs/tiny/sweeps/{name}/trials.json").read_text())["trials"]
        best = max(trials, key=lambda trial: trial["score"])["settings"]
        assert summary["tuning"]["best"]["settings"] == best
        made = config.read_yaml(Path(f"runs/tiny/cells/{name}/configs/config.yaml"))
        assert made.learner.lr == best["lr"]
        assert made.run.total_steps == 600
        assert made.run.seed == 3
    run.run(experiment_file.read(file), Launcher())
    assert len(trained.begun) == 10
    assert not any("tuning" in note for note in compare(["runs/tiny"], resamples=100).notes)
    del summary["sha256"]
    (Path("runs/tiny/cells/vdn-echo/summary.json")).write_text(
        json.dumps(summary | {"tuning_budget": 9}), encoding="utf-8"
    )
    notes = compare(["runs/tiny"], resamples=100).notes
    assert any("unequal tuning budgets (iql 2,400, vdn 9)" in note for note in notes)


def test_a_failed_trial_holds_back_its_own_cell_only(write: Write, trained: Trained) -> None:
    file = write(
        sweep=SWEEP,
        methods=[
            {"algorithm": "iql", **LEARNER},
            {"algorithm": "vdn", **LEARNER, "ranges": {"lr": [1, 2, 3, 4]}},
        ],
    )
    trained.failing = {"002"}
    content = run.run(experiment_file.read(file), Launcher())
    assert set(content["failures"]) == {"iql-echo/002", "vdn-echo/002", "iql-echo", "vdn-echo"}
    trained.failing = set()
    assert run.run(experiment_file.read(file), Launcher())["failures"] == {}
    assert trained.resumed == ["002", "002"]
    assert trained.begun[-2:] == ["iql-echo", "vdn-echo"]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 4}, "seed 4 also measures; tune on other seeds, as in seed: 5"),
        ({"trails": 4}, "unknown key 'trails'; did you mean 'trials'"),
        ({"ranges": {}}, "no ranges for iql"),
        ({"ranges": {"mixr": [1]}}, "sweep of iql-echo: unknown setting 'mixr'"),
        ({"search": "bayes"}, "expected one of random, grid, got 'bayes'"),
        ({"search": "grid", "trials": 0, "ranges": {"lr": [1, 2]}}, "unequal budgets"),
    ],
)
def test_bad_sweeps_are_one_line(write: Write, changes: dict[str, Any], message: str) -> None:
    vdn = {"algorithm": "vdn", **LEARNER, "ranges": {"lr": [1, 2, 3]}}
    file = write(sweep=SWEEP | changes, methods=[{"algorithm": "iql", **LEARNER}, vdn])
    with pytest.raises(UserError) as refused:
        run.plan(experiment_file.read(file))
    assert message in str(refused.value)
