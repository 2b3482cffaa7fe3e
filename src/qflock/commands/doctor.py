"""``qflock doctor``: check this installation and say what to do about what is wrong."""

from __future__ import annotations

import os
import platform
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qflock.commands import _arguments, _output
from qflock.commands._arguments import Group
from qflock.core.errors import UserError, in_short
from qflock.core.printing import say
from qflock.core.version import __version__
from qflock.machine import memory, versions
from qflock.settings import foreign

if TYPE_CHECKING:
    from packaging.requirements import Requirement

ABOUT = """Check this installation: Python, packages and their versions, devices, folders, and a
short training of which nothing is kept. The last line says "ready" or what is wrong; the exit
code is then 2."""
TRIAL = ("vdn", "two_step", 4_000)
"""What is trained, and for how many steps: a second of them, after compiling."""
UNKNOWN = "what qflock needs is not known: no checkout, and not installed; pip install qflock"


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
    from qflock.machine import device, provenance

    problems, advice = [], []
    needed, extras = _requirements()
    packages = {one.name: _version(one.name) for one in needed}
    problems += versions.wrong(needed, _version) or ([] if needed else [UNKNOWN])
    for names in extras.values():
        if all(_version(one.name) for one in names):  # else it is somebody else's, who needs no other
            problems += versions.wrong(names, _version)
    sound = not problems
    gpus = device.nvidia_gpus()
    devices: list[str] = []
    if packages.get("jax"):
        try:
            import jax

            device.use("auto", warn=False)
            devices = [f"{d.platform}: {d.device_kind}" for d in jax.devices()]
            jax.numpy.ones(8).sum().block_until_ready()
        except Exception as problem:  # whatever breaks JAX here is what the user wants to read
            problems.append(f"JAX does not run: {in_short(str(problem), 200)}")
    if gpus and not any(d.startswith(("gpu", "cuda")) for d in devices):
        advice.append(f"{gpus[0]} is idle: {device.ADVICE}")
    cache = device.cache_folder()
    if cache is not None and cache.is_dir() and not os.access(cache, os.W_OK):
        advice.append(
            f"{cache} cannot be written, so every run compiles anew: set QFLOCK_CACHE to another folder"
        )
    trained = _trained(problems) if sound and devices else None
    refused = _refused(Path())
    if refused:
        problems.append(f"runs cannot be written to {Path().resolve()}: {refused}")
    return {
        "qflock": __version__,
        "python": f"{platform.python_version()} ({sys.executable})",
        "platform": platform.platform(),
        "cores": provenance.cores(),
        "memory_gib": _memory(),
        "packages": packages,
        "extras": {extra: {one.name: _version(one.name) for one in names} for extra, names in extras.items()},
        "devices": devices,
        "nvidia_gpus": gpus,
        "cache": str(cache) if cache else "off",
        "cache_mib": _size(cache) if cache else 0.0,
        "folder_writable": not refused,
        "trained": trained,
        "advice": advice,
        "problems": problems,
    }


def _requirements() -> tuple[list[Requirement], dict[str, list[Requirement]]]:
    """Packages that qflock needs, and those of each extra; nothing where that is not known."""
    from packaging.requirements import Requirement

    try:
        needed, extras = versions.requirements()
    except UserError:
        return [], {}
    plugin = lambda one: f"jax-{next(iter(one.extras))}-plugin"  # of an extra of JAX itself: what that brings
    brought = lambda one: Requirement(plugin(one)) if one.extras else one
    return needed, {extra: [brought(one) for one in those] for extra, those in extras.items()}


def _version(package: str) -> str | None:
    return versions.version(package)


def _trained(problems: list[str]) -> dict[str, Any] | None:
    """Train for a moment in a folder that goes again: environment, learner and compiling, all for real.

    Args:
        problems: is told why that fails.
    """
    from qflock.runs.train import runner
    from qflock.settings import config

    algorithm, environment, steps = TRIAL
    small = {"num_envs": 8, "train_frequency": 64, "hidden": (16,), "final_episodes": 8}
    short = {"log_interval": 1_000, "eval_interval": 0, "save_interval": 0}
    try:
        with tempfile.TemporaryDirectory(prefix="qflock-doctor-") as folder:
            where = {"env": environment, "total_steps": steps, "run_dir": Path(folder) / "run"}
            settings = config.resolve(algorithm, overrides={**where, **small, **short})
            summary = runner.train(settings, quiet=True)
    except Exception as problem:  # whatever breaks training is what the user wants to read
        said = str(problem) if isinstance(problem, UserError) else foreign.words(problem)
        problems.append(f"{algorithm} cannot be trained on {environment}: {said}")
        return None
    return {"env_steps": summary["env_steps"], "seconds": round(summary["seconds"], 2)}


def _memory() -> float | None:
    """Memory of the machine in GiB; None where the system does not tell."""
    there = memory.installed()
    return None if there is None else round(there / 2**30, 1)


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


def _told(trained: dict[str, Any] | None) -> str:
    if trained is None:
        return "not tried"
    return f"{TRIAL[0]} on {TRIAL[1]}, {trained['env_steps']:,} steps in {trained['seconds']} s"


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
        "training": _told(report["trained"]),
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
