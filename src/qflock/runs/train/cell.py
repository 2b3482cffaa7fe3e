"""What a notebook's cell shows of a run that trains: a bar, the numbers that matter, the curve, messages."""

from __future__ import annotations

import html
from collections.abc import Sequence

import numpy as np

from qflock.core.printing import printable
from qflock.runs.train.curve import quantity

WIDTH, HEIGHT, MARGIN = 420, 90, 6
MOST_MESSAGES = 12
"""Messages that stay in sight; those before them go."""


def as_html(
    title: str,
    fraction: float,
    lines: Sequence[str],
    points: np.ndarray,
    unit: str,
    messages: Sequence[str],
) -> str:
    """The cell's output. All texts are escaped.

    Args:
        title: what is trained.
        fraction: done of it, 0 to 1.
        lines: in the bar's line, and below it.
        points: of the curve, ``(points, 2 and more)``: x, y.
        unit: of its x.
        messages: below all.
    """
    head, *rest = [_escaped(line) for line in lines]
    bar = f'<progress value="{fraction:.4f}" max="1" style="width:240px"></progress>'
    parts = [f"<b>{_escaped(title)}</b> {bar} {head}", *rest, _curve(points, unit)]
    parts += [f"<small>{_escaped(message)}</small>" for message in messages[-MOST_MESSAGES:]]
    return "".join(f"<div>{part}</div>" for part in parts if part)


def _curve(points: np.ndarray, unit: str) -> str:
    """A line with the ends of both axes beside it; nothing before the second point."""
    if len(points) < 2:
        return ""
    xs, ys = points[:, 0], points[:, 1]
    low, high = min(ys), max(ys)
    across = lambda x: MARGIN + (x - xs[0]) / ((xs[-1] - xs[0]) or 1) * (WIDTH - 2 * MARGIN)
    down = lambda y: MARGIN + (high - y) / ((high - low) or 1) * (HEIGHT - 2 * MARGIN)
    line = " ".join(f"{across(x):.1f},{down(y):.1f}" for x, y in zip(xs, ys, strict=True))
    text = '<text x="{x}" y="{y}" font-size="11" fill="currentColor" {more}>{what}</text>'
    words = [
        text.format(x=WIDTH + 4, y=MARGIN + 8, more="", what=f"{high:.3g}"),
        text.format(x=WIDTH + 4, y=HEIGHT - 2, more="", what=f"{low:.3g}"),
        text.format(
            x=WIDTH, y=HEIGHT + 14, more='text-anchor="end"', what=f"{quantity(xs[-1])} {_escaped(unit)}"
        ),
    ]
    return (
        f'<svg width="{WIDTH + 60}" height="{HEIGHT + 20}" role="img" aria-label="returns while training">'
        f'<polyline points="{line}" fill="none" stroke="#0072B2" stroke-width="1.6"/>{"".join(words)}</svg>'
    )


def _escaped(text: str) -> str:
    return html.escape(printable(text))
