"""What an experiment tells of itself while it runs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from qflock.experiments.cell import Cell, State


class Watch(Protocol):
    """Who is told how an experiment goes."""

    def begin(self, title: str, cells: Sequence[Cell], states: dict[str, State]) -> None:
        """These cells come next.

        Args:
            title: what they are for.
            cells: all of them, those that are done included.
            states: how far each is, by name.
        """

    def change(self, cell: Cell, state: State, error: str | None = None) -> None:
        """A cell is queued, running, done or failed.

        Args:
            cell: which.
            state: what it is now.
            error: why it failed, or why it is queued again, in one line.
        """

    def close(self) -> None:
        """Nothing more comes."""
