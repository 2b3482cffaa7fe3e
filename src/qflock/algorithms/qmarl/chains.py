"""Metropolis-Hastings chains of policies: rungs of tempering, adaptive scales, annealing, and stages."""

from __future__ import annotations

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.algorithms.qmarl.problem import Problem, Sampler
from qflock.core.steps import Metrics
from qflock.search import blocks, langevin, metropolis, tempering
from qflock.search.metropolis import Position, Proposal, Scales

TARGETS = {"walk": metropolis.TARGET_RATE, "langevin": langevin.TARGET_RATE}
"""Acceptance that scales aim at, by proposal, where the settings name none."""
BETTER = 1e-4
"""A chain is better than the best before by at least so much of the range of returns."""


class Chains(NamedTuple):
    """R rungs of C chains.

    Attributes:
        position: where they stand; leaves ``(R, C, ...)``.
        scales: of proposals, for each rung and block.
        key: the stage's scenarios.
        stage: stages begun before this one.
        step: steps done in this stage.
        turn: steps done in all; decides the block that moves and the rungs that may swap.
        record: the best score that a cold chain had in this stage.
        since: steps since then.
    metric: scales of coordinates (`langevin.Metric`) where proposals follow the gradient; else nothing.
    """

    position: Position
    scales: Scales
    key: PRNGKeyArray
    stage: Int[Array, ""]
    step: Int[Array, ""]
    turn: Int[Array, ""]
    record: Float[Array, ""]
    since: Int[Array, ""]
    metric: Any = ()


def build(problem: Problem) -> Sampler:
    """The sampler ``metropolis``, with parallel tempering where there are several temperatures."""
    config, shape, estimator = problem.config, problem.shape, problem.estimator
    rungs, chains, count = config.temperatures, config.n_chains, len(problem.shape.names)
    widest, risen = blocks.widest(shape), config.warmup // 2
    target = config.target_acceptance or TARGETS[config.proposal]
    metric = langevin.Metric.start(rungs, shape.size) if config.proposal == "langevin" else ()
    fractions = tempering.ladder(rungs, config.temperature_ratio)
    over_grid = lambda f, axes: jax.vmap(jax.vmap(f, axes[0]), axes[1])

    def place(theta: Float[Array, "R C D"], key: PRNGKeyArray, stage: PRNGKeyArray) -> Position:
        keys = jax.random.split(key, (rungs, chains))
        return over_grid(estimator.start, ((0, 0, None), (0, 0, None)))(theta, keys, stage)

    def start(theta: Float[Array, "N D"], key: PRNGKeyArray, again: bool) -> Chains:
        k_place, k_stage = jax.random.split(key)
        position = place(theta.reshape(rungs, chains, shape.size), k_place, k_stage)
        scales = Scales.start(np.minimum(config.sigma_proposal, widest), count, rungs)
        none, stage = jnp.int32(0), jnp.int32(again)
        return Chains(position, scales, k_stage, stage, none, none, position.score[0].max(), none, metric)

    def betas(s: Chains) -> Float[Array, "R"]:
        start = jnp.where(s.stage == 0, config.beta_start, max(config.beta_start, config.beta_again))
        return config.beta * tempering.anneal(start, risen, s.step) * fractions

    def move(s: Chains, key: PRNGKeyArray) -> tuple[Chains, tuple[Array, Array, Array]]:
        """One step of every chain, then perhaps swaps; tells acceptance and swaps of cold chains."""
        k_step, k_swap = jax.random.split(key)
        beta, block = betas(s), s.turn % count
        each = over_grid(partial(_step, problem, block, s.key), ((0, 0, None, None, None), (0, 0, 0, 0, 0)))
        keys = jax.random.split(k_step, (rungs, chains))
        relative = s.metric.relative if s.metric else jnp.ones((rungs, 1))
        position, rate = each(keys, s.position, s.scales.log_sigma, relative, beta)
        metric = s.metric and s.metric.learn(_slopes(problem, position, beta), s.step, risen)
        learnt = jnp.where(s.step == risen, 0.0, s.scales.adapted)  # of a target that was still changing
        scales = s.scales._replace(adapted=learnt).adapt(
            rate.mean(1), block, s.step < config.warmup, widest, target
        )
        position, swapped = _swap(k_swap, s.turn, config.swap_every, beta, position)
        s = s._replace(position=position, scales=scales, step=s.step + 1, turn=s.turn + 1, metric=metric)
        return s, (rate[0].mean(), swapped, position.score[0].max())

    def renew(s: Chains, key: PRNGKeyArray) -> Chains:
        """A new stage: fresh scenarios, adaptation and annealing from their beginnings."""
        k_place, k_stage = jax.random.split(key)
        solved = estimator.name == "exact"  # the same on all scenarios
        position = s.position if solved else place(s.position.theta, k_place, k_stage)
        scales, none = Scales(s.scales.log_sigma, jnp.zeros(count)), jnp.int32(0)
        record = position.score[0].max()
        return Chains(position, scales, k_stage, s.stage + 1, none, s.turn, record, none, s.metric)

    def sweep(s: Chains, key: PRNGKeyArray) -> tuple[Chains, Metrics, Array, Array]:
        k_moves, k_stage = jax.random.split(key)
        beta, moved = betas(s)[0], (s.turn + jnp.arange(config.sweep)) % count
        s, (rate, swaps, tops) = jax.lax.scan(move, s, jax.random.split(k_moves, config.sweep))
        acceptance, warm = rate.mean(), s.step > config.warmup
        better = tops.max() > s.record + BETTER
        since = jnp.where(better | ~warm, 0, s.since + config.sweep)
        s = s._replace(record=jnp.maximum(s.record, tops.max()), since=since)
        bound = (s.scales.log_sigma[0] >= np.log(widest) - 1e-3)[moved]
        over = warm & (_unusual(rate, bound, target) | (since >= config.patience))
        metrics = {
            "acceptance": acceptance,
            "sigma": jnp.exp(s.scales.log_sigma[0].mean()),
            "beta": beta,
            "stage": s.stage.astype(jnp.float32),
        }
        if rungs > 1:
            metrics["swap_rate"] = jnp.nanmean(swaps)
        return jax.lax.cond(over, lambda: renew(s, k_stage), lambda: s), metrics, over, warm & ~over

    return Sampler(
        rungs * chains,
        chains,
        rungs * chains * estimator.scorings * config.sweep,
        start,
        sweep,
        lambda s: s.position.theta.reshape(-1, shape.size),
        lambda s: (s.position.theta[0], s.position.score[0]),
    )


def usual(target: float) -> tuple[float, float]:
    """Acceptance after warm-up outside of which a new stage begins: 0.1 and 0.5 for a target of 0.234.

    Args:
        target: the acceptance that scales aim at.
    """
    return target / 2.34, min(target + 0.266, 1.0)


def _unusual(rate: Float[Array, "S"], bound: Bool[Array, "S"], target: float) -> Bool[Array, ""]:
    """Whether acceptance tells that scales do not suit; at its bound none is too small."""
    low, high = usual(target)
    free = jnp.where(bound, 0.0, rate).sum() / jnp.maximum((~bound).sum(), 1)
    return (rate.mean() < low) | (free > high)


def _step(
    problem: Problem,
    block: Int[Array, ""],
    stage: PRNGKeyArray,
    key: PRNGKeyArray,
    old: Position,
    log_sigma: Float[Array, "K"],
    relative: Float[Array, "D"],
    beta: Float[Array, ""],
) -> tuple[Position, Float[Array, ""]]:
    """One step of one chain, in one block."""
    shape, sigma = problem.shape, jnp.exp(log_sigma)
    if problem.config.proposal == "langevin":
        own = sigma[shape.block] * relative
        own = jnp.where(shape.circle, jnp.minimum(own, np.pi), own)
        moves = jnp.where(shape.block == block, own, 0.0)
        proposal = langevin.proposal(moves, problem.log_prior, beta)
    else:
        proposal = Proposal(lambda k, p: blocks.propose(shape, k, p.theta, sigma, block))
    weigh = lambda old, theta, k: problem.estimator.weigh(old, theta, k, stage, beta)
    position, rate = metropolis.step(key, old, proposal, weigh, problem.log_prior, beta)
    if problem.config.proposal == "langevin":  # whose densities are of the line
        position = position._replace(theta=blocks.wrap(shape, position.theta))
    return position, rate


def _slopes(problem: Problem, position: Position, beta: Float[Array, "R"]) -> Float[Array, "R C D"]:
    """Of the log-density, where chains stand."""
    prior = jax.vmap(jax.vmap(jax.grad(problem.log_prior)))(position.theta)
    return prior + beta[:, None, None] * position.slope


def _swap(
    key: PRNGKeyArray, turn: Int[Array, ""], every: int, beta: Float[Array, "R"], position: Position
) -> tuple[Position, Float[Array, ""]]:
    """Positions after rungs may have swapped, and the mean acceptance; NaN where none is due."""
    rungs, chains = position.value.shape
    due = turn % every == every - 1
    order, swapped = tempering.swap(key, beta, position.value, (turn // every) % 2)
    stay = jnp.arange(rungs)[:, None]
    order = jnp.broadcast_to(jnp.where(due, order, stay), (rungs, chains))
    column = jnp.arange(chains)
    position = jax.tree.map(lambda x: x[order, column], position)
    return position, jnp.where(due, swapped, jnp.nan)
