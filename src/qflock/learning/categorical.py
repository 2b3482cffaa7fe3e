"""Masked categorical policies: a choice among legal actions, by logits.

All functions take logits and the legal-action mask ``(..., U)`` and are finite, gradients included, for
any finite logits. At least one action must be legal. (Own code: distrax needs a nightly build.)
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.core.steps import Mode

NEVER = -1e30
"""Log-probability and logit of an illegal action: finite, and its probability is exactly 0."""


def log_probabilities(logits: Float[Array, "*X U"], legal: Bool[Array, "*X U"]) -> Float[Array, "*X U"]:
    """Normalised over legal actions; `NEVER` for the others.

    Args:
        logits: ``(..., U)``.
        legal: mask of legal actions, ``(..., U)``.
    """
    return jnp.where(legal, jax.nn.log_softmax(jnp.where(legal, logits, NEVER)), NEVER)


def log_prob(
    logits: Float[Array, "*X U"], legal: Bool[Array, "*X U"], action: Int[Array, "*X"]
) -> Float[Array, "*X"]:
    """Log-probability of one action.

    Args:
        logits: ``(..., U)``.
        legal: mask of legal actions, ``(..., U)``.
        action: numbers of actions, ``(...)``.
    """
    return jnp.take_along_axis(log_probabilities(logits, legal), action[..., None], -1)[..., 0]


def entropy(logits: Float[Array, "*X U"], legal: Bool[Array, "*X U"]) -> Float[Array, "*X"]:
    """Shannon entropy in nats.

    Args:
        logits: ``(..., U)``.
        legal: mask of legal actions, ``(..., U)``.
    """
    logs = log_probabilities(logits, legal)
    return -jnp.where(legal, jnp.exp(logs) * logs, 0.0).sum(-1)


def most_entropy(legal: Bool[Array, "*X U"]) -> Float[Array, "*X"]:
    """Nats of the uniform policy: log of the number of legal actions."""
    return jnp.log(jnp.maximum(legal.sum(-1), 1).astype(jnp.float32))


def normalised_entropy(logits: Float[Array, "*X U"], legal: Bool[Array, "*X U"]) -> Float[Array, "*X"]:
    """Entropy as a share of the most there can be, in [0, 1]; where one action is legal there is no choice,
    and the number, 1, should weigh nothing (see `core.steps.Rows.chosen`).

    Args:
        logits: ``(..., U)``.
        legal: mask of legal actions, ``(..., U)``.
    """
    most = most_entropy(legal)
    alone = most == 0
    fraction = jnp.clip(entropy(logits, legal) / jnp.where(alone, 1.0, most), 0.0, 1.0)
    return jnp.where(alone, 1.0, fraction)


def sample(key: PRNGKeyArray, logits: Float[Array, "*X U"], legal: Bool[Array, "*X U"]) -> Int[Array, "*X"]:
    """A legal action drawn from the policy.

    Args:
        key: of the draw.
        logits: ``(..., U)``.
        legal: mask of legal actions, ``(..., U)``.
    """
    return jax.random.categorical(key, log_probabilities(logits, legal)).astype(jnp.int32)


def mode(logits: Float[Array, "*X U"], legal: Bool[Array, "*X U"]) -> Int[Array, "*X"]:
    """The likeliest legal action; the first of equals.

    Args:
        logits: ``(..., U)``.
        legal: mask of legal actions, ``(..., U)``.
    """
    return jnp.where(legal, logits, -jnp.inf).argmax(-1)


def choose(
    key: PRNGKeyArray, logits: Float[Array, "*X U"], legal: Bool[Array, "*X U"], by: Mode
) -> Int[Array, "*X"]:
    """The likeliest legal action ("greedy"), or one drawn from the policy ("sample").

    Args:
        key: of the draw.
        logits: ``(..., U)``.
        legal: mask of legal actions, ``(..., U)``.
        by: "greedy" or "sample".
    """
    return mode(logits, legal) if by == "greedy" else sample(key, logits, legal)


def kl(
    first: Float[Array, "*X U"], second: Float[Array, "*X U"], legal: Bool[Array, "*X U"]
) -> Float[Array, "*X"]:
    """KL(first || second) of two policies over the same legal actions, in nats.

    Args:
        first: logits ``(..., U)``.
        second: logits ``(..., U)``.
        legal: mask of legal actions, ``(..., U)``.
    """
    p, q = log_probabilities(first, legal), log_probabilities(second, legal)
    return jnp.where(legal, jnp.exp(p) * (p - q), 0.0).sum(-1)
