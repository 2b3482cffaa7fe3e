"""Target networks: weights that follow those being trained, from which targets are made."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int


class Following(NamedTuple):
    """The weights of a target network, and the environment step at which they next follow."""

    weights: Any
    due: Int[Array, ""]


class Init(Protocol):
    """The target's state where training begins, or begins again from other weights."""

    def __call__(self, online: Any, /) -> Any: ...


class Read(Protocol):
    """The weights that targets are made from."""

    def __call__(self, state: Any, online: Any, /) -> Any:
        """Weights of the shape of the online ones.

        Args:
            state: the target's.
            online: the weights being trained.
        """
        ...


class Move(Protocol):
    """The target's state after an update."""

    def __call__(self, state: Any, online: Any, env_steps: Int[Array, ""], /) -> Any:
        """Called once after every update.

        Args:
            state: the target's.
            online: the weights being trained.
            env_steps: environment steps so far, scalar.
        """
        ...


class Target(NamedTuple):
    """Attributes: ``init``, ``read`` and ``move`` of a target network; see `none` and `periodic`."""

    init: Init
    read: Read
    move: Move


none = Target(
    init=lambda online: (),
    read=lambda state, online: online,
    move=lambda state, online, env_steps: state,
)
"""No target network: targets are made from the weights being trained."""


def periodic(interval: int, tau: float) -> Target:
    """A target network that takes a part of the online weights every so many environment steps.

    Args:
        interval: environment steps between two moves.
        tau: fraction taken over: 1 copies (Mnih et al. 2015), less blends (Lillicrap et al. 2016).
    """

    def move(state: Following, online: Any, env_steps: Int[Array, ""]) -> Following:
        due = env_steps >= state.due
        blend = lambda o, t: jnp.where(due, t + tau * (o - t), t)
        weights = jax.tree.map(blend, online, state.weights)
        return Following(weights, jnp.where(due, env_steps + interval, state.due))

    return Target(
        init=lambda online: Following(online, jnp.int32(0)),
        read=lambda state, online: state.weights,
        move=move,
    )


def build(interval: int, tau: float) -> Target:
    """`periodic`, or `none` for an interval of 0.

    Args:
        interval: environment steps between two moves; 0 for none.
        tau: see `periodic`.
    """
    return periodic(interval, tau) if interval else none
