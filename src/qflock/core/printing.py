"""What is printed. Names, files and errors may be somebody else's: they never steer the reader's terminal.

All that qflock prints goes through `say`, `notice` or a `core.console`; a test walks the source for others.
"""

from __future__ import annotations

import math
import re
import sys
import warnings
from typing import Any, TextIO

from qflock.core.errors import Notice

_PYTHONS = warnings.formatwarning
STEERING = re.compile(
    "[\x00-\x08\x0b-\x1f\x7f-\x9f"  # C0 with ESC and carriage return, DEL, C1; a tab and a line's end stay
    "\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069"  # what turns the direction of text
    "\u2028\u2029"  # ends of lines that only some readers know
    "\ud800-\udfff]"  # halves of characters: bytes of a file's name that are no text
)
"""Characters that a terminal or a browser obeys instead of showing them."""


def printable(text: str) -> str:
    r"""A text with an escape, ``\u001b``, for each character that would steer what shows it.

    The form is that of JSON, YAML and Python, so a text in one of these stays what it is.

    Args:
        text: any; tabs and ends of lines stay.
    """
    return STEERING.sub(lambda found: f"\\u{ord(found[0]):04x}", text)


def one_line(text: str) -> str:
    """A text of several lines as one. Spaces within a line stay: a path or a command may have them.

    Args:
        text: a message.
    """
    return " ".join(line.strip() for line in text.splitlines())


def say(text: str = "", *, end: str = "\n", stream: TextIO | None = None) -> None:
    """Print a text; what would steer a terminal is escaped.

    Args:
        text: may have several lines.
        end: what follows it.
        stream: where to; standard output by default.
    """
    print(printable(text), end=end, file=sys.stdout if stream is None else stream, flush=stream is not None)


def notice(message: str) -> None:
    """One line on standard error, ``qflock: message``.

    Args:
        message: may come from others, and have several lines.
    """
    say(f"qflock: {one_line(message)}", stream=sys.stderr)


def show_warning(
    message: Warning | str, category: type[Warning], filename: str, lineno: int, *where: Any
) -> None:
    """Show a warning as ``warnings.showwarning`` does, but a notice of ours as one line.

    Args:
        message, category, filename, lineno, where: as Python passes them.
    """
    if issubclass(category, Notice):
        notice(" ".join(str(message).split()))
    else:
        say(_PYTHONS(message, category, filename, lineno), end="", stream=sys.stderr)


def amount(count: float) -> str:
    """Bytes for people: ``3.402 GiB``.

    Args:
        count: how many.
    """
    power = min(int(math.log(max(count, 1), 1024)), 4)
    return f"{count / 1024**power:.4g} {('B', 'KiB', 'MiB', 'GiB', 'TiB')[power]}"
