"""NaN and infinity: noticed in the chunk in which they come, and stopped at, skipped or gone back from."""

from __future__ import annotations

import math
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock import config
from qflock.config import Settings
from qflock.errors import UserError
from qflock.runs import checkpoint, health, log, program, runner, tensors, work
from qflock.runs.folder import RunFolder, open_run
from qflock.runs.health import Diverged
from tests.runs.moments import Photographer, assert_same, compiled_once, watched

BOMB = str(Path(__file__).parent / "bomb.py") + ":Bomb"
RUN = {
    "env": BOMB,
    "env.chance": 0.002,
    "total_steps": 1600,
    "seeds": 2,
    "log_interval": 50,
    "eval_interval": 400,
    "eval_episodes": 4,
    "final_episodes": 4,
    "save_interval": 0,
    "state_interval": 0,
    "copies": 4,
    "steps": 8,
    "minibatches": 2,
    "hidden": (8,),
}


def settings(folder: Path, **changes: Any) -> Settings:
    return config.resolve("ippo", overrides={**RUN, "run_dir": folder, **changes})


@pytest.fixture(autouse=True)
def _once() -> Iterator[None]:
    with compiled_once():
        yield


def assert_finite(run: Path) -> None:
    for name, array in tensors.load_arrays(run / "models" / "final_model.safetensors").items():
        assert np.isfinite(array).all(), name


def test_stop_keeps_the_last_good_state_and_says_how_to_go_on(tmp_path: Path) -> None:
    folder = tmp_path / "run"
    with pytest.raises(Diverged) as caught:
        runner.train(settings(folder), quiet=True)
    assert caught.value.code == 3
    line = str(caught.value)
    assert "\n" not in line
    assert "not finite" in line
    saved = checkpoint.newest_state(RunFolder(folder), work.Work(settings(folder), True).shapes)
    assert saved is not None
    kept = min(saved.position["env_steps"])
    assert f"the state of step {kept:,} is kept. Go on past it with: qflock resume {folder} --on_nan" in line
    weights = jax.tree.leaves(saved.state.learner.weights)
    assert all(np.isfinite(leaf).all() for leaf in weights)
    assert log.read(folder / "training_log.csv")["env_step"].max() <= kept
    with pytest.raises(Diverged):  # the same bits come to the same end
        runner.resume(folder, quiet=True)
    summary = runner.resume(folder, quiet=True, on_nan="skip")
    assert sum(summary["discarded_chunks"]) > 0
    assert open_run(folder).settings().run.on_nan == "skip"
    assert_finite(folder)


def test_nothing_saved_yet_is_said(tmp_path: Path) -> None:
    made = settings(tmp_path / "run", state_interval=1000, **{"env.chance": 0.5})
    with pytest.raises(Diverged, match=r"returns and 1 more not finite.*; nothing was saved before\. Go on"):
        runner.train(made, quiet=True)


def test_skip_takes_back_the_updates_of_the_seeds_in_trouble_alone(tmp_path: Path) -> None:
    few = {"seeds": 4, "env.chance": 0.0005}
    summary = runner.train(settings(tmp_path / "run", on_nan="skip", **few), quiet=True)
    runner.train(settings(tmp_path / "free", seeds=4, **{"env.chance": 0.0}), quiet=True)
    rows, free = (log.read(tmp_path / name / "training_log.csv") for name in ("run", "free"))
    discarded = summary["discarded_chunks"]
    assert 0 in discarded
    assert max(discarded) > 0
    for seed, times in enumerate(discarded):
        own = rows["seed"] == seed
        assert np.isnan(rows["entropy"][own]).sum() == times
        assert (np.diff(rows["env_step"][own]) > 0).all()
        for name in rows if times == 0 else ():
            np.testing.assert_array_equal(rows[name][own], free[name][own], err_msg=name)
    assert_finite(tmp_path / "run")


@pytest.mark.parametrize("on_nan", ["skip", "rollback"])
def test_killed_runs_come_to_the_same_end(on_nan: str, tmp_path: Path) -> None:
    whole = tmp_path / "whole"
    whole.mkdir()
    camera = Photographer(whole, tmp_path / "photos")
    made = settings(whole, on_nan=on_nan, **{"env.chance": 0.0005})
    with watched(whole, camera):
        summary = runner.train(made, quiet=True)
    assert summary["rollbacks"] + sum(summary["discarded_chunks"]) >= 1
    assert_finite(whole)
    runner.train(settings(tmp_path / "again", on_nan=on_nan, **{"env.chance": 0.0005}), quiet=True)
    assert_same(whole, tmp_path / "again")
    for what, photo in camera.taken.items():
        if (photo / "configs" / "hparams.json").is_file():
            runner.resume(photo, quiet=True)
            try:
                assert_same(whole, photo)
            except AssertionError as problem:
                raise AssertionError(f"killed at: {what}") from problem
        shutil.rmtree(photo)


def test_rollback_gives_up_where_there_is_no_way_round(tmp_path: Path) -> None:
    made = settings(tmp_path / "run", on_nan="rollback", **{"env.chance": 0.5})
    with pytest.raises(Diverged, match="also after 5 rollbacks"):
        runner.train(made, quiet=True)


def test_weights_that_are_not_finite_are_named(tmp_path: Path) -> None:
    made = settings(tmp_path / "run", lr=1e38, **{"env.chance": 0.0})
    with pytest.raises(Diverged, match=r"seed 0: weights agents\.\S+ and \d+ more not finite"):
        runner.train(made, quiet=True)


def test_skipping_everything_ends_and_says_so(tmp_path: Path) -> None:
    made = settings(tmp_path / "run", lr=1e38, on_nan="skip", total_steps=400, **{"env.chance": 0.0})
    summary = runner.train(made, quiet=True)
    rows = log.read(tmp_path / "run" / "training_log.csv")
    assert summary["discarded_chunks"] == [len(rows["seed"]) // 2] * 2
    assert_finite(tmp_path / "run")


def test_a_mean_over_nothing_is_no_trouble(tmp_path: Path) -> None:
    """Long episodes: no chunk of the first ones has a return; replay is not full: no loss."""
    value = {"row_length": 4, "buffer_capacity": 1024, "min_buffer_size": 600, "batch_size": 16}
    common = {k: v for k, v in RUN.items() if k != "minibatches"}
    overrides = {**common, **value, "run_dir": tmp_path / "run", "env.chance": 0.0, "env.horizon": 200}
    runner.train(config.resolve("vdn", overrides=overrides), quiet=True)
    rows = log.read(tmp_path / "run" / "training_log.csv")
    assert np.isnan(rows["loss"][:2]).all()
    assert np.isnan(rows["episode_return"][:2]).all()
    assert np.isfinite(rows["loss"][-1])


def test_what_a_look_sees(tmp_path: Path) -> None:
    made = program.build(settings(tmp_path / "run"))
    state, told = made.chunk(made.init(jnp.arange(2, dtype=jnp.uint32)))
    told = told._replace(tally=told.tally._replace(episode_return=jnp.zeros(2), discounted=jnp.zeros(2)))
    quiet = state.flow.running._replace(episode_return=jnp.zeros((2, 4)))
    state = state._replace(flow=state.flow._replace(running=quiet))
    look = health.inspector(made.learner)
    judged = lambda s, t: health.judge(jax.device_get(look(s, t)), (7, 8))
    assert judged(state, told) is None
    nan_metrics = told._replace(metrics={name: jnp.full(2, math.nan) for name in told.metrics})
    assert judged(state, nan_metrics) is None
    infinite = told._replace(metrics={**told.metrics, "loss": jnp.array([0.0, -math.inf])})
    assert str(judged(state, infinite)) == "seed 8: loss not finite"
    returns = told._replace(tally=told.tally._replace(discounted=jnp.array([math.nan, 0.0])))
    assert str(judged(state, returns)) == "seed 7: returns not finite"


def test_unknown_answers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="on_nan: expected one of stop, skip, rollback"):
        settings(tmp_path / "run", on_nan="pray")
