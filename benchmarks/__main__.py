"""All benchmarks with one command.

    python -m benchmarks [--only environment training ...] [--score 2.45] [--name NAME] [--quick]
    python -m benchmarks --peer CHECKOUT [--peer_python PYTHON]

Prints a table and writes ``benchmarks/results/<name>.json`` with the machine and versions. Run it from the
repository's root on a machine that does nothing else.
"""

from __future__ import annotations

import argparse
import importlib
import json
import os
import re
import shlex
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks import peer, peer_boxes
from qflock import commands

RESULTS = Path(__file__).parent / "results"
PARTS = (
    "environment",
    "training",
    "updates",
    "actor_critics",
    "bridges",
    "circuits",
    "circuit_peers",
    "devices",
    "startup",
    "whole_run",
)
"""Each a module of this folder with ``benchmark(quick) -> figures``."""


def main() -> int:
    """The command line; returns the exit status, that of ``qflock``."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument(
        "--only", nargs="+", choices=PARTS, help="parts to run; all by default, or with --peer none"
    )
    parser.add_argument("--score", type=float, help="also train until this greedy score is reached; minutes")
    parser.add_argument(
        "--peer", type=_checkout, help="time JaxMARL's scripts in a checkout, too; see peer.py"
    )
    parser.add_argument(
        "--peer_python",
        help="of an environment apart: compare continuous IPPO; see peer_boxes.py",
    )
    parser.add_argument("--name", help="name of the JSON file; by default cores, device and parts")
    parser.add_argument("--quick", action="store_true", help="fewer repeats")
    given = parser.parse_args()
    return commands.guarded(lambda: run(given), program="benchmarks")


def run(given: argparse.Namespace) -> int:
    """Measure, show and write what was asked for; returns the exit status."""
    from qflock.machine import device, provenance

    only = given.only or (PARTS if given.peer is None else ())
    parts: dict[str, Callable[[], dict[str, Any]]] = {name: _part(name, given.quick) for name in only}
    if given.score is not None:
        parts["score"] = _score(given.score)
    if given.peer is not None and given.peer_python is not None:
        parts["peer_boxes"] = lambda: peer_boxes.benchmark(given.peer, given.peer_python, given.quick)
    elif given.peer is not None:
        parts["peer"] = lambda: peer.benchmark(given.peer, given.quick)
    console, found = Console(), {}
    os.environ["QFLOCK_CACHE"] = "off"  # compile times are times of compiling
    device.use("auto")
    for name, measure in parts.items():
        with console.status(f"{name} ..."):
            found[name] = measure()
    machine = provenance.machine()
    show(console, found)
    chosen = "" if only == PARTS else "-".join(["", *found])
    name = given.name or f"{machine['cpu_cores']}-cores-{machine['device']['kind']}{chosen}"
    path = RESULTS / f"{re.sub(r'[^A-Za-z0-9]+', '-', name).strip('-').lower()}.json"
    path.parent.mkdir(exist_ok=True)
    made = datetime.now().astimezone().isoformat(timespec="seconds")
    typed = shlex.join(["python", "-m", "benchmarks", *sys.argv[1:]])
    path.write_text(
        json.dumps({"made": made, "command": typed, **machine, "results": found}, indent=2) + "\n"
    )
    console.print(f"written to {path}")
    return 0


def show(console: Console, found: dict[str, Any]) -> None:
    """A table of all figures."""
    table = Table(box=None, padding=(0, 2, 0, 0), header_style="bold")
    table.add_column("benchmark")
    table.add_column("figure")
    table.add_column("", justify="right")
    for part, figures in found.items():
        for place, value in flat(figures):
            *where, what = place
            shown = (
                f"{value:,}"
                if isinstance(value, (int, float)) and not isinstance(value, bool)
                else str(value)
            )
            table.add_row(" ".join([part, *where]).replace("_", " "), what.replace("_", " "), shown)
        table.add_section()
    console.print(table)


def flat(figures: dict[str, Any], place: tuple[str, ...] = ()) -> list[tuple[tuple[str, ...], Any]]:
    """Nested figures as (path, value), in order."""
    rows = []
    for name, value in figures.items():
        rows += flat(value, (*place, name)) if isinstance(value, dict) else [((*place, name), value)]
    return rows


def _part(name: str, quick: bool) -> Callable[[], dict[str, Any]]:
    return lambda: importlib.import_module(f"benchmarks.{name}").benchmark(quick)


def _score(target: float) -> Callable[[], dict[str, Any]]:
    def run() -> dict[str, Any]:
        from benchmarks import score

        return score.benchmark(target)

    return run


def _checkout(text: str) -> Path:
    checkout = Path(text).resolve()
    if not (checkout / peer.SCRIPTS).is_dir():
        raise argparse.ArgumentTypeError(
            f"{checkout} has no {peer.SCRIPTS}; give a checkout of JaxMARL's repository"
        )
    return checkout


if __name__ == "__main__":
    sys.exit(main())
