"""Keys as they are pressed in a terminal, which is given back as it was, however that ends."""

from __future__ import annotations

import contextlib
import importlib.util
import os
import select
import signal
import sys
import threading
from collections.abc import Iterator
from typing import Any, TextIO

NAMES = {
    b"\x1b[A": "up",
    b"\x1b[B": "down",
    b"\x1b[C": "right",
    b"\x1b[D": "left",
    b"\x1b": "escape",
    b"\x04": "end",
    b"\x03": "end",
}
"""Keys that have a name; others are the character that they write."""
END = "end"
"""Ctrl-D, or the terminal is gone."""
HIDE_CURSOR, SHOW_CURSOR, RESET = "\x1b[?25l", "\x1b[?25h", "\x1b[0m"


def there(stream: TextIO | None = None, keys: TextIO | None = None) -> bool:
    """Whether somebody sits at a terminal that shows the one and writes the other.

    Args:
        stream: what is shown; standard output by default.
        keys: where keys come from; standard input by default.
    """
    shows, writes = stream or sys.stdout, keys or sys.stdin
    try:
        known = importlib.util.find_spec("termios") is not None  # not on Windows
        return known and bool(shows and writes and shows.isatty() and writes.isatty())
    except ValueError:  # closed
        return False


class Keys:
    """What is pressed."""

    def __init__(self, descriptor: int) -> None:
        """Prepare; `pressed` makes one."""
        self._descriptor, self._left = descriptor, b""

    def read(self, seconds: float | None = None) -> str | None:
        """The next key; None where none was pressed in time.

        Args:
            seconds: how long to wait; None for ever.
        """
        if not self._left:
            if not select.select([self._descriptor], [], [], seconds)[0]:
                return None
            try:
                self._left = os.read(self._descriptor, 256)
            except OSError:  # the terminal is gone
                return END
            if not self._left:
                return END
        key, self._left = _first(self._left)
        return NAMES.get(key.replace(b"\x1bO", b"\x1b["), key.decode("utf-8", "replace"))


def _first(data: bytes) -> tuple[bytes, bytes]:
    """The bytes of the first key, and those of the others."""
    if data[:2] in (
        b"\x1b[",
        b"\x1bO",
    ):  # up to its letter; a parameter (a shift key, a function key) may come first
        end = next((at for at in range(2, len(data)) if 0x40 <= data[at] <= 0x7E), len(data) - 1)
        return data[: end + 1], data[end + 1 :]
    length = next((n for n, least in ((4, 0xF0), (3, 0xE0), (2, 0xC0)) if data[0] >= least), 1)
    return data[:length], data[length:]


@contextlib.contextmanager
def pressed(stream: TextIO | None = None, keys: TextIO | None = None) -> Iterator[Keys]:
    """While it is entered, keys come at once and are not shown, and the cursor is hidden.

    Afterwards the terminal is as it was, whatever ended it. Ctrl-C interrupts and Ctrl-Z stops as ever: while
    the program is stopped, the shell has its own terminal.

    Args:
        stream, keys: as `there`, which must hold.
    """
    import termios
    import tty

    shows, descriptor = stream or sys.stdout, (keys or sys.stdin).fileno()
    before = termios.tcgetattr(descriptor)

    def begin() -> None:
        tty.setcbreak(descriptor, termios.TCSADRAIN)
        _show(shows, HIDE_CURSOR)

    def end() -> None:
        with contextlib.suppress(termios.error):  # it is gone
            termios.tcsetattr(descriptor, termios.TCSADRAIN, before)
        _show(shows, RESET + SHOW_CURSOR)

    def stop(*_: Any) -> None:
        end()
        os.kill(os.getpid(), signal.SIGSTOP)
        begin()

    ours = threading.current_thread() is threading.main_thread()
    stopping = signal.getsignal(signal.SIGTSTP)
    try:
        if ours and stopping != signal.SIG_IGN:
            signal.signal(signal.SIGTSTP, stop)
        begin()
        yield Keys(descriptor)
    finally:
        end()
        if ours:
            signal.signal(signal.SIGTSTP, stopping)


def _show(stream: TextIO, text: str) -> None:
    with contextlib.suppress(OSError, ValueError):  # whoever was reading went away
        stream.write(text)
        stream.flush()
