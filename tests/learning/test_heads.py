"""Action heads of a Box: densities, entropies and modes against SciPy and by integration."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import scipy.stats
from jax.test_util import check_grads

from qflock.core import Box, Choices
from qflock.core.errors import UserError
from qflock.learning import actions

BOX = Box(2, (-1.0, 0.0), (1.0, 5.0))
NONE = jnp.ones((0,), bool)


@pytest.mark.parametrize("head", ["gaussian", "beta"])
@pytest.mark.parametrize("outputs", [[0.3, -0.2, 0.1, -0.5], [1.5, 0.0, -1.0, 0.4]])
def test_densities_integrate_to_one_and_give_the_entropy(head, outputs):
    kind = actions.of(Box(1, (0.0,), (5.0,)), head)
    outputs = jnp.array(outputs[::2])
    places = jnp.linspace(0, 5, 40_001)[1:-1, None]
    logs = jax.vmap(lambda a: kind.log_prob(outputs, NONE, a))(places)
    mass = np.trapezoid(np.exp(logs), places[:, 0])
    assert mass == pytest.approx(1.0, abs=2e-3)
    entropy = -np.trapezoid(np.exp(logs) * logs, places[:, 0])
    assert kind.entropy(outputs, NONE) == pytest.approx(entropy, abs=5e-3)


def test_the_beta_density_is_scipys():
    kind = actions.of(BOX, "beta")
    outputs, chosen = jnp.array([0.5, -1.0, 2.0, 0.3]), np.array([0.25, 4.0])
    a, b = np.split(1 + np.log1p(np.exp(outputs)), 2)
    wanted = scipy.stats.beta.logpdf([0.625, 0.8], a, b) - np.log([2.0, 5.0])
    assert kind.log_prob(outputs, NONE, chosen) == pytest.approx(wanted.sum(), rel=1e-5)


@pytest.mark.parametrize("head", ["gaussian", "beta"])
def test_samples_lie_inside_and_follow_the_density(head):
    kind = actions.of(BOX, head)
    outputs = jnp.array([0.4, -0.3, -0.2, 0.1])
    drawn = jax.vmap(lambda k: kind.sample(k, outputs, NONE))(jax.random.split(jax.random.key(0), 20_000))
    assert ((drawn > jnp.array(BOX.low)) & (drawn < jnp.array(BOX.high))).all()
    estimate = -jax.vmap(lambda a: kind.log_prob(outputs, NONE, a))(drawn).mean()
    assert kind.entropy(outputs, NONE) == pytest.approx(float(estimate), abs=0.03)


@pytest.mark.parametrize("head", ["gaussian", "beta"])
def test_log_probabilities_and_gradients_are_finite_at_the_bounds(head):
    kind = actions.of(BOX, head)
    outputs = jnp.array([4.0, -4.0, 3.0, -8.0])
    for edge in (BOX.low, BOX.high):
        value, slope = jax.value_and_grad(lambda o, e=edge: kind.log_prob(o, NONE, jnp.array(e)))(outputs)
        assert np.isfinite(value)
        assert np.isfinite(slope).all()


@pytest.mark.parametrize("head", ["gaussian", "beta"])
def test_the_mode_lies_inside_and_random_actions_fill_the_box(head):
    kind = actions.of(BOX, head)
    best = kind.mode(jnp.array([0.7, -0.7, 0.2, 0.2]), NONE)
    assert (best > jnp.array(BOX.low)).all()
    assert (best < jnp.array(BOX.high)).all()
    drawn = kind.random(jax.random.key(1), jnp.ones((4_000, 3, 0), bool))
    assert drawn.shape == (4_000, 3, 2)
    np.testing.assert_allclose(drawn.mean((0, 1)), [0.0, 2.5], atol=0.08)
    np.testing.assert_allclose(kind.encode(jnp.array([1.0, 0.0])), [1.0, -1.0])


def test_heads_that_are_not_there_are_one_clear_line():
    with pytest.raises(UserError, match="unknown action head 'gausian'; did you mean 'gaussian'"):
        actions.of(BOX, "gausian")
    with pytest.raises(UserError, match="action head beta is not for a choice among discrete actions"):
        actions.of(Choices(3), "beta")


def test_choices_are_as_they_were():
    kind = actions.of(Choices(3, ("a", "b", "c")))
    assert kind.outputs == kind.encoded == 3
    np.testing.assert_array_equal(kind.encode(kind.none(2)), np.zeros((2, 3)))
    assert kind.zeros(4).dtype == jnp.int32
    assert actions.of(Choices(200)).stored == jnp.int32


@pytest.mark.slow
@pytest.mark.ci_slow
@pytest.mark.parametrize("head", ["gaussian", "beta", "categorical"])
def test_gradients_are_finite_differences(head):
    """Of the log-probability, inside and at a bound, of the entropy, and of both numbers of a picture."""
    with jax.enable_x64(True):
        kind = actions.of(Choices(4) if head == "categorical" else BOX, head)
        outputs = jnp.array([0.3, -0.6, 0.2, -0.4])
        legal = jnp.array([True, True, False, True]) if head == "categorical" else NONE
        places = [0, 3] if head == "categorical" else [[0.3, 4.0], [1.0, 0.0], [-1.0, 5.0]]
        functions = [lambda o, p=place: kind.log_prob(o, legal, jnp.array(p)) for place in places]
        functions += [lambda o: kind.entropy(o, legal), lambda o: kind.normalised_entropy(o, legal)]
        functions.append(lambda o: kind.shown(o).sum())
        for function in functions:
            check_grads(function, (outputs,), order=1, modes=["rev"], atol=1e-5, rtol=1e-5)


@pytest.mark.parametrize("head", ["gaussian", "beta"])
def test_what_is_shown_is_the_mode_and_the_deviation_of_what_is_drawn(head):
    kind, outputs = actions.of(BOX, head), jnp.array([0.4, -0.3, -0.2, 0.1])
    drawn = jax.vmap(lambda k: kind.sample(k, outputs, NONE))(jax.random.split(jax.random.key(0), 20_000))
    shown = kind.shown(outputs)
    np.testing.assert_allclose(shown[:2], kind.mode(outputs, NONE), rtol=1e-6)
    np.testing.assert_allclose(shown[2:], drawn.std(0), rtol=0.03)


@pytest.mark.parametrize("head", ["gaussian", "beta"])
def test_the_normalised_entropy_is_1_for_even_play_and_falls_to_0(head):
    kind = actions.of(BOX, head)
    at = lambda *outputs: float(kind.normalised_entropy(jnp.array(outputs), NONE))
    even = at(0.0, 0.0, -0.14, -0.14) if head == "gaussian" else at(*[-30.0] * 4)
    assert even == pytest.approx(1.0, abs=0.05)
    sharp = at(0.0, 0.0, -5.0, -5.0) if head == "gaussian" else at(*[1e5] * 4)
    assert 0 < sharp < 0.05


def test_the_mass_beyond_a_bound_is_shared_by_the_actions_at_it():
    """The gaussian's density integrates to one though most of it is rounded to the bounds."""
    kind = actions.of(Box(1, (-1.0,), (1.0,)), "gaussian")
    outputs = jnp.array([6.0, 0.0])
    inside = 1 - np.geomspace(2.0, 1e-7, 200_001)[1:, None]
    mass = np.trapezoid(np.exp(jax.vmap(lambda a: kind.log_prob(outputs, NONE, a))(inside)), inside[:, 0])
    assert mass == pytest.approx(1.0, abs=5e-3)
