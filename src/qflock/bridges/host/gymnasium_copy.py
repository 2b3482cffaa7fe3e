"""One copy of a Gymnasium environment, for a worker. Imports no JAX."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflock.bridges.host import finding
from qflock.bridges.host.found import Found
from qflock.bridges.host.spaces import MASK, View, action_count


class Copy:
    """One copy: a team of one agent, whose observation is also the state.

    Made by ``gymnasium.make``, which never resets by itself: the last observation of an episode is its own.

    Args:
        target: the environment that was found, or its id.
        settings: its arguments, and ``max_steps``, after which an episode is cut off.

    Attributes:
        agents, actions, observation, state, horizon, dtype, state_dtype: sizes and types for the Spec.
    """

    agents = 1

    def __init__(self, target: Found | str, settings: dict[str, Any]) -> None:
        found = finding.gymnasium(target) if isinstance(target, str) else target
        call = found.call(settings)
        self.horizon, owner = call.horizon, found.name
        self._env = found.single(call.arguments, call.horizon)
        self._view = View(owner, self._env.observation_space)
        self.actions, self._first = action_count(owner, self._env.action_space)
        self.observation = self.state = self._view.size
        self.dtype = self.state_dtype = self._view.dtype

    def reset(self, seed: int) -> tuple[np.ndarray, ...]:
        """The first time step of an episode."""
        seen, info = self._env.reset(seed=seed)
        return self._show(seen, info, 0.0, False, False)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, ...]:
        """One action."""
        seen, reward, terminated, truncated, info = self._env.step(int(actions[0]) + self._first)
        return self._show(seen, info, float(reward), bool(terminated), bool(truncated and not terminated))

    def _show(
        self, seen: Any, info: dict[str, Any], reward: float, terminated: bool, truncated: bool
    ) -> tuple[np.ndarray, ...]:
        vector = self._view.read(seen).astype(self.dtype)
        mask = seen[MASK] if self._view.masked else info.get(MASK)
        legal = np.ones((1, self.actions), bool) if mask is None else np.asarray(mask, bool)[None]
        legal[:, 0] |= ~legal.any(-1)
        return (
            vector[None],
            vector,
            legal,
            np.ones(1, bool),
            np.array([reward], np.float32),
            np.bool_(terminated),
            np.bool_(truncated),
        )  # type: ignore[return-value]

    def close(self) -> None:
        """Close the environment."""
        self._env.close()
