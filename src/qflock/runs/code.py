"""The Python files that a run's settings name: copies of them in its folder, and where they are by now.

An environment, a network, a mixer or an algorithm may come from a file of the user's. A run keeps its full
path, its checksum and a copy. Where the path leads nowhere, because the run has moved, the file is looked
for. Whatever is found is other people's code until the user has named it; see `trust`.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from qflock.core import shell
from qflock.core.errors import Notice, UserError, shown
from qflock.settings import registry

FOLDER = Path("configs") / "code"
"""Where a run's folder has the copies."""
VARIABLE = "QFLOCK_CODE"
"""Files that stand in for those of runs, for processes that a command starts; divided as in ``PATH``."""


class StandIns(NamedTuple):
    """Attributes:
    files: what the user named by ``--code``.
    strict: whether there is one run, so that each has to stand for a file of it.
    """

    files: tuple[Path, ...]
    strict: bool


_inherited = filter(None, os.environ.get(VARIABLE, "").split(os.pathsep))
_stand_ins = StandIns(tuple(map(Path, _inherited)), strict=False)


def stand_in(files: Sequence[Path], strict: bool) -> None:
    """From now on these stand for the files of their names that runs name.

    Args:
        files: Python files; none take back what stood in before.
        strict: as `StandIns`.

    Raises:
        UserError: one is no file.
    """
    global _stand_ins
    for file in files:
        if not os.path.isfile(file):
            raise UserError(f"no file {shown(file)}; --code takes the path of a Python file that a run names")
    _stand_ins = StandIns(tuple(file.resolve() for file in files), strict)


def variables() -> dict[str, str]:
    """What a child's environment needs to find the same files."""
    return {VARIABLE: os.pathsep.join(map(str, _stand_ins.files))}


def record(mapping: Mapping[str, Any], folder: Path) -> list[dict[str, str]]:
    """Copy the files that settings name.

    Args:
        mapping: settings by name, as they are written.
        folder: of the copies; it is made if there are any.

    Returns:
        The ``path`` of each, its ``sha256``, and the name of its ``copy``.
    """
    entries = []
    for path in _files(mapping):
        with contextlib.suppress(OSError):  # it was imported, and has gone: there is nothing to keep
            content = Path(path).read_bytes()
            folder.mkdir(exist_ok=True)
            checksum = hashlib.sha256(content).hexdigest()
            copy = folder / Path(path).name
            if copy.exists() and _checksum(copy) != checksum:  # two files of one name
                copy = folder / f"{copy.stem}-{checksum[:8]}.py"
            copy.write_bytes(content)
            entries.append({"path": path, "sha256": checksum, "copy": copy.name})
    return entries


def places(mapping: Mapping[str, Any], recorded: Sequence[Mapping[str, str]], run: Path) -> dict[str, str]:
    """Where the files that a run's settings name are, of those that are not where they were.

    Args:
        mapping: the settings as they were written.
        recorded: what `record` returned; empty for runs that are older than that.
        run: the run's folder.

    Returns:
        The path of a file on this machine, by the path that the settings name.

    Raises:
        UserError: there is none, or what the user named stands for no file of the run.
    """
    known = {entry["path"]: entry for entry in recorded}
    names = list(_files(mapping))
    found: dict[str, str] = {}
    used = set()
    for name in names:
        checksum = known.get(name, {}).get("sha256", "")
        given = _given(name, checksum, alone=len(names) == 1)
        used.add(given)
        path = given or _search(name, checksum, known.get(name, {}).get("copy", ""), run)
        if str(path) != name:
            found[name] = str(path)
            _tell(f"{path} stands for {name}, which {run} names")
        if checksum and _checksum(path) != checksum:
            _tell(f"warning: {path} is not the {Path(name).name} that {run} was made with; scores may differ")
    for file in _stand_ins.files if _stand_ins.strict else ():
        if file not in used:
            there = f"names {', '.join(names)}" if names else "names no Python file"
            raise UserError(f"--code {file} stands for nothing: {run} {there}")
    return found


def replaced(mapping: Mapping[str, Any], paths: Mapping[str, str]) -> dict[str, Any]:
    """Settings with other paths of Python files.

    Args:
        mapping: settings by name.
        paths: the new one by the old one.
    """

    def one(value: Any) -> Any:
        if isinstance(value, Mapping):
            return replaced(value, paths)
        if not (isinstance(value, str) and registry.is_path(value)):
            return value
        file, colon, attribute = value.partition(":")
        return f"{paths.get(file, file)}{colon}{attribute}"

    return {name: one(value) for name, value in mapping.items()}


def _files(mapping: Mapping[str, Any]) -> Iterator[str]:
    """The files that settings name, each once."""
    environment = mapping.get("env")
    texts = [*(environment.values() if isinstance(environment, Mapping) else ()), *mapping.values()]
    names = (text.partition(":")[0] for text in texts if isinstance(text, str) and registry.is_path(text))
    yield from dict.fromkeys(names)


def _given(name: str, checksum: str, alone: bool) -> Path | None:
    """The file that the user wants for one that a run names: of the same name or content, or the only one."""
    files, strict = _stand_ins
    same_name = [file for file in files if file.name == Path(name).name]
    same_content = [file for file in files if checksum and _checksum(file) == checksum]
    only = files if strict and alone and len(files) == 1 else ()
    return next(iter([*same_name, *same_content, *only]), None)


def _search(name: str, checksum: str, copy: str, run: Path) -> Path:
    """The file where it was; else one with the same content, or at least of the same name."""
    if os.path.isfile(name):
        return Path(name)
    base = Path(name).name
    near = [folder / base for folder in (run.resolve().parent, run, Path())]
    if copy:
        near.append(run / FOLDER / Path(copy).name)
    there = [path.resolve() for path in near if path.is_file()]
    if not there:
        raise UserError(
            f"{run} names {shown(name)}, which is not here, and there is no {base} beside the run or in this "
            f"folder; say where it is: {shell.typed(['--code', base])}"
        )
    return next((path for path in there if _checksum(path) == checksum), there[0])


def _checksum(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError as problem:
        raise UserError(f"cannot read {path}: {problem.strerror or problem}") from problem


def _tell(line: str) -> None:
    warnings.warn(line, Notice, stacklevel=2)
