"""What a sampler of policies needs to know, and what it must offer, whichever sampler it is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from qflock.algorithms.qmarl.config import QmarlConfig
from qflock.core.steps import Metrics
from qflock.search import blocks, estimators
from qflock.search.estimators import Estimator
from qflock.search.scoring import Scoring


class Problem(NamedTuple):
    """Attributes:
    shape: of the parameters as one vector.
    log_prior: log p0 of a vector, up to a constant.
    estimator: how J is known.
    config: the settings.
    """

    shape: blocks.Layout
    log_prior: Callable[[Float[Array, "D"]], Float[Array, ""]]
    estimator: Estimator
    config: QmarlConfig


class Sampler(NamedTuple):
    """Attributes:
    num_policies: policies scored side by side.
    chains: C, those that are reported.
    scorings: policies scored in one sweep.
    start: ``(theta (num_policies, D), key, again) -> S``; ``again`` where a search goes on from weights.
    sweep: ``(S, key) -> (S, Metrics, whether a new stage began)``.
    theta: ``S -> (num_policies, D)``.
    now: ``S -> (theta (C, D), score (C,))`` of the reported chains, scores in [0, 1].
    """

    num_policies: int
    chains: int
    scorings: int
    start: Callable[[Float[Array, "N D"], PRNGKeyArray, bool], Any]
    sweep: Callable[[Any, PRNGKeyArray], tuple[Any, Metrics, Bool[Array, ""]]]
    theta: Callable[[Any], Float[Array, "N D"]]
    now: Callable[[Any], tuple[Float[Array, "C D"], Float[Array, "C"]]]


def pose(config: QmarlConfig, shape: blocks.Layout, scoring: Scoring) -> Problem:
    """The problem of sampling the parameters of one kind of network on one environment.

    Args:
        config: the learner's settings.
        shape: of the parameters.
        scoring: what policies earn.

    Raises:
        UserError: the estimator does not suit the environment.
    """

    def returns(theta: Array, key: PRNGKeyArray, episodes: int) -> Float[Array, "N"]:
        scores = scoring.play(shape.unravel(theta), key, episodes, config.acting)
        return scoring.scale(scores.episode_return)

    solved = scoring.exact

    def exact(theta: Array) -> Float[Array, ""]:
        assert solved is not None
        return scoring.scale(solved(shape.unravel(theta), config.acting))

    estimator = estimators.build(
        config.estimator,
        returns,
        config.episodes,
        None if solved is None else exact,
        max(1, round(config.beta)) if config.estimator == "same" else 1,
        gradients=config.proposal == "langevin",
    )
    return Problem(shape, lambda theta: blocks.log_prior(shape, theta, config.prior_sigma), estimator, config)


def objective(problem: Problem, stage: PRNGKeyArray) -> Callable[[Float[Array, "D"]], Float[Array, ""]]:
    """J as the ``exact`` and ``fixed`` estimators give it, without noise.

    Args:
        problem: the problem.
        stage: key of the stage's scenarios.
    """
    return lambda theta: problem.estimator.start(theta, stage, stage).score


def none() -> Float[Array, ""]:
    """A metric without a value."""
    return jnp.full((), jnp.nan)
