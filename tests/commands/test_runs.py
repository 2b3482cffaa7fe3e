"""`qflock runs`: a table of what there is, and what of it may go."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

import qflock
from qflock.commands import main
from qflock.files import lock
from qflock.runs import overview, pruning
from qflock.runs.train import runner
from qflock.settings import config

SETTINGS = {
    "env": "two_step",
    "num_envs": 4,
    "num_steps": 4,
    "hidden": (8,),
    "log_interval": 32,
    "eval_interval": 0,
    "final_episodes": 4,
    "save_interval": 10,
    "total_steps": 96,
}


def trained(folder: Path, **changes: Any) -> Path:
    runner.train(config.resolve("pqn_vdn", overrides={**SETTINGS, "run_dir": folder, **changes}), quiet=True)
    return folder


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished run, one in an experiment's cell that was stopped, and one that is damaged."""
    folder = tmp_path_factory.mktemp("runs")
    done = trained(folder / "done")
    (folder / "search" / "cells").mkdir(parents=True)
    stopped = Path(shutil.copytree(done, folder / "search" / "cells" / "stopped"))
    (stopped / "summary.json").unlink()
    broken = Path(shutil.copytree(done, folder / "broken"))
    (broken / "configs" / "hparams.json").write_text("{}")
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(made, tmp_path / "runs"))


def test_every_run_has_its_state_steps_scores_and_size(folder: Path) -> None:
    found = {run.path.name: run for run in qflock.find_runs(folder)}
    assert {name: run.state for name, run in found.items()} == {
        "done": "finished",
        "stopped": "stopped",
        "broken": "damaged",
    }
    done, stopped = found["done"], found["stopped"]
    summary = json.loads((folder / "done" / "summary.json").read_text())
    assert done.score == summary["over_seeds"]["discounted_mean"]
    assert done.references["random"] == summary["references"]["random"]["discounted_mean"]
    assert done.env_steps == stopped.env_steps == summary["env_steps"] >= 96
    assert (done.algorithm, done.environment, done.seeds, done.total_steps) == ("pqn_vdn", "two_step", 1, 96)
    assert done.size == sum(path.stat().st_size for path in (folder / "done").rglob("*") if path.is_file())
    assert 0 < done.states < done.size
    assert "hparams.json" in found["broken"].problem


def test_a_run_that_is_written_is_being_trained_and_nobody_is_kept_from_it(folder: Path) -> None:
    with lock.held(folder / "done"):
        assert overview.overview(overview.RunFolder(folder / "done")).state == "training"
    assert overview.overview(overview.RunFolder(folder / "done")).state == "finished"
    with lock.held(folder / "done"):
        pass


def files(folder: Path) -> set[str]:
    return {str(p.relative_to(folder)) for p in folder.rglob("*") if p.is_file() and p.name != ".lock"}


@pytest.mark.parametrize("columns", ["20", "80", "200"])
def test_the_table_names_every_run(
    folder: Path, columns: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", columns)
    assert main(["runs", str(folder)]) == 0
    said = capsys.readouterr().out
    words = said.split() if columns == "20" else said.splitlines()
    for name in ("done", "search/cells/stopped", "broken"):
        assert any(word.startswith(name) for word in words)
    assert "3 runs" in said
    assert "damaged: " in said


def test_what_is_shown_is_there_as_json(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(folder), "--json", "--sort", "name"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [Path(run["path"]).name for run in told["runs"]] == ["broken", "done", "stopped"]
    assert set(told["runs"][0]) == {field.name for field in dataclasses.fields(overview.Overview)}


@pytest.mark.parametrize(
    ("rule", "gone"),
    [
        ("states", ["done/state/state-"]),
        ("checkpoints", ["done/models/checkpoint_ep"]),
        ("unfinished", ["search/cells/stopped/"]),
    ],
)
def test_a_rule_lets_go_of_what_it_says_and_no_more(
    folder: Path, rule: str, gone: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    before = files(folder)
    assert main(["runs", str(folder), "--prune", rule]) == 2  # nobody can be asked
    assert files(folder) == before
    assert main(["runs", str(folder), "--prune", rule, "--older", "1", "--yes"]) == 0
    assert files(folder) == before
    capsys.readouterr()
    assert main(["runs", str(folder), "--prune", rule, "--yes", "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    removed = before - files(folder)
    assert removed == {name for name in before if name.startswith(tuple(gone))} != set()
    assert told["freed"] >= told["found"] > 0


def test_a_run_that_is_trained_meanwhile_is_left_alone(folder: Path) -> None:
    wanted = pruning.by_rule(overview.find_runs(folder), "unfinished")
    with lock.held(wanted[0].run), pytest.raises(Exception, match="is being written by process"):
        pruning.remove(wanted[0])
    (wanted[0].run / "training_log.csv").write_text("more")
    with pytest.raises(Exception, match="has changed meanwhile"):
        pruning.remove(wanted[0])
    assert wanted[0].run.is_dir()


def test_a_finished_run_without_states_is_not_begun_again(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["runs", str(folder), "--prune", "states", "--yes"]) == 0
    before = (folder / "done" / "training_log.csv").read_bytes()
    capsys.readouterr()
    assert main(["resume", str(folder / "done"), "--total_steps", "200", "--quiet"]) == 2
    assert f"qflock train pqn_vdn --env two_step --init_from {folder / 'done'}" in capsys.readouterr().err
    assert (folder / "done" / "training_log.csv").read_bytes() == before


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["nowhere"], "no folder nowhere"),
        (["--yes"], "--older and --yes go with --prune"),
        (["--older", "-1", "--prune", "states"], "older is -1.0; it must be at least 0 days"),
        (["--prune", "state"], "states"),
    ],
)
def test_mistakes_are_told_in_one_line(
    words: list[str],
    said: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["runs", *words]) == 2
    error = capsys.readouterr().err.strip().splitlines()
    assert len(error) == 1
    assert said in error[0]


def test_an_empty_folder_says_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["runs", str(tmp_path)]) == 0
    assert "qflock train" in capsys.readouterr().out
