"""Which commit a folder is at, without running anything that the folder names.

A checkout's own settings and attributes may name programs: filters, hooks, fsmonitor, textconv, a transport.
Commands of git that look at files run them, ``describe --dirty`` too. So git is asked only for what it has
written down: the commit, and the index. Whether files differ from the index is seen here: by size and time,
else by the hash of what they hold. Where a filter or a change of line ends would have to be run to know, the
answer is that it is not known.
"""

from __future__ import annotations

import hashlib
import os
import re
import stat
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

PATIENCE = 5.0
"""Seconds that a look may take; what was not looked at then is not known."""
PIECE = 1 << 20
SAFE = ("core.fsmonitor=", "core.untrackedCache=false", "safe.bareRepository=explicit", "core.pager=cat")
"""Settings that are laid over those of a checkout."""
ALONE = {
    "GIT_ALLOW_PROTOCOL": "none",
    "GIT_NO_LAZY_FETCH": "1",
    "GIT_OPTIONAL_LOCKS": "0",
    "GIT_PAGER": "cat",
}
"""Nothing is fetched, not even what a partial clone lacks, and nothing is written."""
ATTRIBUTES = ("filter", "text", "crlf", "eol", "ident", "working-tree-encoding")
"""Attributes by which a file may differ from what the commit holds and still be the same."""
DIRTY, UNKNOWN = "-dirty", "-unknown"
LISTED = re.compile(
    rb"(\w) ([0-7]+) ([0-9a-f]+) \d\t([^\0]+)\0"
    rb"  ctime: .*\n  mtime: (\d+):(\d+)\n  dev: .*\n  uid: .*\n  size: (\d+)\t.*\n"
)
MODULE = 0o160000
MOST_MODULES = 8  # inside one another


class _Entry(NamedTuple):
    """A file as the index has it."""

    path: bytes
    mode: int
    digest: str
    size: int
    modified: int  # nanoseconds


class _Unclear(Exception):
    """Git does not answer as it should, or not in time."""


def describe(folder: Path) -> str | None:
    """The commit of a checkout, alone or with ``-dirty`` where tracked files or the index differ from it.

    It ends in ``-unknown`` where that cannot be seen. None outside of a checkout, before a first commit, or
    without git.

    Args:
        folder: any folder of the checkout.
    """
    return _described(folder, time.monotonic() + PATIENCE)


def _described(folder: Path, end: float, modules: int = 0) -> str | None:
    try:
        commit = _git(folder, end, "rev-parse", "--verify", "--quiet", "HEAD^{commit}").decode().strip()
        top = Path(os.fsdecode(_git(folder, end, "rev-parse", "--show-toplevel").removesuffix(b"\n")))
    except _Unclear:
        return None
    try:
        return commit + _differs(top, end, modules)
    except (_Unclear, OSError):
        return commit + UNKNOWN


def _git(folder: Path, end: float, *words: str, given: bytes = b"") -> bytes:
    settings = [word for setting in SAFE for word in ("-c", setting)]
    try:
        done = subprocess.run(
            ["git", "--no-pager", *settings, *words],
            cwd=folder,
            env={**os.environ, **ALONE},
            input=given,
            capture_output=True,
            timeout=max(0.1, end - time.monotonic()),
            check=True,
        )
    except (OSError, subprocess.SubprocessError) as problem:
        raise _Unclear from problem
    return done.stdout


def _differs(top: Path, end: float, modules: int) -> str:
    """What follows the commit's name."""
    plain = ("--raw", "-z", "--no-ext-diff", "--no-textconv", "--no-renames", "--ignore-submodules=none")
    if _git(top, end, "diff-index", "--cached", *plain, "HEAD", "--"):
        return DIRTY
    written = (
        top / os.fsdecode(_git(top, end, "rev-parse", "--git-path", "index").removesuffix(b"\n"))
    ).stat()
    contents, modes, unseen = [], False, False
    for entry in _index(top, end):
        if entry.mode == MODULE:
            inner = _of_module(top, entry, end, modules + 1)
            if inner == DIRTY:
                return DIRTY
            unseen |= inner == UNKNOWN
            continue
        path = os.path.join(os.fsencode(top), entry.path)
        try:
            now = os.lstat(path)
        except OSError:
            return DIRTY
        if stat.S_IFMT(now.st_mode) != stat.S_IFMT(entry.mode):
            return DIRTY
        modes |= stat.S_ISREG(now.st_mode) and bool(now.st_mode & 0o100) != bool(entry.mode & 0o100)
        untouched = (now.st_size & 0xFFFFFFFF, now.st_mtime_ns) == (entry.size, entry.modified)
        if untouched and now.st_mtime_ns < written.st_mtime_ns:  # else it may have changed since, as git says
            continue
        if _digest(path, now, len(entry.digest), end) != entry.digest:
            contents.append(entry.path)
    if modes and _git(top, end, "config", "--type=bool", "--default=true", "core.filemode") == b"true\n":
        return DIRTY
    if contents:
        return DIRTY if _surely(top, contents, end) else UNKNOWN
    return UNKNOWN if unseen else ""


def _index(top: Path, end: float) -> Iterator[_Entry]:
    """The files of the index that should be there as they are: not those of a sparse checkout.

    Raises:
        _Unclear: git lists them in another form.
    """
    told = _git(top, end, "ls-files", "-v", "--stage", "--debug", "-z")
    if told and LISTED.sub(b"", told):
        raise _Unclear  # of another form
    for tag, mode, digest, path, seconds, nanoseconds, size in LISTED.findall(told):
        if tag != b"S" and not tag.islower():  # git is not told to pass it over
            modified = int(seconds) * 10**9 + int(nanoseconds)
            yield _Entry(path, int(mode, 8), digest.decode(), int(size), modified)


def _digest(path: bytes, now: os.stat_result, length: int, end: float) -> str:
    """The name that git gives to what a file or a link holds; empty where it cannot be read.

    Raises:
        _Unclear: it takes too long.
    """
    total = hashlib.sha1(usedforsecurity=False) if length == 40 else hashlib.sha256()
    try:
        if stat.S_ISLNK(now.st_mode):
            target = os.readlink(path)
            total.update(b"blob %d\0" % len(target) + target)
            return total.hexdigest()
        total.update(b"blob %d\0" % now.st_size)
        with open(os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK), "rb") as file:
            while piece := file.read(PIECE):
                total.update(piece)
                if time.monotonic() > end:
                    raise _Unclear
    except OSError:
        return ""
    return total.hexdigest()


def _surely(top: Path, paths: list[bytes], end: float) -> bool:
    """Whether one of the files, whose contents differ, does so whatever a filter and ends of lines do."""
    told = _git(top, end, "check-attr", "-z", "--stdin", *ATTRIBUTES, given=b"\0".join(paths) + b"\0")
    words = told.split(b"\0")[:-1]
    values = dict.fromkeys(paths, b"")
    for path, value in zip(words[::3], words[2::3], strict=True):
        if value not in (b"unspecified", b"unset"):
            values[path] = value
    ends = _git(top, end, "config", "--default=false", "core.autocrlf").strip()
    return ends == b"false" and not all(values.values())


def _of_module(top: Path, entry: _Entry, end: float, modules: int) -> str:
    """What follows the commit's name where a submodule is another than the index says."""
    folder = top / os.fsdecode(entry.path)
    if not (folder / ".git").exists():  # not checked out
        return "" if folder.is_dir() else DIRTY
    found = _described(folder, end, modules) if modules < MOST_MODULES else None
    if found is None:
        return UNKNOWN
    return found.removeprefix(entry.digest) if found.startswith(entry.digest) else DIRTY
