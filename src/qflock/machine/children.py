"""Start a module of ours in another process: the one place where qflock starts Python."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Mapping
from typing import Any


def command(module: str, *arguments: str) -> list[str]:
    """What runs a module in a Python like this one.

    ``-P``: the working folder is not put before all else, so that no file in it stands for a library.

    Args:
        module: its full name.
        arguments: what stands after it.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment for a child, which finds modules where this one does, in the same order.

    Args:
        variables: what differs.
    """
    places = dict.fromkeys(place or os.getcwd() for place in sys.path)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places), **(variables or {})}


def start(
    module: str, *arguments: str, variables: Mapping[str, str] | None = None, **how: Any
) -> subprocess.Popen[bytes]:
    """Start a module; it may outlive this call.

    Args:
        module, arguments: as `command`.
        variables: as `environment`.
        how: further arguments of `subprocess.Popen`: where its streams go, and its session.
    """
    return subprocess.Popen(command(module, *arguments), env=environment(variables), **how)  # type: ignore
