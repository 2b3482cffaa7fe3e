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
NO_GRADIENT = (
    "shots have no gradient by the amplitudes at the start: take angle encoding, features without a trained "
    "compression, or exact values"
)


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
    if not noise.probability:
        return statevector.run(circuit, *gates)
    one = lambda errors: statevector.run(circuit, *_disturbed(circuit, errors, *gates))
    return jax.vmap(one)(_errors(circuit, noise, key, count)).mean(0)


def shifted(circuit: Circuit) -> int:
    """Rotations of which a gradient of shots measures both sides: three of each merged gate.

    Args:
        circuit: its description.
    """
    return 3 * circuit.qubits * (circuit.layers + 1)


@cache
def _sampled(
    circuit: Circuit, noise: Noise, shots: int, trajectories: int
) -> Callable[[Array, Gates, Gates, PRNGKeyArray], Array]:
    """Values ``(K,)`` of so many shots, whose gradients are of parameter shift."""
    most = -(-shots // trajectories)
    counted = shots // trajectories + (np.arange(trajectories) < shots % trajectories)

    def trajectory(gates: tuple[Array, Gates, Gates], errors: Any, luck: Array, count: Array) -> Array:
        chance = statevector.run(circuit, *_disturbed(circuit, errors, *gates), "chances")
        upto = jnp.cumsum(chance)
        drawn = jnp.searchsorted(upto, luck * upto[-1], side="right").clip(max=len(chance) - 1)
        signs = jnp.asarray(circuit.signs, jnp.float32)[:, drawn]
        return jnp.where(jnp.arange(most) < count, signs, 0).sum(1)

    def values(initial: Array, first: Gates, later: Gates, key: PRNGKeyArray) -> Array:
        k_errors, k_luck = jax.random.split(key)
        luck = jax.random.uniform(k_luck, (trajectories, most))
        errors = _errors(circuit, noise, k_errors, trajectories) if noise.probability else None
        one = lambda errors, luck, count: trajectory((initial, first, later), errors, luck, count)
        return jax.vmap(one)(errors, luck, counted).sum(0) / shots

    def kept(initial: Any, first: Any, later: Any, key: Any) -> tuple[Array, Any]:
        if initial.perturbed:
            raise UserError(NO_GRADIENT)
        given = jax.tree.map(lambda x: x.value, (initial, first, later, key), is_leaf=_is_primal)
        return values(*given), given

    def backward(given: Any, change: Array) -> tuple[Any, Gates, Gates, None]:
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
    sampled.defvjp(kept, backward, symbolic_zeros=True)
    return sampled


def _is_primal(x: Any) -> bool:
    return isinstance(x, CustomVJPPrimal)


def _disturbed(
    circuit: Circuit, errors: Gates | None, initial: Array, first: Gates, later: Gates
) -> tuple[Array, Gates, Gates]:
    """The same gates with the errors of a trajectory merged into them."""
    if errors is None:
        return initial, first, later
    part = lambda places: jax.tree.map(lambda x: x[places], errors)
    rotations, patterns = slice(1, circuit.layers + 1), slice(circuit.layers + 1, None)
    later = after(part(rotations), later)
    return initial, after(part(0), first), after(later, part(patterns))


def _errors(circuit: Circuit, noise: Noise, key: PRNGKeyArray, trajectories: int) -> Gates:
    """A Pauli error or none, as gates ``(trajectories, L + 1 + L, n)``: after each layer's rotations, then
    after each entangling pattern on the qubits that it joins. Drawn at once: keys take long to compile."""
    p, layers, qubits = noise.probability, circuit.layers, circuit.qubits
    upto = {"depolarizing": (p / 3, 2 * p / 3, p), "bit_flip": (p, p, p), "phase_flip": (0.0, 0.0, p)}
    luck = jax.random.uniform(key, (trajectories, 2 * layers + 1, qubits))
    joined = np.isin(np.arange(qubits), np.array(circuit.pairs, int).ravel())
    touched = np.concatenate([np.ones((layers + 1, qubits), bool), np.tile(joined, (layers, 1))])
    x, y, z = (jnp.asarray(touched) & (luck < bound) for bound in upto[noise.kind])
    flags = (~z, x, y & ~x, z & ~y)
    return Gates(*(flag.astype(jnp.float32) for flag in flags))
