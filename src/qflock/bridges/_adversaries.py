"""Games of adversaries, known by their agents' names. All agents are one team here, and the user is told."""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable

from qflock.core.errors import Notice

CAMPS = {
    "adversary": "agent",
    "leadadversary": "agent",
    "enemy": "ally",
    "eve": "alice",
    "red": "blue",
    "redmp": "bluemp",
    "second": "first",
}
"""What adversaries and those whom they play against are called, without their numbers."""


def tell(owner: str, names: Iterable[str]) -> None:
    """Say that a game is one of adversaries, where it is.

    Args:
        owner: name of the environment.
        names: of its agents.
    """
    kinds = {re.sub(r"[_ ]?\d+$", "", str(name)).lower() for name in names}
    camps = [(theirs, ours) for theirs, ours in CAMPS.items() if {theirs, ours} <= kinds]
    if camps:
        theirs, ours = camps[0]
        warnings.warn(
            f"{owner} is a game of adversaries ({theirs} against {ours}); here all its agents are trained as "
            "one team, paid together",
            Notice,
            stacklevel=3,
        )
