"""A console for tables, bars and colours: text of others steers nothing, and tables fit. Imports rich."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import zip_longest
from typing import Any

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, Group, RenderableType
from rich.measure import Measurement
from rich.padding import Padding
from rich.segment import Segment
from rich.table import Column, Table
from rich.text import Text

from qflock.core.printing import printable


class Console(RichConsole):
    """rich's console; whatever text is rendered, rich's own control codes apart, goes through `printable`."""

    def render_str(self, text: str, **how: Any) -> Text:
        """A text with its markup, escaped before it is measured: tables have room for what is shown.

        Args:
            text, how: as rich has it.
        """
        return super().render_str(printable(text), **how)

    def render(self, renderable: RenderableType, options: ConsoleOptions | None = None) -> Iterable[Segment]:
        """The pieces that anything is made of.

        Args:
            renderable, options: as rich has it.
        """
        for piece in super().render(renderable, options):
            yield piece if piece.control else Segment(printable(piece.text), piece.style)

    def fitting(self, table: Table) -> RenderableType:
        """A table; where the console is too narrow for its words and numbers, its rows below one another.

        Args:
            table: its cells are texts. A line of a cell stands under the line of the column's head.
        """
        _, right, _, left = table.padding
        between = max(left, right) if table.collapse_padding else left + right
        edges = left + right if table.pad_edge else 0
        if sum(map(self._least, table.columns)) + between * (len(table.columns) - 1) + edges <= self.width:
            return table
        title = [Text(self._plain(table.title), "bold", overflow="fold")] if table.title else []
        rows = zip(*(list(column.cells) for column in table.columns), strict=True)
        return Group(*title, *(line for cells in rows for line in self._lines(table.columns, cells)))

    def _least(self, column: Column) -> int:
        """The least width in which nothing of a column is cut."""
        cells = [*([column.header] if column.header else []), *column.cells]
        widths = [Measurement.get(self, self.options, cell) for cell in cells]
        return max((w.maximum if column.no_wrap else w.minimum for w in widths), default=0)

    def _lines(self, columns: list[Column], cells: Iterable[RenderableType]) -> Iterator[RenderableType]:
        name, *others = zip(columns, cells, strict=True)
        yield Text(" ".join(self._plain(name[1]).split()), "bold", overflow="fold")
        for column, cell in others:
            heads, values = self._plain(column.header).split("\n"), self._plain(cell).split("\n")
            for head, value in zip_longest(heads, values, fillvalue=""):
                if value.strip():
                    yield Padding(Text(f"{head} {value}".strip(), overflow="fold"), (0, 0, 0, 2))

    def _plain(self, content: RenderableType) -> str:
        """A cell's text without its markup."""
        return content.plain if isinstance(content, Text) else self.render_str(str(content)).plain
