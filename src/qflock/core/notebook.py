"""Whether this is a notebook, and a place in its output that is drawn anew."""

from __future__ import annotations

import sys
import time
from collections.abc import Callable
from typing import Any


def running() -> bool:
    """Whether this is a notebook's kernel: Jupyter, VS Code, Colab. No IPython is imported to know."""
    ipython = sys.modules.get("IPython")
    get_shell = getattr(ipython, "get_ipython", None)
    shell = get_shell() if get_shell else None
    return hasattr(shell, "kernel")


class Place:
    """A place in a cell's output. Pictures in quick succession are left out, but for the last."""

    def __init__(self, interval: float = 0.5, clock: Callable[[], float] = time.monotonic) -> None:
        """Prepare; nothing is shown before `draw`.

        Args:
            interval: seconds between two pictures.
            clock: seconds, for tests.
        """
        self._interval, self._clock = interval, clock
        self._handle: Any = None
        self._next = 0.0

    def due(self) -> bool:
        """Whether the next picture may be drawn by now."""
        return self._handle is None or self._clock() >= self._next

    def draw(self, html: str, text: str) -> None:
        """Put a picture into the place.

        Args:
            html: what a browser shows; safe already.
            text: what stands for it elsewhere.
        """
        from IPython.display import display  # type: ignore[reportMissingImports]

        self._next = self._clock() + self._interval
        shown = {"text/html": html, "text/plain": text}
        if self._handle is None:
            self._handle = display(shown, raw=True, display_id=True)
        else:
            self._handle.update(shown, raw=True)
