"""The bridge to PennyLane: a QNode of any description, its drawing, and its devices, noisy ones too.

It is the reference that the simulator is tested against. PennyLane is imported by these functions alone.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import replace
from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax import core
from jax.extend import core as extended
from jaxtyping import Array, Float

from qflock.core.errors import UserError, in_short
from qflock.quantum.circuit import Circuit
from qflock.quantum.noise import NO_GRADIENT, NONE, Noise
from qflock.quantum.simulate import Parameters
from qflock.settings import registry

COMPUTES_NOTHING = "null.qubit"
MOVED = "concrete_or_error"
"""What PennyLane 0.45 asks `jax.core` for, to read JAX's arrays, and JAX 0.12 has elsewhere."""
LARGEST_BATCH = 2**20
"""Numbers of the density matrices that a device holds at once."""


def qnode(
    circuit: Circuit,
    device: str = "default.qubit",
    shots: int | None = None,
    noise: Noise = NONE,
    every: bool = False,
) -> Callable[[Parameters, Any], Any]:
    """A QNode ``(parameters, inputs) -> list of expectation values`` of one example; of a circuit with
    outcomes the chances of all basis states.

    Args:
        device: any device that PennyLane finds, or a file and function that makes one of ``wires``,
            ``my.py:device``; noise needs one with density matrices, ``default.mixed``.
        shots: measurements of each evaluation; None for exact values.
        noise: Pauli channels at the places where the simulator's trajectories have them.
        every: the probability of each basis state instead of the read-outs.

    Raises:
        UserError: PennyLane is not installed, or has no such device.
    """
    return _node(circuit, device, shots, noise, every, "jax")


def expectations(
    circuit: Circuit,
    parameters: Parameters,
    inputs: Float[Array, "*I"],
    device: str = "default.qubit",
    shots: int | None = None,
    noise: Noise = NONE,
) -> Float[Array, "K"]:
    """As `simulate.expectations`, by the QNode: exact values have gradients too.

    Args:
        circuit: its description.
        parameters: angles and weights.
        inputs: features of one example, of shape ``circuit.inputs``.
        device: the name of a device of PennyLane's.
        shots: measurements of each evaluation; exact values for None. Gradients are measured too, by
            parameter shift.
        noise: of gates and measurements.

    Raises:
        UserError: as `qnode`; the device cannot measure this circuit, or has no channels for the noise; a
            gradient of shots by amplitudes.
    """
    _try(circuit, device, shots, noise)
    if shots is None:
        found = _node(circuit, device, shots, noise, False, "jax")(parameters, inputs)
        return jnp.asarray(circuit.signs, found.dtype) @ found if circuit.outcomes else jnp.stack(found)
    if circuit.encoding == "amplitude":
        return _measured(circuit, device, shots, noise)(*parameters, inputs)
    turns = parameters.weights * inputs
    turns = jnp.arctan(turns) if circuit.squash == "arctan" else turns
    plain = replace(circuit, squash="none")  # whose weights, at inputs of 1, are the angles themselves
    return _measured(plain, device, shots, noise)(parameters.angles, turns, jnp.ones(circuit.inputs))


@cache
def _measured(
    circuit: Circuit, device: str, shots: int, noise: Noise
) -> Callable[[Array, Array, Array], Array]:
    """Values of shots, whose gradients by angles are measured by parameter shift: all circuits of a batch, or
    of its gradient, are asked for at once, however slow the device's queue is."""
    shape = jax.ShapeDtypeStruct((circuit.outputs,), jnp.float32)
    measure = partial(_measure, circuit, device, shots, noise)
    sizes = int(np.prod(circuit.angles)), int(np.prod(circuit.weights))
    used = np.ones(circuit.weights, bool)
    if not circuit.reupload:
        used[1:] = False  # they are in no gate
    rows = np.eye(sum(sizes), dtype=np.float32)[np.concatenate([np.ones(sizes[0], bool), used.ravel()])]

    def values(angles: Array, turns: Array, inputs: Array) -> Array:
        return jax.pure_callback(measure, shape, angles, turns, inputs, vmap_method="broadcast_all")

    def kept(angles: Any, turns: Any, inputs: Any) -> tuple[Array, Any]:
        if inputs.perturbed and circuit.encoding == "amplitude":
            raise UserError(NO_GRADIENT)
        given = angles.value, turns.value, inputs.value
        return values(*given), given

    def shifted(given: Any, change: Array) -> tuple[Array, Array, Array]:
        angles, turns, inputs = given

        def moved(by: Array) -> Array:
            at = angles + by[: sizes[0]].reshape(angles.shape), turns + by[sizes[0] :].reshape(turns.shape)
            return values(*at, inputs) @ change

        either = jax.vmap(moved)(np.pi / 2 * jnp.concatenate([rows, -rows])).reshape(2, -1)
        slope = (either[0] - either[1]) / 2 @ rows
        parts = slope[: sizes[0]].reshape(angles.shape), slope[sizes[0] :].reshape(turns.shape)
        return *parts, jnp.zeros_like(inputs)

    measured = jax.custom_vjp(values)
    measured.defvjp(kept, shifted, symbolic_zeros=True)
    return measured


def draw(circuit: Circuit, how: str = "text") -> Any:
    """The circuit's drawing: a string, or a Matplotlib figure for ``how="mpl"``.

    Args:
        circuit: its description.
        how: "text" or "mpl".

    Raises:
        UserError: PennyLane is not installed, or another sort of drawing.
    """
    if how not in ("text", "mpl"):
        raise UserError(f"a circuit is drawn as text or mpl, not {how!r}")
    qml = _pennylane()
    parameters = Parameters(np.zeros(circuit.angles), np.ones(circuit.weights))  # type: ignore[arg-type]
    inputs = np.ones(circuit.inputs)
    node = qnode(circuit)
    if how == "text":
        return qml.draw(node, decimals=None, show_all_wires=True)(parameters, inputs)
    return qml.draw_mpl(node, decimals=None, show_all_wires=True)(parameters, inputs)[0]


@cache
def _node(
    circuit: Circuit, device: str, shots: int | None, noise: Noise, every: bool, interface: str | None
) -> Callable[[Parameters, Any], Any]:
    """As `qnode`. Arrays may have one axis before their own, of several examples."""
    qml = _pennylane()
    turn = {"x": qml.RX, "y": qml.RY, "z": qml.RZ}
    join = {"cz": qml.CZ, "cnot": qml.CNOT}[circuit.entangler]
    wires = range(circuit.qubits)
    make = registry.from_file(device) if registry.is_path(device) else partial(qml.device, device)
    try:
        backend = make(wires=circuit.qubits)
    except Exception as problem:
        raise UserError(f"PennyLane has no device {device!r} here: {str(problem).splitlines()[0]}") from None

    def disturb(touched: Any) -> None:
        for q in touched if noise.probability else ():
            if noise.kind == "depolarizing":
                qml.DepolarizingChannel(noise.probability, wires=q)
            else:
                flip = {"bit_flip": qml.BitFlip, "phase_flip": qml.PhaseFlip}[noise.kind]
                flip(noise.probability, wires=q)

    def rotations(axes: str, angles: Any) -> None:
        for q in wires:
            for k, axis in enumerate(axes):
                turn[axis](angles[..., q, k], wires=q)

    def body(parameters: Parameters, inputs: Any) -> Any:
        if circuit.encoding == "amplitude":
            qml.AmplitudeEmbedding(inputs, wires=wires, normalize=True)
        elif circuit.start == "plus":
            for q in wires:
                qml.Hadamard(q)
        elif circuit.start != "zero":
            qml.StatePrep(circuit.initial, wires=wires)
        for layer in range(circuit.layers + 1):
            if layer:
                for a, b in circuit.pairs:
                    join(wires=(a, b))
                disturb(sorted({q for pair in circuit.pairs for q in pair}))
                if circuit.encoding == "angle" and (circuit.reupload or layer == 1):
                    scaled = parameters.weights[..., layer - 1, :, :] * inputs
                    squashed = qml.math.arctan(scaled) if circuit.squash == "arctan" else scaled
                    rotations(circuit.encoded, squashed)
            rotations(circuit.rotations, parameters.angles[..., layer, :, :])
            disturb(wires)
        if every or circuit.outcomes:
            return qml.probs(wires=wires)
        return [qml.expval(qml.prod(*(qml.Z(q) for q in group))) for group in circuit.measured]

    node = qml.QNode(body, backend, interface=interface)
    return node if shots is None else qml.set_shots(node, shots)


def _measure(
    circuit: Circuit,
    device: str,
    shots: int | None,
    noise: Noise,
    angles: Any,
    weights: Any,
    inputs: Any,
) -> np.ndarray:
    """The read-outs of any number of examples, ``(..., K)``, by NumPy, outside of compiled programs."""
    node = _node(circuit, device, shots, noise, False, None)
    shapes = (circuit.angles, circuit.weights, circuit.inputs)
    lead = np.shape(angles)[: np.ndim(angles) - len(circuit.angles)]
    examples = int(np.prod(lead))
    flat = [
        np.asarray(x, np.float64).reshape(examples, *own)
        for x, own in zip((angles, weights, inputs), shapes, strict=True)
    ]
    together = max(1, LARGEST_BATCH // 4**circuit.qubits)
    parts = []
    for at in range(0, examples, together):
        some: Any = [x[at : at + together] for x in flat]
        found = node(Parameters(*some[:2]), some[2])
        if circuit.outcomes:
            parts.append(np.reshape(found, (-1, 2**circuit.qubits)) @ circuit.signs.T)
        else:
            parts.append(np.stack([np.reshape(x, -1) for x in found], -1))
    return np.concatenate(parts).reshape(*lead, -1).astype(np.float32)


@cache
def _try(circuit: Circuit, device: str, shots: int | None, noise: Noise) -> None:
    """See that a device can do what is asked of it: in a compiled program its error would be no line.

    Raises:
        UserError: it cannot.
    """
    if device == COMPUTES_NOTHING:
        raise UserError(f"PennyLane's {device} computes nothing: every policy would look the same on it")
    shapes = (circuit.angles, circuit.weights, circuit.inputs)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # one line is enough
            values = _measure(circuit, device, shots, noise, *map(np.ones, shapes))
        if values.shape != (circuit.outputs,):
            raise ValueError(f"it gives numbers of shape {values.shape}")
    except UserError:
        raise
    except Exception as problem:  # each device has errors of its own
        words = in_short(str(problem), 200) or "it does not say why"
        what = f"this circuit with {noise.kind} noise" if noise.probability else "this circuit"
        raise UserError(
            f"PennyLane's {device} cannot measure {what}: {type(problem).__name__}: {words}"
        ) from problem


def _pennylane() -> Any:
    try:
        import pennylane
    except ImportError as problem:
        raise UserError(
            "this needs PennyLane; install the extra quantum: pip install 'qflock[quantum]'"
        ) from problem
    if MOVED not in vars(core) and hasattr(extended, MOVED):
        setattr(core, MOVED, getattr(extended, MOVED))
    return pennylane
