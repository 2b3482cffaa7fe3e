"""Every environment of the registry keeps its promises: a new file is tested without a new test."""

import jax
import numpy as np
import pytest

from qflock.core.environment import Drawable, Environment, Referenced
from qflock.learning.actions import of
from qflock.playing import rollout
from qflock.playing.evaluation import of_reference, play, random_policy
from qflock.settings import config, registry

NAMES = registry.names("environments")
DEAR = {"box_push", "drones", "forest_uav"}
"""Half a minute of compiling: tried in CI."""
PARAMETERS = [
    pytest.param(name, marks=[pytest.mark.slow, pytest.mark.ci_slow] if name in DEAR else [])
    for name in NAMES
]


@pytest.fixture(scope="module", params=PARAMETERS)
def env(request):
    return config.make_environment(request.param)


def walk(env, key, steps):
    """States and time steps of random actions, one copy, without resets."""
    k_reset, k_walk = jax.random.split(key)

    def tick(carry, key):
        state, now = carry
        k_act, k_step = jax.random.split(key)
        state, now = env.step(k_step, state, of(env.spec.action).random(k_act, now.legal))
        return (state, now), (state, now)

    first = env.reset(k_reset)
    return first, jax.lax.scan(tick, first, jax.random.split(k_walk, steps))[1]


@pytest.fixture(scope="module")
def episode(env):
    steps = min(env.spec.horizon, 60)
    return jax.device_get(jax.jit(lambda k: walk(env, k, steps))(jax.random.key(3)))


def test_shapes_types_and_finiteness(env, episode):
    assert isinstance(env, Environment)
    spec = env.spec
    assert spec.name in NAMES
    assert len(spec.action_names) in (0, spec.masked or spec.action.size)
    (_, first), (_, now) = episode
    for step, lead in ((first, ()), (now, now.terminated.shape)):
        assert step.observation.shape == (*lead, spec.agents, spec.observation)
        assert step.state.shape == (*lead, spec.state)
        assert step.legal.shape == (*lead, spec.agents, spec.masked)
        assert step.legal.dtype == bool
        assert not spec.masked or step.legal.any(-1).all(), "every agent has a legal action"
        assert step.active.shape == (*lead, spec.agents)
        assert step.reward.shape == (*lead, spec.agents)
        assert step.reward.dtype == np.float32
        assert step.terminated.dtype == step.truncated.dtype == bool
        assert all(np.isfinite(x).all() for x in jax.tree.leaves(step))
        assert not (step.terminated & step.truncated).any(), "an end is of one sort"
        assert all(x.dtype == np.float32 for x in step.measures.values())
    assert not first.terminated
    assert not first.truncated
    assert (first.reward == 0).all()
    assert jax.tree.structure(first) == jax.tree.structure(now)
    for a, b in zip(jax.tree.leaves(first), jax.tree.leaves(now), strict=True):
        assert a.dtype == b.dtype, "reset and step show the same types"


def test_declared_entities_lie_inside_their_vectors(env):
    for size, groups in (
        (env.spec.observation, env.spec.observation_entities),
        (env.spec.state, env.spec.state_entities),
    ):
        for g in groups:
            for start in (g.own, *g.others):
                assert start >= 0
                assert start + max(g.coordinates, (g.present or 0) + 1) <= size


def test_the_same_key_gives_the_same_episode_and_another_key_may_not(env, episode):
    steps = episode[1][1].terminated.shape[0]
    again = jax.device_get(jax.jit(lambda k: walk(env, k, steps))(jax.random.key(3)))
    for a, b in zip(jax.tree.leaves(episode), jax.tree.leaves(again), strict=True):
        np.testing.assert_array_equal(a, b)


def test_jit_and_vmap_change_nothing(env):
    keys = jax.random.split(jax.random.key(5), 3)
    actions = of(env.spec.action).zeros(3, env.spec.agents)
    states, _ = jax.vmap(env.reset)(keys)
    many = jax.jit(jax.vmap(env.step))(keys, states, actions)
    one = env.step(keys[1], jax.tree.map(lambda x: x[1], states), actions[1])
    for a, b in zip(jax.tree.leaves(many), jax.tree.leaves(one), strict=True):
        np.testing.assert_allclose(np.asarray(a)[1], np.asarray(b), rtol=1e-6)


def test_an_episode_ends_by_the_horizon(env):
    scores = jax.jit(lambda k: play(env, of_reference(random_policy(env.spec)), (), k, 8))(jax.random.key(0))
    assert (scores.length >= 1).all()
    assert (scores.length <= env.spec.horizon).all()
    low, high = env.spec.return_range
    assert (scores.episode_return >= low - 1e-4).all()
    assert (scores.episode_return <= high + 1e-4).all()


def test_a_rollout_restarts_and_counts(env):
    act = lambda memory, now, key: (memory, of(env.spec.action).random(key, now.legal), ())
    flow = rollout.start(env, (), jax.random.key(0), 2)
    ticks = min(env.spec.horizon + 2, 210)
    run = jax.jit(lambda f, k: rollout.collect(env, act, (), f, k, ticks))
    _, rows, tally = run(flow, jax.random.key(1))
    assert tally.env_steps == rows.valid.sum()
    assert tally.episodes == (rows.timestep.over[1:] & rows.valid).sum()
    if env.spec.horizon <= 200:
        assert tally.episodes >= 2


def test_references_act_legally_and_the_best_beats_random(env):
    if not isinstance(env, Referenced):
        return
    policies = env.references()
    assert "random" not in policies
    score = lambda p: play(env, of_reference(p), (), jax.random.key(1), 16).discounted.mean()
    best, chance = score(next(iter(policies.values()))), score(random_policy(env.spec))
    assert best > chance


def test_drawing_gives_pictures_of_one_size(env, episode):
    if not isinstance(env, Drawable):
        return
    (first, _), (states, _) = episode
    last = jax.tree.map(lambda x: x[-1], states)
    pictures = [env.draw(s, 300) for s in (first, last)]
    assert pictures[0].dtype == np.uint8
    assert pictures[0].shape == pictures[1].shape
    assert pictures[0].shape[2] == 3
    assert 200 <= pictures[0].shape[1] <= 400
