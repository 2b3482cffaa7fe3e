"""Callbacks see a run between its chunks, change nothing of it, and may end it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from safetensors.numpy import load_file

from qflock.core.errors import UserError
from qflock.files import csv_log
from qflock.runs import summaries
from qflock.runs.folder import RunFolder
from qflock.runs.train import runner
from qflock.runs.train.callbacks import Callbacks, Failed
from qflock.runs.train.program import Part
from qflock.settings import config
from tests.runs.train.test_loggers import chunk

SMALL = {
    "env": "matrix_game",
    "total_steps": 640,
    "log_interval": 64,
    "eval_interval": 128,
    "eval_episodes": 4,
}
SMALL |= {"final_episodes": 4, "seeds": 2, "seed": 5, "hidden": (4,), "num_envs": 4, "num_steps": 8}


def train(folder, *callbacks):
    settings = config.resolve("a2c", overrides={**SMALL, "run_dir": folder})
    return runner.train(settings, True, callbacks=callbacks)


def contents(folder):
    """Everything that must be equal, to the bit."""
    logs = {path.name: path.read_bytes() for path in folder.glob("*.csv")}
    files = {path.name: load_file(path) for path in (folder / "models").glob("*.safetensors")}
    return logs, {name: {n: x.tobytes() for n, x in arrays.items()} for name, arrays in files.items()}


class Seen:
    """Keeps what it is told."""

    def __init__(self) -> None:
        self.calls = []

    def on_chunk(self, step, metrics, state):
        """Keep it, and disturb what must not matter."""
        np.random.seed(step)
        self.calls.append((step, dict(metrics)))
        metrics.clear()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A run without callbacks."""
    folder = tmp_path_factory.mktemp("whole") / "run"
    train(folder)
    return folder


@pytest.fixture(scope="module")
def watched(tmp_path_factory):
    """The same with two of them."""
    folder, seen, shapes = tmp_path_factory.mktemp("watched") / "run", Seen(), []

    def look(step, metrics, state):
        import jax

        shapes.extend(leaf.shape[0] for leaf in jax.tree.leaves(state.learner))

    train(folder, seen, look)
    return folder, seen.calls, shapes


def test_a_run_with_callbacks_is_bit_for_bit_one_without(whole, watched):
    assert contents(watched[0]) == contents(whole)
    assert summaries.read(RunFolder(watched[0])).keys() == summaries.read(RunFolder(whole)).keys()


def test_a_callback_sees_each_row_of_the_log_and_each_evaluation(watched):
    folder, calls, shapes = watched
    log, evaluations = csv_log.read(folder / "training_log.csv"), csv_log.read(folder / "evaluation.csv")
    steps = log["env_step"].reshape(-1, 2)
    assert [call[0] for call in calls] == [int(row.min()) for row in steps]
    for name in ("episode_return", "policy_loss", "episode_length"):
        seen = np.stack([call[1][name] for call in calls])
        np.testing.assert_allclose(seen, log[name].reshape(-1, 2), rtol=1e-6)
    scores = [call[1]["evaluation/return_mean"] for call in calls if "evaluation/return_mean" in call[1]]
    np.testing.assert_array_equal(np.stack(scores), evaluations["return_mean"].reshape(-1, 2)[:-1])
    assert set(shapes) == {2}


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_callback_that_says_false_ends_the_run_and_a_resume_goes_on(tmp_path, whole):
    def after_a_while(step, metrics, state):
        return np.bool_(step < 200)

    summary = train(tmp_path / "run", after_a_while)
    assert summary["stopped_by"] == "after_a_while"
    assert 200 <= summary["env_steps"] < 400
    assert summary["final_evaluation"]["over_seeds"]["episodes"] == 8
    assert summaries.read(RunFolder(tmp_path / "run"))["stopped_by"] == "after_a_while"
    again = runner.resume(tmp_path / "run", quiet=True)
    assert "stopped_by" not in again
    assert contents(tmp_path / "run") == contents(whole)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_an_error_in_a_callback_is_told_with_its_name_and_loses_nothing(tmp_path, whole):
    class Careless:
        def on_chunk(self, step, metrics, state):
            if step > 200:
                raise ZeroDivisionError("float division by zero")

    with pytest.raises(Failed) as told:
        train(tmp_path / "run", Careless())
    assert told.match(
        r"callback Careless failed at step \d+ \(ZeroDivisionError: float division by zero\); the"
    )
    assert "qflock resume" in str(told.value)
    assert isinstance(told.value.__cause__, ZeroDivisionError)
    runner.resume(tmp_path / "run", quiet=True)
    assert contents(tmp_path / "run") == contents(whole)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (print, "give a list"),
        ([print, 3], r"callbacks\[1\] is 3; give a function of step, metrics and state"),
        ([Seen], r"callbacks\[0\] is .*Seen.*; give a function"),
    ],
)
def test_what_is_no_callback_is_refused_before_a_run_begins(given, message, tmp_path):
    settings = config.resolve("a2c", overrides={**SMALL, "run_dir": tmp_path / "run"})
    with pytest.raises(UserError, match=message):
        runner.train(settings, True, callbacks=given)
    assert not (tmp_path / "run").exists()


def test_a_seed_that_is_done_or_taken_back_has_no_numbers():
    seen = []
    callbacks = Callbacks([lambda step, metrics, state: seen.append(metrics)])
    callbacks.chunk(chunk(1), Part(1, np.array([True, False])), [False, False])
    callbacks.call(100, None, Path("run"))
    callbacks.chunk(chunk(1), Part(1, np.array([True, True])), [True, False])
    callbacks.call(200, None, Path("run"))
    assert [np.isnan(metrics["epsilon"]).tolist() for metrics in seen] == [[False, True], [True, False]]
    assert seen[0]["episode_length"][0] == 3


def test_a_notebook_shows_where_in_the_callback_it_failed_and_of_other_errors_the_line():
    def careless(step, metrics, state):
        return step / 0

    failed = Callbacks([careless]).call(1, None, Path("run"))
    shown = failed._render_traceback_()
    assert any("return step / 0" in line for line in shown)
    assert shown[-1].startswith("Failed: callback careless failed at step 1")
    assert UserError("wrong")._render_traceback_() == ["UserError: wrong"]
