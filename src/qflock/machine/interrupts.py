"""An interrupt that is raised where Python drops exceptions, as in callbacks of its garbage collection, comes
again: else Ctrl-C at that moment would print a traceback and do nothing."""

from __future__ import annotations

import atexit
import os
import signal
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from qflock.machine import signals

SOON = 0.05
"""Seconds after which it comes again, out of the callback."""


@contextmanager
def kept(ends: bool = False) -> Iterator[None]:
    """While it is entered, in the main thread, no `KeyboardInterrupt` is dropped.

    Args:
        ends: the process ends with it: a signal that comes later, while Python and libraries tidy up, ends it
            at once, status 130.
    """
    if ends:
        atexit.register(_set, signal.SIG_IGN)  # the first that is registered is the last that is called
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
        if ends:
            _set(lambda *_: os._exit(signals.EXIT))


def _set(handler: Any) -> None:
    for number in signals.STOPPING:
        if signal.getsignal(number) != signal.SIG_IGN:  # as nohup has it
            signal.signal(number, handler)
