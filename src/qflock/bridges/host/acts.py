"""Gymnasium's action spaces of a team as one space of ours. Imports no JAX: worker processes read it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from qflock.bridges import _boxes
from qflock.bridges._boxes import Own
from qflock.core.errors import UserError
from qflock.core.spec import Box, Choices


class Chooses:
    """An agent that chooses: ours count from 0.

    Attributes:
        count: how many choices it has.
    """

    def __init__(self, space: Any) -> None:
        self.count, self._first, self._type = int(space.n), int(space.start), space.dtype.type

    def own(self, choice: Any) -> Any:
        """A choice in the type of its space; a padded one counts as its last."""
        return self._type(min(int(choice), self.count - 1) + self._first)


class Gives:
    """An agent that gives numbers.

    Attributes:
        count: of its choices: 0.
    """

    count = 0

    def __init__(self, space: Any, own: Own) -> None:
        self._space, self._own = space, own

    def own(self, numbers: Any) -> Any:
        """Numbers in the shape and type of its space, never outside its bounds; padded ones are left out."""
        shaped = self._own.of(np.asarray(numbers)).reshape(self._space.shape).astype(self._space.dtype)
        return np.clip(shaped, self._space.low, self._space.high)


def of_team(owner: str, names: Sequence[str], found: Sequence[Any]) -> tuple[Choices | Box, list[Any]]:
    """The action space of a team, padded to the agent that has most, and each agent's `Chooses` or `Gives`.

    Args:
        owner: name of the environment, for messages.
        names: of the agents; one that is empty stands for a single agent without a name.
        found: their spaces, Gymnasium's.

    Raises:
        UserError: actions that are neither a single choice among a few nor numbers between finite bounds, or
            are of both kinds in one team.
    """
    from gymnasium import spaces

    chooses = lambda space: isinstance(space, spaces.Discrete)
    gives = lambda space: isinstance(space, spaces.Box) and np.dtype(space.dtype).kind == "f"
    owners = [f"{owner}: {name}" if name else owner for name in names]
    for who, space in zip(owners, found, strict=True):
        if not chooses(space) and not gives(space):
            raise UserError(
                f"{who} acts in {space}; only Discrete actions, or a Box of floats, can be learnt here"
            )
    if all(map(chooses, found)):
        choosing = [Chooses(space) for space in found]
        return Choices(max(one.count for one in choosing)), choosing
    if not all(map(gives, found)):
        first = lambda kind: next(name for name, space in zip(names, found, strict=True) if kind(space))
        raise _boxes.mixed(owner, first(chooses), first(gives))
    box, owns = _boxes.of_team(owner, [(space.low, space.high) for space in found])
    return box, [Gives(*pair) for pair in zip(found, owns, strict=True)]
