"""How a story's values are shown by an environment: spaces, manners, faults, and arrays that stay its own."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from gymnasium import spaces

from tests.bridges.host.fuzz.stories import Member, Story

MASK = "action_mask"


@dataclass
class Log:
    """What happened to the environments of one story.

    Attributes:
        variant, t: the last reset's, and steps since.
        actions: what the last step got.
        spoilt: arrays of the environment that somebody else has written into.
    """

    variant: int = 0
    t: int = 0
    actions: Any = None
    spoilt: list[str] = field(default_factory=list)


LOGS: dict[tuple[str, int], Log] = {}
"""By kind and seed; only environments in this process write here."""


class Shower:
    """Shows the values of one story."""

    def __init__(self, story: Story) -> None:
        self.story = story
        self.log = LOGS.setdefault((story.kind, story.seed), Log())
        self._given: list[tuple[np.ndarray, np.ndarray]] = []
        self._buffers: dict[Any, np.ndarray] = {}
        self.fail("make")

    def fail(self, when: str) -> None:
        """Raise what the story says for this moment: ``make``, or a time step."""
        fault, log = self.story.fault, self.log
        if fault is None:
            return
        if when == "make":
            what = fault.what.removeprefix("make ") if fault.what.startswith("make ") else ""
        else:
            what = fault.what if self.story.failing(log.variant, log.t, fault.what) else ""
        if what == "raises":
            raise ZeroDivisionError("the floor is gone")
        if what == "raises lines":
            raise ValueError("the floor\nis gone")
        if what == "stops":
            raise StopIteration
        if what == "exits":
            sys.exit("the floor is gone")

    def begin(self, seed: int | None) -> None:
        """A reset."""
        self.check()
        self.log.variant, self.log.t, self.log.actions = (seed or 0) % 2, 0, None
        self.fail("reset")

    def go_on(self, actions: Any) -> None:
        """A step."""
        self.check()
        self.log.t += 1
        self.log.actions = actions
        self.fail("step")
        if "prints" in self.story.manners:
            print("step", self.log.t)

    def check(self) -> None:
        """Whether the arrays shown last are as they were."""
        for array, was in self._given:
            if not np.array_equal(array, was):
                self.log.spoilt.append(f"{was.tolist()} became {array.tolist()}")
        self._given = []

    def keep(self, value: Any) -> Any:
        """Remember the arrays in a value that is shown, and give it back."""
        if isinstance(value, np.ndarray):
            self._given.append((value, value.copy()))
        elif isinstance(value, dict):
            for part in value.values():
                self.keep(part)
        elif isinstance(value, (list, tuple)):
            for part in value:
                self.keep(part)
        return value

    def action_space(self, who: int) -> spaces.Space:
        """An agent's actions."""
        member = self.story.members[who]
        if self._faulty("multi actions", who):
            return spaces.MultiDiscrete([member.count, 2])
        return spaces.Discrete(member.count, start=member.start)

    def space(self, who: int) -> spaces.Space:
        """An agent's observations."""
        member = self.story.members[who]
        space = member.look.space
        if self._faulty("sequence space", who):
            space = spaces.Sequence(spaces.Discrete(2))
        if member.mask == "keys" and isinstance(space, spaces.Dict):
            return spaces.Dict({**space.spaces, MASK: spaces.MultiBinary(member.count)})
        if member.mask in ("observation", "obs", "decoy"):
            count = member.count + (member.mask == "decoy")
            return spaces.Dict({_key(member): space, MASK: spaces.Box(0, 1, (count,), np.int8)})
        return space

    def _faulty(self, what: str, who: int) -> bool:
        fault = self.story.fault
        return fault is not None and fault.what == what and fault.who == who

    def observation(self, who: int) -> Any:
        """What an agent is shown now."""
        story, log, member = self.story, self.log, self.story.members[who]
        value = self._spoil(story.view(log.variant, log.t, who)[0], who)
        if "one buffer" in story.manners and isinstance(value, np.ndarray) and value.ndim:
            buffer = self._buffers.setdefault(who, np.zeros_like(value))
            buffer[...] = value
            value = buffer
        if member.mask == "keys" and isinstance(value, dict):
            value = {MASK: self.mask(who), **value}
        if member.mask in ("observation", "obs"):
            value = {_key(member): value, MASK: self.mask(who)}
        if member.mask == "decoy":
            value = {_key(member): value, MASK: np.array(story.decoy(log.variant, log.t, who), np.int8)}
        return self.keep(value)

    def _spoil(self, value: Any, who: int) -> Any:
        failing = lambda what: self.story.failing(self.log.variant, self.log.t, what, who)
        space: Any = self.story.members[who].look.space
        if failing("view short"):
            return np.ravel(value)[:-1]
        if failing("view long"):
            return np.append(np.ravel(value), np.ravel(value)[:1])
        if failing("view of one"):
            return np.ravel(value)[:1]
        if failing("view none"):
            return None
        if failing("view too wide"):
            return np.full(np.shape(value), 5_000_000_000)
        if failing("view text"):
            return "far"
        if failing("discrete high"):
            return int(space.start + space.n)
        if failing("discrete low"):
            return int(space.start - 1)
        return value

    def mask(self, who: int) -> Any:
        """An agent's mask."""
        mask = self.story.mask(self.log.variant, self.log.t, who)
        if self.story.failing(self.log.variant, self.log.t, "mask short", who):
            mask = mask[:-1]
        if "listed masks" in self.story.manners:
            return [int(x) for x in mask]
        array = np.array(mask, bool if "bool masks" in self.story.manners else np.int8)
        return self.keep(array)

    def reward(self, number: float, who: int = -1) -> Any:
        """A reward, as this environment gives them."""
        failing = lambda what: self.story.failing(self.log.variant, self.log.t, what, who)
        if failing("reward pair"):
            return self.keep(np.array([number, number]))
        if failing("reward none"):
            return None
        if failing("reward text"):
            return "much"
        return self.keep(_wrapped(self.story.pay, number))

    def flag(self, yes: bool, who: int = -1) -> Any:
        """A flag, as this environment gives them."""
        if self.story.failing(self.log.variant, self.log.t, "flag pair", who):
            return np.array([yes, yes])
        return _wrapped(self.story.flag, yes)


def _key(member: Member) -> str:
    return "obs" if member.mask == "obs" else "observation"


def _wrapped(way: str, value: float) -> Any:
    """A number or a flag as environments give it: plain, NumPy's, or an array of one element."""
    ways = {
        "float": float,
        "bool": bool,
        "int": int,
        "float32": np.float32,
        "numpy": np.bool_,
        "bare": np.array,
        "one": lambda x: np.array([x]),
    }
    return ways[way](value)
