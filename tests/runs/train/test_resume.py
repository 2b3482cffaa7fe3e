"""A run that was killed, stopped or made longer ends as if nothing had happened: byte for byte."""

import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.files import csv_log
from qflock.runs import folder, summaries
from qflock.runs.train import runner
from qflock.runs.train.work import Work
from qflock.settings import config

SETTINGS = {
    "env": str(Path(__file__).parents[2] / "tiny.py") + ":Echo",
    "total_steps": 6_000,
    "seeds": 2,
    "seed": 3,
    "log_interval": 300,
    "eval_interval": 1_500,
    "eval_episodes": 8,
    "final_episodes": 8,
    "save_interval": 200,
    "keep_checkpoints": 2,
    "state_interval": 0,
    "copies": 8,
    "steps": 8,
    "row_length": 4,
    "hidden": "16",
    "buffer_capacity": 2048,
    "min_buffer_size": 128,
    "batch_size": 64,
    "train_frequency": 64,
}


def settings(folder, **changes):
    values = {**SETTINGS, "hidden": (16,), "run_dir": folder, **changes}
    return config.resolve("qmix", overrides=values)


def contents(run):
    """Everything that must be equal: weights, logs, and the summary but for its clock."""
    run = Path(run)
    kept = [run / "training_log.csv", run / "evaluation.csv", *sorted((run / "models").glob("*.safetensors"))]
    return {p.name: p.read_bytes() for p in kept}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run that nobody interrupted."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    runner.train(settings(folder), quiet=True)
    return folder


def start(folder, *more):
    """The same run in a process of its own."""
    words = [f"--{name}={value}" for name, value in SETTINGS.items()]
    command = [sys.executable, "-m", "qflock", "train", "qmix", *words, f"--run-dir={folder}", "--quiet"]
    return subprocess.Popen([*command, *more], stderr=subprocess.PIPE, text=True)


def wait_for_states(folder, count):
    deadline = time.monotonic() + 120
    seen = set()
    while len(seen) < count:
        assert time.monotonic() < deadline, "no state was ever saved"
        seen |= {p.name for p in (folder / "state").glob("state-*")} if folder.is_dir() else set()
        time.sleep(0.005)


def assert_equal_runs(one, other):
    a, b = contents(one), contents(other)
    assert a.keys() == b.keys()
    for name in a:
        if name.endswith(".csv"):
            assert a[name] == b[name], name
        else:  # headers name the run's own settings and folders; every tensor must be equal
            from qflock.files import tensors

            left, right = (tensors.load_arrays(next(Path(r).rglob(name))) for r in (one, other))
            assert left.keys() == right.keys()
            for key in left:
                np.testing.assert_array_equal(left[key], right[key], err_msg=f"{name}: {key}")


def test_killed_and_resumed_equals_uninterrupted(whole, tmp_path):
    folder = tmp_path / "run"
    process = start(folder)
    wait_for_states(folder, 3)
    process.kill()  # SIGKILL: no goodbye
    process.wait()
    assert not (folder / "summary.json").exists()
    runner.resume(folder, quiet=True)
    assert_equal_runs(whole, folder)


def test_ctrl_c_saves_and_tells_how_to_go_on(whole, tmp_path):
    folder = tmp_path / "run"
    process = start(folder, "--state_interval=1000")  # nothing is saved but what the stop saves
    deadline = time.monotonic() + 120
    rows = folder / "training_log.csv"
    while not rows.is_file() or len(csv_log.read(rows)["seed"]) < 4:
        assert time.monotonic() < deadline
        time.sleep(0.01)
    process.send_signal(signal.SIGINT)
    error = process.communicate(timeout=60)[1]
    assert process.returncode == 130
    last = error.strip().splitlines()[-1]
    assert last == f"qflock: stopped; the state is saved. Go on with: qflock resume {folder}"
    runner.resume(folder, quiet=True)
    assert_equal_runs(whole, folder)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_longer_run_equals_one_planned_long(tmp_path):
    short, long = tmp_path / "short", tmp_path / "long"
    runner.train(settings(short, total_steps=1_500), quiet=True)
    runner.resume(short, total_steps=3_000, quiet=True)
    runner.train(settings(long, total_steps=3_000), quiet=True)
    assert_equal_runs(short, long)
    assert config.read_yaml(short / "configs" / "config.yaml").run.total_steps == 3_000


def test_logs_have_each_row_once_and_rise(whole):
    rows = csv_log.read(whole / "training_log.csv")
    assert set(rows["seed"]) == {3, 4}
    for seed in (3, 4):
        steps = rows["env_step"][rows["seed"] == seed]
        assert (np.diff(steps) > 0).all()
    evaluated = csv_log.read(whole / "evaluation.csv")
    assert len(evaluated["seed"]) >= 2 * (6_000 // 1_500)
    final = summaries.read(folder.open_run(whole))["final_evaluation"]["per_seed"]
    for at, row in ((-2, final[0]), (-1, final[1])):  # the last rows are the final evaluation
        assert {name: column[at] for name, column in evaluated.items() if name != "env_step"} == row
        assert evaluated["env_step"][at] == rows["env_step"].max()
    assert len(list((whole / "models").glob("checkpoint_ep*"))) == 2


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_damaged_newest_state_falls_back_to_the_one_before(whole, tmp_path):
    folder = tmp_path / "run"
    runner.train(settings(folder, total_steps=2_000), quiet=True)
    newest = sorted((folder / "state").glob("state-*"))[-1]
    newest.write_bytes(newest.read_bytes()[:-100])
    runner.resume(folder, total_steps=6_000, quiet=True)
    assert_equal_runs(whole, folder)


def test_starting_from_another_runs_weights(whole, tmp_path):
    from qflock.files import tensors

    folder = tmp_path / "next"
    made = settings(folder, init_from=whole)
    work = Work(made, True)
    state = work.begin()
    source = tensors.load_arrays(whole / "models" / "final_model.safetensors")
    name = next(n for n in source if n.startswith("training.") and n.endswith("head.weight"))
    np.testing.assert_array_equal(state.learner.online.agents.head.weight, source[name])
    with pytest.raises(UserError, match="does not fit"):
        Work(settings(folder, init_from=whole, hidden=(8,)), True).begin()


def test_a_run_in_use_is_refused(whole):
    from qflock.runs.folder import open_run

    with open_run(whole).lock(), pytest.raises(UserError, match="being written"):
        runner.resume(whole, quiet=True)


def test_settings_that_cannot_work_leave_nothing_behind(tmp_path):
    folder = tmp_path / "never"
    made = settings(folder)
    with pytest.raises(UserError, match="unknown mixer"):
        runner.train(replace(made, learner=replace(made.learner, mixer="sun")), quiet=True)
    assert not folder.exists()
