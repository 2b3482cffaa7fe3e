"""Pictures of CoinGame-2: the agents, and a golden coin with its owner's colour in the middle."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from qflock.environments._canvas import Canvas, _round, agent_colour, disc

if TYPE_CHECKING:
    from PIL import ImageDraw

SIDE = 3
GOLD, RIM, SHADE = "#f4cf62", "#c9962b", (60, 50, 30, 45)


def draw(state: Any, size: int) -> np.ndarray:
    """One state of CoinGame-2 as (height, width, 3) uint8 RGB; y grows upwards.

    Args:
        state: one unbatched state, on the host.
        size: about how many pixels wide.
    """
    canvas = Canvas(SIDE, SIDE, size)
    pieces = [(state.coin, coin, agent_colour(int(state.owner)), "")]
    pieces += [(cell, disc, agent_colour(i), str(i)) for i, cell in enumerate(np.asarray(state.agents))]
    places = [(int(cell[0]), SIDE - 1 - int(cell[1])) for cell, *_ in pieces]
    for i, (place, (_, painter, *arguments)) in enumerate(zip(places, pieces, strict=True)):
        canvas.stamp(painter, place, *arguments, share=(places[:i].count(place), places.count(place)))
    own, coins = int(np.sum(state.own)), int(np.sum(state.collected))
    canvas.caption(f"step {int(state.step)}", f"own coins: {own}, the other's: {coins - own}")
    return canvas.array()


def coin(draw: ImageDraw.ImageDraw, width: int, colour: str, label: str = "") -> None:
    """A golden coin, smaller than a piece, with a colour in the middle.

    Args:
        draw: Pillow's, on a square, transparent picture.
        width: of the picture, in pixels.
        colour: a name or hex code.
        label: text in the middle.
    """
    del label
    _round(draw, width, 0.5, 0.53, 0.31, SHADE)
    for radius, fill in ((0.31, RIM), (0.28, GOLD), (0.19, RIM), (0.17, colour)):
        _round(draw, width, 0.5, 0.5, radius, fill)
