"""``qflock runs``: what is under ``runs/``, and what of it can go."""

from __future__ import annotations

import dataclasses
import math
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qflock.commands import _arguments, _output
from qflock.commands._arguments import Group
from qflock.core.errors import UserError
from qflock.core.printing import amount, say

if TYPE_CHECKING:
    from qflock.runs.overview import Overview
    from qflock.runs.pruning import Pruned

COMMAND = "qflock runs [FOLDER]"
ABOUT = """A table of the runs in a folder (runs/ by default) and deeper, the newest first: how far each is,
what it scored beside random play and the best reference, and how much it takes on the disk.

With --prune, remove what a rule lets go of; what goes is shown, and asked for, before anything does:
  states       training states of finished runs; they can then not be trained for longer
  checkpoints  weights that finished runs kept on the way; the final and the best stay
  unfinished   runs that did not get to their end, whole
Runs that are being trained are left alone."""


@dataclass(frozen=True)
class Options:
    """What to show or to remove."""

    sort: Literal["begun", "score", "size", "name"] = "begun"
    """What the rows are in order of."""
    prune: Literal["states", "checkpoints", "unfinished"] | None = None
    """Remove what this rule lets go of."""
    older: float = 0.0
    """With --prune: only from runs of which nothing was written for so many days."""
    yes: bool = False
    """With --prune: remove without asking."""
    json: bool = False
    """Print the list as one JSON object, and nothing else, on standard output."""

    def __post_init__(self) -> None:
        if not 0 <= self.older < math.inf:
            raise UserError(f"older is {self.older}; it must be at least 0 days")
        if (self.older or self.yes) and self.prune is None:
            raise UserError("--older and --yes go with --prune; name a rule: states, checkpoints, unfinished")


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    folder, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else ("runs", argv)
    (options,) = _arguments.parse([Group(Options())], rest, command=COMMAND, about=ABOUT)

    from qflock.runs.overview import find_runs

    found = find_runs(folder)
    if options.prune is not None:
        return _prune(found, options)
    found = sorted(found, key=ORDERS[options.sort])
    told = {"folder": folder, "runs": [dataclasses.asdict(one) | {"path": str(one.path)} for one in found]}
    _output.deliver(lambda: told, options.json, lambda _: show(folder, found))
    return 0


ORDERS: dict[str, Any] = {
    "begun": lambda run: 0,  # as they are found, the newest first
    "score": lambda run: math.inf if run.score is None else -run.score,
    "size": lambda run: -run.size,
    "name": lambda run: str(run.path),
}


def show(folder: str, found: list[Overview]) -> None:
    """The table, and what it comes to.

    Args:
        folder: where the runs are.
        found: they, in the order of the rows.
    """
    from rich.markup import escape
    from rich.table import Table

    from qflock.core.console import Console

    if not found:
        say(f"There is no run in {folder} yet. Next:\n  qflock train qmix --env gridworld25")
        return
    console = Console(highlight=False)
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("run")
    table.add_column("state", no_wrap=True)
    for head in ("steps", "seeds", "discounted", "random", "best reference", "size"):
        table.add_column(head, justify="right", no_wrap=head != "best reference")
    table.add_column("begun", no_wrap=True)
    for one in found:
        table.add_row(*map(escape, row(one, folder)), style=STYLES[one.state])
    if console.fitting(table) is table:
        console.print(table)
    else:
        for one in found:
            console.print(_lines(row(one, folder), STYLES[one.state]))
    total, states = sum(one.size for one in found), sum(one.states for one in found)
    say(f"\n{len(found)} runs, {amount(total)}, of which {amount(states)} are training states")
    for one in found:
        if one.problem:
            say(f"damaged: {one.problem}")


STYLES = {"training": "green", "finished": "", "stopped": "yellow", "damaged": "red"}


def row(one: Overview, folder: str) -> list[str]:
    """The cells of a run.

    Args:
        one: the run.
        folder: what its path is shown relative to.
    """
    best = next((name for name in one.references if name != "random"), None)
    share = "" if one.state == "finished" else f" of {_steps(one.total_steps)}"
    name = one.path.relative_to(folder) if one.path != Path(folder) else one.path
    return [
        str(name),
        one.state,
        f"{_steps(one.env_steps)}{share}",
        str(one.seeds),
        _score(one.score),
        _score(one.references.get("random")),
        "-" if best is None else f"{'' if best == 'oracle' else f'{best} '}{_score(one.references[best])}",
        amount(one.size),
        one.begun[:16].replace("T", " ") or "-",
    ]


def _lines(cells: list[str], style: str) -> Any:
    """A run below its name, where the table would be too wide."""
    from rich.text import Text

    name, state, steps, _, score, random, best, size, _ = cells
    known = f", discounted {score} (random {random}, best {best})" if score != "-" else ""
    text = Text(f"{name}\n", "bold", overflow="fold")
    return text.append(f"  {state}, {steps} steps{known}, {size}", style or "not bold")


def _prune(found: list[Overview], options: Options) -> int:
    from qflock.runs import pruning

    assert options.prune is not None
    wanted = pruning.by_rule(found, options.prune, options.older)
    total = sum(one.size for one in wanted)
    if not options.json:
        for one in wanted:
            say(f"{amount(one.size):>10}  {one.run}")
        say(f"{pruning.RULES[options.prune]}: {amount(total)} of {len(wanted)} runs")
    freed: dict[str, int] = {}
    if wanted and _agreed(options):
        freed = _removed(wanted, options.json)
    told = {"rule": options.prune, "found": total, "freed": sum(freed.values()), "runs": freed}
    _output.deliver(lambda: told, options.json, lambda _: say(f"freed {amount(told['freed'])}"))
    return 0


def _agreed(options: Options) -> bool:
    """Whether the user wants it."""
    if options.yes:
        return True
    if options.json or not sys.stdin or not sys.stdin.isatty():
        raise UserError("nobody is there to be asked; add --yes to remove it, nothing was removed")
    say("Remove it? [y/N] ", end="")
    say(end="", stream=sys.stdout)
    return sys.stdin.readline().strip().lower() in ("y", "yes")


def _removed(wanted: list[Pruned], quiet: bool) -> dict[str, int]:
    """Bytes freed of each run; one that is in use by now is said, and the others go all the same."""
    from qflock.core.printing import notice
    from qflock.runs import pruning

    freed = {}
    for one in wanted:
        try:
            freed[str(one.run)] = pruning.remove(one)
        except UserError as problem:
            if not quiet:
                notice(f"warning: {problem}")
    return freed


def _steps(number: int) -> str:
    return f"{number:,}"


def _score(value: float | None) -> str:
    return "-" if value is None or not math.isfinite(value) else f"{value:.2f}"
