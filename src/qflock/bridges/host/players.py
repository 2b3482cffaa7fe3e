"""The agents of one copy: what they see as padded rows, and what they do as the environment wants it.

Imports no JAX.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qflock.bridges.host import acts as action_spaces
from qflock.bridges.host import reading
from qflock.bridges.host.presence import Presence
from qflock.bridges.host.reading import Unpromised
from qflock.bridges.host.spaces import MASK, View, common
from qflock.core.spec import Box

NO_ENTRY = object()
"""Stands for the observation of an agent that is shown none."""


class Players:
    """The agents of one copy, whose views and actions may be of different sizes.

    Args:
        owner: name of the environment, for messages.
        names: of the agents; one that is empty stands for a single agent without a name.
        views, acts: each agent's spaces of observations and actions.

    Attributes:
        action: of the team: `Choices`, or a `Box`.
        observation: the largest size, O.
        dtype: of the padded rows.

    Raises:
        UserError: spaces that cannot be used; see `View` and `acts.of_team`.
    """

    def __init__(self, owner: str, names: Sequence[Any], views: Sequence[Any], acts: Sequence[Any]) -> None:
        self._names = [str(name) for name in names]
        owners = [f"{owner}: {name}" if name else owner for name in self._names]
        self.action, self._acts = action_spaces.of_team(owner, self._names, acts)
        self._counts = [act.count for act in self._acts]
        self._views = [View(*three) for three in zip(owners, views, self._counts, strict=True)]
        self.observation = max(view.size for view in self._views)
        self.dtype = common(view.dtype for view in self._views)
        self._possible = np.arange(max(self._counts)) < np.array(self._counts)[:, None]
        self.reset()

    def reset(self) -> None:
        """Before the views of a new episode: forget those of the one before."""
        self._last: list[tuple[np.ndarray, np.ndarray | None] | None] = [None] * len(self._views)
        self._standing = np.zeros(len(self._views), int)
        if isinstance(self.action, Box):
            middle = np.add(self.action.low, self.action.high) / 2
            self._standing = np.tile(middle, (len(self._views), 1))

    def named(self, at: int, noun: str) -> str:
        """Something of an agent's, as messages call it.

        Args:
            at: the agent's number.
            noun: for example "observation".
        """
        return f"{self._names[at]}'s {noun}" if self._names[at] else f"the {noun}"

    def chosen(self, actions: np.ndarray, active: np.ndarray) -> list[Any]:
        """What the agents do, each in the type of its space.

        Args:
            actions: numbers of choices, ``(A,)``, or ``(A, size)`` of a Box.
            active: who is in the episode, ``(A,)``; of others the environment gets the first legal action, or
                the middle of the Box.
        """
        there = active.reshape(-1, *[1] * (self._standing.ndim - 1))
        picked = np.where(there, actions, self._standing)
        return [act.own(one) for act, one in zip(self._acts, picked, strict=True)]

    def show(
        self, entries: Sequence[Any], masks: Sequence[Any], presence: Presence
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """What is seen and what is legal.

        An agent of the episode that has no entry is shown its last view again; at a truncation, from which
        learners bootstrap, only where it has left together with its view.

        Args:
            entries: each agent's observation, or `NO_ENTRY`.
            masks: each agent's mask beside its observation, or None.
            presence: who is in the episode.

        Returns:
            Views ``(A, O)``, legal actions ``(A, U)``, U = 0 for a Box, and all views behind each other,
            without padding.

        Raises:
            Unpromised: an observation or a mask is not what the spaces say, or missing at a truncation.
        """
        views = np.zeros((len(self._views), self.observation), self.dtype)
        legal, vectors = self._possible.copy(), []
        for at, (view, entry) in enumerate(zip(self._views, entries, strict=True)):
            self._look(at, entry, presence)
            vector, mask = self._last[at] or (np.zeros(view.size, self.dtype), None)
            if not view.masked and masks[at] is not None and self._counts[at]:
                mask = reading.mask(masks[at], self._counts[at], self.named(at, MASK))
            if mask is not None:
                legal[at, : self._counts[at]] = mask
            views[at, : view.size] = vector
            vectors.append(vector)
        if legal.size:
            self._standing = legal.argmax(-1)
            legal[~(presence.active | presence.truncated_alone)] = False
            legal[:, 0] |= ~legal.any(-1)
        return views, legal, np.concatenate(vectors).astype(self.dtype)

    def _look(self, at: int, entry: Any, presence: Presence) -> None:
        """Note what an agent sees."""
        alone = presence.truncated_alone[at]
        if entry is not NO_ENTRY:
            self._last[at] = self._views[at].read(entry, self.named(at, "observation"))
        elif not presence.active[at] and not alone:
            self._last[at] = None
        elif (presence.truncated and presence.listed[at]) or (
            (presence.truncated or alone) and self._last[at] is None
        ):
            raise Unpromised(
                f"the episode is truncated, and the observations have no entry of {self._names[at]}, "
                "which is live; they must show what learners bootstrap from"
            )
