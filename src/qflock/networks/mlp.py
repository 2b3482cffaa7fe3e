"""The feed-forward network."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.networks.layers import dense, headed, linear, through


class MLP(eqx.Module):
    """Layers of Linear, LayerNorm (optional) and ReLU, then a linear head, dueling if asked."""

    hidden: list[eqx.nn.Linear]
    norms: list[eqx.nn.LayerNorm]
    head: eqx.nn.Linear
    value: eqx.nn.Linear | None

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        key: PRNGKeyArray,
        hidden: Sequence[int] = (128, 128),
        layer_norm: bool = True,
        dueling: bool = False,
        orthogonal: bool = True,
        head_gain: float = 0.01,
    ) -> None:
        keys = jax.random.split(key, len(hidden) + 2)
        self.hidden, self.norms = dense(inputs, hidden, keys, layer_norm, orthogonal)
        width = hidden[-1] if hidden else inputs
        self.head = linear(width, outputs, keys[-2], head_gain, orthogonal)
        self.value = linear(width, 1, keys[-1], head_gain, orthogonal) if dueling else None

    def features(self, x: Float[Array, "I"]) -> Float[Array, "H"]:
        """The last hidden layer."""
        return through(self.hidden, self.norms, x)

    def __call__(self, x: Float[Array, "I"]) -> Float[Array, "U"]:
        return headed(self.head, self.value, self.features(x))
