"""Policies made of circuits, and their training, under a device's conditions: shots, noise, or a device of
PennyLane's."""

from __future__ import annotations

from typing import Any

import jax
from jaxtyping import Array, Int, PRNGKeyArray

from qflock.core.errors import UserError
from qflock.core.learner import Learner, Own, Policy, Rollout
from qflock.core.steps import Actions, Memory, Metrics, Mode, Parameters, Rows, TimeStep
from qflock.networks.circuit import Circuit, Conditions, changed, is_circuit
from qflock.playing import execution
from qflock.quantum import conditions as quantum_conditions
from qflock.quantum.circuit import among
from qflock.quantum.conditions import Training


def under(policy: Policy, parameters: Parameters, conditions: Conditions) -> tuple[Policy, Parameters]:
    """A policy and its parameters whose circuits are measured under ``conditions``.

    Every action draws new errors and measurements from its key; ``scores`` use one key for ever.

    Args:
        policy: of agents that act by themselves.
        parameters: what its execution needs.
        conditions: shots, noise and device.

    Raises:
        UserError: no network of the policy is a circuit, or its agents do not act by themselves.
    """
    exact = policy.alone
    if exact is None or execution.kind(policy) != "decentralised":
        raise UserError("shots, noise and devices are for agents that act by themselves")
    if not any(is_circuit(node) for node in jax.tree.leaves(parameters, is_leaf=is_circuit)):
        raise UserError("shots, noise and devices need a policy made of circuits; this one has none")

    def alone(
        parameters: Parameters,
        agent: Int[Array, ""],
        memory: Memory,
        observation: Array,
        legal: Array,
        key: PRNGKeyArray,
        mode: Mode,
    ) -> tuple[Memory, Actions]:
        k_act, k_circuit = jax.random.split(key)
        renewed = _with(parameters, conditions, k_circuit)
        return exact(renewed, agent, memory, observation, legal, k_act, mode)

    measured = policy._replace(act=execution.Decentralised(alone), alone=alone)
    return measured, _with(parameters, conditions, jax.random.key(0))


def trained(learner: Learner, how: Training) -> Learner:
    """A learner whose circuits are measured so whenever it explores or learns; its policy stays exact.

    Args:
        learner: of any kind; one that plays by itself measures by itself.
        how: conditions, and where gradients come from.

    Raises:
        UserError: when its state is made, no network of it is a circuit.
    """

    def init(key: PRNGKeyArray) -> Any:
        state = learner.init(key)
        if not among(learner.weights(state)):
            raise UserError(
                "circuit_shots, circuit_noise, circuit_device and circuit_gradient need a circuit: add "
                "--network circuit, or leave them out"
            )
        return state

    if isinstance(learner.source, Own):
        return learner._replace(init=init)

    def explore(state: Any, memory: Memory, now: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Actions, Any]:
        k_act, k_circuits = jax.random.split(key)
        assert isinstance(learner.source, Rollout)
        with quantum_conditions.training(how, k_circuits):
            return learner.source.explore(state, memory, now, k_act)

    def learn(state: Any, rows: Rows, key: PRNGKeyArray) -> tuple[Any, Metrics]:
        k_learn, k_circuits = jax.random.split(key)
        assert learner.learn is not None
        with quantum_conditions.training(how, k_circuits):
            return learner.learn(state, rows, k_learn)

    source = (
        learner.source._replace(explore=explore) if isinstance(learner.source, Rollout) else learner.source
    )
    return learner._replace(init=init, source=source, learn=learn)


def _with(parameters: Parameters, conditions: Conditions, key: PRNGKeyArray) -> Parameters:
    """The same parameters with conditions and a key in every circuit, one for each of several networks."""

    def change(node: Any) -> Any:
        if not is_circuit(node):
            return node
        lead = _lead(node)
        return changed(node, conditions=conditions, key=jax.random.split(key, lead) if lead else key)

    return jax.tree.map(change, parameters, is_leaf=is_circuit)


def _lead(circuit: Circuit) -> tuple[int, ...]:
    """The leading axes of several networks, as any leaf of theirs has them."""
    if circuit.angles is not None:
        return circuit.angles.shape[: -len(circuit.description.angles)]
    biases = (circuit.bias, *(layer.bias for layer in (circuit.head, circuit.compress) if layer is not None))
    return next((bias.shape[:-1] for bias in biases if bias is not None), ())
