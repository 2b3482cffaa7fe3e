"""A policy of circuits under shots and noise acts by fresh measurements, and as before without them."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.algorithms import iql
from qflock.core.errors import UserError
from qflock.core.steps import Seen
from qflock.networks.circuit import Conditions
from qflock.networks.conditions import under
from qflock.quantum.noise import Noise
from tests.tiny import Echo

SETTINGS = {"network": "circuit", "circuit_qubits": 3, "circuit_layers": 1, "buffer_capacity": 10_000}


@pytest.mark.parametrize("shared", [True, False])
def test_actions_are_drawn_by_measurement(shared):
    learner = iql.build(iql.Config(**SETTINGS, share_parameters=shared), Echo())
    parameters = learner.execution(learner.init(jax.random.key(0)))
    seen = Seen(jnp.tile(jnp.array([1.0, 0.0, 0.0]), (2, 1)), jnp.ones((2, 3), bool), jnp.ones(2, bool))
    keys = jax.random.split(jax.random.key(1), 64)

    def chosen(conditions):
        policy, weights = learner.policy, parameters
        if conditions is not None:
            policy, weights = under(policy, weights, conditions)
        act = lambda k: policy.act(weights, policy.start(), seen, k, "greedy")[1]
        return np.asarray(jax.jit(jax.vmap(act))(keys))[:, 1]

    exact = chosen(None)
    assert len(set(exact)) == 1
    np.testing.assert_array_equal(chosen(Conditions()), exact)
    assert len(set(chosen(Conditions(shots=1, noise=Noise("depolarizing", 0.1), trajectories=1)))) > 1


def test_a_policy_without_circuits_is_refused():
    learner = iql.build(iql.Config(hidden=(4,), buffer_capacity=10_000), Echo())
    parameters = learner.execution(learner.init(jax.random.key(0)))
    with pytest.raises(UserError, match="made of circuits"):
        under(learner.policy, parameters, Conditions(shots=10))
    together = learner.policy._replace(act=lambda *given: given)
    with pytest.raises(UserError, match="agents that act by themselves"):
        under(together, parameters, Conditions(shots=10))
    with pytest.raises(UserError, match=r"^[^\n]+$"):
        Conditions(shots=-1)
