"""``qflock results``: keep finished runs as reference results, and make their page."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qflock.commands import _arguments, _output, _runs
from qflock.commands._arguments import Group
from qflock.core.errors import UserError, unknown
from qflock.core.printing import say
from qflock.evidence import metrics

if TYPE_CHECKING:
    from qflock.evidence.verification import Verdict

Results = Mapping[str, Mapping[str, Any]]
"""Results by their files."""
COMMAND = "qflock results RUN"
ABOUT = """Keep finished runs as reference results: a JSON file each, with its seeds, settings, versions,
command, scores and interval, and a page of all that the folder holds. RUN... are run folders, experiments'
folders or globs; without any, only the page is made anew. Runs of one task whose step budgets are not equal
are refused; --unequal keeps them, and the page says under their table that the rule is broken. --html writes
one page for a browser as well: all results of the folder and of those in it, with filters.

--verify trains results again, on seeds and boards that they have not, and says whether the new mean
falls where their seeds predict it; that any of those asked for together is called false by chance
happens once in a thousand times. Nothing is written; the exit code is 1 where one does not hold."""


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
    verify: tuple[str, ...] = ()
    """Results to train again, by name or file."""
    all: bool = False
    """Draw the results to train again from the folder and those inside it, as many as fit into the budget."""
    seeds: int = 2
    """New seeds of each result that is verified."""
    budget: str = "30m"
    """Time for what --all draws, as 90s, 30m or 2h, by the seconds that the results once took."""
    draw_seed: int = 0
    """Which results --all draws."""
    json: bool = False
    """Print what was written as one JSON object, and nothing else, on standard output."""

    def __post_init__(self) -> None:
        if self.check < 0:
            raise UserError(f"check is {self.check}; it must not be negative")
        if self.seeds < 1:
            raise UserError(f"seeds is {self.seeds}; verify with 1 or more")
        if self.verify and self.all:
            raise UserError("--verify names results, and --all draws them: give one of both")
        seconds(self.budget)
        if self.speed is not None and self.html is None:
            raise UserError("speed is shown on the page for a browser: give --html FILE too")


def seconds(text: str) -> float:
    """How long a time such as 90s, 30m or 2h is.

    Args:
        text: a number, and what it counts.

    Raises:
        UserError: it is no such time.
    """
    each = {"s": 1.0, "m": 60.0, "h": 3600.0}.get(text[-1:], math.nan)
    try:
        found = float(text[:-1]) * each
    except ValueError:
        found = math.nan
    if not 0 < found < math.inf:
        raise UserError(f"budget is {text!r}; give a time such as 90s, 30m or 2h")
    return found


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    argv = _runs.stand_ins(argv)
    first = next((at for at, word in enumerate(argv) if word.startswith("-")), len(argv))
    (options,) = _arguments.parse([Group(Options())], argv[first:], command=COMMAND, about=ABOUT)

    if options.verify or options.all:
        if argv[:first]:
            raise UserError("--verify and --all train results again; name no runs beside them")
        return _verify(options)

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


def _verify(options: Options) -> int:
    from qflock.evidence import verification

    chosen = _chosen(options)
    if not options.json:
        say(f"training {len(chosen)} results again, {options.seeds} seeds each")
    verdicts = []
    for result in chosen:
        verdict = verification.verify(result, options.seeds, verification.ERROR / len(chosen))
        verdicts.append(verdict)
        if not options.json:
            say(_line(verdict))
    if options.json:
        _output.deliver(lambda: {"results": [v._asdict() for v in verdicts]}, True, lambda _: None)
    return 1 if any(verdict.fault for verdict in verdicts) else 0


def _chosen(options: Options) -> list[Mapping[str, Any]]:
    """The results to train again."""
    from qflock.evidence import results, verification

    if not options.folder.is_dir():
        raise UserError(f"no results in {options.folder}; name their folder: --folder FOLDER")
    own = {str(options.folder / f"{one['name']}.json"): one for one in results.read(options.folder)}
    inside = {
        str(options.folder / folder / f"{one['name']}.json"): one
        for folder, some in results.below(options.folder).items()
        for one in some
    }
    if options.all:
        every = [*own.values(), *inside.values()]
        drawn = verification.drawn(every, options.seeds, seconds(options.budget), options.draw_seed)
        if not drawn:
            raise UserError(f"no result fits into {options.budget}; give more with --budget")
        return drawn
    return [_named(name, own, inside) for name in options.verify]


def _named(name: str, own: Results, inside: Results) -> Mapping[str, Any]:
    """The result of a name or file: in the folder, or in one inside it."""
    from qflock.evidence import results

    path = str(Path(name))
    for some in (own, inside):
        found = [file for file, one in some.items() if one["name"] == name or file == path]
        if len(found) > 1:
            raise UserError(f"{name} is in several folders; name one of {', '.join(found)}")
        if found:
            return some[found[0]]
    if Path(name).is_file():
        return results.read_one(Path(name))
    raise unknown("result", name, [str(one["name"]) for one in (*own.values(), *inside.values())])


def _line(verdict: Verdict) -> str:
    new = ", ".join(f"{score:.4g}" for score in verdict.scores.values())
    told = f"{verdict.name}: {verdict.stated:.4g} stated"
    if new:
        told += f"; seeds {', '.join(map(str, verdict.scores))} now have {new}"
    if verdict.fault:
        return f"{told}. Does not hold: {verdict.fault}"
    return f"{told}, mean in {verdict.low:.4g} to {verdict.high:.4g}: holds"


def _show(done: dict[str, Any]) -> None:
    say("wrote " + ", ".join(done["wrote"]))
    for line in done["broken"]:
        say(f"not a fair comparison: {line}")
