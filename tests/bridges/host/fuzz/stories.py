"""Stories of host environments: who is there at each step, how it ends, what is odd.

A story is the truth. A stage plays it with odd manners, the model says what must come out of the bridge.
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tests.bridges.host.fuzz.looks import Look, Rng, Shown

Kind = Literal["parallel", "single", "team"]
PAYS = ("float", "float", "int", "float32", "bare", "one", "bool")
FLAGS = ("bool", "bool", "numpy", "int", "bare", "one")

LEAVES = ("terminated", "truncated", "both", "silent", "silent but paid")
ENDS = ("terminated", "truncated", "both", "clock")
PARALLEL_ENDS = (
    *ENDS,
    "silent",
    "silent but paid",
    "mixed",
    "empty",
    "all terminated",
    "all truncated",
    "all both",
)
FAULTS = (  # of all kinds of environments
    "raises",
    "exits",
    "stops",
    "raises lines",
    "four values",
    "no values",
    "bare reset",
    "view short",
    "view long",
    "view of one",
    "view none",
    "view too wide",
    "view text",
    "discrete high",
    "discrete low",
    "mask short",
    "reward pair",
    "reward none",
    "reward text",
    "flag pair",
    "sequence space",
    "multi actions",
    "make raises",
    "make exits",
)
PARALLEL_FAULTS = (
    *FAULTS,
    "scalar rewards",
    "list rewards",
    "scalar flags",
    "state short",
    "state raises",
    "stranger",
    "blind at the end",
)
AT_MAKING = ("sequence space", "multi actions", "make raises", "make exits")
OF_AN_AGENT = ("view", "discrete", "mask", "reward ", "flag ", "blind", "stranger")
AT_A_STEP = ("four values", "no values", "reward", "flag", "scalar", "list", "state", "blind")


MANNERS = {
    "one buffer": 0.2,  # the same array every time, written anew
    "bool masks": 0.3,  # a mask of the type that the bridge wants, which it must not write into
    "listed masks": 0.1,
    "no infos": 0.1,  # infos is {}
    "none infos": 0.05,  # infos is None
    "none info": 0.05,  # each agent's is None
    "echo": 0.15,  # agents that have left stay in all dictionaries
    "true flags": 0.1,  # only agents that end have a flag
    "all key": 0.15,  # flags have the key __all__ at every step
    "joiners paid": 0.3,  # agents that join have a reward of 0 in that step
    "listed at the end": 0.1,  # env.agents is not emptied when flags end the episode
    "blind end": 0.15,  # no observations when all are terminated
    "shuffled": 0.3,  # env.agents in any order
    "tuple": 0.1,  # env.agents is a tuple
    "in place": 0.2,  # env.agents is one list, changed in place
    "strange keys": 0.1,  # dictionaries have entries of no agent
    "prints": 0.05,
    "close fails": 0.05,
}
ANYWHERE = ("one buffer", "bool masks", "listed masks", "prints", "close fails")


@dataclass(frozen=True)
class Member:
    """One agent.

    Attributes:
        mask: where its mask is shown; ``decoy``: an ``action_mask`` that has another number of entries, and
            so is part of the view.
    """

    name: Hashable
    count: int
    start: int
    look: Look
    mask: Literal["no", "observation", "obs", "keys", "info", "decoy"]


@dataclass(frozen=True)
class Episode:
    """Who is there: ``present[t]`` after the reset or step t; how agents leave at (t, agent), and the end."""

    present: tuple[tuple[bool, ...], ...]
    leaves: dict[tuple[int, int], str]
    end: str

    @property
    def length(self) -> int:
        """Steps until it is over."""
        return len(self.present) - 1


@dataclass(frozen=True)
class Fault:
    """What is wrong, from the step ``at`` of every episode of this variant on; ``who`` is its agent."""

    what: str
    variant: int
    at: int
    who: int


@dataclass(frozen=True)
class Story:
    """All that happens, whatever the actions are; episodes are of two variants, chosen by their seeds."""

    seed: int
    kind: Kind
    members: tuple[Member, ...]
    episodes: tuple[Episode, Episode]
    limit: int
    state: Look | None
    asks_state: bool
    shared: bool
    pay: str
    flag: str
    manners: frozenset[str]
    fault: Fault | None

    def rng(self, *where: int) -> Rng:
        """A stream for one place of the story."""
        return np.random.default_rng([self.seed, *where])

    def view(self, variant: int, t: int, who: int) -> Shown:
        """What an agent sees, without its mask."""
        return self.members[who].look.draw(self.rng(1, variant, t, who))

    def mask(self, variant: int, t: int, who: int) -> list[bool]:
        """The legal actions of an agent that has a mask; there may be none at all."""
        rng, member = self.rng(2, variant, t, who), self.members[who]
        return (rng.random(member.count) < rng.choice([0.05, 0.5, 0.9])).tolist()

    def decoy(self, variant: int, t: int, who: int) -> list[int]:
        """An ``action_mask`` that is none."""
        return self.rng(3, variant, t, who).integers(0, 2, self.members[who].count + 1).tolist()

    def base(self, variant: int, t: int, who: int) -> float:
        """The part of a reward that no action changes; whole numbers, so that sums are exact."""
        if self.pay == "bool":
            return 1.0
        return float(self.rng(4, variant, t, who).integers(-3, 4))

    def world(self, variant: int, t: int) -> Shown:
        """The state."""
        assert self.state is not None
        return self.state.draw(self.rng(5, variant, t))

    def failing(self, variant: int, t: int, what: str, who: int | None = None) -> bool:
        """Whether the fault begins here and now."""
        fault = self.fault
        if fault is None or (fault.variant, fault.at) != (variant, t):
            return False
        return fault.what == what and who in (None, fault.who)

    def acting(self, variant: int, t: int) -> list[int]:
        """Who may act after the reset or step t."""
        return [who for who, there in enumerate(self.episodes[variant].present[t]) if there]
