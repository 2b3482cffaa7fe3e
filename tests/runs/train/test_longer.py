"""What a run that is made longer takes back: the shorter log intervals that ended its budget."""

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file

from qflock.files import csv_log
from qflock.runs.train import runner, work
from qflock.settings import config

HERE = Path(__file__).parent
SETTINGS = {
    "env": str(HERE.parents[1] / "tiny.py") + ":Count",  # episodes of one to three steps
    "num_envs": 4,
    "num_steps": 8,
    "seed": 3,
    "seeds": 2,
    "log_interval": 128,
    "eval_interval": 100,
    "eval_episodes": 4,
    "final_episodes": 4,
    "save_interval": 0,
}
LOGS = ("training_log.csv", "evaluation.csv")


def trained(folder: Path, total_steps: int, **changes: Any) -> Path:
    values = {**SETTINGS, "total_steps": total_steps, "run_dir": folder, **changes}
    runner.train(config.resolve(str(HERE / "toy.py"), overrides=values), quiet=True)
    return folder


def assert_equal(one: Path, other: Path) -> None:
    for log in LOGS:
        assert (one / log).read_bytes() == (other / log).read_bytes()
    for name in ("final_model", "best_model_weights"):
        ours, theirs = (load_file(run / "models" / f"{name}.safetensors") for run in (one, other))
        assert ours.keys() == theirs.keys()
        for leaf in ours:
            np.testing.assert_array_equal(ours[leaf], theirs[leaf], err_msg=f"{name}: {leaf}")


@pytest.fixture(scope="module")
def planned(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("planned") / "run", 900)


@pytest.fixture(scope="module")
def short(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return trained(tmp_path_factory.mktemp("short") / "run", 500)


def copied(run: Path, folder: Path) -> Path:
    return Path(shutil.copytree(run, folder / "run"))


@pytest.mark.parametrize("first", [30, 500])
def test_a_longer_run_has_the_rows_of_one_planned_as_long(
    planned: Path, short: Path, first: int, tmp_path: Path
) -> None:
    run = copied(short, tmp_path) if first == 500 else trained(tmp_path / "run", first)
    steps = csv_log.read(run / "training_log.csv")["env_step"]
    assert not set(steps) <= set(csv_log.read(planned / "training_log.csv")["env_step"])
    runner.resume(run, total_steps=900, quiet=True)
    assert_equal(planned, run)


def test_it_can_be_made_longer_again_and_again(planned: Path, tmp_path: Path) -> None:
    run = trained(tmp_path / "run", 200)
    for total in (201, 650, 900):
        runner.resume(run, total_steps=total, quiet=True)
    assert_equal(planned, run)


def test_the_best_weights_of_what_is_taken_back_are_taken_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The first evaluation of both is made their best, and the short run's last one a better one."""
    scores, made = work.evaluation.rows, []

    def rows(*args: Any) -> list[dict[str, float]]:
        made.append(None)
        best = {1: 1e5, last: 1e6}.get(len(made), 0.0)
        return [{**row, "discounted_mean": best} for row in scores(*args)]

    monkeypatch.setattr(work.evaluation, "rows", rows)
    last = 0
    echo = {"eval_interval": 150, "env": str(HERE.parents[1] / "tiny.py") + ":Echo"}
    planned = trained(tmp_path / "planned", 900, **echo)
    made.clear()
    last = 3
    run = trained(tmp_path / "run", 455, **echo)
    told = csv_log.read(run / "evaluation.csv")
    assert list(told["discounted_mean"][::2]) == [1e5, 0.0, 1e6, 0.0]  # then the final one
    assert told["env_step"][-1] not in csv_log.read(planned / "evaluation.csv")["env_step"]
    last = 0
    runner.resume(run, total_steps=900, quiet=True)
    assert_equal(planned, run)


def test_a_run_that_is_not_longer_takes_nothing_back(short: Path, tmp_path: Path) -> None:
    run = copied(short, tmp_path)
    before = [(run / log).read_bytes() for log in LOGS]
    for total in (None, 500, 400):
        runner.resume(run, total_steps=total, quiet=True)
        assert [(run / log).read_bytes() for log in LOGS] == before


def test_without_the_state_before_its_end_it_goes_on_from_there(
    planned: Path, short: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    run = copied(short, tmp_path)
    states = sorted((run / "state").glob("state-*"))
    states[0].write_bytes(b"damaged")
    runner.resume(run, total_steps=900)
    assert "rows stand at other steps than in a run planned as long" in capsys.readouterr().err
    ours, theirs = (load_file(where / "models" / "final_model.safetensors") for where in (run, planned))
    for leaf in ours:
        np.testing.assert_array_equal(ours[leaf], theirs[leaf], err_msg=leaf)
