"""Agents with memories, last actions and groups: unrolled rows against a plain loop that forgets."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.core.steps import Rows, TimeStep
from qflock.core.trees import spread
from qflock.networks import agents, by_name
from qflock.playing import rollout
from tests.tiny import Count, Echo

SPEC = Echo().spec


def team_of(network="gru", spec=SPEC, **settings):
    make = lambda features, key: by_name.make(network, features, spec.actions, key, hidden=(8, 8))
    return agents.build(spec, make, **settings)


def collected(team, env, key, steps=8, copies=4):
    """Rows of uniform play, with the agents' memories carried along."""
    weights = team.init(jax.random.key(1))

    def act(memory, now, key):
        memory, _ = team.step(weights, memory, now.observation)
        actions = jax.random.randint(key, now.active.shape, 0, env.spec.actions)
        return team.acted(memory, actions), actions, ()

    start = spread(team.memory(), env.spec.agents)
    flow = rollout.start(env, start, key, copies)
    flow, _, _ = rollout.collect(env, act, start, flow, key, 4)  # so that the rows begin midway
    return weights, rollout.collect(env, act, start, flow, jax.random.key(9), steps)[1]


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize("network", ["gru", "mlp"])
@pytest.mark.parametrize("last_action", [False, True])
@pytest.mark.parametrize("env", [Echo(), Count()], ids=["echo", "count"])
def test_unrolled_rows_equal_a_loop_that_forgets_where_episodes_begin(network, last_action, env):
    team = team_of(network, env.spec, last_action=last_action)
    weights, rows = collected(team, env, jax.random.key(3))
    out, alone = jax.jit(team.unroll)(weights, rows), jax.jit(team.one)
    assert rows.first[1:].any()
    for b in range(rows.first.shape[1]):
        for a in range(env.spec.agents):
            memory = jax.tree.map(lambda x, a=a, b=b: x[b, a], rows.memory)
            for t in range(rows.first.shape[0]):
                if rows.first[t, b]:
                    memory = team.memory()
                elif t and last_action:
                    memory = memory._replace(action=rows.actions[t - 1, b, a])
                memory, one = alone(weights, jnp.int32(a), memory, rows.timestep.observation[t, b, a])
                np.testing.assert_allclose(out[t, b, a], one, atol=1e-5)


def test_the_last_action_is_seen_and_none_is_where_an_episode_begins():
    team = team_of("mlp", last_action=True)
    weights = jax.tree.map(
        lambda x: jax.random.normal(jax.random.key(x.size), x.shape), team.init(jax.random.key(0))
    )
    seen = jnp.zeros(3)
    say = lambda action: team.one(weights, jnp.int32(0), agents.Acted((), jnp.int32(action)), seen)[1]
    assert len({tuple(np.asarray(say(a)).round(5).tolist()) for a in (-1, 0, 1, 2)}) == 4
    np.testing.assert_array_equal(team.memory().action, -1)


def test_agents_of_a_group_share_a_network_and_no_others_do():
    team = team_of("mlp", groups=(0, 1))
    weights = team.init(jax.random.key(0))
    assert all(x.shape[0] == 2 for x in jax.tree.leaves(weights))
    seen = jnp.ones((4, 2, 3))
    changed = jax.tree.map(lambda x: x.at[1].add(1.0), weights)
    before, after = (team.step(w, (), seen)[1] for w in (weights, changed))
    np.testing.assert_array_equal(before[:, 0], after[:, 0])
    assert (before[:, 1] != after[:, 1]).any()
    for a in range(2):
        np.testing.assert_allclose(
            before[0, a], team.one(weights, jnp.int32(a), (), seen[0, a])[1], atol=1e-6
        )
    with pytest.raises(UserError, match="groups names 3 agents; echo has 2"):
        team_of("mlp", groups=(0, 0, 1))


def test_one_group_is_the_shared_network():
    grouped, shared = team_of("mlp", groups=(0, 0)), team_of("mlp")
    one = shared.init(jax.random.key(0))
    seen = jax.random.normal(jax.random.key(1), (4, 2, 3))
    stacked = jax.tree.map(lambda x: x[None], one)
    np.testing.assert_allclose(grouped.step(stacked, (), seen)[1], shared.step(one, (), seen)[1], atol=1e-6)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_rows_of_some_copies_keep_their_memories():
    team = team_of("gru", last_action=True)
    weights, rows = collected(team, Echo(), jax.random.key(3))
    which = jnp.array([3, 0])
    some = rollout.of_copies(rows, which)
    assert isinstance(some, Rows)
    np.testing.assert_allclose(team.unroll(weights, some), team.unroll(weights, rows)[:, which], atol=1e-6)


def test_an_agent_that_joins_late_or_comes_back_is_unrolled_as_one_that_begins():
    """Its outputs from there on are those of rows that open an episode there."""
    team = team_of(spec=replace(SPEC, agents_return=True), last_action=True)
    weights, unroll = jax.jit(team.init)(jax.random.key(1)), jax.jit(team.unroll)
    first, active = jnp.zeros((5, 1), bool), jnp.ones((5, 1, 2), bool)
    seen = jax.random.normal(jax.random.key(2), (5, 1, 2, 3))
    no = jnp.zeros((5, 1), bool)
    now = TimeStep(seen, jnp.zeros((5, 1, 0)), jnp.ones((5, 1, 2, 3), bool), active, seen[..., 0], no, no, {})
    rows = Rows(now, jnp.ones((4, 1, 2), jnp.int32), first, spread(team.memory(), 1, 2), ())
    back = unroll(weights, rows._replace(timestep=now._replace(active=active.at[1:3, :, 1].set(False))))
    always, begun = unroll(weights, rows), unroll(weights, rows._replace(first=first.at[3].set(True)))
    np.testing.assert_allclose(back[3:, :, 1], begun[3:, :, 1], atol=1e-6)
    np.testing.assert_allclose(back[:, :, 0], always[:, :, 0], atol=1e-6)
    assert not np.allclose(back[3, :, 1], always[3, :, 1], atol=1e-5)
