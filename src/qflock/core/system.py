"""Which operating systems qflock runs on."""

from __future__ import annotations

import sys

ADVICE = "it runs on Linux and macOS; on Windows, in WSL 2 (https://learn.microsoft.com/windows/wsl/install)"


def missing() -> str:
    """Why nothing can be done on this system; empty where it can.

    Folders are locked and processes told to stop as POSIX has it.
    """
    return ADVICE if sys.platform == "win32" else ""
