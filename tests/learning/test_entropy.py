"""Controllers of the entropy weight: closed forms on generated entropies."""

from __future__ import annotations

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings

from qflock.learning import entropy

ENTROPIES = st.lists(st.floats(0, 1, width=32), min_size=12, max_size=12)


def weights(kind, seen, **changed):
    """alpha before each update and after the last."""
    controller = entropy.make(kind, **changed)

    def tick(state, h):
        return controller.update(state, h), controller.alpha(state)

    state, alphas = jax.jit(lambda x: jax.lax.scan(tick, controller.init(), x))(jnp.array(seen, jnp.float32))
    return np.append(alphas, controller.alpha(state))


@settings(max_examples=50)
@given(seen=ENTROPIES)
def test_closed_forms(seen):
    settings_ = {"alpha0": 0.2, "alpha_min": 0.03, "decay": 0.15}
    h, t = np.array(seen), np.arange(13)
    np.testing.assert_allclose(weights("constant", seen, **settings_), 0.2, rtol=1e-6)
    decayed = np.maximum(0.03, 0.2 * np.exp(-0.15 * t))
    np.testing.assert_allclose(weights("exponential", seen, **settings_), decayed, rtol=1e-5)
    clock = np.append(0, np.cumsum(np.sqrt(1 - h**2)))
    expected = np.maximum(0.03, 0.2 * np.exp(-0.15 * clock))
    np.testing.assert_allclose(weights("quantum_inspired", seen, **settings_), expected, rtol=1e-4)


@settings(max_examples=50)
@given(seen=ENTROPIES)
def test_target_follows_its_equation_within_bounds(seen):
    found = weights("target", seen, alpha0=0.2, alpha_min=0.1, alpha_max=0.3, rate=0.5, target_clock=4.0)
    clock, log_alpha = 0.0, np.log(0.2)
    for k, h in enumerate(seen):
        assert found[k] == pytest.approx(np.exp(log_alpha), rel=1e-4)
        wanted = 0.9 - 0.85 * min(clock / 4.0, 1.0)
        log_alpha = np.clip(log_alpha + 0.5 * (wanted - h), np.log(0.1), np.log(0.3))
        clock += max(0.05, np.sqrt(1 - h**2))


def test_the_signs_of_feedback():
    """Lower entropy lowers the quantum-inspired weight faster, and raises the target's."""
    low, high = [0.2] * 12, [0.95] * 12
    quick = {"decay": 0.1}
    assert weights("quantum_inspired", low, **quick)[-1] < weights("quantum_inspired", high, **quick)[-1]
    assert weights("target", low, rate=0.1)[-1] > weights("target", high, rate=0.1)[-1]


def test_a_random_policy_stops_the_clock_and_a_certain_one_makes_it_exponential():
    quick = {"decay": 0.1}
    np.testing.assert_allclose(weights("quantum_inspired", [1.0] * 12, **quick), 0.1, rtol=1e-6)
    np.testing.assert_allclose(
        weights("quantum_inspired", [0.0] * 12, **quick),
        weights("exponential", [0.0] * 12, **quick),
        rtol=1e-6,
    )


def test_rounding_above_one_is_harmless():
    assert np.isfinite(weights("quantum_inspired", [1.0 + 1e-6] * 3)).all()
