"""Layers that networks are built of, written for one example; callers ``vmap``."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.networks.normalise import layer_norm


def linear(
    inputs: int, outputs: int, key: PRNGKeyArray, gain: float = 1.0, orthogonal: bool = True
) -> eqx.nn.Linear:
    """A linear layer with zero bias and orthogonal weights of the given gain, or Equinox's default.

    Args:
        inputs: features.
        outputs: rows of the weights.
        key: of the weights.
        gain: factor of orthogonal weights.
        orthogonal: instead of Equinox's default.
    """
    layer = eqx.nn.Linear(inputs, outputs, key=key)
    if not orthogonal:
        return layer
    weight = jax.nn.initializers.orthogonal(gain)(key, (outputs, inputs), jnp.float32)
    return eqx.tree_at(lambda m: (m.weight, m.bias), layer, (weight, jnp.zeros(outputs)))


def dense(
    inputs: int, hidden: Sequence[int], keys: PRNGKeyArray, layer_norm: bool, orthogonal: bool
) -> tuple[list[eqx.nn.Linear], list[eqx.nn.LayerNorm]]:
    """Hidden layers of these widths, from the first keys, and their LayerNorms, or none; see `through`.

    Args:
        inputs: features.
        hidden: widths.
        keys: one for each layer, or more.
        layer_norm: whether there are norms.
        orthogonal: see `linear`.
    """
    sizes = (inputs, *hidden)
    layers = [linear(a, b, k, 2**0.5, orthogonal) for a, b, k in zip(sizes, hidden, keys, strict=False)]
    return layers, [eqx.nn.LayerNorm(n) for n in hidden] if layer_norm else []


def through(
    layers: Sequence[eqx.nn.Linear], norms: Sequence[eqx.nn.LayerNorm], x: Float[Array, "I"]
) -> Float[Array, "H"]:
    """Hidden layers, each with its LayerNorm, if there are any, and ReLU.

    Args:
        layers: in order.
        norms: as many, or none.
        x: features, ``(I,)``.
    """
    for i, layer in enumerate(layers):
        x = layer(x)
        x = jax.nn.relu(layer_norm(norms[i], x) if norms else x)
    return x


def headed(head: eqx.nn.Linear, value: eqx.nn.Linear | None, x: Float[Array, "H"]) -> Float[Array, "U"]:
    """A linear head, or a dueling one: V + A - mean A (Wang et al. 2016, equation 9).

    Args:
        head: of logits or advantages.
        value: of the value, for a dueling head; None for a plain one.
        x: the last hidden layer, ``(H,)``.
    """
    out = head(x)
    return out if value is None else value(x) + out - out.mean()
