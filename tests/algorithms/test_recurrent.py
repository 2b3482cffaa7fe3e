"""A task that only a memory can do: recurrent agents do it under every kind of learner, others cannot."""

import jax
import numpy as np
import pytest

from qflock.playing.evaluation import of_policy, play
from qflock.runs.train import programs
from qflock.settings import registry
from qflock.settings.config import Settings
from qflock.settings.run import RunSettings

pytestmark = [pytest.mark.slow, pytest.mark.ci_slow]  # minutes of compiling

COMMON = {"hidden": (16,), "lr": 1e-2, "num_envs": 32, "gamma": 1.0}
VALUE = {
    **COMMON,
    "num_steps": 12,
    "row_length": 12,
    "buffer_capacity": 384 * 16,
    "min_buffer_size": 384,
    "batch_size": 384,
    "train_frequency": 96,
    "target_update_interval": 768,
    "epsilon_decay": 4000,
    "epsilon_end": 0.1,
}
LEARNERS = {
    "vdn": VALUE,
    "qmix": VALUE | {"burn_in": 1},
    "pqn_vdn": {**COMMON, "num_steps": 12, "epsilon_decay": 4000, "epsilon_end": 0.1},
    "mappo": {**COMMON, "num_steps": 12},
}


def score(name, network):
    settings = registry.algorithm(name).Config(**LEARNERS[name], network=network)
    run = RunSettings(env="tests/tiny.py:Recall", seeds=1, log_interval=20_000, eval_episodes=64)
    made = programs.build(Settings(name, run, settings, None))
    state, _ = made.chunk(made.init(np.arange(1, dtype=np.uint32)))
    policy = jax.tree.map(lambda x: x[0], made.learner.execution(state.learner))
    choose = of_policy(made.learner.policy, policy, "greedy")
    return play(made.env, choose, made.learner.policy.start(), jax.random.key(7), 256).episode_return.mean()


@pytest.mark.parametrize("name", LEARNERS)
def test_an_agent_with_a_memory_recalls(name):
    assert score(name, "gru") >= 0.95


def test_an_agent_without_one_guesses():
    assert score("pqn_vdn", "mlp") <= 0.65
