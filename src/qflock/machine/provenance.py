"""Where a run came from: command, git commit, versions, machine and device."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
import sys
from pathlib import Path
from typing import Any

from qflock.core.shell import typed
from qflock.core.version import __version__

PACKAGES = ("jax", "jaxlib", "numpy", "optax", "equinox")


def origin() -> dict[str, Any]:
    """The command line and, inside a git checkout, the commit (``-dirty`` where files differ from it)."""
    started = Path(sys.argv[0])
    name = started.parent.name if started.name == "__main__.py" else started.name  # python -m qflock
    command = [name, *sys.argv[1:]]
    return {"command": typed(command), "git": _git_commit()}


def machine() -> dict[str, Any]:
    """Versions of what computes, the platform, and the devices that JAX uses."""
    import jax

    devices = jax.devices()
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "versions": {"python": platform.python_version(), "qflock": __version__, **versions},
        "platform": platform.platform(),
        "cpu_cores": os.cpu_count(),
        "device": {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)},
    }


def _git_commit() -> str | None:
    # fsmonitor is a program that a checkout's own configuration may name: not run here
    safe = ["git", "-c", "core.fsmonitor=false"]
    command = [*safe, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=5, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()
