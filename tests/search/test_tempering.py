"""Parallel tempering, annealing and tempered SMC against closed forms."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.search import tempered_smc, tempering

CENTRES = jnp.array([-3.0, 3.0])


def wells(x):
    """Two wells, the right one e times as likely; at beta = 1 a random walk hardly crosses between them."""
    return jax.nn.logsumexp(-0.5 * jnp.square((x - CENTRES) / 0.4) + jnp.array([0.0, 1.0]))


def test_ladder_and_annealing():
    np.testing.assert_allclose(tempering.ladder(4, 2.0), [1, 0.5, 0.25, 0.125])
    shares = [float(tempering.anneal(0.01, 4, jnp.int32(step))) for step in (0, 1, 3, 100)]
    np.testing.assert_allclose(shares, [0.01**0.75, 0.01**0.5, 1, 1], rtol=1e-5)
    assert tempering.anneal(1.0, 0, jnp.int32(0)) == 1


@pytest.mark.parametrize("odd", [0, 1])
def test_offers_are_disjoint_and_follow_their_formula(odd):
    """Over many keys every pair swaps as often as its formula says, and no place is lost or doubled."""
    beta = jnp.array([4.0, 2.0, 1.0, 0.5, 0.2])
    value = jnp.array([0.3, 0.5, 0.1, 0.4, 0.2])[:, None]
    draw = jax.vmap(lambda k: tempering.swap(k, beta, value, odd))
    order, rate = draw(jax.random.split(jax.random.key(0), 20_000))
    order = np.asarray(order)[..., 0]
    assert (np.sort(order, 1) == np.arange(5)).all()
    chances = np.minimum(1, np.exp((beta[:-1] - beta[1:]) * (value[1:, 0] - value[:-1, 0])))
    offered = np.arange(odd, 4, 2)
    for low in range(4):
        wanted = chances[low] if low in offered else 0.0
        assert (order[:, low] == low + 1).mean() == pytest.approx(wanted, abs=0.012)
    np.testing.assert_allclose(rate, chances[offered].mean(), rtol=1e-5)


def test_one_rung_has_nobody_to_swap_with():
    order, rate = tempering.swap(jax.random.key(0), jnp.ones(1), jnp.ones((1, 7)), jnp.int32(0))
    np.testing.assert_array_equal(order, np.zeros((1, 7)))
    assert rate == 0


@pytest.mark.parametrize("odd", [0, 1])
def test_two_rungs_are_offered_a_swap_every_time(odd):
    value = jnp.array([[0.2], [0.5]])
    _, rate = tempering.swap(jax.random.key(0), jnp.array([2.0, 1.0]), value, jnp.int32(odd))
    assert rate == 1


def test_swaps_leave_every_rung_at_its_own_target():
    """Started at its targets, a ladder whose positions only swap keeps each rung's mean and variance."""
    chains, beta = 20_000, tempering.ladder(3, 3.0)
    noise = jax.random.normal(jax.random.key(0), (3, chains))
    x = noise / jnp.sqrt(beta)[:, None]  # exp(-beta x^2 / 2)
    for turn in range(6):
        order, rate = tempering.swap(jax.random.key(turn + 1), beta, -0.5 * x**2, turn % 2)
        x = jnp.take_along_axis(x, order, 0)
    assert 0.3 < rate < 1
    np.testing.assert_allclose(x.mean(1), 0, atol=0.05)
    np.testing.assert_allclose(x.var(1), 1 / beta, rtol=0.05)


def walk(rungs):
    """The share of draws in the right well, chains all starting in the left one."""
    beta, chains = tempering.ladder(rungs, 2.5), 128

    def move(x, t):
        k_move, k_accept, k_swap = jax.random.split(jax.random.fold_in(jax.random.key(3), t), 3)
        new = x + 0.8 / jnp.sqrt(beta)[:, None] * jax.random.normal(k_move, x.shape)
        value = lambda x: jax.vmap(jax.vmap(wells))(x)
        gain = beta[:, None] * (value(new) - value(x))
        x = jnp.where(jnp.log(jax.random.uniform(k_accept, x.shape)) < gain, new, x)
        order, _ = tempering.swap(k_swap, beta, value(x), t % 2)
        x = jnp.take_along_axis(x, order, 0)
        return x, (x[0] > 0).mean()

    start = jnp.full((rungs, chains), -3.0)
    right = jax.jit(lambda x: jax.lax.scan(move, x, jnp.arange(600))[1])(start)
    return float(right[200:].mean())


def test_tempering_crosses_where_one_temperature_does_not():
    truth = np.e / (1 + np.e)
    assert walk(5) == pytest.approx(truth, abs=0.05)
    assert walk(1) < 0.1


@pytest.mark.slow
@pytest.mark.ci_slow
def test_tempered_smc_ends_at_the_target():
    """Prior N(0, 1) and log-likelihood -2 (x - 2)^2: the end is N(8/5, 1/5) in each of two dimensions."""
    particles = 2000
    theta = jax.random.normal(jax.random.key(0), (particles, 2))
    state = tempered_smc.start(theta, 0.5, 2)

    def propose(key, theta, sigma, block):
        return theta + sigma * jax.random.normal(key, theta.shape) * (jnp.arange(2) == block)

    step = jax.jit(
        lambda k, s: tempered_smc.step(
            k,
            s,
            lambda x: -0.5 * jnp.square(x).sum(),
            lambda x: -2 * jnp.square(x - 2).sum(),
            propose,
            moves=12,
            wanted=0.5,
        )
    )
    shares = []
    for i in range(8):
        state, told = step(jax.random.key(i + 1), state)
        shares.append(float(told.tempering))
    assert 0 < shares[0] < 0.9
    assert (np.diff(shares) >= 0).all()
    assert shares[-1] == 1
    assert 0.1 < told.rate < 0.6
    np.testing.assert_allclose(state.smc.particles.mean(0), 1.6, atol=0.05)
    np.testing.assert_allclose(state.smc.particles.var(0), 0.2, atol=0.03)
