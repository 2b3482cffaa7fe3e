"""Gymnasium's spaces as vectors and counts of actions. Imports no JAX: worker processes read it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from qflock.bridges.host import reading
from qflock.bridges.host.reading import Unpromised
from qflock.core.errors import UserError

MASK = "action_mask"
WIDEST = 4
"""Bytes of a number that JAX computes with."""


def narrow(dtype: Any, low: Any = None, high: Any = None) -> np.dtype:
    """The type of 32 bits or fewer that is used for numbers of any of NumPy's types.

    Args:
        dtype: theirs.
        low, high: their bounds, where they are known; whole numbers that no type of 32 bits holds become
            floats.
    """
    dtype = np.dtype(dtype)
    if dtype.itemsize <= WIDEST or dtype.kind not in "fiu":
        return dtype
    if dtype.kind == "f":
        return np.dtype(np.float32)
    for kind in (np.uint32,) if dtype.kind == "u" else (np.int32, np.uint32):
        holds = np.iinfo(kind)
        if low is not None and np.min(low) >= holds.min and np.max(high) <= holds.max:
            return np.dtype(kind)
    return np.dtype(np.float32)


def common(dtypes: Iterable[np.dtype]) -> np.dtype:
    """The type of 32 bits or fewer for numbers of several such types, beside each other."""
    return narrow(np.result_type(*dtypes))


class View:
    """One agent's observations as vectors.

    An ``action_mask`` in a dictionary is taken out, and the rest is what the agent sees.

    Args:
        owner: whose they are, for messages.
        space: Gymnasium's.
        actions: how many actions the agent has.

    Attributes:
        masked: whether observations bring a mask.
        size, dtype: of the vectors.

    Raises:
        UserError: observations of changing length, or a mask of another length.
    """

    def __init__(self, owner: str, space: Any, actions: int) -> None:
        from gymnasium import spaces

        self._actions = actions
        self.masked = isinstance(space, spaces.Dict) and MASK in space.spaces
        rest = {key: part for key, part in space.spaces.items() if key != MASK} if self.masked else {}
        self._alone = next(iter(rest)) if len(rest) == 1 else None
        self._space = space if not rest else spaces.Dict(rest) if self._alone is None else rest[self._alone]
        if not self._space.is_np_flattenable:
            raise UserError(f"{owner} observes {space}: its length changes, so it cannot be padded")
        if self.masked:
            entries = int(np.prod(space[MASK].shape or ()))
            if entries != actions:
                raise UserError(f"{owner} has {actions} actions, and its {MASK} {entries} entries")
        flat: Any = spaces.flatten_space(self._space)
        self.size = int(np.prod(flat.shape))
        self.dtype = narrow(flat.dtype, *_bounds(flat))

    def read(self, seen: Any, what: str = "the observation") -> tuple[np.ndarray, np.ndarray | None]:
        """An observation as a vector ``(size,)``, and its mask ``(actions,)`` where it brings one.

        Args:
            seen: the observation.
            what: it is, for the message.

        Raises:
            Unpromised: it is not of its space.
        """
        legal = None
        if self.masked:
            legal = reading.mask(_entry(seen, MASK, what), self._actions, f"{MASK} of {what}")
        inner = seen if self._alone is None else _entry(seen, self._alone, what)
        vectors = _flattened(self._space, inner, what)
        vector = vectors[0] if len(vectors) == 1 else np.concatenate(vectors)
        return vector.astype(self.dtype, copy=False), legal


def _entry(seen: Any, key: Any, what: str) -> Any:
    """One entry of an observation that is a dictionary."""
    if not isinstance(seen, Mapping):
        raise Unpromised(f"{what} is a {type(seen).__name__}, its space says a dictionary")
    if key not in seen:
        raise Unpromised(f"{what} has no {key!r}, its space has")
    return seen[key]


def _flattened(space: Any, seen: Any, what: str) -> list[np.ndarray]:
    """The parts of an observation, each flat, in the order and with the numbers of ``spaces.flatten``."""
    from gymnasium import spaces

    if isinstance(space, (spaces.Box, spaces.MultiBinary)):
        flat: Any = spaces.flatten_space(space)
        return [reading.numbers(seen, space.shape, narrow(flat.dtype, *_bounds(flat)), what)]
    if isinstance(space, spaces.Discrete):
        return [_one_hot(seen, np.array([space.n]), np.array([space.start]), what)]
    if isinstance(space, spaces.MultiDiscrete):
        return [_one_hot(seen, space.nvec, space.start, what)]
    if isinstance(space, spaces.Tuple):
        if not isinstance(seen, (tuple, list)) or len(seen) != len(space.spaces):
            raise Unpromised(f"{what} is {reading.described(seen)}, its space says {len(space.spaces)} parts")
        pairs = [(part, seen[at], f"part {at} of {what}") for at, part in enumerate(space.spaces)]
    elif isinstance(space, spaces.Dict):
        pairs = [(part, _entry(seen, key, what), f"{key!r} of {what}") for key, part in space.spaces.items()]
    else:
        return [_by_gymnasium(space, seen, what)]
    return [vector for part, inner, name in pairs for vector in _flattened(part, inner, name)]


def _bounds(flat: Any) -> tuple[Any, Any]:
    """The lowest and highest numbers of a flat space; None of an empty one."""
    return (flat.low, flat.high) if flat.low.size else (None, None)


def _one_hot(seen: Any, counts: np.ndarray, first: np.ndarray, what: str) -> np.ndarray:
    """Choices as one-hot vectors behind each other.

    Args:
        seen: the choices, numbers from ``first`` on.
        counts: how many there are of each.
        first: the number of the first of each.
        what: it is, for the message.
    """
    shape = counts.shape if counts.size > 1 else ()
    flat = reading.numbers(seen, shape, np.dtype(np.int32), what) - first.ravel()
    if ((flat < 0) | (flat >= counts.ravel())).any():
        raise Unpromised(f"{what} is {reading.described(seen)}, which its space does not hold")
    starts = np.cumsum(counts.ravel()) - counts.ravel()
    hot = np.zeros(int(counts.sum()), np.int8)
    hot[starts + flat] = 1
    return hot


def _by_gymnasium(space: Any, seen: Any, what: str) -> np.ndarray:
    """The vector of a space of another kind."""
    from gymnasium import spaces

    try:
        return np.asarray(spaces.flatten(space, seen)).ravel()
    except Exception as problem:
        raise Unpromised(f"{what} is {reading.described(seen)}, which is not of {space}") from problem
