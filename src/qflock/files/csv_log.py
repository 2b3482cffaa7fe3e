"""A CSV file that grows by whole rows and can be cut back to where a resumed run goes on."""

from __future__ import annotations

import contextlib
import csv
import errno
import hashlib
import io
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

import numpy as np

from qflock.core import texts
from qflock.core.errors import UserError, unknown
from qflock.files.storage import DamagedFile, cannot_write

PIECE = 1 << 20
"""Bytes read at a time."""
MOST = 512 * 2**20
"""Bytes of a log that is read."""


class CsvLog:
    """Rows of named columns, on disk as soon as ``append`` returns.

    Numbers are written with as many digits as bring the same bits back (``float32`` in its own,
    shorter form), so that a resumed run writes the same bytes.
    """

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        """Open a log, or begin it with its header.

        Raises:
            DamagedFile: the file has other columns.
            CannotWrite: it cannot be written.
        """
        self.path = path
        self.columns = tuple(columns)
        self._header = _csv_line(self.columns)
        try:
            self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o666)
        except OSError as problem:
            raise cannot_write(path, problem) from problem
        try:
            self._end = os.fstat(self._file).st_size
            self._sum = self._digest(self._end)
            start = os.pread(self._file, len(self._header), 0)
            if start != self._header:
                if not self._header.startswith(start):
                    raise DamagedFile(f"{path} has other columns than this run writes; move it away")
                self._begin()  # new, or killed while the header was written
        except BaseException:
            self.close()
            raise

    def append(self, *rows: Mapping[str, Any]) -> None:
        """Add rows; all of them or, when the disk is full, none.

        Args:
            rows: by column name: numbers, zero-dimensional arrays, text, None. A missing value is left empty.

        Raises:
            KeyError: a name that is no column.
            CannotWrite: the disk is full ...; the rows before are whole.
        """
        lines = []
        for row in rows:
            if not row.keys() <= set(self.columns):
                name = next(name for name in row if name not in self.columns)
                raise KeyError(str(unknown("column", name, self.columns)))
            lines.append(_csv_line([_text(row.get(column)) for column in self.columns]))
        self._write(b"".join(lines))

    def offset(self) -> int:
        """Bytes written so far, forced to the disk first: what a training state remembers."""
        try:
            os.fsync(self._file)
        except OSError as problem:
            raise cannot_write(self.path, problem) from problem
        return self._end

    def digest(self) -> str:
        """SHA-256 of the bytes written so far, by which a training state knows its log again."""
        return self._sum.hexdigest()

    def truncate(self, offset: int, digest: str = "") -> None:
        """Cut the log back to an earlier ``offset()``; 0 leaves the header alone.

        Args:
            digest: what ``digest()`` was then; empty to take the contents as they are.

        Raises:
            DamagedFile: the file is shorter, no row ends there, or rows were changed.
        """
        end = offset or len(self._header)
        if not len(self._header) <= end <= self._end or os.pread(self._file, 1, end - 1) != b"\n":
            raise DamagedFile(
                f"{self.path} is damaged: rows are missing that the saved training state counts on"
            )
        current = self._digest(end)
        if digest and current.hexdigest() != digest:
            raise DamagedFile(f"{self.path} was changed after the training state was saved")
        try:
            os.ftruncate(self._file, end)
        except OSError as problem:
            raise cannot_write(self.path, problem) from problem
        self._end, self._sum = end, current

    def close(self) -> None:
        """Close the file; closing twice is no error."""
        if self._file >= 0:
            os.close(self._file)
        self._file = -1

    def __enter__(self) -> CsvLog:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _begin(self) -> None:
        self._end, self._sum = 0, hashlib.sha256()
        self._write(self._header)

    def _digest(self, end: int) -> Any:
        """SHA-256 of the first bytes of the file."""
        total = hashlib.sha256()
        for start in range(0, end, PIECE):
            total.update(os.pread(self._file, min(PIECE, end - start), start))
        return total

    def _write(self, data: bytes) -> None:
        try:
            done = 0
            while done < len(data):
                written = os.pwrite(self._file, data[done:], self._end + done)
                if not written:
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
                done += written
        except OSError as problem:
            with contextlib.suppress(OSError):
                os.ftruncate(self._file, self._end)  # no half row to glue the next one to
            raise cannot_write(self.path, problem) from problem
        self._end += len(data)
        self._sum.update(data)


def prefix_digest(path: Path, size: int) -> str:
    """SHA-256 of the first ``size`` bytes of a file; empty where it has fewer or cannot be read.

    Args:
        path: the file.
        size: in bytes.
    """
    try:
        with path.open("rb") as file:
            data, total = file.read(min(size, PIECE)), hashlib.sha256()
            while data:
                total.update(data)
                size -= len(data)
                data = file.read(min(size, PIECE))
    except OSError:
        return ""
    return "" if size else total.hexdigest()


def read(path: Path, most: int | None = None) -> dict[str, np.ndarray]:
    """All columns by name: float64 with NaN for empty cells, or text where a cell is no number.

    A last row without its line end (being written at this moment, or cut by a kill) is left out.

    Args:
        path: the log.
        most: bytes that it may have; `MOST` by default.

    Raises:
        UserError: no such file, or it cannot be read.
        DamagedFile: no CSV, no header, or a row of another length than the header.
    """
    try:
        text = texts.read(path, MOST if most is None else most)
        found = texts.from_csv(text[: text.rfind("\n") + 1], strict=True)
    except OSError as problem:
        raise UserError(f"cannot read {path}: {problem.strerror or problem}") from problem
    except ValueError as problem:
        raise DamagedFile(f"{path} is damaged: it is no CSV file ({problem})") from problem
    if not found:  # killed before the header was written
        return {}
    if not found[0] or len(set(found[0])) != len(found[0]):
        raise DamagedFile(f"{path} is damaged: it has no line of column names")
    for number, row in enumerate(found, start=1):
        if len(row) != len(found[0]):
            raise DamagedFile(f"{path} is damaged: row {number} has {len(row)} cells, not {len(found[0])}")
    cells = zip(*found[1:], strict=True) if len(found) > 1 else [()] * len(found[0])
    return {name: _column(column) for name, column in zip(found[0], cells, strict=True)}


def _column(cells: Sequence[str]) -> np.ndarray:
    try:
        return np.array([float(cell) if cell else np.nan for cell in cells], dtype=np.float64)
    except ValueError:
        return np.array(cells, dtype=np.str_)


def _text(value: Any) -> str:
    if value is None or isinstance(value, str):
        return value or ""
    array = np.asarray(value)
    if array.shape or array.dtype.kind not in "biuf":
        raise TypeError(f"a cell holds a number or text, not {value!r}")
    return str(int(array)) if array.dtype.kind == "b" else str(array[()])


def _csv_line(cells: Sequence[str]) -> bytes:
    line = io.StringIO()
    csv.writer(line, lineterminator="\r\n").writerow(cells)  # so that it quotes both characters
    return (line.getvalue().removesuffix("\r\n") + "\n").encode("utf-8", "backslashreplace")
