"""Pictures of host environments: what their own ``render`` gives as RGB frames. Imports no JAX."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflock.bridges.host.found import Found
from qflock.core.errors import UserError

MODE = "render_mode"


def likely(found: Found) -> bool:
    """Whether it can be drawn as far as is known without making one: its constructor and its class tell.

    Args:
        found: the environment.
    """
    if not _takes_mode(found):
        return False
    told = [getattr(maker, "metadata", None) for maker in found.place.makers() if isinstance(maker, type)]
    listed = [each["render_modes"] for each in told if isinstance(each, dict) and "render_modes" in each]
    return all("rgb_array" in modes for modes in listed)


def asked(found: Found) -> dict[str, str]:
    """The further argument that an environment is made with to be looked at.

    Args:
        found: the environment.

    Raises:
        UserError: its constructor takes no such argument.
    """
    if found.library == "pettingzoo" and not _takes_mode(found):
        raise UserError(f"{found.name} cannot be drawn: what makes it takes no {MODE}")
    return {MODE: "rgb_array"}


def _takes_mode(found: Found) -> bool:
    constructor = found.constructor
    return constructor.open or MODE in constructor.parameters


def of(env: Any, owner: str) -> np.ndarray:
    """A picture, ``(height, width, 3)`` uint8.

    Args:
        env: made as `asked` says.
        owner: its name, for messages.

    Raises:
        UserError: it gives no picture.
    """
    shown = env.render()
    if isinstance(shown, list) and shown:  # the pictures since it was last asked
        shown = shown[-1]
    picture = np.asarray(shown)
    if picture.ndim != 3 or picture.shape[2] not in (3, 4) or picture.dtype != np.uint8:
        what = "nothing" if shown is None else f"{picture.dtype}{list(picture.shape)}"
        raise UserError(f"{owner} cannot be drawn: its render() gives {what}, and no picture of RGB")
    return picture[..., :3].copy()
