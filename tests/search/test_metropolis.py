"""Metropolis-Hastings on densities whose moments are known, on the line and around the circle."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflock.search import blocks, metropolis
from qflock.search.metropolis import Position, Proposal, Scales


class Net(NamedTuple):
    """Parameters as networks have them: angles by layer, and a head."""

    angles: jax.Array
    head: jax.Array


def init(key):
    return Net(jax.random.uniform(key, (3, 2)), jnp.ones(4))


@pytest.mark.parametrize(("split", "names"), [("all", 1), ("leaf", 2), ("layer", 4)])
def test_layout(split, names):
    shape = blocks.layout(init, split)
    tree = init(jax.random.key(0))
    vector = shape.ravel(tree)
    assert shape.size == len(vector) == 10
    assert len(shape.names) == names
    assert set(shape.block) == set(range(names))
    np.testing.assert_array_equal(shape.circle, [True] * 6 + [False] * 4)
    many = jnp.stack([vector, vector + 1])
    for one, two in zip(shape.unravel(many), tree, strict=True):
        np.testing.assert_array_equal(one[0], two)
        np.testing.assert_array_equal(one[1], two + 1)
    np.testing.assert_array_equal(shape.ravel(shape.unravel(many)), many)
    if split == "layer":
        np.testing.assert_array_equal(shape.block, [0, 0, 1, 1, 2, 2, 3, 3, 3, 3])


@settings(max_examples=25)
@given(st.floats(-50, 50, width=32, allow_subnormal=False), st.integers(0, 10_000))
def test_angles_wrap_and_keep_their_meaning(start, seed):
    shape = blocks.layout(init)
    theta = jnp.full(10, start)
    after = blocks.propose(shape, jax.random.key(seed), theta, jnp.array([2.0, 1.0]), jnp.int32(0))
    assert (np.abs(after[:6]) <= np.pi + 1e-5).all()
    np.testing.assert_array_equal(after[6:], theta[6:])  # another block
    whole = blocks.wrap(shape, theta)
    np.testing.assert_allclose(np.sin(whole[:6]), np.sin(theta[:6]), atol=1e-4)
    np.testing.assert_array_equal(whole[6:], theta[6:])


def test_prior():
    shape = blocks.layout(init)
    theta = jnp.arange(10.0)
    assert blocks.log_prior(shape, theta, 3.0) == pytest.approx(
        -0.5 * sum((x / 3) ** 2 for x in range(6, 10))
    )
    drawn = jax.vmap(lambda k: blocks.draw_prior(shape, k, 3.0))(jax.random.split(jax.random.key(0), 4000))
    assert np.abs(np.cos(drawn[:, :6]).mean()) < 0.03
    assert drawn[:, 6:].std() == pytest.approx(3.0, rel=0.03)


def exactly(value):
    """The estimator without noise for a log-density beta * value."""
    return lambda old, theta, key: (old, Position(theta, value(theta), value(theta)), jnp.zeros(()))


def sample(value, theta, steps, sigma, beta=1.0, shape=None, log_prior=lambda _: jnp.zeros(())):
    """Draws ``(steps, chains, D)`` of many chains."""

    def walk(key, at):
        if shape is None:
            return at.theta + sigma * jax.random.normal(key, at.theta.shape)
        return blocks.propose(shape, key, at.theta, jnp.full(1, sigma), jnp.int32(0))

    def move(position, key):
        one = lambda k, p: metropolis.step(k, p, Proposal(walk), exactly(value), log_prior, jnp.float32(beta))
        position, rate = jax.vmap(one)(jax.random.split(key, len(theta)), position)
        return position, (position.theta, rate.mean())

    first = jax.vmap(value)(theta)
    keys = jax.random.split(jax.random.key(1), steps)
    return jax.jit(lambda p: jax.lax.scan(move, p, keys)[1])(Position(theta, first, first))


def test_moments_of_a_correlated_gaussian():
    precision = jnp.array([[2.0, -0.8], [-0.8, 1.0]])
    centre = jnp.array([1.0, -2.0])
    value = lambda x: -0.5 * (x - centre) @ precision @ (x - centre)
    draws, rate = sample(value, jnp.zeros((400, 2)), 600, 1.2)
    late = np.asarray(draws[300:]).reshape(-1, 2)
    np.testing.assert_allclose(late.mean(0), centre, atol=0.05)
    np.testing.assert_allclose(np.cov(late.T), np.linalg.inv(precision), atol=0.08)
    assert 0.2 < rate.mean() < 0.7


def test_a_density_on_the_circle_is_that_of_von_mises():
    """exp(4 cos theta): the mean of cos theta is I1(4) / I0(4); many angles wrap on the way."""
    shape = blocks.layout(lambda key: Net(jnp.zeros((1, 1)), jnp.zeros(0)), "all")
    draws, _ = sample(lambda t: jnp.cos(t[0] - 3.0), jnp.zeros((400, 1)), 400, 1.5, beta=4.0, shape=shape)
    late = np.asarray(draws[200:, :, 0])
    assert np.cos(late - 3.0).mean() == pytest.approx(0.86353, abs=0.01)
    assert np.abs(late).max() <= np.pi + 1e-5
    assert np.sin(late - 3.0).mean() == pytest.approx(0.0, abs=0.02)


def test_prior_and_beta_enter_the_target():
    """Prior N(0, 3^2) and beta x^2-well of precision 4: the variance is 1 / (1/9 + 4)."""
    shape = blocks.layout(lambda key: Net(jnp.zeros((0, 1)), jnp.zeros(1)), "all")
    prior = lambda theta: blocks.log_prior(shape, theta, 3.0)
    draws, _ = sample(lambda t: -(t[0] ** 2) / 2, jnp.zeros((400, 1)), 300, 0.8, 4.0, shape, prior)
    assert np.asarray(draws[100:]).var() == pytest.approx(1 / (1 / 9 + 4), rel=0.05)


def test_scales_find_the_wanted_acceptance_and_then_stay():
    """A block whose scale is 50 times too large and one 50 times too small, each by itself."""
    wide = jnp.array([1.0] * 4 + [30.0] * 4)
    value = lambda x: -0.5 * jnp.square(x / wide).sum()
    shape = blocks.layout(lambda key: (jnp.zeros(4), jnp.zeros(4)))
    scales = Scales.start(1.0, 2)._replace(log_sigma=jnp.log(jnp.array([60.0, 0.5])))
    chains = 64

    def move(carry, x):
        position, scales = carry
        turn, key = x
        block = turn % 2
        walk = lambda k, at: blocks.propose(shape, k, at.theta, jnp.exp(scales.log_sigma), block)
        one = lambda k, p: metropolis.step(
            k, p, Proposal(walk), exactly(value), lambda _: jnp.zeros(()), jnp.float32(1)
        )
        position, rate = jax.vmap(one)(jax.random.split(key, chains), position)
        return (position, scales.adapt(rate.mean(), block, turn < 1000)), (rate.mean(), scales.log_sigma)

    start = jnp.zeros((chains, 8))
    carry = (Position(start, jax.vmap(value)(start), jnp.zeros(chains)), scales)
    xs = (jnp.arange(1400), jax.random.split(jax.random.key(0), 1400))
    _, (rates, sigmas) = jax.jit(lambda c: jax.lax.scan(move, c, xs))(carry)
    for block in (0, 1):
        assert rates[1000 + block :: 2].mean() == pytest.approx(metropolis.TARGET_RATE, abs=0.05)
    np.testing.assert_array_equal(sigmas[1001:], np.broadcast_to(sigmas[1001], sigmas[1001:].shape))
    assert sigmas[-1][1] - sigmas[-1][0] == pytest.approx(np.log(30), abs=0.5)
