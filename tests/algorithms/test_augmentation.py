"""Learning from replay as it would have looked from another side."""

from __future__ import annotations

from contextlib import nullcontext

import jax
import numpy as np
import pytest

from qflock.algorithms import qmix
from qflock.algorithms._value.augmentation import augmented
from qflock.core.errors import Notice, UserError
from qflock.environments import two_step
from qflock.environments.gridworld25 import Config, Environment
from qflock.networks.agents import Acted
from qflock.playing import rollout

SMALL = {"num_envs": 4, "num_steps": 8, "hidden": (8,), "min_buffer_size": 32, "batch_size": 32}
SMALL |= {"buffer_capacity": 64, "mixer_hyper": 4, "mixer_embed": 4, "target_update_interval": 64}


def collected(learner, env, state):
    memory = learner.policy.start()
    flow = rollout.start(env, memory, jax.random.key(1), 4)
    act = lambda *x: learner.source.explore(state, *x)
    collect = jax.jit(lambda flow, key: rollout.collect(env, act, memory, flow, key, 8)[1])
    return collect(flow, jax.random.key(2))


@pytest.mark.parametrize("last_action", [False, True])
def test_each_sequence_is_one_symmetry_of_the_one_in_replay(last_action):
    env = Environment(Config(grid_size=5, max_steps=6))
    learner = qmix.build(qmix.Config(**SMALL, last_action=last_action), env)
    rows = collected(learner, env, learner.init(jax.random.key(0)))
    batch = jax.tree.map(lambda x: x.swapaxes(0, 1), rows._replace(memory=()))
    batch = batch._replace(memory=rows.memory, extras=())
    if last_action:
        batch = batch._replace(memory=Acted((), batch.actions[:, 0]))
    turned = jax.jit(lambda key, batch: augmented(env, key, batch))(jax.random.key(5), batch)
    every = jax.jit(jax.vmap(jax.vmap(jax.vmap(env.turned, (None, 0)), (None, 0)), (0, None)))
    seen = every(np.arange(env.symmetries), batch.timestep).observation
    alike = np.asarray((seen == turned.timestep.observation).all((2, 3, 4)))  # (symmetry, sequence)
    assert (alike.sum(0) == 1).all()
    which = alike.argmax(0)
    assert len(set(which.tolist())) > 1
    for n in range(4):
        assert (turned.actions[n] == env.turned_actions(which[n], batch.actions[n])).all()
    np.testing.assert_array_equal(turned.timestep.reward, batch.timestep.reward)
    if last_action:
        assert (turned.memory.action == turned.actions[:, 0]).all()


def test_it_changes_what_is_learnt_and_nothing_when_off():
    env = Environment(Config(grid_size=5, max_steps=6))
    after = {}
    for augment in (False, True):
        learner = qmix.build(qmix.Config(**SMALL, augment=augment), env)
        state = learner.init(jax.random.key(0))
        rows = collected(learner, env, state)
        after[augment] = jax.tree.leaves(jax.jit(learner.learn)(state, rows, jax.random.key(3))[0].online)
    assert all(np.isfinite(x).all() for x in after[True])
    assert any((a != b).any() for a, b in zip(after[False], after[True], strict=True))


def test_an_environment_without_symmetries_is_refused_in_one_line():
    with pytest.raises(UserError, match="two_step declares none"):
        qmix.build(qmix.Config(**SMALL, augment=True), two_step.Environment())


def test_agents_with_a_hidden_state_learn_from_what_they_saw_alone():
    env = Environment(Config(grid_size=5, max_steps=6))
    after = []
    for augment in (False, True):
        config = qmix.Config(**SMALL, network="gru", augment=augment)
        with pytest.warns(Notice, match="augment does nothing here") if augment else nullcontext():
            learner = qmix.build(config, env)
        state = learner.init(jax.random.key(0))
        rows = collected(learner, env, state)
        after.append(jax.tree.leaves(jax.jit(learner.learn)(state, rows, jax.random.key(3))[0].online))
    assert all((a == b).all() for a, b in zip(*after, strict=True))
