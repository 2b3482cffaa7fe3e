"""The estimators against rliable, SciPy, closed forms and what a bootstrap must obey."""

from __future__ import annotations

from types import SimpleNamespace

import hypothesis.extra.numpy as arrays
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflock.evidence.comparison import statistics
from tests.marks import IN_CI

ESTIMATORS = [
    statistics.interquartile_mean,
    statistics.mean,
    statistics.median,
    statistics.median_run,
]


@pytest.fixture(scope="module")
def rliable() -> SimpleNamespace:
    from rliable import library, metrics

    return SimpleNamespace(library=library, metrics=metrics)


def synthetic(runs: int = 10, tasks: int = 6, seed: int = 0) -> np.ndarray:
    """Normalised scores as they come: tasks of unlike difficulty, some runs that fail altogether."""
    generator = np.random.default_rng(seed)
    scores = generator.uniform(0.2, 1.0, tasks) + 0.1 * generator.standard_normal((runs, tasks))
    return np.where(generator.uniform(size=scores.shape) < 0.1, 0.0, scores)


@pytest.mark.parametrize("shape", [(1, 1), (3, 1), (5, 3), (10, 6), (7, 5)])
def test_equal_to_rliable(rliable: SimpleNamespace, shape: tuple[int, int]) -> None:
    x, y = synthetic(*shape, seed=1), synthetic(shape[0] + 2, shape[1], seed=2)
    pairs = [
        (statistics.interquartile_mean(x), rliable.metrics.aggregate_iqm(x)),
        (statistics.mean(x), rliable.metrics.aggregate_mean(x)),
        (statistics.median(x), rliable.metrics.aggregate_median(x)),
        (statistics.optimality_gap(x), rliable.metrics.aggregate_optimality_gap(x)),
        (statistics.probability_of_improvement(x, y), rliable.metrics.probability_of_improvement(x, y)),
        (statistics.probability_of_improvement(x, x), rliable.metrics.probability_of_improvement(x, x)),
    ]
    thresholds = np.linspace(-0.2, 1.2, 29)
    pairs += [
        (statistics.score_distribution(x, thresholds), rliable.library.score_distributions(x, thresholds)),
        (
            statistics.average_score_distribution(x, thresholds),
            rliable.library.average_score_distributions(x, thresholds),
        ),
    ]
    for ours, theirs in pairs:
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=1e-6)


def test_probability_with_ties_equals_rliable(rliable: SimpleNamespace) -> None:
    generator = np.random.default_rng(3)
    x, y = generator.integers(0, 3, (8, 4)).astype(float), generator.integers(0, 3, (5, 4)).astype(float)
    ours = statistics.probability_of_improvement(x, y)
    by_hand = np.mean((x[:, None] > y[None]) + 0.5 * (x[:, None] == y[None]))
    assert ours == pytest.approx(by_hand, abs=1e-12)
    assert ours == pytest.approx(rliable.metrics.probability_of_improvement(x, y), abs=1e-6)


@pytest.mark.parametrize("runs", [pytest.param(5, marks=IN_CI), pytest.param(10, marks=IN_CI)])
def test_intervals_near_rliable(rliable: SimpleNamespace, runs: int) -> None:
    x = synthetic(runs)

    def every(scores: np.ndarray) -> np.ndarray:
        return np.array(
            [
                rliable.metrics.aggregate_iqm(scores),
                rliable.metrics.aggregate_mean(scores),
                rliable.metrics.aggregate_median(scores),
                rliable.metrics.aggregate_optimality_gap(scores),
            ]
        )

    np.random.seed(0)  # rliable draws from the global generator
    _, theirs = rliable.library.get_interval_estimates({"x": x}, every, reps=20_000)
    for k, estimator in enumerate([*ESTIMATORS[:3], statistics.optimality_gap]):
        _, low, high = statistics.bootstrap(estimator, x, resamples=20_000)
        np.testing.assert_allclose([low, high], theirs["x"][:, k], rtol=0, atol=0.01)


def test_probability_and_profile_intervals_near_rliable(rliable: SimpleNamespace) -> None:
    x, y = synthetic(8, 3, seed=4), synthetic(6, 3, seed=5) - 0.05

    def wins(a: np.ndarray, b: np.ndarray) -> np.ndarray:  # rliable's own takes a minute here
        return np.array([np.mean((a[:, None] > b[None]) + 0.5 * (a[:, None] == b[None]))])

    np.random.seed(1)
    _, theirs = rliable.library.get_interval_estimates({"xy": [x, y]}, wins, reps=20_000)
    ours = statistics.bootstrap(statistics.probability_of_improvement, x, y, resamples=20_000)
    np.testing.assert_allclose([ours.low, ours.high], theirs["xy"][:, 0], rtol=0, atol=0.01)
    thresholds = np.linspace(0.1, 0.9, 5)
    _, bands = rliable.library.create_performance_profile({"x": x}, thresholds, reps=3_000)
    band = statistics.bootstrap(lambda s: statistics.score_distribution(s, thresholds), x, resamples=20_000)
    spacing = 1 / x.size  # a share of runs moves in steps of this size, and so does its quantile
    np.testing.assert_allclose([band.low, band.high], bands["x"], rtol=0, atol=spacing + 1e-9)


def test_known_answers() -> None:
    x = np.array([[0.0, 1.0], [0.0, 2.0], [3.0, 3.0], [5.0, 100.0]])
    assert statistics.interquartile_mean(x) == pytest.approx((1 + 2 + 3 + 3) / 4)
    assert statistics.mean(x) == pytest.approx((2 + 26.5) / 2)
    assert statistics.median(x) == pytest.approx((2 + 26.5) / 2)
    assert statistics.median_run(x) == pytest.approx(2.5)
    assert statistics.optimality_gap(np.array([[0.5], [1.5], [-0.5]])) == pytest.approx(2 / 3)
    assert statistics.probability_of_improvement(x + 1000, x) == 1
    assert statistics.normalise(np.array([[2.0, 30.0]]), [1.0, 40.0], [3.0, 20.0]).tolist() == [[0.5, 0.5]]
    with pytest.raises(ValueError, match="nothing to scale by"):
        statistics.normalise(x, 1.0, 1.0)


def test_interval_of_a_mean_is_the_closed_form() -> None:
    x = np.random.default_rng(6).standard_normal((400, 1))
    found = statistics.bootstrap(statistics.mean, x)
    half = 1.959964 * x.std() / np.sqrt(400)  # the central limit theorem, at 400 runs
    np.testing.assert_allclose([found.low, found.high], [x.mean() - half, x.mean() + half], atol=0.01)


def test_two_runs_resample_to_three_values() -> None:
    found = statistics.bootstrap(statistics.mean, np.array([[0.0], [1.0]]), resamples=2_000)
    assert tuple(map(float, found)) == (0.5, 0.0, 1.0)  # 0, 1/2 and 1 with chances 1/4, 1/2, 1/4


def test_one_run_has_no_interval() -> None:
    found = statistics.bootstrap(statistics.mean, np.array([[0.3, 0.5]]))
    assert found.value == pytest.approx(0.4)
    assert np.isnan(found.low)
    assert np.isnan(found.high)


def test_runs_are_redrawn_within_their_task() -> None:
    x = np.array([[0.0, 10.0], [0.0, 10.0], [0.0, 10.0]])  # no spread inside a task, much between
    found = statistics.bootstrap(statistics.mean, x, resamples=200)
    assert tuple(map(float, found)) == (5.0, 5.0, 5.0)


def test_tasks_are_redrawn_independently() -> None:
    x = np.tile(np.array([[-1.0], [1.0]]), (1, 16))
    spread = statistics.bootstrap(statistics.mean, x).high  # 32 independent signs: sd 1/sqrt(32)
    assert spread == pytest.approx(1.96 / np.sqrt(32), abs=0.05)


def test_pairing_cancels_what_seeds_share() -> None:
    generator = np.random.default_rng(7)
    y = generator.standard_normal((12, 2))
    x = y + 0.1
    gap = statistics.Difference(statistics.mean)
    paired = statistics.bootstrap(gap, x, y, paired=True)
    np.testing.assert_allclose([float(end) for end in paired], [0.1] * 3, atol=1e-12)
    loose = statistics.bootstrap(gap, x, y)
    assert loose.high - loose.low > 0.5
    with pytest.raises(ValueError, match="same runs"):
        statistics.bootstrap(gap, x[:5], y, paired=True)


@pytest.mark.parametrize("runs", [5, 10])
def test_coverage(runs: int) -> None:
    generator = np.random.default_rng(8)
    hits = 0
    for trial in range(300):
        x = generator.standard_normal((runs, 4))
        _, low, high = statistics.bootstrap(statistics.interquartile_mean, x, resamples=500, seed=trial)
        hits += low <= 0 <= high
    # percentile intervals are somewhat narrow at few runs; a broken one would leave these bounds
    assert 0.86 <= hits / 300 <= 0.985


def test_bootstrap_repeats_and_follows_its_seed() -> None:
    x = synthetic()
    first, again = (statistics.bootstrap(statistics.mean, x, resamples=500) for _ in range(2))
    other = statistics.bootstrap(statistics.mean, x, resamples=500, seed=1)
    assert first == again
    assert first != other


def test_chunks_cover_all_resamples(monkeypatch: pytest.MonkeyPatch) -> None:
    x = synthetic()
    whole = statistics.bootstrap(statistics.mean, x, resamples=20_000)
    monkeypatch.setattr(statistics, "_CHUNK", 7 * x.size)
    sizes: list[int] = []

    def counted(scores: np.ndarray) -> np.ndarray:
        sizes.append(int(np.prod(scores.shape[:-2])))
        return statistics.mean(scores)

    parts = statistics.bootstrap(counted, x, resamples=2_000)
    assert max(sizes[1:]) == 7
    assert sum(sizes[1:]) == 2_000
    assert parts.low == pytest.approx(whole.low, abs=0.01)


def test_curves_redraw_whole_runs() -> None:
    steps = np.array([0, 50, 100])
    grid = np.array([0, 25, 50, 100, 150])
    on = statistics.on_grid(steps, np.array([0.0, 1.0, 3.0]), grid)
    np.testing.assert_array_equal(on, [0.0, 0.5, 1.0, 3.0, np.nan])
    runs = synthetic(9, 1, seed=9)
    curves = np.stack([runs, 2 * runs, -runs])
    band = statistics.bootstrap(statistics.interquartile_mean, curves, resamples=2_000)
    one = statistics.interquartile_mean(runs)
    np.testing.assert_allclose(band.value, [one, 2 * one, -one], atol=1e-12)
    np.testing.assert_allclose(band.low[1], 2 * band.low[0], atol=1e-12)
    np.testing.assert_allclose(band.high[2], -band.low[0], atol=1e-12)  # the same runs at every step


matrices = arrays.arrays(
    float,
    st.tuples(st.integers(2, 8), st.integers(1, 4)),
    elements=st.floats(-100, 100, allow_nan=False).map(lambda v: round(v, 3)),
)


@settings(deadline=None, max_examples=60)
@given(matrices, st.randoms(use_true_random=False))
def test_order_of_seeds_does_not_matter(x: np.ndarray, random) -> None:
    order = list(range(len(x)))
    random.shuffle(order)
    for estimator in [*ESTIMATORS, statistics.optimality_gap]:
        np.testing.assert_allclose(estimator(x[order]), estimator(x), atol=1e-9)
    assert statistics.probability_of_improvement(x[order], x) == pytest.approx(0.5)


@settings(deadline=None, max_examples=60)
@given(
    matrices, st.floats(0.125, 8).map(lambda v: round(v, 3)), st.floats(-50, 50).map(lambda v: round(v, 3))
)
def test_affine_shift(x: np.ndarray, scale: float, shift: float) -> None:
    moved = scale * x + shift
    for estimator in ESTIMATORS:
        np.testing.assert_allclose(estimator(moved), scale * estimator(x) + shift, atol=1e-8)
        before = statistics.bootstrap(estimator, x, resamples=200)
        after = statistics.bootstrap(estimator, moved, resamples=200)
        for there, here in zip(after, before, strict=True):
            np.testing.assert_allclose(there, scale * here + shift, atol=1e-8)
    np.testing.assert_allclose(
        statistics.normalise(moved, shift, scale + shift), statistics.normalise(x, 0.0, 1.0), atol=1e-8
    )


@settings(deadline=None, max_examples=60)
@given(matrices)
def test_bounds(x: np.ndarray) -> None:
    for estimator in ESTIMATORS:
        value, low, high = statistics.bootstrap(estimator, x, resamples=200)
        assert x.min() - 1e-9 <= low <= high <= x.max() + 1e-9
        assert x.min() - 1e-9 <= value <= x.max() + 1e-9
    other = np.flip(x) * 0.5
    ahead = statistics.probability_of_improvement(x, other)
    assert 0 <= ahead <= 1
    assert ahead + statistics.probability_of_improvement(other, x) == pytest.approx(1)
