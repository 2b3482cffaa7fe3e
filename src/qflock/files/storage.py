"""Files that are either whole or absent, and the two ways in which a file can fail its user."""

from __future__ import annotations

import contextlib
import errno
import os
import shutil
import stat
import tempfile
from collections.abc import Iterator
from pathlib import Path

from qflock.core.errors import UserError

ADVICE = {
    errno.ENOSPC: "free some space, then go on with qflock resume",
    errno.EDQUOT: "free some of your quota, then go on with qflock resume",
    errno.EACCES: "choose a folder that you may write, with --run-dir",
    errno.EPERM: "choose a folder that you may write, with --run-dir",
    errno.EFBIG: "files may not grow so large here (ulimit -f); then go on with qflock resume",
    errno.EROFS: "choose a folder that can be written, with --run-dir",
    errno.ENOENT: "the folder is not there (any more)",
}


class DamagedFile(UserError):
    """A file that is truncated, changed, of another version, or does not belong where it is."""


class CannotWrite(UserError):
    """The disk is full or the folder cannot be written. What was saved before is whole."""


def cannot_write(path: Path, problem: OSError) -> CannotWrite:
    """The one-line error for a failed write, with what to do where that is known.

    Args:
        path: what was written.
        problem: what the system answered.
    """
    advice = ADVICE.get(problem.errno or 0, "look at the disk, or choose another folder with --run-dir")
    return CannotWrite(f"cannot write {path}: {problem.strerror or problem}; {advice}")


@contextlib.contextmanager
def replacing(path: Path) -> Iterator[Path]:
    """Write a file so that ``path`` holds the old contents or the new, never a part.

    Yields a path of the same name to write to, in a hidden folder beside the target. When the block
    ends well, the file is forced to the disk and renamed; when it fails or is interrupted, the hidden
    folder goes and the old file stays, also where a folder around them has another name by then. Only
    a killed process leaves the hidden folder behind, which ``discard_partials`` removes.

    Raises:
        CannotWrite: an ``OSError`` came up inside the block or while the file was put in place.
    """
    try:
        with half_written(path.parent, f".{path.name}.", ".partial") as partial:
            temporary = partial / path.name
            yield temporary
            _force_to_disk(temporary)
            os.replace(temporary, path)
            with contextlib.suppress(OSError):  # some file systems cannot; the file itself is whole already
                _force_to_disk(path.parent)
    except OSError as problem:
        raise cannot_write(path, problem) from problem


@contextlib.contextmanager
def half_written(folder: Path, prefix: str, suffix: str = "") -> Iterator[Path]:
    """A hidden folder in another, for what is not whole yet; it goes with the block, whatever is in it.

    Args:
        folder: where; it may have another name by the end of the block.
        prefix, suffix: of the hidden folder's name.

    Raises:
        OSError: it cannot be made.
    """
    place = None
    if shutil.rmtree.avoids_symlink_attacks:  # not on Windows, where no folder in use can be renamed
        place = os.open(folder, os.O_RDONLY)
    try:
        hidden = Path(tempfile.mkdtemp(prefix=prefix, suffix=suffix, dir=folder))
        try:
            yield hidden
        finally:
            shutil.rmtree(hidden if place is None else hidden.name, ignore_errors=True, dir_fd=place)
    finally:
        if place is not None:
            os.close(place)


def make_folder(path: Path) -> None:
    """Make a folder, and those that it lies in; one that is there is no error.

    Args:
        path: the folder.

    Raises:
        CannotWrite: the disk is full or cannot be written, or a file is in the way.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as problem:
        raise cannot_write(path, problem) from problem


def write_text(path: Path, text: str) -> None:
    """Replace a text file (UTF-8) whole.

    Args:
        path: the file, in a folder that exists.
        text: all that it will hold.

    Raises:
        CannotWrite: see ``replacing``.
    """
    with replacing(path) as temporary:
        temporary.write_text(text, encoding="utf-8")


def set_aside(path: Path) -> Path:
    """Rename a damaged file, so that it is neither used nor lost: ``log.csv`` to ``log.damaged-1.csv``.

    Raises:
        CannotWrite: it cannot be renamed.
    """
    number = 1
    while os.path.lexists(aside := path.with_name(f"{path.stem}.damaged-{number}{path.suffix}")):
        number += 1
    try:
        os.rename(path, aside)
    except OSError as problem:
        raise cannot_write(path, problem) from problem
    return aside


def remove(path: Path) -> None:
    """Remove a file; one that is not there is no error.

    Raises:
        CannotWrite: it cannot be removed.
    """
    try:
        path.unlink(missing_ok=True)
    except OSError as problem:
        raise cannot_write(path, problem) from problem


def discard_partials(folder: Path) -> None:
    """Remove what killed processes left half written in a folder. Only for its one writer."""
    for partial in folder.glob(".*.partial"):
        shutil.rmtree(partial, ignore_errors=True)


def _force_to_disk(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def refuse_odd(folder: Path, *paths: Path) -> None:
    """See that files of a folder can be read and are its own; those that are not there are passed over.

    Args:
        folder: which others may have made.
        paths: of files in it.

    Raises:
        DamagedFile: one is a pipe, a device or a folder, which may never come to an end, or a link leads out.
    """
    for path in paths:
        try:
            mode = os.stat(path).st_mode
        except FileNotFoundError:
            continue
        except OSError as problem:
            raise DamagedFile(f"{path} cannot be read: {problem.strerror or problem}") from problem
        if not stat.S_ISREG(mode):
            raise DamagedFile(f"{path} is damaged: it is no file")
        if not path.resolve().is_relative_to(folder.resolve()):
            raise DamagedFile(f"{path} is a link that leads out of {folder}; put a copy in its place")
