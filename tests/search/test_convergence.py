"""Diagnostics: chains that agree, chains that do not, and chains that stand still."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.search import convergence
from qflock.search.convergence import Window


def filled(draws):
    """A window after all rows of ``(steps, chains, P + 1)``."""
    window = Window.start(50, draws.shape[1], draws.shape[2] - 1)
    add = lambda w, row: (w.add(row[:, 0], row[:, 1:], True), None)
    return jax.lax.scan(add, window, draws)[0]


@pytest.mark.slow
@pytest.mark.ci_slow
def test_independent_draws_have_mixed():
    draws = jax.random.normal(jax.random.key(0), (80, 8, 3))
    told = convergence.judge(filled(draws))
    assert 0.97 < told.rhat < 1.03
    assert 250 < told.ess < 600
    assert told.rhat_policy < 1.05
    assert told.ess_policy > 200


@pytest.mark.slow
@pytest.mark.ci_slow
def test_one_stuck_probability_is_enough_to_tell():
    draws = jax.random.normal(jax.random.key(0), (80, 8, 4))
    draws = draws.at[:, :4, 2].add(6.0)  # half of the chains play otherwise at one probe
    told = convergence.judge(filled(draws))
    assert told.rhat < 1.03
    assert told.rhat_policy > 1.5
    assert told.ess_policy < 40


@pytest.mark.slow
@pytest.mark.ci_slow
def test_slow_chains_have_few_effective_draws():
    noise = 0.1 * jax.random.normal(jax.random.key(0), (80, 8, 2))
    told = convergence.judge(filled(jnp.cumsum(noise, 0)))
    assert told.ess < 40


def test_the_window_holds_the_newest_draws_in_order():
    draws = jnp.arange(70.0)[:, None, None] + jnp.zeros((70, 2, 2))
    window = filled(draws)
    rolled = jnp.roll(window.draws, -(window.count % 50), axis=0)[:, 0, 0]
    np.testing.assert_array_equal(rolled, np.arange(20, 70))


@pytest.mark.slow
@pytest.mark.ci_slow
def test_nothing_is_said_too_early_or_where_nothing_moves():
    early = filled(jax.random.normal(jax.random.key(0), (30, 8, 2)))
    still = filled(jnp.ones((80, 8, 2)))
    alone = filled(jax.random.normal(jax.random.key(0), (80, 1, 2)))
    for window in (early, still, alone):
        assert np.isnan(convergence.judge(window)).all()


def test_draws_of_another_target_leave_the_window():
    """R-hat of a window that holds two stages tells the difference of their scenarios, not of chains."""
    window = filled(jnp.zeros((49, 2, 2)))
    window = window.add(jnp.ones(2), jnp.ones((2, 1)), settled=False)
    assert window.count == 0
    assert window.add(jnp.ones(2), jnp.ones((2, 1)), settled=True).count == 1
