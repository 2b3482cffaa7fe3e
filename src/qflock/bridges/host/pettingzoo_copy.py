"""One copy of a PettingZoo parallel environment, for a worker. Imports no JAX."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflock.bridges.host import finding
from qflock.bridges.host.found import Found
from qflock.bridges.host.spaces import MASK, View, action_count, narrow


class Copy:
    """One copy, with views and actions of all agents padded to the largest.

    Args:
        target: the environment that was found, or its name without ``pettingzoo:``.
        settings: its arguments, and this bridge's own ``max_steps`` and ``state``.

    Attributes:
        agents, actions, observation, state, horizon, dtype, state_dtype: sizes and types for the Spec.
    """

    def __init__(self, target: Found | str, settings: dict[str, Any]) -> None:
        found = finding.pettingzoo(target) if isinstance(target, str) else target
        call = found.call(settings)
        self.horizon, wants_state = call.horizon, call.state == "own"
        self._env = found.parallel(call.arguments)
        self._names = list(self._env.possible_agents)
        named = {name: f"{found.name}: {name}" for name in self._names}
        self._views = {n: View(named[n], self._env.observation_space(n)) for n in self._names}
        choices = [action_count(named[n], self._env.action_space(n)) for n in self._names]
        self._firsts = [first for _, first in choices]
        self._counts = [count for count, _ in choices]
        self.agents, self.actions = len(self._names), max(self._counts)
        self.observation = max(view.size for view in self._views.values())
        self.dtype = narrow(np.result_type(*(view.dtype for view in self._views.values())))
        self._own_state = wants_state and self._has_state()
        now = self.reset(0)
        self.state, self.state_dtype = now[1].size, now[1].dtype

    def _has_state(self) -> bool:
        """Whether the environment shows a state, always of one shape."""
        try:
            self._env.reset(seed=0)
            shown = np.asarray(self._env.state())
            return shown.dtype.kind in "fiub" and shown.shape == self._env.state_space.shape
        except Exception:  # what PettingZoo's environments raise where they show none differs
            return False

    def reset(self, seed: int) -> tuple[np.ndarray, ...]:
        """The first time step of an episode."""
        self._steps = 0
        seen, infos = self._env.reset(seed=seed)
        self._active = np.ones(self.agents, bool)
        return self._show(seen, infos, np.zeros(self.agents, np.float32), False, False)

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, ...]:
        """One joint action; those of agents that have left are not passed on."""
        chosen = {
            name: min(int(actions[i]), self._counts[i] - 1) + self._firsts[i]
            for i, name in enumerate(self._names)
            if self._active[i]
        }
        seen, rewards, terminations, truncations, infos = self._env.step(chosen)
        self._steps += 1
        reward = np.array([rewards.get(name, 0.0) for name in self._names], np.float32)
        left = [terminations.get(n, False) or truncations.get(n, False) for n in self._names]
        still = self._active & ~np.array(left)
        ended = not still.any()
        cut = any(truncations.get(n, False) for n, was in zip(self._names, self._active, strict=True) if was)
        truncated = bool((ended and cut) or (not ended and self._steps >= self.horizon))
        if not ended:
            self._active = still
        return self._show(seen, infos, reward, ended and not truncated, truncated)

    def _show(
        self, seen: Any, infos: Any, reward: np.ndarray, terminated: bool, truncated: bool
    ) -> tuple[np.ndarray, ...]:
        views = np.zeros((self.agents, self.observation), self.dtype)
        legal = np.arange(self.actions) < np.array(self._counts)[:, None]
        vectors = []
        for i, name in enumerate(self._names):
            view = self._views[name]
            vector = view.read(seen[name]) if name in seen else np.zeros(view.size, self.dtype)
            vectors.append(vector)
            views[i, : view.size] = vector
            mask = seen.get(name, {}).get(MASK) if view.masked else infos.get(name, {}).get(MASK)
            if mask is not None:
                legal[i, : self._counts[i]] = np.asarray(mask, bool)
        legal[~self._active] = False
        legal[:, 0] |= ~legal.any(-1)
        state = self._env.state() if self._own_state else np.concatenate(vectors)
        state = np.asarray(state).ravel()
        return (
            views,
            state.astype(narrow(state.dtype) if self._own_state else self.dtype),
            legal,
            self._active.copy(),
            reward,
            np.bool_(terminated),
            np.bool_(truncated),
        )  # type: ignore[return-value]

    def close(self) -> None:
        """Close the environment."""
        self._env.close()
