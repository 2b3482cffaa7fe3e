"""How often intervals hold the truth: ``python -m tests.evidence.comparison.coverage`` writes its page."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import numpy as np

from qflock.evidence.comparison import intervals, statistics
from qflock.evidence.comparison.intervals import LEAST, Method

PAGE = Path(__file__).parents[3] / "docs" / "intervals.md"
Draw = Callable[[np.random.Generator, tuple[int, ...]], np.ndarray]
SHAPES: dict[str, Draw] = {
    "normal": lambda g, size: g.standard_normal(size),
    "skewed (lognormal)": lambda g, size: g.lognormal(0, 1, size),
    "heavy tails (t of 3)": lambda g, size: g.standard_t(3, size),
    "two heaps (30 and 70 %)": lambda g, size: 0.2 * g.standard_normal(size) - 2.0 * (g.random(size) < 0.3),
    "ceiling at the optimum": lambda g, size: np.minimum(1, g.normal(0.95, 0.1, size)),
    "one run in ten fails": lambda g, size: np.where(g.random(size) < 0.1, 0, g.normal(1, 0.05, size)),
}
QUANTITIES = {
    "iqm": "interquartile mean",
    "mean": "mean",
    "paired": "difference of two IQM, paired seeds",
    "unpaired": "difference of two IQM, other seeds",
    "beats": "probability of improvement",
}
RUNS = (5, 7, 10, 20)
TRIALS, RESAMPLES = 2_000, 400


def share(
    what: str, shape: str, runs: int, method: Method, trials: int = TRIALS, tasks: int = 1
) -> tuple[float, float]:
    """How often an interval holds the truth, and how wide it is on average.

    Args:
        what: of `QUANTITIES`.
        shape: of the scores, of `SHAPES`; each is drawn anew in every trial.
        runs: of each method.
        method: of the interval.
        trials: repetitions.
        tasks: on which each run is scored.
    """
    generator, draw = np.random.default_rng(runs), SHAPES[shape]
    estimator = statistics.mean if what == "mean" else statistics.interquartile_mean
    gap, size, more = statistics.Difference(estimator), (trials, runs, tasks), {"resamples": RESAMPLES}
    x, y = draw(generator, size), draw(generator, size)
    if what in ("iqm", "mean"):
        truth, found = float(estimator(draw(generator, (500, 4_000, 1))).mean()), method(estimator, x, **more)
    elif what == "paired":
        own, other = (0.2 * generator.standard_normal(size) for _ in "xy")
        truth, found = 0.3, method(gap, x + own, x + other - 0.3, paired=True, **more)
    elif what == "unpaired":
        truth, found = 0.0, method(gap, x, y, **more)
    else:
        truth, found = 0.5, method(statistics.probability_of_improvement, x, y, **more)
    held = (found.low - 1e-9 <= truth) & (truth <= found.high + 1e-9)
    return float(held.mean()), float((found.high - found.low).mean())


HEAD = f"""# Intervals

`qflock compare` gives the interquartile mean of each method's scores with an interval that should hold
the truth in 95 of 100 comparisons. With few seeds the usual one, the percentile bootstrap, is too narrow:
it knows the spread of the seeds that there are, not how uncertain that spread is. So, from {LEAST} seeds
on, it is joined with a t interval of the jackknife, which leaves out one seed at a time; the interval
runs from the lower of both lower ends to the higher of both higher ends. Below {LEAST} seeds there is
none: look at the seeds themselves, which tables and figures show.

`--interval percentile` gives the percentile interval alone, from two seeds on, as
[rliable](https://github.com/google-research/rliable) has it. The chance that a run of one method beats
one of another has the interval of [Newcombe (2006, method 5)](https://doi.org/10.1002/sim.2324), for a
bootstrap takes five clear wins for certainty.

An interval carries what differs between seeds. All seeds of a run play the same boards in their final
evaluation, so the choice of boards is not in it: give `--final_episodes` enough of them.

## How often they hold the truth

{TRIALS:,} made-up experiments for each cell, {RESAMPLES} resamples each: the share of 95 % intervals that
hold the true value, joined and, behind the stroke, percentile; the last column says how much wider the
joined ones are with {LEAST} seeds. Written by `python -m tests.evidence.comparison.coverage`.
"""
TAIL = """
What no interval can know is what its seeds have not shown: where one run in ten fails, most sets of
five seeds have no failure, and an interval of their mean cannot hold what failures cost. The
interquartile mean does not ask for it. Where scores lie in two heaps, five seeds are few for it too.
"""


def page() -> str:
    """The page's text."""
    parts = [HEAD]
    for what, title in QUANTITIES.items():
        heads = " | ".join(f"{runs} seeds" for runs in RUNS)
        parts.append(f"\n### {title[0].upper()}{title[1:]}\n")
        parts.append(f"| scores | {heads} | wider |\n|---|" + "--:|" * (len(RUNS) + 1))
        for shape in SHAPES:
            cells, ratio = [], 0.0
            for runs in RUNS:
                joined = share(what, shape, runs, intervals.joined)
                plain = share(what, shape, runs, statistics.bootstrap)
                cells.append(f"{joined[0]:.2f} / {plain[0]:.2f}")
                ratio = ratio or joined[1] / plain[1]
            parts.append(f"| {shape} | {' | '.join(cells)} | {ratio:.1f} x |")
    return "\n".join([*parts, TAIL])


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
