"""Who finds good policies sooner: the best return of each search by seconds and by circuit evaluations.

    qflock experiment experiments/coin_game_searches.yaml
    python scripts/search_race.py runs/coin_game_searches --out race.png

Takes the folder of an experiment, one cell for each method.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from qflock.core.errors import UserError
from qflock.evidence import experiment_results
from qflock.evidence.figures.search_plot import race_plot


def main(arguments: list[str]) -> int:
    """Read, draw, tell where. Returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the experiment")
    parser.add_argument("--out", type=Path, default=Path("race.png"), help="the picture to write")
    options = parser.parse_args(arguments)
    try:
        runs = {cell.content["label"]: cell.path for cell in experiment_results.done(options.folder)}
        print(f"drawn to {race_plot(runs, options.out)}")
    except UserError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return problem.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
