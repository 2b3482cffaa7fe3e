"""A symmetry that is none is found, by playing the turned world beside the world."""

from __future__ import annotations

import dataclasses

import jax
import jax.numpy as jnp
import pytest

from qflock.core.environment import Symmetric
from qflock.environments.gridworld25 import Config, Environment
from qflock.playing.conformance import checks, symmetries

SMALL = Config(grid_size=5, max_steps=40)


class WrongActions(Environment):
    """Forgets that actions turn too."""

    def turned_actions(self, which, actions):
        return actions


class WrongView(Environment):
    """Shows the world as if it were not turned."""

    def turned(self, which, timestep):
        return timestep


class NeverTheSame(Environment):
    """Its number 0 is another."""

    def turned(self, which, timestep):
        return super().turned((which + 1) % self.symmetries, timestep)

    def turned_actions(self, which, actions):
        return super().turned_actions((which + 1) % self.symmetries, actions)

    def turned_state(self, which, state):
        return super().turned_state((which + 1) % self.symmetries, state)


class Other(Environment):
    """Turns to other types."""

    def turned(self, which, timestep):
        timestep = super().turned(which, timestep)
        return timestep._replace(observation=timestep.observation.astype(jnp.float32))


class Keyed:
    """Keeps a typed key in its state, as an environment with chance of its own may."""

    symmetries = 8

    def __init__(self):
        self.inner = Environment(SMALL)
        self.spec, self.turned, self.turned_actions = (
            self.inner.spec,
            self.inner.turned,
            self.inner.turned_actions,
        )

    def reset(self, key):
        state, now = self.inner.reset(key)
        return (state, key), now

    def step(self, key, state, actions):
        after, now = self.inner.step(key, state[0], actions)
        return (after, jax.random.fold_in(state[1], 1)), now

    def turned_state(self, which, state):
        return self.inner.turned_state(which, state[0]), state[1]


def found(env):
    return symmetries.findings(env, *jax.jit(lambda key: checks.walk(env, key, 30))(jax.random.key(0)))


@pytest.mark.parametrize("size", [3, 5, 24])
@pytest.mark.parametrize("collisions", [True, False])
def test_the_boards_eight_symmetries_hold(size, collisions):
    env = Environment(dataclasses.replace(SMALL, grid_size=size, collisions=collisions))
    assert isinstance(env, Symmetric)
    assert found(env) == []


def test_a_state_with_a_typed_key_is_compared_too():
    assert found(Keyed()) == []


@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        (WrongActions, "a step of the turned world is not the turned step: first in"),
        (WrongView, "a step of the turned world is not the turned step: first in"),
        (NeverTheSame, "number 0 must change nothing"),
        (Other, "float32"),
    ],
)
def test_what_is_no_symmetry_is_a_finding(wrong, says):
    assert any(says in line for line in found(wrong(SMALL)))


def test_eight_symmetries_are_eight_and_turn_back():
    env = Environment(SMALL)
    _, now = env.reset(jax.random.key(1))
    turned = jax.vmap(env.turned, (0, None))(jnp.arange(env.symmetries), now)
    looks = {tuple(one.ravel().tolist()) for one in turned.observation}
    assert len(looks) == env.symmetries == 8
    again = jax.vmap(jax.vmap(env.turned, (0, None)), (None, 0))(jnp.arange(env.symmetries), turned)
    for back in again.observation:  # some symmetry undoes each
        assert any((one == now.observation).all() for one in back)


def test_what_is_no_action_stays():
    env = Environment(SMALL)
    for which in range(env.symmetries):
        assert env.turned_actions(jnp.int32(which), jnp.array([-1, 6, 0, 5])).tolist() == [-1, 6, 0, 5]
