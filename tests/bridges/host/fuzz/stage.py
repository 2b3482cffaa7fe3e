"""A PettingZoo module whose environment plays the story of a seed, with all its odd manners."""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
from gymnasium import spaces
from pettingzoo import ParallelEnv

from tests.bridges.host.fuzz import draws
from tests.bridges.host.fuzz.showing import Shower

story_of = functools.lru_cache(4)(draws.draw)


class Stage(ParallelEnv):
    """The environment; its rewards are a base and the numbers of the actions that it was passed."""

    def __init__(self, draw: int) -> None:
        self._story = story_of(draw, "parallel")
        self._shower = Shower(self._story)
        self._odd = self._story.manners
        self.possible_agents = [member.name for member in self._story.members]
        self._at = {name: who for who, name in enumerate(self.possible_agents)}
        self.agents: Any = []
        if self._story.state is not None:
            self.state_space = self._story.state.space

    def observation_space(self, agent: Any) -> spaces.Space:
        return self._shower.space(self._at[agent])

    def action_space(self, agent: Any) -> spaces.Space:
        return self._shower.action_space(self._at[agent])

    def state(self) -> Any:
        if self._story.state is None:
            raise NotImplementedError
        log = self._shower.log
        value = self._story.world(log.variant, log.t)[0]
        if self._story.failing(log.variant, log.t, "state raises"):
            raise KeyError("nobody is left")
        if self._story.failing(log.variant, log.t, "state short"):
            return np.ravel(value)[:-1]
        return self._shower.keep(value)

    def close(self) -> None:
        if "close fails" in self._odd:
            raise AttributeError("'NoneType' object has no attribute 'close'")

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self._shower.begin(seed)
        self._gone: dict[int, str] = {}
        self._now = self._story.acting(self._shower.log.variant, 0)
        self._list(self._now)
        seen = {self.possible_agents[who]: self._shower.observation(who) for who in self._now}
        if self._failing("bare reset"):
            return seen
        return seen, self._infos(self._now)

    def step(self, actions: dict[Any, Any]) -> Any:
        self._shower.go_on(actions)
        story, log = self._story, self._shower.log
        acted, self._now = self._now, story.acting(log.variant, log.t)
        leaves = {w: how for (t, w), how in story.episodes[log.variant].leaves.items() if t == log.t}
        self._gone = {w: how for w, how in self._gone.items() if w not in self._now}
        echoes = set(self._gone) if "echo" in self._odd else set()
        self._gone |= leaves
        last = not self._now
        listed = last and "listed at the end" in self._odd and _flagged(leaves.values())
        self._list(acted if listed else self._now)
        if last and "empty" in leaves.values():
            return self._answer({}, {}, {}, {}, {})
        inside = [w for w in {*acted, *self._now} if leaves.get(w) != "silent" or "echo" in self._odd]
        told = sorted({*inside, *echoes})
        rewards = {
            self.possible_agents[w]: self._reward(w, acted, actions) for w in told if self._paid(w, acted)
        }
        views = [w for w in told if not self._unseen(w, leaves, last)]
        seen = {self.possible_agents[w]: self._shower.observation(w) for w in views}
        flags = self._flags(told, "terminated"), self._flags(told, "truncated")
        if "strange keys" in self._odd:
            seen["stranger"] = np.zeros(1)
            rewards["stranger"] = 5.0
        return self._answer(seen, rewards, *flags, self._infos(told))

    def _answer(self, seen: Any, rewards: Any, terminations: Any, truncations: Any, infos: Any) -> Any:
        if self._failing("four values"):
            return seen, rewards, terminations, infos
        if self._failing("no values"):
            return None
        if self._failing("scalar rewards"):
            rewards = 1.0
        if self._failing("list rewards"):
            rewards = [1.0]
        if self._failing("scalar flags"):
            terminations = False
        return seen, rewards, terminations, truncations, infos

    def _failing(self, what: str) -> bool:
        log = self._shower.log
        return self._story.failing(log.variant, log.t, what)

    def _list(self, who: list[int]) -> None:
        """Set ``agents``."""
        who = list(range(len(self.possible_agents))) if "static" in self._odd else list(who)
        if "shuffled" in self._odd:
            who = who[::-1]
        names = [self.possible_agents[w] for w in who]
        if self._failing("stranger"):
            names.append("stranger")
        if "in place" in self._odd and isinstance(self.agents, list):
            self.agents[:] = names
        else:
            self.agents = tuple(names) if "tuple" in self._odd else names

    def _paid(self, who: int, acted: list[int]) -> bool:
        return who in acted or who not in self._now or "joiners paid" in self._odd

    def _reward(self, who: int, acted: list[int], actions: dict[Any, Any]) -> Any:
        story, log = self._story, self._shower.log
        if story.shared and who in acted:
            number = story.base(log.variant, log.t, 0) + sum(
                int(actions[self.possible_agents[w]]) for w in acted
            )
        elif who not in acted or self._gone.get(who) == "silent":
            number = 0.0
        else:
            number = story.base(log.variant, log.t, who) + int(actions[self.possible_agents[who]])
        if story.pay == "bool":
            number = bool(number > 0)
        return self._shower.reward(number, who)

    def _unseen(self, who: int, leaves: dict[int, str], last: bool) -> bool:
        """Whether an agent has no observation in this step."""
        log = self._shower.log
        if self._story.failing(log.variant, log.t, "blind at the end", who):
            return True
        bootstrapped = any(
            _means(how, "truncated") and not _means(how, "terminated") for how in leaves.values()
        )
        return last and "blind end" in self._odd and not bootstrapped

    def _flags(self, told: list[int], name: str) -> dict[Any, Any]:
        flags: dict[Any, Any] = {}
        for who in told:
            how = self._gone.get(who, "")
            yes = how in (name, "both")
            if yes or "true flags" not in self._odd:
                flags[self.possible_agents[who]] = self._shower.flag(yes, who)
        everyone = not self._now and any(_means(h, name) and h.startswith("all") for h in self._gone.values())
        if everyone or "all key" in self._odd:
            flags["__all__"] = everyone
        return flags

    def _infos(self, told: list[int]) -> Any:
        if "none infos" in self._odd:
            return None
        if "no infos" in self._odd:
            return {}
        infos: dict[Any, Any] = {}
        for who in told:
            name, masked = self.possible_agents[who], self._story.members[who].mask == "info"
            infos[name] = {"action_mask": self._shower.mask(who)} if masked else {}
            if "none info" in self._odd:
                infos[name] = None
        return infos


def _means(how: str, flag: str) -> bool:
    """Whether a way to leave sets this flag."""
    return how.removeprefix("all ") in (flag, "both")


def _flagged(ways: Any) -> bool:
    """Whether every way to leave sets a flag."""
    return all(how.removeprefix("all ") in ("terminated", "truncated", "both") for how in ways)


def parallel_env(draw: int = 0) -> Stage:
    """The environment of one seed."""
    return Stage(draw)
