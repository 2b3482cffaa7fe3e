"""Where a run came from: command, git commit, versions, machine and device."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from pathlib import Path
from typing import Any

from qflock.core.shell import typed
from qflock.core.version import __version__
from qflock.machine import checkout

PACKAGES = ("jax", "jaxlib", "numpy", "optax", "equinox")


def origin() -> dict[str, Any]:
    """The command line and, inside a git checkout, the commit, as `checkout.describe` gives it."""
    started = Path(sys.argv[0])
    name = started.parent.name if started.name == "__main__.py" else started.name  # python -m qflock
    command = [name, *sys.argv[1:]]
    return {"command": typed(command), "git": checkout.describe(Path())}


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
