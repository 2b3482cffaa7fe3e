"""State vectors in JAX: expectation values of a circuit and their gradients, layers under ``lax.scan``.

All functions take one example; ``vmap`` them. The batch is then carried as a whole, innermost, in real
arithmetic, which is what processors do best (`statevector`).
"""

from __future__ import annotations

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Complex, Float, PRNGKeyArray

from qflock.quantum import inert, rotations, statevector
from qflock.quantum.circuit import Circuit
from qflock.quantum.counting import marked
from qflock.quantum.rotations import Gates


class Parameters(NamedTuple):
    """What is trained of a circuit.

    Attributes:
        angles: ``(L + 1, n, axes)``, in radians.
        weights: of the features, ``(L, n, encoded axes)`` (see `Circuit.weights`).
    """

    angles: Float[Array, "L+1 n R"]
    weights: Float[Array, "L n E"]


def init(circuit: Circuit, key: PRNGKeyArray) -> Parameters:
    """Angles uniform in (0, pi) and weights of 1, the published start.

    Args:
        circuit: its description.
        key: of the first angles.
    """
    angles = jax.random.uniform(key, circuit.angles, maxval=jnp.pi)
    return Parameters(angles, jnp.ones(circuit.weights))


def learnt(circuit: Circuit, angles: Float[Array, "L+1 n R"], weights: Float[Array, "L n E"]) -> Parameters:
    """Parameters of which those that change no measured value have gradients of exactly 0.

    Args:
        circuit: its description.
        angles, weights: what is trained.
    """
    still = inert.parameters(circuit)

    def held(name: inert.Source, x: Array) -> Array:
        return jnp.where(still[name], jax.lax.stop_gradient(x), x) if still[name].any() else x

    return Parameters(held("angles", angles), held("weights", weights))


def expectations(circuit: Circuit, parameters: Parameters, inputs: Float[Array, "*I"]) -> Float[Array, "K"]:
    """Exact expectation values of the circuit's read-outs, each in [-1, 1].

    Args:
        inputs: features of one example, of shape ``circuit.inputs``; amplitudes need not be normalised.
    """
    return marked(statevector.run(circuit, *prepared(circuit, parameters, inputs)), circuit.turns)


def probabilities(
    circuit: Circuit, parameters: Parameters, inputs: Float[Array, "*I"]
) -> Float[Array, "2^n"]:
    """The probability of each basis state when all qubits are measured.

    Args:
        circuit: its description.
        parameters: angles and weights.
        inputs: features of one example, of shape ``circuit.inputs``.
    """
    return marked(statevector.run(circuit, *prepared(circuit, parameters, inputs), "chances"), circuit.turns)


def state(circuit: Circuit, parameters: Parameters, inputs: Float[Array, "*I"]) -> Complex[Array, "2^n"]:
    """The amplitudes before the measurement, which no device shows.

    Args:
        circuit: its description.
        parameters: angles and weights.
        inputs: features of one example, of shape ``circuit.inputs``.
    """
    parts = statevector.run(circuit, *prepared(circuit, parameters, inputs), "amplitudes")
    return jax.lax.complex(*jnp.split(parts, 2))


def prepared(
    circuit: Circuit, parameters: Parameters, inputs: Float[Array, "*I"]
) -> tuple[Float[Array, "2^n"], Gates, Gates]:
    """The start (real amplitudes), gates before the first pattern, ``(n,)``, and after each, ``(L, n)``.

    Args:
        circuit: its description.
        parameters: angles and weights.
        inputs: features of one example, of shape ``circuit.inputs``.
    """
    trained = rotations.by_angle(circuit.rotations, parameters.angles)
    first = jax.tree.map(lambda x: x[0], trained)
    later = jax.tree.map(lambda x: x[1:], trained)
    if circuit.encoding == "amplitude":
        return normalised(inputs), first, later
    tangents = parameters.weights * inputs
    turn = rotations.by_arctan if circuit.squash == "arctan" else rotations.by_angle
    entered = turn(circuit.encoded, tangents)
    if not circuit.reupload:
        rest = ((0, circuit.layers - 1), (0, 0))
        entered = Gates(*(jnp.pad(x, rest, constant_values=i == 0) for i, x in enumerate(entered)))
    return jnp.asarray(circuit.initial, jnp.float32), first, rotations.after(later, entered)


def normalised(amplitudes: Float[Array, "N"]) -> Float[Array, "N"]:
    """Amplitudes of norm 1; all-zero features become |0...0>."""
    square = jnp.sum(amplitudes * amplitudes)
    empty = square == 0
    scaled = amplitudes * jax.lax.rsqrt(jnp.where(empty, 1.0, square))
    return jnp.where(empty, jnp.zeros_like(amplitudes).at[0].set(1.0), scaled)
