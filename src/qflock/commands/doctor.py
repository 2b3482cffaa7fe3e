"""``qflock doctor``: check this installation and say what to do about what is wrong."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qflock.commands import _arguments, _output
from qflock.commands._arguments import Group
from qflock.core.printing import say

ABOUT = """Check this installation: Python, packages, devices, folders. The last line says
"ready" or what is wrong; the exit code is then 2."""


@dataclass(frozen=True)
class Options:
    """How to report."""

    json: bool = False
    """Print the report as one JSON object, and nothing else, on standard output."""


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status, 2 where something is wrong."""
    (options,) = _arguments.parse([Group(Options())], argv, command="qflock doctor", about=ABOUT)
    report: dict[str, Any] = {}

    def examine() -> dict[str, Any]:
        report.update(_examine())
        return report

    _output.deliver(examine, options.json, _show)
    return 2 if report["problems"] else 0


def _examine() -> dict[str, Any]:
    from qflock.machine import device

    problems, advice = [], []
    needed, extras = _requirements()
    packages = {name: _version(name) for name in needed}
    problems += [
        f"{name} is missing: pip install {name}" for name, version in packages.items() if version is None
    ]
    gpus = device.nvidia_gpus()
    devices: list[str] = []
    if packages.get("jax"):
        try:
            import jax

            device.use("auto", warn=False)
            devices = [f"{d.platform}: {d.device_kind}" for d in jax.devices()]
            jax.numpy.ones(8).sum().block_until_ready()
        except Exception as problem:  # whatever breaks JAX here is what the user wants to read
            problems.append(f"JAX does not run: {' '.join(str(problem).split())[:200]}")
    if gpus and not any(d.startswith(("gpu", "cuda")) for d in devices):
        advice.append(f"{gpus[0]} is idle: {device.ADVICE}")
    cache = device.cache_folder()
    if cache is not None and cache.is_dir() and not os.access(cache, os.W_OK):
        advice.append(
            f"{cache} cannot be written, so every run compiles anew: set QFLOCK_CACHE to another folder"
        )
    refused = _refused(Path())
    if refused:
        problems.append(f"runs cannot be written to {Path().resolve()}: {refused}")
    return {
        "qflock": _version("qflock"),
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "cores": len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count(),
        "memory_gib": _memory(),
        "packages": packages,
        "extras": {extra: {name: _version(name) for name in names} for extra, names in extras.items()},
        "devices": devices,
        "nvidia_gpus": gpus,
        "cache": str(cache) if cache else "off",
        "cache_mib": _size(cache) if cache else 0.0,
        "folder_writable": not refused,
        "advice": advice,
        "problems": problems,
    }


def _requirements() -> tuple[list[str], dict[str, list[str]]]:
    """Packages that qflock needs, and those of each extra, by its own metadata."""
    needed: list[str] = []
    extras: dict[str, list[str]] = {}
    for line in importlib.metadata.requires("qflock") or []:
        name = re.split(r"[^A-Za-z0-9._-]", line, maxsplit=1)[0]
        extra = re.search(r"extra\s*==\s*['\"]([^'\"]+)", line)
        if extra is None:
            needed.append(name)
        elif name != "qflock":
            plugin = re.search(
                r"jax\[(cuda\d+)\]", line
            )  # an extra of JAX itself: what it brings is a plugin
            extras.setdefault(extra[1], []).append(f"jax-{plugin[1]}-plugin" if plugin else name)
    return needed, extras


def _version(package: str) -> str | None:
    try:
        return importlib.metadata.version(package)
    except importlib.metadata.PackageNotFoundError:
        return None


def _memory() -> float | None:
    """Memory of the machine in GiB; None where the system does not tell."""
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (ValueError, OSError, AttributeError):
        return None


def _size(folder: Path) -> float:
    """Size of the files in a folder, in MiB."""
    try:
        return round(sum(f.stat().st_size for f in folder.rglob("*") if f.is_file()) / 2**20, 1)
    except OSError:
        return 0.0


def _refused(folder: Path) -> str:
    """Why a folder cannot be written; empty where it can."""
    try:
        with tempfile.NamedTemporaryFile(dir=folder, prefix=".qflock-") as file:
            file.write(b"x")
    except OSError as problem:
        return problem.strerror or str(problem)
    return ""


def _show(report: dict[str, Any]) -> None:
    packages = ", ".join(f"{name} {version or 'MISSING'}" for name, version in report["packages"].items())
    extras = [
        f"{extra} ({'installed' if all(names.values()) else 'not installed'})"
        for extra, names in report["extras"].items()
    ]
    rows = {
        "qflock": report["qflock"],
        "Python": report["python"],
        "platform": report["platform"],
        "machine": f"{report['cores']} cores, {report['memory_gib'] or '?'} GiB memory",
        "packages": packages,
        "extras": ", ".join(extras) or "none",
        "JAX devices": ", ".join(report["devices"]) or "none",
        "NVIDIA GPUs": ", ".join(report["nvidia_gpus"]) or "none seen",
        "compile cache": f"{report['cache']} ({report['cache_mib']} MiB)"
        if report["cache"] != "off"
        else "off",
        "this folder": "can be written" if report["folder_writable"] else "cannot be written",
    }
    from rich.table import Table
    from rich.text import Text

    from qflock.core.console import Console

    table = Table(box=None, show_header=False, padding=(0, 2, 0, 0))
    table.add_column(style="bold", no_wrap=True)
    table.add_column()
    for name, value in rows.items():
        table.add_row(name, Text(str(value)))
    console = Console()
    console.print(console.fitting(table))
    for line in report["advice"]:
        say(f"advice: {line}")
    for line in report["problems"]:
        say(f"wrong: {line}")
    if not report["problems"]:
        say("ready")
