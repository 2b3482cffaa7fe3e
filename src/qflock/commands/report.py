"""``qflock report``: one page about finished runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from qflock.commands import _arguments, _output, _runs
from qflock.commands._arguments import Group
from qflock.core.errors import UserError
from qflock.core.printing import say
from qflock.core.shell import command
from qflock.evidence import metrics

COMMAND = "qflock report RUN"
ABOUT = """Write one page about finished runs: folders, globs such as 'runs/qmix-*', or an experiment's
folder. It shows scores with intervals beside the oracle and random play, curves to hover and zoom,
replays, whether the comparison keeps the house rules, every setting, and the commands that give it
again. One file for a browser: it needs no network."""


@dataclass(frozen=True)
class Options:
    """What to report on, and where to write."""

    out: Path = Path("report.html")
    """The page. Short: -o."""
    metric: str = metrics.DEFAULT
    """Column of the final evaluation that is the score."""
    baseline: str | None = None
    """Method, by its label, that the others are held against; by default that of the first run."""
    split: tuple[str, ...] = ()
    """Environment settings that make tasks of their own, such as grid_size."""
    target: float | None = None
    """Score for the time to a score; by default nine tenths of the way from random play to the oracle."""
    title: str | None = None
    """Heading of the page; by default the methods and the task."""
    replays: int = 1
    """Episodes to show of each method on each task; 0 for none, which is faster."""
    code: Path | None = None
    """A Python file to use where runs name one of that name; may be given several times."""
    json: bool = False
    """Print the comparison as one JSON object, and nothing else, on standard output."""

    def __post_init__(self) -> None:
        if self.out.suffix.lower() not in (".html", ".htm"):
            raise UserError(f"out is {str(self.out)!r}; its name must end in .html")
        if self.out.is_dir() or not self.out.parent.is_dir():
            why = "is a folder" if self.out.is_dir() else f"lies in no folder: there is no {self.out.parent}"
            raise UserError(f"out is {str(self.out)!r}, which {why}; name a file in a folder that exists")
        if not 0 <= self.replays <= 20:
            raise UserError(f"replays is {self.replays}; it must lie in 0 to 20")


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    argv = ["--out" if word == "-o" else word for word in argv]
    typed, argv = argv, _runs.stand_ins(argv)
    first = next((at for at, word in enumerate(argv) if word.startswith("-")), len(argv))
    runs, rest = argv[:first], argv[first:]
    if not runs and not _arguments.wants_help(argv):
        raise UserError(
            "name the runs first, as folders or globs: qflock report RUN... (see qflock report --help)"
        )
    (options,) = _arguments.parse([Group(Options())], rest, command=COMMAND, about=ABOUT)

    from qflock.evidence.report import document

    if options.replays:
        from qflock.machine import device

        device.use("cpu")
    comparison = document.write(
        options.out,
        runs,
        metric=options.metric,
        baseline=options.baseline,
        split=options.split,
        target=options.target,
        title=options.title,
        replays=options.replays,
        command=command("report", *typed),
    )
    _output.deliver(comparison.as_json, options.json, lambda _: say(f"wrote {options.out}"))
    return 0
