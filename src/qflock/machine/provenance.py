"""Where a run came from: command, git commit, versions, machine and device."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qflock.core.shell import typed
from qflock.core.version import __version__
from qflock.machine import checkout

OWN = Path(__file__).resolve().parents[1]
"""The package's folder."""
PACKAGES = ("jax", "jaxlib", "numpy", "optax", "equinox")


def origin() -> dict[str, Any]:
    """The command line, the commit of the folder's checkout (see `checkout.describe`), and qflock's."""
    started = Path(sys.argv[0])
    name = started.parent.name if started.name == "__main__.py" else started.name  # python -m qflock
    command = [name, *sys.argv[1:]]
    return {"command": typed(command), "git": checkout.describe(Path()), "qflock_git": own_commit()}


def own_commit() -> str | None:
    """The commit of qflock's own checkout; None where it is installed, and its version says what it is."""
    root = OWN.parents[1]  # of src/qflock
    return checkout.describe(root) if (root / ".git").exists() and OWN.parent.name == "src" else None


def machine() -> dict[str, Any]:
    """Versions of what computes, the platform, the devices that JAX uses and in what precision."""
    import jax

    devices = jax.devices()
    versions = {name: importlib.metadata.version(name) for name in PACKAGES}
    return {
        "versions": {"python": platform.python_version(), "qflock": __version__, **versions},
        "platform": platform.platform(),
        "cpu_cores": cores(),
        "matmul_precision": jax.config.values["jax_default_matmul_precision"] or "default",
        "device": {"platform": devices[0].platform, "kind": devices[0].device_kind, "count": len(devices)},
    }


def changes(facts: Mapping[str, Any]) -> list[str]:
    """What differs from the machine that a run began on and may give other bits: ``jax 0.7, now 0.8``.

    Args:
        facts: what `machine` said then, perhaps in an earlier version.
    """
    here = machine()
    then, now = facts.get("versions", {}), here["versions"]
    found = [f"{name} {then.get(name)}, now {now[name]}" for name in now if then.get(name) != now[name]]
    if here["device"]["platform"] == "cpu" and facts.get("cpu_cores") not in (None, here["cpu_cores"]):
        found.append(f"{facts['cpu_cores']} CPU cores, now {here['cpu_cores']}")
    return found


def cores() -> int:
    """How many cores this process may use: fewer than the machine has under ``taskset`` or in a container."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
