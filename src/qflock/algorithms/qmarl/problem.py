"""What a sampler of policies needs to know, and what it must offer, whichever sampler it is."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, PRNGKeyArray

from qflock.algorithms.qmarl.config import QmarlConfig
from qflock.core.steps import Metrics
from qflock.search import blocks, estimators
from qflock.search.estimators import Estimator
from qflock.search.scoring import Scoring


class Density(Protocol):
    """A number of parameters as a vector: a log-density, or J."""

    def __call__(self, theta: Float[Array, "D"], /) -> Float[Array, ""]: ...


class Problem(NamedTuple):
    """Attributes:
    shape: of the parameters as one vector.
    log_prior: log p0 of a vector, up to a constant.
    estimator: how J is known.
    config: the settings.
    """

    shape: blocks.Layout
    log_prior: Density
    estimator: Estimator
    config: QmarlConfig


class Start(Protocol):
    """The sampler's state where a search begins."""

    def __call__(self, theta: Float[Array, "N D"], key: PRNGKeyArray, again: bool, /) -> Any:
        """The state.

        Args:
            theta: a policy for each place, ``(num_policies, D)``.
            key: of the stage's scenarios and whatever else is drawn.
            again: whether the search goes on from weights.
        """
        ...


class Sweep(Protocol):
    """What a sampler does in one update."""

    def __call__(
        self, state: Any, key: PRNGKeyArray, /
    ) -> tuple[Any, Metrics, Bool[Array, ""], Bool[Array, ""]]:
        """The new state, metrics, whether a new stage began, and whether the target stays as it was here.

        Args:
            state: the sampler's.
            key: of everything that is drawn.
        """
        ...


class Theta(Protocol):
    """All policies of a sampler's state, ``(num_policies, D)``."""

    def __call__(self, state: Any, /) -> Float[Array, "N D"]: ...


class Now(Protocol):
    """The reported chains' policies ``(C, D)`` and scores ``(C,)``, these in [0, 1]."""

    def __call__(self, state: Any, /) -> tuple[Float[Array, "C D"], Float[Array, "C"]]: ...


class Sampler(NamedTuple):
    """Attributes:
    num_policies: policies scored side by side.
    chains: C, those that are reported.
    scorings: policies scored in one sweep.
    start: where a search begins.
    sweep: one update.
    theta: all policies.
    now: the reported chains.
    """

    num_policies: int
    chains: int
    scorings: int
    start: Start
    sweep: Sweep
    theta: Theta
    now: Now


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


def objective(problem: Problem, stage: PRNGKeyArray) -> Density:
    """J as the ``exact`` and ``fixed`` estimators give it, without noise.

    Args:
        problem: the problem.
        stage: key of the stage's scenarios.
    """
    return lambda theta: problem.estimator.start(theta, stage, stage).score


def none() -> Float[Array, ""]:
    """A metric without a value."""
    return jnp.full((), jnp.nan)
