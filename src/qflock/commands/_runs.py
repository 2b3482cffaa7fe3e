"""What commands on a run share: which run is meant, and which settings of its environment are to differ."""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qflock.core.errors import UserError
from qflock.settings import registry

if TYPE_CHECKING:
    from qflock.runs.folder import RunFolder


def find(argv: Sequence[str], command: str) -> tuple[RunFolder, list[str]]:
    """The run that a command is given, and the other arguments.

    Args:
        argv: what stands after the command's name. The run comes first, or is the first folder named. Files
            that it says to use as the run's code, ``--code FILE.py``, are used from now on.
        command: for messages.

    Raises:
        UserError: no run is named, or there is none there; no such file.
    """
    from qflock.runs import folder

    rest = stand_ins(argv, strict=True)
    named = (at for at, word in enumerate(rest) if word == "latest" or Path(word).is_dir())
    at = 0 if rest and not rest[0].startswith("-") else next(named, None)
    if at is None:
        raise UserError(
            f"name a run, its folder or 'latest': {command} (see {command.removesuffix(' RUN')} --help)"
        )
    return folder.open_run(rest.pop(at)), rest


def stand_ins(argv: Sequence[str], strict: bool = False) -> list[str]:
    """Take the files that stand for those of runs, ``--code FILE.py``, from the arguments.

    Returns the other arguments.

    Args:
        argv: what stands after the command's name.
        strict: as `code.StandIns`.

    Raises:
        UserError: no file is named, or there is none there.
    """
    from qflock.runs import code

    rest: list[str] = []
    files = []
    words = iter(argv)
    for word in words:
        option, equals, value = word.partition("=")
        if option != "--code":
            rest.append(word)
            continue
        value = value if equals else next(words, "")
        if not value or value.startswith("-"):
            raise UserError("--code needs a value: the path of a Python file that the run names")
        files.append(registry.file_of(value))
    code.stand_in(files, strict)
    return rest


def changes(before: Any, after: Any) -> dict[str, Any]:
    """The settings of an environment that differ, by name; none where it has no settings.

    Args:
        before: settings of an environment, a dataclass; None where it has none.
        after: of the same class.
    """
    if before is None:
        return {}
    values = {field.name: getattr(after, field.name) for field in dataclasses.fields(after)}
    return {name: value for name, value in values.items() if value != getattr(before, name)}
