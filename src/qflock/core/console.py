"""A console for tables, bars and colours, on which text of others steers nothing. Imports rich."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from rich.console import Console as RichConsole
from rich.console import ConsoleOptions, RenderableType
from rich.segment import Segment
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
