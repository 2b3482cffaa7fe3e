"""MADQN: its agents are independent Q-learners, whatever is trained beside them."""

import jax
import numpy as np
import pytest

from qflock.algorithms import iql, madqn
from qflock.algorithms._value import learner
from qflock.core.errors import UserError
from qflock.runs.train import programs
from qflock.settings.config import Settings
from qflock.settings.run import RunSettings
from tests.tiny import Echo

SMALL = {
    "num_envs": 8,
    "num_steps": 4,
    "row_length": 4,
    "hidden": (16,),
    "buffer_capacity": 4096,
    "min_buffer_size": 64,
    "batch_size": 128,
    "train_frequency": 32,
    "target_update_interval": 64,
    "epsilon_end": 1.0,
    "td_lambda": 0.0,
    "gamma": 0.5,
    "lr": 3e-3,
}
RUN = RunSettings(env="tests/tiny.py:Echo", log_interval=3200)


def trained(algorithm, config, chunks=2):
    made = programs.build(Settings(algorithm, RUN, config, Echo.Config(ends=True)))
    state = made.init(np.zeros(1, np.uint32))
    for _ in range(chunks):
        state, told = made.chunk(state)
    return made, jax.tree.map(
        lambda x: x[0], jax.device_get((made.learner.weights(state.learner), told.metrics))
    )


@pytest.fixture(scope="module")
def beside():
    return trained("madqn", madqn.Config(**SMALL, central_hidden=(32, 16)), chunks=6)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_agents_learn_as_if_nothing_were_beside_them(beside):
    weights = beside[1][0]
    alone = trained("iql", iql.Config(**SMALL, share_parameters=False, dueling=True), chunks=6)[1][0]
    assert isinstance(weights, learner.Weights)
    for a, b in zip(jax.tree.leaves(weights.agents), jax.tree.leaves(alone.agents), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-5)  # other programs, so other rounding


@pytest.mark.slow
@pytest.mark.ci_slow
def test_every_agent_has_a_dueling_network_of_its_own(beside):
    agents = beside[1][0].agents
    assert agents.value is not None
    assert all(x.shape[0] == 2 for x in jax.tree.leaves(agents))
    assert not np.allclose(agents.hidden[0].weight[0], agents.hidden[0].weight[1])


@pytest.mark.slow
@pytest.mark.ci_slow
def test_the_central_value_learns_the_worth_of_playing_on(beside):
    """What all see tells nothing of the time, so that a row's next one is terminal in 1 of 4 cases. A random
    joint action is paid 1/3; an agent expects 1/2 of its best action and 1/6 of the other's, and so on."""
    made, (weights, metrics) = beside
    central = weights.auxiliary
    assert [layer.out_features for layer in central.hidden] == [32, 16]
    assert len(central.norms) == 2
    assert metrics["central_loss"] < 0.1
    _, now = made.env.reset(jax.random.key(3))
    value = central(now.state)[0]
    go_on = SMALL["gamma"] * 3 / 4
    worth = 1 / 3 + go_on * (1 / 2 + 1 / 6) / (1 - go_on)
    assert abs(value - worth) < 0.1


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_weight_shapes_the_agents_too():
    config = madqn.Config(**SMALL, central_hidden=(32, 16), central_weight=0.5)
    (_, (weights, metrics)) = trained("madqn", config)
    alone = trained("iql", iql.Config(**SMALL, share_parameters=False, dueling=True))[1][0]
    assert weights.auxiliary.hidden[0].in_features == 2 * 16, "it reads both agents' hidden layers"
    assert np.isfinite(metrics["central_loss"])
    assert not np.allclose(weights.agents.hidden[0].weight, alone.agents.hidden[0].weight, atol=1e-3)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"central_weight": -0.1}, "central_weight is -0.1; it must not be negative"),
        ({"central_hidden": (8, 0)}, "central_hidden is"),
        ({"central_weight": 1.0, "network": "my.py:Net"}, "needs network=mlp"),
        ({"central_weight": 1.0, "hidden": ()}, "needs network=mlp with a hidden layer"),
    ],
)
def test_settings_out_of_range(changes, message):
    with pytest.raises(UserError, match=message):
        madqn.Config(**changes)
