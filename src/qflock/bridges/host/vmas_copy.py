"""Copies of a scenario of VMAS, stepped together, for a worker. Imports no JAX."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from qflock.bridges import _boxes
from qflock.bridges.host import reading, vmas_scenarios
from qflock.bridges.host.found import Found
from qflock.bridges.host.reading import Unpromised
from qflock.core.errors import UserError
from qflock.core.spec import Choices


class Worlds:
    """A batch of copies. All agents are there until the episode ends.

    All observations behind each other are the state. A scenario's ``done`` terminates; the clock is counted
    here, and truncates.

    Args:
        found: the scenario.
        settings: its arguments, ``continuous_actions``, and this bridge's ``max_steps`` and
            ``shared_reward``.
        count: how many copies, N.

    Attributes:
        agents, action, observation, state, horizon: sizes for the Spec.

    Raises:
        UserError: VMAS is missing, or rewards are not shared as `shared_reward` says.
    """

    def __init__(self, found: Found, settings: dict[str, Any], count: int) -> None:
        call = found.call(settings)
        self.horizon, self._shared, self._owner = call.horizon, call.shared, found.name
        library, (_, _, scenario) = vmas_scenarios.library(), found.name.partition(":")
        self.env: Any = library.make_env(scenario, num_envs=count, **call.arguments)
        spaces = list(self.env.action_space)
        self.agents = len(spaces)
        self._owns: list[_boxes.Own] | None = None
        self._counts = np.array([getattr(space, "n", 0) for space in spaces])
        if self._counts.any():
            self.action: Any = Choices(int(self._counts.max()))
        else:
            self.action, self._owns = _boxes.of_team(found.name, [(one.low, one.high) for one in spaces])
        self._legal = np.arange(self._counts.max()) < self._counts[:, None]
        self._steps = np.zeros(count, int)
        views, state = self._seen(self.env.reset())
        self.observation, self.state = views.shape[-1], state.shape[-1]

    def reset(self, at: int, seed: int) -> None:
        """Begin an episode in one copy.

        Args:
            at: the copy's place in the batch.
            seed: of the episode.
        """
        self.env.seed(seed)
        self.env.reset_at(at, return_observations=False)
        self._steps[at] = 0

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, ...]:
        """A step of every copy.

        Args:
            actions: ``(N, A)``, or ``(N, A, size)`` of a Box.
        """
        seen, rewards, done, _ = self.env.step(self._acts(actions))
        self._steps += 1
        with reading.told(self._owner, int(self._steps.max())):
            return self._show(seen, self._paid(rewards), done.numpy().astype(bool))

    def look(self) -> tuple[np.ndarray, ...]:
        """What all copies show now: to be read of those that have just been reset."""
        (seen,) = self.env.get_from_scenario(True, False, False, False)
        count = len(self._steps)
        with reading.told(self._owner, 0):
            return self._show(seen, np.zeros((count, self.agents), np.float32), np.zeros(count, bool))

    def close(self) -> None:
        """Nothing is held but memory and, once something was drawn, a window."""
        if self.env.viewer is not None:
            self.env.viewer.close()

    def _acts(self, actions: np.ndarray) -> list[Any]:
        """Each agent's actions as VMAS takes them, ``(N, size)``."""
        import torch

        each = np.moveaxis(np.asarray(actions), 1, 0)
        if self._owns is not None:
            own = [one.of(numbers) for one, numbers in zip(self._owns, each, strict=True)]
            return [torch.from_numpy(np.ascontiguousarray(one, np.float32)) for one in own]
        return [
            torch.from_numpy(np.minimum(choice, count - 1).astype(np.int64)[:, None])
            for choice, count in zip(each, self._counts, strict=True)
        ]

    def _paid(self, rewards: list[Any]) -> np.ndarray:
        """The agents' rewards, ``(N, A)``."""
        paid = np.stack([one.numpy().reshape(-1) for one in rewards], 1).astype(np.float32)
        if not np.isfinite(paid).all():
            raise Unpromised("a reward is not finite")
        if self._shared and (paid != paid[:, :1]).any():
            raise Unpromised("agents are paid differently; shared_reward says that all are paid the same")
        return paid

    def _seen(self, seen: list[Any]) -> tuple[np.ndarray, np.ndarray]:
        """Views ``(N, A, O)``, padded, and states ``(N, S)``."""
        rows = [np.concatenate([x.reshape(len(x), -1) for x in _arrays(one)], -1) for one in seen]
        state = np.concatenate(rows, -1)
        if not np.isfinite(state).all():
            raise Unpromised("an observation is not finite")
        views = np.zeros((len(state), len(rows), max(row.shape[-1] for row in rows)), np.float32)
        for at, row in enumerate(rows):
            views[:, at, : row.shape[-1]] = row
        return views, state

    def _show(self, seen: list[Any], reward: np.ndarray, done: np.ndarray) -> tuple[np.ndarray, ...]:
        views, state = self._seen(seen)
        count = len(done)
        return (
            views,
            state,
            np.tile(self._legal, (count, 1, 1)),
            np.ones((count, self.agents), bool),
            reward,
            done,
            (self._steps >= self.horizon) & ~done,
        )


class Copy:
    """One copy: a batch of one, see `Worlds`.

    Attributes:
        agents, action, observation, state, horizon, dtype, state_dtype: sizes and types for the Spec.
        names: the agents'.
    """

    together = Worlds
    dtype = state_dtype = np.dtype(np.float32)

    def __init__(self, found: Found, settings: dict[str, Any], pictured: bool = False) -> None:
        del pictured  # every copy can be asked for a picture
        self._worlds, self._owner = Worlds(found, settings, 1), found.name
        worlds = self._worlds
        self.agents, self.action, self.horizon = worlds.agents, worlds.action, worlds.horizon
        self.observation, self.state = worlds.observation, worlds.state
        self.names = [agent.name for agent in worlds.env.agents]

    def reset(self, seed: int) -> tuple[np.ndarray, ...]:
        """The first time step of an episode."""
        self._worlds.reset(0, seed)
        return tuple(part[0] for part in self._worlds.look())

    def step(self, actions: np.ndarray) -> tuple[np.ndarray, ...]:
        """One joint action ``(A,)``, or ``(A, size)`` of a Box."""
        return tuple(part[0] for part in self._worlds.step(np.asarray(actions)[None]))

    def picture(self) -> np.ndarray:
        """What VMAS draws, ``(height, width, 3)`` uint8.

        Raises:
            UserError: it finds no display to draw with.
        """
        try:
            return np.asarray(self._worlds.env.render(mode="rgb_array"))[..., :3].astype(np.uint8)
        except Exception as problem:
            why = " ".join(str(problem).split())
            raise UserError(f"{self._owner} cannot be drawn without a display ({why})") from problem

    def close(self) -> None:
        """See `Worlds`."""
        self._worlds.close()


def _arrays(seen: Any) -> Iterator[np.ndarray]:
    """The parts of one agent's observation, each ``(N, ...)``."""
    parts = seen.values() if isinstance(seen, Mapping) else [seen]
    for part in parts:
        yield from _arrays(part) if isinstance(part, Mapping) else [part.detach().numpy()]
