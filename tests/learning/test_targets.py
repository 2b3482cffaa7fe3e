"""Targets against loops that follow the definitions, on rows that pack several episodes."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflock.learning import targets


def loop_lambda(reward, bootstrap, terminated, over, discount, lam):
    """The recursion of Peng and Williams 1996, read word for word."""
    out = np.zeros_like(reward)
    for t in reversed(range(len(reward))):
        last = t == len(reward) - 1
        mix = 0.0 if over[t] or last else lam
        later = 0.0 if last else out[t + 1]
        value = (1 - mix) * bootstrap[t] + mix * later
        out[t] = reward[t] + discount * (0.0 if terminated[t] else 1.0) * value
    return out


def loop_n_step(reward, bootstrap, terminated, over, discount, n):
    """Walk forward from every row until n rewards, the episode's end or the row's end."""
    out = np.zeros_like(reward)
    for t in range(len(reward)):
        total, weight = 0.0, 1.0
        for k in range(t, min(t + n, len(reward))):
            total += weight * reward[k]
            weight *= discount
            if terminated[k]:
                weight = 0.0
            if over[k] or k == len(reward) - 1 or k == t + n - 1:
                total += weight * bootstrap[k]
                break
        out[t] = total
    return out


@st.composite
def packed_rows(draw):
    length = draw(st.integers(1, 9))
    numbers = st.lists(st.floats(-2, 2, width=32), min_size=length, max_size=length)
    ends = draw(
        st.lists(st.sampled_from(["", "", "terminated", "truncated"]), min_size=length, max_size=length)
    )
    terminated = np.array([e == "terminated" for e in ends])
    over = np.array([e != "" for e in ends])
    return np.array(draw(numbers)), np.array(draw(numbers)), terminated, over


@settings(max_examples=200)
@given(packed_rows(), st.floats(0, 1), st.floats(0, 1))
def test_lambda_returns_equal_the_loop(rows, discount, lam):
    with jax.disable_jit():
        got = targets.lambda_returns(*map(jnp.asarray, rows), discount, lam)
    np.testing.assert_allclose(got, loop_lambda(*rows, discount, lam), atol=1e-5)


@settings(max_examples=200)
@given(packed_rows(), st.floats(0, 1), st.integers(1, 6))
def test_n_step_equals_the_loop(rows, discount, n):
    got = targets.n_step(*map(jnp.asarray, rows), discount, n)
    np.testing.assert_allclose(got, loop_n_step(*rows, discount, n), atol=1e-5)


def test_two_episodes_in_one_row():
    """Three-step chain that terminates, then another episode: nothing leaks across the border."""
    reward = jnp.array([0.0, 0.0, 5.0, 99.0, 1.0])  # row 3 is the terminal row, its action never taken
    bootstrap = jnp.array([10.0, 20.0, 30.0, 40.0, 50.0])
    terminated = jnp.array([False, False, True, False, False])
    target = targets.lambda_returns(reward, bootstrap, terminated, terminated, 0.9, 1.0)
    assert target[2] == 5.0  # exactly r at the terminal
    np.testing.assert_allclose(target[:2], [0.81 * 5, 0.9 * 5], rtol=1e-6)
    np.testing.assert_allclose(target[4], 1 + 0.9 * 50)  # r + gamma Q at the end of the row


@pytest.mark.parametrize("lam", [0.0, 0.5, 1.0])
def test_truncation_bootstraps_from_its_own_observation(lam):
    reward, bootstrap = jnp.array([1.0, 2.0, 3.0]), jnp.array([10.0, 20.0, 30.0])
    over = jnp.array([False, True, False])
    target = targets.lambda_returns(reward, bootstrap, jnp.zeros(3, bool), over, 0.5, lam)
    assert target[1] == 2 + 0.5 * 20
