"""Learners whose networks are circuits solve a tiny task: a value learner, an actor and a critic."""

import jax
import numpy as np
import pytest

from qflock.networks.circuit import Circuit
from qflock.playing.evaluation import of_policy, play
from qflock.runs.train import programs
from qflock.settings.config import Settings
from qflock.settings.run import RunSettings
from tests.test_every_algorithm import small
from tests.tiny import Echo

pytestmark = [pytest.mark.slow, pytest.mark.ci_slow]  # minutes of compiling

CIRCUIT = {"network": "circuit", "circuit_qubits": 3, "circuit_layers": 1, "lr": 2e-2}


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("vdn", {}),
        ("a2c", {"critic_network": "circuit", "lr_critic": 2e-2}),
        pytest.param("a2c", {"circuit_shots": 100}, id="parameter shift"),
        pytest.param("a2c", {"circuit_shots": 100, "circuit_gradient": "spsa"}, id="spsa"),
    ],
)
def test_circuits_learn(name, changes):
    run = RunSettings(env="tests/tiny.py:Echo", seeds=1, log_interval=1024, eval_episodes=64)
    made = programs.build(Settings(name, run, small(name, **CIRCUIT, **changes), Echo.Config()))
    state = made.init(np.arange(1, dtype=np.uint32))
    for _ in range(40):
        state, _ = made.chunk(state)
    policy = jax.tree.map(lambda x: x[0], made.learner.execution(state.learner))
    assert isinstance(policy, Circuit)
    choose = of_policy(made.learner.policy, policy, "greedy")
    score = play(made.env, choose, made.learner.policy.start(), jax.random.key(7), 64).episode_return.mean()
    assert score >= 3.6  # of 4; random gets 1.33
