"""Born's rule as a policy: one measurement decides, and which states decide for which action."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.commands import main
from qflock.core.errors import UserError
from qflock.networks.circuit import Circuit as Network
from qflock.quantum import noise, simulate
from qflock.quantum.circuit import Circuit
from tests.quantum.test_simulate import drawn


def test_contiguous_sets_are_neighbours_as_even_as_they_go():
    found = Circuit(3, 1, outcomes=5).signs
    assert found.argmax(0).tolist() == [0, 0, 1, 1, 2, 3, 3, 4]
    np.testing.assert_array_equal(found.sum(0), 1)
    np.testing.assert_array_equal(Circuit(2, 1, outcomes=4).signs, np.eye(4))


def test_parity_sets_go_by_the_number_of_ones():
    found = Circuit(3, 1, outcomes=2, decoding="parity").signs
    assert found.argmax(0).tolist() == [0, 1, 1, 0, 1, 0, 0, 1]
    three = Circuit(3, 1, outcomes=3, decoding="parity").signs
    assert three.argmax(0).tolist() == [0, 1, 1, 2, 1, 2, 2, 0]


@pytest.mark.parametrize(("decoding", "most"), [("contiguous", 4), ("parity", 3)])
def test_more_outcomes_than_states_tell_apart_are_refused(decoding, most):
    Circuit(2, 1, outcomes=most, decoding=decoding)
    with pytest.raises(UserError, match=f"2 qubits tell {most} outcomes apart with {decoding} decoding, not"):
        Circuit(2, 1, outcomes=most + 1, decoding=decoding)


def test_the_policy_is_the_chance_of_each_set_and_a_shot_is_one_action():
    circuit = Circuit(3, 1, start="plus", outcomes=5)
    parameters, inputs = drawn(circuit)
    chances = np.asarray(simulate.probabilities(circuit, parameters, inputs))
    wanted = [chances[circuit.signs[k] > 0].sum() for k in range(5)]
    np.testing.assert_allclose(simulate.expectations(circuit, parameters, inputs), wanted, atol=1e-6)
    shot = jax.jit(lambda key: noise.expectations(circuit, parameters, inputs, key, shots=1))
    drawn_actions = np.asarray(jax.vmap(shot)(jax.random.split(jax.random.key(0), 2000)))
    np.testing.assert_array_equal(np.sort(drawn_actions, -1), np.tile([0, 0, 0, 0, 1.0], (2000, 1)))
    np.testing.assert_allclose(drawn_actions.mean(0), wanted, atol=0.05)


def test_the_networks_logits_are_the_logarithms_of_chances():
    network = Network(4, 3, qubits=2, layers=1, head="born", key=jax.random.key(0))
    both = jax.jit(lambda network, x: (network(x), network.expectations(x)))
    logits, chances = both(network, jnp.ones(4))
    np.testing.assert_allclose(jax.nn.softmax(logits), chances, atol=1e-6)
    assert [x.shape for x in jax.tree.leaves(network)] == [(6, 4), (6,), (2, 2, 3), (1, 2, 3)]


def test_pennylane_has_the_same_chances():
    pytest.importorskip("pennylane")
    from qflock.quantum import pennylane

    circuit = Circuit(2, 1, outcomes=3, decoding="parity")
    parameters, inputs = drawn(circuit)
    wanted = simulate.expectations(circuit, parameters, inputs)
    np.testing.assert_allclose(pennylane.expectations(circuit, parameters, inputs), wanted, atol=1e-5)
    measured = pennylane.expectations(circuit, parameters, inputs, shots=50)
    assert measured.sum() == pytest.approx(1)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("vdn --circuit_head born", "circuit_head born gives chances of actions"),
        ("ippo --circuit_qubits 1 --circuit_head born --env gridworld25", "tell 2 outcomes apart"),
        ("ippo --circuit_head born --circuit_decoding even", "contiguous"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(typed, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    env = [] if "--env" in typed else ["--env", "two_step"]
    assert main(["train", *typed.split(), *env, "--network", "circuit", "--device", "cpu"]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []
