"""How often cells are tried: again where a failure may pass, once where a cell would fail the same way."""

from __future__ import annotations

from collections import Counter
from typing import Protocol

from qflock.experiments.cell import Cell, Failure

TRIES = 2
"""Of each cell in one start: the machine of the first may have gone; a third would tell nothing new."""


class Report(Protocol):
    """What a launcher tells while it works."""

    def queued(self, cell: Cell, why: str | None = None) -> None:
        """A cell waits for its turn or its machine.

        Args:
            cell: which.
            why: it was tried before, and what happened; None where it was not.
        """

    def started(self, cell: Cell) -> None:
        """A cell was begun."""

    def ended(self, cell: Cell, error: str | None) -> None:
        """A cell is done, or failed with one line.

        Args:
            cell: which.
            error: why it failed; None where it is done.
        """


class Tries:
    """Counts how often a launcher tried each cell, and reports how each ended."""

    def __init__(self, report: Report, most: int) -> None:
        self.report, self._most = report, most
        self._counts: Counter[str] = Counter()

    def again(self, cell: Cell, failure: Failure | None) -> bool:
        """Take down how a try ended. Returns whether the cell is to be tried again.

        Args:
            cell: which.
            failure: how it ended; None where the cell is done.
        """
        self._counts[cell.name] += 1
        if failure is None or not failure.passing or self._counts[cell.name] >= self._most:
            self.report.ended(cell, failure and failure.line)
            return False
        self.report.queued(cell, failure.line)
        return True
