"""Episodes one by one: what ended, where, and that they add up to the tally."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from qflock.playing import rollout
from tests.tiny import Count


@pytest.fixture(scope="module")
def stretches():
    """Rows, tally and episodes of two successive stretches of 5 copies; lengths vary from 1 to 3."""
    env, copies = Count(), 5
    act = lambda memory, now, key: (memory, jnp.zeros((copies, 1), jnp.int32), ())

    def run(flow, key):
        after, rows, tally = rollout.collect(env, act, (), flow, key, 17)
        return after, (rows, tally, rollout.episodes(env, flow.running, rows))

    flow = rollout.start(env, (), jax.random.key(0), copies)
    run = jax.jit(run)
    flow, one = run(flow, jax.random.key(1))
    return jax.device_get((one, run(flow, jax.random.key(2))[1]))


def test_every_episode_is_told_where_it_ends_with_its_own_sums(stretches):
    told = 0
    for rows, _, episodes in stretches:
        np.testing.assert_array_equal(episodes.ended, rows.timestep.over[1:] & rows.valid)
        for t, b in zip(*np.nonzero(episodes.ended), strict=True):
            length = int(rows.timestep.observation[t + 1, b, 0, 2])
            assert episodes.length[t, b] == length
            assert episodes.episode_return[t, b] == sum(range(1, length + 1))
            expected = sum(0.99**k * (k + 1) for k in range(length))
            assert episodes.discounted[t, b] == pytest.approx(expected, rel=1e-6)
            told += 1
    assert told > 30


def test_episodes_add_up_to_the_tally(stretches):
    for _, tally, episodes in stretches:
        over_ended = lambda x, ended=episodes.ended: x[ended].sum()
        assert episodes.ended.sum() == tally.episodes
        assert over_ended(episodes.length) == tally.length
        assert over_ended(episodes.episode_return) == pytest.approx(tally.episode_return)
        assert over_ended(episodes.discounted) == pytest.approx(tally.discounted, rel=1e-5)
