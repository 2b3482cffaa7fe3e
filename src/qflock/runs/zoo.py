"""Small trained policies that come with qflock, as runs that are only looked at: ``zoo:PLACE/ALGORITHM``."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from qflock.core import texts
from qflock.core.errors import UserError, unknown

PREFIX = "zoo:"
FOLDER = Path(__file__).parents[1] / "zoo"
"""A folder for each environment, and in it one for each policy, in the form of a run's."""
ABOUT = "policy.json"
"""Beside the policy: what trained it, from which commit, and what it scored."""


def place(name: str) -> Path | None:
    """The folder of a policy; None for what is no name of one.

    Args:
        name: of a run, as it was typed.

    Raises:
        UserError: there is no such policy; a close name is suggested.
    """
    if not name.startswith(PREFIX):
        return None
    names = [entry["name"] for entry in listing()]
    if name not in names:
        raise unknown("policy of the zoo", name, names)
    return FOLDER / name.removeprefix(PREFIX)


def listing() -> list[dict[str, Any]]:
    """What there is, by name: each policy's ``policy.json``."""
    return [texts.read_json(path) for path in sorted(FOLDER.glob(f"*/*/{ABOUT}"))]


def holds(path: Path) -> bool:
    """Whether a folder is one of the zoo, in which nothing is ever written."""
    return Path(os.path.abspath(path)).is_relative_to(FOLDER)


def refuse_changes(path: Path) -> None:
    """See that a folder that is to be written is none of the zoo.

    Raises:
        UserError: it is.
    """
    if holds(path):
        name = PREFIX + Path(os.path.abspath(path)).relative_to(FOLDER).as_posix()
        raise UserError(
            f"{name} comes with qflock and is only looked at; train one of your own: qflock train"
        )
