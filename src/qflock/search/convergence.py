"""Whether chains have mixed: split R-hat and bulk effective sample size over a window of draws.

Both are BlackJAX's, rank-normalised (Vehtari et al. 2021). They are taken of J and of action probabilities,
never of angles: a circuit's angles have gauge symmetries, so equal policies may have different angles.
"""

from __future__ import annotations

from typing import NamedTuple

import jax.numpy as jnp
from blackjax import diagnostics
from jaxtyping import Array, Float, Int


class Window(NamedTuple):
    """The newest W draws of C chains from one target: a ring of J and of P watched probabilities."""

    draws: Float[Array, "W C P+1"]
    count: Int[Array, ""]

    @staticmethod
    def start(length: int, chains: int, watched: int) -> Window:
        """An empty ring.

        Args:
            length: draws, W.
            chains: how many, C.
            watched: probabilities watched in each, P.
        """
        return Window(jnp.zeros((length, chains, watched + 1)), jnp.int32(0))

    def add(self, score: Float[Array, "C"], watched: Float[Array, "C P"], settled: Array | bool) -> Window:
        """One more draw of every chain, or none left where the draw is not of the target that stays.

        Args:
            score: J of each chain, ``(C,)``.
            watched: ``(C, P)``.
            settled: the target and the scales are those of the draws before: no warm-up, no new stage.
        """
        row = jnp.concatenate([score[:, None], watched], 1)
        count = jnp.where(settled, self.count + 1, 0)
        return Window(self.draws.at[self.count % len(self.draws)].set(row), count)


class Mixing(NamedTuple):
    """Scalars; NaN before the window is full, with fewer than two chains, and where nothing moves."""

    rhat: Float[Array, ""]  # of J
    ess: Float[Array, ""]  # of J, in draws of the window over all chains
    rhat_policy: Float[Array, ""]  # the worst of the watched probabilities
    ess_policy: Float[Array, ""]


def judge(window: Window) -> Mixing:
    """R-hat and effective sample size of the draws in a window."""
    length, chains, _ = window.draws.shape
    none = jnp.full((), jnp.nan)
    if chains < 2 or length < 4:
        return Mixing(none, none, none, none)
    draws = jnp.roll(window.draws, -(window.count % length), axis=0)
    draws = jnp.swapaxes(draws, 0, 1)
    rhat = jnp.atleast_1d(diagnostics.rhat(draws))
    ess = jnp.atleast_1d(diagnostics.ess_bulk(draws))
    known = jnp.isfinite(rhat) & jnp.isfinite(ess) & (window.count >= length)
    rhat, ess = jnp.where(known, rhat, jnp.nan), jnp.where(known, ess, jnp.nan)
    return Mixing(rhat[0], ess[0], jnp.nanmax(rhat[1:]), jnp.nanmin(ess[1:]))
