"""A PettingZoo module that does to its process what no library would: `way` says what, at the second step."""

from __future__ import annotations

import contextlib
import getpass
import os
import signal
import subprocess
import sys
import time
from typing import Any

import numpy as np
from gymnasium import spaces

NAP = 120
"""Seconds of what never returns: longer than a test waits, and not for ever should it be left behind."""
EATS = f"eaten = [bytearray(b'x' * 2**24) for _ in range(60)]; import time; time.sleep({NAP})"
"""A GiB, nearly."""


def fork_and_die() -> None:
    """A child that stays, and holds whatever this process held open."""
    if os.fork() == 0:
        time.sleep(NAP)
        os._exit(0)
    os._exit(3)


def print_much() -> None:
    """What no terminal wants, in every way that there is."""
    os.write(1, bytes(range(256)) * 100)
    sys.stdout.buffer.write(bytes(range(256)) * 100)
    for line in range(10_000):
        print("line", line)
        print("line", line, file=sys.stderr)


def swallow() -> None:
    """Sleep three times, whatever is raised."""
    for _ in range(3):
        with contextlib.suppress(Exception):
            time.sleep(NAP)


WAYS = {
    "leaves": lambda: sys.exit("no licence\nleft"),
    "leaves quietly": lambda: sys.exit(),
    "interrupts": lambda: (_ for _ in ()).throw(KeyboardInterrupt),
    "gives up": lambda: (_ for _ in ()).throw(GeneratorExit("enough")),
    "asks": lambda: input("go on? "),
    "looks": breakpoint,
    "wants a password": getpass.getpass,
    "has a child that asks": lambda: subprocess.run(
        [sys.executable, "-c", "input()"], check=True, stderr=subprocess.DEVNULL
    ),
    "sleeps on": lambda: time.sleep(NAP),
    "goes round": lambda: all(iter(lambda: True, False)),
    "swallows": swallow,
    "is killed": lambda: os.kill(os.getpid(), signal.SIGKILL),
    "dies": lambda: os._exit(3),
    "forks and dies": fork_and_die,
    "eats": lambda: exec(EATS),
    "has a child that eats": lambda: subprocess.run([sys.executable, "-c", EATS], check=True),
    "has a child that stays": lambda: subprocess.run(["sleep", str(NAP)], check=True),
    "prints": print_much,
    "has a shell that reads": lambda: subprocess.run("read answer || exit 7", shell=True, check=True),
}


class parallel_env:
    """Two agents whose observation is the number of the step, and of the copy; every step pays 1 to each.

    Args:
        way: a key of WAYS; nothing happens at another.
        journal: a file to which "+" is written when a copy is made, and "-" when it is closed.
        closes: what close() does: "well", "badly", "badly after a step" or "leaves".
        hangs: which call never returns: "made", "reset", "close" or "close after a step"; none at another.
        talks: whether it prints, from Python and past it, when it is made and at each step.
        port: the first of the ports; each copy takes one of its own.
    """

    def __init__(
        self,
        max_cycles: int = 4,
        way: str = "none",
        journal: str = "",
        closes: str = "well",
        talks: bool = False,
        port: int = 5000,
        hangs: str = "nowhere",
    ) -> None:
        self.possible_agents = ["left", "right"]
        self.max_cycles, self.way, self.journal, self.closes, self.talks = (
            max_cycles,
            way,
            journal,
            closes,
            talks,
        )
        self.hangs, self.steps = hangs, 0
        self._hang("made")
        self.port = port + int(os.environ["QFLOCK_COPY"])
        self._note(f"+{self.port}")
        self._talk("made")

    def _hang(self, *calls: str) -> None:
        if self.hangs in calls:
            time.sleep(NAP)

    def _note(self, word: str) -> None:
        if self.journal:
            with open(self.journal, "a") as file:
                file.write(f"{word}\n")

    def _talk(self, word: str) -> None:
        if self.talks:
            print("unruly", word)
            os.write(1, b"unruly, past Python\n")
            subprocess.run(["echo", "unruly, from a child"], check=True)

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(0, 10_000, (2,), np.float32)

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Discrete(2)

    def _seen(self) -> dict[str, Any]:
        return {agent: np.array([self.steps, self.port], np.float32) for agent in self.agents}

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self._hang(*(["reset"] if seed else []))  # with seed 0 its sizes are looked at
        self.agents, self.steps = list(self.possible_agents), 0
        return self._seen(), {agent: {} for agent in self.agents}

    def step(self, actions: dict[str, int]) -> Any:
        self.steps += 1
        self._talk(f"step {self.steps}")
        if self.steps == 2:
            WAYS.get(self.way, lambda: None)()
        live, over = self.agents, self.steps == self.max_cycles
        seen = self._seen()
        self.agents = [] if over else live
        flags = dict.fromkeys(live, False), dict.fromkeys(live, over)
        return seen, dict.fromkeys(live, 1.0), *flags, {agent: {} for agent in live}

    def close(self) -> None:
        self._note(f"-{self.port}")
        self._hang("close", *(["close after a step"] if self.steps else []))
        if self.closes == "badly" or (self.closes == "badly after a step" and self.steps):
            raise AttributeError("there is no window")
        if self.closes == "leaves":
            sys.exit(1)
