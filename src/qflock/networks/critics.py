"""Critics: values of every agent from its observation, from the state, or both. Training alone needs them."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

import jax
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.core.errors import UserError
from qflock.core.spec import Spec
from qflock.core.steps import Parameters, Rows
from qflock.machine import mesh
from qflock.networks import agents as agents_of
from qflock.networks import circuit, inputs

Sees = Literal["observation", "state", "both"]


class Values(Protocol):
    """The critic's numbers at every row."""

    def __call__(self, parameters: Parameters, rows: Rows, /) -> Float[Array, "T+1 B A V"]:
        """Values of every agent.

        Args:
            parameters: the critic's.
            rows: T transitions of B environments.
        """
        ...


class MakeNetwork(Protocol):
    """Makes a feed-forward network."""

    def __call__(self, features: int, outputs: int, key: PRNGKeyArray, /) -> Any:
        """One network, an Equinox module.

        Args:
            features: length of its input.
            outputs: how many numbers it gives.
            key: of its first weights.
        """
        ...


class Critic(NamedTuple):
    """Attributes: ``init``, parameters from a key; ``values``, of every agent at every row."""

    init: agents_of.Init
    values: Values


def build(
    spec: Spec,
    make: MakeNetwork,
    sees: Sees,
    outputs: int = 1,
    shared: bool = True,
    stage: str = "relative",
) -> Critic:
    """A critic for an environment's sizes.

    Args:
        make: ``(features, outputs, key) -> feed-forward network``.
        sees: "observation": each agent's own, as decentralised learners have it; "state": one network
            that sees the global state has a head for each agent; "both": their sum.
        outputs: numbers for each agent: 1 for a state value, U for action values.
        shared: one network for all observations, with one-hot ids, instead of one for each agent.
        stage: the input stage.

    Raises:
        UserError: a network that remembers: rows keep the hidden state of agents, not of critics.
    """
    local = agents_of.build(spec, lambda features, key: make(features, outputs, key), shared, stage)
    if jax.tree.leaves(local.memory()):
        raise UserError(
            "the critic's network remembers, and critics have no hidden state; take critic_network mlp, "
            "circuit, or a network of your own without initial()"
        )
    whole = inputs.of_state(spec, stage)

    def init(key: PRNGKeyArray) -> Parameters:
        k_local, k_whole = jax.random.split(key)
        parameters = {}
        if sees != "state":
            parameters["local"] = circuit.apart(local.init(k_local), 1)
        if sees != "observation":
            parameters["state"] = circuit.apart(make(whole.size, outputs * spec.agents, k_whole), 2)
        return parameters

    def values(parameters: Parameters, rows: Rows) -> Float[Array, "T+1 B A V"]:
        parts = []
        if "local" in parameters:
            parts.append(local.unroll(parameters["local"], rows))
        if "state" in parameters:
            state = rows.timestep.state
            flat = jax.vmap(whole.apply)(mesh.over_copies(state.reshape(-1, state.shape[-1])))
            out = jax.vmap(parameters["state"])(flat)
            parts.append(mesh.whole(out.reshape(*state.shape[:-1], spec.agents, outputs)))
        return sum(parts[1:], parts[0])

    return Critic(init, values)
