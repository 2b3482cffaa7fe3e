"""Langevin proposals: a step along the gradient of the log-density, and noise (Roberts & Tweedie 1996).

With the acceptance of Metropolis and Hastings this is MALA; its target is the same as the random walk's.
Coordinates differ in scale; a warm-up learns a diagonal metric from the slopes that it meets.
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.search.metropolis import DECAY, Density, Position, Proposal

TARGET_RATE = 0.574
"""Acceptance at which these proposals are fastest (Roberts & Rosenthal 1998)."""
EVEN = 1e-3
"""Least share of the mean squared slope for each coordinate, lest one without slope be thrown about."""


class Metric(NamedTuple):
    """Attributes:
    squares: running means of squared slopes of the log-density, ``(R, D)``.
    relative: scale of each coordinate over the others, ``(R, D)``.
    """

    squares: Float[Array, "R D"]
    relative: Float[Array, "R D"]

    @staticmethod
    def start(rungs: int, size: int) -> Metric:
        """All coordinates alike.

        Args:
            rungs: of tempering, R.
            size: coordinates, D.
        """
        return Metric(jnp.zeros((rungs, size)), jnp.ones((rungs, size)))

    def learn(self, slopes: Float[Array, "R C D"], step: Int[Array, ""], until: int) -> Metric:
        """Follow the slopes; from the step ``until`` on, coordinates have the scales that they tell.

        A Gaussian of deviation s has slopes of mean square 1 / s^2.

        Args:
            slopes: of the log-density where the chains stand.
            step: steps done in the stage.
            until: steps of learning; 0 for none.
        """
        gain = jnp.where(step < until, (step + 1.0) ** -DECAY, 0.0)
        squares = self.squares + gain * (jnp.square(slopes).mean(1) - self.squares)
        even = squares + EVEN * squares.mean(1, keepdims=True) + 1e-30
        scales = even**-0.5
        relative = scales / jnp.exp(jnp.log(scales).mean(1, keepdims=True))
        return Metric(squares, jnp.where(step == until - 1, relative, self.relative))


def proposal(
    sigma: Float[Array, "D"],
    log_prior: Density,
    beta: Float[Array, ""],
) -> Proposal:
    """theta + sigma^2 / 2 gradient + sigma noise.

    Angles are not wrapped: densities on the line are exact, and the target repeats itself along it.

    Args:
        sigma: scale of each coordinate; 0 for those that stay.
        log_prior: log p0.
        beta: inverse temperature; the positions carry the gradient of what it multiplies.
    """

    def centre(at: Position) -> Float[Array, "D"]:
        return at.theta + jnp.square(sigma) / 2 * (jax.grad(log_prior)(at.theta) + beta * at.slope)

    def draw(key: PRNGKeyArray, at: Position) -> Float[Array, "D"]:
        return centre(at) + sigma * jax.random.normal(key, at.theta.shape)

    def log_density(start: Position, end: Position) -> Float[Array, ""]:
        moves = sigma > 0
        away = (end.theta - centre(start)) / jnp.where(moves, sigma, 1.0)
        return -0.5 * jnp.where(moves, jnp.square(away), 0.0).sum()

    return Proposal(draw, log_density)
