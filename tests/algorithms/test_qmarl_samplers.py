"""Samplers of policies on targets of known moments: J is a function of the parameters, nothing is played."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.algorithms.qmarl import ascent, chains, others
from qflock.algorithms.qmarl import learner as qmarl
from qflock.algorithms.qmarl.config import QmarlConfig
from qflock.algorithms.qmarl.problem import Problem
from qflock.core.errors import UserError
from qflock.playing.evaluation import Scores
from qflock.search import blocks, estimators
from tests.marks import IN_CI
from tests.tiny import Echo


class Net(NamedTuple):
    """Angles by layer, and a head."""

    angles: jax.Array
    head: jax.Array


def init(key):
    return Net(jax.random.uniform(key, (2, 2)), jnp.ones(3))


def problem(value, split="leaf", **settings):
    """The search of parameters with an exact J."""
    config = QmarlConfig(**{"estimator": "exact", "n_chains": 4, "sweep": 50, "blocks": split, **settings})
    shape = blocks.layout(init, split)
    returns = lambda theta, key, episodes: jnp.full(episodes, value(theta))
    gradients = config.proposal == "langevin"
    estimator = estimators.build("exact", returns, 1, value, gradients=gradients)
    return Problem(shape, lambda theta: blocks.log_prior(shape, theta, config.prior_sigma), estimator, config)


def searched(sampler, theta, sweeps):
    """The sampler's state after so many sweeps, and what each told: metrics, and whether a stage began."""

    def sweep(s, key):
        s, metrics, *rest = sampler.sweep(s, key)
        return s, (metrics, rest, sampler.now(s)[0])

    keys = jax.random.split(jax.random.key(1), sweeps)
    return jax.jit(lambda s: jax.lax.scan(sweep, s, keys))(sampler.start(theta, jax.random.key(0), False))


@pytest.mark.parametrize(
    ("split", "proposal"),
    [
        ("leaf", "walk"),
        pytest.param("layer", "walk", marks=IN_CI),
        pytest.param("leaf", "langevin", marks=IN_CI),
    ],
)
def test_where_angles_have_a_flat_target_scales_stay_below_half_a_circle_and_the_chain_samples(
    split, proposal
):
    sampler = chains.build(
        problem(lambda t: jnp.cos(t).mean(), split, beta=0.0, warmup=1000, proposal=proposal)
    )
    state, (told, _, theta) = searched(sampler, jnp.zeros((4, 7)), 80)
    assert np.isfinite(theta).all()
    angles = blocks.layout(init, split).circle[
        np.unique(blocks.layout(init, split).block, return_index=True)[1]
    ]
    assert (np.exp(state.scales.log_sigma[0, angles]) <= np.pi + 1e-3).all()
    assert state.stage == 0  # acceptance of 1 is no trouble where proposals are as wide as they can be
    late = np.asarray(theta)[20:]
    assert abs(np.exp(1j * late[..., :4]).mean()) < 0.1  # uniform on the circle
    assert late[..., 4:].std() == pytest.approx(3.0, rel=0.2)
    assert (np.asarray(told["acceptance"]) > 0.1).all()


@pytest.mark.slow
@pytest.mark.ci_slow
def test_langevin_steps_have_the_scales_of_their_coordinates_and_the_acceptance_that_is_fastest():
    """A Gaussian 30 times as wide along one coordinate as along the others."""
    wide = jnp.array([1.0, 1.0, 30.0])
    value = lambda t: -0.5 * jnp.square(t[4:] / wide).sum() + jnp.cos(t[:4]).sum()
    settings = {"proposal": "langevin", "beta": 1.0, "prior_sigma": 1e4, "beta_start": 1.0, "warmup": 2000}
    posed = problem(value, "all", **settings, n_chains=16)
    state, (told, _, theta) = searched(chains.build(posed), jnp.ones((16, 7)), 100)
    relative = np.asarray(state.metric.relative[0, 4:])
    assert relative[2] / relative[:2].mean() == pytest.approx(30, rel=0.5)
    late = np.asarray(theta[60:, :, 4:])
    assert np.asarray(told["acceptance"])[50:].mean() == pytest.approx(0.574, abs=0.1)
    assert state.stage == 0
    np.testing.assert_allclose(late.reshape(-1, 3).std(0), wide, rtol=0.25)


@pytest.mark.parametrize(("make", "sweeps"), [(ascent.adam, 20), (ascent.spsa, 40)])
def test_gradient_ascent_reaches_the_top_of_the_same_returns(make, sweeps):
    top = jnp.linspace(-1.0, 1.0, 7)
    posed = problem(lambda t: 1 - jnp.square(t - top).sum(), search_lr=0.02)
    sampler = make(posed)
    _, (_, _, theta) = searched(sampler, jnp.full((4, 7), 2.0), sweeps)
    np.testing.assert_allclose(theta[-1], np.broadcast_to(top, (4, 7)), atol=0.1)
    assert sampler.scorings == 4 * (50 * (2 if make is ascent.spsa else 1) + 1)


def test_an_exact_gradient_needs_exact_returns():
    with pytest.raises(UserError, match=r"^[^\n]*take estimator exact, or sampler spsa$"):
        QmarlConfig(sampler="adam")


def test_tempered_smc_starts_from_its_prior_wherever_it_is_put():
    """Its weights are those of a search that begins at p0; where J is flat, it ends there too."""
    sampler = others.smc(problem(lambda _: jnp.zeros(()), sampler="smc", n_chains=512))
    theta = np.asarray(sampler.theta(sampler.start(jnp.full((512, 7), 0.96), jax.random.key(0), True)))
    assert theta[:, 4:].mean() == pytest.approx(0.0, abs=0.3)
    assert theta[:, 4:].std() == pytest.approx(3.0, abs=0.2)
    assert abs(np.exp(1j * theta[:, :4]).mean()) < 0.08


def test_scales_are_learnt_at_the_beta_that_stays_and_draws_count_from_then_on():
    """A Gaussian target of precision beta: a scale learnt at a hundredth of it is 10 times too wide."""
    posed = problem(lambda t: -0.5 * jnp.square(t).sum() / 100, "all", beta=1e6, beta_start=1e-4, warmup=400)
    state, (told, rest, _) = searched(chains.build(posed), jnp.zeros((4, 7)), 16)
    risen = np.asarray(told["beta"])
    assert risen[4] == pytest.approx(1e6, rel=1e-5)  # after half of the warm-up
    assert state.stage == 0
    assert np.asarray(told["acceptance"])[8:].mean() == pytest.approx(0.234, abs=0.08)
    settled = np.asarray(rest[1])
    assert not settled[:8].any()
    assert settled[8:].all()


@pytest.mark.parametrize("beta", [2.5, 0.5])
def test_products_of_returns_need_a_whole_beta(beta):
    with pytest.raises(UserError, match=r"^[^\n]*whole beta of at least 1, not [^\n]+$"):
        QmarlConfig(estimator="same", beta=beta, beta_start=1.0)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_worse_candidates_hardly_ever_get_in_however_often_they_try():
    """60 sweeps of candidates worse by a twentieth of a deviation: at 5 % each, half of the runs fall."""
    own = qmarl.Qmarl(QmarlConfig(network="mlp", hidden=(2,)), Echo())

    def play(parameters, key, episodes, mode):
        candidate = jax.tree.leaves(parameters)[0].ravel()[0]
        drawn = jax.random.normal(jax.random.fold_in(key, jnp.int32(candidate)), (episodes,))
        empty = jnp.zeros(episodes)
        return Scores(jnp.where(candidate > 0, drawn - 0.05 * 2**0.5, drawn), empty, empty, {})

    own.score = own.score._replace(play=play)
    start = own.init(jax.random.key(0))
    best, worse = (jnp.full(own.shape.size, x) for x in (0.0, 1.0))
    start = start._replace(best=best, judged=jnp.bool_(True))

    def sweep(s, key):
        s = s._replace(best=best, scorings=s.scorings + own.sampler.scorings)
        s = own.judge(s, worse[None], worse, key)
        return s, s.best[0] > 0

    run = lambda key: jax.lax.scan(sweep, start, jax.random.split(key, 60))[1].any()
    fallen = jax.jit(jax.vmap(run))(jax.random.split(jax.random.key(1), 200))
    assert fallen.mean() < 0.05 + 3 * (0.05 * 0.95 / 200) ** 0.5
