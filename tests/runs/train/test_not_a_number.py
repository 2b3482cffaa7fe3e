"""NaN and infinity: noticed in the chunk in which they come, and stopped at, skipped or gone back from."""

from __future__ import annotations

import math
import os
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.files import csv_log, tensors
from qflock.runs import checkpoint
from qflock.runs.folder import RunFolder, open_run
from qflock.runs.train import health, programs, runner
from qflock.runs.train.health import Diverged
from qflock.runs.train.work import Work
from qflock.settings import config
from qflock.settings.config import Settings
from tests.marks import IN_CI
from tests.runs.moments import Photographer, assert_same, compiled_once, watched

BOMB = str(Path(__file__).parent / "bomb.py") + ":Bomb"
RUN = {
    "env": BOMB,
    "env.chance": 0.0004,
    "total_steps": 3200,
    "seeds": 2,
    "log_interval": 50,
    "eval_interval": 1000,
    "eval_episodes": 4,
    "final_episodes": 4,
    "save_interval": 0,
    "state_interval": 0,
    "copies": 4,
    "steps": 8,
    "hidden": (8,),
}
WILD = {"env.chance": 0.0, "lr": 1e38}
"""The first gradient step leaves no finite weights."""


def settings(folder: Path, **changes: Any) -> Settings:
    return config.resolve("ippo", overrides={**RUN, "minibatches": 2, "run_dir": folder, **changes})


@pytest.fixture(autouse=True)
def _quick(monkeypatch: pytest.MonkeyPatch, shared: None) -> None:
    monkeypatch.setattr(os, "fsync", lambda handle: None)


@pytest.fixture(scope="module")
def shared() -> Iterator[None]:
    with compiled_once():
        yield


def assert_finite(run: Path) -> None:
    for name, array in tensors.load_arrays(run / "models" / "final_model.safetensors").items():
        assert np.isfinite(array).all(), name


@pytest.mark.slow
@pytest.mark.ci_slow
def test_stop_keeps_the_last_good_state_and_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(Diverged) as caught:
        runner.train(settings(folder), quiet=True)
    assert caught.value.code == 3
    line = str(caught.value)
    assert "\n" not in line
    assert "not finite" in line
    saved = checkpoint.newest_state(RunFolder(folder), Work(settings(folder), True).shapes)
    assert saved is not None
    kept = min(saved.position["env_steps"])
    assert f"the state of step {kept:,} is kept. Go on past it with: qflock resume {folder} --on_nan" in line
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(saved.state.learner.weights))
    assert csv_log.read(folder / "training_log.csv")["env_step"].max() == max(saved.position["env_steps"])
    with pytest.raises(Diverged):  # the same bits come to the same end
        runner.resume(folder, quiet=True)
    summary = runner.resume(folder, quiet=True, on_nan="skip")
    assert sum(summary["discarded_chunks"]) > 0
    assert open_run(folder).settings().run.on_nan == "skip"
    assert_finite(folder)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_skip_takes_back_the_updates_of_the_seed_in_trouble_alone(tmp_path: Path) -> None:
    rows = []
    for first in (0, 1):  # seed 1 beside seed 0, and beside seed 2
        summary = runner.train(settings(tmp_path / f"run{first}", on_nan="skip", seed=first), quiet=True)
        rows.append(csv_log.read(tmp_path / f"run{first}" / "training_log.csv"))
        for seed, times in zip((first, first + 1), summary["discarded_chunks"], strict=True):
            own = rows[-1]["seed"] == seed
            assert np.isnan(rows[-1]["entropy"][own]).sum() == times
            assert (np.diff(rows[-1]["env_step"][own]) > 0).all()
        assert_finite(tmp_path / f"run{first}")
    left, right = rows
    length = min((each["seed"] == 1).sum() for each in rows)
    for name in left:  # whatever happened to the one beside it
        mine, same = (each[name][each["seed"] == 1][:length] for each in rows)
        np.testing.assert_array_equal(mine, same, err_msg=name)
    assert np.isnan(left["entropy"]).sum() + np.isnan(right["entropy"]).sum() > 0


@pytest.mark.parametrize("tried", [4, pytest.param(1000, marks=pytest.mark.slow)])
@pytest.mark.parametrize(
    "on_nan",
    [pytest.param("skip", marks=IN_CI), pytest.param("rollback", marks=[*IN_CI, pytest.mark.left_out])],
)
def test_killed_runs_come_to_the_same_end(on_nan: str, tried: int, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    camera = Photographer(whole, tmp_path / "photos")
    with watched(whole, camera):
        summary = runner.train(settings(whole, on_nan=on_nan), quiet=True)
    assert summary["rollbacks"] + sum(summary["discarded_chunks"]) >= 1
    assert_finite(whole)
    photos = [(what, p) for what, p in camera.taken.items() if (p / "configs" / "hparams.json").is_file()]
    for what, photo in random.Random(on_nan).sample(photos, min(tried, len(photos))):
        runner.resume(photo, quiet=True)
        try:
            assert_same(whole, photo)
        except AssertionError as problem:
            raise AssertionError(f"killed at: {what}") from problem


@pytest.mark.parametrize(
    "after", [pytest.param("save_state", marks=IN_CI), pytest.param("forget_after", marks=IN_CI)]
)
def test_a_kill_within_a_rollback_is_made_good(
    after: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole, folder = tmp_path / "whole", tmp_path / "run"
    runner.train(settings(whole, on_nan="rollback"), quiet=True)
    back: list[int] = []
    forget, save = checkpoint.forget_after, checkpoint.save_state

    def forgetting(where: RunFolder, update: int) -> None:
        forget(where, update)
        back.append(update)
        if after == "forget_after":
            raise Killed

    def saving(*arguments: Any) -> Path:
        path = save(*arguments)
        if back:
            raise Killed
        return path

    with monkeypatch.context() as patch:
        patch.setattr(checkpoint, "forget_after", forgetting)
        patch.setattr(checkpoint, "save_state", saving)
        with pytest.raises(Killed):
            runner.train(settings(folder, on_nan="rollback"), quiet=True)
    runner.resume(folder, quiet=True)
    assert_same(whole, folder)


class Killed(BaseException):
    """Ends a run where it stands."""


@pytest.fixture
def poisoned(monkeypatch: pytest.MonkeyPatch) -> None:
    """Training begins with a weight that is no number."""
    begin = Work.begin

    def spoilt(self: Work) -> Any:
        state = begin(self)
        first = lambda weights: jax.tree.leaves(weights.agents)[0]
        spoil = lambda leaf: leaf.at[0].set(jnp.nan)
        return state._replace(
            learner=eqx.tree_at(lambda s: first(s.weights), state.learner, replace_fn=spoil)
        )

    monkeypatch.setattr(Work, "begin", spoilt)


def test_weights_that_are_not_finite_are_named(poisoned: None, tmp_path: Path) -> None:
    made = settings(tmp_path / "run")
    line = r"seed 0: weights agents\.\S+ and \d+ more not finite.*; nothing was saved before\. Go on past it"
    with pytest.raises(Diverged, match=line):
        runner.train(made, quiet=True)


def test_rollback_gives_up_where_there_is_no_way_round(poisoned: None, tmp_path: Path) -> None:
    made = settings(tmp_path / "run", on_nan="rollback")
    with pytest.raises(Diverged, match="also after 5 rollbacks"):
        runner.train(made, quiet=True)


@pytest.mark.slow
def test_skipping_everything_ends_and_says_so(tmp_path: Path) -> None:
    made = settings(tmp_path / "run", on_nan="skip", total_steps=400, **WILD)
    summary = runner.train(made, quiet=True)
    rows = csv_log.read(tmp_path / "run" / "training_log.csv")
    assert summary["discarded_chunks"] == [len(rows["seed"]) // 2] * 2
    assert_finite(tmp_path / "run")


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_mean_over_nothing_is_no_trouble(tmp_path: Path) -> None:
    """Long episodes: no chunk of the first ones has a return; replay is not full: no loss."""
    value = {"row_length": 4, "buffer_capacity": 1024, "min_buffer_size": 200, "batch_size": 16}
    value |= {"train_frequency": 32}
    changes = {"total_steps": 600, "run_dir": tmp_path / "run", "env.chance": 0.0, "env.horizon": 40}
    runner.train(config.resolve("vdn", overrides={**RUN, **value, **changes}), quiet=True)
    rows = csv_log.read(tmp_path / "run" / "training_log.csv")
    assert np.isnan(rows["loss"][:2]).all()
    assert np.isnan(rows["episode_return"][:2]).all()
    assert np.isfinite(rows["loss"][-1])


def test_what_a_look_sees(tmp_path: Path) -> None:
    made = programs.build(settings(tmp_path / "run"))
    state, told = made.chunk(made.init(jnp.arange(2, dtype=jnp.uint32)))
    told = told._replace(tally=told.tally._replace(episode_return=jnp.zeros(2), discounted=jnp.zeros(2)))
    quiet = state.flow.running._replace(episode_return=jnp.zeros((2, 4)))
    state = state._replace(flow=state.flow._replace(running=quiet))
    look = health.inspector(made.learner)
    judged = lambda told, state=state: health.judge(jax.device_get(look(state, told)), (7, 8))
    assert judged(told) is None
    assert judged(told._replace(metrics={name: jnp.full(2, math.nan) for name in told.metrics})) is None
    infinite = told._replace(metrics={**told.metrics, "value_loss": jnp.array([0.0, -math.inf])})
    assert str(judged(infinite)) == "seed 8: value_loss not finite"
    returns = told._replace(tally=told.tally._replace(discounted=jnp.array([math.nan, 0.0])))
    assert str(judged(returns)) == "seed 7: returns not finite"
    loud = quiet._replace(episode_return=quiet.episode_return.at[1, 2].set(math.inf))
    running = state._replace(flow=state.flow._replace(running=loud))
    assert str(judged(told, running)) == "seed 8: rewards not finite"


def test_unknown_answers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="on_nan: expected one of stop, skip, rollback"):
        settings(tmp_path / "run", on_nan="pray")
