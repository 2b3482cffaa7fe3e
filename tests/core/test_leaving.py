"""The one rule for agents that leave, on rows worked out by hand."""

from __future__ import annotations

from dataclasses import replace

import jax.numpy as jnp
import numpy as np

from qflock.core.spec import Spec
from qflock.core.steps import Rows, TimeStep

SPEC = Spec("by_hand", agents=2, actions=3, observation=1, state=1, horizon=4)


def rows(**changes):
    """Agent 1 leaves with the second of three steps; the third ends the episode; then a new one begins."""
    over = jnp.array([0, 0, 0, 1, 0], bool)[:, None]
    timestep = TimeStep(
        observation=jnp.zeros((5, 1, 2, 1)),
        state=jnp.zeros((5, 1, 1)),
        legal=jnp.array([[[1, 1, 1], [0, 1, 1]]] * 5, bool)[:, None],
        active=jnp.array([[1, 1], [1, 1], [1, 0], [1, 0], [1, 1]], bool)[:, None],
        reward=jnp.array([[0, 0], [1, 2], [3, 4], [5, 6], [0, 0]], jnp.float32)[:, None],
        terminated=over,
        truncated=jnp.zeros_like(over),
        measures={},
    )
    taken = jnp.array([[0, 1], [1, 2], [2, 2], [0, 1]])[:, None]
    return Rows(timestep._replace(**changes), taken, jnp.zeros((5, 1), bool), (), ())


def each(step):
    return [np.asarray(x)[:, 0].tolist() for x in step]


def test_with_the_teams_reward_an_agents_value_goes_on_after_it_has_left():
    reward, terminated, over, mask = each(rows().of_agents(SPEC, "team"))
    assert reward[:3] == [[3, 3], [7, 7], [11, 11]]
    assert terminated == over == [[0, 0], [0, 0], [1, 1], [0, 0]]
    assert mask == [[1, 1], [1, 1], [1, 1], [0, 0]]


def test_with_its_own_reward_leaving_is_an_agents_end():
    reward, terminated, over, mask = each(rows().of_agents(SPEC, "own"))
    assert reward[:2] == [[1, 2], [3, 4]]
    assert terminated[:3] == over[:3] == [[0, 0], [0, 1], [1, 1]]
    assert mask == [[1, 1], [1, 1], [1, 0], [0, 0]]


def test_where_all_are_paid_the_same_their_own_reward_is_the_teams():
    shared = replace(SPEC, shared_reward=True)
    own, team = (each(rows().of_agents(shared, reward)) for reward in ("own", "team"))
    assert own == team
    assert own[0][:3] == [[1, 1], [3, 3], [5, 5]]  # agent 0's


def test_each_agent_has_the_reward_of_its_team():
    rivals = replace(SPEC, teams=(1, 0))
    assert each(rows().of_agents(rivals))[0][:3] == [[1, 2], [3, 4], [5, 6]]


def test_the_team_goes_on_until_the_episode_ends():
    reward, terminated, over, mask = each(rows().of_team(SPEC))
    assert (reward[:3], terminated, over) == ([3, 7, 11], [0, 0, 1, 0], [0, 0, 1, 0])
    assert mask == [1, 1, 1, 0]


def test_whoever_has_left_or_has_one_legal_action_chooses_nothing():
    forced = rows().timestep.legal.at[1, 0, 0].set(jnp.array([0, 1, 0], bool))
    assert np.asarray(rows(legal=forced).chosen)[:, 0].tolist() == [[1, 1], [0, 1], [1, 0], [0, 0]]
    box = rows(legal=jnp.zeros((5, 1, 2, 0), bool))
    assert np.asarray(box.chosen)[:, 0].tolist() == [[1, 1], [1, 1], [1, 0], [0, 0]]
    assert box.timestep.options.shape == (5, 1, 2, 0)


def test_an_agent_that_has_left_is_one_with_one_legal_action():
    now = rows().before
    assert now.options[:, 0, 1].tolist() == [[0, 1, 1], [0, 1, 1], [0, 1, 0], [0, 1, 0]]
    assert (now.options[:, :, 0] == now.legal[:, :, 0]).all()
    assert now.settled(rows().actions)[:, 0].tolist() == [[0, 1], [1, 2], [2, 1], [0, 1]]
    nothing = now._replace(legal=now.legal & now.active[..., None])
    assert nothing.options[2, 0, 1].tolist() == [1, 0, 0]
    assert nothing.settled(rows().actions)[2, 0].tolist() == [2, 0]
