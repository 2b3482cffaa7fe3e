"""Choosing actions: only legal ones, uniformly, and as often as epsilon says."""

import jax
import jax.numpy as jnp
import numpy as np

from qflock.learning import exploration

LEGAL = jnp.array([[True, False, True, True], [False, True, False, False]])


def test_uniform_draws_every_legal_action_equally_and_no_other():
    keys = jax.random.split(jax.random.key(0), 6000)
    drawn = np.asarray(jax.vmap(lambda k: exploration.uniform(k, LEGAL))(keys))
    counts = np.bincount(drawn[:, 0], minlength=4)
    assert counts[1] == 0
    assert abs(counts[[0, 2, 3]] - 2000).max() < 200
    assert (drawn[:, 1] == 1).all()


def test_epsilon_is_the_share_of_exploring_agents_and_greedy_is_legal():
    values = jnp.array([[0.0, 9.0, 1.0, 0.5], [5.0, 0.0, 5.0, 5.0]])
    np.testing.assert_array_equal(exploration.greedy(values, LEGAL), [2, 1])
    keys = jax.random.split(jax.random.key(1), 6000)
    drawn = np.asarray(jax.vmap(lambda k: exploration.epsilon_greedy(k, values, LEGAL, 0.3))(keys))
    assert abs((drawn[:, 0] != 2).mean() - 0.2) < 0.03  # a third of the random draws is the greedy one
    np.testing.assert_array_equal(exploration.epsilon_greedy(keys[0], values, LEGAL, 0.0), [2, 1])


def test_the_schedule_is_a_straight_line_and_then_flat():
    at = jnp.array([0, 25, 100, 1000])
    np.testing.assert_allclose(exploration.linear(1.0, 0.2, 100, at), [1.0, 0.8, 0.2, 0.2], rtol=1e-6)
