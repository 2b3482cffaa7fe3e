"""Which processes a command has left behind."""

from __future__ import annotations

import contextlib
from pathlib import Path


def in_session(leader: int) -> list[int]:
    """Processes of a session that are alive (Linux)."""
    found = []
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):
            fields = stat.read_text().rpartition(")")[2].split()
            if int(fields[3]) == leader and fields[0] != "Z":
                found.append(int(stat.parent.name))
    return found
