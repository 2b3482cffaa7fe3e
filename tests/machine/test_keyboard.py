"""Keys in a terminal, and a terminal that is as it was afterwards."""

from __future__ import annotations

import contextlib
import io
import os
import pty
import select
import termios
from collections.abc import Iterator
from typing import TextIO

import pytest

from qflock.machine import keyboard


@pytest.fixture
def terminal() -> Iterator[tuple[int, TextIO]]:
    """What a person types into, and the terminal as a program has it."""
    ours, theirs = pty.openpty()
    with open(theirs, "r+b", buffering=0, closefd=False) as raw:
        yield ours, io.TextIOWrapper(raw, write_through=True)
    for descriptor in (theirs, ours):
        os.close(descriptor)


def modes(stream: TextIO) -> list[object]:
    return termios.tcgetattr(stream.fileno())


@pytest.mark.parametrize("problem", [None, KeyboardInterrupt, ZeroDivisionError])
def test_the_terminal_is_as_it_was_however_it_ends(
    terminal: tuple[int, TextIO], problem: type[BaseException] | None
) -> None:
    ours, stream = terminal
    before = modes(stream)
    with pytest.raises(problem) if problem else contextlib.nullcontext(), keyboard.pressed(stream, stream):
        assert modes(stream) != before
        if problem is not None:
            raise problem
    assert modes(stream) == before
    shown = b""
    while shown.count(b"\x1b[?25") < 2 and select.select([ours], [], [], 10.0)[0]:  # it comes in pieces
        shown += os.read(ours, 1000)
    assert shown.startswith(b"\x1b[?25l")
    assert shown.endswith(b"\x1b[?25h")


def test_keys_come_one_by_one_with_their_names(terminal: tuple[int, TextIO]) -> None:
    ours, stream = terminal
    with keyboard.pressed(stream, stream) as keys:
        assert keys.read(0.0) is None
        os.write(ours, b"q \x1b[C\x1bOD\x1b[A\x1b[B+\xc3\xa9?")
        found = [keys.read(5.0) for _ in range(9)]
        assert found == ["q", " ", "right", "left", "up", "down", "+", "é", "?"]
        os.write(ours, b"\x1b[1;2C\x1b[15~n")  # shift and F5 are no keys of ours, and no letters either
        assert [keys.read(5.0) for _ in range(3)][2] == "n"
        os.write(ours, b"\x1b")
        assert keys.read(5.0) == "escape"
        os.write(ours, b"\x04")
        assert keys.read(5.0) == keyboard.END


def test_a_terminal_that_is_gone_is_an_end() -> None:
    ours, theirs = pty.openpty()
    keys = keyboard.Keys(theirs)
    os.close(ours)
    assert keys.read(5.0) == keyboard.END
    os.close(theirs)


def test_keys_need_a_terminal_on_both_sides(terminal: tuple[int, TextIO]) -> None:
    _, stream = terminal
    closed = io.StringIO()
    closed.close()
    assert keyboard.there(stream, stream)
    assert not keyboard.there(stream, io.StringIO())
    assert not keyboard.there(io.StringIO(), stream)
    assert not keyboard.there(closed, stream)
