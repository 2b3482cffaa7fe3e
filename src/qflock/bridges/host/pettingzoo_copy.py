"""One copy of a PettingZoo parallel environment, for a worker. Imports no JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qflock.bridges.host import finding, pictures, reading
from qflock.bridges.host.found import Found
from qflock.bridges.host.players import NO_ENTRY, Players
from qflock.bridges.host.presence import Presence
from qflock.bridges.host.reading import Unpromised
from qflock.bridges.host.spaces import MASK, narrow

RESET = "observations, infos"
STEP = "observations, rewards, terminations, truncations, infos"
ALL = "__all__"
"""RLlib's key, by which a flag is told of all agents at once."""


class Copy:
    """One copy, with views and actions of all agents padded to the largest.

    Who is in the episode follows the environment's ``agents``. Where it has none, those are in it whom it
    shows an observation and tells no end.

    Args:
        target: the environment that was found, or its name without ``pettingzoo:``.
        settings: its arguments, and this bridge's own ``max_steps``, ``state`` and ``shared_reward``.
        pictured: made to be looked at, see `picture`.

    Attributes:
        agents, actions, observation, state, horizon, dtype, state_dtype: sizes and types for the Spec.
        names: the agents'.
    """

    def __init__(self, target: Found | str, settings: dict[str, Any], pictured: bool = False) -> None:
        found = finding.pettingzoo(target) if isinstance(target, str) else target
        call = found.call(settings)
        self.horizon, self._shared, self._owner = call.horizon, call.shared, found.name
        self._env: Any = found.parallel({**call.arguments, **(pictures.asked(found) if pictured else {})})
        self.names = list(self._env.possible_agents)
        self.agents = len(self.names)
        views = [self._env.observation_space(name) for name in self.names]
        acts = [self._env.action_space(name) for name in self.names]
        self._players = Players(self._owner, self.names, views, acts)
        self._presence = Presence(self.agents, self.horizon)
        self.action, self.observation = self._players.action, self._players.observation
        self.dtype = self._players.dtype
        own = self._own_type() if call.state == "own" else None
        self._own_state, self.state_dtype = own is not None, self.dtype if own is None else own
        self.state = self.reset(0)[1].size

    def _own_type(self) -> np.dtype | None:
        """The type of the environment's own state; None where it shows none, or none of its space's shape."""
        try:
            self._env.reset(seed=0)
            shown, space = np.asarray(self._env.state()), self._env.state_space
            if shown.dtype.kind not in reading.NUMBERS or shown.shape != space.shape:
                return None
            both = np.result_type(shown.dtype, space.dtype)
            return narrow(both, getattr(space, "low", None), getattr(space, "high", None))
        except Exception:  # what PettingZoo's environments raise where they show none differs
            return None

    @property
    def truncated_alone(self) -> np.ndarray:
        """Agents whose own clock ran out with the last step, while the team goes on, ``(A,)``."""
        return self._presence.truncated_alone

    def reset(self, seed: int) -> tuple[np.ndarray, ...]:
        """The first time step of an episode."""
        self._presence.step = 0
        self._players.reset()
        came = self._env.reset(seed=seed)
        with reading.told(self._owner, 0):
            seen, infos = reading.parts(came, "PettingZoo", "reset()", RESET)
            seen = reading.by_agent(seen, "observations")
            self._presence.reset(self._listed(seen, np.zeros(self.agents, bool)))
            return self._show(seen, infos, np.zeros(self.agents, np.float32))

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, ...]:
        """One joint action ``(A,)``, or ``(A, size)`` of a Box; absent agents' are not passed on."""
        now = self._presence
        chosen = self._players.chosen(actions, now.active)
        passed = {name: chosen[at] for at, name in enumerate(self.names) if now.listed[at]}
        came = self._env.step(passed)
        now.step += 1
        with reading.told(self._owner, now.step):
            seen, rewards, terminations, truncations, infos = reading.parts(
                came, "PettingZoo", "step()", STEP
            )
            seen = reading.by_agent(seen, "observations")
            reward = self._paid(reading.by_agent(rewards, "rewards"))
            ended, cut = self._flags(terminations, "terminations"), self._flags(truncations, "truncations")
            now.advance(self._listed(seen, ended | cut), ended, cut)
            return self._show(seen, infos, reward)

    def _listed(self, seen: Mapping[Any, Any], gone: np.ndarray) -> np.ndarray:
        """Whom the environment lists, ``(A,)``.

        Args:
            seen: observations by agent.
            gone: whose end it has just told.
        """
        agents = getattr(self._env, "agents", None)
        if agents is None:
            return np.array([name in seen for name in self.names]) & ~gone
        live = list(agents)
        for name in live:
            if name not in self.names:
                raise Unpromised(f"its agents hold {name!r}, which is none of its possible_agents")
        return np.array([name in live for name in self.names])

    def _paid(self, rewards: Mapping[Any, Any]) -> np.ndarray:
        """The agents' rewards, ``(A,)``; of a shared one, the same for all, whoever is still there."""
        paid = {
            at: reading.number(rewards[name], self._players.named(at, "reward"))
            for at, name in enumerate(self.names)
            if name in rewards
        }
        if not self._shared:
            return np.array([paid.get(at, 0.0) for at in range(self.agents)], np.float32)
        team = {at: one for at, one in paid.items() if self._presence.active[at]} or paid
        if len(set(team.values())) > 1:
            each = ", ".join(f"{self.names[at]} {one:g}" for at, one in team.items())
            raise Unpromised(f"the agents are paid {each}; shared_reward says that all are paid the same")
        return np.full(self.agents, next(iter(team.values()), 0.0), np.float32)

    def _flags(self, came: Any, what: str) -> np.ndarray:
        """Whose end is told, ``(A,)``.

        Args:
            came: flags by agent, perhaps of all at once.
            what: they are, for the message.
        """
        flags = reading.by_agent(came, what)
        everyone = reading.flag(flags.get(ALL, False), f"{what}[{ALL!r}]")
        return np.array(
            [everyone or reading.flag(flags.get(name, False), f"{what}[{name!r}]") for name in self.names]
        )

    def _show(self, seen: Mapping[Any, Any], infos: Any, reward: np.ndarray) -> tuple[np.ndarray, ...]:
        infos = {} if infos is None else reading.by_agent(infos, "infos")
        told = [infos.get(name) for name in self.names]
        masks = [info.get(MASK) if isinstance(info, Mapping) else None for info in told]
        entries = [seen.get(name, NO_ENTRY) for name in self.names]
        views, legal, state = self._players.show(entries, masks, self._presence)
        if self._own_state:
            state = reading.numbers(
                self._env.state(),
                self._env.state_space.shape,
                self.state_dtype,
                "state()",
                "its state_space",
                "; --env.state observations leaves it aside",
            )
        now = self._presence
        ends = np.bool_(now.terminated), np.bool_(now.truncated)
        return views, state, legal, now.active.copy(), reward, *ends  # type: ignore[return-value]

    def picture(self) -> np.ndarray:
        """What it shows of itself, ``(height, width, 3)`` uint8; of a copy that is ``pictured``."""
        return pictures.of(self._env, self._owner)

    def close(self) -> None:
        """Close the environment."""
        self._env.close()
