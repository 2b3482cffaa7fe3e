"""A circuit as the list of its gates, in order: what is counted, and what is written as OpenQASM."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Literal, NamedTuple

from qflock.quantum.circuit import Circuit

Source = Literal["angles", "weights"]


class Angle(NamedTuple):
    """Where a rotation's angle comes from.

    Attributes:
        source: "angles": it is trained; "weights": a feature times a weight, squashed.
        place: in the array of that name, (layer, qubit, axis).
    """

    source: Source
    place: tuple[int, int, int]


class Gate(NamedTuple):
    """Attributes:
    name: h, x, z, cz, cx, rx, ry or rz, as OpenQASM's standard gates are called.
    qubits: that it acts on, the control first.
    angle: of a rotation, else None.
    """

    name: str
    qubits: tuple[int, ...]
    angle: Angle | None = None


def listed(circuit: Circuit) -> Iterator[Gate]:
    """The gates from the start to the measurement, in order; amplitudes at the start are prepared before it.

    Args:
        circuit: its description.
    """
    yield from _start(circuit)
    entangle = {"cz": "cz", "cnot": "cx"}[circuit.entangler]
    for layer in range(circuit.layers + 1):
        if layer:
            yield from (Gate(entangle, pair) for pair in circuit.pairs)
            if circuit.encoding == "angle" and (circuit.reupload or layer == 1):
                yield from _rotations(circuit, circuit.encoded, "weights", layer - 1)
        yield from _rotations(circuit, circuit.rotations, "angles", layer)


def depth(gates: Iterable[Gate], qubits: int) -> int:
    """The longest chain of gates of which each waits for the one before it on one of its qubits.

    Args:
        gates: in order.
        qubits: how many there are.
    """
    reached = [0] * qubits
    for gate in gates:
        now = 1 + max(reached[q] for q in gate.qubits)
        for q in gate.qubits:
            reached[q] = now
    return max(reached)


def _start(circuit: Circuit) -> Iterator[Gate]:
    if circuit.encoding == "amplitude" or circuit.start == "zero":
        return
    if circuit.start == "plus":
        yield from (Gate("h", (q,)) for q in range(circuit.qubits))
        return
    half = circuit.qubits // 2
    for one, other in zip(range(half), range(half, circuit.qubits), strict=True):
        yield from (Gate("h", (one,)), Gate("cx", (one, other)))
        if circuit.start.startswith("psi"):
            yield Gate("x", (other,))
        if circuit.start.endswith("-"):
            yield Gate("z", (one,))


def _rotations(circuit: Circuit, axes: str, source: Source, layer: int) -> Iterator[Gate]:
    for q in range(circuit.qubits):
        for k, axis in enumerate(axes):
            yield Gate(f"r{axis}", (q,), Angle(source, (layer, q, k)))
