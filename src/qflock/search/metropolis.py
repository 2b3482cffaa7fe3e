"""Metropolis-Hastings over a vector of parameters, with a scale for each block that learns in warm-up.

The target is p0(theta) exp(beta J(theta)), J being a mean return in [0, 1]. How J enters is the
estimator's business (`estimators`); acceptance is BlackJAX's Rosenbluth-Metropolis-Hastings kernel.
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import numpy as np
from blackjax.mcmc import random_walk
from jaxtyping import Array, Float, Int, PRNGKeyArray

TARGET_RATE = 0.234
"""Acceptance that scales aim at: optimal for random walks in many dimensions (Roberts et al. 1997)."""
DECAY = 0.6
"""Power of the Robbins-Monro step: 1/2 < DECAY <= 1."""

_accept = random_walk.build_rmh()


class Position(NamedTuple):
    """Where a chain stands.

    Attributes:
        theta: parameters.
        value: what beta multiplies in the log-density: J, or what stands for it.
        score: the estimate of J that is reported, in [0, 1].
        slope: gradient of ``value``, ``(*C, D)``, where proposals follow it; else nothing.
    """

    theta: Float[Array, "*C D"]
    value: Float[Array, "*C"]
    score: Float[Array, "*C"]
    slope: Any = ()


class Density(Protocol):
    """The logarithm of a density of parameters ``(D,)``, up to a constant."""

    def __call__(self, theta: Float[Array, "D"], /) -> Float[Array, ""]: ...


class Weigh(Protocol):
    """Both sides of a step as they are to be compared."""

    def __call__(
        self, old: Position, theta: Float[Array, "D"], key: PRNGKeyArray, /
    ) -> tuple[Position, Position, Float[Array, ""]]:
        """Old and new position, and what is taken off the log acceptance.

        Args:
            old: where the chain stands.
            theta: what is proposed, ``(D,)``.
            key: of fresh scenarios.
        """
        ...


class Draw(Protocol):
    """Proposes parameters."""

    def __call__(self, key: PRNGKeyArray, at: Position, /) -> Float[Array, "D"]:
        """Parameters proposed, ``(D,)``.

        Args:
            key: of the draw.
            at: where the chain stands.
        """
        ...


class Between(Protocol):
    """The log-density of proposing one position at another, up to a constant."""

    def __call__(self, start: Position, end: Position, /) -> Float[Array, ""]:
        """The log-density.

        Args:
            start: where the proposal is made.
            end: what is proposed.
        """
        ...


class Proposal(NamedTuple):
    """Attributes:
    draw: proposes parameters.
    log_density: of proposing one position at another; None where it is the same in both directions.
    """

    draw: Draw
    log_density: Between | None = None


class Scales(NamedTuple):
    """Log-scales of the blocks, ``(..., K)``, and how often each was adapted, ``(K,)``."""

    log_sigma: Float[Array, "*R K"]
    adapted: Float[Array, "K"]

    @staticmethod
    def start(sigma: float | np.ndarray, blocks: int, *axes: int) -> Scales:
        """Scales that have not learnt yet.

        Args:
            sigma: the scale of all blocks, or one for each, ``(K,)``.
            blocks: how many, K.
            *axes: leading axes of the scales, for rungs that differ.
        """
        return Scales(jnp.full((*axes, blocks), jnp.log(sigma)), jnp.zeros(blocks))

    def adapt(
        self,
        rate: Float[Array, "*R"],
        block: Int[Array, ""],
        on: Array,
        widest: np.ndarray | float = np.inf,
        target: float = TARGET_RATE,
    ) -> Scales:
        """One Robbins-Monro step of one block: log sigma += t^-0.6 (rate - target); none unless ``on``.

        Args:
            rate: mean acceptance probability of the chains that share a scale.
            block: the block that moved.
            on: whether scales learn.
            widest: the largest scale of each block, ``(K,)``; see `blocks.widest`.
            target: the rate that is wanted.
        """
        times = self.adapted[block] + 1
        change = jnp.where(on, times**-DECAY * (rate - target), 0.0)
        return Scales(
            jnp.minimum(self.log_sigma.at[..., block].add(change), np.log(widest)),
            self.adapted.at[block].add(jnp.where(on, 1.0, 0.0)),
        )


def step(
    key: PRNGKeyArray,
    old: Position,
    proposal: Proposal,
    weigh: Weigh,
    log_prior: Density,
    beta: Float[Array, ""],
) -> tuple[Position, Float[Array, ""]]:
    """One step of one chain.

    Args:
        proposal: how the next position is proposed.
        weigh: the estimator.
        log_prior: log p0, up to a constant.
        beta: inverse temperature.

    Returns:
        Where the chain stands now, and the probability with which the proposal was accepted.
    """
    k_move, k_noise, k_accept = jax.random.split(key, 3)
    old, new, penalty = weigh(old, proposal.draw(k_move, old), k_noise)
    density = lambda p: log_prior(p.theta) + beta * p.value
    state = random_walk.RWState(old, density(old))  # type: ignore[arg-type]
    ways = proposal.log_density
    between = None if ways is None else lambda start, end: ways(start.position, end.position)
    state, info = _accept(k_accept, state, lambda p: density(p) - penalty, lambda *_: new, between)
    return state.position, info.acceptance_rate  # type: ignore[return-value]
