"""What there is: environments and algorithms by name, with sizes, and scores that were measured before."""

from __future__ import annotations

import ast
import importlib.metadata
import importlib.util
from typing import Any

from qflock.core.errors import UserError
from qflock.core.printing import printable
from qflock.core.spec import Box, Spec
from qflock.settings import measured, registry

SIZES = ("agents", "actions", "observation", "state", "horizon")


class Listing(list[dict[str, Any]]):
    """Entries with a name and a summary each, which a notebook shows as a table, and Python in lines."""

    @property
    def names(self) -> list[str]:
        """The entries' names."""
        return [entry["name"] for entry in self]

    def __repr__(self) -> str:
        width = max((len(name) for name in self.names), default=0)
        return printable("\n".join(f"{entry['name']:<{width}}  {entry['summary']}" for entry in self))

    def _repr_html_(self) -> str:
        from qflock.evidence.report.elements import NOTHING, table, to_html

        sizes = [size for size in SIZES if any(size in entry for entry in self)]
        rows = [[e["name"], *(str(e.get(size, NOTHING)) for size in sizes), e["summary"]] for e in self]
        return to_html([table(["name", *sizes, "what it is"], rows, label="what there is")])


def environments(measure: int = 0) -> Listing:
    """The environments there are, with sizes, and what the oracle, random play and the published best score.

    Args:
        measure: play the reference policies now, over so many episodes each; 0 gives what was measured
            when this version was made.

    Returns:
        A list of a mapping for each, with ``name`` and ``summary``; ``.names`` are the names alone.

    Raises:
        UserError: a negative number of episodes.
    """
    if measure < 0:
        raise UserError(f"measure is {measure}; it must be at least 0")
    if measure:
        from qflock.machine import device

        device.use("auto")
    return Listing(entries("environments", measure))


def algorithms() -> Listing:
    """The algorithms there are: a list of a mapping for each, with ``name`` and ``summary``."""
    return Listing(entries("algorithms"))


def entries(kind: registry.Kind, episodes: int = 0) -> list[dict[str, Any]]:
    """What there is of a kind, by name; of environments with sizes and scores.

    What is known of an environment from before is read, so that a list needs no JAX; another one is
    loaded for its sizes.

    Args:
        kind: "environments" or "algorithms".
        episodes: play the environments' reference policies over this many episodes each.
    """
    records = {} if episodes or kind == "algorithms" else measured.records()
    listing = []
    for name in registry.names(kind):
        entry = {"name": name, "summary": _summary(kind, name)}
        if kind == "environments":
            try:
                entry |= records.get(name) or _look(name, episodes)
            except (UserError, ImportError, SyntaxError) as problem:
                entry["summary"] = f"cannot be loaded: {problem}"
        listing.append(entry)
    return listing


def _look(name: str, episodes: int) -> dict[str, Any]:
    """An environment's sizes, what is published of it, and its references' scores if they are played."""
    kind = registry.environment_class(name)
    env = kind()
    published = dict(getattr(kind, "published", {}))
    metric = published.pop("metric", measured.METRIC)
    facts = {size: _size(env.spec, size) for size in SIZES} | {"metric": metric, "published": published}
    if episodes:
        from qflock.runs import evaluation

        rows = evaluation.references(env, evaluation.evaluation_key(0), episodes)
        facts["references"] = {policy: row[metric] for policy, row in rows.items()}
        facts["episodes"] = episodes
    return facts


def _size(spec: Spec, name: str) -> int | str:
    """One of `SIZES`; of continuous actions how many numbers an agent gives."""
    if name == "actions" and isinstance(spec.action, Box):
        return f"Box({spec.action.size})"
    return getattr(spec, name)


def _summary(kind: registry.Kind, name: str) -> str:
    """The first line of an entry's docstring, out of its file: nothing is imported."""
    try:
        spec = importlib.util.find_spec(f"qflock.{kind}.{name}")
        for entry in importlib.metadata.entry_points(group=f"qflock.{kind}"):
            spec = importlib.util.find_spec(entry.module) if entry.name == name else spec
        if spec is None or spec.origin is None:
            return "cannot be loaded: its module is not there"
        with open(spec.origin, encoding="utf-8") as file:
            return (ast.get_docstring(ast.parse(file.read())) or "").partition("\n")[0]
    except (ImportError, OSError, SyntaxError, ValueError) as problem:
        return f"cannot be loaded: {problem}"
