"""Actors and joint critics of the entangled-critic comparison (eQMARL, ICLR 2025), as Equinox modules.

A critic maps all agents' observations ``(A, O)`` to one value: circuits whose agents share entangled qubits
at the start (``entangled``), one circuit over all qubits (``circuit``), one dense network on everything
(``joint``), or one for each agent whose outputs meet in the last layer (``split``). An actor maps one agent's
observation ``(O,)`` to logits; agents share it and have no index.
"""

from __future__ import annotations

from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.core.errors import UserError
from qflock.quantum import circuit as describe
from qflock.quantum import simulate
from qflock.quantum.circuit import Circuit

Bell = Literal["phi+", "phi-", "psi+", "psi-", "none"]
Encoding = Literal["planes", "linear"]
PLANES = (4, 3, 3)  # of observations that `planes` reads: four boards of 3 x 3
FEATURES = 12  # that it makes of them
GLOROT = jax.nn.initializers.glorot_uniform()


class Dense(eqx.Module):
    """A dense layer as published learners start it: Glorot uniform weights, zero bias."""

    weight: Float[Array, "out in"]
    bias: Float[Array, "out"]

    def __init__(self, inputs: int, outputs: int, key: PRNGKeyArray) -> None:
        self.weight = GLOROT(key, (inputs, outputs), jnp.float32).T
        self.bias = jnp.zeros(outputs)

    def __call__(self, x: Float[Array, "in"]) -> Float[Array, "out"]:
        return self.weight @ x + self.bias


def planes(observation: Float[Array, "36"]) -> Float[Array, "4 3"]:
    """Three features a plane, one for each x: sum_y plane[x, y] 2^-y."""
    return observation.reshape(PLANES) @ jnp.array([1.0, 0.5, 0.25])


class CircuitActor(eqx.Module):
    """Logits scale_i (1 + <Z_i>) / 2 of a circuit, after Hadamard gates on all qubits."""

    encode: Dense | None
    angles: Float[Array, "L+1 n 3"]
    weights: Float[Array, "L n 3"]
    scale: Float[Array, "U"]
    description: Circuit = eqx.field(static=True)

    def __init__(
        self,
        observation: int,
        actions: int,
        *,
        key: PRNGKeyArray,
        qubits: int,
        layers: int,
        encoding: Encoding,
        entanglement: describe.Entanglement,
    ) -> None:
        k_circuit, k_encode = jax.random.split(key)
        self.description = Circuit(
            qubits,
            layers,
            start="plus",
            entanglement=entanglement,
            readout=describe.products(qubits, actions),
        )
        self.encode = None if encoding == "planes" else Dense(observation, 3 * qubits, k_encode)
        self.angles, self.weights = simulate.init(self.description, k_circuit)
        self.scale = jnp.ones(actions)

    def __call__(self, observation: Float[Array, "O"]) -> Float[Array, "U"]:
        features = planes(observation) if self.encode is None else self.encode(observation)
        circuit = self.description
        expected = simulate.expectations(
            circuit, simulate.learnt(circuit, self.angles, self.weights), features.reshape(circuit.inputs)
        )
        return self.scale * (1 + expected) / 2


class CircuitCritic(eqx.Module):
    """V = scale (1 + <Z on all qubits>) / 2 of a circuit in which each agent has its own qubits.

    Args:
        partitions: one for each agent: entangling gates stay inside; 1: they go over all qubits.
        start: the state at the start: a Bell pair of each two qubits that correspond, or "plus", "zero".
    """

    encode: Dense | None  # leaves (A, ...)
    angles: Float[Array, "L+1 n 3"]
    weights: Float[Array, "L n 3"]
    scale: Float[Array, ""]
    description: Circuit = eqx.field(static=True)

    def __init__(
        self,
        observation: int,
        agents: int,
        *,
        key: PRNGKeyArray,
        qubits: int,
        layers: int,
        encoding: Encoding,
        entanglement: describe.Entanglement,
        partitions: int,
        start: describe.Start,
    ) -> None:
        k_circuit, k_encode = jax.random.split(key)
        total = agents * qubits
        self.description = Circuit(
            total,
            layers,
            start=start,
            entanglement=entanglement,
            partitions=partitions,
            readout=describe.whole(total),
        )
        make = lambda k: Dense(observation, 3 * qubits, k)
        self.encode = None if encoding == "planes" else jax.vmap(make)(jax.random.split(k_encode, agents))
        self.angles, self.weights = simulate.init(self.description, k_circuit)
        self.scale = jnp.ones(())

    def __call__(self, observations: Float[Array, "A O"]) -> Float[Array, ""]:
        if self.encode is None:
            features = jax.vmap(planes)(observations)
        else:
            features = jax.vmap(lambda layer, x: layer(x))(self.encode, observations)
        circuit = self.description
        expected = simulate.expectations(
            circuit, simulate.learnt(circuit, self.angles, self.weights), features.reshape(circuit.inputs)
        )
        return self.scale * (1 + expected[0]) / 2


class DenseActor(eqx.Module):
    """One hidden layer of ReLU, on the observation or (``reads_planes``) on the features of circuits."""

    hidden: Dense
    head: Dense
    reads_planes: bool = eqx.field(static=True)

    def __init__(
        self, observation: int, actions: int, *, key: PRNGKeyArray, width: int, reads_planes: bool = False
    ) -> None:
        k_hidden, k_head = jax.random.split(key)
        self.reads_planes = reads_planes
        self.hidden = Dense(FEATURES if reads_planes else observation, width, k_hidden)
        self.head = Dense(width, actions, k_head)

    def __call__(self, observation: Float[Array, "O"]) -> Float[Array, "U"]:
        features = planes(observation).reshape(-1) if self.reads_planes else observation
        return self.head(jax.nn.relu(self.hidden(features)))


class DenseCritic(eqx.Module):
    """One hidden layer of ReLU on all observations together, or one for each agent's own (``split``).

    It sees observations, or (``reads_planes``) the features of circuits.
    """

    hidden: Dense  # leaves (A, ...) where split
    head: Dense
    split: bool = eqx.field(static=True)
    reads_planes: bool = eqx.field(static=True)

    def __init__(
        self,
        observation: int,
        agents: int,
        *,
        key: PRNGKeyArray,
        width: int,
        split: bool,
        reads_planes: bool = False,
    ) -> None:
        k_hidden, k_head = jax.random.split(key)
        self.split, self.reads_planes = split, reads_planes
        observation = FEATURES if reads_planes else observation
        if split:
            make = lambda k: Dense(observation, width, k)
            self.hidden = jax.vmap(make)(jax.random.split(k_hidden, agents))
        else:
            self.hidden = Dense(agents * observation, width, k_hidden)
        self.head = Dense(width * (agents if split else 1), 1, k_head)

    def __call__(self, observations: Float[Array, "A O"]) -> Float[Array, ""]:
        if self.reads_planes:
            observations = jax.vmap(planes)(observations).reshape(len(observations), -1)
        if self.split:
            hidden = jax.vmap(lambda layer, x: layer(x))(self.hidden, observations)
        else:
            hidden = self.hidden(observations.reshape(-1))
        return self.head(jax.nn.relu(hidden).reshape(-1))[0]


def start_of(bell: Bell) -> describe.Start:
    """The circuit's start for pairs of qubits that share a Bell state, or share none."""
    return "zero" if bell == "none" else bell


def encoding_of(choice: Literal["auto", "planes", "linear"], observation: int, qubits: int) -> Encoding:
    """How observations enter circuits; "auto" reads planes where there are four boards of 3 x 3.

    Args:
        choice: the setting.
        observation: its size.
        qubits: of each agent.

    Raises:
        UserError: planes are asked for, and the observation or the circuit has not their sizes.
    """
    fits = observation == 36 and qubits == PLANES[0]
    if choice == "planes" and not fits:
        raise UserError(
            f"encoding planes needs observations of 36 numbers and 4 qubits an agent, not {observation} and "
            f"{qubits}; take encoding linear"
        )
    return "planes" if choice != "linear" and fits else "linear"
