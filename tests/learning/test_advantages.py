"""Advantages on packed streams against plain loops over episodes; value normalisation."""

from __future__ import annotations

import hypothesis.strategies as st
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from qflock.learning import advantages
from qflock.learning.advantages import Scale
from qflock.playing import rollout
from tests.tiny import Count

T = 12


@st.composite
def streams(draw):
    """A stream of rows: (over, terminated) of T+1 rows, rewards of T steps, values of T+1 rows."""
    kinds = draw(st.lists(st.sampled_from("....et"), min_size=T + 1, max_size=T + 1))
    kinds = [k if i == 0 or kinds[i - 1] == "." else "." for i, k in enumerate(kinds)]  # a restart follows
    number = st.floats(-5, 5, width=32)
    reward = draw(st.lists(number, min_size=T, max_size=T))
    value = draw(st.lists(number, min_size=T + 1, max_size=T + 1))
    return kinds, np.array(reward, np.float32), np.array(value, np.float32)


def by_hand(kinds, reward, value, discount, lambda_):
    """Sum over k of (discount lambda)^k delta, walking each episode forwards from each row."""
    found = np.full(T, np.nan)
    for start in range(T):
        if kinds[start] != ".":
            continue  # its episode is over: no action was taken
        total, factor, t = 0.0, 1.0, start
        while t < T and kinds[t] == ".":
            bootstrap = 0.0 if kinds[t + 1] == "t" else value[t + 1]  # t: terminated, e: truncated
            total += factor * (reward[t] + discount * bootstrap - value[t])
            factor *= discount * lambda_
            t += 1
        found[start] = total
    return found


@pytest.mark.slow
@pytest.mark.ci_slow
@settings(max_examples=200)
@given(stream=streams(), discount=st.sampled_from([0.0, 0.9, 1.0]), lambda_=st.sampled_from([0.0, 0.7, 1.0]))
def test_gae_on_packed_streams(stream, discount, lambda_):
    kinds, reward, value = stream
    over, terminated = (np.array([k in which for k in kinds[1:]]) for which in ("et", "t"))
    found = advantages.gae(*map(jnp.asarray, (reward, value, terminated, over)), discount, lambda_)
    expected = by_hand(kinds, reward, value, discount, lambda_)
    valid = ~np.isnan(expected)
    np.testing.assert_allclose(np.asarray(found)[valid], expected[valid], atol=1e-4)


def test_gae_on_a_real_rollout():
    """Count pays t + 1 at step t and ends after 1 to 3 steps; odd episodes terminate."""
    import jax

    env = Count()
    act = lambda memory, now, key: (memory, jnp.zeros((5, 1), jnp.int32), ())
    flow = rollout.start(env, (), jax.random.key(0), 5)
    rows = rollout.collect(env, act, (), flow, jax.random.key(1), T)[1]
    later = jax.tree.map(lambda x: x[1:], rows.timestep)
    value = jnp.sin(rows.timestep.observation[..., 0, 0]) + rows.timestep.observation[..., 0, 1]
    found = advantages.gae(later.reward[..., 0], value, later.terminated, later.over, 0.9, 0.8)
    for copy in range(5):
        ends = [
            (bool(a), bool(b))
            for a, b in zip(rows.timestep.terminated[:, copy], rows.timestep.over[:, copy], strict=True)
        ]
        kinds = ["t" if a else "e" if b else "." for a, b in ends]
        expected = by_hand(kinds, np.asarray(later.reward[:, copy, 0]), np.asarray(value[:, copy]), 0.9, 0.8)
        np.testing.assert_array_equal(~np.isnan(expected), rows.valid[:, copy])
        valid = ~np.isnan(expected)
        np.testing.assert_allclose(found[:, copy][valid], expected[valid], atol=1e-4)
    assert rows.timestep.terminated.any()
    assert rows.timestep.truncated.any()


def test_standardised_advantages_ignore_masked_ones():
    x, weight = jnp.array([1.0, 2.0, 3.0, 1e6, jnp.nan]), jnp.array([1.0, 1.0, 1.0, 0.0, 0.0])
    out = advantages.standardise(x, weight)[:3]
    np.testing.assert_allclose(out, (np.array([1, 2, 3]) - 2) / np.std([1, 2, 3]), rtol=1e-5)
    assert advantages.masked_mean(x, jnp.zeros(5)) == 0


def test_scale_has_the_moments_of_what_it_saw():
    rng = np.random.default_rng(0)
    scale = Scale.start()
    x = rng.normal(3, 2, 50).astype(np.float32)
    np.testing.assert_array_equal(scale.normalise(x), x)
    scale = scale.update(x, np.ones(50))
    np.testing.assert_allclose(scale.moments(), (x.mean(), x.std()), rtol=1e-4)
    for _ in range(600):
        scale = scale.update(x + 10, np.ones(50))
    mean, deviation = scale.moments()
    assert mean == pytest.approx(x.mean() + 10, rel=1e-2)
    assert deviation == pytest.approx(x.std(), rel=0.05)
    np.testing.assert_allclose(scale.restore(scale.normalise(x)), x, atol=1e-4)
    masked = Scale.start().update(jnp.array([1.0, 3.0, 1e9]), jnp.array([1.0, 1.0, 0.0]))
    np.testing.assert_allclose(masked.moments(), (2.0, 1.0), rtol=1e-4)
