"""A circuit with amplitude encoding as one fixed matrix: built once, then a matrix product for all examples.

Where features enter at the start alone, everything that is trained is one unitary U, and an example with
amplitudes x has the state U x. Real arithmetic: a complex N x N matrix A is [[Re A, -Im A], [Im A, Re A]].
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from qflock.quantum import rotations
from qflock.quantum.circuit import Circuit
from qflock.quantum.counting import marked
from qflock.quantum.rotations import Gates
from qflock.quantum.simulate import Parameters, normalised

LARGEST = 8
"""Most qubits for which the matrix is worth building."""


def fits(circuit: Circuit) -> bool:
    """Whether a circuit is computed this way."""
    return circuit.encoding == "amplitude" and circuit.qubits <= LARGEST


def columns(circuit: Circuit, parameters: Parameters, count: int) -> Float[Array, "2 N count"]:
    """The first columns of U, real and imaginary parts: what the circuit makes of basis states.

    Args:
        circuit: its description.
        parameters: angles and weights.
        count: how many columns, at most 2^n.
    """
    size = 2**circuit.qubits
    trained = rotations.by_angle(circuit.rotations, parameters.angles)
    turns = jax.vmap(_whole)(trained)  # (L + 1, 2 N, 2 N)
    first, later = turns[0], turns[1:]

    def layer(state: Array, turn: Array) -> tuple[Array, None]:
        return turn @ _entangled(circuit, state), None

    start = first[:, :count]  # the columns of basis states, whose imaginary parts are zero
    state, _ = jax.lax.scan(layer, start, later)
    return state.reshape(2, size, count)


def expectations(
    circuit: Circuit, parameters: Parameters, amplitudes: Float[Array, "I"]
) -> Float[Array, "K"]:
    """Expectation values of one example; under ``vmap`` over examples the matrix is built once.

    Args:
        amplitudes: the first of 2^n features, the others being zero; they need not be normalised.
    """
    matrix = columns(circuit, parameters, amplitudes.shape[0])
    state = matrix @ normalised(amplitudes)
    return marked(jnp.asarray(circuit.signs, jnp.float32) @ jnp.square(state).sum(0), circuit.turns)


def _whole(gates: Gates) -> Float[Array, "2N 2N"]:
    """One gate on each qubit as one matrix, their Kronecker product."""
    real, imaginary = jnp.ones((1, 1)), jnp.zeros((1, 1))
    for q in range(gates.w.shape[0]):
        w, x, y, z = (g[q] for g in gates)
        a = jnp.stack([jnp.stack([w, -y]), jnp.stack([y, w])])
        b = jnp.stack([jnp.stack([-z, -x]), jnp.stack([-x, z])])
        real, imaginary = (
            jnp.kron(real, a) - jnp.kron(imaginary, b),
            jnp.kron(real, b) + jnp.kron(imaginary, a),
        )
    return jnp.block([[real, -imaginary], [imaginary, real]])


def _entangled(circuit: Circuit, state: Float[Array, "2N M"]) -> Float[Array, "2N M"]:
    """One entangling pattern on stacked real and imaginary parts."""
    if not circuit.pairs:
        return state
    size = 2**circuit.qubits
    if circuit.entangler == "cz":
        return state * jnp.tile(jnp.asarray(circuit.phases, jnp.float32), 2)[:, None]
    source = circuit.permutation
    return state.reshape(2, size, -1)[:, source].reshape(2 * size, -1)
