"""Circuits under a device's conditions: measurements drawn (shots) and Pauli noise by trajectories.

A trajectory draws, at every place where a channel stands, whether and which Pauli error happened. Errors are
rotations by pi, so that they merge with the gates beside them and a trajectory costs what an exact evaluation
does. The mean over trajectories is what the density matrix gives (PennyLane's ``default.mixed``).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.core.errors import UserError, unknown
from qflock.quantum import simulate, statevector
from qflock.quantum.circuit import Circuit
from qflock.quantum.rotations import Gates, after
from qflock.quantum.simulate import Parameters

Kind = Literal["depolarizing", "bit_flip", "phase_flip"]


@dataclass(frozen=True)
class Noise:
    """A channel on every qubit after each layer's rotations, and after each entangling pattern on the qubits
    that it joins.

    Attributes:
        kind: "depolarizing": X, Y or Z, each with a third of the probability; "bit_flip": X; "phase_flip": Z.
        probability: of an error at each place.

    Raises:
        UserError: another sort of noise, or a probability outside [0, 1].
    """

    kind: Kind = "depolarizing"
    probability: float = 0.0

    def __post_init__(self) -> None:
        if self.kind not in get_args(Kind):
            raise unknown("noise", self.kind, get_args(Kind))
        if not 0 <= self.probability <= 1:
            raise UserError(f"noise {self.kind} has probability {self.probability}; it must lie in [0, 1]")


NONE = Noise()


def parse(text: str) -> Noise:
    """Noise from the command line, ``depolarizing:0.01``.

    Raises:
        UserError: the text is not of that form.
    """
    kind, _, number = text.partition(":")
    try:
        return Noise(kind, float(number))  # type: ignore[arg-type]
    except ValueError:
        raise UserError(f"noise {text!r} is not of the form depolarizing:0.01") from None


def expectations(
    circuit: Circuit,
    parameters: Parameters,
    inputs: Float[Array, "*I"],
    key: PRNGKeyArray,
    noise: Noise = NONE,
    shots: int | None = None,
    trajectories: int = 1,
) -> Float[Array, "K"]:
    """Expectation values as a noisy device with finitely many measurements would give them.

    Without noise and shots they are exact; without shots they have gradients, noisy where the values are.

    Args:
        shots: measurements, spread evenly over the trajectories, rounded up; None for exact values of each.
        trajectories: how many are averaged, where there is noise. With one for each shot, shots are what a
            device gives; with fewer, shots share their errors.
    """
    count = trajectories if noise.probability else 1
    each = None if shots is None else -(-shots // count)
    one = lambda k: _trajectory(circuit, parameters, inputs, k, noise, each)
    return one(key) if count == 1 else jax.vmap(one)(jax.random.split(key, count)).mean(0)


def _trajectory(
    circuit: Circuit,
    parameters: Parameters,
    inputs: Float[Array, "*I"],
    key: PRNGKeyArray,
    noise: Noise,
    shots: int | None,
) -> Float[Array, "K"]:
    initial, first, later = simulate.prepared(circuit, parameters, inputs)
    k_gates, k_patterns, k_shots = jax.random.split(key, 3)
    if noise.probability:
        errors = _errors(noise, k_gates, (circuit.layers + 1, circuit.qubits))
        first = after(jax.tree.map(lambda x: x[0], errors), first)
        later = after(jax.tree.map(lambda x: x[1:], errors), later)
        joined = np.isin(np.arange(circuit.qubits), np.array(circuit.pairs, int).ravel())
        errors = _errors(noise, k_patterns, (circuit.layers, circuit.qubits))
        errors = Gates(*(jnp.where(joined, x, float(i == 0)) for i, x in enumerate(errors)))
        later = after(later, errors)
    if shots is None:
        return statevector.run(circuit, initial, first, later)
    chance = statevector.run(circuit, initial, first, later, "chances")
    drawn = jax.random.choice(k_shots, chance.shape[0], (shots,), p=chance)
    return jnp.asarray(circuit.signs, jnp.float32)[:, drawn].mean(1)


def _errors(noise: Noise, key: PRNGKeyArray, shape: tuple[int, ...]) -> Gates:
    """A Pauli error or none at each place, as gates."""
    p = noise.probability
    chances = {
        "depolarizing": (1 - p, p / 3, p / 3, p / 3),
        "bit_flip": (1 - p, p, 0.0, 0.0),
        "phase_flip": (1 - p, 0.0, 0.0, p),
    }[noise.kind]
    which = jax.random.choice(key, 4, shape, p=jnp.array(chances))
    return Gates(*((which == pauli).astype(jnp.float32) for pauli in range(4)))
