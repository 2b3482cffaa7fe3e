"""Every learner takes an agent that has left as the one rule says (`Rows.of_agents`), bit for bit."""

from __future__ import annotations

import dataclasses
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.playing import rollout
from qflock.settings import registry
from tests.marks import IN_CI
from tests.tiny import Echo

SMALL = {
    "num_envs": 4,
    "num_steps": 8,
    "row_length": 8,
    "hidden": (8,),
    "critic_hidden": (8,),
    "central_hidden": (8,),
    "minibatches": 1,
    "qubits": 2,
    "layers": 1,
    "mixer_embed": 4,
    "mixer_hyper": 4,
    "buffer_capacity": 64,
    "min_buffer_size": 0,
    "batch_size": 32,
    "train_frequency": 32,
    "td_lambda": 0.7,
}
CASES = [
    ("ippo", {}, ()),
    ("vdn", {}, ()),
    ("mappo", {"operator": "rotation"}, IN_CI),
    ("qplex", {}, IN_CI),
    ("vdn", {"mixer": "attention"}, IN_CI),
    ("wqmix", {"weighting": "central"}, IN_CI),
    ("iql", {"n_step": 2}, IN_CI),
]
NAMED = {name for name, _, _ in CASES} | {"qmarl"}  # qmarl scores whole episodes
NAMED |= {name for name in registry.names("algorithms") if registry.kind_of_actions(name) == "continuous"}
CASES += [(name, {}, IN_CI) for name in registry.names("algorithms") if name not in NAMED]
PARAMETERS = [
    pytest.param(name, changes, marks=marks, id=f"{name}{changes or ''}") for name, changes, marks in CASES
]


def learner(name, **changes):
    kind = registry.algorithm(name).Config
    known = {field.name for field in dataclasses.fields(kind)}
    config = kind(**{k: v for k, v in {**SMALL, **changes}.items() if k in known})
    made = registry.algorithm(name).build(config, Echo())
    return made, made.init(jax.random.key(0))


def collected(made, state):
    """Rows of a rollout, and who is there in them: agent 1 leaves in the middle of each episode."""
    source = made.source
    flow = rollout.start(Echo(), made.policy.start(), jax.random.key(1), source.num_envs)
    act = partial(source.explore, state)
    rows = rollout.collect(Echo(), act, made.policy.start(), flow, jax.random.key(2), source.num_steps)[1]
    step = jnp.arange(rows.first.shape[0])[:, None] - jax.lax.cummax(
        jnp.where(rows.first, jnp.arange(rows.first.shape[0])[:, None], 0)
    )
    there = jnp.stack([jnp.ones_like(step, bool), step < 2], -1)
    return rows, there


def learnt(made, state, rows):
    return jax.device_get(made.weights(jax.jit(made.learn)(state, rows, jax.random.key(3))[0]))


def same(a, b):
    return all(np.array_equal(x, y) for x, y in zip(jax.tree.leaves(a), jax.tree.leaves(b), strict=True))


@pytest.mark.parametrize(("name", "changes"), PARAMETERS)
def test_with_the_teams_reward_who_has_left_is_as_who_stays_with_one_legal_action(name, changes):
    made, state = learner(name, **changes)
    rows, there = collected(made, state)
    only = there[..., None] | (jnp.arange(3) == 1)
    forced = rows._replace(
        timestep=rows.timestep._replace(legal=only),
        actions=jnp.where(there[:-1], rows.actions, 1),
    )
    nothing = there[..., None] & rows.timestep.legal
    one = learnt(made, state, forced)
    left = rows.timestep._replace(active=there, legal=only)
    assert same(learnt(made, state, rows._replace(timestep=left)), one)
    # Where nothing is legal to it any more, it is as one that can do the first action alone.
    first = there[..., None] | (jnp.arange(3) == 0)
    forced = rows._replace(
        timestep=rows.timestep._replace(legal=first),
        actions=jnp.where(there[:-1], rows.actions, 0),
    )
    gone = rows._replace(timestep=left._replace(legal=nothing))
    assert same(learnt(made, state, gone), learnt(made, state, forced))
    assert not same(one, learnt(made, state, rows))


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("ippo", {"gae_lambda": 1.0}),
        *(
            pytest.param(*case, marks=IN_CI)
            for case in [
                ("mappo", {}),
                ("iql", {"td_lambda": 1.0}),
                ("iql", {"n_step": 3}),
                ("madqn", {}),
                ("pqn_iql", {}),
                ("a2c", {}),
            ]
        ),
    ],
    ids=str,
)
def test_with_its_own_reward_nothing_reaches_an_agent_that_has_left(name, changes):
    """Neither what it is paid later, nor what it would have seen and done."""
    made, state = learner(name, reward="own", **changes)
    rows, there = collected(made, state)
    now = rows.timestep._replace(active=there)
    # The reward of a row belongs to the action before it.
    late = ~jnp.concatenate([there[:1], there[:-1]])[..., None]
    seen = ~there[..., None] & jnp.ones((1, 1, 1, now.observation.shape[-1]), bool)
    other = now._replace(
        reward=now.reward + 100 * late[..., 0] * jnp.array([0, 1]),
        observation=jnp.where(seen, 5.0, now.observation),
    )
    one, two = (learnt(made, state, rows._replace(timestep=x)) for x in (now, other))
    assert late.any()
    assert same(one, two)


@pytest.mark.parametrize("sees", ["observation", "state", "both"])
def test_a_critic_that_remembers_is_refused(sees):
    with pytest.raises(UserError, match="critic's network remembers"):
        learner("ippo", critic_network="gru", critic=sees)
