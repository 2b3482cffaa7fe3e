"""``qflock compare``: methods beside each other, with intervals and costs."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from qflock.commands import _arguments, _output
from qflock.commands._arguments import Group
from qflock.core.errors import UserError
from qflock.evidence import metrics

if TYPE_CHECKING:
    from qflock.evidence.comparison.table import Comparison

COMMAND = "qflock compare RUN"
ABOUT = """Compare finished runs: one or more folders, or globs such as 'runs/qmix-*'. Runs of one
algorithm with the same settings are seeds of one method. Reports the interquartile mean with its
95 % interval over seeds, mean, median, optimality gap, probability of improvement, time to
a score and what each method cost, beside the reference policies; writes them as CSV and JSON, with
figures."""


@dataclass(frozen=True)
class Options:
    """What to compare by, and where to write."""

    metric: str = metrics.DEFAULT
    """Column of the final evaluation that is the score."""
    baseline: str | None = None
    """Method, by its label, that the others are held against; by default that of the first run."""
    split: tuple[str, ...] = ()
    """Environment settings that make tasks of their own, such as grid_size."""
    target: float | None = None
    """Score for the time to a score; by default nine tenths of the way from random play to the oracle."""
    interval: Literal["joined", "percentile"] = "joined"
    """How intervals are made: joined, from five seeds on, is the percentile bootstrap's with the jackknife's;
    percentile, from two on, is the bootstrap's alone, as rliable has it: too narrow for few seeds."""
    out: Path = Path("comparison")
    """Folder for compare.csv, compare.json and the figures."""
    csv: Path | None = None
    """Write the CSV table to this file too."""
    json: bool = False
    """Print the result as one JSON object, and nothing else, on standard output."""


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    first = next((at for at, word in enumerate(argv) if word.startswith("-")), len(argv))
    runs, rest = argv[:first], argv[first:]
    if not runs and not _arguments.wants_help(argv):
        raise UserError(
            "name the runs first, as folders or globs: qflock compare RUN... (see qflock compare --help)"
        )
    (options,) = _arguments.parse([Group(Options())], rest, command=COMMAND, about=ABOUT)

    from qflock.commands import _comparison_output
    from qflock.evidence.comparison.compare import compare

    _refuse_unwritable(options)
    comparison = compare(
        runs,
        metric=options.metric,
        baseline=options.baseline,
        split=options.split,
        target=options.target,
        interval=options.interval,
    )
    files = _write(comparison, options)
    _output.deliver(comparison.as_json, options.json, lambda _: _comparison_output.show(comparison, files))
    return 0


def _refuse_unwritable(options: Options) -> None:
    if options.csv is not None and options.csv.is_dir():
        raise UserError(f"--csv {options.csv} is a folder; give the name of a file")
    for folder in [options.out, *([options.csv.parent] if options.csv else [])]:
        if folder.exists() and not folder.is_dir():
            raise UserError(f"cannot write to {folder}: it is a file; name another folder")


def _write(comparison: Comparison, options: Options) -> list[Path]:
    from qflock.evidence.comparison import figures
    from qflock.files.storage import CannotWrite, make_folder, write_text

    tables = [(options.out / "compare.csv", comparison.as_csv())]
    tables += [(options.out / "compare.json", json.dumps(comparison.as_json(), indent=1) + "\n")]
    tables += [(options.csv, comparison.as_csv())] if options.csv else []
    try:
        for path, text in tables:
            make_folder(path.parent)
            write_text(path, text)
        return [path for path, _ in tables] + figures.draw(comparison, options.out)
    except (OSError, CannotWrite) as problem:
        cause = problem if isinstance(problem, OSError) else problem.__cause__
        why = getattr(cause, "strerror", None) or cause
        raise UserError(f"cannot write the comparison: {why}; name another folder with --out") from problem
