"""The quantum-inspired operator Q on action probabilities: amplification, then an entropy floor.

Functions of logits and the legal-action mask ``(..., U)``, for any actor-critic. Probabilities are
taken as squared amplitudes. ``mean`` is the published map, a' = a + eta (a - mean a): amplitudes move away
from their mean, not through it. ``rotation`` is amplitude amplification proper (Brassard et al. 2002) with
a good set that an action-value critic names; it makes a target, agents never act with it.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from qflock.learning.categorical import NEVER, entropy, log_probabilities, most_entropy, normalised_entropy

Floor = Literal["exact", "published"]

SMALLEST = 1e-8  # amplified amplitudes are clamped here
STEEP = 0.1  # where amplification leaves less than this share of an amplitude, its gradient is replaced
HALVINGS = 24  # of [0, 1]: the floor's weight to 6e-8
WIDEST_POWER = 16.0  # of 2, for the inverse temperature of a wanted entropy


class Amplified(NamedTuple):
    """New logits (log-probabilities, `NEVER` where illegal), and where the entropy floor acted, ``(...)``."""

    logits: Float[Array, "*X U"]
    floored: Bool[Array, "*X"]


def apply(
    logits: Float[Array, "*X U"],
    legal: Bool[Array, "*X U"],
    eta: float | Array = 0.1,
    min_entropy: float | Array = 0.05,
    inverse_temperature: float | Array = 1.0,
    floor: Floor = "exact",
) -> Amplified:
    """Q with ``amplify="mean"``: act, log-probability and ratio all use the softmax of what it returns.

    Args:
        eta: how far amplitudes move away from their mean, at least 0.
        min_entropy: least normalised entropy, in [0, 1).
        inverse_temperature: multiplies the logits, above 0.
        floor: "exact", or "published" for the published weight (h - H) / h, with which confident policies
            become random, and the published second multiplication of the logits by the temperature.
    """
    logs = amplify(log_probabilities(inverse_temperature * logits, legal), legal, eta)
    if floor == "published":
        raised, floored = published_floor(logs, legal, min_entropy)
        return Amplified(jnp.where(legal, raised * inverse_temperature, NEVER), floored)
    return entropy_floor(logs, legal, min_entropy)


def temperature(
    logits: Float[Array, "*X U"],
    legal: Bool[Array, "*X U"],
    eta: float | Array = 0.1,
    min_entropy: float | Array = 0.05,
    inverse_temperature: float | Array = 1.0,
    floor: Floor = "exact",
) -> Amplified:
    """The control of `apply`: a plain inverse temperature, of the same entropy as its result at every row.

    What `apply` does beyond a temperature is the shape of the policy; here is none of it.

    Args:
        logits, legal, eta, min_entropy, inverse_temperature, floor: of `apply`, whose entropy is wanted.
    """
    wanted = apply(logits, legal, eta, min_entropy, inverse_temperature, floor)
    logs = jnp.where(legal, log_probabilities(logits, legal), 0.0)
    most = entropy(wanted.logits, legal)
    multiplied = lambda power, logs: log_probabilities(jnp.exp2(power)[..., None] * logs, legal)
    above = lambda power, logs, most: entropy(multiplied(power, logs), legal) - most

    def halve(_: int, between: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = between
        middle = (low + high) / 2
        more = above(middle, *jax.lax.stop_gradient((logs, most))) > 0
        return jnp.where(more, middle, low), jnp.where(more, high, middle)

    ends = (jnp.full(most.shape, -WIDEST_POWER), jnp.full(most.shape, WIDEST_POWER))
    root = jax.lax.stop_gradient(sum(jax.lax.fori_loop(0, HALVINGS, halve, ends)) / 2)

    # One Newton step from the solution: it changes no value and has the implicit gradient.
    p = jax.lax.stop_gradient(jnp.where(legal, jnp.exp(multiplied(root, logs)), 0.0))
    still = jax.lax.stop_gradient(logs)
    variance = (p * jnp.square(still - (p * still).sum(-1, keepdims=True))).sum(-1)
    derivative = jnp.square(jnp.exp2(root)) * variance * jnp.log(2.0)  # of the entropy, downwards
    here = above(root, logs, most)
    change = here - jax.lax.stop_gradient(here)
    power = root + jnp.where(derivative > 1e-4, change / jnp.maximum(derivative, 1e-4), 0.0)
    return Amplified(multiplied(power, logs), wanted.floored)


def amplify(
    logs: Float[Array, "*X U"], legal: Bool[Array, "*X U"], eta: float | Array
) -> Float[Array, "*X U"]:
    """The published reweighting of log-probabilities, a' = a + eta (a - mean a), clamped and normalised.

    Clamped amplitudes get the gradient of log p instead of none, and so do those that all but vanish,
    whose own gradient grows without bound. Amplitudes that were below the clamp before stay as they are.

    Args:
        logs: log-probabilities, ``(..., U)``.
        legal: mask of legal actions, ``(..., U)``.
        eta: how far amplitudes move away from their mean, at least 0.
    """
    half = jnp.where(legal, 0.5 * logs, 0.0)  # log amplitudes
    count = jnp.maximum(legal.sum(-1, keepdims=True), 1)
    mean = jnp.where(legal, jnp.exp(half), 0.0).sum(-1, keepdims=True) / count
    away = jnp.exp(jnp.minimum(jnp.log(mean) - half, 80.0))  # mean / amplitude, kept finite
    kept = 1.0 + eta - eta * away  # of its amplitude that an action keeps
    steep = kept < STEEP
    plain = half + jnp.log(jnp.where(steep, 1.0, kept))
    value = half + jnp.log(jnp.where(kept > 0, kept, 1e-30))
    value = jnp.maximum(value, jnp.minimum(half, jnp.log(SMALLEST)))
    surrogate = jax.lax.stop_gradient(value - half) + half
    return log_probabilities(2.0 * jnp.where(steep, surrogate, plain), legal)


def entropy_floor(logs: Float[Array, "*X U"], legal: Bool[Array, "*X U"], least: float | Array) -> Amplified:
    """Mix in just enough of the uniform policy for a normalised entropy of ``least``.

    The entropy rises along the segment from p to uniform, so bisection finds the smallest weight w. Its
    gradient is that of the equation H((1 - w) p + w u) = h, not the bisection's. A batch that is nowhere
    below the floor, the usual one, costs its entropies alone.

    Args:
        logs: log-probabilities, ``(..., U)``.
        legal: mask of legal actions, ``(..., U)``.
        least: normalised entropy, in [0, 1).
    """
    floored = (normalised_entropy(logs, legal) < least) & (most_entropy(legal) > 0)
    raised = jax.lax.cond(floored.any(), lambda x: _raise(x, legal, floored, least), lambda x: x, logs)
    return Amplified(raised, floored)


def _raise(
    logs: Float[Array, "*X U"], legal: Bool[Array, "*X U"], floored: Bool[Array, "*X"], least: float | Array
) -> Float[Array, "*X U"]:
    """Log-probabilities with the policies that are marked raised to the floor."""
    most = most_entropy(legal)
    uniform = jnp.where(legal, 1.0 / jnp.maximum(legal.sum(-1, keepdims=True), 1), 0.0)
    p = jnp.where(legal, jnp.exp(logs), 0.0)

    def excess(weight: Array, p: Array) -> Array:
        """Nats above the floor, of the mixture."""
        mixed = p + weight[..., None] * (uniform - p)
        some = mixed > 0
        return -jnp.where(some, mixed * jnp.log(jnp.where(some, mixed, 1.0)), 0.0).sum(-1) - least * most

    def halve(_: int, between: tuple[Array, Array]) -> tuple[Array, Array]:
        low, high = between
        middle = (low + high) / 2
        enough = excess(middle, jax.lax.stop_gradient(p)) >= 0
        return jnp.where(enough, low, middle), jnp.where(enough, middle, high)

    ends = (jnp.zeros(floored.shape), jnp.ones(floored.shape))
    root = jnp.where(floored, jax.lax.fori_loop(0, HALVINGS, halve, ends)[1], 0.5)
    root = jnp.clip(jax.lax.stop_gradient(root), 1e-7, 1.0)

    # One Newton step from the solution: it changes no value and has the implicit gradient.
    still = jax.lax.stop_gradient(p)
    mixed = jnp.where(legal, still + root[..., None] * (uniform - still), 1.0)
    derivative = -((uniform - still) * jnp.where(legal, jnp.log(mixed), 0.0)).sum(-1)
    here = excess(root, p)
    change = jax.lax.stop_gradient(here) - here
    weight = root + jnp.where(floored & (derivative > 1e-6), change / jnp.maximum(derivative, 1e-6), 0.0)

    weight = jnp.where(floored, weight, 0.5)[..., None]
    kept = jnp.where(weight < 1.0, 1.0 - weight, 1e-30)
    raised = jnp.logaddexp(
        jnp.where(legal, logs, 0.0) + jnp.log(kept),
        jnp.log(weight) + jnp.where(legal, -most[..., None], 0.0),
    )
    return jnp.where(floored[..., None], log_probabilities(raised, legal), logs)


def published_floor(
    logs: Float[Array, "*X U"], legal: Bool[Array, "*X U"], least: float | Array
) -> Amplified:
    """The published floor: the weight of the uniform policy is (h - H) / h. It does not meet h in general.

    Args:
        logs: log-probabilities, ``(..., U)``.
        legal: mask of legal actions, ``(..., U)``.
        least: normalised entropy, in [0, 1).
    """
    low = normalised_entropy(logs, legal)
    floored = low < least
    weight = jnp.where(floored, (least - low) / jnp.maximum(least, 1e-12), 0.0)[..., None]
    uniform = 1.0 / jnp.maximum(legal.sum(-1, keepdims=True), 1)
    mixed = (1 - weight) * jnp.exp(logs) + weight * uniform
    raised = log_probabilities(jnp.log(jnp.maximum(mixed, 1e-30)), legal)
    return Amplified(jnp.where(floored[..., None], raised, logs), floored)


def rotation(
    logs: Float[Array, "*X U"],
    legal: Bool[Array, "*X U"],
    good: Bool[Array, "*X U"],
    turns: float | Array,
    most_angle: float | Array,
) -> Float[Array, "*X U"]:
    """Amplitude amplification of the good actions: a target's log-probabilities, without gradient.

    With P the probability of the good set and theta = asin sqrt P, the angle becomes
    max(theta, min((2 turns + 1) theta, most_angle)). The identity for ``turns`` 0, and where the good set
    is empty or full.

    Args:
        logs: log-probabilities.
        good: good actions, in QIO those valued above the policy's mean.
        turns: Grover steps, a real number of at least 0.
        most_angle: where amplification ends, at most pi / 2.
    """
    good = good & legal
    bad = legal & ~good
    total = lambda mask: jax.nn.logsumexp(jnp.where(mask, logs, NEVER), axis=-1, keepdims=True)
    log_good, log_bad = total(good), total(bad)
    theta = jnp.arctan2(jnp.exp(log_good / 2), jnp.exp(log_bad / 2))
    turned = jnp.maximum(theta, jnp.minimum((2 * turns + 1) * theta, most_angle))
    gain = 2 * jnp.log(jnp.maximum(jnp.sin(turned), 1e-30)) - log_good
    loss = 2 * jnp.log(jnp.maximum(jnp.cos(turned), 1e-30)) - log_bad
    mixed = good.any(-1, keepdims=True) & bad.any(-1, keepdims=True) & (turned > theta)
    moved = jnp.where(good, logs + gain, logs + loss)
    return jax.lax.stop_gradient(log_probabilities(jnp.where(mixed, moved, logs), legal))


def lipschitz(
    before: Float[Array, "N U"], after: Float[Array, "N U"], legal: Bool[Array, "N U"]
) -> dict[str, Float[Array, ""]]:
    """Empirical Lipschitz ratios of a map of policies, over neighbouring pairs of a batch.

    Args:
        before, after: log-probabilities of N policies, and of what the map made of them.
        legal: pairs whose legal actions differ do not count.

    Returns:
        For total variation and Hellinger distance, the mean and the largest ratio, and the share of
        pairs that come closer: a contraction would have 1. Pairs closer than 1e-3 do not count (rounding).
    """
    same = (legal[1:] == legal[:-1]).all(-1)

    def between(logs: Array, hellinger: bool) -> Array:
        p = jnp.where(legal, jnp.exp(logs), 0.0)
        if hellinger:
            p = jnp.sqrt(p)
            return jnp.sqrt(0.5 * jnp.square(p[1:] - p[:-1]).sum(-1))
        return 0.5 * jnp.abs(p[1:] - p[:-1]).sum(-1)

    metrics = {}
    for name in ("total_variation", "hellinger"):
        old, new = (between(x, name == "hellinger") for x in (before, after))
        counts = same & (old > 1e-3)
        ratio = new / jnp.maximum(old, 1e-3)
        number = jnp.maximum(counts.sum(), 1)
        metrics[f"lipschitz_{name}_mean"] = jnp.where(counts, ratio, 0.0).sum() / number
        metrics[f"lipschitz_{name}_max"] = jnp.where(counts, ratio, 0.0).max()
        metrics[f"closer_{name}"] = (counts & (ratio < 1.0)).sum() / number
    return metrics
