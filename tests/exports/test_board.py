"""A policy taken home plays GridWorld25v0 outside of JAX, action for action as it does inside."""

from datetime import datetime
from pathlib import Path

import jax
import numpy as np
import pytest

import qflock
from qflock.environments.gridworld25.game import Config
from qflock.exports import writing
from qflock.exports.numpy_policy import NumpyPolicy
from qflock.files import tensors
from qflock.runs import folder
from qflock.settings import config
from tests.environments.test_gridworld25 import Plain

STEPS = 60
THEN = {"hidden": (128, 128), "last_action": False}
"""Of the preset when the weights were trained."""
BOARDS = 6
WEIGHTS = Path(__file__).parents[1] / "golden" / "qmix_gridworld25.safetensors"
"""Seed 0 of the reference result, `qflock export runs/qmix-gridworld25 --to safetensors`."""


def play_inside(run, boards):
    """Actions of the run's own policy on the library's environment, (boards, T, 4), and the starts."""
    env = qflock.make("gridworld25", max_steps=STEPS)
    policy = qflock.load(run)
    step = jax.jit(env.step)
    key, starts, played = jax.random.key(0), [], []
    for board in range(boards):
        state, now = env.reset(jax.random.key(board))
        starts.append((np.asarray(state.agents).tolist(), np.asarray(state.foods).tolist()))
        policy.restart()
        actions = []
        while not now.over:
            actions.append(policy.act(now.observation).tolist())
            state, now = step(key, state, np.array(actions[-1]))
        played.append(actions)
    return starts, played


def play_outside(policy, start):
    """The same on lists and loops: no JAX, no library but the one that computes the policy."""
    board, actions, over = Plain(Config(max_steps=STEPS), *start), [], False
    policy.restart()
    while not over:
        actions.append(np.asarray(policy.act(np.array(board.observation()))).tolist())
        _, terminated, truncated = board.step(actions[-1])
        over = terminated or truncated
    return actions


@pytest.fixture(scope="module")
def inside(tmp_path_factory):
    """A run with the weights that reached the reference result, and what its policy plays on some boards."""
    settings = config.resolve("qmix", overrides={"env": "gridworld25", **THEN})
    made = folder.create(settings, tmp_path_factory.mktemp("trained") / "run", now=datetime(2024, 1, 2))
    weights = {f"policy.{name}": x[None] for name, x in tensors.load_arrays(WEIGHTS).items()}
    tensors.save(made.final_model, weights, {"seeds": [0]})
    return made.path, *play_inside(made.path, BOARDS)


def test_numpy_plays_the_plain_board(inside, tmp_path):
    run, starts, played = inside
    assert max(map(len, played)) < STEPS  # it collects all foods on each board
    policy = NumpyPolicy.load(writing.export(run, "numpy", tmp_path / "policy.npz")["files"][0])
    assert [play_outside(policy, start) for start in starts] == played


def test_torch_plays_the_plain_board(inside, tmp_path):
    pytest.importorskip("torch")
    from qflock.exports.torch_policy import TorchPolicy

    run, starts, played = inside
    policy = TorchPolicy.load(writing.export(run, "torch", tmp_path / "policy.pt")["files"][0])
    assert [play_outside(policy, start) for start in starts] == played
