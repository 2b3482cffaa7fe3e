"""An interrupt that is raised where Python drops exceptions, as in callbacks of its garbage collection, comes
again: else Ctrl-C at that moment would print a traceback and do nothing."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

SOON = 0.05
"""Seconds after which it comes again, out of the callback."""


@contextmanager
def kept() -> Iterator[None]:
    """While it is entered, in the main thread, no `KeyboardInterrupt` is dropped."""
    before, over = sys.unraisablehook, threading.Event()
    thread = threading.get_ident()

    def again(kind: type[BaseException]) -> None:
        import ctypes  # at the start of every command it would be in the way

        if not over.wait(SOON):
            ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), ctypes.py_object(kind))

    def dropped(what: Any) -> None:
        if issubclass(what.exc_type, KeyboardInterrupt):
            threading.Thread(target=again, args=(what.exc_type,), daemon=True).start()
        else:
            before(what)

    sys.unraisablehook = dropped
    try:
        yield
    finally:
        over.set()
        sys.unraisablehook = before
