"""Play episodes in a terminal, with keys: pictures in half blocks, and captions in the terminal's letters."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from functools import lru_cache
from typing import Protocol, TextIO

import numpy as np

from qflock.core.errors import Ended
from qflock.core.printing import printable
from qflock.core.steps import team_reward
from qflock.evidence.figures import animation
from qflock.evidence.replay.recording import Recording
from qflock.evidence.replay.show import Show
from qflock.machine import keyboard

SIZE, KEPT = 500, 64
"""About how many pixels wide pictures are drawn, and how many of them are kept."""
FASTER, SLOWEST, FASTEST = 1.5, 0.25, 100.0
"""A press of +, and steps a second between which it works."""
KEYS = "space pause  ←→ step  + - speed  n next episode  q quit  ? help"
HELP = """space        pause, or go on
→            a step forward, and pause
←            a step back, and pause
+ or =       faster
-            slower
n or ↓       the next episode
p or ↑       the episode before
q or Escape  quit (so does Ctrl-C)
?            this help, or back to the picture

At the end of the last episode it waits for a key: n begins again.
A slower look, with every agent's values: qflock watch RUN -o play.html"""


class Draw(Protocol):
    """The lines that fill a window of so many columns and rows."""

    def __call__(self, columns: int, rows: int, /) -> list[str]: ...


class Player:
    """Which step of which episode is shown, and how fast it goes on.

    Attributes:
        episode, step: what is shown, from 0; step T is after the last of T actions.
        fps: steps a second.
        paused, helping: whether it waits, and whether help is shown.
    """

    def __init__(self, lengths: Sequence[int], fps: float) -> None:
        """Begin at the first step.

        Args:
            lengths: of each episode, in steps.
            fps: steps a second.
        """
        self.lengths, self.fps = list(lengths), fps
        self.episode = self.step = 0
        self.paused = self.helping = False

    @property
    def wait(self) -> float | None:
        """Seconds until the next step; None where only a key goes on."""
        if self.paused or self.helping or (self._ended and self.episode == len(self.lengths) - 1):
            return None
        return max(1 / self.fps, animation.LAST_FRAME) if self._ended else 1 / self.fps

    @property
    def _ended(self) -> bool:
        return self.step == self.lengths[self.episode]

    def advance(self) -> None:
        """Show what comes next by itself."""
        if self._ended:
            self._go_to(self.episode + 1)
        else:
            self.step += 1

    def press(self, key: str) -> bool:
        """Do what a key asks for.

        Args:
            key: as `keyboard.Keys.read` names it.

        Returns:
            Whether to go on.
        """
        if key in ("q", "Q", "escape", keyboard.END):
            return False
        if key == "?":
            self.helping = not self.helping
        elif key == " ":
            self.paused, self.helping = not (self.paused or self.helping), False
        elif key in ("right", "left"):
            self.paused, self.helping = True, False
            self.step = min(max(self.step + (1 if key == "right" else -1), 0), self.lengths[self.episode])
        elif key in ("+", "=", "-", "_"):
            fps = self.fps * FASTER if key in "+=" else self.fps / FASTER
            self.fps = min(max(fps, SLOWEST), FASTEST)
        elif key in ("n", "N", "down"):
            self._go_to(self.episode + 1)
        elif key in ("p", "P", "up"):
            self._go_to(self.episode - 1)
        return True

    def _go_to(self, episode: int) -> None:
        self.episode, self.step, self.helping = episode % len(self.lengths), 0, False


def play(show: Show, fps: float, *, stream: TextIO | None = None, keys: TextIO | None = None) -> None:
    """Play until q is pressed. Ctrl-C ends it too, and the terminal is given back as it was.

    Args:
        show: what is played.
        fps: steps a second at the start.
        stream, keys: as `keyboard.there`, which must hold.
    """
    shown, player = stream or sys.stdout, Player([len(one.states) - 1 for one in show.recordings], fps)
    true_colour = os.environ.get("COLORTERM", "") in ("truecolor", "24bit")

    @lru_cache(maxsize=KEPT)
    def picture(episode: int, step: int) -> np.ndarray:
        return animation.frames(show.env, [show.recordings[episode].states[step]], SIZE)[0]

    def draw(columns: int, rows: int) -> list[str]:
        if player.helping:
            return [_cut(line, columns) for line in HELP.splitlines()][:rows]
        words = [_cut(line, columns) for line in captions(show, player)][: max(0, rows - 2)]
        current = picture(player.episode, player.step)
        return [*animation.blocks(current, columns, rows - len(words), true_colour=true_colour), *words]

    try:
        with keyboard.pressed(shown, keys) as pressed:
            _loop(player, pressed, draw, shown)
    except KeyboardInterrupt as stopped:
        if isinstance(stopped, Ended):
            raise
    except BrokenPipeError:  # whoever was reading went away
        return


def captions(show: Show, player: Player) -> list[str]:
    """What is shown, in words that fit 80 columns: where it is, what was earned, and what is done next.

    Args:
        show: what is played.
        player: where it is.
    """
    one, step, last = show.recordings[player.episode], player.step, player.lengths[player.episode]
    rewards = np.asarray(team_reward(show.env.spec, one.timestep.reward), float)[1 : step + 1]
    parts = [f"episode {player.episode + 1} of {len(player.lengths)}", f"step {step} of {last}"]
    parts += [f"reward {_numbers(rewards[-1])}"] if step else []
    parts += [f"return {_numbers(rewards.sum(0))}", f"{player.fps:.3g} steps/s"]
    parts += ["paused" if player.paused else "the end"] if player.wait is None else []
    actions = "the episode is over" if step == last else f"next: {_actions(show, one, step)}"
    return [*map(printable, (f"{show.title}, {show.about}", "   ".join(parts), actions)), KEYS]


def _numbers(of_teams: np.ndarray) -> str:
    """A number, or one for each team."""
    return " / ".join(f"{number:.3g}" for number in np.ravel(of_teams))


def _actions(show: Show, one: Recording, step: int) -> str:
    """What the agents do at a step, by the names of actions where there are any."""
    names, acting = show.env.spec.action.names, np.asarray(one.timestep.active)[step]
    if not show.env.spec.masked:
        words = [" ".join(f"{number:.2f}" for number in np.ravel(action)) for action in one.actions[step]]
    else:
        words = [names[action] if names else str(action) for action in one.actions[step].tolist()]
    return ", ".join(word if acts else "-" for word, acts in zip(words, acting, strict=True))


def _cut(line: str, columns: int) -> str:
    return line if len(line) <= columns else f"{line[: max(columns - 1, 0)]}…"


def _loop(player: Player, pressed: keyboard.Keys, draw: Draw, stream: TextIO) -> None:
    """Draw, wait for a key or for the next step, and again."""
    height, size = 0, animation.terminal_size(stream)
    while True:
        wait, began = player.wait, time.monotonic()
        size, before = animation.terminal_size(stream), size
        lines = draw(size[0], size[1] - 1)
        up = animation.CLEAR_ALL if size != before else f"\x1b[{height}A\r" if height else ""
        text = "".join(f"{animation.CLEAR_LINE}{line}\n" for line in lines)
        stream.write(up + text + animation.CLEAR_BELOW)
        stream.flush()
        height = len(lines)
        key = pressed.read(None if wait is None else max(0.0, began + wait - time.monotonic()))
        if key is None:
            player.advance()
        elif not player.press(key):
            return
