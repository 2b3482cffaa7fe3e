"""``qflock list``: the environments and algorithms there are."""

from __future__ import annotations

import inspect
from dataclasses import dataclass
from typing import Any

from qflock import registry
from qflock.commands import _arguments, _output
from qflock.commands._arguments import Group
from qflock.errors import UserError, unknown

COMMAND = "qflock list [environments|algorithms]"
ABOUT = "Name the environments and algorithms there are, with a line on each."
KINDS: tuple[registry.Kind, ...] = ("environments", "algorithms")
SIZES = ("agents", "actions", "observation", "state", "horizon")


@dataclass(frozen=True)
class Options:
    """How to list."""

    json: bool = False
    """Print the list as one JSON object, and nothing else, on standard output."""


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    kinds: tuple[registry.Kind, ...] = KINDS
    rest = list(argv)
    if rest and not rest[0].startswith("-"):
        asked = rest.pop(0)
        kinds = tuple(kind for kind in KINDS if kind == asked)
        if not kinds:
            raise unknown("list", asked, KINDS)
    (options,) = _arguments.parse([Group(Options())], rest, command=COMMAND, about=ABOUT)
    describe = {"environments": _environment, "algorithms": _algorithm}
    _output.deliver(
        lambda: {kind: [describe[kind](name) for name in registry.names(kind)] for kind in kinds},
        options.json,
        _show,
    )
    return 0


def _algorithm(name: str) -> dict[str, Any]:
    try:
        return {"name": name, "summary": _first_line(registry.algorithm(name))}
    except (UserError, ImportError) as problem:
        return {"name": name, "summary": f"cannot be loaded: {problem}"}


def _environment(name: str) -> dict[str, Any]:
    try:
        spec = registry.environment_class(name)().spec
        found = registry.module("environments", name)
    except (UserError, ImportError) as problem:
        return {"name": name, "summary": f"cannot be loaded: {problem}"}
    return {"name": name, "summary": _first_line(found), **{size: getattr(spec, size) for size in SIZES}}


def _first_line(thing: Any) -> str:
    return (inspect.getdoc(thing) or "").partition("\n")[0]


def _show(result: dict[str, Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console()
    for kind, entries in result.items():
        sizes = SIZES if kind == "environments" else ()
        table = Table(title=kind, title_justify="left", title_style="bold", box=None, padding=(0, 2, 0, 0))
        table.add_column("name", no_wrap=True)
        for size in sizes:
            table.add_column(size, justify="right")
        table.add_column("what it is")
        for entry in entries:
            table.add_row(entry["name"], *(str(entry.get(size, "-")) for size in sizes), entry["summary"])
        console.print(table)
        console.print()
