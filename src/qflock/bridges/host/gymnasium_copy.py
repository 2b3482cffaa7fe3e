"""One copy of a Gymnasium environment, for a worker. Imports no JAX."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from qflock.bridges.host import finding, pictures, reading
from qflock.bridges.host.found import Found
from qflock.bridges.host.players import Players
from qflock.bridges.host.presence import Presence
from qflock.bridges.host.reading import Unpromised
from qflock.bridges.host.spaces import MASK
from qflock.core.errors import UserError

RESET = "observation, info"
STEP = "observation, reward, terminated, truncated, info"


class Copy:
    """One copy: a team, or a team of one. All observations behind each other are the state.

    A team acts in a ``Tuple`` of ``Discrete`` spaces, or in a ``MultiDiscrete`` of as many numbers as there
    are observations, and observes in a ``Tuple``. Its reward is a number for each agent; one number is the
    team's, of which each is paid its share. Flags are of all, or one for each.

    Made by ``gymnasium.make``, which never resets by itself: the last observation of an episode is its own.

    Args:
        target: the environment that was found, or its id.
        settings: its arguments, ``max_steps``, after which an episode is cut off, and ``shared_reward``.
        pictured: made to be looked at, see `picture`.

    Attributes:
        agents, actions, observation, state, horizon, dtype, state_dtype: sizes and types for the Spec.
    """

    def __init__(self, target: Found | str, settings: dict[str, Any], pictured: bool = False) -> None:
        import gymnasium

        found = finding.gymnasium(target) if isinstance(target, str) else target
        call = found.call(settings)
        self.horizon, self._shared, self._owner = call.horizon, call.shared, found.name
        asked = pictures.asked(found) if pictured else {}
        self._env: Any = found.single({**call.arguments, **asked}, call.horizon)
        if isinstance(self._env, gymnasium.wrappers.TimeLimit):
            self._env = self._env.env  # it counts what is counted here, and trips over a step of four parts
        views, acts = self._members()
        self.agents = len(acts)
        self._names = [f"agent {at}" for at in range(self.agents)] if self._team else [""]
        self._players = Players(self._owner, self._names, views, acts)
        self._presence = Presence(self.agents, self.horizon)
        self.action, self.observation = self._players.action, self._players.observation
        self.dtype = self.state_dtype = self._players.dtype
        self.state = self.reset(0)[1].size

    def _members(self) -> tuple[list[Any], list[Any]]:
        """Each agent's spaces of observations and actions."""
        from gymnasium import spaces

        views: Any = self._env.observation_space
        acts: Any = self._env.action_space
        several = lambda space: isinstance(space, (spaces.Tuple, tuple, list))
        self._joint: np.dtype | None = None
        self._team = several(acts)
        if several(views) and isinstance(acts, spaces.MultiDiscrete) and acts.shape == (len(views),):
            self._team, self._joint = True, acts.dtype
            pairs = zip(acts.nvec, acts.start, strict=True)
            return list(views), [spaces.Discrete(int(n), start=int(first)) for n, first in pairs]
        if not self._team:
            return [views], [acts]
        members: list[Any] = list(acts)  # type: ignore[arg-type]
        if not several(views) or len(views) != len(members):
            raise UserError(
                f"{self._owner} acts in {self._env.action_space} and observes {views}: a team needs an "
                "observation for each of its agents, in a Tuple"
            )
        return list(views), members

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
            seen, info = reading.parts(came, "Gymnasium", "reset()", RESET)
            self._presence.reset(np.ones(self.agents, bool))
            return self._show(seen, info, np.zeros(self.agents, np.float32))

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, ...]:
        """One joint action ``(A,)``, or ``(A, size)`` of a Box."""
        now = self._presence
        chosen = self._players.chosen(actions, now.active)
        joint = chosen[0] if not self._team else tuple(chosen)
        came = self._env.step(joint if self._joint is None else np.array(chosen, self._joint))
        now.step += 1
        with reading.told(self._owner, now.step):
            seen, reward, ended, cut, info = reading.parts(came, "Gymnasium", "step()", STEP)
            paid = self._paid(reward)
            now.advance(
                np.ones(self.agents, bool), self._flags(ended, "terminated"), self._flags(cut, "truncated")
            )
            return self._show(seen, info, paid)

    def _each(self, came: Any, what: str) -> list[Any] | None:
        """What is given for each agent of a team; None where one thing is given for all.

        Args:
            came: what was handed over.
            what: it is, for the message.
        """
        many = isinstance(came, (tuple, list)) or (isinstance(came, np.ndarray) and came.ndim > 0)
        if not self._team or not many or len(came) == 1 < self.agents:
            return None
        if len(came) != self.agents:
            raise Unpromised(f"{what} has {len(came)} entries, the team has {self.agents} agents")
        return list(came)

    def _paid(self, came: Any) -> np.ndarray:
        """The agents' rewards, ``(A,)``."""
        each = self._each(came, "the reward")
        if each is None:
            team = reading.number(came, "the reward")
            return np.full(self.agents, team if self._shared else team / self.agents, np.float32)
        paid = [reading.number(one, self._players.named(at, "reward")) for at, one in enumerate(each)]
        if self._shared and len(set(paid)) > 1:
            raise Unpromised(f"the agents are paid {paid}, shared_reward says that all are paid the same")
        return np.array(paid, np.float32)

    def _flags(self, came: Any, what: str) -> np.ndarray:
        """Whose end is told, ``(A,)``."""
        each = self._each(came, what)
        if each is None:
            return np.full(self.agents, reading.flag(came, what))
        return np.array([reading.flag(one, self._players.named(at, what)) for at, one in enumerate(each)])

    def _show(self, seen: Any, info: Any, reward: np.ndarray) -> tuple[np.ndarray, ...]:
        now = self._presence
        entries = [seen]
        if self._team:
            if not isinstance(seen, (tuple, list, np.ndarray)) or len(seen) != self.agents:
                raise Unpromised(
                    f"the observation is {reading.described(seen)}; it must hold one for each of the "
                    f"{self.agents} agents"
                )
            entries = list(seen)
        views, legal, state = self._players.show(entries, self._masks(info), now)
        return (
            views,
            state,
            legal,
            now.active.copy(),
            reward,
            np.bool_(now.terminated),
            np.bool_(now.truncated),
        )  # type: ignore[return-value]

    def _masks(self, info: Any) -> list[Any]:
        """The mask beside each agent's observation; None for none."""
        if self._team and isinstance(info, (tuple, list)) and len(info) == self.agents:
            return [one.get(MASK) if isinstance(one, Mapping) else None for one in info]
        mask = info.get(MASK) if isinstance(info, Mapping) else None
        if mask is None or not self._team or (isinstance(mask, np.ndarray) and mask.ndim == 1):
            return [mask] * self.agents
        return self._each(mask, MASK) or [mask] * self.agents

    def picture(self) -> np.ndarray:
        """What it shows of itself, ``(height, width, 3)`` uint8; of a copy that is ``pictured``."""
        return pictures.of(self._env, self._owner)

    def close(self) -> None:
        """Close the environment."""
        self._env.close()
