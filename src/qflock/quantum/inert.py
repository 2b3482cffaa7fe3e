"""Parameters of a circuit that no measured value depends on, read from its gates.

A rotation about X leaves |+> as it is, one about Z no measurement of Z notices, and what is done to a qubit
after it last met a measured one is seen by nobody. Computed gradients of such angles are rounding errors,
which Adam would scale to whole steps: each processor would train others.
"""

from __future__ import annotations

from functools import cache

import numpy as np

from qflock.quantum import gates
from qflock.quantum.circuit import Circuit
from qflock.quantum.gates import Gate, Source


@cache
def parameters(circuit: Circuit) -> dict[Source, np.ndarray]:
    """Which angles and weights of features change no measured value, whatever the others are.

    Args:
        circuit: its description.

    Returns:
        True where one does not, in arrays of the shapes ``circuit.angles`` and ``circuit.weights``.
    """
    found = {"angles": np.zeros(circuit.angles, bool), "weights": np.zeros(circuit.weights, bool)}
    listed = list(gates.listed(circuit))
    for gate in [*_before(circuit, listed), *_after(circuit, listed)]:
        assert gate.angle is not None
        found[gate.angle.source][gate.angle.place] = True
    return found  # type: ignore[return-value]


def _before(circuit: Circuit, listed: list[Gate]) -> list[Gate]:
    """Rotations of a qubit about the axis along which it still is."""
    own = {"zero": "z", "plus": "x"}.get(circuit.start) if circuit.encoding == "angle" else None
    along = dict.fromkeys(range(circuit.qubits), own)
    idle = []
    for gate in listed:
        if gate.angle is not None:
            (q,) = gate.qubits
            if along[q] == gate.name[1]:
                idle.append(gate)
            else:
                along[q] = None
        elif len(gate.qubits) == 2 and any(along[q] != "z" for q in gate.qubits):
            along.update(dict.fromkeys(gate.qubits))
    return idle


def _after(circuit: Circuit, listed: list[Gate]) -> list[Gate]:
    """Rotations that no measurement notices: of qubits not seen, and about Z where it alone is measured."""
    states = np.arange(2**circuit.qubits)
    flipped = lambda q: circuit.signs[:, states ^ (1 << (circuit.qubits - 1 - q))]
    seen = [bool((circuit.signs != flipped(q)).any()) for q in range(circuit.qubits)]
    diagonal = [True] * circuit.qubits  # what is measured, pulled back to here, commutes with the qubit's Z
    idle = []
    for gate in reversed(listed):
        if gate.angle is not None:
            (q,) = gate.qubits
            if not seen[q] or (gate.name == "rz" and diagonal[q]):
                idle.append(gate)
            elif gate.name != "rz":
                diagonal[q] = False
        elif len(gate.qubits) == 2:
            one, other = gate.qubits
            if gate.name == "cz" and diagonal[one] and diagonal[other]:
                continue
            seen[one] = seen[other] = seen[one] or seen[other]
            if gate.name == "cx":
                diagonal[other] &= diagonal[one]
    return idle
