"""A circuit by matrices of Kronecker products, the slow and plain way, to compare with."""

import functools

import numpy as np

PAULI = {
    "x": np.array([[0, 1], [1, 0]], complex),
    "y": np.array([[0, -1j], [1j, 0]]),
    "z": np.array([[1, 0], [0, -1]], complex),
}


def rotation(axis, angle):
    return np.cos(angle / 2) * np.eye(2) - 1j * np.sin(angle / 2) * PAULI[axis]


def every_qubit(gates):
    return functools.reduce(np.kron, gates)


def turned(axes, angles):
    """The gate that turns each qubit; ``angles`` (n, axes)."""
    return every_qubit(
        [
            functools.reduce(lambda u, k: rotation(axes[k], row[k]) @ u, range(len(axes)), np.eye(2))
            for row in angles
        ]
    )


def pair(circuit, control, target):
    n, gate = circuit.qubits, PAULI["z" if circuit.entangler == "cz" else "x"]
    off, on = [np.eye(2)] * n, [np.eye(2)] * n
    off[control], on[control] = np.diag([1.0, 0.0]), np.diag([0.0, 1.0])
    on[target] = gate
    return every_qubit(off) + every_qubit(on)


def unitary(circuit, angles, weights, inputs):
    """The whole circuit as one matrix."""
    u = turned(circuit.rotations, angles[0])
    for layer in range(circuit.layers):
        for control, target in circuit.pairs:
            u = pair(circuit, control, target) @ u
        if circuit.encoding == "angle" and (circuit.reupload or layer == 0):
            slopes = weights[layer] * inputs
            u = turned(circuit.encoded, np.arctan(slopes) if circuit.squash == "arctan" else slopes) @ u
        u = turned(circuit.rotations, angles[layer + 1]) @ u
    return u


def expectations(circuit, angles, weights, inputs):
    start = inputs / np.linalg.norm(inputs) if circuit.encoding == "amplitude" else circuit.initial
    state = unitary(circuit, angles, weights, inputs) @ start
    z = [
        every_qubit([PAULI["z"] if q in g else np.eye(2) for q in range(circuit.qubits)])
        for g in circuit.measured
    ]
    return np.array([(state.conj() @ m @ state).real for m in z])
