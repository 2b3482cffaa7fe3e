"""Pictures of BoxPush: walls, crates, goals, agents with noses, and what they see."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from PIL.ImageColor import getrgb

from qflock.environments._canvas import Canvas, agent_colour, disc
from qflock.environments.box_push.view import MIDDLE, VIEW

if TYPE_CHECKING:
    from PIL import ImageDraw

STONE, JOINT = (190, 184, 168), (176, 169, 152)
WOOD, PLANK, IRON, RIVET = "#d9a35b", "#b57f3c", "#7c8694", "#555e6b"
OPEN, DONE = "#3f9e5a", "#2f8a4b"
STEPS = ((1, 0), (0, 1), (-1, 0), (0, -1))  # (x, y) by direction
TINT = 0.10  # how much of an agent's colour the cells that it sees take on


class Room(Canvas):
    """A board whose cells have colours."""

    def fill(
        self, cell: tuple[int, int], colour: tuple[int, ...], line: tuple[int, ...] | None = None
    ) -> None:
        """Colour a cell ``(x, y)``, with the lines around it if ``line`` is given.

        Args:
            cell: ``(x, y)``.
            colour: RGB, 0 to 255.
            line: RGB of the lines; none for None.
        """
        from PIL import ImageDraw

        left, top = (self._margin + self._cell * at for at in cell)
        box = (left + 1, top + 1, left + self._cell - 1, top + self._cell - 1)
        if line:
            box = (left, top, left + self._cell, top + self._cell)
        ImageDraw.Draw(self._picture).rectangle(box, colour, line)


def draw(state: Any, grid_size: int, heavy: np.ndarray, size: int) -> np.ndarray:
    """One state of BoxPush as (height, width, 3) uint8 RGB.

    Args:
        state: one unbatched state.
        grid_size: cells along a side, walls included.
        heavy: which boxes are heavy, ``(B,)``.
        size: about how many pixels wide.
    """
    agents, boxes, goals = (np.asarray(x).tolist() for x in (state.agents, state.boxes, state.goals))
    directions, home = np.asarray(state.directions).tolist(), np.asarray(state.home).tolist()
    canvas = Room(grid_size, grid_size, size)
    for cell in np.ndindex(grid_size, grid_size):
        at = (int(cell[0]), int(cell[1]))
        if not all(0 < x < grid_size - 1 for x in at):
            canvas.fill(at, STONE, JOINT)
            continue
        seers = [k for k, pose in enumerate(zip(agents, directions, strict=True)) if _sees(*pose, at)]
        if seers:
            canvas.fill(at, _tinted([getrgb(agent_colour(k)) for k in seers]))
    for goal in goals:
        canvas.stamp(target, goal)
    for box, is_heavy, is_home in zip(boxes, heavy.tolist(), home, strict=True):
        canvas.stamp(crate, box, is_heavy, is_home)
    for i, (cell, direction) in enumerate(zip(agents, directions, strict=True)):
        canvas.stamp(player, cell, agent_colour(i), str(i), direction)
    canvas.caption(f"step {int(state.step)}", f"boxes home: {sum(home)} of {len(home)}")
    return canvas.array()


def target(draw: ImageDraw.ImageDraw, width: int) -> None:
    """An open goal: rings on the floor.

    Args:
        draw: Pillow's, on a square, transparent picture.
        width: of the picture, in pixels.
    """
    for radius, fill in ((0.40, OPEN), (0.33, "#eef6ee"), (0.20, OPEN), (0.12, "#eef6ee")):
        box = [(0.5 - radius) * width] * 2 + [(0.5 + radius) * width] * 2
        draw.ellipse(box, fill)


def crate(draw: ImageDraw.ImageDraw, width: int, heavy: bool, home: bool) -> None:
    """A wooden crate, or an iron one, with a green frame where it is home.

    Args:
        draw: Pillow's, on a square, transparent picture.
        width: of the picture, in pixels.
        heavy: whether it is iron.
        home: whether it stands on its goal.
    """
    body, edge = (IRON, RIVET) if heavy else (WOOD, PLANK)
    square = lambda inset: [inset * width] * 2 + [(1 - inset) * width] * 2
    draw.rounded_rectangle(
        [0.09 * width, 0.12 * width, 0.93 * width, 0.96 * width], 0.1 * width, (60, 50, 30, 45)
    )
    draw.rounded_rectangle(square(0.07), 0.1 * width, DONE if home else edge)
    draw.rounded_rectangle(square(0.15), 0.05 * width, body)
    line = max(1, round(0.05 * width))
    if heavy:
        draw.rectangle([0.42 * width, 0.15 * width, 0.58 * width, 0.85 * width], edge)
        draw.rectangle([0.15 * width, 0.42 * width, 0.85 * width, 0.58 * width], edge)
        for x in (0.25, 0.75):
            for y in (0.25, 0.75):
                dot = [(x - 0.04) * width, (y - 0.04) * width, (x + 0.04) * width, (y + 0.04) * width]
                draw.ellipse(dot, edge)
    else:
        for at in (0.325, 0.5, 0.675):
            draw.line([(0.15 * width, at * width), (0.85 * width, at * width)], edge, line)
        draw.line([(0.17 * width, 0.83 * width), (0.83 * width, 0.17 * width)], edge, 2 * line)


def player(draw: ImageDraw.ImageDraw, width: int, colour: str, label: str, direction: int) -> None:
    """A round piece with a label and a nose where it faces.

    Args:
        draw: Pillow's, on a square, transparent picture.
        width: of the picture, in pixels.
        colour: a name or hex code.
        label: text in the middle.
        direction: 0 to 3: right, down, left, up.
    """
    x, y = STEPS[direction]
    middle = np.array([0.5, 0.5])
    tip, side = np.array([x, y]), np.array([-y, x])
    nose = [middle + 0.5 * tip, middle + 0.3 * tip + 0.22 * side, middle + 0.3 * tip - 0.22 * side]
    disc(draw, width, colour, label)
    draw.polygon([tuple(width * point) for point in nose], "#ffffff", outline=colour)


def _tinted(colours: list[tuple[int, ...]]) -> tuple[int, ...]:
    """Paper with some of each colour in it."""
    mixed = np.array([253.0, 252.0, 249.0])
    for colour in colours:
        mixed = (1 - TINT) * mixed + TINT * np.array(colour[:3])
    return tuple(int(x) for x in mixed)


def _sees(agent: list[int], direction: int, cell: tuple[int, int]) -> bool:
    """Whether a cell lies in an agent's view."""
    x, y = STEPS[direction]
    right, down = cell[0] - agent[0], cell[1] - agent[1]
    return 0 <= right * x + down * y < VIEW and abs(down * x - right * y) <= MIDDLE
