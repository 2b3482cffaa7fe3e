"""Tempered sequential Monte Carlo: particles go from the prior to p0 exp(beta J), in steps that adapt.

The kernel is BlackJAX's adaptive tempered SMC (Del Moral et al. 2006; the next inverse temperature is the
one that leaves a wanted effective sample size), moving particles by our block-wise random walk.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.mcmc import random_walk
from blackjax.smc import adaptive_tempered, resampling
from blackjax.smc.tempered import TemperedSMCState
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.search.metropolis import DECAY, TARGET_RATE, Density


class Particles(NamedTuple):
    """Attributes:
    smc: BlackJAX's state; ``tempering_param`` is the fraction of beta reached.
    log_sigma: scale of each block.
    steps: SMC steps done.
    """

    smc: TemperedSMCState
    log_sigma: Float[Array, "K"]
    steps: Int[Array, ""]


class Info(NamedTuple):
    """Attributes:
    rate: mean acceptance probability of the moves.
    tempering: the fraction of beta reached.
    """

    rate: Float[Array, ""]
    tempering: Float[Array, ""]


class _Moved(NamedTuple):
    """What one move tells: BlackJAX stacks it over moves and particles."""

    rate: Float[Array, ""]
    block: Int[Array, ""]


def start(theta: Float[Array, "C D"], sigma: float, blocks: int) -> Particles:
    """Particles with equal weights, at inverse temperature 0.

    Args:
        theta: C particles, ``(C, D)``.
        sigma: first scale of every block.
        blocks: how many, K.
    """
    weights = jnp.full(len(theta), 1 / len(theta))
    smc = TemperedSMCState(theta, weights, jnp.zeros(()))
    return Particles(smc, jnp.full(blocks, jnp.log(sigma)), jnp.int32(0))


def step(
    key: PRNGKeyArray,
    particles: Particles,
    log_prior: Density,
    log_likelihood: Density,
    propose: Callable[[PRNGKeyArray, Float[Array, "D"], Float[Array, "K"], Int[Array, ""]], Array],
    moves: int,
    wanted: float,
    widest: np.ndarray | float = np.inf,
) -> tuple[Particles, Info]:
    """Temper, resample, and move every particle; scales of the moves follow acceptance from step to step.

    Args:
        log_likelihood: beta J, without noise.
        propose: ``(key, theta, sigma, block) -> theta``, symmetric.
        moves: Metropolis-Hastings moves of every particle.
        wanted: effective sample size that a tempering step leaves, as a fraction of the particles.
        widest: the largest scale of each block, ``(K,)``; see `blocks.widest`.
    """
    blocks = particles.log_sigma.shape[0]
    accept = random_walk.build_rmh()

    def move(key: PRNGKeyArray, state: random_walk.RWState, density: Density, log_sigma: Array) -> tuple:
        k_block, key = jax.random.split(key)
        block = jax.random.randint(k_block, (), 0, blocks)
        sigma = jnp.exp(log_sigma)
        state, info = accept(key, state, density, lambda k, theta: propose(k, theta, sigma, block))
        return state, _Moved(info.acceptance_rate, block)  # type: ignore[arg-type]

    kernel = adaptive_tempered.build_kernel(
        log_prior, log_likelihood, move, random_walk.init, resampling.systematic, wanted
    )
    shared = {"log_sigma": particles.log_sigma[None]}
    smc, info = kernel(key, particles.smc, moves, shared)
    moved = info.update_info
    tempering = jnp.asarray(smc.tempering_param, jnp.float32)
    smc = smc._replace(tempering_param=tempering)
    assert isinstance(moved, _Moved)
    counts = jax.nn.one_hot(moved.block, blocks)
    rates = (counts * moved.rate[..., None]).sum((0, 1)) / jnp.maximum(counts.sum((0, 1)), 1)
    tried = counts.sum((0, 1)) > 0
    step_size = 3.0 * (particles.steps + 1.0) ** -DECAY  # from the mean over many moves, hence the factor
    log_sigma = particles.log_sigma + jnp.where(tried, step_size * (rates - TARGET_RATE), 0.0)
    log_sigma = jnp.minimum(log_sigma, np.log(widest))
    return Particles(smc, log_sigma, particles.steps + 1), Info(moved.rate.mean(), tempering)
