"""Who finds good policies sooner: the best return of each search by seconds and by circuit evaluations.

    qflock experiment experiments/coin_game_searches.yaml
    python scripts/search_race.py runs/coin_game_searches --out race.png

Takes the folder of an experiment, one cell for each method.
"""

from __future__ import annotations

import argparse
import json
import sys
from pathlib import Path

from qflock.errors import UserError
from qflock.evidence.records import EXPERIMENT
from qflock.evidence.search_plot import race_plot


def cells(folder: Path) -> dict[str, Path]:
    """The finished runs of an experiment by the method's label.

    Raises:
        UserError: no experiment's folder, or nothing in it is finished.
    """
    try:
        told = json.loads((folder / EXPERIMENT).read_text(encoding="utf-8"))["cells"]
    except OSError as problem:
        raise UserError(f"{folder} is no experiment's folder: it has no {EXPERIMENT}") from problem
    found = {cell["label"]: folder / cell["folder"] for cell in told if cell["state"] == "done"}
    if not found:
        raise UserError(f"no cell of {folder} is done: run its experiment first")
    return found


def main(arguments: list[str]) -> int:
    """Read, draw, tell where. Returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("folder", type=Path, help="of the experiment")
    parser.add_argument("--out", type=Path, default=Path("race.png"), help="the picture to write")
    options = parser.parse_args(arguments)
    try:
        print(f"drawn to {race_plot(cells(options.folder), options.out)}")
    except UserError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return problem.code
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
