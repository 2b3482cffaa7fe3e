"""Pictures of an episode as one sheet of distinct tiles: what repeats is stored once.

Boards change little from step to step. Every picture is cut into square tiles; each distinct tile
stands once on the sheet, and a step names the tiles that changed. A browser draws any step at once.
"""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Sequence
from typing import Any

import numpy as np
from PIL import Image, features

TILE = 24  # pixels; small enough that little is stored twice, large enough to draw fast
SHEET = 64  # tiles in a row of the sheet, at least


def pack(pictures: Sequence[np.ndarray], tile: int = TILE) -> dict[str, Any]:
    """Pictures as a sheet and the tiles of each.

    Args:
        pictures: ``(height, width, 3)`` uint8, all of one size.
        tile: edge of a tile, pixels.

    Returns:
        ``sheet``, a lossless image as data URI; ``tile``, ``sheet_columns``, ``columns``, ``width`` and
        ``height``; ``changes``, for each picture a list ``[place, tile, place, tile, ...]`` of what differs
        from the one before it.

    Raises:
        ValueError: there is no picture, or their sizes differ.
    """
    if len({picture.shape for picture in pictures}) != 1:
        raise ValueError("a replay needs pictures, all of one size")
    height, width = pictures[0].shape[:2]
    cut = [_tiles(picture, tile) for picture in pictures]
    numbers: dict[bytes, int] = {}
    board = np.full(len(cut[0]), -1)
    changes = []
    for at, tiles in enumerate(cut):
        moved = np.flatnonzero((tiles != cut[at - 1]).any((1, 2, 3))) if at else range(len(tiles))
        change = []
        for place in moved:
            number = numbers.setdefault(tiles[place].tobytes(), len(numbers))
            if board[place] != number:
                change += [int(place), number]
                board[place] = number
        changes.append(change)
    across = max(SHEET, math.isqrt(len(numbers)) + 1)  # a long strip would pass what image formats allow
    return {
        "sheet": _data_uri(_sheet(list(numbers), tile, across)),
        "tile": tile,
        "sheet_columns": across,
        "columns": -(-width // tile),
        "width": width,
        "height": height,
        "changes": changes,
    }


def _tiles(picture: np.ndarray, tile: int) -> np.ndarray:
    """Tiles in reading order, ``(N, tile, tile, 3)``; the edges are repeated to fill the last ones."""
    height, width = picture.shape[:2]
    padded = np.pad(picture, ((0, -height % tile), (0, -width % tile), (0, 0)), mode="edge")
    rows, columns = padded.shape[0] // tile, padded.shape[1] // tile
    return padded.reshape(rows, tile, columns, tile, 3).swapaxes(1, 2).reshape(-1, tile, tile, 3)


def _sheet(tiles: Sequence[bytes], tile: int, across: int) -> Image.Image:
    rows = -(-len(tiles) // across)
    filled = b"".join(tiles) + bytes((rows * across - len(tiles)) * tile * tile * 3)
    pixels = np.frombuffer(filled, np.uint8).reshape(rows, across, tile, tile, 3)
    return Image.fromarray(pixels.swapaxes(1, 2).reshape(rows * tile, across * tile, 3))


def _data_uri(image: Image.Image) -> str:
    kind = "webp" if features.check("webp") else "png"
    file = io.BytesIO()
    image.save(file, kind, **({"lossless": True, "quality": 60} if kind == "webp" else {"optimize": True}))
    return f"data:image/{kind};base64,{base64.b64encode(file.getvalue()).decode()}"
