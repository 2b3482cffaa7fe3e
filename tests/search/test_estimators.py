"""What each estimator targets, on a toy whose answers come by one-dimensional quadrature.

The reward is 1 with chance J = exp(-|theta|^2 / 16), else 0; d = 8, the prior is standard normal, beta = 60.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.search import estimators, metropolis
from qflock.search.metropolis import Proposal

D, BETA = 8, 60.0
RADIUS = np.linspace(1e-6, 12, 200_001)
TRUTH = np.exp(-(RADIUS**2) / 16)


def quadrature(log_weight, value=TRUTH):
    """The mean of ``value`` under r^(d-1) exp(-r^2/2 + log_weight(r))."""
    log = (D - 1) * np.log(RADIUS) - RADIUS**2 / 2 + log_weight
    chance = np.exp(log - log.max())
    return float((chance * value).sum() / chance.sum())


def mean_reward(theta):
    return jnp.exp(-jnp.square(theta).sum() / 16)


def rewards(theta, key, episodes):
    return (jax.random.uniform(key, (episodes,)) < mean_reward(theta)).astype(jnp.float32)


def run(name, episodes=1, *, beta=BETA, powers=1, chains=192, steps=1200, scenarios=9):
    """Means over the second half of many chains: the true J, and the estimator's own score."""
    stage = jax.random.key(scenarios)
    estimator = estimators.build(name, rewards, episodes, mean_reward, powers)
    beta = jnp.float32(beta)

    def move(position, key):
        def one(k, p):
            walk = Proposal(lambda k, at: at.theta + 0.35 * jax.random.normal(k, at.theta.shape))
            weigh = lambda old, theta, k: estimator.weigh(old, theta, k, stage, beta)
            return metropolis.step(k, p, walk, weigh, lambda t: -0.5 * jnp.square(t).sum(), beta)

        position, _ = jax.vmap(one)(jax.random.split(key, chains), position)
        return position, (jax.vmap(mean_reward)(position.theta).mean(), position.score.mean())

    theta = 0.5 * jax.random.normal(jax.random.key(0), (chains, D))
    keys = jax.random.split(jax.random.key(1), chains)
    start = jax.vmap(estimator.start, in_axes=(0, 0, None))(theta, keys, stage)
    moves = jax.random.split(jax.random.key(2), steps)
    told = jax.jit(lambda p: jax.lax.scan(move, p, moves)[1])(start)
    return tuple(float(np.mean(x[steps // 2 :])) for x in told)


TARGET = quadrature(BETA * TRUTH)


def test_exact_meets_the_target():
    assert run("exact")[0] == pytest.approx(TARGET, abs=0.02)


def test_fixed_meets_the_target_of_its_own_sample():
    sample = np.asarray(jax.random.uniform(jax.random.key(9), (64,)))
    own = (sample[:, None] < TRUTH[None, ::20]).mean(0)
    grid = np.interp(RADIUS, RADIUS[::20], own)
    wanted = quadrature(BETA * grid, grid)
    assert run("fixed", 64, scenarios=9)[1] == pytest.approx(wanted, abs=0.02)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_penalty_meets_the_target_from_noisy_returns():
    assert run("penalty", 256, chains=96)[0] == pytest.approx(TARGET, abs=0.02)


def test_redraw_misses_it():
    """The published rule at the same noise: the chain forgets what it compares."""
    assert run("redraw", 16)[0] < TARGET - 0.1


def test_kept_has_the_bias_that_is_written_down():
    """Its target is p0 E exp(beta J-hat), by the binomial's moment generating function."""
    episodes = 16
    factor = np.log1p(TRUTH * np.expm1(BETA / episodes)) * episodes
    biased = quadrature(factor)
    assert abs(biased - TARGET) > 0.004
    assert run("kept", episodes, steps=2400)[0] == pytest.approx(biased, abs=0.02)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_same_targets_a_power_of_the_return():
    powers = 6
    wanted = quadrature(powers * np.log(TRUTH))
    assert run("same", 24, beta=powers, powers=powers)[0] == pytest.approx(wanted, abs=0.02)


def test_the_penalty_is_that_of_its_formula():
    difference = jnp.array([0.5, -0.25, 0.0, 0.75, 0.25])
    b = 2.0**2 * np.var(difference, ddof=1) / 5
    wanted = float(b / 2 + b**2 / (4 * 6) + b**3 / (3 * 6 * 8))
    assert estimators.penalty(difference, jnp.float32(2.0)) == pytest.approx(wanted, rel=1e-5)
    assert estimators.penalty(jnp.zeros(4), jnp.float32(100.0)) == 0


def test_frozen_estimators_repeat_and_the_others_do_not():
    theta, one, two = jnp.full(D, 0.4), jax.random.key(1), jax.random.key(2)
    for name in ("exact", "fixed", "penalty", "same", "kept", "redraw"):
        made = estimators.build(name, rewards, 7, mean_reward, 3)
        a, b = made.start(theta, one, two), made.start(theta, two, two)
        assert (a.score == b.score) == made.frozen
        assert made.scorings == (2 if name in ("penalty", "redraw") else 1)


def test_mistakes_are_told():
    with pytest.raises(UserError, match="dynamic programme"):
        estimators.build("exact", rewards, 4)
    with pytest.raises(UserError, match="unknown estimator"):
        estimators.build("guess", rewards, 4)  # type: ignore[arg-type]
