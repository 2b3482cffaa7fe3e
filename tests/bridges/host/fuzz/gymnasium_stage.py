"""Gymnasium environments that play the story of a seed: one agent, or a team with Tuple spaces."""

from __future__ import annotations

import functools
from typing import Any

import gymnasium
import numpy as np
from gymnasium import spaces

from tests.bridges.host.fuzz import draws, stories
from tests.bridges.host.fuzz.showing import MASK, Shower

story_of = functools.lru_cache(4)(draws.draw)


class One(gymnasium.Env):
    """An environment of one agent."""

    kind: stories.Kind = "single"

    def __init__(self, draw: int = 0) -> None:
        self._story = story_of(draw, self.kind)
        self._shower = Shower(self._story)
        self._set_spaces()

    def _set_spaces(self) -> None:
        self.observation_space, self.action_space = self._shower.space(0), self._shower.action_space(0)

    def close(self) -> None:
        if "close fails" in self._story.manners:
            raise AttributeError("'NoneType' object has no attribute 'close'")

    def reset(self, *, seed: int | None = None, options: Any = None) -> Any:
        self._shower.begin(seed)
        self._gone: dict[int, str] = {}
        seen = self._seen()
        return seen if self._failing("bare reset") else (seen, self._info())

    def step(self, action: Any) -> Any:
        self._shower.go_on(action)
        self._leave()
        flags = self._flag("terminated"), self._flag("truncated")
        answer = (self._seen(), self._reward(action), *flags, self._info())
        if self._failing("four values"):
            return answer[:3] + answer[4:]
        return None if self._failing("no values") else answer

    def _failing(self, what: str) -> bool:
        return self._story.failing(self._shower.log.variant, self._shower.log.t, what)

    def _seen(self) -> Any:
        return self._shower.observation(0)

    def _info(self) -> dict[str, Any]:
        return {MASK: self._shower.mask(0)} if self._story.members[0].mask == "info" else {}

    def _number(self, who: int, action: Any) -> float:
        log = self._shower.log
        if log.t and who not in self._story.acting(log.variant, log.t - 1):
            return 0
        number = self._story.base(log.variant, log.t, who) + int(action)
        return number > 0 if self._story.pay == "bool" else number

    def _reward(self, action: Any) -> Any:
        return self._shower.reward(self._number(0, action), 0)

    def _flag(self, name: str) -> Any:
        return self._shower.flag(self._ends(0, name), 0)

    def _ends(self, who: int, name: str) -> bool:
        return self._gone.get(who) in (name, "both")

    def _leave(self) -> None:
        """Note who is gone; those that come back are not."""
        story, log = self._story, self._shower.log
        now = story.acting(log.variant, log.t)
        self._gone = {who: how for who, how in self._gone.items() if who not in now}
        self._gone |= {w: how for (t, w), how in story.episodes[log.variant].leaves.items() if t == log.t}


class Team(One):
    """A team: Tuples of spaces and observations; rewards and flags for all or for each."""

    kind = "team"

    def _set_spaces(self) -> None:
        who = range(len(self._story.members))
        self.observation_space = spaces.Tuple([self._shower.space(w) for w in who])  # type: ignore[assignment]
        self.action_space = spaces.Tuple([self._shower.action_space(w) for w in who])  # type: ignore[assignment]

    def _seen(self) -> Any:
        wrap = tuple if self._story.rng(6).random() < 0.5 else list
        return wrap(self._shower.observation(w) for w in range(len(self._story.members)))

    def _info(self) -> dict[str, Any]:
        members = enumerate(self._story.members)
        masks = [self._shower.mask(w) if m.mask == "info" else None for w, m in members]
        return {MASK: masks} if any(m is not None for m in masks) else {}

    def _reward(self, action: Any) -> Any:
        log = self._shower.log
        agents = range(len(self._story.members))
        if self._story.shared:
            acted = self._story.acting(log.variant, log.t - 1)
            number = self._story.base(log.variant, log.t, 0) + sum(int(action[w]) for w in acted)
            numbers = [number > 0 if self._story.pay == "bool" else number for _ in agents]
        else:
            numbers = [self._number(w, action[w]) for w in agents]
        if self._failing("reward pair"):
            return [*numbers, numbers[0]]
        given = [self._shower.reward(float(x), w) for w, x in zip(agents, numbers, strict=True)]
        return [list, tuple, np.array][self._story.rng(7).integers(3)](given)

    def _flag(self, name: str) -> Any:
        flags = [self._ends(w, name) for w in range(len(self._story.members))]
        if self._failing("flag pair"):
            return [flags[0]] * (len(self._story.members) + 1)
        if self._story.rng(8).random() < 0.5 and "static" not in self._story.manners:
            return self._shower.flag(flags[0])
        return [self._shower.flag(flag) for flag in flags]
