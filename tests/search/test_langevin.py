"""Langevin proposals leave the target what it is, at steps so large that many are refused."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.algorithms.qmarl import learner
from qflock.core.errors import UserError
from qflock.environments.coin_game import game
from qflock.search import langevin, metropolis
from qflock.search.metropolis import Position


def sample(value, prior, theta, steps, sigma, beta):
    """Draws ``(steps, chains, D)`` of many chains, and their acceptance."""
    at = lambda theta: Position(theta, value(theta), value(theta), jax.grad(value)(theta))
    weigh = lambda old, theta, key: (old, at(theta), jnp.zeros(()))
    beta = jnp.float32(beta)
    proposal = langevin.proposal(sigma, prior, beta)

    def move(position, key):
        one = lambda k, p: metropolis.step(k, p, proposal, weigh, prior, beta)
        position, rate = jax.vmap(one)(jax.random.split(key, len(theta)), position)
        return position, (position.theta, rate.mean())

    keys = jax.random.split(jax.random.key(1), steps)
    return jax.jit(lambda p: jax.lax.scan(move, p, keys)[1])(jax.vmap(at)(theta))


def test_moments_with_a_prior_a_temperature_and_a_scale_for_each_coordinate():
    """Prior N(0, 9) and 4 times a correlated well: a Gaussian in closed form."""
    precision, centre = jnp.array([[2.0, -0.8], [-0.8, 1.0]]), jnp.array([1.0, -2.0])
    value = lambda x: -0.5 * (x - centre) @ precision @ (x - centre)
    prior = lambda x: -0.5 * jnp.square(x / 3).sum()
    draws, rate = sample(value, prior, jnp.zeros((400, 2)), 600, jnp.array([0.6, 0.9]), 4.0)
    whole = 4 * np.asarray(precision) + np.eye(2) / 9
    late = np.asarray(draws[300:]).reshape(-1, 2)
    np.testing.assert_allclose(late.mean(0), np.linalg.solve(whole, 4 * precision @ centre), atol=0.02)
    np.testing.assert_allclose(np.cov(late.T), np.linalg.inv(whole), atol=0.02)
    assert 0.3 < rate[300:].mean() < 0.9, "without refusals the test would not see a wrong correction"


def test_a_coordinate_of_scale_0_stays():
    draws, _ = sample(lambda x: -jnp.square(x).sum(), lambda x: 0 * x.sum(), jnp.ones((4, 2)), 50,
                      jnp.array([0.5, 0.0]), 1.0)  # fmt: skip
    assert (draws[..., 1] == 1).all()
    assert np.ptp(draws[..., 0]) > 0


def test_the_slope_of_an_exact_score_is_its_gradient():
    """Through the batched dynamic programme, under vmap, against differences."""
    environment = game.Environment(game.Config(max_steps=3))
    config = learner.Config(network="mlp", hidden=(3,), agent_ids=False, estimator="exact")
    _, shape, score = learner.pieces(config, environment)
    solve = jax.jit(jax.vmap(lambda t: score.exact(shape.unravel(t), "sample")))
    theta = jax.random.normal(jax.random.key(0), (2, shape.size))
    slope = jax.jit(jax.vmap(jax.grad(lambda t: score.exact(shape.unravel(t), "sample"))))(theta)
    way = jax.random.normal(jax.random.key(1), theta.shape)
    way /= jnp.linalg.norm(way, axis=1, keepdims=True)
    differences = (solve(theta + 0.01 * way) - solve(theta - 0.01 * way)) / 0.02
    np.testing.assert_allclose((slope * way).sum(1), differences, atol=2e-3)


def test_langevin_needs_an_exact_score():
    with pytest.raises(UserError, match="estimator exact"):
        learner.Config(proposal="langevin", estimator="fixed")
