"""What a run says of its memory is what it holds; what cannot fit is refused before anything is written."""

import math

import jax
import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.runs.train import footprint, programs, runner
from qflock.settings import config
from tests.marks import IN_CI

SMALL = {"copies": 8, "steps": 8, "hidden": (8,), "buffer_capacity": 1024, "min_buffer_size": 64}
SMALL |= {"batch_size": 64, "train_frequency": 64, "mixer_embed": 4, "mixer_hyper": 4}


def built(env, **changes):
    settings = config.resolve("qmix", overrides={"env": env, **SMALL, **changes})
    made = programs.build(settings)
    shapes = jax.eval_shape(made.init, np.zeros(settings.run.seeds, np.uint32))
    return settings, made, shapes


def size(tree):
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(tree))


@pytest.mark.parametrize(
    ("env", "types"),
    [("gridworld25", "int8"), pytest.param("box_push", "uint8", marks=IN_CI), ("coin_game", "uint8")],
)
def test_replay_keeps_the_environments_own_small_types(env, types):
    _, made, shapes = built(env)
    kept, own = shapes.learner.replay.data.timestep, shapes.flow.timestep
    assert kept.observation.dtype == own.observation.dtype == types
    assert kept.state.dtype == own.state.dtype
    assert shapes.learner.replay.data.actions.dtype == "int8"
    rows = 1024 // 8 * 9  # a row more than transitions in each stretch
    spec = made.env.spec
    assert kept.observation.size == rows * spec.agents * spec.observation


def test_the_footprint_is_what_the_state_holds():
    _, made, shapes = built("gridworld25", seeds=3)
    one = footprint.of_seed(made, shapes)
    state = made.init(np.arange(3, dtype=np.uint32))
    learner = state.learner
    assert one.replay == sum(x.nbytes for x in jax.tree.leaves(learner.replay)) // 3
    assert one.weights == sum(x.nbytes for x in jax.tree.leaves(learner.online)) // 3
    whole = one.replay + one.weights + one.rest
    assert whole == sum(x.nbytes for x in jax.tree.leaves(learner)) // 3
    assert one.rest > 3 * one.weights  # targets, and two moments
    assert one.environments == size(shapes.flow) // 3
    assert one.rollout > 9 * size(shapes.flow.timestep) // 3
    assert footprint.tell(one, made.sharing) == []  # there is plenty


def test_a_run_that_does_not_fit_is_refused_and_leaves_nothing(tmp_path, monkeypatch):
    folder = tmp_path / "run"
    huge = {"env": "gridworld25", "buffer_capacity": 2**40, "run_dir": folder}
    with pytest.raises(
        UserError, match=r"hold .* TiB of .* free: too much .*; take a smaller buffer_capacity$"
    ):
        runner.train(config.resolve("qmix", overrides=huge), quiet=True)
    assert not folder.exists()
    _, made, shapes = built("gridworld25")
    one = footprint.of_seed(made, shapes)
    held = one.replay + one.weights + one.rest + one.environments + one.rollout
    monkeypatch.setattr(footprint, "free", lambda device: held)
    sizes, warning = footprint.tell(one, made.sharing)
    assert sizes.startswith("memory of a seed: replay ")
    assert "1 seed(s) hold" in sizes
    assert warning.startswith("warning: that is over half")
    monkeypatch.setattr(footprint, "free", lambda device: held - 1)
    with pytest.raises(UserError, match="too much"):
        footprint.tell(one, made.sharing)
    monkeypatch.setattr(footprint, "free", lambda device: None)  # a device that does not say
    assert footprint.tell(one, made.sharing) == []


def test_free_memory_is_known_here(tmp_path, monkeypatch):
    device = jax.devices("cpu")[0]
    there = footprint.free(device)
    assert there is not None
    assert 2**20 < there < 2**50
    limit = tmp_path / "memory.max"
    monkeypatch.setattr(footprint, "LIMIT", limit)
    limit.write_text("1048576\n")
    assert footprint.free(device) == 1048576
    limit.write_text("max\n")
    assert footprint.free(device) > 1048576
    monkeypatch.setattr(footprint, "MEMORY", tmp_path / "none")
    assert footprint.free(device) > 1048576
