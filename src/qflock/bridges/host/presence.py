"""Who is in an episode, and how it ends, whatever library the environment is of. Imports no JAX."""

from __future__ import annotations

import numpy as np

from qflock.bridges.host.reading import Unpromised


class Presence:
    """The agents of one copy's episode. Arrays are ``(A,)`` booleans.

    An agent is in the episode while the environment lists it and has not told its end in the same step. An
    end that is told as terminated and truncated is a termination. The episode is over when nobody is left:
    truncated where the clock stopped one of the last agents, else terminated.

    Args:
        agents: how many there can be.
        horizon: steps after which the episode is cut off.

    Attributes:
        step: of the episode, 0 at its reset.
        active: who is in the episode; at its end, of a truncated one those whose value is still to come, of
            a terminated one those who were in it.
        listed: whom the environment lists, and wants actions of.
        truncated_alone: whose own clock ran out with this step, while the team goes on.
        terminated, truncated: the end of the episode.
    """

    def __init__(self, agents: int, horizon: int) -> None:
        self._nobody = np.zeros(agents, bool)
        self.horizon = horizon
        self.step = 0
        self.active = self.listed = self.truncated_alone = self._nobody
        self.terminated = self.truncated = False

    def reset(self, listed: np.ndarray) -> None:
        """A new episode.

        Args:
            listed: whom the environment lists after its reset.

        Raises:
            Unpromised: nobody.
        """
        self.active = self.listed = listed
        self.truncated_alone = self._nobody
        self.terminated = self.truncated = False
        if not listed.any():
            raise Unpromised("nobody is in the episode: its agents are empty after reset()")

    def advance(self, listed: np.ndarray, ended: np.ndarray, cut: np.ndarray) -> None:
        """The step that `step` counts has been taken.

        Args:
            listed: whom the environment lists after it.
            ended, cut: whose end it tells, as terminated and as truncated.
        """
        before, cut = self.active, cut & ~ended
        staying, stopped = listed & ~ended & ~cut, before & cut
        empty = not staying.any()
        self.truncated = bool(stopped.any()) if empty else self.step >= self.horizon
        self.terminated = empty and not self.truncated
        self.listed = listed
        self.truncated_alone = self._nobody if empty or self.truncated else stopped
        if not self.terminated:
            self.active = staying | stopped if self.truncated else staying
