"""Mixers that weigh subsets of agents by chances that the state decides: a circuit's, or those of an MLP.

Every agent's value turns a qubit of its own, which is then measured as 1 with a chance p that rises with the
value. A circuit of the state draws a subset of the agents; the team's value is the chance that all of the
subset are measured as 1, scaled, and a value of the state. Whatever the weights are, it is monotone: chances
of subsets are not negative, and none of their products of p falls as a value rises.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.core.errors import UserError
from qflock.networks import circuit as circuits
from qflock.networks.layers import linear
from qflock.quantum.circuit import basis

MOST_AGENTS = 10
"""2^10 subsets: more outcomes than a circuit's Born rule should be asked for."""


class Subsets(eqx.Module):
    """What both mixers share: Q_tot = scale x sum over subsets of chance x product of p, + V(state).

    With x = sharpness (value - middle) an agent's qubit is turned by pi/2 + arctan(x), so that p is
    (1 + x / sqrt(1 + x^2)) / 2.
    """

    chances: Any
    middle: Float[Array, "A"]
    sharpness: Float[Array, "A"]
    scale: Float[Array, ""]
    state_value: eqx.nn.Linear

    def __init__(self, agents: int, state: int, key: PRNGKeyArray, chances: Any) -> None:
        self.chances = chances
        self.middle = jnp.zeros(agents)
        self.sharpness = jnp.zeros(agents)
        self.scale = jnp.ones(())
        self.state_value = linear(state, 1, key, 0.01)

    def __call__(self, values: Float[Array, "A"], state: Float[Array, "S"]) -> Float[Array, ""]:
        """The team's value.

        Args:
            values: of the agents' actions, ``(A,)``.
            state: ``(S,)``.
        """
        turn = jnp.exp(self.sharpness) * (values - self.middle)
        ones = (1 + turn * jax.lax.rsqrt(1 + jnp.square(turn))) / 2
        inside = basis(len(values)).astype(bool)
        all_ones = jnp.where(inside, ones, 1.0).prod(1)
        return jnp.exp(self.scale) * jnp.exp(self.chances(state)) @ all_ones + self.state_value(state)[0]


class ByCircuit(Subsets):
    """Subsets are drawn by a circuit, one measurement of all its qubits (Born's rule)."""

    def __init__(
        self, agents: int, state: int, *, key: PRNGKeyArray, circuit: Mapping[str, Any] | None = None
    ) -> None:
        k_circuit, k_value = jax.random.split(key)
        super().__init__(agents, state, k_value, circuits.apart(_drawn(agents, state, k_circuit, circuit), 4))


class ByMLP(Subsets):
    """The control: chances are a softmax of one hidden layer, with about as many parameters."""

    def __init__(
        self, agents: int, state: int, *, key: PRNGKeyArray, circuit: Mapping[str, Any] | None = None
    ) -> None:
        k_hidden, k_out, k_value = jax.random.split(key, 3)
        like = eqx.filter_eval_shape(_drawn, agents, state, k_hidden, circuit)
        count = sum(int(np.prod(x.shape)) for x in jax.tree.leaves(like))
        subsets = 2**agents
        width = max(1, round((count - subsets) / (state + 1 + subsets)))
        layers = linear(state, width, k_hidden), linear(width, subsets, k_out)
        super().__init__(agents, state, k_value, Hidden(*layers))


class Hidden(eqx.Module):
    """Logarithms of chances by one hidden layer."""

    first: eqx.nn.Linear
    second: eqx.nn.Linear

    def __call__(self, state: Float[Array, "S"]) -> Float[Array, "N"]:
        """The logarithms.

        Args:
            state: ``(S,)``.
        """
        return jax.nn.log_softmax(self.second(jnp.tanh(self.first(state))))


def _drawn(
    agents: int, state: int, key: PRNGKeyArray, settings: Mapping[str, Any] | None
) -> circuits.Circuit:
    """The circuit that draws a subset; it has a qubit for each agent at least.

    Raises:
        UserError: too many agents.
    """
    if agents > MOST_AGENTS:
        raise UserError(
            f"mixers circuit and subsets weigh all subsets of at most {MOST_AGENTS} agents; there are "
            f"{agents}: take mixer monotone"
        )
    own = {**(settings or {}), "head": "born"}
    own["qubits"] = max(agents, own.get("qubits", agents))
    return circuits.Circuit(state, 2**agents, key=key, **own)
