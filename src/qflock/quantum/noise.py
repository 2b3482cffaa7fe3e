"""Circuits under a device's conditions: measurements drawn (shots) and Pauli noise by trajectories.

A trajectory draws, at every place where a channel stands, whether and which Pauli error happened. Errors are
rotations by pi, so that they merge with the gates beside them and a trajectory costs what an exact evaluation
does. The mean over trajectories is what the density matrix gives (PennyLane's ``default.mixed``).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jax.custom_derivatives import CustomVJPPrimal
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

    Without noise and shots they are exact. All have gradients: those of shots are measured as well, by
    parameter shift, with six evaluations of as many shots for each gate.

    Args:
        shots: measurements, spread over the trajectories as evenly as they go; None for exact values of each.
        trajectories: how many are averaged, where there is noise; no more than shots. With one for each shot,
            shots are what a device gives; with fewer, shots share their errors.

    Raises:
        UserError: a gradient of shots by the amplitudes of the start, which parameter shift does not have.
    """
    gates = simulate.prepared(circuit, parameters, inputs)
    count = trajectories if noise.probability else 1
    if shots is not None:
        return _sampled(circuit, noise, shots, min(count, shots))(*gates, key)
    one = lambda k: statevector.run(circuit, *_disturbed(circuit, noise, *gates, k))
    return one(key) if count == 1 else jax.vmap(one)(jax.random.split(key, count)).mean(0)


@cache
def _sampled(
    circuit: Circuit, noise: Noise, shots: int, trajectories: int
) -> Callable[[Array, Gates, Gates, PRNGKeyArray], Array]:
    """Values ``(K,)`` of so many shots, whose gradients are of parameter shift."""
    most = -(-shots // trajectories)
    counted = shots // trajectories + (np.arange(trajectories) < shots % trajectories)

    def trajectory(initial: Array, first: Gates, later: Gates, key: PRNGKeyArray, count: Array) -> Array:
        gates = _disturbed(circuit, noise, initial, first, later, key)
        chance = statevector.run(circuit, *gates, "chances")
        k_shots = jax.random.split(key, 3)[2]
        drawn = jax.random.choice(k_shots, chance.shape[0], (most,), p=chance)
        return jnp.where(jnp.arange(most) < count, jnp.asarray(circuit.signs, jnp.float32)[:, drawn], 0).sum(
            1
        )

    def values(initial: Array, first: Gates, later: Gates, key: PRNGKeyArray) -> Array:
        keys = key[None] if trajectories == 1 else jax.random.split(key, trajectories)
        one = lambda key, count: trajectory(initial, first, later, key, count)
        return jax.vmap(one)(keys, counted).sum(0) / shots

    def kept(initial: Any, first: Any, later: Any, key: Any) -> tuple[Array, Any]:
        if initial.perturbed:
            raise UserError(
                "shots have no gradient by the amplitudes at the start: take angle encoding, "
                "features without a trained compression, or exact values"
            )
        given = jax.tree.map(lambda x: x.value, (initial, first, later, key), is_leaf=_is_primal)
        return values(*given), given

    def shifted(given: Any, change: Array) -> tuple[Any, Gates, Gates, None]:
        initial, first, later, key = given
        gates = Gates(*(jnp.concatenate([a[None], b]) for a, b in zip(first, later, strict=True)))

        def torque(place: Array) -> Array:
            """How the result changes when the gate of a place is turned a little further, by axes."""
            keys = jax.random.split(jax.random.fold_in(key, place), (3, 2))
            here = (jnp.arange(gates.w.size) == place).reshape(gates.w.shape)

            def turned(key: PRNGKeyArray, axis: Array, sign: Array) -> Array:
                turn = Gates(jnp.cos(np.pi / 4), *(sign * jnp.sin(np.pi / 4) * (axis == k) for k in range(3)))
                moved = Gates(
                    *(jnp.where(here, a, b) for a, b in zip(after(turn, gates), gates, strict=True))
                )
                at_first, rest = (jax.tree.map(lambda x, i=i: x[i], moved) for i in (0, slice(1, None)))
                return values(initial, at_first, rest, key) @ change

            both = jax.vmap(jax.vmap(turned, (0, None, 0)), (0, 0, None))
            either = both(keys, jnp.arange(3), jnp.array([1.0, -1.0]))
            return either[:, 0] - either[:, 1]

        torques = jax.lax.map(torque, jnp.arange(gates.w.size)).reshape(*gates.w.shape, 3)
        slopes = after(Gates(jnp.zeros(gates.w.shape), *jnp.moveaxis(torques, -1, 0)), gates)
        by_first, by_later = (jax.tree.map(lambda x, i=i: x[i], slopes) for i in (0, slice(1, None)))
        return jnp.zeros_like(initial), by_first, by_later, None

    sampled = jax.custom_vjp(values)
    sampled.defvjp(kept, shifted, symbolic_zeros=True)
    return sampled


def _is_primal(x: Any) -> bool:
    return isinstance(x, CustomVJPPrimal)


def _disturbed(
    circuit: Circuit, noise: Noise, initial: Array, first: Gates, later: Gates, key: PRNGKeyArray
) -> tuple[Array, Gates, Gates]:
    """The same gates with the errors of a trajectory merged into them."""
    if not noise.probability:
        return initial, first, later
    k_gates, k_patterns, _ = jax.random.split(key, 3)
    errors = _errors(noise, k_gates, (circuit.layers + 1, circuit.qubits))
    first = after(jax.tree.map(lambda x: x[0], errors), first)
    later = after(jax.tree.map(lambda x: x[1:], errors), later)
    joined = np.isin(np.arange(circuit.qubits), np.array(circuit.pairs, int).ravel())
    errors = _errors(noise, k_patterns, (circuit.layers, circuit.qubits))
    errors = Gates(*(jnp.where(joined, x, float(i == 0)) for i, x in enumerate(errors)))
    return initial, first, after(later, errors)


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
