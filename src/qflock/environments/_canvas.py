"""Pictures of grid environments: a light board with thin lines, stamps on its cells, a caption.

Stamps and boards are painted once, several times too large, shrunk, and kept; a frame only pastes
them, so it takes a few milliseconds. Pillow is imported with the first picture.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from colorsys import hls_to_rgb
from functools import lru_cache
from math import cos, pi, sin, sqrt
from typing import TYPE_CHECKING, Any

import numpy as np

if TYPE_CHECKING:
    from PIL import Image, ImageDraw, ImageFont

FIRST = ("#2f7fc1", "#e08a1e", "#7d5fc0", "#1f9b86")
PAPER, BOARD, LINE, EDGE, INK, PALE_INK = "#f3f1ea", "#fdfcf9", "#e9e6dc", "#d3cebf", "#4a4a45", "#8b887d"
FINER = 8  # a stamp is painted this many times larger than it is shown

Painter = Callable[..., None]  # paints (draw, width, *arguments) on a square, transparent picture


def agent_colour(agent: int) -> str:
    """An agent's colour; no two have the same, and none is near red.

    The replay's page has the same ones, see ``agentColour`` in page.js.

    Args:
        agent: its number, from 0.
    """
    if agent < len(FIRST):
        return FIRST[agent]
    turn = (agent - len(FIRST)) * (sqrt(5) - 1) / 2 % 1  # the golden ratio: each hue far from those before it
    hue = (40 + 290 * turn) / 360
    light = (0.36, 0.5, 0.62)[agent % 3]
    return "#" + "".join(f"{round(255 * part):02x}" for part in hls_to_rgb(hue, light, 0.55))


class Canvas:
    """A board of square cells with a caption line below.

    Args:
        columns: cells from left to right.
        rows: cells from top to bottom.
        size: about how many pixels wide; cells get whole pixels, at least 4.
    """

    def __init__(self, columns: int, rows: int, size: int = 500) -> None:
        self._margin = max(6, size // 32)
        self._cell = max(4, (size - 2 * self._margin) // columns)
        self._picture = _board(columns, rows, self._cell, self._margin).copy()

    def stamp(
        self,
        painter: Painter,
        cell: Sequence[float],
        *arguments: Any,
        share: tuple[int, int] = (0, 1),
        cells: float = 0.0,
    ) -> None:
        """Paste what ``painter`` paints onto a cell.

        Args:
            painter: a function ``(draw, width, *arguments)``, such as ``disc``.
            cell: ``(x, y)``, y downwards; fractions lie between cells.
            arguments: handed to the painter; hashable, for the picture is kept.
            share: this is number ``share[0]`` of ``share[1]`` stamps that stand on the cell together.
            cells: how many cells wide it is; 0 for about one.
        """
        number, among = share
        whole = self._cell if self._cell >= 32 else 1.25 * self._cell  # small cells: let pieces stand out
        whole = cells * self._cell or whole
        pixels = round(whole if among == 1 else 0.64 * whole)
        aside = 0.0 if among == 1 else 0.22 * whole
        angle = pi * (1.25 + 2 * number / among)
        x, y = (
            self._margin + self._cell * (at + 0.5) + aside * turn - pixels / 2 + 0.5
            for at, turn in zip(cell, (cos(angle), sin(angle)), strict=True)
        )
        stamp = _stamp(painter, pixels, arguments)
        self._picture.paste(stamp, (round(x), round(y)), stamp)

    def caption(self, left: str, right: str = "") -> None:
        """Write the caption line.

        Args:
            left: at the left edge.
            right: at the right edge.
        """
        from PIL import ImageDraw

        width, height = self._picture.size
        draw = ImageDraw.Draw(self._picture)
        font = _font(max(9, round(0.95 * self._margin)))
        middle = height - 1.05 * self._margin
        draw.text((self._margin, middle), left, INK, font, anchor="lm")
        draw.text((width - self._margin, middle), right, PALE_INK, font, anchor="rm")

    def array(self) -> np.ndarray:
        """The picture, (height, width, 3) uint8 RGB."""
        return np.array(self._picture)


def disc(draw: ImageDraw.ImageDraw, width: int, colour: str, label: str = "") -> None:
    """A round piece with a pale rim and a label.

    Args:
        draw: Pillow's, on a square, transparent picture.
        width: of the picture, in pixels.
        colour: a name or hex code.
        label: text in the middle.
    """
    _round(draw, width, 0.5, 0.535, 0.45, (60, 50, 30, 40))
    _round(draw, width, 0.5, 0.5, 0.45, "#ffffff")
    _round(draw, width, 0.5, 0.5, 0.41, colour)
    draw.text((width / 2, 0.505 * width), label, "#ffffff", _font(round(0.6 * width)), anchor="mm")


def apple(draw: ImageDraw.ImageDraw, width: int) -> None:
    """A red apple with a stem and a leaf.

    Args:
        draw: Pillow's, on a square, transparent picture.
        width: of the picture, in pixels.
    """
    for x, y, across, down, fill in (
        (0.5, 0.60, 0.36, 0.31, (60, 50, 30, 30)),
        (0.39, 0.58, 0.23, 0.29, "#d8433b"),
        (0.61, 0.58, 0.23, 0.29, "#d8433b"),
        (0.31, 0.49, 0.06, 0.09, "#ef8a80"),
    ):
        draw.ellipse(
            [(x - across) * width, (y - down) * width, (x + across) * width, (y + down) * width], fill
        )
    stem = [(0.5 * width, 0.38 * width), (0.53 * width, 0.17 * width)]
    draw.line(stem, "#6f4e37", max(1, round(0.06 * width)))
    leaf = [(0.53, 0.26), (0.60, 0.15), (0.76, 0.11), (0.71, 0.23), (0.61, 0.28)]
    draw.polygon([(x * width, y * width) for x, y in leaf], "#5d9c45")


def _round(draw: ImageDraw.ImageDraw, width: int, x: float, y: float, radius: float, fill: Any) -> None:
    box = [(x - radius) * width, (y - radius) * width, (x + radius) * width, (y + radius) * width]
    draw.ellipse(box, fill)


@lru_cache(maxsize=512)
def _stamp(painter: Painter, pixels: int, arguments: tuple[Any, ...]) -> Image.Image:
    from PIL import Image, ImageDraw

    large = Image.new("RGBA", (pixels * FINER, pixels * FINER))
    painter(ImageDraw.Draw(large), large.width, *arguments)
    return large.reduce(FINER)


@lru_cache(maxsize=32)
def _board(columns: int, rows: int, cell: int, margin: int) -> Image.Image:
    from PIL import Image, ImageDraw

    right, bottom = margin + columns * cell, margin + rows * cell
    picture = Image.new("RGB", (right + margin + 1, bottom + 2 * margin + 1), PAPER)
    draw = ImageDraw.Draw(picture)
    draw.rectangle((margin, margin, right, bottom), BOARD)
    for x in range(margin + cell, right, cell):
        draw.line((x, margin, x, bottom), LINE)
    for y in range(margin + cell, bottom, cell):
        draw.line((margin, y, right, y), LINE)
    draw.rectangle((margin, margin, right, bottom), outline=EDGE)
    return picture


@lru_cache(maxsize=64)
def _font(pixels: int) -> ImageFont.FreeTypeFont | ImageFont.ImageFont:
    from PIL import ImageFont

    return ImageFont.load_default(pixels)
