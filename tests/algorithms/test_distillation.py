"""Distillation: weights and divergence in closed form, students that play the mixture, fair acceptance."""

from __future__ import annotations

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from qflock.algorithms.qmarl import distillation as d
from qflock.learning.categorical import NEVER

KEY = jax.random.key(0)
FINITE = st.floats(-50, 50, width=32)


def by_table(parameters, inputs):
    return jax.nn.log_softmax(parameters[inputs])


def random_tables(shape, seed=0):
    return jax.nn.log_softmax(2 * jax.random.normal(jax.random.key(seed), shape))


def test_lower_bounds_are_those_of_students_t():
    returns = np.random.default_rng(0).normal([[1], [5]], [[1], [3]], (2, 30))
    expected = [
        stats.ttest_1samp(row, 0, alternative="greater").confidence_interval(0.95).low for row in returns
    ]
    np.testing.assert_allclose(d.lower_bounds(jnp.asarray(returns)), expected, rtol=1e-5)
    with pytest.raises(ValueError, match="two episodes"):
        d.lower_bounds(jnp.ones((3, 1)))


@given(st.lists(FINITE, min_size=2, max_size=5), st.floats(0.1, 100))
@settings(max_examples=25)
def test_teacher_weights_are_the_softmax(bounds, tau):
    weights = np.asarray(d.teacher_weights(jnp.array(bounds, jnp.float32), tau))
    expected = np.exp((np.array(bounds) - max(bounds)) / tau)
    np.testing.assert_allclose(weights, expected / expected.sum(), rtol=1e-3, atol=1e-6)


def test_a_teacher_without_a_number_has_no_weight():
    np.testing.assert_allclose(d.teacher_weights(jnp.array([1.0, jnp.nan, 1.0]), 2.0), [0.5, 0, 0.5])


def test_the_divergence_is_the_weighted_sum():
    student, teachers = random_tables((4, 3)), random_tables((2, 4, 3), 1)
    weights, rows = np.array([0.3, 0.7]), np.array([1.0, 0, 2, 5])
    each = [[stats.entropy(np.exp(t), np.exp(s)) for t, s in zip(k, student, strict=True)] for k in teachers]
    found = d.divergence(student, teachers, jnp.array(weights), jnp.array(rows))
    assert found == pytest.approx(weights @ np.array(each) @ rows / 8, rel=1e-4)
    even = d.divergence(student, teachers, jnp.array(weights))
    assert even == pytest.approx(float((weights @ np.array(each)).mean()), rel=1e-4)
    assert d.divergence(student, student[None], jnp.ones(1)) == pytest.approx(0, abs=1e-6)


def test_illegal_actions_cost_nothing():
    legal = jnp.array([[True, True, False]])
    masked = lambda logs: jnp.where(legal, jax.nn.log_softmax(jnp.where(legal, logs, NEVER)), NEVER)
    student, teacher = masked(jnp.array([[1.0, 2, 9]])), masked(jnp.array([[0.0, 1, -9]]))
    value, slope = jax.value_and_grad(d.divergence)(student, teacher[None], jnp.ones(1))
    assert value == pytest.approx(0, abs=1e-6)
    assert np.isfinite(slope).all()
    assert slope[0, 2] == 0


def test_a_student_that_can_plays_the_mixture():
    """The minimum of sum_k w_k KL(pi_k || pi) over all policies is the weighted mean of chances."""
    teachers, weights = random_tables((3, 6, 4)), jnp.array([0.5, 0.3, 0.2])
    student = d.fit(by_table, jnp.zeros((6, 4)), d.Seen(jnp.arange(6)), teachers, weights, steps=400, lr=5e-2)
    assert student.losses.shape == (400,)
    assert student.losses[-1] < student.losses[0]
    mixture = jnp.einsum("k,knu->nu", weights, jnp.exp(teachers))
    np.testing.assert_allclose(jnp.exp(by_table(student.parameters, jnp.arange(6))), mixture, atol=5e-3)


def test_rows_without_weight_are_not_learnt():
    seen = d.Seen(jnp.arange(2), jnp.array([1.0, 0.0]))
    student = d.fit(by_table, jnp.zeros((2, 3)), seen, random_tables((1, 2, 3)), jnp.ones(1), steps=20)
    assert (student.parameters[0] != 0).any()
    np.testing.assert_array_equal(student.parameters[1], 0)


def turning(angle, inputs):
    """A policy that a full turn does not change, as of a circuit."""
    return jax.nn.log_softmax(jnp.stack([jnp.cos(angle + inputs), -jnp.cos(angle + inputs)], -1) * 2)


def test_angles_are_never_averaged():
    teachers, inputs = jnp.array([0.3, 0.3 + 2 * jnp.pi]), jnp.linspace(0, 6, 8)
    visit = lambda parameters, key: d.Seen(inputs)
    student = d.distil(
        turning, teachers[0], teachers, jnp.array([0.5, 0.5]), d.Seen(inputs), visit, KEY, steps=30
    )
    np.testing.assert_allclose(turning(student.parameters, inputs), turning(teachers[0], inputs), atol=0.02)
    middle = turning(teachers.mean(), inputs)
    assert abs(middle - turning(teachers[0], inputs)).max() > 1


def test_the_second_part_learns_what_the_student_meets():
    """The teachers were never at input 1; the student is led there by what it plays at input 0."""
    teacher = jnp.array([[[3.0, 0.0], [0.0, 3.0]]])
    told = []

    def visit(parameters, key):
        told.append(parameters)
        return d.Seen(jnp.array([1]))

    student = d.distil(
        by_table,
        jnp.zeros((2, 2)),
        teacher,
        jnp.ones(1),
        d.Seen(jnp.array([0])),
        visit,
        KEY,
        steps=200,
        lr=0.1,
        rounds=2,
    )
    assert student.losses.shape == (600,)
    np.testing.assert_array_equal(told[0][1], 0)
    wanted = by_table(teacher[0], jnp.arange(2))
    np.testing.assert_allclose(by_table(student.parameters, jnp.arange(2)), wanted, atol=0.02)
    assert d.distil(
        by_table, teacher[0], teacher, jnp.ones(1), d.Seen(jnp.array([0])), visit, KEY, steps=3, rounds=0
    ).losses.shape == (3,)


def test_fitting_compiles():
    run = jax.jit(
        lambda start, teachers: d.fit(by_table, start, d.Seen(jnp.arange(2)), teachers, jnp.ones(1), steps=2)
    )
    assert np.isfinite(run(jnp.zeros((2, 3)), random_tables((1, 2, 3))).losses).all()


@pytest.mark.parametrize(
    ("candidate", "incumbent", "accepted"),
    [(2, 1, True), (1, 1, False), (0, 1, False), (float("nan"), 1, False), (1, float("nan"), True)],
)
def test_exact_returns_decide_by_themselves(candidate, incumbent, accepted):
    verdict = d.accept_exact(candidate, incumbent)
    assert verdict.accepted == accepted
    assert verdict.rule == "exact"


@given(st.lists(st.tuples(FINITE, FINITE), min_size=2, max_size=30))
@settings(max_examples=50)
def test_paired_returns_decide_by_students_t(pairs):
    candidate, incumbent = np.array(pairs).T
    verdict = d.accept_paired(candidate, incumbent)
    gains = candidate - incumbent
    assert verdict.gain == pytest.approx(gains.mean())
    if gains.std() > 1e-6:
        low = stats.ttest_1samp(gains, 0, alternative="greater").confidence_interval(0.95).low
        assert verdict.bound == pytest.approx(low, abs=1e-6)
    assert verdict.accepted == (verdict.bound > 0)
    assert not (verdict.accepted and d.accept_paired(incumbent, candidate).accepted)


def test_an_equal_policy_is_accepted_once_in_twenty():
    random = np.random.default_rng(1)
    trials = [d.accept_paired(*random.normal(size=(2, 64))).accepted for _ in range(2000)]
    assert 0.035 < np.mean(trials) < 0.065
    same = random.normal(size=64)
    assert not d.accept_paired(same, same).accepted
    assert d.accept_paired(same + 0.01, same).accepted, "common keys show a small gain that is certain"


@pytest.mark.parametrize(
    ("shapes", "message"), [(((3,), (4,)), "give pairs"), (((2, 2), (2, 2)), "pairs"), (((1,), (1,)), "two")]
)
def test_returns_that_cannot_be_compared(shapes, message):
    with pytest.raises(ValueError, match=message):
        d.accept_paired(*map(np.zeros, shapes))


def test_not_a_number_is_refused():
    assert not d.accept_paired(np.array([1.0, np.nan, 2]), np.zeros(3)).accepted


@pytest.mark.parametrize(("episodes", "error"), [(3, 0.05), (128, 0.025), (128, 1e-5)])
def test_a_compiled_judge_says_what_students_t_says(episodes, error):
    gains = np.linspace(0.0, 8.0, 60)[:, None] / episodes**0.5
    differences = np.random.default_rng(0).normal(size=(60, episodes)) + gains
    found = jax.jit(jax.vmap(lambda x: d.surely_better(x, error)))(differences.astype(np.float32))
    wanted = [d.accept_paired(x, np.zeros(episodes), 1 - error).accepted for x in differences]
    assert 0 < sum(wanted) < 60
    np.testing.assert_array_equal(found, wanted)
    assert not d.surely_better(jnp.zeros(episodes), error)


def test_errors_of_all_challenges_are_one_error():
    assert sum(d.error_of(k) for k in range(1, 100_000)) == pytest.approx(0.05, rel=1e-4)
