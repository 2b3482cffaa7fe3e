"""``summary.json`` of a finished run: written whole, with its checksum and those of the logs beside it."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from qflock.core import texts
from qflock.core.errors import UserError
from qflock.core.shell import command
from qflock.files.csv_log import prefix_digest
from qflock.files.storage import DamagedFile, write_text
from qflock.runs.folder import RunFolder


def write(where: RunFolder, summary: Mapping[str, Any]) -> None:
    """Replace the summary whole.

    Args:
        summary: JSON-able; ``logs`` has bytes and SHA-256 of each log, by its name.

    Raises:
        CannotWrite: the disk is full ...; the old file is whole.
    """
    text = json.dumps({**summary, "sha256": _checksum(summary)}, indent=2)
    write_text(where.summary, text + "\n")


def read(where: RunFolder) -> dict[str, Any]:
    """What the summary of a finished run says. One that others wrote may be without checksums.

    Raises:
        DamagedFile: it, or a log that it counts on, was changed.
        UserError: the run has none, or it cannot be read.
    """
    path = where.summary
    if not path.is_file():
        raise UserError(
            f"{where.path} has no summary.json, as it is not finished: {command('resume', where.path)}"
        )
    try:
        summary = texts.read_json(path)
        if not isinstance(summary, dict):
            raise ValueError("it is no JSON object")
        logs = {where.path / name: (int(size), str(total)) for name, (size, total) in _logs(summary)}
    except OSError as problem:
        raise UserError(f"cannot read {path}: {problem.strerror or problem}") from problem
    except (ValueError, TypeError, AttributeError, RecursionError) as problem:
        raise DamagedFile(f"{path} is damaged: it is not what qflock wrote") from problem
    if "final_evaluation" not in summary:
        raise DamagedFile(f"{path} is damaged: it has no 'final_evaluation'")
    checked = "sha256" in summary or "logs" in summary  # what others wrote has neither
    if checked and summary.pop("sha256", None) != _checksum(summary):
        raise DamagedFile(f"{path} is damaged or was edited: it does not agree with its checksum")
    for log, (size, total) in logs.items():
        if log.parent != where.path or prefix_digest(log, size) != total:
            raise DamagedFile(f"{log} is damaged or was edited: it is not what the run wrote")
    return summary


def _logs(summary: Mapping[str, Any]) -> Any:
    return summary.get("logs", {}).items()


def _checksum(summary: Mapping[str, Any]) -> str:
    content = {key: value for key, value in summary.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
