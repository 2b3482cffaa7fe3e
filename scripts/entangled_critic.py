"""The published table of entangled critics, from the runs of experiments/entangled_critic.yaml.

    python scripts/entangled_critic.py runs/entangled_critic

For each method and kind of observation: the episode at which the score first reaches 20 and 25, and its best
value, beside the published ones (DeRieux & Saad, ICLR 2025). The score is the undiscounted team return of
training episodes, averaged over seeds, then over the last 10 episodes. Such a crossing is one number from a
noisy curve; every seed's own curve is in the logs.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from qflock.errors import UserError
from qflock.evidence.records import EXPERIMENT
from qflock.runs import log

WINDOW, SCORES = 10, (20.0, 25.0)
PUBLISHED: dict[tuple[str, str], tuple[int, int | None, float]] = {  # episodes to 20 and 25, best
    ("eQMARL Psi+", "full"): (568, 2332, 25.67),
    ("qfCTDE", "full"): (678, None, 23.38),
    ("sCTDE", "full"): (1640, 2615, 25.30),
    ("fCTDE", "full"): (1917, None, 23.67),
    ("eQMARL Psi+", "partial"): (1049, 1745, 26.28),
    ("qfCTDE", "partial"): (1382, 2124, 26.09),
    ("sCTDE", "partial"): (1738, 2750, 25.33),
    ("fCTDE", "partial"): (1798, 2658, 25.49),
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


def rows(folder: Path) -> list[dict[str, Any]]:
    """A row for each finished cell of the experiment.

    Raises:
        UserError: no experiment there, or none of its cells is done.
    """
    try:
        content = json.loads((folder / EXPERIMENT).read_text(encoding="utf-8"))
    except OSError as problem:
        raise UserError(f"{folder} is no experiment's folder: it has no {EXPERIMENT}") from problem
    found = []
    for cell in content["cells"]:
        path = folder / cell["folder"] / "training_log.csv"
        if cell["state"] != "done" or not path.is_file():
            continue
        returns = curves(log.read(path))
        (first, second), best = crossings(returns)
        observation = cell["environment"]["observation"]
        row = {"method": cell["label"], "observation": observation, "seeds": len(returns)}
        row |= {"episodes": returns.shape[1], "to_20": first, "to_25": second, "best": best}
        row |= {"published": PUBLISHED.get((cell["label"], observation))}
        found.append(row)
    if not found:
        raise UserError(f"no cell of {folder} is done: qflock experiment {content['file']}")
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
    print(json.dumps(found, indent=1) if options.json else table(found))
    return 0


if __name__ == "__main__":
    sys.exit(main())
