"""The rollout's stream of rows: who follows whom, what is first, what is valid, what is counted."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.playing import rollout
from tests.tiny import Count


@pytest.fixture(scope="module")
def stretches():
    """Two successive stretches of 5 copies; the memory counts the agent's steps in the episode."""
    env, copies = Count(), 5

    def act(memory, now, key):
        return memory + 1, jnp.zeros((copies, 1), jnp.int32), {"memory": memory}

    start = jnp.zeros(1, jnp.int32)  # one agent
    run = jax.jit(lambda flow, key: rollout.collect(env, act, start, flow, key, 40))
    flow = rollout.start(env, start, jax.random.key(0), copies)
    flow, one, tally_one = run(flow, jax.random.key(1))
    flow, two, tally_two = run(flow, jax.random.key(2))
    return jax.device_get((one, two, tally_one, tally_two))


def test_the_next_row_is_the_true_next(stretches):
    rows = stretches[0]
    seen = rows.timestep.observation[:, :, 0].astype(int)
    over = rows.timestep.over
    for t in range(40):
        for b in range(5):
            episode, step, length = seen[t, b]
            if over[t, b]:
                assert seen[t + 1, b, 1] == 0
                assert rows.first[t + 1, b]
                assert rows.timestep.reward[t + 1, b, 0] == 0
            else:
                assert tuple(seen[t + 1, b]) == (episode, step + 1, length)
                assert rows.timestep.reward[t + 1, b, 0] == step + 1
                assert not rows.first[t + 1, b]


def test_ends_keep_their_own_observation_and_their_sort(stretches):
    rows = stretches[0]
    seen = rows.timestep.observation[:, :, 0].astype(int)
    at_end = seen[..., 1] == seen[..., 2]
    np.testing.assert_array_equal(rows.timestep.over, at_end)
    np.testing.assert_array_equal(rows.timestep.terminated, at_end & (seen[..., 0] % 2 == 1))
    assert rows.timestep.terminated.any()
    assert rows.timestep.truncated.any()
    np.testing.assert_array_equal(rows.valid, ~at_end[:-1])


def test_stretches_join(stretches):
    one, two = stretches[:2]
    for last, first in zip(jax.tree.leaves(one.timestep), jax.tree.leaves(two.timestep), strict=True):
        np.testing.assert_array_equal(last[-1], first[0])
    np.testing.assert_array_equal(one.first[-1], two.first[0])


def test_memory_is_fresh_exactly_at_first_rows(stretches):
    for rows in stretches[:2]:
        step = rows.timestep.observation[:-1, :, 0, 1]
        np.testing.assert_array_equal(rows.extras["memory"][..., 0], step)  # counts since the reset
        np.testing.assert_array_equal(rows.memory[:, 0], step[0])


def test_tally_counts_what_the_rows_show(stretches):
    for rows, tally in zip(stretches[:2], stretches[2:], strict=True):
        ended = rows.timestep.over[1:] & rows.valid
        length = rows.timestep.observation[1:, :, 0, 2][ended]
        assert tally.env_steps == rows.valid.sum()
        assert tally.episodes == ended.sum()
        assert tally.length == length.sum()
        returns = {1: 1.0, 2: 3.0, 3: 6.0}
        discounted = {1: 1.0, 2: 1 + 0.99 * 2, 3: 1 + 0.99 * 2 + 0.99**2 * 3}
        assert tally.episode_return == sum(returns[n] for n in length)
        np.testing.assert_allclose(tally.discounted, sum(discounted[n] for n in length), rtol=1e-5)
