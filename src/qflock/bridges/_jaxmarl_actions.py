"""JaxMARL's action spaces as ours: choices, or boxes of numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any, Literal, get_args

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from qflock.bridges import _boxes
from qflock.bridges._options import Option
from qflock.core.errors import UserError
from qflock.core.spec import Box, Choices

NAMES = ("action_type", "act_type")
"""Parameters by which JaxMARL's environments choose the kind of their actions."""
KIND = Literal["Discrete", "Continuous"]


def kinds(parameters: Mapping[str, inspect.Parameter]) -> dict[str, Option]:
    """The setting by which an environment has actions of one kind or the other, where it has both.

    Args:
        parameters: of its constructor.
    """
    both = [name for name in NAMES if name in parameters and parameters[name].default in get_args(KIND)]
    return {
        name: Option(KIND, "Discrete", "Agents choose among moves, or give numbers: a Box.") for name in both
    }


def of_team(owner: str, found: Mapping[str, Any]) -> tuple[Choices | Box, list[Callable[[Array], Array]]]:
    """The action space of a team, and how each agent's action is made of its row.

    Args:
        owner: name of the environment, for messages.
        found: JaxMARL's spaces by agent.

    Raises:
        UserError: actions that are neither single choices nor boxes, or of both kinds.
    """
    chooses = lambda space: hasattr(space, "n")
    gives = lambda space: hasattr(space, "low") and hasattr(space, "shape")
    for agent, space in found.items():
        if not chooses(space) and not gives(space):
            raise UserError(
                f"{owner}: {agent} acts in {type(space).__name__}{getattr(space, 'shape', '')}; only "
                "Discrete actions and boxes can be learnt here"
            )
    if all(map(chooses, found.values())):
        counts = [int(space.n) for space in found.values()]
        return Choices(max(counts)), [partial(jnp.minimum, n - 1) for n in counts]
    if not all(map(gives, found.values())):
        first = lambda kind: next(agent for agent, space in found.items() if kind(space))
        raise _boxes.mixed(owner, first(chooses), first(gives))
    wide = lambda space, bound: np.broadcast_to(np.asarray(bound), space.shape)
    bounds = [(wide(space, space.low), wide(space, space.high)) for space in found.values()]
    box, owns = _boxes.of_team(owner, bounds)
    shaped = lambda own, space: lambda row: own.of(row).reshape(space.shape)
    return box, [shaped(*pair) for pair in zip(owns, found.values(), strict=True)]
