"""``qflock results``: keep finished runs as reference results, and make their page."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qflock.commands import _arguments, _output, _runs
from qflock.commands._arguments import Group
from qflock.core.errors import UserError
from qflock.core.printing import say
from qflock.evidence import metrics

COMMAND = "qflock results RUN"
ABOUT = """Keep finished runs as reference results: a JSON file each, with its seeds, settings, versions,
command, scores and interval, and a page of all that the folder holds. RUN... are run folders, experiments'
folders or globs; without any, only the page is made anew. Runs of one task whose step budgets are not equal
are refused; --unequal keeps them, and the page says under their table that the rule is broken. --html writes
one page for a browser as well: all results of the folder and of those in it, with filters."""


@dataclass(frozen=True)
class Options:
    """What to keep, and where."""

    folder: Path = Path("results")
    """Folder of the results."""
    metric: str = metrics.DEFAULT
    """Column of the final evaluations that is the score."""
    check: int = 0
    """How many seeds of each run tests train again; 0 for none."""
    unequal: bool = False
    """Keep runs whose step budgets differ from those of their task beside them; the page marks it."""
    html: Path | None = None
    """Also write a page with filters of all results in the folder and in those inside it, such as
    results/index.html."""
    speed: Path | None = None
    """Folder of measured speeds that this page shows too, as python -m benchmarks writes them."""
    code: Path | None = None
    """A Python file to use where runs name one of that name; may be given several times."""
    json: bool = False
    """Print what was written as one JSON object, and nothing else, on standard output."""

    def __post_init__(self) -> None:
        if self.check < 0:
            raise UserError(f"check is {self.check}; it must not be negative")
        if self.speed is not None and self.html is None:
            raise UserError("speed is shown on the page for a browser: give --html FILE too")


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    argv = _runs.stand_ins(argv)
    first = next((at for at, word in enumerate(argv) if word.startswith("-")), len(argv))
    (options,) = _arguments.parse([Group(Options())], argv[first:], command=COMMAND, about=ABOUT)

    def work() -> dict[str, Any]:
        from qflock.evidence import records, results, results_page

        runs = records.find(argv[:first])
        if not runs and not options.folder.is_dir():
            raise UserError(f"no results in {options.folder}; name finished runs: qflock results RUN...")
        if options.speed is not None:
            results_page.measured_in(
                options.speed
            )  # what is wrong with it is said before anything is written
        rows = [results.of_run(path, options.metric, options.check) for path in runs]
        wrote = [str(path) for path in results.write(rows, options.folder, options.unequal)]
        if options.html is not None:
            wrote.append(str(results_page.write(options.html, options.folder, options.speed)))
        broken = [f"on {found.where}, {found.what}" for found in results.broken(results.read(options.folder))]
        return {"wrote": wrote, "broken": broken}

    _output.deliver(work, options.json, _show)
    return 0


def _show(done: dict[str, Any]) -> None:
    say("wrote " + ", ".join(done["wrote"]))
    for line in done["broken"]:
        say(f"not a fair comparison: {line}")
