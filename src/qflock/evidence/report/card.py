"""A run as a notebook shows it: scores beside the references, the curve, the animation."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import Element

from qflock.core.errors import UserError
from qflock.evidence import metrics
from qflock.evidence.report.elements import NOTHING, element, number, share, table, to_html
from qflock.evidence.verdict import verdict
from qflock.runs.folder import RunFolder
from qflock.runs.overview import Overview

COLUMNS = ("discounted_mean", "return_mean", "length_mean", "solved")
"""The first columns; an environment's further measures follow."""
LARGEST_ANIMATION = 3_000_000
"""Bytes of a film that is put into a notebook's file; of a larger one there is a link."""


def html(run: RunFolder, title: str, seen: Overview, summary: Mapping[str, Any]) -> str:
    """The card as HTML, everything from the run escaped.

    Args:
        run: its folder.
        title: heading.
        seen: how far it is.
        summary: of a finished run; without scores otherwise.
    """
    parts = [element("p", element("b", title), f" \N{EN DASH} {_about(seen)}")]
    if seen.problem:
        parts.append(element("p", seen.problem))
    scores, references = summary.get("over_seeds") or {}, summary.get("references") or {}
    if scores:
        parts.append(_scores(scores, summary.get("per_seed") or [], references))
        if sentence := verdict(scores, references):
            parts.append(element("p", sentence[0].upper() + sentence[1:] + "."))
    parts += [part for part in (_curve(run, seen), _animation(run.animation)) if part is not None]
    parts.append(element("p", element("code", str(run.path))))
    return to_html([element("div", *parts)])


def _about(seen: Overview) -> str:
    seeds = f"{seen.seeds} seed{'s' * (seen.seeds != 1)}"
    steps = f"{seen.env_steps:,} of {seen.total_steps:,} steps"
    return seen.state if seen.state == "damaged" else f"{seen.state}, {steps}, {seeds}"


def _scores(
    scores: Mapping[str, Any], per_seed: list[Mapping[str, Any]], references: Mapping[str, Any]
) -> Element:
    """A row for all seeds, each seed, and each reference."""
    names = [name for name in COLUMNS if name in scores]
    names += sorted(set(scores).difference(names, metrics.SCORES, metrics.NOT_SCORES))
    seeds = [(f"seed {row.get('seed', at)}", row) for at, row in enumerate(per_seed)]
    rows = [*([(f"all {len(seeds)} seeds", scores)] if len(seeds) != 1 else []), *seeds, *references.items()]
    body = [[str(name).replace("_", " "), *(_cell(column, row) for column in names)] for name, row in rows]
    return table(["", *(metrics.of(name).head for name in names)], body, label="final evaluation")


def _cell(column: str, row: Any) -> str:
    value = row.get(column) if isinstance(row, Mapping) else None
    if not isinstance(value, int | float):
        return NOTHING
    return share(value) if metrics.of(column).unit == "share" else number(value, 3)


def _curve(run: RunFolder, seen: Overview) -> Element | None:
    from qflock.evidence.figures import plots, style

    if not run.training_log.is_file():
        return None
    try:
        picture = style.png(plots.returns_figure(run.path, seen.references))
    except UserError as problem:
        return element("p", f"No curve: {problem}")
    return _image(picture, "png", "returns while training", "700")


def _animation(path: Path) -> Element | None:
    try:
        if path.stat().st_size > LARGEST_ANIMATION:
            return element("p", element("a", "its animation", href=path.absolute().as_uri()))
        return _image(path.read_bytes(), "gif", "an episode", "300")
    except OSError:  # none was drawn
        return None


def _image(content: bytes, kind: str, what: str, width: str) -> Element:
    data = base64.b64encode(content).decode()
    style = f"max-width:100%;width:{width}px;background:white"
    return element("img", src=f"data:image/{kind};base64,{data}", alt=what, style=style)
