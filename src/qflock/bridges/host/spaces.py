"""Gymnasium's spaces as vectors and counts of actions. Imports no JAX: worker processes read it."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflock.core.errors import UserError

MASK, VIEW = "action_mask", "observation"


def narrow(dtype: Any) -> np.dtype:
    """The type of 32 bits or fewer that JAX computes with, for any of NumPy's."""
    dtype = np.dtype(dtype)
    wide = {"f": np.float32, "i": np.int32, "u": np.uint32}
    return np.dtype(wide[dtype.kind]) if dtype.itemsize > 4 and dtype.kind in wide else dtype


class View:
    """One agent's observations as vectors.

    A dictionary of ``observation`` and ``action_mask``, as PettingZoo's games have, is taken apart.

    Raises:
        UserError: observations of changing length.
    """

    def __init__(self, owner: str, space: Any) -> None:
        from gymnasium import spaces

        self.masked = isinstance(space, spaces.Dict) and MASK in space.spaces and VIEW in space.spaces
        self._space = space[VIEW] if self.masked else space
        if not self._space.is_np_flattenable:
            raise UserError(f"{owner} observes {space}: its length changes, so it cannot be padded")
        flat: Any = spaces.flatten_space(self._space)
        self.size = int(np.prod(flat.shape))
        self.dtype = narrow(flat.dtype)

    def read(self, seen: Any) -> np.ndarray:
        """An observation as a vector ``(size,)``."""
        from gymnasium import spaces

        seen = seen[VIEW] if self.masked else seen
        if isinstance(self._space, spaces.Box):
            return np.asarray(seen).ravel()
        return np.asarray(spaces.flatten(self._space, seen)).ravel()


def action_count(owner: str, space: Any) -> tuple[int, int]:
    """How many actions there are, and the number of the first.

    Args:
        owner: who acts, for the error.
        space: Gymnasium's.

    Raises:
        UserError: its actions are no single choice among a few.
    """
    from gymnasium import spaces

    if not isinstance(space, spaces.Discrete):
        raise UserError(f"{owner} acts in {space}; only Discrete actions can be learnt here")
    return int(space.n), int(space.start)
