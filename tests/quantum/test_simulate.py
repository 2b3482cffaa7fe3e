"""The simulator against closed forms, against plain matrices, and against itself in other arrangements."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflock.core.errors import UserError
from qflock.quantum import simulate, unitary
from qflock.quantum.circuit import Circuit, products, whole
from tests.quantum import dense

CIRCUITS = st.builds(
    Circuit,
    qubits=st.sampled_from([2, 4]),
    layers=st.integers(1, 2),
    reupload=st.booleans(),
    rotations=st.sampled_from(["xyz", "yz", "x"]),
    encoded=st.sampled_from(["xyz", "zy", "y"]),
    squash=st.sampled_from(["arctan", "none"]),
    entanglement=st.sampled_from(["ring", "all", "none"]),
    entangler=st.sampled_from(["cz", "cnot"]),
    start=st.sampled_from(["zero", "plus", "phi+", "phi-", "psi+", "psi-"]),
    partitions=st.sampled_from([1, 2]),
    readout=st.sampled_from([(), ((0, 1), (1,))]),
)


def drawn(circuit, seed=0, batch=()):
    """Parameters and inputs from a normal distribution."""
    k_angles, k_weights, k_inputs = jax.random.split(jax.random.key(seed), 3)
    parameters = simulate.Parameters(
        jax.random.normal(k_angles, circuit.angles), jax.random.normal(k_weights, circuit.weights)
    )
    return parameters, jax.random.normal(k_inputs, (*batch, *circuit.inputs))


@settings(max_examples=5)
@given(circuit=CIRCUITS, seed=st.integers(0, 1000))
def test_equals_plain_matrices(circuit, seed):
    parameters, inputs = drawn(circuit, seed)
    found = simulate.expectations(circuit, parameters, inputs)
    wanted = dense.expectations(circuit, *map(np.asarray, (*parameters, inputs)))
    np.testing.assert_allclose(found, wanted, atol=1e-5)


@pytest.mark.parametrize(("axis", "wanted"), [("x", np.cos), ("y", np.cos), ("z", np.ones_like)])
def test_one_rotation_of_one_qubit_is_a_cosine(axis, wanted):
    circuit = Circuit(1, 1, rotations=axis, encoded="z", entanglement="none")
    angles = jnp.linspace(-4.0, 4.0, 9)
    of = lambda a: simulate.expectations(
        circuit, simulate.Parameters(jnp.array([[[a]], [[0.0]]]), jnp.ones((1, 1, 1))), jnp.zeros((1, 1))
    )[0]
    np.testing.assert_allclose(jax.vmap(of)(angles), wanted(np.asarray(angles)), atol=1e-6)


def test_features_turn_by_the_arctangent():
    circuit = Circuit(1, 1, rotations="z", encoded="y", entanglement="none")
    parameters = simulate.Parameters(jnp.zeros((2, 1, 1)), jnp.full((1, 1, 1), 2.0))
    features = jnp.linspace(-3.0, 3.0, 7)
    found = jax.vmap(lambda x: simulate.expectations(circuit, parameters, x.reshape(1, 1))[0])(features)
    np.testing.assert_allclose(found, 1 / np.sqrt(1 + 4 * np.asarray(features) ** 2), atol=1e-6)


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize(("encoding", "entangler"), [("angle", "cz"), ("amplitude", "cnot")])
def test_gradients_equal_differences(encoding, entangler):
    circuit = Circuit(3, 2, encoding, entanglement="all", entangler=entangler, readout=products(3, 4))
    given = drawn(circuit)
    value = jax.jit(lambda given: (simulate.expectations(circuit, *given) * jnp.arange(1.0, 5.0)).sum())
    gradient = jax.jit(jax.grad(value))(given)
    way = jax.tree.map(lambda x: jax.random.normal(jax.random.key(9), x.shape), given)
    step = 1e-2
    moved = lambda sign: value(jax.tree.map(lambda x, d: x + sign * step * d, given, way))
    slope = sum(jnp.vdot(g, d) for g, d in zip(jax.tree.leaves(gradient), jax.tree.leaves(way), strict=True))
    assert abs((moved(1) - moved(-1)) / (2 * step) - slope) < 5e-2 * max(1.0, abs(float(slope)))


@pytest.mark.parametrize("encoding", ["angle", "amplitude"])
def test_a_batch_equals_single_examples(encoding):
    """Values and gradients; parameters shared, of each example, and of each chain."""
    circuit = Circuit(3, 2, encoding)
    _, inputs = drawn(circuit, batch=(4,))
    chains = jax.vmap(lambda k: simulate.init(circuit, k))(jax.random.split(jax.random.key(3), 2))
    value = lambda p, x: (simulate.expectations(circuit, p, x) ** 2).sum()
    both = jax.jit(jax.value_and_grad(value))
    batched = jax.jit(jax.vmap(jax.vmap(jax.value_and_grad(value), (None, 0)), (0, None)))(chains, inputs)
    summed = jax.jit(jax.vmap(jax.grad(lambda p: jax.vmap(value, (None, 0))(p, inputs).sum())))(chains)
    for c in range(2):
        own = jax.tree.map(lambda x, c=c: x[c], chains)
        single = [both(own, x) for x in inputs]
        for i, found in enumerate(single):
            here = jax.tree.map(lambda x, c=c, i=i: x[c, i], batched)
            jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, atol=1e-5), here, found)
        total = jax.tree.map(lambda *x: sum(x), *[g for _, g in single])
        jax.tree.map(lambda a, b, c=c: np.testing.assert_allclose(a[c], b, atol=1e-5), summed, total)


def test_depth_and_width_do_not_grow_the_program():
    def equations(circuit):
        value = lambda p, x: jax.vmap(lambda x: simulate.expectations(circuit, p, x).sum())(x).sum()
        given = drawn(circuit, batch=(3,))
        return str(jax.make_jaxpr(jax.grad(value))(*given)).count(" = ")

    assert equations(Circuit(4, 2)) == equations(Circuit(4, 20)) == equations(Circuit(7, 5))


def test_the_split_critic_is_a_matrix_of_two_small_circuits():
    """U_A Psi0 U_B^T of 4 qubits each equals the simulation of all 8 (docs/algorithms/eqmarl.md)."""
    joint = Circuit(8, 2, start="psi+", partitions=2, readout=whole(8))
    half = Circuit(4, 2)
    parameters, inputs = drawn(joint)
    arrays = [np.asarray(x) for x in (*parameters, inputs)]
    u_a = dense.unitary(half, *(x[..., :4, :] for x in arrays))
    u_b = dense.unitary(half, *(x[..., 4:, :] for x in arrays))
    state = u_a @ joint.initial.reshape(16, 16) @ u_b.T
    z = half_signs = (-1.0) ** np.array([bin(i).count("1") for i in range(16)])
    wanted = (z[:, None] * half_signs * np.abs(state) ** 2).sum()
    np.testing.assert_allclose(simulate.expectations(joint, parameters, inputs), [wanted], atol=1e-5)


def test_published_sizes():
    """136 parameters of the actor, 265 of the critic, read-out weights included."""
    actor, critic = Circuit(4, 5), Circuit(8, 5, partitions=2, readout=whole(8))
    count = lambda c: int(np.prod(c.angles) + np.prod(c.weights)) + c.outputs
    assert (count(actor), count(critic)) == (136, 265)
    assert Circuit(2, 1).pairs == ((0, 1),)
    assert Circuit(4, 1).pairs == ((0, 1), (1, 2), (2, 3), (3, 0))
    assert (4, 3) not in critic.pairs
    assert all(a // 4 == b // 4 for a, b in critic.pairs)


@pytest.mark.parametrize(
    "wrong",
    [
        {"qubits": 0},
        {"layers": 0},
        {"qubits": 45},
        {"qubits": 10**9},
        {"encoding": "phase"},
        {"rotations": "w"},
        {"qubits": 3, "start": "phi+"},
        {"qubits": 3, "partitions": 2},
        {"readout": ((7,),)},
        {"encoding": "amplitude", "start": "plus"},
    ],
)
def test_what_is_no_circuit_is_refused_in_one_line(wrong):
    with pytest.raises(UserError, match=r"^circuit: [^\n]+$"):
        Circuit(**wrong)


def test_as_many_qubits_as_memory_holds():
    """Each qubit turned by its own angle and nothing else: <Z> is its cosine."""
    assert Circuit(20, 5).memory < 2**28
    circuit = Circuit(16, 1, rotations="x", encoded="z", entanglement="none", readout=((0,), (15,)))
    angles = jnp.zeros((2, 16, 1)).at[0, :, 0].set(jnp.linspace(0.0, 1.5, 16))
    found = simulate.expectations(
        circuit, simulate.Parameters(angles, jnp.zeros(circuit.weights)), jnp.zeros((16, 1))
    )
    np.testing.assert_allclose(found, np.cos([0.0, 1.5]), atol=1e-5)
    with pytest.raises(UserError, match=r"^circuit: 40 qubits need about [^\n]+ GiB [^\n]+ fewer qubits$"):
        Circuit(40)


def test_more_outputs_than_qubits_are_products():
    assert products(3, 5) == ((0,), (1,), (2,), (0, 1), (0, 2))
    with pytest.raises(UserError, match="3 products"):
        products(2, 4)


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize("entangler", ["cz", "cnot"])
def test_the_fixed_matrix_of_amplitude_encoding_equals_the_state_vector(entangler):
    """Values and gradients, zeros behind the features left out."""
    circuit = Circuit(3, 2, "amplitude", entangler=entangler, readout=products(3, 4))
    parameters, inputs = drawn(circuit)
    weights = jnp.arange(1.0, 5.0)
    whole_vector = lambda p, x: simulate.expectations(circuit, p, jnp.pad(x, (0, 3))) @ weights
    matrix = lambda p, x: unitary.expectations(circuit, p, x) @ weights
    given = (parameters, inputs[:5])
    wanted, found = (jax.jit(jax.value_and_grad(f, (0, 1)))(*given) for f in (whole_vector, matrix))
    for a, b in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)
