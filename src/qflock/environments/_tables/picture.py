"""Pictures of payoff tables: cells shaded by what they pay, the chosen one ringed, a caption."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from qflock.environments._canvas import EDGE, INK, LINE, PALE_INK, PAPER, _font, agent_colour

if TYPE_CHECKING:
    from PIL import ImageDraw

LOW, HIGH, FADED = (246, 226, 216), (178, 216, 188), (250, 249, 245)  # paid least, paid most, not in play
HEAD = 0.5  # cells, of the row and of the column of action names
FINER = 3  # painted this many times larger, then shrunk


class Panel(NamedTuple):
    """One table: rows are agent 0's actions, columns agent 1's.

    Attributes:
        title: written above it.
        names: of the actions, at least as many as rows and columns.
        table: payoffs, shape (rows, columns).
        chosen: row and column of the cell that was chosen; None before.
        span: least and largest payoff, for the shades.
        pale: whether the table is not in play.
    """

    title: str
    names: tuple[str, ...]
    table: np.ndarray
    chosen: tuple[int, int] | None
    span: tuple[float, float]
    pale: bool = False


def draw(panels: Sequence[Panel], size: int, left: str, right: str) -> np.ndarray:
    """Tables of one shape side by side, about ``size`` pixels wide: (height, width, 3) uint8 RGB.

    Args:
        panels: at least one.
        size: in pixels.
        left: caption at the left edge.
        right: caption at the right edge.
    """
    from PIL import Image, ImageDraw

    rows, columns = panels[0].table.shape
    margin = max(8, size // 24)
    gaps = (len(panels) + 1) * margin
    across = (size - gaps) / (len(panels) * (columns + HEAD))
    cell = max(8, int(min(across, size / (rows + HEAD))))
    titled = margin if any(panel.title for panel in panels) else 0
    wide = round(gaps + len(panels) * (columns + HEAD) * cell)
    high = round(3.2 * margin + titled + (rows + HEAD) * cell)
    picture = Image.new("RGB", (wide * FINER, high * FINER), PAPER)
    brush = ImageDraw.Draw(picture)
    for i, panel in enumerate(panels):
        x = margin + i * (margin + (columns + HEAD) * cell)
        _table(brush, panel, x * FINER, (margin + titled) * FINER, cell * FINER)
        middle = (x + (HEAD + columns / 2) * cell) * FINER, margin * FINER
        ink = PALE_INK if panel.pale else INK
        brush.text(middle, panel.title, ink, _font(margin * FINER), anchor="mm")
    small, line = _font(round(0.75 * margin * FINER)), (high - 1.1 * margin) * FINER
    brush.text((margin * FINER, line), left, INK, small, anchor="lm")
    brush.text(((wide - margin) * FINER, line), right, PALE_INK, small, anchor="rm")
    return np.array(picture.reduce(FINER))


def _table(brush: ImageDraw.ImageDraw, panel: Panel, x: float, y: float, cell: float) -> None:
    """Paint one table, its upper left corner at (x, y)."""
    (rows, columns), (low, high) = panel.table.shape, panel.span
    left, top = x + HEAD * cell, y + HEAD * cell
    box = lambda row, column, rim=0.0: (
        left + (column + rim) * cell,
        top + (row + rim) * cell,
        left + (column + 1 - rim) * cell,
        top + (row + 1 - rim) * cell,
    )
    small, thin = _font(round(0.24 * cell)), max(1, round(cell / 60))
    for row, name in enumerate(panel.names[:rows]):
        brush.text((x + HEAD * cell / 2, top + (row + 0.5) * cell), name, agent_colour(0), small, anchor="mm")
    for column, name in enumerate(panel.names[:columns]):
        brush.text(
            (left + (column + 0.5) * cell, y + HEAD * cell / 2), name, agent_colour(1), small, anchor="mm"
        )
    for (row, column), paid in np.ndenumerate(panel.table):
        fraction = (float(paid) - low) / (high - low) if high > low else 0.5
        shade = tuple(round((1 - fraction) * p + fraction * q) for p, q in zip(LOW, HIGH, strict=True))
        brush.rectangle(box(row, column), FADED if panel.pale else shade, LINE, thin)
        text, middle = f"{paid:g}", (left + (column + 0.5) * cell, top + (row + 0.5) * cell)
        large = _font(round(min(0.3, 1.4 / len(text)) * cell))
        brush.text(middle, text, PALE_INK if panel.pale else INK, large, anchor="mm")
    brush.rectangle((left, top, left + columns * cell, top + rows * cell), outline=EDGE, width=2 * thin)
    if panel.chosen is not None:
        ring = box(*panel.chosen, 0.06)
        brush.rounded_rectangle(ring, 0.14 * cell, outline=INK, width=3 * thin)
