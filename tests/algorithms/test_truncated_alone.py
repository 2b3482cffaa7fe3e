"""Learners of own rewards bootstrap an agent that its own clock has stopped, and no other that has left."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.algorithms import ippo
from qflock.algorithms._actor_critic.learner import ActorCritic
from qflock.algorithms._value.q_config import QConfig
from qflock.algorithms._value.q_learning import QLearning
from qflock.core.steps import Rows, TimeStep
from tests.tiny import Echo

ALONE = jnp.array([[0, 0], [0, 1], [0, 0], [0, 0]], bool)[:, None]


def rows(truncated_alone=None):
    """Three steps of one copy; agent 1 leaves with the first one. Each agent is paid 1, 2, 4."""
    paid = jnp.array([0.0, 1.0, 2.0, 4.0])[:, None, None] * jnp.ones((4, 1, 2))
    no = jnp.zeros((4, 1), bool)
    timestep = TimeStep(
        observation=jax.random.normal(jax.random.key(2), (4, 1, 2, 3)),
        state=jnp.zeros((4, 1, 6)),
        legal=jnp.ones((4, 1, 2, 3), bool),
        active=jnp.array([[1, 1], [1, 0], [1, 0], [1, 0]], bool)[:, None],
        reward=paid,
        terminated=no,
        truncated=no,
        measures={},
        truncated_alone=truncated_alone,
    )
    taken = jnp.zeros((3, 1, 2), jnp.int32)
    return Rows(timestep, taken, no.at[0].set(True), (), jnp.zeros((3, 1, 2)))


@pytest.mark.parametrize(("alone", "bootstrap"), [(None, 0.0), (ALONE & ~ALONE, 0.0), (ALONE, 10.0)])
@pytest.mark.parametrize("td_lambda", [0.0, 1.0])
def test_q_learning(td_lambda, alone, bootstrap):
    """All values are 10; what is paid to the agent after it has left never reaches back."""
    core = QLearning(QConfig(mixer="none", reward="own", hidden=(8,), gamma=0.5, td_lambda=td_lambda), Echo())
    q = jnp.full((4, 1, 2, 3), 10.0)
    target = np.asarray(core.targets(q, q, core.init(jax.random.key(0)).mixer, rows(alone)))[:, 0]
    assert target[0, 1] == 1 + 0.5 * bootstrap
    stays = 1 + 0.5 * (10 if td_lambda == 0 else 2 + 0.5 * (4 + 0.5 * 10))
    assert target[0, 0] == stays


@pytest.mark.parametrize("alone", [None, ALONE])
def test_actor_critics(alone):
    config = ippo.Config(reward="own", hidden=(8,), gamma=0.5, gae_lambda=1.0, normalise_values=False)
    learner = ActorCritic(config, Echo())
    state = learner.init(jax.random.key(0))
    told = rows(alone)
    value = np.asarray(learner.critic.values(state.weights.critic, told))[:, 0, :, 0]
    target = np.asarray(learner.judge(state, told)[0].target)[:, 0]
    np.testing.assert_allclose(target[0, 1], 1 + 0.5 * (0.0 if alone is None else value[1, 1]), rtol=1e-5)
    stays = 1 + 0.5 * (2 + 0.5 * (4 + 0.5 * value[3, 0]))
    np.testing.assert_allclose(target[0, 0], stays, rtol=1e-5)
