"""The list of a circuit's gates against plain matrices, and its resources against counts by hand."""

from functools import reduce

import numpy as np
import pytest
from hypothesis import given, settings

from qflock.core.errors import UserError
from qflock.quantum import gates, resources
from qflock.quantum.circuit import Circuit
from qflock.quantum.resources import Rate, Resources
from tests.quantum import dense
from tests.quantum.test_simulate import CIRCUITS

X, Y, Z = (np.array(m, complex) for m in ([[0, 1], [1, 0]], [[0, -1j], [1j, 0]], [[1, 0], [0, -1]]))
PLAIN = {"h": (X + Z) / np.sqrt(2), "x": X, "z": Z}
AXES = {"x": X, "y": Y, "z": Z}


def matrix(name, qubits, angle, count):
    """A gate as a matrix on all qubits, qubit 0 the most significant bit."""
    if len(qubits) == 2:
        flip = {"cz": Z, "cx": X}[name]
        zero, one = np.diag([1.0, 0.0]), np.diag([0.0, 1.0])
        on = lambda parts: reduce(np.kron, [parts.get(q, np.eye(2)) for q in range(count)])
        return on({qubits[0]: zero}) + on({qubits[0]: one, qubits[1]: flip})
    own = PLAIN.get(name)
    if own is None:
        own = np.cos(angle / 2) * np.eye(2) - 1j * np.sin(angle / 2) * AXES[name[1]]
    return reduce(np.kron, [own if q == qubits[0] else np.eye(2) for q in range(count)])


@settings(max_examples=20, deadline=None)
@given(circuit=CIRCUITS)
def test_the_listed_gates_are_the_circuit_that_plain_matrices_compute(circuit):
    rng = np.random.default_rng(0)
    angles, weights, inputs = (rng.normal(size=s) for s in (circuit.angles, circuit.weights, circuit.inputs))
    entered = np.arctan(weights * inputs) if circuit.squash == "arctan" else weights * inputs
    turned = {"angles": angles, "weights": entered}
    state = np.zeros(2**circuit.qubits, complex)
    state[0] = 1
    for name, qubits, angle in gates.listed(circuit):
        by = 0.0 if angle is None else turned[angle.source][angle.place]
        state = matrix(name, qubits, by, circuit.qubits) @ state
    wanted = dense.expectations(circuit, angles, weights, inputs)
    np.testing.assert_allclose(circuit.signs @ np.abs(state) ** 2, wanted, atol=1e-6)
    assert resources.of(circuit).rotations == sum(gate.angle is not None for gate in gates.listed(circuit))


@pytest.mark.parametrize(
    ("circuit", "counts"),
    [
        # A ring of 4 has its pairs 01 12 23 30 one after the other: 4 moments a pattern, and 3 axes each.
        (Circuit(4, 1, start="plus"), Resources(4, 1 + 3 + 4 + 6, 4, 2 * 12 + 12)),
        (Circuit(4, 1, entanglement="none"), Resources(4, 9, 0, 36)),
        (Circuit(2, 2, rotations="y", reupload=False, encoded="x"), Resources(2, 1 + 1 + 2 + 2, 2, 6 + 2)),
        (Circuit(3, 2, "amplitude", rotations="y"), Resources(3, 1 + 2 * (3 + 1), 6, 9)),
        (Circuit(4, 1, start="phi+", partitions=2, rotations="z", encoded="y"), Resources(4, 6, 4, 12)),
    ],
)
def test_resources_are_those_counted_by_hand(circuit, counts):
    assert resources.of(circuit) == counts


def test_a_price_is_of_circuits_and_of_their_shots():
    assert Rate(0.01, 0.3).price(10, 100) == pytest.approx(10 * (0.3 + 1.0))
    assert Rate().price(10, 100) == 0
    with pytest.raises(UserError, match="price of a shot is -1"):
        Rate(-1.0)
