"""Gradient steps and their means; several devices are tried in tests/runs/train/test_sharing.py."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.learning.descend import descend, epochs, masked_mean
from qflock.learning.optimiser import Optimiser, in_parts


def test_the_mean_leaves_out_what_is_masked_whatever_it_is():
    x, mask = jnp.array([1.0, jnp.nan, 3.0, jnp.inf]), jnp.array([1.0, 0.0, 1.0, 0.0])
    assert masked_mean(x, mask) == 2.0
    assert masked_mean(x, mask > 0) == 2.0
    assert masked_mean(x, jnp.zeros(4)) == 0.0


def test_means_along_axes():
    x = jnp.arange(6.0).reshape(2, 3)
    mask = jnp.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0]])
    np.testing.assert_allclose(masked_mean(x, mask, 0), [1.5, 1.0, 0.0])


def test_a_step_by_hand():
    """loss = mean of w x over the mask: its gradient is the mean of x."""
    plain = Optimiser(lambda w: (), lambda g, s, w, at: (w - 0.1 * g, s))
    loss = lambda w, c, batch: (masked_mean(w * batch[0], batch[1]) + c, {"w": w})
    step = descend(loss, plain).step
    batch = (jnp.array([1.0, 2.0, 6.0]), jnp.array([1.0, 1.0, 0.0]))
    w, state, metrics = step(jnp.float32(3.0), (), jnp.float32(7.0), batch, jnp.int32(0))
    assert w == pytest.approx(3.0 - 0.1 * 1.5)
    assert metrics["w"] == 3.0  # of the weights before the step
    assert state == ()


def test_parts_are_stepped_apart():
    """Each is clipped by its own norm: a large gradient of one does not slow the other."""

    def clipped(gradient, state, weights, at):
        return weights - gradient / jnp.maximum(jnp.abs(gradient), 1.0), state + 1

    both = in_parts(
        Optimiser(lambda w: 0, clipped), lambda w: (w["a"], w["b"]), lambda p: {"a": p[0], "b": p[1]}
    )
    weights = {"a": jnp.float32(0), "b": jnp.float32(0)}
    gradient = {"a": jnp.float32(100), "b": jnp.float32(0.5)}
    found, state = both.step(gradient, both.init(weights), weights, jnp.int32(0))
    assert found == {"a": -1.0, "b": -0.5}
    assert state == (1, 1)


def test_epochs_use_every_copy_once():
    orders = np.asarray(epochs(jax.random.key(0), 12, 3, 4))
    assert orders.shape == (12, 3)
    for epoch in orders.reshape(3, 12):
        assert sorted(epoch) == list(range(12))
    assert not (orders[:4] == orders[4:8]).all()
