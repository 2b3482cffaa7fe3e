"""Every algorithm of the registry keeps its promises: a new file is tested without a new test."""

import dataclasses

import jax
import numpy as np
import pytest

from qflock.playing.evaluation import of_policy, play
from qflock.runs.train import programs
from qflock.settings import registry
from qflock.settings.config import Settings
from qflock.settings.run import RunSettings
from tests.marks import IN_CI
from tests.tiny import Echo, world

DEAR = {"a2c", "entangled", "eqmarl", "ippo", "iql", "madqn", "mappo", "pqn_qmix", "pqn_vdn", "pqn_iql"}
DEAR |= {"qio", "qmarl", "qplex", "vdn", "wqmix", "isac", "masac", "iddpg", "maddpg", "matd3", "facmac"}
"""Relatives of learners that the default tests try, or half a minute of compiling: tried in CI."""
ALIKE = {"a2c", "iql", "pqn_iql", "pqn_qmix", "wqmix", "isac", "iddpg", "maddpg"}
"""Of these, those that differ from another one in a line or two: left to who runs every slow test."""
NAMES = [
    pytest.param(
        name, marks=[*IN_CI, *([pytest.mark.left_out] if name in ALIKE else [])] if name in DEAR else []
    )
    for name in registry.names("algorithms")
]
SMALL = {
    "num_envs": 16,
    "num_steps": 8,
    "row_length": 4,
    "network": "mlp",
    "hidden": (32,),
    "n_chains": 4,
    "episodes": 8,
    "held_out": 32,
    "sweep": 20,
    "warmup": 200,
    "window": 4,
    "distil_steps": 3,
    "buffer_capacity": 4096,
    "min_buffer_size": 128,
    "batch_size": 128,
    "train_frequency": 64,
    "target_update_interval": 256,
    "epsilon_decay": 4000,
    "lr": 3e-3,
    "gamma": 0.9,
    "tau": 0.02,
}
"""Settings that make any learner small and quick; each takes those that it has."""


def small(name, **changes):
    kind = registry.algorithm(name).Config
    known = {f.name for f in dataclasses.fields(kind)}
    return kind(**{k: v for k, v in {**SMALL, **changes}.items() if k in known})


@pytest.fixture(scope="module", params=NAMES)
def built(request, tmp_path_factory):
    """The program on Echo, and the run state after 50 chunks."""
    env = f"tests/tiny.py:{world(request.param).__name__}"
    run = RunSettings(env=env, seeds=1, log_interval=1024, eval_episodes=64)
    made = programs.build(Settings(request.param, run, small(request.param), Echo.Config()))
    start = made.init(np.arange(1, dtype=np.uint32))
    state, told = start, None
    keep = jax.device_get(jax.tree.map(jax.numpy.copy, start.learner))
    for _ in range(50):
        state, told = made.chunk(state)
    return made, keep, state, told


@pytest.mark.parametrize("name", registry.names("algorithms"))
def test_a_learner_that_is_built_asks_an_environment_for_shapes_alone(name, monkeypatch):
    """A reset outside of a compiled program runs operation by operation: seconds before the first update."""
    env = world(name)()
    reset, keys = env.reset, []
    monkeypatch.setattr(env, "reset", lambda key: keys.append(key) or reset(key))
    monkeypatch.setattr(env, "step", lambda *_: pytest.fail("a learner that is built steps"))
    registry.algorithm(name).build(small(name), env)
    assert all(isinstance(key, jax.core.Tracer) for key in keys)


def test_solves_a_tiny_task(built):
    made, _, state, _ = built
    policy = jax.tree.map(lambda x: x[0], made.learner.execution(state.learner))
    choose = of_policy(made.learner.policy, policy, "greedy")
    score = play(made.env, choose, made.learner.policy.start(), jax.random.key(7), 64).episode_return.mean()
    assert score >= 3.8  # of 4; random gets 1.33


def test_metrics_are_finite_scalars(built):
    made, _, state, told = built
    assert all(x.shape == (1,) for x in told.metrics.values())
    # R-hat and ESS are undefined, NaN, where all chains score the same: here all have solved the task.
    defined = {name: x for name, x in told.metrics.items() if not name.startswith(("rhat", "ess"))}
    assert all(np.isfinite(x).all() for x in defined.values())
    assert all(
        np.isfinite(x).all() for x in jax.tree.leaves(jax.device_get(made.learner.weights(state.learner)))
    )


def test_two_builds_from_one_seed_are_equal_bit_for_bit(built):
    made, keep, _, _ = built
    again = jax.device_get(made.init(np.arange(1, dtype=np.uint32)).learner)
    for a, b in zip(jax.tree.leaves(keep), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(
            jax.random.key_data(a) if _is_key(a) else a, jax.random.key_data(b) if _is_key(b) else b
        )


def _is_key(x):
    return jax.dtypes.issubdtype(x.dtype, jax.dtypes.prng_key)


def test_an_agent_acts_on_its_own_observation_alone(built):
    """Neither another agent's observation nor the state reaches an agent's action."""
    made, _, state, _ = built
    policy = jax.tree.map(lambda x: x[0], made.learner.execution(state.learner))
    choose = jax.jit(of_policy(made.learner.policy, policy, "greedy"))
    _, now = made.env.reset(jax.random.key(0))
    memory = made.learner.policy.start()
    before = choose(memory, None, now, jax.random.key(1))[1]
    noise = jax.random.normal(jax.random.key(2), now.observation[1].shape) * 10
    other = now._replace(observation=now.observation.at[1].set(noise), state=now.state + 100)
    after = choose(memory, None, other, jax.random.key(1))[1]
    assert before[0] == after[0]


def test_execution_needs_less_than_training(built):
    made, _, state, _ = built
    count = lambda tree: sum(x.size for x in jax.tree.leaves(tree))
    assert 0 < count(made.learner.execution(state.learner)) <= count(made.learner.weights(state.learner))


def test_start_from_puts_weights_in_place(built):
    made, _, state, _ = built
    one = jax.tree.map(lambda x: x[0], state.learner)
    fresh = jax.tree.map(lambda x: x[0], made.init(np.arange(5, 6, dtype=np.uint32)).learner)
    moved = made.learner.start_from(fresh, made.learner.weights(one))
    for a, b in zip(
        jax.tree.leaves(made.learner.execution(moved)),
        jax.tree.leaves(made.learner.execution(one)),
        strict=True,
    ):
        np.testing.assert_array_equal(a, b)
