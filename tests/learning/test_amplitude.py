"""The operator Q: properties on generated policies, the published map, gradients, rotation, diagnostic."""

from __future__ import annotations

import itertools

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from qflock.learning import amplitude, categorical

ROWS, ACTIONS = 4, 5  # one shape, so that everything compiles once


@st.composite
def choices(draw, size=8.0):
    """Logits (4, 5) and legal masks with at least one legal action a row."""
    number = st.floats(-size, size, width=32)
    logits = draw(arrays(np.float32, (ROWS, ACTIONS), elements=number))
    legal = draw(arrays(bool, (ROWS, ACTIONS)))
    always = draw(arrays(np.int64, ROWS, elements=st.integers(0, ACTIONS - 1)))
    legal[np.arange(ROWS), always] = True
    return logits, legal


ETAS = st.sampled_from([0.0, 0.1, 0.5, 1.0])
FLOORS = st.sampled_from([0.0, 0.05, 0.3, 0.6, 0.9])
operator = jax.jit(amplitude.apply, static_argnames="floor")
control = jax.jit(lambda *given: amplitude.temperature(*given))
softmax = lambda logits, legal: np.exp(np.asarray(categorical.log_probabilities(logits, legal), np.float64))


def share_of_entropy(p, legal):
    """Normalised entropy in double precision."""
    nats = -np.where(p > 0, p * np.log(np.where(p > 0, p, 1)), 0).sum(-1)
    count = legal.sum(-1)
    return np.where(count == 1, 1.0, nats / np.log(np.maximum(count, 2)))


def published(logits, legal, eta):
    """The published map in double precision; also whether it clamps."""
    x = np.where(legal, logits.astype(np.float64), -np.inf)
    p = np.exp(x - x.max(-1, keepdims=True))
    p /= p.sum(-1, keepdims=True)
    a = np.sqrt(p)
    mean = np.where(legal, a, 0).sum(-1, keepdims=True) / legal.sum(-1, keepdims=True)
    new = np.where(legal, a + eta * (a - mean), 0)
    clamps = (legal & (new < 1e-4)).any(-1)
    new = np.where(legal, np.maximum(new, 1e-8), 0)
    return new**2 / (new**2).sum(-1, keepdims=True), clamps, p


@settings(max_examples=200)
@given(case=choices(), eta=ETAS, floor=FLOORS)
def test_a_policy_comes_out_and_it_meets_the_floor(case, eta, floor):
    logits, legal = case
    out = operator(logits, legal, eta, floor)
    p = np.exp(np.asarray(out.logits, np.float64))
    np.testing.assert_allclose(p.sum(-1), 1, atol=1e-5)
    assert (p[~legal] == 0).all()
    np.testing.assert_allclose(p, softmax(out.logits, legal), atol=1e-5)
    assert (share_of_entropy(p / p.sum(-1, keepdims=True), legal) >= floor - 1e-5).all()


@settings(max_examples=100)
@given(case=choices(1e4))
def test_without_amplification_and_floor_it_is_the_identity(case):
    logits, legal = case
    out = operator(logits, legal, 0.0, 0.0)
    expected = categorical.log_probabilities(logits, legal)
    np.testing.assert_allclose(out.logits, expected, rtol=1e-6, atol=1e-6)
    assert not out.floored.any()


@settings(max_examples=50)
@given(case=choices(), eta=ETAS, floor=FLOORS)
def test_the_uniform_policy_is_a_fixed_point(case, eta, floor):
    legal = case[1]
    out = operator(np.zeros((ROWS, ACTIONS), np.float32), legal, eta, floor)
    np.testing.assert_allclose(np.exp(out.logits), legal / legal.sum(-1, keepdims=True), atol=1e-6)


@settings(max_examples=200)
@given(case=choices(), eta=ETAS, floor=FLOORS)
def test_the_order_is_kept_and_the_largest_never_falls(case, eta, floor):
    logits, legal = case
    before = softmax(logits, legal)
    out = operator(logits, legal, eta, floor)
    after = np.exp(np.asarray(out.logits, np.float64))
    for row in range(ROWS):
        order = np.argsort(before[row], kind="stable")
        assert (np.diff(after[row, order]) >= -1e-6).all()
    free = ~np.asarray(out.floored)
    assert (after.max(-1) >= before.max(-1) - 1e-6)[free].all()


@settings(max_examples=200)
@given(case=choices(2.0), eta=st.sampled_from([0.05, 0.1, 0.3]))
def test_the_published_map_where_neither_clamp_nor_floor_acts(case, eta):
    logits, legal = case
    expected, clamps, _ = published(logits, legal, eta)
    out = operator(logits, legal, eta, 0.05)
    plain = ~clamps & ~np.asarray(out.floored)
    np.testing.assert_allclose(np.exp(out.logits)[plain], expected[plain], atol=1e-6)


@settings(max_examples=100)
@given(case=choices(), eta=st.sampled_from([0.1, 0.5]))
def test_clamped_actions_have_the_published_probability_too(case, eta):
    logits, legal = case
    expected, _, _ = published(logits, legal, eta)
    np.testing.assert_allclose(np.exp(operator(logits, legal, eta, 0.0).logits), expected, atol=2e-6)


def test_the_temperature_multiplies_the_logits():
    logits, legal = np.array([[0.3, -1.0, 0.5]], np.float32), np.ones((1, 3), bool)
    once = amplitude.apply(2 * logits, legal, 0.1, 0.0, 1.0).logits
    np.testing.assert_allclose(amplitude.apply(logits, legal, 0.1, 0.0, 2.0).logits, once, atol=1e-6)


EXTREMES = [
    [0, 0, 0, 0, 0],
    [1e4, -1e4, -1e4, -1e4, -1e4],
    [1e4, 1e4, -1e4, 0, 0],
    [-1e4, -1e4, -1e4, -1e4, -1e4],
    [30, 0, 0, 0, 0],
    [100, 99, 0, -50, -100],
    [2.2, 0.01, 0, 0, 0],
]


@pytest.mark.parametrize("floor", ["exact", "published"])
def test_values_and_gradients_are_finite_at_extremes(floor):
    logits = np.array(EXTREMES, np.float32)
    legal = np.ones(logits.shape, bool)
    legal[1::2, 1] = False
    legal[3, :4] = False

    def loss(x, eta, least, action):
        out = amplitude.apply(x, legal, eta, least, 1.0, floor).logits
        picked = (jnp.where(legal, out, 0.0) * jax.nn.one_hot(action, 5)).sum(-1)
        return (picked + categorical.entropy(out, legal)).sum()

    both = jax.jit(jax.value_and_grad(loss))
    for eta, least, action in itertools.product([0.0, 0.1, 1.0], [0.0, 0.05, 0.9], range(5)):
        value, gradient = both(logits, eta, least, action)
        assert np.isfinite(value)
        assert np.isfinite(gradient).all()
        assert np.abs(gradient).max() <= 100


only_floor = jax.jit(lambda x, least: amplitude.apply(x, jnp.ones(4, bool), 0.0, least).logits)
floors_jacobian = jax.jit(jax.jacobian(only_floor))


@pytest.mark.parametrize("seed", range(5))
def test_the_floors_gradient_is_the_implicit_one(seed):
    """Against finite differences of a double-precision root finder."""
    from scipy.optimize import brentq

    rng = np.random.default_rng(seed)
    logits, least = rng.normal(size=4) + np.array([6, 0, 0, 0]), 0.4
    legal = np.ones(4, bool)

    def reference(x):
        p = np.exp(x - x.max())
        p /= p.sum()
        short = lambda w: share_of_entropy((1 - w) * p + w / 4, legal) - least
        w = brentq(short, 0, 1, xtol=1e-14)
        return np.log((1 - w) * p + w / 4)

    given = logits.astype(np.float32)
    np.testing.assert_allclose(only_floor(given, least), reference(logits), atol=1e-5)
    jacobian = np.asarray(floors_jacobian(given, least))
    step = 1e-5
    numeric = [(reference(logits + step * e) - reference(logits - step * e)) / (2 * step) for e in np.eye(4)]
    np.testing.assert_allclose(jacobian, np.transpose(numeric), atol=2e-3)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_clamped_actions_have_the_gradient_of_log_p():
    """Of five actions, the three least likely are clamped: the plain map would give them no gradient."""
    logits, legal = jnp.array([4.0, 3.5, -3.0, -3.5, -4.0]), jnp.ones(5, bool)
    out = amplitude.apply(logits, legal, 0.1, 0.0).logits
    assert (np.exp(out[2:]) < 1e-14).all()
    own = jax.jacobian(lambda x: amplitude.apply(x, legal, 0.1, 0.0).logits)(logits)
    log_p = jax.jacobian(lambda x: jax.nn.log_softmax(x))(logits)
    # Twice log a is log p, up to the normalisation, which is common to all actions.
    np.testing.assert_allclose(own[2] - own[3], log_p[2] - log_p[3], atol=1e-5)


def test_the_published_floor_makes_confident_policies_random():
    logits, legal = np.array([[50.0, 0, 0, 0]], np.float32), np.ones((1, 4), bool)
    p = np.exp(amplitude.apply(logits, legal, 0.1, 0.05, floor="published").logits)
    np.testing.assert_allclose(p, 0.25, atol=1e-5)
    exact = np.exp(amplitude.apply(logits, legal, 0.1, 0.05).logits)
    assert exact[0, 0] > 0.97


@settings(max_examples=100)
@given(
    case=choices(4.0),
    good=arrays(bool, (ROWS, ACTIONS)),
    turns=st.sampled_from([0.0, 0.3, 1.0, 5.0]),
    limit=st.sampled_from([0.8, 1.3, 1.5]),
)
def test_rotation_turns_the_good_set_by_the_closed_form(case, good, turns, limit):
    logits, legal = case
    logs = categorical.log_probabilities(logits, legal)
    p = softmax(logits, legal)
    after = np.exp(np.asarray(jax.jit(amplitude.rotation)(logs, legal, good, turns, limit), np.float64))
    good = good & legal
    inside = (p * good).sum(-1)
    theta = np.arcsin(np.sqrt(np.clip(inside, 0, 1)))
    wanted = np.sin(np.maximum(theta, np.minimum((2 * turns + 1) * theta, limit))) ** 2
    still = ~good.any(-1) | ~(legal & ~good).any(-1) | (turns == 0)
    wanted = np.where(still, inside, wanted)
    np.testing.assert_allclose((after * good).sum(-1), wanted, atol=2e-5)
    np.testing.assert_allclose(after[still], p[still], atol=1e-6)
    for part in (good, legal & ~good):  # inside each set, the proportions stay
        share = lambda x, part=part: (x * part) / np.maximum((x * part).sum(-1, keepdims=True), 1e-30)
        heavy = ((after * part).sum(-1) > 1e-4) & ((p * part).sum(-1) > 1e-4)
        np.testing.assert_allclose(share(after)[heavy], share(p)[heavy], atol=1e-4)


def test_rotation_has_no_gradient():
    legal = jnp.ones(3, bool)
    turned = lambda x: amplitude.rotation(
        jax.nn.log_softmax(x), legal, jnp.array([True, False, False]), 1.0, 1.3
    )
    assert (jax.jacobian(turned)(jnp.array([0.1, 0.2, 0.3])) == 0).all()


def test_the_lipschitz_diagnostic_by_hand():
    before = jnp.log(jnp.array([[0.5, 0.5], [0.75, 0.25], [0.75, 0.25]]))
    after = jnp.log(jnp.array([[0.5, 0.5], [0.875, 0.125], [0.75, 0.25]]))
    told = amplitude.lipschitz(before, after, jnp.ones((3, 2), bool))
    assert told["lipschitz_total_variation_max"] == pytest.approx(1.5, rel=1e-5)
    assert told["lipschitz_total_variation_mean"] == pytest.approx(
        1.5, rel=1e-5
    )  # the other pair is one point
    assert told["closer_total_variation"] == 0
    assert told["lipschitz_hellinger_max"] > 1


@settings(max_examples=25)
@given(choices(size=4.0), ETAS, FLOORS)
def test_the_control_is_a_temperature_of_the_operators_entropy(given, eta, least):
    logits, legal = given
    wanted = operator(logits, legal, eta, least).logits
    found = control(logits, legal, eta, least).logits
    entropy = lambda logs: np.asarray(categorical.entropy(logs, legal))
    np.testing.assert_allclose(entropy(found), entropy(wanted), atol=2e-3)
    for one, two, can in zip(
        np.asarray(found, np.float64), np.asarray(logits, np.float64), legal, strict=True
    ):
        one, two = one[can] - one[can].mean(), two[can] - two[can].mean()
        if np.abs(two).max() > 0.1:  # the logits themselves, times one number
            np.testing.assert_allclose(
                one, two * (one @ two) / (two @ two), atol=1e-3 * (1 + np.abs(one).max())
            )


def test_the_controls_gradient_is_that_of_its_values():
    logits, legal = (
        np.array([0.8, -0.3, 0.1, 1.5, 0.0], np.float32),
        np.array([True, True, True, True, False]),
    )
    value = jax.jit(lambda z: amplitude.temperature(z, legal, 0.5, 0.05).logits[0])
    slope = np.asarray(jax.jit(jax.grad(value))(logits))
    for k, way in enumerate(np.eye(5, dtype=np.float32)):
        assert slope[k] == pytest.approx(
            float(value(logits + 0.02 * way) - value(logits - 0.02 * way)) / 0.04, abs=0.01
        )
