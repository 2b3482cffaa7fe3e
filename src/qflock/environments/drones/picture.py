"""Pictures of Drones: walls with gaps, pads, drones with rotors and the streaks that they draw."""

from __future__ import annotations

from math import cos, pi, sin
from typing import TYPE_CHECKING, Any

import numpy as np

from qflock.environments._canvas import Canvas, _font, agent_colour, disc

if TYPE_CHECKING:
    from PIL import ImageDraw

CELLS = 20  # along a side of the board
STONE, RIM, ARM, ROTOR, ALARM = "#b8b2a4", "#9b9586", "#56554f", (226, 228, 226, 235), "#d63c32"
STREAK = 6  # puffs behind a drone at top speed


class Arena(Canvas):
    """A board whose places are those of the arena: [-1, 1] x [-1, 1], y upwards."""

    def put(self, painter: Any, place: Any, radius: float, *arguments: Any) -> None:
        """Stamp what a painter paints on a place.

        Args:
            painter: as `Canvas.stamp` has it.
            place: ``(x, y)``.
            radius: of the stamp.
            arguments: handed to the painter.
        """
        cell = [(x + 1) / 2 * CELLS - 0.5 for x in (float(place[0]), -float(place[1]))]
        self.stamp(painter, cell, *arguments, cells=radius * CELLS)

    def wall(self, x: float, gap: float, half: float) -> None:
        """An upright wall from edge to edge.

        Args:
            x: where it stands.
            gap: y of the gap's middle.
            half: half its width.
        """
        from PIL import ImageDraw

        draw, side = ImageDraw.Draw(self._picture), CELLS * self._cell
        at = lambda share: self._margin + (share + 1) / 2 * side
        thick = max(1, self._cell // 8)
        for top, bottom in ((-1.0, -gap - half), (-gap + half, 1.0)):
            box = (at(x) - thick, at(top), at(x) + thick, at(bottom))
            draw.rounded_rectangle(box, thick, STONE, RIM)


def draw(state: Any, walls: np.ndarray, gap: float, radius: float, speed: float, size: int) -> np.ndarray:
    """One state of Drones as (height, width, 3) uint8 RGB.

    Args:
        state: one unbatched state, on the host.
        walls: x of each wall.
        gap: width of their gaps.
        radius: of a drone.
        speed: top speed.
        size: about how many pixels wide.
    """
    canvas = Arena(CELLS, CELLS, size)
    position, velocity, pads = (np.asarray(x) for x in (state.position, state.velocity, state.pads))
    landed, touching = np.asarray(state.landed), np.asarray(state.touching)
    for i, pad in enumerate(pads):
        canvas.put(_pad, pad, 1.25 * radius, agent_colour(i), str(i))
    for x, middle in zip(walls.tolist(), np.asarray(state.gaps).tolist(), strict=True):
        canvas.wall(x, middle, gap / 2)
    for i, place in enumerate(position):
        colour = agent_colour(i)
        puffs = round(STREAK * float(np.hypot(*velocity[i])) / speed)
        for k in range(puffs, 0, -1):
            faint = 90 - 70 * k // STREAK
            canvas.put(_puff, place - 0.8 * k * velocity[i], radius * (1 - 0.09 * k), colour, max(10, faint))
        if touching[i]:
            canvas.put(_puff, place, 1.6 * radius, ALARM, 130)
        if landed[i]:
            canvas.put(disc, place, 0.8 * radius, colour, str(i))
        else:
            canvas.put(_drone, place, radius, colour, str(i))
    contacts = int(state.contacts)
    canvas.caption(
        f"step {int(state.step)}", f"landed: {landed.sum()} of {len(landed)}, contacts: {contacts}"
    )
    return canvas.array()


def _drone(draw: ImageDraw.ImageDraw, width: int, colour: str, label: str) -> None:
    """Four rotors on arms around a body with a label."""
    middle, reach = width / 2, 0.31 * width
    for k in range(4):
        x, y = (middle + reach * f(pi / 4 + k * pi / 2) for f in (cos, sin))
        draw.line((middle, middle, x, y), ARM, round(0.07 * width))
        _circle(draw, x, y, 0.19 * width, ROTOR, colour, round(0.03 * width))
        _circle(draw, x, y, 0.035 * width, ARM)
    _circle(draw, middle, middle, 0.24 * width, "#ffffff")
    _circle(draw, middle, middle, 0.21 * width, colour)
    draw.text((middle, 1.01 * middle), label, "#ffffff", _font(round(0.34 * width)), anchor="mm")


def _pad(draw: ImageDraw.ImageDraw, width: int, colour: str, label: str) -> None:
    """A ring in the colour of the drone that lands there."""
    middle = width / 2
    _circle(draw, middle, middle, 0.48 * width, (255, 255, 255, 255), colour, round(0.05 * width))
    _circle(draw, middle, middle, 0.36 * width, (255, 255, 255, 0), colour, round(0.025 * width))
    draw.text((middle, 1.01 * middle), label, colour, _font(round(0.45 * width)), anchor="mm")


def _puff(draw: ImageDraw.ImageDraw, width: int, colour: str, alpha: int) -> None:
    """A see-through disc."""
    from PIL.ImageColor import getrgb

    _circle(draw, width / 2, width / 2, 0.45 * width, (*getrgb(colour)[:3], alpha))


def _circle(
    draw: ImageDraw.ImageDraw,
    x: float,
    y: float,
    radius: float,
    fill: Any,
    outline: str | None = None,
    width: int = 0,
) -> None:
    draw.ellipse((x - radius, y - radius, x + radius, y + radius), fill, outline, width)
