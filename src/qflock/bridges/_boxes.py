"""Boxes of different agents as one: the longest, its numbers stretched to each agent's own bounds.

Imports no JAX: worker processes read it. What it computes may be an array of either library.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from qflock.core.errors import UserError
from qflock.core.spec import Box


class Own(NamedTuple):
    """One agent's own numbers: the team's first ones, stretched.

    Attributes:
        low, high: their bounds, flat.
        start, ratio: where the team's begin, and by how much they are stretched.
    """

    low: np.ndarray
    high: np.ndarray
    start: np.ndarray
    ratio: np.ndarray

    def of(self, numbers: Any) -> Any:
        """The agent's numbers, never outside its bounds.

        Args:
            numbers: of the team's box, ``(..., size)``; those that the agent has not are left out.
        """
        stretched = self.low + (numbers[..., : self.low.size] - self.start) * self.ratio
        return stretched.clip(self.low, self.high)


def of_team(owner: str, bounds: Sequence[tuple[Any, Any]]) -> tuple[Box, list[Own]]:
    """The box of a team. A number's bounds are the agents' where they agree, else -1 and 1.

    Args:
        owner: whose actions they are, for the message.
        bounds: each agent's lowest and highest numbers.

    Raises:
        UserError: bounds that are not finite.
    """
    flat = [tuple(np.asarray(x, np.float32).ravel() for x in pair) for pair in bounds]
    if not all(np.isfinite(x).all() for pair in flat for x in pair):
        raise UserError(f"{owner} acts in a Box without finite bounds; scale its actions to be learnt here")
    size = max(low.size for low, _ in flat)
    start, end = np.full(size, -1.0, np.float32), np.full(size, 1.0, np.float32)
    for at in range(size):
        known = {(float(low[at]), float(high[at])) for low, high in flat if low.size > at}
        if len(known) == 1:
            start[at], end[at] = known.pop()
    owns = []
    for low, high in flat:
        first, last = start[: low.size], end[: low.size]
        owns.append(Own(low, high, first, (high - low) / (last - first)))
    return Box(size, tuple(start.tolist()), tuple(end.tolist())), owns


def mixed(owner: str, discrete: str, continuous: str) -> UserError:
    """An error for a team of both kinds.

    Args:
        owner: name of the environment.
        discrete, continuous: the name of an agent of each kind.
    """
    return UserError(
        f"{owner}: {discrete} chooses among discrete actions and {continuous} gives numbers; agents of both "
        "kinds cannot share one policy"
    )
