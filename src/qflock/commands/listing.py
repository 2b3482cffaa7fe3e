"""``qflock list``: the environments, algorithms, presets, networks, mixers and experiments there are."""

from __future__ import annotations

import contextlib
import inspect
import itertools
import math
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from qflock.commands import _arguments, _output
from qflock.commands._arguments import Group
from qflock.core import texts
from qflock.core.errors import UserError, unknown
from qflock.core.printing import say
from qflock.evidence import catalogue, metrics
from qflock.settings import config, registry

PARTS = ("presets", "networks", "mixers", "experiments", "zoo")
COMMAND = f"qflock list [environments|algorithms|{'|'.join(PARTS)}]"
ABOUT = """Name the environments and algorithms there are, with a line on each; of environments also sizes,
and what their oracle, random play and the best published result score, measured when this version was
made. Presets, networks, mixers and the policies of the zoo are listed when they are named, and so are
experiments: the files for qflock experiment in the current folder and in experiments/ below it."""
KINDS: tuple[registry.Kind, ...] = ("environments", "algorithms")
EXPERIMENTS = Path("experiments")
"""Where experiments are by custom, besides the current folder."""
BRIEF, WIDE = ("agents", "actions", "horizon"), 100
"""The sizes that are shown where the terminal has fewer characters than this."""
NOWHERE = {"experiments": f"here or in {EXPERIMENTS}/; qflock experiment --help shows what one looks like"}
"""Where was looked in vain."""


@dataclass(frozen=True)
class Options:
    """How to list."""

    measure: int = 0
    """Play the reference policies now, over this many episodes each; 0 shows what was measured before."""
    json: bool = False
    """Print the list as one JSON object, and nothing else, on standard output."""

    def __post_init__(self) -> None:
        if self.measure < 0:
            raise UserError(f"measure is {self.measure}; it must be at least 0")


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    rest = list(argv)
    name = rest.pop(0) if rest and not rest[0].startswith("-") else None
    if name is not None and name not in (*KINDS, *PARTS):
        raise unknown("list", name, (*KINDS, *PARTS))
    (options,) = _arguments.parse([Group(Options())], rest, command=COMMAND, about=ABOUT)

    def work() -> dict[str, Any]:
        if name in PARTS:
            return {name: parts(name)}
        if options.measure:
            from qflock.machine import device

            device.use("cpu")
        return {kind: catalogue.entries(kind, options.measure) for kind in KINDS if name in (None, kind)}

    _output.deliver(work, options.json, _show)
    return 0


def parts(kind: str) -> list[dict[str, Any]]:
    """What algorithms are put together from, and the policies that come with qflock, by name.

    Args:
        kind: one of `PARTS`.
    """
    if kind == "presets":
        paths = sorted(config.PRESETS.glob("*.yaml"))
        return [{"name": path.stem, "summary": _comment(path.read_text(encoding="utf-8"))} for path in paths]
    if kind == "experiments":
        return [{"name": str(path), "summary": _comment(text)} for path, text in _experiments()]
    if kind == "zoo":
        from qflock.runs import zoo

        return zoo.listing()
    from qflock.networks import by_name, mixers

    table = by_name.NETWORKS if kind == "networks" else mixers.MIXERS
    first = lambda part: inspect.cleandoc(part.__doc__ or "").partition("\n\n")[0].replace("\n", " ")
    return [{"name": name, "summary": first(part)} for name, part in table.items()]


def _experiments() -> Iterator[tuple[Path, str]]:
    """The files of experiments that are here, with their texts: YAML files that name methods."""
    for folder in (Path(), EXPERIMENTS):
        for path in sorted((*folder.glob("*.yaml"), *folder.glob("*.yml"))):
            with contextlib.suppress(OSError, ValueError):  # none that could be run
                text = texts.read(path, texts.MOST_YAML)
                if re.search(r"^methods\s*:", text, re.MULTILINE):
                    yield path, text


def _comment(text: str) -> str:
    """The first sentence of the comment at the top of a file."""
    top = itertools.takewhile(lambda line: line.startswith("#"), text.splitlines())
    sentence, stop, _ = " ".join(line.lstrip("# ") for line in top).partition(". ")
    return sentence + stop.strip()


def _show(result: dict[str, Any]) -> None:
    from qflock.core.console import Console

    console = Console(highlight=False)
    for kind, listed in result.items():
        if not listed:
            say(f"no {kind} {NOWHERE.get(kind, '')}".strip())
            continue
        if kind == "environments":
            sizes = catalogue.SIZES if console.width >= WIDE else BRIEF
            heads = [*sizes, "best reference", "random", "published", "score"]
            known = [[str(entry.get(size, "-")) for size in sizes] + _scores(entry) for entry in listed]
            rows = [[entry["name"], *cells] for entry, cells in zip(listed, known, strict=True)]
            _print(console, kind, heads, rows)
            console.print("[dim]Scores are means over fresh episodes; --measure N plays them now.[/dim]\n")
        _print(console, "" if kind == "environments" else kind, ["what it is"], [_about(e) for e in listed])
        console.print()


def _print(console: Any, title: str, heads: list[str], rows: list[list[str]]) -> None:
    from rich.markup import escape
    from rich.table import Table

    table = Table(title=title or None, title_justify="left", title_style="bold", box=None, pad_edge=False)
    table.add_column("name", no_wrap=True)
    for head in heads:
        table.add_column(head, justify="left" if head in ("score", "what it is") else "right")
    for row in rows:
        table.add_row(*map(escape, row))
    console.print(console.fitting(table))


def _about(entry: dict[str, Any]) -> list[str]:
    by = entry.get("published", {}).get("by")
    return [entry["name"], entry["summary"] + (f" Published: {by}." if by else "")]


def _scores(entry: dict[str, Any]) -> list[str]:
    """Best reference, random play, best published score, and what they are counted in."""
    references = entry.get("references", {})
    best = next((name for name in references if name != "random"), None)
    best_score = "-"
    if best is not None:
        best_score = f"{best} " * (best != "oracle") + _number(references[best])
    published = entry.get("published", {}).get("score")
    metric = str(entry.get("metric", "-"))
    word = metrics.of(metric).head if metric in metrics.TABLE else metric
    known = references or published is not None
    return [best_score, _number(references.get("random")), _number(published), word if known else "-"]


def _number(value: float | None) -> str:
    if value is None or not math.isfinite(value):
        return "-"
    return f"{value:.2f}" if abs(value) < 100 else f"{value:.0f}"
