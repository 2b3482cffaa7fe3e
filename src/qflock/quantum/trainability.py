"""How well a circuit can be trained, and what it reaches: gradients, expressibility and entanglement.

Parameters are drawn at random: angles uniform on the circle, features from a normal distribution.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from qflock.core.errors import UserError
from qflock.quantum import simulate
from qflock.quantum.circuit import Circuit, whole
from qflock.quantum.simulate import Parameters

BINS = 75
"""Of the histogram of fidelities, as Sim, Johnson and Aspuru-Guzik (2019) took."""


class Trainability(NamedTuple):
    """Of one circuit.

    Attributes:
        qubits, layers: its size.
        local: variance of the derivative of qubit 0's Z by a trained angle, averaged over the angles.
        whole: the same for the product of all Z.
        expressibility: see `expressibility`.
        entanglement: mean of `meyer_wallach`.
    """

    qubits: int
    layers: int
    local: float
    whole: float
    expressibility: float
    entanglement: float


def study(circuit: Circuit, count: int, key: PRNGKeyArray) -> Trainability:
    """Look at a circuit with random parameters.

    Args:
        circuit: its description; the read-out does not matter.
        count: parameters drawn.
        key: of what is drawn.

    Raises:
        UserError: too few draws.
    """
    if count < 2:
        raise UserError(f"{count} circuits have no variance; draw at least 2")
    both = replace(circuit, readout=((0,), *whole(circuit.qubits)))

    def drawn(key: PRNGKeyArray) -> tuple[Parameters, Array]:
        k_angles, k_inputs = jax.random.split(key)
        angles = jax.random.uniform(k_angles, circuit.angles, minval=-jnp.pi, maxval=jnp.pi)
        inputs = jax.random.normal(k_inputs, circuit.inputs)
        return Parameters(angles, jnp.ones(circuit.weights)), inputs

    def slopes(key: PRNGKeyArray) -> Float[Array, "2 L+1 n R"]:
        parameters, inputs = drawn(key)
        of = lambda angles: simulate.expectations(both, Parameters(angles, parameters.weights), inputs)
        return jax.jacrev(of)(parameters.angles)

    @jax.jit
    def numbers(key: PRNGKeyArray) -> tuple[Array, Array]:
        k_slopes, k_states = jax.random.split(key)
        each = jax.vmap(slopes)(jax.random.split(k_slopes, count))
        state = lambda key: simulate.state(circuit, *drawn(key))
        states = jax.vmap(state)(jax.random.split(k_states, 2 * count))
        return each.var(0).reshape(2, -1).mean(1), states

    variances, states = (np.asarray(x) for x in numbers(key))
    return Trainability(
        circuit.qubits,
        circuit.layers,
        float(variances[0]),
        float(variances[1]),
        expressibility(fidelities(states[:count], states[count:]), circuit.qubits),
        float(meyer_wallach(states).mean()),
    )


def fidelities(one: Complex[np.ndarray, "C N"], other: Complex[np.ndarray, "C N"]) -> Float[np.ndarray, "C"]:
    """The squared overlap of each pair of states.

    Args:
        one, other: amplitudes, ``(C, 2^n)``.
    """
    return np.square(np.abs(np.sum(one.conj() * other, -1)))


def expressibility(found: Float[np.ndarray, "C"], qubits: int) -> float:
    """How far the fidelities of random pairs of states are from those of Haar-random states.

    The Kullback-Leibler divergence in nats, 0 for a circuit that reaches all states alike. Of few pairs it is
    too large, by about the bins that Haar-random states fill over twice the pairs.

    Args:
        found: fidelities.
        qubits: of the circuit.
    """
    seen = np.histogram(found, BINS, (0.0, 1.0))[0] / found.size
    there = seen > 0
    return float(np.sum(seen[there] * (np.log(seen[there]) - haar(qubits)[there])))


def haar(qubits: int) -> Float[np.ndarray, "B"]:
    """Logarithms of the chances that the fidelity of two Haar-random states lies in each bin.

    Args:
        qubits: of the states; the density is (N - 1) (1 - F)^(N - 2) with N = 2^n.
    """
    left = np.log1p(-np.arange(BINS) / BINS)  # log (1 - F) at each bin's lower end
    power = 2**qubits - 1
    between = np.append(np.diff(left), -np.inf)
    return power * left + np.log1p(-np.exp(power * between))


def meyer_wallach(states: Complex[np.ndarray, "*X N"]) -> Float[np.ndarray, "*X"]:
    """The global entanglement of pure states: 0 for products, 1 where each qubit alone is a fair coin.

    Two less twice the mean purity of single qubits (Meyer and Wallach 2002; Brennen 2003).

    Args:
        states: amplitudes, ``(..., 2^n)``.
    """
    qubits = states.shape[-1].bit_length() - 1
    purities = []
    for q in range(qubits):
        parts = np.moveaxis(states.reshape(*states.shape[:-1], 2**q, 2, -1), -2, -3)
        rows = parts.reshape(*states.shape[:-1], 2, -1)
        reduced = rows @ np.swapaxes(rows.conj(), -1, -2)
        purities.append(np.square(np.abs(reduced)).sum((-1, -2)))
    return 2 * (1 - np.mean(purities, 0))


def decay(found: Sequence[Trainability], name: str) -> float | None:
    """By what factor a variance shrinks with each qubit more, in the deepest circuits; None of one size.

    Args:
        found: of several sizes.
        name: "local" or "whole".
    """
    deepest = max(each.layers for each in found)
    points = [(each.qubits, getattr(each, name)) for each in found if each.layers == deepest]
    x, y = ([point[k] for point in points if point[1] > 0] for k in (0, 1))
    return float(np.exp(-np.polyfit(x, np.log(y), 1)[0])) if len(set(x)) > 1 else None
