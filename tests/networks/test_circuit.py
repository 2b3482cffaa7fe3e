"""Networks made of circuits: shapes, what is trained, controls, settings."""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.algorithms import ippo
from qflock.algorithms.iql import Config
from qflock.core.errors import UserError
from qflock.networks import agents, by_name
from qflock.networks.circuit import apart
from qflock.quantum import simulate
from tests.tiny import Echo


def make(inputs=6, outputs=3, **settings):
    return by_name.make("circuit", inputs, outputs, jax.random.key(0), settings)


def size(network):
    return sum(x.size for x in jax.tree.leaves(network))


FEATURES = jnp.linspace(-1.0, 1.0, 6)


def test_output_is_scale_times_expectation_plus_bias():
    network = make(qubits=3, layers=2, scale=5.0)
    inputs = network.compress(FEATURES).reshape(3, 3)
    wanted = 5.0 * simulate.expectations(network.description, network.parameters, inputs)
    np.testing.assert_allclose(network(FEATURES), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("settings", "parameters"),
    [
        ({}, 12 * 7 + 6 * 12 + 5 * 12 + 3 + 3),
        ({"layers": 2, "qubits": 3}, 9 * 7 + 3 * 9 + 2 * 9 + 3 + 3),
        ({"compression": "frozen"}, 6 * 12 + 5 * 12 + 3 + 3),
        ({"compression": "none"}, 6 * 12 + 5 * 12 + 3 + 3),
        ({"frozen": True}, 12 * 7 + 3 + 3),
        ({"frozen": True, "compression": "frozen", "head": "linear"}, 4 * 3 + 3),
        ({"reupload": False}, 12 * 7 + 6 * 12 + 12 + 3 + 3),
        ({"encoding": "amplitude"}, 16 * 7 + 6 * 12 + 3 + 3),
    ],
)
def test_parameters_are_counted(settings, parameters):
    network = make(**settings)
    assert size(network) == parameters
    assert network(FEATURES).shape == (3,)


def test_entanglement_none_keeps_the_count_and_changes_the_function():
    ring, none = make(), make(entanglement="none")
    assert size(ring) == size(none)
    assert np.abs(np.asarray(ring(FEATURES) - none(FEATURES))).max() > 1e-2


def test_without_entanglement_an_output_sees_one_qubit():
    network = make(12, 4, compression="none", entanglement="none")
    seen = jax.jacobian(network)(jnp.linspace(-1.0, 1.0, 12)).reshape(4, 4, 3)
    for output in range(4):
        assert np.abs(seen[output, output]).max() > 1e-3
        np.testing.assert_allclose(np.delete(seen[output], output, 0), 0.0, atol=1e-6)


def test_what_is_frozen_comes_from_its_own_seed():
    one = by_name.make("circuit", 6, 3, jax.random.key(0), {"frozen": True, "compression": "frozen"})
    other = by_name.make("circuit", 6, 3, jax.random.key(1), {"frozen": True, "compression": "frozen"})
    np.testing.assert_array_equal(one(FEATURES), other(FEATURES))
    third = make(frozen=True, compression="frozen", frozen_seed=1)
    assert np.abs(np.asarray(one(FEATURES) - third(FEATURES))).max() > 1e-2


def test_more_outputs_than_qubits():
    assert make(outputs=6, qubits=3)(FEATURES).shape == (6,)
    assert make(outputs=20, qubits=3, head="linear")(FEATURES).shape == (20,)
    with pytest.raises(UserError, match="linear head"):
        make(outputs=20, qubits=3)


def test_features_that_do_not_fit_are_refused():
    with pytest.raises(UserError, match="takes 6 numbers without compression; there are 7"):
        make(7, 2, qubits=2, compression="none")


@pytest.mark.parametrize(
    "wrong", [{"circuit_qubits": 0}, {"circuit_layers": 0}, {"circuit_scale": 0.0}, {"circuit_seed": -1}]
)
def test_settings_out_of_range_are_one_line(wrong):
    with pytest.raises(UserError, match=r"^[^\n]+$"):
        Config(**wrong)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_pennylane_computes_the_same():
    pytest.importorskip("pennylane")
    ours, theirs = make(qubits=2, layers=1), make(qubits=2, layers=1, simulator="pennylane")
    np.testing.assert_allclose(theirs(FEATURES), ours(FEATURES), atol=1e-5)
    both = jax.jit(jax.vmap(jax.grad(lambda n, x: n(x).sum()), (None, 0)))
    batch = jnp.stack([FEATURES, -FEATURES])
    for a, b in zip(jax.tree.leaves(both(ours, batch)), jax.tree.leaves(both(theirs, batch)), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)


def test_what_is_frozen_differs_between_networks_of_a_team_and_their_critics():
    """Agents with networks of their own, a network of each group, and the critic's."""
    spec = Echo().spec
    frozen = {"frozen": True, "compression": "frozen", "qubits": 3, "layers": 1}
    make = lambda features, key: by_name.make("circuit", features, 3, key, frozen)
    team = agents.build(spec, make, shared=False)
    one = make(3, jax.random.key(0))
    parameters = jax.tree.map(lambda x: jnp.stack([x, x]), one)  # equal in all that is trained
    seen = jnp.ones((1, 2, 3))
    first, second = np.asarray(team.step(parameters, (), seen)[1][0])
    np.testing.assert_allclose(first, one(jnp.ones(3)), atol=1e-5)  # the draw of its seed alone
    assert np.abs(first - second).max() > 1e-2
    alone = [team.one(parameters, jnp.int32(agent), (), jnp.ones(3))[1] for agent in (0, 1)]
    np.testing.assert_allclose(alone, [first, second], atol=1e-5)
    assert np.abs(np.asarray(apart(one, 1)(jnp.ones(3)) - one(jnp.ones(3)))).max() > 1e-2


def test_a_frozen_critic_is_another_circuit_than_the_actor():
    settings = {"network": "circuit", "critic_network": "circuit", "circuit_frozen": True, "critic": "both"}
    learner = ippo.build(ippo.Config(**settings), Echo())
    weights = jax.eval_shape(learner.init, jax.random.key(0)).weights
    circuits = [weights.agents, weights.critic["local"], weights.critic["state"]]
    drawn = [circuit.fixed_angles() for circuit in circuits]
    assert all(np.abs(a - b).max() > 0.1 for a, b in itertools.combinations(drawn, 2))
