"""The one error that a user's own input can raise: a line that says what, where and what to do."""

from __future__ import annotations

import difflib
import re
import reprlib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

LONGEST = 100
"""Characters of a value that a message shows."""
_SHORT = reprlib.Repr()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = LONGEST
_SHORT.maxlist = _SHORT.maxdict = 12
_SHORT.maxlevel = 4


_SENTENCE = re.compile(r"[.!?](?= )")


class Notice(UserWarning):
    """Something that the user should know, in one line; it stops nothing."""


class Ended(KeyboardInterrupt):
    """The process was told to end, by SIGTERM or by the closing of its terminal: Ctrl-C in other words."""


class UserError(Exception):
    """Something the user can mend. The command line prints its message and exits with ``code``.

    Attributes:
        code: exit status of the command line, 2 unless the sort of failure has its own.
    """

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code

    def _render_traceback_(self) -> list[str]:
        """What a notebook shows: the line, which says all that there is to mend."""
        return [f"{type(self).__name__}: {self}"]


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """An error for a name that does not exist, with the closest one that does.

    Args:
        kind: what the name should name, for example ``"algorithm"``.
        name: what was given.
        known: the names that exist.
    """
    known = sorted(known)
    plain = {each.lower(): each for each in known}
    near = difflib.get_close_matches(str(name)[:LONGEST].lower(), plain, n=1, cutoff=0.5)
    advice = f"did you mean {plain[near[0]]!r}?" if near else f"there are: {', '.join(known)}"
    return UserError(f"unknown {kind} {shown(name)}; {advice}")


def in_short(text: str, most: int = 300) -> str:
    """The beginning of a long text as one line: whole sentences where they fit, else whole words and dots.

    Args:
        text: of any length, in any number of lines.
        most: characters of what is kept.
    """
    line = " ".join(text.split())
    if len(line) <= most:
        return line
    ends = [end.end() for end in _SENTENCE.finditer(line, 0, most)]
    return line[: ends[-1]] if ends else f"{line[: most - 3].rpartition(' ')[0] or line[: most - 3]}..."


def shown(value: Any) -> str:
    """A value in a message: as Python writes it, but of bounded length, however large or nested it is."""
    value = list(value) if isinstance(value, tuple) else str(value) if isinstance(value, Path) else value
    try:
        return " ".join(_SHORT.repr(value).split("\n"))
    except ValueError:
        return "a number of very many digits"
