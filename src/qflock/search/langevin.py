"""Langevin proposals: a step along the gradient of the log-density, and noise (Roberts & Tweedie 1996).

With the acceptance of Metropolis and Hastings this is MALA; its target is the same as the random walk's.
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.search.metropolis import Density, Position, Proposal


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
