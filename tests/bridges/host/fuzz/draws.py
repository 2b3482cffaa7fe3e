"""Draws stories from seeds."""

from __future__ import annotations

import dataclasses
from collections.abc import Hashable

import numpy as np

from tests.bridges.host.fuzz import looks
from tests.bridges.host.fuzz.looks import Rng
from tests.bridges.host.fuzz.stories import (
    ANYWHERE,
    AT_A_STEP,
    AT_MAKING,
    ENDS,
    FAULTS,
    FLAGS,
    LEAVES,
    MANNERS,
    OF_AN_AGENT,
    PARALLEL_ENDS,
    PARALLEL_FAULTS,
    PAYS,
    Episode,
    Fault,
    Kind,
    Member,
    Story,
)


def draw(seed: int, kind: Kind) -> Story:
    """The story of one seed."""
    rng = np.random.default_rng([seed, ("parallel", "single", "team").index(kind)])
    members = _members(rng, kind)
    static = kind != "single" and rng.random() < 0.12
    limit = int(rng.integers(1, 9))
    episodes = tuple(_episode(rng, kind, len(members), limit, static) for _ in range(2))
    state = None
    if kind == "parallel" and rng.random() < 0.5:
        state = [looks.floats, looks.image, looks.wide, looks.whole][rng.integers(4)](rng)
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


def _members(rng: Rng, kind: Kind) -> tuple[Member, ...]:
    count = 1 if kind == "single" else int(rng.integers(1, 5))
    names = [[f"rover_{i}" for i in range(count)], list(range(count)), [("red", i) for i in range(count)]]
    name = names[rng.choice(3, p=[0.8, 0.1, 0.1])] if kind == "parallel" else names[1]
    alike = rng.random() < 0.5
    first = _member(rng, name[0], kind)
    rest = [dataclasses.replace(first, name=n) if alike else _member(rng, n, kind) for n in name[1:]]
    return (first, *rest)


def _member(rng: Rng, name: Hashable, kind: Kind) -> Member:
    where = ["no", "no", "observation", "obs", "keys", "decoy", "info", "info"]
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
    """The same with the first of the faults, in any order, that there is a place for."""
    faults = rng.permutation(PARALLEL_FAULTS if story.kind == "parallel" else FAULTS).tolist()
    if rng.random() < 0.2:  # those that seldom find a place
        faults = [*rng.permutation(["discrete low", "discrete high", "view too wide"]).tolist(), *faults]
    for what in faults:
        tries = [_placed(rng, story, what) for _ in range(8)]
        fault = next((place for place in tries if place is not None), None)
        if fault is not None:
            manners = story.manners - {"one buffer", "none infos", "no infos", "true flags"}
            return dataclasses.replace(story, fault=fault, manners=manners)
    return story


def _placed(rng: Rng, story: Story, what: str) -> Fault | None:
    """A fault at a place where it can be seen; None where there is none."""
    if what in AT_MAKING:
        who = int(rng.integers(len(story.members)))
        return Fault(what, 0, 0, who) if _fits(what, story.members[who]) else None
    variant = int(rng.integers(2))
    episode = story.episodes[variant]
    at = int(rng.integers(1 if what.startswith(AT_A_STEP) else 0, episode.length + 1))
    at = {"bare reset": 0, "blind at the end": episode.length}.get(what, at)
    there = story.acting(variant, at)
    if what.startswith(("reward", "flag")):
        places = [who for who in there if episode.present[at - 1][who]]  # it stays: all dictionaries have it
    elif what == "blind at the end":
        places = _cut_short(episode)
    else:
        places = [who for who in there if _fits(what, story.members[who])]
    if what.startswith("state") and (story.state is None or not story.asks_state or story.state.size < 2):
        return None
    if what == "stranger" and "static" in story.manners:
        return None
    if what.startswith(OF_AN_AGENT) and not places:
        return None
    return Fault(what, variant, at, int(rng.choice(places)) if places else -1)


def _fits(what: str, member: Member) -> bool:
    """Whether an agent's observation can have this fault."""
    plain = member.look.name.split()[0]
    if what in ("view short", "view of one"):
        return plain in ("vector", "whole", "wide", "bits") and member.look.size > 1
    if what == "view long":
        return plain in ("vector", "whole", "wide", "bits", "image")
    if what == "view too wide":
        return plain == "whole"
    if what.startswith("discrete"):
        return plain == "discrete"
    if what == "multi actions":
        return plain != "tuple"  # beside an observation of two parts it would be a team of two
    if what == "mask short":
        return member.mask in ("observation", "obs", "keys", "info") and member.count > 1
    return True


def _cut_short(episode: Episode) -> list[int]:
    """Whose last observation is bootstrapped from: those cut off alone at the end, or by the clock."""
    t = episode.length
    if episode.end == "clock":
        return [who for who, there in enumerate(episode.present[t]) if there]
    return [
        who for (at, who), how in episode.leaves.items() if at == t and how in ("truncated", "all truncated")
    ]
