"""Circuits as OpenQASM 3: read back by Qiskit and by a reader of a few lines, they compute what they did."""

import csv
import re

import numpy as np
import pytest

from qflock.commands import main
from qflock.exports import openqasm
from qflock.quantum import gates
from qflock.quantum.circuit import Circuit, products
from tests.quantum import dense
from tests.quantum.test_resources import matrix

CIRCUITS = [
    Circuit(3, 2, start="plus", readout=products(3, 4)),
    Circuit(3, 2, "amplitude", entangler="cnot", entanglement="all"),
    Circuit(4, 1, start="psi-", partitions=2, rotations="yz", encoded="zx"),
    Circuit(4, 2, start="phi-", reupload=False, squash="none", rotations="x"),
]
GATE = re.compile(r"(\w+)(?:\((.*)\))? (q\[\d+\](?:, q\[\d+\])?);")


def drawn(circuit):
    """Angles, weights and inputs, and the program's inputs by name."""
    rng = np.random.default_rng(0)
    angles, weights, inputs = (rng.normal(size=s) for s in (circuit.angles, circuit.weights, circuit.inputs))
    entered = {}
    for gate in gates.listed(circuit):
        if gate.angle is not None and gate.angle.source == "weights":
            by = (weights * inputs)[gate.angle.place]
            entered[openqasm.name(circuit, gate.angle)] = np.arctan(by) if circuit.squash == "arctan" else by
    return angles, weights, inputs, entered


def start(circuit, inputs):
    state = np.zeros(2**circuit.qubits, complex)
    state[0] = 1
    return inputs / np.linalg.norm(inputs) if circuit.encoding == "amplitude" else state


@pytest.mark.parametrize("circuit", CIRCUITS)
def test_the_programs_gates_make_the_circuits_expectations(circuit):
    angles, weights, inputs, entered = drawn(circuit)
    text = openqasm.program(circuit, angles)
    declared = re.findall(r"input float\[64\] (\w+);", text)
    assert sorted(declared) == sorted(entered)
    state = start(circuit, inputs)
    for name, by, on in GATE.findall(text):
        turned = 0.0 if not by else entered[by] if by in entered else float(by)
        state = matrix(name, [int(q) for q in re.findall(r"\d+", on)], turned, circuit.qubits) @ state
    wanted = dense.expectations(circuit, angles, weights, inputs)
    np.testing.assert_allclose(circuit.signs @ np.abs(state) ** 2, wanted, atol=1e-6)


@pytest.mark.parametrize("circuit", CIRCUITS)
def test_qiskit_reads_it_back_to_the_same_expectations(circuit):
    qasm3 = pytest.importorskip("qiskit.qasm3")
    pytest.importorskip("qiskit_qasm3_import")
    from qiskit.quantum_info import Statevector

    angles, weights, inputs, entered = drawn(circuit)
    read = qasm3.loads(openqasm.program(circuit, angles))
    read.remove_final_measurements()
    read = read.assign_parameters(entered)
    # Its qubit 0 is the last bit of a basis state, ours the first.
    order = np.arange(2**circuit.qubits).reshape((2,) * circuit.qubits).T.ravel()
    state = Statevector(start(circuit, inputs)[order]).evolve(read).data[order]
    wanted = dense.expectations(circuit, angles, weights, inputs)
    np.testing.assert_allclose(circuit.signs @ np.abs(state) ** 2, wanted, atol=1e-6)


def test_depth_and_gates_are_those_that_qiskit_counts():
    qasm3 = pytest.importorskip("qiskit.qasm3")
    pytest.importorskip("qiskit_qasm3_import")
    from qflock.quantum import resources

    for circuit in CIRCUITS:
        read = qasm3.loads(openqasm.program(circuit, np.ones(circuit.angles)))
        read.remove_final_measurements()
        counted, taken = read.count_ops(), resources.of(circuit)
        assert read.depth() == taken.depth
        assert sum(n for name, n in counted.items() if name.startswith("r")) == taken.rotations
        start = circuit.qubits // 2 if circuit.start.startswith("p") and circuit.start != "plus" else 0
        assert counted.get("cz", 0) + counted.get("cx", 0) == taken.two_qubit_gates
        assert taken.two_qubit_gates == start + circuit.layers * len(circuit.pairs)


def test_a_run_goes_home_as_programs_with_their_tables(run_of, tmp_path, capsys):
    path, loaded = run_of(
        "vdn", "two_step", network="circuit", circuit_qubits=2, circuit_layers=1, share_parameters=False
    )
    assert main(["export", str(path), "--to", "qasm", "-o", str(tmp_path / "policy.qasm")]) == 0
    out = capsys.readouterr().out
    assert "load_exported" not in out
    names = ["policy-agent0.csv", "policy-agent0.qasm", "policy-agent1.csv", "policy-agent1.qasm"]
    assert sorted(file.name for file in tmp_path.iterdir()) == names
    with (tmp_path / "policy-agent1.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    found = [float(row["value"]) for row in rows if row["source"] == "angles"]
    wanted = np.asarray(loaded.parameters.angles)[0, 1]
    np.testing.assert_allclose(found, wanted.ravel(), rtol=1e-6)
    text = (tmp_path / "policy-agent1.qasm").read_text()
    assert text.startswith("OPENQASM 3.0;\n// qflock ")
    assert "// output 0 = " in text
    assert "<Z0>" in text


@pytest.mark.parametrize(
    ("typed", "said"),
    [("", "this one has none: take it home with --to numpy"), ("-o p.npz", "ends in .qasm")],
)
def test_a_classical_policy_is_refused_in_one_line(typed, said, run_of, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    path, _ = run_of("qmix", "gridworld25")
    before = sorted(path.rglob("*"))
    assert main(["export", str(path), "--to", "qasm", *typed.split()]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert sorted(path.rglob("*")) == before
