"""Pictures of ForestUAV: vegetation, covered cells, UAVs, and who hears the others."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflock.environments._canvas import Canvas, agent_colour, disc

SHADES = 12  # of vegetation that are told apart
SPARSE, DENSE = (236, 240, 222), (96, 150, 84)  # greens of vegetation 0 and 1
GOLD, MESSAGE = (242, 201, 94), "#c2568a"


class ForestCanvas(Canvas):
    """A board whose cells have colours, with lines between cells."""

    def fill(self, colours: np.ndarray) -> None:
        """Colour every cell; ``colours`` (rows, columns, 3) uint8."""
        from PIL import ImageDraw

        draw = ImageDraw.Draw(self._picture)
        for (row, column), colour in zip(np.ndindex(colours.shape[:2]), colours.reshape(-1, 3), strict=True):
            left, top = (self._margin + self._cell * at for at in (column, row))
            draw.rectangle(
                (left + 1, top + 1, left + self._cell - 1, top + self._cell - 1), tuple(colour.tolist())
            )

    def lines(self, start: Any, ends: Any, colour: str) -> None:
        """Thin lines from the middle of a cell ``(row, column)`` to those of others.

        Args:
            start: a cell ``(row, column)``.
            ends: cells ``(row, column)``.
            colour: a name or hex code.
        """
        from PIL import ImageDraw

        draw = ImageDraw.Draw(self._picture)
        middle = lambda cell: tuple(self._margin + self._cell * (int(x) + 0.5) for x in reversed(cell))
        for end in ends:
            draw.line((*middle(start), *middle(end)), colour, max(1, self._cell // 12))


def draw(state: Any, size: int) -> np.ndarray:
    """One state of ForestUAV as (height, width, 3) uint8 RGB.

    Args:
        state: one unbatched state, on the host.
        size: about how many pixels wide.
    """
    vegetation, visited = np.asarray(state.vegetation), np.asarray(state.visited)
    cells = np.asarray(state.agents).tolist()
    canvas = ForestCanvas(visited.shape[1], visited.shape[0], size)
    shade = np.clip(np.floor(vegetation * SHADES) / (SHADES - 1), 0, 1)[..., None]
    green = (1 - shade) * SPARSE + shade * DENSE
    colour = np.where(visited[..., None], 0.72 * np.array(GOLD) + 0.28 * green, green)
    canvas.fill(colour.astype(np.uint8))
    for i in np.flatnonzero(np.asarray(state.heard)):
        canvas.lines(cells[i], cells, MESSAGE)
    for i, cell in enumerate(cells):
        together = [j for j, other in enumerate(cells) if other == cell]
        share = (together.index(i), len(together))
        canvas.stamp(disc, cell[::-1], agent_colour(i), str(i), share=share)
    canvas.caption(f"step {int(state.step)}", f"covered: {visited.mean():.0%}")
    return canvas.array()
