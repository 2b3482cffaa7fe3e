"""Losses, with numbers worked by hand."""

import jax.numpy as jnp
import numpy as np
import pytest

from qflock.learning import losses

LOG2 = float(np.log(2.0))


@pytest.mark.parametrize(
    ("ratio", "advantage", "wanted"),
    [
        (1.0, 3.0, 3.0),  # nothing has changed yet
        (2.0, 1.0, 1.2),  # better, and as likely as is trusted: no more is gained
        (2.0, -1.0, -2.0),  # worse, and likelier: the full loss
        (0.5, 1.0, 0.5),  # better, and less likely: the full loss
        (0.5, -1.0, -0.8),  # worse, and as unlikely as is trusted
    ],
)
def test_the_clipped_surrogate(ratio, advantage, wanted):
    found = losses.clipped_surrogate(jnp.log(jnp.array(ratio)), jnp.array(advantage), 0.2)
    assert found == pytest.approx(wanted, rel=1e-6)


def test_which_ratios_are_clipped():
    found = losses.is_clipped(jnp.log(jnp.array([0.7, 0.9, 1.0, 1.1, 1.3])), 0.2)
    assert found.tolist() == [True, False, False, False, True]


def test_approximate_kl_is_zero_at_one_and_never_negative():
    assert losses.approximate_kl(jnp.array(0.0)) == 0
    assert losses.approximate_kl(jnp.array(LOG2)) == pytest.approx(1 - LOG2, rel=1e-6)  # 2 - 1 - log 2
    assert losses.approximate_kl(jnp.array(-LOG2)) == pytest.approx(LOG2 - 0.5, rel=1e-6)


@pytest.mark.parametrize(
    ("value", "target", "old", "clip", "wanted"),
    [
        (3.0, 1.0, 0.0, 0.0, 4.0),  # plain
        (3.0, 1.0, 2.5, 0.2, 4.0),  # moved by 0.5, counted as 2.7: error 1.7, the larger is 2
        (1.5, 1.0, 3.0, 0.5, 2.25),  # nearer now, but moved further than is trusted: as if still at 2.5
    ],
)
def test_the_value_loss(value, target, old, clip, wanted):
    found = losses.value_loss(jnp.array(value), jnp.array(target), jnp.array(old), clip)
    assert found == pytest.approx(wanted, rel=1e-6)


def test_td_losses():
    error = jnp.array([-0.5, 0.5, 3.0])
    np.testing.assert_allclose(losses.td_loss(error, "mse"), [0.25, 0.25, 9.0])
    np.testing.assert_allclose(losses.td_loss(error, "huber"), [0.125, 0.125, 2.5])  # |3| - 1/2


def test_weights_of_wqmix():
    total, target = jnp.array([1.0, 3.0, 2.0]), jnp.array([2.0, 2.0, 2.0])
    np.testing.assert_allclose(losses.optimistic_weights(total, target, 0.1), [1.0, 0.1, 0.1])
    greedy, is_greedy = jnp.array([1.0, 3.0, 3.0]), jnp.array([False, False, True])
    np.testing.assert_allclose(losses.central_weights(target, greedy, is_greedy, 0.1), [1.0, 0.1, 1.0])
