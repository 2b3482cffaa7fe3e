"""The published table of entangled critics, from the runs of experiments/entangled_critic.yaml.

    python scripts/entangled_critic.py runs/entangled_critic

For each method and kind of observation: the episode at which the score first reaches 20 and 25, and its best
value, beside the published ones (DeRieux & Saad, ICLR 2025). The score is the undiscounted team return of
training episodes, averaged over seeds, then over the last 10 episodes. Such a crossing is one number from a
noisy curve, so a second table has its 95 % bootstrap interval over seeds, ours and that of the published
seeds (their raw statistics lie in the authors' repository, news-vt/eqmarl on GitHub, in experiment_output).
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from qflock.core.errors import UserError
from qflock.evidence import experiment_results
from qflock.files import csv_log

WINDOW, SCORES = 10, (20.0, 25.0)
# Episodes to 20 and 25, and best: the first eight as published, the others from the raw statistics.
PUBLISHED: dict[tuple[str, str], tuple[int, int | None, float]] = {
    ("eQMARL Psi+", "full"): (568, 2332, 25.67),
    ("qfCTDE", "full"): (678, None, 23.38),
    ("sCTDE", "full"): (1640, 2615, 25.30),
    ("fCTDE", "full"): (1917, None, 23.67),
    ("eQMARL Psi+", "partial"): (1049, 1745, 26.28),
    ("qfCTDE", "partial"): (1382, 2124, 26.09),
    ("sCTDE", "partial"): (1738, 2750, 25.33),
    ("fCTDE", "partial"): (1798, 2658, 25.49),
    ("eQMARL none", "full"): (840, 2338, 25.12),
    ("eQMARL none", "partial"): (1070, 1956, 26.39),
    ("eQMARL Phi+", "full"): (613, 1884, 25.51),
    ("eQMARL Phi+", "partial"): (1270, None, 24.10),
    ("eQMARL Phi-", "full"): (692, 2379, 25.23),
    ("eQMARL Phi-", "partial"): (1839, None, 22.80),
    ("eQMARL Psi-", "full"): (596, 1988, 25.45),
    ("eQMARL Psi-", "partial"): (1207, 2115, 25.95),
}
Ends = tuple[int | None, int | None]
# Intervals of the published seeds' crossings of 20 and of 25, by `intervals`; None: never in 3,000 episodes.
PUBLISHED_INTERVALS: dict[tuple[str, str], tuple[Ends, Ends]] = {
    ("eQMARL Psi+", "full"): ((486, 630), (1176, 2317)),
    ("qfCTDE", "full"): ((468, 2277), (1192, None)),
    ("sCTDE", "full"): ((1556, 1706), (2317, 2617)),
    ("fCTDE", "full"): ((1677, 2745), (2479, None)),
    ("eQMARL Psi+", "partial"): ((872, 1294), (1382, 1907)),
    ("qfCTDE", "partial"): ((1164, 1616), (1656, 2464)),
    ("sCTDE", "partial"): ((1617, 1850), (2378, 2890)),
    ("fCTDE", "partial"): ((1618, 2051), (2282, 2761)),
    ("eQMARL none", "full"): ((552, 1252), (1651, 2495)),
    ("eQMARL none", "partial"): ((867, 1409), (1301, 2082)),
    ("eQMARL Phi+", "full"): ((553, 634), (1367, 1979)),
    ("eQMARL Phi+", "partial"): ((936, 1716), (1521, None)),
    ("eQMARL Phi-", "full"): ((510, 1343), (1519, 2504)),
    ("eQMARL Phi-", "partial"): ((1048, None), (2098, None)),
    ("eQMARL Psi-", "full"): ((532, 664), (1327, 2012)),
    ("eQMARL Psi-", "partial"): ((978, 1321), (1645, 2162)),
}


def curves(columns: dict[str, np.ndarray]) -> np.ndarray:
    """Every seed's return by episode, ``(R, E)``, from a log with a row for each episode."""
    seeds, score = columns["seed"], columns["episode_return_undiscounted"]
    each = [score[seeds == seed] for seed in np.unique(seeds)]
    count = min(map(len, each))
    return np.stack([one[:count] for one in each])


def crossings(returns: np.ndarray) -> tuple[list[int | None], float]:
    """The episodes, from 1, at which the rolling mean of the seeds' mean first reaches each score, and its
    best value.

    Args:
        returns: ``(R, E)``.
    """
    rolling = np.convolve(returns.mean(0), np.full(WINDOW, 1 / WINDOW), "valid")
    hits = [np.flatnonzero(rolling >= score) for score in SCORES]
    return [int(at[0]) + WINDOW if at.size else None for at in hits], float(rolling.max())


def intervals(returns: np.ndarray, resamples: int = 2_000) -> list[Ends]:
    """Bootstrap 95 % intervals over seeds of the crossings; an end that is never reached is None.

    Args:
        returns: ``(R, E)``.
    """
    draw = np.random.default_rng(0)
    seeds, never = len(returns), returns.shape[1] + 1
    found = [crossings(returns[draw.integers(0, seeds, seeds)])[0] for _ in range(resamples)]
    hits = np.array([[never if at is None else at for at in one] for one in found])
    ends = np.percentile(hits, [2.5, 97.5], axis=0, method="nearest").astype(int).T
    return [(_reached(low, never), _reached(high, never)) for low, high in ends]


def _reached(episode: int, never: int) -> int | None:
    return None if episode == never else int(episode)


def rows(folder: Path) -> list[dict[str, Any]]:
    """A row for each finished cell of the experiment.

    Raises:
        UserError: no experiment there, or none of its cells is done.
    """
    found = []
    for cell in experiment_results.done(folder):
        path = cell.path / "training_log.csv"
        if not path.is_file():
            continue
        returns = curves(csv_log.read(path))
        (first, second), best = crossings(returns)
        label, observation = cell.content["label"], cell.content["environment"]["observation"]
        row = {"method": label, "observation": observation, "seeds": len(returns)}
        row |= {"episodes": returns.shape[1], "to_20": first, "to_25": second, "best": best}
        row |= {"intervals": intervals(returns), "published": PUBLISHED.get((label, observation))}
        row |= {"published_intervals": PUBLISHED_INTERVALS.get((label, observation))}
        found.append(row)
    return found


def table(found: list[dict[str, Any]]) -> str:
    """The rows as Markdown: ours / published."""
    lines = ["| method | observation | seeds | to 20 | to 25 | best |", "|---|---|--:|--:|--:|--:|"]
    for row in found:
        pairs = zip((row["to_20"], row["to_25"], round(row["best"], 2)), row["published"] or (), strict=False)
        ours = [row["to_20"], row["to_25"], round(row["best"], 2)]
        cells = [f"{_said(a)} / {_said(b)}" for a, b in pairs] or [_said(a) for a in ours]
        lines.append(f"| {row['method']} | {row['observation']} | {row['seeds']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def interval_table(found: list[dict[str, Any]]) -> str:
    """The rows' intervals as Markdown: ours / of the published seeds."""
    lines = ["| method | observation | to 20 | to 25 |", "|---|---|--:|--:|"]
    for row in found:
        theirs = row["published_intervals"] or (None, None)
        cells = [
            " / ".join(f"{_said(ends[0])} to {_said(ends[1])}" for ends in (ours, published) if ends)
            for ours, published in zip(row["intervals"], theirs, strict=True)
        ]
        lines.append(f"| {row['method']} | {row['observation']} | {' | '.join(cells)} |")
    return "\n".join(lines)


def _said(value: float | None) -> str:
    return "never" if value is None else f"{value:,}"


def main() -> int:
    """Print the table, or JSON; returns the exit status."""
    parser = argparse.ArgumentParser(description="The table of entangled critics, ours / published.")
    parser.add_argument("folder", type=Path, nargs="?", default=Path("runs/entangled_critic"))
    parser.add_argument("--json", action="store_true", help="print the rows as JSON")
    options = parser.parse_args()
    try:
        found = rows(options.folder)
    except UserError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return problem.code
    print(json.dumps(found, indent=1) if options.json else f"{table(found)}\n\n{interval_table(found)}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
