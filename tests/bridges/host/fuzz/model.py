"""What must come out of the bridge for a story and the actions given, by what the libraries document.

NaN and None stand for what nobody promises: the view of an agent that has left, masks when all is over.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from tests.bridges.host.fuzz.stories import OF_AN_AGENT, Member, Story


class Expected(NamedTuple):
    """A time step; ``active`` holds True, False, or None for either. ``alone``: who is truncated alone."""

    active: list[bool | None]
    alone: list[bool]
    views: np.ndarray
    state: np.ndarray
    legal: list[list[bool] | None]
    rewards: list[float] | None
    team_reward: float | None
    terminated: bool
    truncated: bool


class Sizes(NamedTuple):
    """What the Spec must promise."""

    agents: int
    actions: int
    observation: int
    state: int
    horizon: int


def width(member: Member) -> int:
    """Numbers of an agent's view: an ``action_mask`` of another length than its actions is one part of it."""
    return member.look.size + (member.count + 1 if member.mask == "decoy" else 0)


def has_state(story: Story) -> bool:
    """Whether mixers see the environment's own state."""
    return story.state is not None and story.asks_state


def sizes(story: Story) -> Sizes:
    """The sizes of a story."""
    widths = [width(member) for member in story.members]
    state = story.state.size if story.state is not None and story.asks_state else sum(widths)
    return Sizes(len(widths), max(m.count for m in story.members), max(widths), state, story.limit)


def view(story: Story, variant: int, t: int, who: int) -> list[float]:
    """The numbers of an agent's view. The keys of a Dict are in alphabetical order."""
    numbers = story.view(variant, t, who)[1]
    if story.members[who].mask == "decoy":
        return [*map(float, story.decoy(variant, t, who)), *numbers]
    return numbers


def legal(story: Story, variant: int, t: int, who: int) -> list[bool]:
    """An active agent's legal actions; one that may do nothing is left its first."""
    member = story.members[who]
    silent = story.manners & {"no infos", "none infos", "none info"}
    mask = [True] * member.count
    if member.mask in ("observation", "obs", "keys") or (member.mask == "info" and not silent):
        mask = story.mask(variant, t, who)
    padded = mask + [False] * (sizes(story).actions - member.count)
    return padded if any(padded) else [True] + [False] * (len(padded) - 1)


def ways_out(story: Story, variant: int, t: int) -> dict[int, str]:
    """How agents leave in step t."""
    return {who: how for (at, who), how in story.episodes[variant].leaves.items() if at == t}


def cut_off(how: str) -> bool:
    """Whether a way out is a truncation. Both flags are a termination, and so is to be gone without one."""
    return how.removeprefix("all ") == "truncated"


def paid(story: Story, variant: int, t: int, who: int) -> bool:
    """Whether an agent that acted finds a reward."""
    how = ways_out(story, variant, t).get(who, "")
    return how != "empty" and (how != "silent" or "echo" in story.manners)


def reward(story: Story, variant: int, t: int, who: int, numbers: dict[int, int]) -> float:
    """An agent's reward; ``numbers`` are the actions that reached the environment."""
    if story.shared:
        amount = story.base(variant, t, 0) + sum(numbers.values())
    elif ways_out(story, variant, t).get(who) == "silent":
        amount = 0.0
    else:
        amount = story.base(variant, t, who) + numbers[who]
    return float(amount > 0) if story.pay == "bool" else amount


def passed(story: Story, variant: int, t: int, actions: np.ndarray) -> dict[int, int]:
    """The actions that must reach the environment at time t, of who is there, from their first number."""
    return {who: int(actions[who]) + story.members[who].start for who in story.acting(variant, t)}


def expected(story: Story, variant: int, t: int, numbers: dict[int, int] | None) -> Expected:
    """The time step after the reset (t = 0) or step t, to which the actions ``numbers`` led."""
    episode, promised = story.episodes[variant], sizes(story)
    last, clock = t == episode.length, episode.end == "clock"
    gone = last and not clock  # nobody is left
    out = ways_out(story, variant, t)
    truncated = last and (clock or any(cut_off(how) for how in out.values()))
    active: list[bool | None] = [
        there or (last and cut_off(out.get(who, ""))) for who, there in enumerate(episode.present[t])
    ]
    if gone:
        before = episode.present[t - 1]
        active = [
            cut_off(out.get(who, "")) if truncated or not before[who] else None
            for who in range(promised.agents)
        ]
    alone = [not last and cut_off(out.get(who, "")) for who in range(promised.agents)]
    views = np.full((promised.agents, promised.observation), np.nan)
    vectors = []
    for who in range(promised.agents):
        vector = np.full(width(story.members[who]), np.nan)
        if active[who] or alone[who]:
            kept = blind(story, variant, t) and story.failing(variant, t, "blind at the end", who)
            vector[:] = view(story, variant, t - kept, who)
            views[who] = 0
            views[who, : len(vector)] = vector
        vectors.append(vector)
    state = np.array(story.world(variant, t)[1]) if has_state(story) else np.concatenate(vectors)
    inactive = [True] + [False] * (promised.actions - 1)
    masks = [
        None if gone or alone[who] else legal(story, variant, t, who) if active[who] else inactive
        for who in range(promised.agents)
    ]
    own, team = _rewards(story, variant, t, numbers)
    return Expected(active, alone, views, state, masks, own, team, last and not truncated, truncated)


def _rewards(
    story: Story, variant: int, t: int, numbers: dict[int, int] | None
) -> tuple[list[float] | None, float | None]:
    """Each agent's reward and the team's: the sum, or what all are paid where they are paid the same."""
    agents = range(len(story.members))
    if numbers is None:
        return [0.0 for _ in agents], 0.0
    acted = [who for who in story.acting(variant, t - 1) if paid(story, variant, t, who)]
    if not story.shared:
        own = [reward(story, variant, t, who, numbers) if who in acted else 0.0 for who in agents]
        return own, sum(own)
    if acted:
        return None, reward(story, variant, t, acted[0], numbers)
    others = story.manners & {"joiners paid", "echo"}
    return None, (None if others else 0.0)


def fault_text(story: Story) -> list[str]:
    """Words that the one line about a story's fault must have, beside the environment's name."""
    fault = story.fault
    assert fault is not None
    if fault.what in ("raises", "make raises", "exits", "make exits", "raises lines"):
        return ["the floor"]
    if fault.what == "stranger":
        return ["stranger"]
    of_an_agent = fault.what.startswith(OF_AN_AGENT) and story.kind == "parallel"
    return [str(story.members[fault.who].name)] if of_an_agent else []


def faulty(story: Story, variant: int, t: int) -> bool:
    """Whether the fault is in this time step, so that a UserError is the only right answer."""
    fault = story.fault
    return fault is not None and (fault.variant, fault.at) == (variant, t)


def blind(story: Story, variant: int, t: int) -> bool:
    """Whether an agent that is cut off, and not there any more, is shown no last observation.

    It may be told; else the one before it is what it is bootstrapped from, and never zeros.
    """
    return story.failing(variant, t, "blind at the end") and story.episodes[variant].end != "clock"


def may_be_refused(story: Story) -> bool:
    """Whether a line at the start is as right: an ``action_mask`` that is none may be taken for a mistake."""
    return any(member.mask == "decoy" for member in story.members)


def numbers_of(actions: Any, story: Story) -> dict[int, Any]:
    """The actions that an environment got, by agent."""
    if story.kind == "parallel":
        at = {member.name: who for who, member in enumerate(story.members)}
        return {at[name]: action for name, action in actions.items()}
    return {0: actions} if story.kind == "single" else dict(enumerate(actions))
