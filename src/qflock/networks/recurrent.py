"""Networks with a memory, called ``network(memory, features) -> (memory, outputs)``; see `by_name`."""

from __future__ import annotations

from collections.abc import Sequence

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.core.errors import UserError
from qflock.networks.layers import dense, headed, linear, through


class GRU(eqx.Module):
    """Dense layers, a gated recurrent unit (Cho et al. 2014) as wide as the last of ``hidden``, a head.

    Raises:
        UserError: ``hidden`` is empty.
    """

    hidden: list[eqx.nn.Linear]
    norms: list[eqx.nn.LayerNorm]
    cell: eqx.nn.GRUCell
    head: eqx.nn.Linear
    value: eqx.nn.Linear | None

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        key: PRNGKeyArray,
        hidden: Sequence[int] = (64, 64),
        layer_norm: bool = True,
        dueling: bool = False,
        orthogonal: bool = True,
        head_gain: float = 0.01,
    ) -> None:
        if not hidden:
            raise UserError("network gru needs hidden: widths of its dense layers, then its own")
        *before, width = hidden
        keys = jax.random.split(key, len(before) + 3)
        self.hidden, self.norms = dense(inputs, before, keys, layer_norm, orthogonal)
        self.cell = eqx.nn.GRUCell(before[-1] if before else inputs, width, key=keys[-3])
        self.head = linear(width, outputs, keys[-2], head_gain, orthogonal)
        self.value = linear(width, 1, keys[-1], head_gain, orthogonal) if dueling else None

    def initial(self) -> Float[Array, "H"]:
        """The hidden state where an episode begins."""
        return jnp.zeros(self.cell.hidden_size)

    def __call__(
        self, memory: Float[Array, "H"], x: Float[Array, "I"]
    ) -> tuple[Float[Array, "H"], Float[Array, "U"]]:
        """The hidden state after a step, and outputs.

        Args:
            memory: the hidden state, ``(H,)``.
            x: features, ``(I,)``.
        """
        memory = self.cell(through(self.hidden, self.norms, x), memory)
        return memory, headed(self.head, self.value, memory)
