"""The simulator against PennyLane's: values and gradients for every encoding, pattern and read-out."""

import re
import sys
from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.quantum import noise, simulate
from qflock.quantum.circuit import Circuit, products, whole
from qflock.quantum.noise import Noise
from qflock.settings import trust
from tests.marks import IN_CI
from tests.quantum.test_simulate import drawn

pytest.importorskip("pennylane")
bridge = pytest.importorskip("qflock.quantum.pennylane")

BOTH = lambda qubits: products(qubits, qubits + 1) + whole(qubits)
"""Both read-outs at once: every qubit's Z (and the first pair's), and the product of all."""
SIZES = [4, pytest.param(6, marks=IN_CI), pytest.param(8, marks=IN_CI)]


def compare(circuit, by_inputs):
    parameters, inputs = drawn(circuit)
    weights = jnp.asarray(np.random.default_rng(0).normal(size=circuit.outputs), jnp.float32)
    node = bridge.qnode(circuit)
    if not by_inputs:
        node = node.update(diff_method="adjoint")  # far quicker, but not for the amplitudes themselves
    over = (0, 1) if by_inputs else 0
    ours = jax.value_and_grad(lambda p, x: simulate.expectations(circuit, p, x) @ weights, over)
    theirs = jax.value_and_grad(lambda p, x: jnp.stack(node(p, x)) @ weights, over)
    found, wanted = jax.jit(ours)(parameters, inputs), theirs(parameters, inputs)
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
    values = simulate.expectations(circuit, parameters, inputs)
    np.testing.assert_allclose(values, jnp.stack(node(parameters, inputs)), atol=1e-5)


@pytest.mark.parametrize("entanglement", ["ring", "all", "none"])
@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
@pytest.mark.parametrize("qubits", SIZES)
def test_values_and_gradients(qubits, encoding, entanglement):
    compare(Circuit(qubits, 2, encoding, entanglement=entanglement, readout=BOTH(qubits)), False)


def test_devices_read_jaxs_arrays_also_where_jax_moved_what_pennylane_asks_for(monkeypatch):
    def gone(name):
        raise AttributeError(f"module 'jax.core' has no attribute {name!r}")

    monkeypatch.delitem(vars(jax.core), "concrete_or_error", raising=False)
    monkeypatch.setattr(jax.core, "__getattr__", gone)  # as JAX 0.12 answers
    circuit = Circuit(2, 1)
    parameters, inputs = drawn(circuit)
    found = bridge.expectations(circuit, parameters, inputs, "lightning.qubit")
    np.testing.assert_allclose(found, simulate.expectations(circuit, parameters, inputs), atol=1e-5)


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize(
    "circuit",
    [
        Circuit(3, 2, "amplitude", entangler="cnot", readout=products(3, 4)),
        Circuit(4, 2, entangler="cnot", start="plus", reupload=False, squash="none"),
        Circuit(4, 2, start="psi-", partitions=2, rotations="yz", encoded="zx", readout=whole(4)),
    ],
)
def test_other_gates_and_gradients_by_the_inputs(circuit):
    compare(circuit, True)


@pytest.mark.parametrize("kind", ["phase_flip", pytest.param("depolarizing", marks=IN_CI)])
def test_trajectories_converge_to_the_density_matrix(kind):
    circuit = Circuit(3, 2, start="plus")
    parameters, inputs = drawn(circuit)
    channel = Noise(kind, 0.05)
    wanted = bridge.expectations(circuit, parameters, inputs, "default.mixed", noise=channel)
    many = 4000
    run = lambda k: noise.expectations(circuit, parameters, inputs, k, channel, trajectories=many)
    found = jax.jit(run)(jax.random.key(0))
    exact = simulate.expectations(circuit, parameters, inputs)
    np.testing.assert_allclose(found, wanted, atol=4 / many**0.5)
    assert np.abs(np.asarray(exact) - np.asarray(wanted)).max() > 8 / many**0.5  # the noise is seen


def test_the_qnode_measures_with_shots():
    circuit = Circuit(2, 1)
    parameters, inputs = drawn(circuit)
    found = bridge.expectations(circuit, parameters, inputs, shots=2000)
    np.testing.assert_allclose(found, simulate.expectations(circuit, parameters, inputs), atol=0.12)


@pytest.mark.parametrize("reupload", [True, False])
def test_gradients_of_shots_on_a_device_are_measured_by_parameter_shift(reupload):
    """Of a batch, compiled: each within the error of its measurements; what is in no gate has none at all."""
    circuit = Circuit(2, 2, reupload=reupload)
    parameters, _ = drawn(circuit)
    inputs = jax.random.normal(jax.random.key(5), (3, *circuit.inputs))
    shots = 4000

    def slope(of):
        value = lambda p, x: (jax.vmap(lambda one: of(p, one))(x) @ jnp.array([1.0, -0.5])).sum()
        return jax.tree.leaves(jax.jit(jax.grad(value, (0, 1)))(parameters, inputs))

    measured = slope(lambda p, x: bridge.expectations(circuit, p, x, shots=shots))
    exact = slope(lambda p, x: simulate.expectations(circuit, p, x))
    for found, wanted in zip(measured, exact, strict=True):
        assert np.abs(np.asarray(found) - wanted).max() < 5 * 3**0.5 * 1.5 / shots**0.5
        np.testing.assert_array_equal(
            np.asarray(found)[np.asarray(wanted) == 0] == 0, wanted[wanted == 0] == 0
        )


def test_a_gradient_by_amplitudes_on_a_device_is_refused_in_one_line():
    circuit = Circuit(2, 1, "amplitude")
    parameters, inputs = drawn(circuit)
    with pytest.raises(UserError, match="shots have no gradient by the amplitudes") as refused:
        jax.grad(lambda x: bridge.expectations(circuit, parameters, x, shots=20).sum())(inputs)
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("device", "encoding"),
    [("default.qubit", "angle"), ("default.mixed", "angle"), ("default.qubit", "amplitude")],
)
def test_shots_are_counted_for_agents_and_environments_side_by_side(device, encoding):
    circuit = Circuit(2, 1, encoding, readout=products(2, 3))
    parameters, _ = drawn(circuit)
    inputs = jax.random.normal(jax.random.key(1), (3, 2, *circuit.inputs))
    each = jax.tree.map(lambda x: jnp.stack([x, x + 0.5]), parameters)  # every agent its own
    by_agent = lambda one: jax.jit(jax.vmap(jax.vmap(one), (None, 0)))
    measure = lambda p, x: bridge.expectations(circuit, p, x, device, shots=2000)
    found = by_agent(measure)(each, inputs)
    wanted = by_agent(lambda p, x: simulate.expectations(circuit, p, x))(each, inputs)
    assert found.shape == (3, 2, 3)
    np.testing.assert_allclose(found, wanted, atol=0.12)
    assert np.abs(found - wanted).max() > 0  # it was measured


def test_many_examples_are_measured_in_parts(monkeypatch):
    monkeypatch.setattr(bridge, "LARGEST_BATCH", 2 * 4**2)
    circuit = Circuit(2, 1)
    parameters, _ = drawn(circuit)
    inputs = jax.random.normal(jax.random.key(1), (5, *circuit.inputs))
    measure = lambda x: bridge.expectations(circuit, parameters, x, shots=2000)
    wanted = jax.vmap(lambda x: simulate.expectations(circuit, parameters, x))(inputs)
    np.testing.assert_allclose(jax.vmap(measure)(inputs), wanted, atol=0.12)


UNABLE = {
    "default.qubit": Noise("depolarizing", 0.05),
    "reference.qubit": Noise("bit_flip", 0.05),
    "default.gaussian": noise.NONE,
    "default.qutrit": noise.NONE,
    "null.qubit": noise.NONE,
}


@pytest.mark.parametrize("shots", [None, 20])
@pytest.mark.parametrize("device", UNABLE)
def test_what_a_device_cannot_do_is_one_line(device, shots):
    circuit = Circuit(2, 1)
    parameters, inputs = drawn(circuit)
    one = lambda x: bridge.expectations(circuit, parameters, x, device, shots, UNABLE[device])
    line = rf"^PennyLane's {device} (cannot measure this circuit|computes)[^\n]*$"
    with pytest.raises(UserError) as refused:
        jax.jit(jax.vmap(one))(inputs[None])
    assert re.search(line, str(refused.value))


def test_it_can_be_drawn():
    circuit = Circuit(2, 1)
    text = bridge.draw(circuit)
    assert text.count("\n") == 1
    assert all(gate in text for gate in ("RX", "RY", "RZ", "<Z>"))
    figure = bridge.draw(circuit, "mpl")
    assert figure.axes
    with pytest.raises(UserError, match="text or mpl"):
        bridge.draw(circuit, "svg")


def test_errors_are_one_line(monkeypatch):
    with pytest.raises(UserError, match=r"^PennyLane has no device 'no.such'[^\n]*$"):
        bridge.qnode(Circuit(2, 1), "no.such")
    monkeypatch.setitem(sys.modules, "pennylane", None)
    with pytest.raises(UserError, match=r"^[^\n]*qflock\[quantum\][^\n]*$"):
        bridge.qnode(replace(Circuit(2, 1), layers=2))


def test_a_device_of_ones_own_is_made_by_a_file(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.py").write_text(
        "import pennylane\n\ndef device(wires):\n    return pennylane.device('default.qubit', wires=wires)\n"
    )
    trust.name("mine.py:device")
    circuit = Circuit(2, 1)
    parameters, inputs = drawn(circuit)
    found = bridge.expectations(circuit, parameters, inputs, "mine.py:device")
    np.testing.assert_allclose(found, simulate.expectations(circuit, parameters, inputs), atol=1e-5)


def test_a_fake_back_end_of_qiskit_aer_is_noisy(tmp_path, monkeypatch):
    """A snapshot of a machine, with its errors, its gates and its couplings."""
    pytest.importorskip("pennylane_qiskit")
    pytest.importorskip("qiskit_aer")
    monkeypatch.chdir(tmp_path)
    (tmp_path / "fake.py").write_text(
        "import pennylane\nfrom qiskit_aer import AerSimulator\n"
        "from qiskit_ibm_runtime.fake_provider import FakeManilaV2\n\n"
        "def device(wires):\n"
        "    backend = AerSimulator.from_backend(FakeManilaV2())\n"
        "    return pennylane.device('qiskit.aer', wires=wires, backend=backend)\n"
    )
    trust.name("fake.py:device")
    circuit = Circuit(3, 2)
    parameters, inputs = drawn(circuit)
    found = bridge.expectations(circuit, parameters, inputs, "fake.py:device", shots=4000)
    exact = simulate.expectations(circuit, parameters, inputs)
    assert np.abs(found - exact).max() < 0.35
