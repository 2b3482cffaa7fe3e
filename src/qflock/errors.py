"""The one error that a user's own input can raise: a line that says what, where and what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


class UserError(Exception):
    """Something the user can mend. The command line prints its message and exits with ``code``.

    Attributes:
        code: exit status of the command line, 2 unless the sort of failure has its own.
    """

    def __init__(self, message: str, code: int = 2) -> None:
        super().__init__(message)
        self.code = code


def unknown(kind: str, name: str, known: Iterable[str]) -> UserError:
    """An error for a name that does not exist, with the closest one that does.

    Args:
        kind: what the name should name, for example ``"algorithm"``.
        name: what was given.
        known: the names that exist.
    """
    known = sorted(known)
    near = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    advice = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
    return UserError(f"unknown {kind} {name!r}; {advice}")
