"""A PettingZoo module whose episodes are written down step by step: who is there, and how that is told."""

from __future__ import annotations

from typing import Any

import numpy as np
from gymnasium import spaces

AGENTS = ("ash", "elm", "oak")


def beat(*agents: str, **told: Any) -> dict[str, Any]:
    """What a step shows. ``agents`` are listed after it; ``ended``, ``cut``, ``paid``, ``seen`` are what its
    dictionaries hold, else no flags, 1 for whoever acted, and a view of whoever acted or is listed."""
    return {"agents": list(agents), **told}


ASH, ELM, OAK = AGENTS
ALL = "__all__"
STORIES: dict[str, list[dict[str, Any]]] = {
    "a key for all": [beat(ASH, ELM), beat(ASH, ELM), beat(ended={ALL: True}, cut={ALL: False})],
    "a key for all, listed on": [beat(ASH, ELM), beat(ASH, ELM, cut={ALL: True})],
    "empty at the end": [beat(ASH, ELM), beat(ASH, ELM), beat(seen={}, paid={})],
    "gone without a flag": [beat(ASH, ELM, OAK), beat(ASH, OAK), beat(OAK, ended={ASH: True}), beat()],
    "late": [
        beat(ASH),
        beat(ASH),
        beat(ASH, ELM),
        beat(ASH, ELM, OAK),
        beat(cut=dict.fromkeys(AGENTS, True)),
    ],
    "back": [
        beat(ASH, ELM),
        beat(ASH, ended={ELM: True}),
        beat(ASH),
        beat(ASH, ELM),
        beat(ended={ASH: True, ELM: True}),
    ],
    "back at once": [beat(ASH, ELM), beat(ASH, ELM, ended={ELM: True}), beat(ASH, ELM), beat(ASH, ELM)],
    "listed though ended": [
        beat(ASH, ELM),
        beat(ASH, ELM, ended={ELM: True}),
        beat(ASH, ELM, ended={ELM: True}),
        beat(ASH, ELM, ended={ASH: True, ELM: True}),
    ],
    "both flags": [beat(ASH, ELM), beat(ended={ASH: True, ELM: True}, cut={ASH: True, ELM: True})],
    "both flags and one": [beat(ASH, ELM), beat(ended={ASH: True}, cut={ASH: True, ELM: True})],
    "one ends, one is cut": [beat(ASH, ELM), beat(ended={ASH: True}, cut={ELM: True})],
    "cut alone": [beat(ASH, ELM), beat(ASH, cut={ELM: True}), beat(ASH), beat(ended={ASH: True})],
    "cut alone, then both flags": [beat(ASH, ELM), beat(ASH, cut={ELM: True}, ended={ELM: True}), beat(ASH)],
    "views go with agents": [beat(ASH, ELM), beat(ASH, ELM), beat(cut={ASH: True, ELM: True}, seen={})],
    "live without a view": [beat(ASH, ELM), beat(ASH, ELM), beat(ASH, ELM, seen={ASH: 2})],
    "a stranger": [beat(ASH, ELM), beat(ASH, "yew")],
    "nobody": [beat()],
    "the first leaves": [beat(ASH, ELM), beat(ELM, ended={ASH: True}), beat(ELM), beat(ELM), beat()],
    "paid otherwise": [beat(ASH, ELM), beat(ASH, ELM, paid={ASH: 1.0, ELM: 2.0})],
    "long": [beat(*AGENTS)] * 40,
}


class parallel_env:
    """Plays a story; views are (step, number of the agent); strict about whose actions are passed."""

    possible_agents = AGENTS

    def __init__(self, story: str = "late", max_steps: int = 40, lists: bool = True) -> None:
        self._beats, self.max_steps, self.lists = STORIES[story], max_steps, lists
        self.passed: list[dict[str, Any]] = []

    def observation_space(self, agent: str) -> spaces.Space:
        return spaces.Box(0, 99, (2,), np.float32)

    def action_space(self, agent: str) -> spaces.Space:
        return spaces.Discrete(2, start=3)

    def _shown(self, beat: dict[str, Any], acted: list[str]) -> dict[str, Any]:
        steps = beat.get("seen", dict.fromkeys([*acted, *beat["agents"]], self.step_count))
        known = {a: step for a, step in steps.items() if a in AGENTS}
        return {a: np.array([step, AGENTS.index(a)], np.float32) for a, step in known.items()}

    def reset(self, seed: int | None = None, options: Any = None) -> Any:
        self.step_count, self.live = 0, self._beats[0]["agents"]
        if self.lists:
            self.agents = list(self.live)
        return self._shown(self._beats[0], []), {}

    def step(self, actions: dict[str, Any]) -> Any:
        assert set(actions) == set(self.live), f"acted {sorted(actions)}, live are {self.live}"
        self.passed.append(actions)
        self.step_count += 1
        now, acted = self._beats[self.step_count], self.live
        self.live = now["agents"]
        if self.lists:
            self.agents = list(self.live)
        paid = now.get("paid", dict.fromkeys(acted, 1.0))
        return self._shown(now, acted), paid, now.get("ended", {}), now.get("cut", {}), {}

    def close(self) -> None:
        pass
