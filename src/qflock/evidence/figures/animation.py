"""Moving pictures of an episode: frames, GIF and MP4 files, and playing in a terminal."""

from __future__ import annotations

import contextlib
import os
import sys
import time
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, TextIO

import numpy as np
from PIL import Image

from qflock.core.errors import Ended, UserError
from qflock.core.printing import say
from qflock.files.storage import replacing
from qflock.machine.keyboard import HIDE_CURSOR, RESET, SHOW_CURSOR

if TYPE_CHECKING:
    from qflock.core.environment import Drawable, Environment

LAST_FRAME = 1.5  # seconds that the last picture stays
SAMPLED_FRAMES = 16  # that a palette is chosen from
CLEAR_BELOW, CLEAR_LINE, CLEAR_ALL = "\x1b[J", "\x1b[K", "\x1b[2J\x1b[H"
STEPS_OF_256 = np.array([0, 95, 135, 175, 215, 255])  # levels of a channel in xterm's colour cube


def frames(environment: Environment | Drawable, states: Iterable[Any], size: int = 500) -> list[np.ndarray]:
    """Pictures of states.

    Args:
        environment: has a ``draw``.
        states: unbatched states of an episode, in order.
        size: about how many pixels wide.

    Returns:
        ``(height, width, 3)`` uint8 pictures, all of one size.

    Raises:
        UserError: the environment cannot be drawn.
    """
    draw = getattr(environment, "draw", None)
    if draw is None:
        name = getattr(getattr(environment, "spec", None), "name", type(environment).__name__)
        raise UserError(f"{name} cannot be shown: it has no draw(state, size)")
    return [_checked(draw(state, size)) for state in states]


def write_gif(path: Path, pictures: Sequence[np.ndarray], fps: float = 8.0) -> Path:
    """Write an animation that repeats for ever; the last picture stays longer.

    All pictures share one palette, so that nothing flickers and only what changed is stored; equal
    neighbours become one picture that stays as long as both.

    Args:
        path: the file.
        pictures: ``(height, width, 3)`` uint8, all of one size.
        fps: pictures a second, at most 50 (GIF counts in hundredths of a second).

    Raises:
        CannotWrite: the disk is full or the folder cannot be written.
        ValueError: there is no picture, or their sizes differ.
    """
    if len({picture.shape for picture in pictures}) != 1:
        raise ValueError("an animation needs pictures, all of one size")
    images = [Image.fromarray(_checked(picture)) for picture in pictures]
    palette = _palette(images)
    small = [image.quantize(palette=palette, dither=Image.Dither.NONE) for image in images]
    wait = max(2, round(100 / fps)) * 10  # milliseconds
    waits = [wait] * (len(small) - 1) + [max(wait, round(1000 * LAST_FRAME))]
    with replacing(path) as temporary:
        small[0].save(
            temporary, format="GIF", save_all=True, append_images=small[1:], duration=waits, loop=0,
            optimize=True,
        )  # fmt: skip
    return path


def require_ffmpeg() -> Any:
    """The module ``imageio_ffmpeg``, which brings the ffmpeg that writes MP4 files.

    Raises:
        UserError: it is not installed.
    """
    try:
        import imageio_ffmpeg  # pyright: ignore[reportMissingImports]
    except ImportError as problem:
        raise UserError(
            "an MP4 needs ffmpeg: pip install 'qflock[video]', or write a .gif or .html instead"
        ) from problem
    return imageio_ffmpeg


def write_mp4(path: Path, pictures: Sequence[np.ndarray], fps: float = 8.0) -> Path:
    """Write a film (H.264, which every browser and phone plays); the last picture stays longer.

    Args:
        path: the file.
        pictures: ``(height, width, 3)`` uint8, all of one size; an odd edge is repeated once, as the
            format has even sizes only.
        fps: pictures a second.

    Raises:
        CannotWrite: the disk is full or the folder cannot be written.
        UserError: imageio-ffmpeg is not installed, or its ffmpeg fails.
        ValueError: there is no picture, or their sizes differ.
    """
    ffmpeg = require_ffmpeg()
    if len({picture.shape for picture in pictures}) != 1:
        raise ValueError("a film needs pictures, all of one size")
    height, width = pictures[0].shape[:2]
    even = ((0, height % 2), (0, width % 2), (0, 0))
    stays = [pictures[-1]] * max(0, round(fps * LAST_FRAME) - 1)
    with replacing(path) as temporary:
        file = ffmpeg.write_frames(
            temporary, (width + width % 2, height + height % 2), fps=fps, codec="libx264", quality=7,
            macro_block_size=2, ffmpeg_log_level="error",
            output_params=["-f", "mp4", "-movflags", "+faststart"],
        )  # fmt: skip
        try:
            with warnings.catch_warnings():  # JAX's, of a fork: the child becomes ffmpeg at once
                warnings.filterwarnings("ignore", r"os\.fork\(\) was called", RuntimeWarning)
                file.send(None)
            for picture in [*pictures, *stays]:
                file.send(np.ascontiguousarray(np.pad(_checked(picture), even, mode="edge")))
        except OSError as problem:
            raise UserError(f"ffmpeg cannot write {path}: {' '.join(str(problem).split())}") from problem
        finally:
            file.close()
    return path


def can_play(stream: TextIO | None = None) -> bool:
    """Whether pictures can be played on a stream; where not, a line on it says what to do instead."""
    stream = stream or sys.stdout
    if stream is None or not stream.isatty() or os.environ.get("TERM") == "dumb":
        say("no terminal to play in: write a file instead, with -o play.gif, .mp4 or .html", stream=stream)
        return False
    return True


def play(
    pictures: Sequence[np.ndarray], fps: float = 8.0, *, stream: TextIO | None = None, repeats: int = 1
) -> bool:
    """Play pictures in the terminal, in place, scaled to its size; Ctrl-C ends it.

    Args:
        pictures: ``(height, width, 3)`` uint8.
        fps: pictures a second.
        stream: where to; standard output by default. Without a terminal a hint is printed instead.
        repeats: how often from the beginning.

    Returns:
        Whether the pictures were shown to the end.
    """
    if not can_play(stream):
        return False
    stream = stream or sys.stdout
    assert stream is not None
    true_colour = os.environ.get("COLORTERM", "") in ("truecolor", "24bit")
    due, height = time.monotonic(), 0
    try:
        stream.write(HIDE_CURSOR)
        for picture in (picture for _ in range(repeats) for picture in pictures):
            columns, rows = terminal_size(stream)
            lines = blocks(picture, columns, rows - 1, true_colour=true_colour)
            up = f"\x1b[{height}A\r" if height else ""
            stream.write(up + CLEAR_BELOW * (height != len(lines)) + "\n".join(lines) + "\n")
            stream.flush()
            height, due = len(lines), due + 1 / fps
            time.sleep(max(0.0, due - time.monotonic()))
        return True
    except KeyboardInterrupt as stopped:
        if isinstance(stopped, Ended):
            raise
        return False
    except BrokenPipeError:  # whoever was reading went away
        return False
    finally:
        with contextlib.suppress(OSError):
            stream.write(RESET + SHOW_CURSOR)
            stream.flush()


def blocks(picture: np.ndarray, columns: int, rows: int, *, true_colour: bool = True) -> list[str]:
    """A picture as lines of upper half blocks, two pixels a character, as large as fits.

    Args:
        picture: ``(height, width, 3)`` uint8.
        columns, rows: room in characters.
        true_colour: 24-bit colours; else the 256 of xterm.

    Returns:
        At most ``rows`` lines of at most ``columns`` characters, with escape codes for the colours.
    """
    image = Image.fromarray(_checked(picture))
    scale = min(max(columns, 1) / image.width, 2 * max(rows, 1) / image.height, 1.0)
    width, half = max(1, int(image.width * scale)), max(1, int(image.height * scale) // 2)
    pixels = np.asarray(image.resize((width, 2 * half), Image.Resampling.BOX))
    codes = _true_colours(pixels) if true_colour else _colours_of_256(pixels)
    return ["".join(_line(codes[2 * row], codes[2 * row + 1])) + RESET for row in range(half)]


def _checked(picture: np.ndarray) -> np.ndarray:
    picture = np.asarray(picture)
    if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
        raise ValueError(f"a picture is (height, width, 3) uint8, not {picture.shape} {picture.dtype}")
    return picture


def _palette(images: Sequence[Image.Image]) -> Image.Image:
    """One palette for all: of the pictures' own colours where they are few, chosen from a sample else."""
    sample = [*images[:: max(1, len(images) // SAMPLED_FRAMES)], images[-1]]
    sheet = Image.new("RGB", (images[0].width, images[0].height * len(sample)))
    for i, image in enumerate(sample):
        sheet.paste(image, (0, i * image.height))
    return sheet.quantize(colors=256, method=Image.Quantize.MEDIANCUT, dither=Image.Dither.NONE)


def terminal_size(stream: TextIO) -> tuple[int, int]:
    """Columns and rows of a terminal; 80 and 24 where it does not say.

    Args:
        stream: leads to it.
    """
    try:
        size = os.get_terminal_size(stream.fileno())
    except (OSError, ValueError):
        return 80, 24
    return (size.columns, size.lines) if size.columns and size.lines else (80, 24)


def _line(upper: list[str], lower: list[str]) -> Iterator[str]:
    """Characters of one line; a colour is set only where it changes."""
    before = ("", "")
    for colours in zip(upper, lower, strict=True):
        if colours[0] != before[0]:
            yield f"\x1b[38;{colours[0]}m"
        if colours[1] != before[1]:
            yield f"\x1b[48;{colours[1]}m"
        yield "▀"
        before = colours


def _true_colours(pixels: np.ndarray) -> list[list[str]]:
    return [[f"2;{r};{g};{b}" for r, g, b in row] for row in pixels.tolist()]


def _colours_of_256(pixels: np.ndarray) -> list[list[str]]:
    level = np.abs(pixels[..., None].astype(int) - STEPS_OF_256).argmin(-1)
    index = 16 + level @ np.array([36, 6, 1])
    return [[f"5;{i}" for i in row] for row in index.tolist()]
