"""What experiments and sweeps print: cells as they go, and what there is at the end."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import RenderableType
from rich.live import Live
from rich.markup import escape
from rich.table import Table

from qflock.commands._output import show_next
from qflock.core.console import Console
from qflock.core.printing import notice, say
from qflock.core.shell import command
from qflock.evidence import metrics
from qflock.experiments import cell as experiment_cell
from qflock.experiments.cell import Cell, State
from qflock.runs.train.curve import quantity

STYLES = {
    "done": "green",
    "running": "bold",
    "failed": "red",
    **dict.fromkeys(("queued", "waiting", "started"), "dim"),
}
ORDER = (
    "running",
    "failed",
    "done",
    "queued",
    "started",
    "waiting",
)  # of what is shown where there is little room
SCORE = metrics.of(metrics.DEFAULT)
"""Of cells, as they go and at the end."""
NUMBERS = ("seeds", "steps", SCORE.head, "score")
ROWS_LEFT = 6  # lines of a terminal that the table does not fill
WORDS = {"started": "begun"}


class Board:
    """Shows cells on standard error: a live table on a terminal, a line a change elsewhere."""

    def __init__(self) -> None:
        self._stream = sys.stderr
        terminal = self._stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
        self._console = Console(file=self._stream) if terminal else None
        self._live: Live | None = None
        self._title, self._cells = "", list[Cell]()
        self._states: dict[str, State] = {}

    def begin(self, title: str, cells: Sequence[Cell], states: dict[str, State]) -> None:
        """These cells come next.

        Args:
            title: what they are for.
            cells: all of them, those that are done included.
            states: how far each is, by name.
        """
        self.close()
        self._title, self._cells, self._states = title, list(cells), dict(states)
        if self._console is None:
            self._say(f"{title}: {self._counts()}")
        elif cells:
            self._live = Live(
                get_renderable=self._table, console=self._console, refresh_per_second=1, redirect_stdout=False
            )
            self._live.start()

    def change(self, cell: Cell, state: State, error: str | None = None) -> None:
        """A cell is queued, running, done or failed.

        Args:
            cell: which.
            state: what it is now.
            error: why it failed, or why it is queued again, in one line.
        """
        self._states[cell.name] = state
        if state == "queued" and error:
            error = f"tried again, for {error}"
            if self._console is not None:
                self._console.print(f"{cell.name}: {error}", markup=False, highlight=False)
        if self._console is None:
            outcome = f": {error}" if error else f": {_score(cell)}" if state == "done" else ""
            self._say(f"{state:8}{cell.name}{outcome} ({self._counts()})")

    def close(self) -> None:
        """Leave the last table on the screen."""
        live, self._live = self._live, None
        if live is not None:
            with contextlib.suppress(OSError):
                live.stop()

    def _say(self, line: str) -> None:
        with contextlib.suppress(OSError, ValueError):
            say(line, stream=self._stream)

    def _counts(self) -> str:
        states = [self._states.get(cell.name, "waiting") for cell in self._cells]
        done = f"{states.count('done')} of {len(states)} done"
        return done + (f", {states.count('failed')} failed" if "failed" in states else "")

    def _table(self) -> RenderableType:
        table = _grid("cell", "state", "steps", SCORE.head)
        table.title, table.title_justify = escape(f"{self._title}  {self._counts()}"), "left"
        assert self._console is not None
        for cell in self._shown(max(5, self._console.height - ROWS_LEFT)):
            state = self._states.get(cell.name, "waiting")
            progress = experiment_cell.progress(cell) if state != "done" else 1.0
            score = _score(cell) if state == "done" else ""
            total = quantity(cell.settings.run.total_steps)
            row = (escape(cell.name), WORDS.get(state, state), f"{100 * progress:.0f} % of {total}", score)
            table.add_row(*row, style=STYLES[state])
        return self._console.fitting(table)

    def _shown(self, room: int) -> list[Cell]:
        """As many cells as there is room for."""
        first = sorted(self._cells, key=lambda cell: ORDER.index(self._states.get(cell.name, "waiting")))[
            :room
        ]
        return [cell for cell in self._cells if cell in first]


def show_plan(result: Mapping[str, Any]) -> None:
    """The cells of an experiment and how far they are, before it is started."""
    console = Console()
    table = _grid("cell", "algorithm", "seeds", "steps", "state")
    for trial in result["trials"]:
        table.add_row(escape(trial["trial"]), "", "", "", trial["state"], style="dim")
    for cell in result["cells"]:
        seeds = cell["seeds"]
        span = str(seeds[0]) if len(seeds) == 1 else f"{seeds[0]}-{seeds[-1]}"
        state = WORDS.get(cell["state"], cell["state"])
        row = (escape(cell["cell"]), escape(cell["algorithm"]), span, quantity(cell["total_steps"]), state)
        table.add_row(*row, style=STYLES[cell["state"]])
    console.print(console.fitting(table))
    states = [cell["state"] for cell in result["cells"]]
    trials = f"{len(result['trials'])} trials of sweeps, " if result["trials"] else ""
    say(f"\n{trials}{len(states)} cells, {states.count('done')} done; they go to {result['folder']}")


def show_experiment(result: Mapping[str, Any]) -> None:
    """What an experiment found, and what to type next."""
    table = _grid("cell", "seeds", SCORE.head, "state")
    for cell in result["cells"]:
        score = cell.get("over_seeds", {}).get(SCORE.name)
        shown = "-" if score is None else f"{score:.3f}"
        row = (escape(cell["cell"]), str(len(cell["seeds"])), shown, cell["state"])
        table.add_row(*row, style=STYLES[cell["state"]])
    console = Console()
    console.print(console.fitting(table))
    for tuned in result["tuning"]:
        _say_best(tuned)
    where = f"\nThe cells are in {result['folder']}/cells, {result['folder']}/results.json lists them"
    if result["failures"]:
        say(f"{where}.")
    else:
        show_next(where, [(result["compare"], "compare the methods")])


def show_sweep(result: Mapping[str, Any]) -> None:
    """The trials of a sweep, the best first."""
    if not result.get("trials"):
        return
    names = list(result["trials"][0]["settings"])
    table = _grid("trial", "score", *names)
    best = result["best"]["score"]
    for trial in sorted(
        result["trials"], key=lambda t: (t["score"] is None, abs((t["score"] or 0.0) - best))
    ):
        score = "-" if trial["score"] is None else f"{trial['score']:.3f}"
        values = [escape(str(trial["settings"][name])) for name in names]
        table.add_row(str(trial["trial"]), score, *values, style="bold" if trial == result["best"] else "")
    console = Console()
    console.print(console.fitting(table))
    say()
    _say_best(result)
    what = (result["algorithm"], "--env", result["environment"]["name"])
    file = ("--config", Path(result["folder"]) / "best.yaml")
    train = command("train", *what, *file, "--seeds", "10")
    show_next(f"\nThe trials are in {result['folder']}", [(train, "train on seeds that no trial has seen")])


def say_failures(failures: Mapping[str, str], folder: Path) -> None:
    """One line on standard error for each cell that failed.

    Args:
        failures: why each failed, by name.
        folder: of the experiment.
    """
    for name, error in failures.items():
        notice(f"{name} failed: {error}")
    logs = sorted({str(log.parent) for log in folder.rglob("logs/*.txt")} if failures else ())
    if logs:
        notice(f"what they left is in {', '.join(logs)}")


def _say_best(tuned: Mapping[str, Any]) -> None:
    cost, best = tuned["cost"], tuned["best"]
    settings = ", ".join(f"{name} {value}" for name, value in best["settings"].items())
    say(
        f"{tuned['sweep']}: {settings}; score {best['score']:.3f}, best of {cost['trials']} trials with "
        f"{len(cost['seeds'])} seeds from {cost['seeds'][0]} and {cost['steps']:,} steps each"
    )


def _grid(*columns: str) -> Table:
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold", title_style="bold")
    for column in columns:
        table.add_column(escape(column), justify="right" if column in NUMBERS else "left")
    return table


def _score(cell: Cell) -> str:
    """The mean score of a cell that is done."""
    content = experiment_cell.summary(cell)
    return f"{content['over_seeds'][SCORE.name]:.3f}"
