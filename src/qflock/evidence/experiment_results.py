"""What an experiment writes of itself into its folder, read again and checked."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qflock.core import texts
from qflock.core.errors import UserError
from qflock.core.shell import command
from qflock.runs import folder

EXPERIMENT = "results.json"
"""The file that makes a folder an experiment's, and lists its cells."""


@dataclass(frozen=True)
class CellEntry:
    """A cell as its experiment tells it.

    Attributes:
        path: its run folder, inside the experiment's.
        state: done, or what keeps it from that.
        content: all that the file says of it: label, environment, settings.
    """

    path: Path
    state: str
    content: dict[str, Any]


@dataclass(frozen=True)
class CellsFile:
    """An experiment's file of cells.

    Attributes:
        folder: the experiment's.
        source: the YAML file that asks for it, as its user named it.
        cells: all of them, in its order.
    """

    folder: Path
    source: str
    cells: list[CellEntry]


def is_one(path: Path) -> bool:
    """Whether a path is an experiment's folder, or the file in it."""
    return _file(path).is_file()


def read(path: Path) -> CellsFile:
    """What an experiment has written.

    Args:
        path: its folder, or the ``results.json`` in it.

    Raises:
        UserError: no experiment's folder, or its file cannot be read.
        DamagedFile: the file is not what ``qflock experiment`` wrote, or names a folder outside its own.
    """
    file = _file(path)
    try:
        content = texts.read_json(file)
        cells = [CellEntry(file.parent / c["folder"], c["state"], c) for c in content["cells"]]
        home = file.parent.resolve()
        if outside := [cell.path for cell in cells if not cell.path.resolve().is_relative_to(home)]:
            raise ValueError(f"{outside[0]} is no cell of it")
    except FileNotFoundError as missing:
        raise UserError(f"{path} is no experiment's folder: it has no {EXPERIMENT}") from missing
    except OSError as problem:
        raise UserError(f"cannot read {file}: {problem.strerror or problem}") from problem
    except (KeyError, TypeError, ValueError) as problem:
        raise folder.DamagedFile(f"{file} is damaged: it is not what qflock experiment wrote") from problem
    return CellsFile(file.parent, str(content.get("file", "FILE")), cells)


def done(path: Path) -> list[CellEntry]:
    """The cells of an experiment that are done.

    Raises:
        UserError: as `read`, or none of them is.
    """
    cells_file = read(path)
    cells = [cell for cell in cells_file.cells if cell.state == "done"]
    if not cells:
        raise UserError(f"no cell of {path} is done: {command('experiment', cells_file.source)}")
    return cells


def _file(path: Path) -> Path:
    return path if path.name == EXPERIMENT else path / EXPERIMENT
