"""A Gaussian for each number of a Box, squashed into its bounds by tanh (Haarnoja et al. 2018, app. C)."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.core.portable import LOG_DEVIATION
from qflock.core.spec import Box
from qflock.learning.actions import Actions
from qflock.learning.heads import bounded

EDGE = 1 - 1e-4
"""Actions nearer to a bound share the mass that lies beyond: float32 does not tell them apart before tanh."""
_NODES, _WEIGHTS = (x.astype(np.float32) for x in np.polynomial.hermite_e.hermegauss(16))


def build(action: Box) -> Actions:
    """The head of a Box: a mean and a logarithm of a deviation for each number, before squashing."""
    box = bounded.box(action)

    def split(outputs: Float[Array, "*X F"]) -> tuple[Float[Array, "*X D"], Float[Array, "*X D"]]:
        mean, log_deviation = jnp.split(outputs, 2, -1)
        return mean, jnp.clip(log_deviation, *LOG_DEVIATION)

    def sample(key: PRNGKeyArray, outputs: Float[Array, "*X F"], legal: Array) -> Float[Array, "*X D"]:
        mean, log_deviation = split(outputs)
        noise = jax.random.normal(key, mean.shape)
        return box.inside(jnp.tanh(mean + jnp.exp(log_deviation) * noise))

    def log_prob(
        outputs: Float[Array, "*X F"], legal: Array, chosen: Float[Array, "*X D"]
    ) -> Float[Array, "*X"]:
        mean, log_deviation = split(outputs)
        unit = box.unit(chosen)
        before = jnp.arctanh(jnp.clip(unit, -EDGE, EDGE))
        away = (before - mean) * jnp.exp(-log_deviation)
        inside = jax.scipy.stats.norm.logpdf(away) - log_deviation - _log_slope(before)
        beyond = jax.scipy.stats.norm.logcdf(-jnp.sign(unit) * away) - jnp.log1p(-EDGE)
        return (jnp.where(jnp.abs(unit) < EDGE, inside, beyond) - box.log_width).sum(-1)

    def entropy(outputs: Float[Array, "*X F"], legal: Array) -> Float[Array, "*X"]:
        """Of the Gaussian, and the mean of the logarithm by which squashing narrows it (quadrature)."""
        mean, log_deviation = split(outputs)
        places = mean[..., None] + jnp.exp(log_deviation)[..., None] * _NODES
        narrowed = _log_slope(places) @ jnp.asarray(_WEIGHTS / _WEIGHTS.sum(), jnp.float32)
        each = 0.5 * jnp.log(2 * jnp.pi * jnp.e) + log_deviation + narrowed + box.log_width
        return each.sum(-1)

    def deviation(outputs: Float[Array, "*X F"]) -> Float[Array, "*X D"]:
        mean, log_deviation = split(outputs)
        places = jnp.tanh(mean[..., None] + jnp.exp(log_deviation)[..., None] * _NODES)
        weights = jnp.asarray(_WEIGHTS / _WEIGHTS.sum(), jnp.float32)
        away = places - (places @ weights)[..., None]
        return box.half * jnp.sqrt(jnp.square(away) @ weights)

    return bounded.actions(
        action,
        deviation,
        outputs=2 * action.size,
        sample=sample,
        mode=lambda outputs, legal: box.inside(jnp.tanh(split(outputs)[0])),
        log_prob=log_prob,
        entropy=entropy,
    )


def _log_slope(x: Array) -> Array:
    """log of the derivative of tanh, without cancellation."""
    return 2 * (jnp.log(2.0) - x - jax.nn.softplus(-2 * x))
