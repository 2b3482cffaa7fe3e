"""Samplers to compare Metropolis-Hastings with: tempered sequential Monte Carlo, and evolution strategies."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.algorithms.qmarl.problem import Problem, Sampler, none, objective
from qflock.core.errors import UserError
from qflock.core.steps import Metrics
from qflock.search import blocks, tempered_smc
from qflock.search.tempered_smc import Particles


class Cloud(NamedTuple):
    """Attributes:
    state: the particles, or evosax's state.
    theta: the policies scored last, ``(C, D)``.
    score: their scores.
    key: the scenarios, the same for the whole run.
    """

    state: Any
    theta: Float[Array, "C D"]
    score: Float[Array, "C"]
    key: PRNGKeyArray


def smc(problem: Problem) -> Sampler:
    """The sampler ``smc``: one sweep is one tempering step with ``sweep`` moves of every particle.

    Particles begin as draws of the prior, whatever it is given to go on from: else their weights are wrong.
    """
    config, shape = problem.config, problem.shape

    def score(theta: Float[Array, "C D"], key: PRNGKeyArray) -> Float[Array, "C"]:
        return jax.vmap(objective(problem, key))(theta)

    def start(theta: Float[Array, "C D"], key: PRNGKeyArray, again: bool) -> Cloud:
        k_stage, k_prior = jax.random.split(key)
        drawn = lambda k: blocks.draw_prior(shape, k, config.prior_sigma)
        theta = jax.vmap(drawn)(jax.random.split(k_prior, config.n_chains))
        state = tempered_smc.start(theta, config.sigma_proposal, len(shape.names))
        return Cloud(state, theta, score(theta, k_stage), k_stage)

    def sweep(s: Cloud, key: PRNGKeyArray) -> tuple[Cloud, Metrics, Array, Array]:
        target = objective(problem, s.key)
        state, info = tempered_smc.step(
            key,
            s.state,
            problem.log_prior,
            lambda theta: config.beta * target(theta),
            lambda k, theta, sigma, block: blocks.propose(shape, k, theta, sigma, block),
            config.sweep,
            config.smc_ess,
            blocks.widest(shape),
        )
        theta: Any = state.smc.particles
        metrics = {
            "acceptance": info.rate,
            "sigma": jnp.exp(state.log_sigma.mean()),
            "beta": config.beta * info.tempering,
        }
        theta_scores = score(theta, s.key)
        return Cloud(state, theta, theta_scores, s.key), metrics, jnp.bool_(False), info.tempering >= 1

    def placed(s: Cloud) -> Float[Array, "C D"]:
        assert isinstance(s.state, Particles)
        return s.theta

    scorings = config.n_chains * (config.sweep + 4)  # the step's own: start, two weights, the last score
    return Sampler(
        config.n_chains, config.n_chains, scorings, start, sweep, placed, lambda s: (s.theta, s.score)
    )


def evolution(problem: Problem) -> Sampler:
    """The sampler ``evolution``: one sweep is ``sweep`` generations of evosax's strategy on the same J.

    Raises:
        UserError: evosax is not installed, or the population is too small.
    """
    config, shape = problem.config, problem.shape
    try:
        from evosax import algorithms
    except ImportError:
        raise UserError("sampler evolution needs evosax: pip install 'qflock[evolution]'") from None
    if config.n_chains < 4:
        raise UserError(f"n_chains is {config.n_chains}; sampler evolution needs a population of at least 4")
    kind = {"cma_es": "CMA_ES", "sep_cma_es": "Sep_CMA_ES", "snes": "SNES"}[config.strategy]

    def make_strategy() -> tuple[Any, Any]:
        """Made where it is used: evosax computes its constants at once."""
        strategy = getattr(algorithms, kind)(population_size=config.n_chains, solution=jnp.zeros(shape.size))
        return strategy, strategy.default_params.replace(std_init=jnp.asarray(config.sigma_proposal))

    def score(theta: Float[Array, "C D"], key: PRNGKeyArray) -> Float[Array, "C"]:
        return jax.vmap(objective(problem, key))(theta)

    def start(theta: Float[Array, "C D"], key: PRNGKeyArray, again: bool) -> Cloud:
        strategy, parameters = make_strategy()
        k_state, k_stage = jax.random.split(key)
        scores = score(theta, k_stage)
        state = strategy.init(k_state, theta[scores.argmax()], parameters)
        return Cloud(state, theta, scores, k_stage)

    def sweep(s: Cloud, key: PRNGKeyArray) -> tuple[Cloud, Metrics, Array, Array]:
        strategy, parameters = make_strategy()

        def generation(s: Cloud, key: PRNGKeyArray) -> tuple[Cloud, None]:
            k_ask, k_tell = jax.random.split(key)
            theta, state = strategy.ask(k_ask, s.state, parameters)
            scores = score(theta, s.key)
            state, _ = strategy.tell(k_tell, theta, -scores, state, parameters)
            return Cloud(state, theta, scores, s.key), None

        s, _ = jax.lax.scan(generation, s, jax.random.split(key, config.sweep))
        info = {"acceptance": none(), "sigma": jnp.mean(s.theta.std(0)), "beta": none()}
        return s, info, jnp.bool_(False), jnp.bool_(False)

    return Sampler(
        config.n_chains,
        config.n_chains,
        config.n_chains * config.sweep,
        start,
        sweep,
        lambda s: s.theta,
        lambda s: (s.theta, s.score),
    )
