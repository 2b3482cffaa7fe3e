"""Settings that have other names now: the old ones still load, with one line of notice."""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from qflock.core.errors import Notice

RENAMED = {"copies": "num_envs", "steps": "num_steps"}
"""Old name -> new one. An entry stays for two minor versions."""


class RenamedSetting(Notice, FutureWarning):
    """A setting was given by its old name."""


def current(name: str, known: Collection[str]) -> str:
    """The name that a setting has now; what is no old name is as it was.

    Args:
        name: as it was given.
        known: the settings that there are: an algorithm's own setting may have a name that is old here.
    """
    new = RENAMED.get(name, name)
    return new if name not in known and new in known else name


def mapping(given: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded settings by the names that they have now."""
    return {RENAMED.get(name, name): value for name, value in given.items()}


def notice(pairs: Iterable[tuple[str, str]], where: str = "") -> None:
    """One line that says what settings are called now, if any was given by an old name.

    Args:
        pairs: old and new names.
        where: what the line starts with: a file's name, or nothing.
    """
    said = ", ".join(f"{old} is {new} now" for old, new in pairs)
    if said:
        warnings.warn(f"{where}{said}; the old names go in two minor versions", RenamedSetting, stacklevel=3)
