"""Watching in a terminal: what keys do, what captions say, and the terminal that is given back."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import termios
import time
from collections.abc import Iterator

import numpy as np
import pytest

from qflock.evidence.figures import animation
from qflock.evidence.replay import player, watching
from qflock.evidence.replay.player import Player
from qflock.machine import keyboard
from tests.evidence import shows

PROGRAM = """
import sys
from qflock.commands import guarded
from qflock.evidence.replay import player
from tests.evidence import shows
show = shows.show(title="a" * 70)
if "broken" in sys.argv:
    type(show.env).draw = lambda self, state, size: 1 / (state < 2)
sys.exit(guarded(lambda: player.play(show, 20.0) or 0))
"""


def test_space_pauses_and_goes_on() -> None:
    shown = Player([3, 2], fps=4.0)
    assert shown.wait == 0.25
    assert shown.press(" ")
    assert shown.wait is None
    shown.press(" ")
    assert shown.wait == 0.25


def test_arrows_step_and_pause_within_the_episode() -> None:
    shown = Player([2], fps=4.0)
    shown.press("left")
    assert (shown.step, shown.wait) == (0, None)
    for step in (1, 2, 2):
        shown.press("right")
        assert shown.step == step
    shown.press("left")
    assert shown.step == 1


def test_speed_stays_within_its_bounds() -> None:
    shown = Player([2], fps=8.0)
    shown.press("+")
    assert shown.fps == 12.0
    shown.press("-")
    assert shown.fps == pytest.approx(8.0)
    for key, bound in (("+", player.FASTEST), ("-", player.SLOWEST)):
        for _ in range(50):
            shown.press(key)
        assert shown.fps == bound


def test_episodes_follow_each_other_and_the_last_one_waits() -> None:
    shown = Player([1, 1], fps=100.0)
    shown.advance()
    assert (shown.episode, shown.step, shown.wait) == (0, 1, animation.LAST_FRAME)
    shown.advance()
    assert (shown.episode, shown.step) == (1, 0)
    shown.advance()
    assert (shown.episode, shown.step, shown.wait) == (1, 1, None)
    shown.press("n")
    assert (shown.episode, shown.step) == (0, 0)
    shown.press("up")
    assert shown.episode == 1


def test_help_comes_and_goes_and_q_ends() -> None:
    shown = Player([5], fps=1.0)
    shown.press("?")
    assert (shown.helping, shown.wait) == (True, None)
    shown.press("?")
    assert (shown.helping, shown.wait) == (False, 1.0)
    assert shown.press("x")  # means nothing
    assert [shown.press(key) for key in ("q", "escape", keyboard.END)] == [False] * 3


def test_captions_say_where_it_is_and_fit_80_columns() -> None:
    show = shows.show(episodes=3)
    shown = Player([shows.STEPS] * 3, fps=8.0)
    for _ in range(6):
        shown.press("right")
    lines = player.captions(show, shown)
    assert max(map(len, lines)) <= 80
    assert lines[0] == "painted, made up"
    assert lines[1] == "episode 1 of 3   step 6 of 12   reward 1   return 2   8 steps/s   paused"
    names = [shows.ACTIONS[action] for action in show.recordings[0].actions[6]]
    assert lines[2] == f"next: {', '.join(names)}"
    shown.step = 0
    assert player.captions(show, shown)[2].endswith(", -")  # agent 3 sleeps then
    shown.step = shows.STEPS
    assert player.captions(show, shown)[2] == "the episode is over"


def test_captions_steer_no_terminal() -> None:
    show = shows.show(title="a\x1b[2Jb\rc")
    assert player.captions(show, Player([12] * 3, 8.0))[0] == r"a\u001b[2Jb\u000dc, made up"


@pytest.mark.parametrize("there", [True, False])
def test_keys_are_for_who_sits_there(there: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Elsewhere (input from a file, Windows) it is the film that it was."""
    called: list[str] = []
    monkeypatch.setattr(animation, "can_play", lambda: True)
    monkeypatch.setattr(keyboard, "there", lambda: there)
    monkeypatch.setattr(watching, "episodes", lambda run, **what: shows.show())
    monkeypatch.setattr(animation, "play", lambda pictures, fps: called.append("film"))
    monkeypatch.setattr(player, "play", lambda show, fps: called.append("keys"))
    watching.play_in_terminal(None)
    assert called == ["keys" if there else "film"]


class Child:
    """The player in a process and a terminal of its own, of 80 columns and 24 rows."""

    def __init__(self, *words: str) -> None:
        self.ours, self.theirs = pty.openpty()
        termios.tcsetwinsize(self.theirs, (24, 80))
        self.before, self.shown = termios.tcgetattr(self.theirs), b""
        command = [sys.executable, "-c", PROGRAM, *words]
        environ = {**os.environ, "TERM": "xterm", "COLORTERM": "truecolor"}
        self.process = subprocess.Popen(
            command, stdin=self.theirs, stdout=self.theirs, stderr=subprocess.PIPE, env=environ
        )

    def until(self, words: str, seconds: float = 60.0) -> None:
        """Wait until something is shown."""
        end = time.monotonic() + seconds
        while words.encode() not in self.shown:
            assert time.monotonic() < end, self.shown[-2000:]
            if select.select([self.ours], [], [], 0.1)[0]:
                self.shown += os.read(self.ours, 65536)

    def end(self, seconds: float = 60.0) -> int:
        """Its status; what it showed is read meanwhile."""
        end = time.monotonic() + seconds
        while self.process.poll() is None:
            assert time.monotonic() < end, "it does not end"
            if select.select([self.ours], [], [], 0.1)[0]:
                self.shown += os.read(self.ours, 65536)
        while not self.shown.endswith(b"\x1b[?25h") and select.select([self.ours], [], [], 10.0)[0]:
            self.shown += os.read(self.ours, 65536)
        return self.process.returncode

    @property
    def restored(self) -> bool:
        return termios.tcgetattr(self.theirs) == self.before


@pytest.fixture
def started() -> Iterator[list[Child]]:
    children: list[Child] = []
    yield children
    for child in children:
        child.process.kill()
        child.process.wait()
        assert child.process.stderr is not None
        child.process.stderr.close()


def child(started: list[Child], *words: str) -> Child:
    started.append(Child(*words))
    return started[-1]


@pytest.mark.parametrize(("how", "status"), [("q", 0), (signal.SIGINT, 0), (signal.SIGTERM, 130)])
def test_the_terminal_is_given_back(how: str | int, status: int, started: list[Child]) -> None:
    watched = child(started)
    watched.until("step 3 of 12")
    assert not watched.restored
    if isinstance(how, str):
        os.write(watched.ours, how.encode())
    else:
        watched.process.send_signal(how)
    assert watched.end() == status
    assert watched.restored
    assert watched.shown.endswith(b"\x1b[0m\x1b[?25h")
    lines = re.sub(rb"\x1b\[[\d;?]*[a-zA-Z]", b"", watched.shown).decode().splitlines()
    assert max(map(len, lines)) <= 80


def test_the_terminal_is_given_back_after_an_error(started: list[Child]) -> None:
    watched = child(started, "broken")
    assert watched.end() == 70
    assert watched.restored
    assert watched.shown.endswith(b"\x1b[0m\x1b[?25h")


def test_a_program_that_is_stopped_leaves_the_terminal_to_the_shell(started: list[Child]) -> None:
    watched = child(started)
    watched.until("step 2 of 12")
    watched.process.send_signal(signal.SIGTSTP)
    _, status = os.waitpid(watched.process.pid, os.WUNTRACED)
    assert os.WIFSTOPPED(status)
    assert watched.restored
    watched.until("\x1b[?25h")
    watched.process.send_signal(signal.SIGCONT)
    watched.until("step 9 of 12")
    assert not watched.restored
    os.write(watched.ours, b"q")
    assert watched.end() == 0
    assert watched.restored


def test_a_terminal_that_is_closed_ends_it(started: list[Child]) -> None:
    watched = child(started)
    watched.until("step 2 of 12")
    os.close(watched.ours)
    assert watched.process.wait(60) == 0


def test_keys_reach_a_program_that_plays(started: list[Child]) -> None:
    watched = child(started)
    watched.until("step 1 of 12")
    os.write(watched.ours, b" n\x1b[C\x1b[C\x1b[C")
    watched.until("episode 2 of 3   step 3 of 12")
    os.write(watched.ours, b"?")
    watched.until("the episode before")
    os.write(watched.ours, b"?-")
    watched.until("13.3 steps/s")
    os.write(watched.ours, b"q")
    assert watched.end() == 0
    assert np.char.count(watched.shown.decode(), "episode 3 of 3") == 0
