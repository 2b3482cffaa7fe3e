"""Masked categorical policies against plain NumPy, and at extremes."""

from __future__ import annotations

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays
from scipy.stats import chisquare

from qflock.learning import categorical


@settings(max_examples=100)
@given(
    logits=arrays(np.float32, (3, 4), elements=st.floats(-20, 20, width=32)),
    other=arrays(np.float32, (3, 4), elements=st.floats(-20, 20, width=32)),
    legal=arrays(bool, (3, 4)),
)
def test_against_numpy(logits, other, legal):
    legal[:, 0] = True

    def reference(x):
        e = np.where(
            legal, np.exp(x.astype(np.float64) - x.max(-1, keepdims=True, where=legal, initial=-99)), 0
        )
        return e / e.sum(-1, keepdims=True)

    p, q = reference(logits), reference(other)
    log = lambda x: np.log(np.where(x > 0, x, 1))
    np.testing.assert_allclose(np.exp(categorical.log_probabilities(logits, legal)), p, atol=1e-6)
    nats = -(p * log(p)).sum(-1)
    np.testing.assert_allclose(categorical.entropy(logits, legal), nats, atol=1e-5)
    count = legal.sum(-1)
    share = np.where(count == 1, 1.0, nats / np.log(np.maximum(count, 2)))
    np.testing.assert_allclose(categorical.normalised_entropy(logits, legal), share, atol=1e-5)
    np.testing.assert_allclose(
        categorical.kl(logits, other, legal), (p * (log(p) - log(q))).sum(-1), rtol=1e-4, atol=1e-4
    )
    best = categorical.mode(logits, legal)
    assert (np.take_along_axis(p, np.asarray(best)[:, None], -1)[:, 0] >= p.max(-1) - 1e-6).all()
    chosen = categorical.log_prob(logits, legal, best)
    np.testing.assert_allclose(np.exp(chosen), p.max(-1), atol=1e-6)


def test_samples_follow_the_policy_and_are_legal():
    logits, legal = jnp.array([1.0, 5.0, 0.0, -1.0]), jnp.array([True, False, True, True])
    drawn = jax.vmap(lambda k: categorical.sample(k, logits, legal))(
        jax.random.split(jax.random.key(0), 5000)
    )
    counts = np.bincount(drawn, minlength=4)
    assert counts[1] == 0
    expected = np.exp(np.asarray(categorical.log_probabilities(logits, legal), float))[[0, 2, 3]]
    assert chisquare(counts[[0, 2, 3]], expected * counts.sum() / expected.sum()).pvalue > 1e-3


def test_gradients_are_finite_at_extremes():
    logits = jnp.array([[1e4, -1e4, 0.0], [0.0, 0.0, 0.0], [-1e4, -1e4, -1e4]])
    legal = jnp.array([[True, True, False], [True, True, True], [False, False, True]])
    for function in (categorical.entropy, categorical.normalised_entropy):
        assert np.isfinite(jax.grad(lambda x, f=function: f(x, legal).sum())(logits)).all()
    action = jnp.array([1, 0, 2])
    assert np.isfinite(jax.grad(lambda x: categorical.log_prob(x, legal, action).sum())(logits)).all()
    assert np.isfinite(jax.grad(lambda x: categorical.kl(x, -x, legal).sum())(logits)).all()
