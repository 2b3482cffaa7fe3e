"""Animations: GIF files that show the right pictures for the right time, and playing in a terminal."""

from __future__ import annotations

import io
import os
import re
import time
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from qflock.core.errors import UserError
from qflock.evidence.figures import animation
from qflock.files.storage import CannotWrite


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Painter:
    """An environment whose states are numbers, drawn as a grey square."""

    def draw(self, state: int, size: int = 500) -> np.ndarray:
        return np.full((size, size, 3), state, np.uint8)


def moving_square(count: int, size: int = 60) -> list[np.ndarray]:
    pictures = []
    for i in range(count):
        picture = np.full((size, size, 3), (250, 248, 240), np.uint8)
        picture[10:20, 3 * i : 3 * i + 10] = (0, 114, 178)
        picture[40:50, 50 - 2 * i : 55 - 2 * i] = (213, 94, 0)
        pictures.append(picture)
    return pictures


def read_gif(path: Path) -> tuple[list[np.ndarray], list[int], int]:
    """Pictures, their milliseconds, and how often it repeats (0 for ever)."""
    with Image.open(path) as file:
        pictures, waits = [], []
        for i in range(getattr(file, "n_frames", 1)):
            file.seek(i)
            waits.append(file.info["duration"])
            pictures.append(np.asarray(file.convert("RGB")))
        return pictures, waits, file.info["loop"]


def pixels_of(lines: list[str]) -> np.ndarray:
    """The picture that a terminal shows for lines of half blocks with 24-bit colours."""
    rows = []
    for line in lines:
        upper: list[Any] = []
        lower: list[Any] = []
        colours: dict[str, Any] = {}
        for part in re.findall(r"\x1b\[[\d;]*m|▀", line.removesuffix("\x1b[0m")):
            if part == "▀":
                upper.append(colours["38"])
                lower.append(colours["48"])
            else:
                layer, _, *rgb = part[2:-1].split(";")
                colours[layer] = [int(level) for level in rgb]
        rows += [upper, lower]
    return np.array(rows, np.uint8)


def test_frames_come_from_the_environment() -> None:
    pictures = animation.frames(Painter(), [1, 2, 3], size=8)  # type: ignore[arg-type]
    assert [int(picture[0, 0, 0]) for picture in pictures] == [1, 2, 3]
    assert pictures[0].shape == (8, 8, 3)
    with pytest.raises(UserError, match="object cannot be shown"):
        animation.frames(object(), [1])  # type: ignore[arg-type]


def test_a_gif_has_every_picture_in_its_colours(tmp_path: Path) -> None:
    pictures = moving_square(15)
    animation.write_gif(tmp_path / "a.gif", pictures, fps=10)
    shown, waits, loop = read_gif(tmp_path / "a.gif")
    np.testing.assert_array_equal(shown, pictures)
    assert waits == [100] * 14 + [1500]
    assert loop == 0
    assert (tmp_path / "a.gif").stat().st_size < 5000


def test_a_gif_of_many_colours_keeps_them_nearly(tmp_path: Path) -> None:
    ramp = np.linspace(0, 255, 64)
    pictures = [
        np.stack(np.broadcast_arrays(ramp[:, None], ramp, i * 20.0), -1).astype(np.uint8) for i in range(5)
    ]
    animation.write_gif(tmp_path / "a.gif", pictures)
    shown, _, _ = read_gif(tmp_path / "a.gif")
    assert len(shown) == 5
    assert np.abs(np.array(shown, float) - np.array(pictures, float)).mean() < 16


def test_a_colour_of_the_last_picture_alone_is_kept(tmp_path: Path) -> None:
    pictures = moving_square(40, 140)
    pictures[-1][:30] = (0, 158, 115)
    animation.write_gif(tmp_path / "a.gif", pictures)
    np.testing.assert_array_equal(read_gif(tmp_path / "a.gif")[0][-1], pictures[-1])


def test_equal_pictures_take_their_time_together(tmp_path: Path) -> None:
    first, second = moving_square(2)
    animation.write_gif(tmp_path / "a.gif", [first, first, first, second], fps=10)
    shown, waits, _ = read_gif(tmp_path / "a.gif")
    np.testing.assert_array_equal(shown, [first, second])
    assert waits == [300, 1500]


def test_one_picture_is_an_animation_too(tmp_path: Path) -> None:
    animation.write_gif(tmp_path / "a.gif", moving_square(1))
    with Image.open(tmp_path / "a.gif") as file:
        assert file.format == "GIF"


@pytest.mark.parametrize(
    "pictures", [[], [np.zeros((4, 4, 3), np.uint8), np.zeros((4, 5, 3), np.uint8)], [np.zeros((4, 4, 3))]]
)
def test_what_is_no_animation_is_refused(tmp_path: Path, pictures: list[np.ndarray]) -> None:
    with pytest.raises(ValueError, match=r"pictures, all of one size|uint8"):
        animation.write_gif(tmp_path / "a.gif", pictures)
    assert not list(tmp_path.iterdir())


def test_a_failed_write_keeps_the_old_animation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = animation.write_gif(tmp_path / "a.gif", moving_square(3))
    before = path.read_bytes()

    def fail(*_: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(CannotWrite, match="No space left"):
        animation.write_gif(path, moving_square(5))
    assert path.read_bytes() == before
    assert os.listdir(tmp_path) == ["a.gif"]


@settings(max_examples=60)
@given(picture=hnp.arrays(np.uint8, st.tuples(st.integers(1, 12), st.integers(1, 12), st.just(3))))
def test_half_blocks_show_the_picture(picture: np.ndarray) -> None:
    even = np.repeat(picture, 2, axis=0)  # an even number of rows fits whole characters
    np.testing.assert_array_equal(pixels_of(animation.blocks(even, 80, 24)), even)


@given(
    height=st.integers(1, 300), width=st.integers(1, 300), columns=st.integers(1, 60), rows=st.integers(1, 30)
)
def test_half_blocks_fit_the_terminal(height: int, width: int, columns: int, rows: int) -> None:
    for true_colour in (True, False):
        lines = animation.blocks(
            np.zeros((height, width, 3), np.uint8), columns, rows, true_colour=true_colour
        )
        assert 1 <= len(lines) <= rows
        assert {1 <= line.count("▀") <= columns for line in lines} == {True}


def test_the_256_colours_are_the_nearest() -> None:
    picture = np.array([[[0, 0, 0]], [[255, 0, 95]]], np.uint8)
    assert animation.blocks(picture, 10, 10, true_colour=False) == ["\x1b[38;5;16m\x1b[48;5;197m▀\x1b[0m"]


def test_playing_draws_in_place_and_gives_the_cursor_back(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLORTERM", "truecolor")
    stream, pictures = Terminal(), moving_square(3, 40)
    assert animation.play(pictures, fps=1000, stream=stream, repeats=2)
    shown = stream.getvalue()
    assert shown.startswith("\x1b[?25l")
    assert shown.endswith("\x1b[0m\x1b[?25h")
    assert shown.count("\x1b[20A\r") == 5  # six pictures of twenty lines, all but the first over another
    last = shown.split("\x1b[20A\r")[-1].split("\n")[:20]
    np.testing.assert_array_equal(pixels_of(last), pictures[-1])


def test_interrupting_ends_cleanly(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(_: float) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(time, "sleep", interrupt)
    stream = Terminal()
    assert not animation.play(moving_square(3), stream=stream)
    assert stream.getvalue().endswith("\x1b[0m\x1b[?25h")


def test_without_a_terminal_there_is_a_hint() -> None:
    stream = io.StringIO()
    assert not animation.play(moving_square(3), stream=stream)
    advice = "write a file instead, with -o play.gif, .mp4 or .html"
    assert stream.getvalue() == f"no terminal to play in: {advice}\n"


def test_a_film_is_written_without_a_warning_of_forks(tmp_path: Path) -> None:
    """JAX warns of every fork, and ffmpeg is started by one."""
    pytest.importorskip("imageio_ffmpeg")
    import jax

    jax.devices()
    pictures = [np.full((16, 16, 3), shade, np.uint8) for shade in (0, 200)]
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        animation.write_mp4(tmp_path / "film.mp4", pictures)
    assert [str(one.message) for one in said] == []
    assert (tmp_path / "film.mp4").stat().st_size > 100
