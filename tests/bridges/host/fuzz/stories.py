"""Stories of host environments, drawn from a seed: who is there at each step, how it ends, what is odd.

A story is the truth. A stage plays it with odd manners, the model says what must come out of the bridge.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from tests.bridges.host.fuzz import looks
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
        here = fault is not None and (fault.variant, fault.at) == (variant, t)
        return here and fault.what == what and who in (None, fault.who)

    def acting(self, variant: int, t: int) -> list[int]:
        """Who may act after the reset or step t."""
        return [who for who, there in enumerate(self.episodes[variant].present[t]) if there]


def draw(seed: int, kind: Kind) -> Story:
    """The story of one seed."""
    rng = np.random.default_rng([seed, ("parallel", "single", "team").index(kind)])
    members = _members(rng, kind)
    static = kind != "single" and rng.random() < 0.12
    limit = int(rng.integers(1, 9))
    episodes = tuple(_episode(rng, kind, len(members), limit, static) for _ in range(2))
    state = None
    if kind == "parallel" and rng.random() < 0.5:
        state = [looks.vector, looks.image, looks.wide, looks.whole][rng.integers(4)](rng)
    manners = {
        name
        for name, chance in MANNERS.items()
        if rng.random() < chance and (kind == "parallel" or name in ANYWHERE)
    }
    manners |= {"static", "echo"} if static else set()
    story = Story(
        seed=seed,
        kind=kind,
        members=members,
        episodes=episodes,  # type: ignore[arg-type]
        limit=limit,
        state=state,
        asks_state=bool(rng.random() < 0.8),
        shared=bool(kind != "single" and rng.random() < 0.25),
        pay=str(rng.choice(PAYS)),
        flag=str(rng.choice(FLAGS)),
        manners=frozenset(manners),
        fault=None,
    )
    return _with_fault(rng, story) if rng.random() < 0.35 else story


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


def _members(rng: Rng, kind: Kind) -> tuple[Member, ...]:
    count = 1 if kind == "single" else int(rng.integers(1, 5))
    names = [[f"rover_{i}" for i in range(count)], list(range(count)), [("red", i) for i in range(count)]]
    name = names[rng.choice(3, p=[0.8, 0.1, 0.1])] if kind == "parallel" else names[1]
    alike = rng.random() < 0.5
    first = _member(rng, name[0], kind)
    rest = [dataclasses.replace(first, name=n) if alike else _member(rng, n, kind) for n in name[1:]]
    return (first, *rest)


def _member(rng: Rng, name: Hashable, kind: Kind) -> Member:
    where = ["no", "no", "observation", "obs", "keys", "decoy", *(["info", "info"] if kind != "team" else [])]
    mask = str(rng.choice(where))
    look = looks.joined(looks.parts(rng)) if mask == "keys" else looks.any_look(rng)
    return Member(name, int(rng.integers(1, 5)), int(rng.choice([0, 0, 0, 1, -1])), look, mask)  # type: ignore[arg-type]


def _episode(rng: Rng, kind: Kind, agents: int, limit: int, static: bool) -> Episode:
    end = str(rng.choice(PARALLEL_ENDS if kind == "parallel" else ENDS))
    if static and kind == "parallel":
        end = str(rng.choice([x for x in PARALLEL_ENDS if not x.startswith("silent") and x != "empty"]))
    length = limit if end == "clock" else int(rng.integers(1, limit + 1))
    now = np.ones(agents, bool)
    moves = (static or kind == "parallel") and rng.random() < 0.7
    if moves and not static and rng.random() < 0.4:
        now = rng.random(agents) < 0.5
        now[rng.integers(agents)] = True
    rows, leaves = [tuple(now.tolist())], {}
    for t in range(1, length + 1):
        last = t == length and end != "clock"
        to = np.zeros(agents, bool) if last else now ^ (moves & (rng.random(agents) < 0.25))
        if not last and not to.any():
            to = now
        for who in np.flatnonzero(now & ~to):
            leaves[t, int(who)] = end if last else str(rng.choice(LEAVES[:3] if static else LEAVES))
        if last and end == "mixed":
            for who in np.flatnonzero(now):
                leaves[t, int(who)] = str(rng.choice(LEAVES[:3] if static else LEAVES))
        now = to
        rows.append(tuple(now.tolist()))
    return Episode(tuple(rows), leaves, end)


def _with_fault(rng: Rng, story: Story) -> Story:
    """The same with a fault where there is a place for it, else as it was."""
    what = str(rng.choice(PARALLEL_FAULTS if story.kind == "parallel" else FAULTS))
    variant = int(rng.integers(2))
    episode = story.episodes[variant]
    if what in AT_MAKING:
        who = int(rng.integers(len(story.members)))
        fits = _fits(what, story.members[who])
        return dataclasses.replace(story, fault=Fault(what, 0, 0, who)) if fits else story
    if what == "bare reset":
        at = 0
    else:
        at = int(rng.integers(1 if what.startswith(AT_A_STEP) else 0, episode.length + 1))
    if what == "blind at the end":
        at = episode.length
    places = [who for who in story.acting(variant, at) if _fits(what, story.members[who])]
    if what.startswith("reward") or what.startswith("flag"):
        places = [
            who for who in story.acting(variant, at) if at == 0 or episode.present[at - 1][who]
        ]  # it stays: it is in all dictionaries
    if what == "blind at the end":
        places = _cut_short(episode)
    if what.startswith("state") and (story.state is None or not story.asks_state or story.state.size < 2):
        return story
    if what.startswith(OF_AN_AGENT) and not places:
        return story
    manners = story.manners - {"one buffer", "none infos", "no infos", "true flags"}
    if what == "stranger":
        manners -= {"static"}
    who = int(rng.choice(places)) if places else -1
    return dataclasses.replace(story, fault=Fault(what, variant, at, who), manners=manners)


def _fits(what: str, member: Member) -> bool:
    """Whether an agent's observation can have this fault."""
    plain = member.look.name.split()[0]
    if what in ("view short", "view of one"):
        return plain in ("vector", "whole", "wide", "bits") and member.look.size > 1
    if what == "view long":
        return plain in ("vector", "whole", "wide", "bits", "image")
    if what.startswith("discrete"):
        return plain == "discrete"
    if what == "multi actions":
        return plain != "tuple"  # beside an observation of two parts it would be a team of two
    if what == "mask short":
        return member.mask in ("observation", "obs", "keys") and member.count > 1
    return True


def _cut_short(episode: Episode) -> list[int]:
    """Whose last observation is bootstrapped from: those cut off alone at the end, or by the clock."""
    t = episode.length
    if episode.end == "clock":
        return [who for who, there in enumerate(episode.present[t]) if there]
    return [
        who
        for (at, who), how in episode.leaves.items()
        if at == t and how in ("truncated", "all truncated")
    ]
