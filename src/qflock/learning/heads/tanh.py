"""The numbers of a Box themselves, squashed into its bounds by tanh: a policy without chance, and density."""

from __future__ import annotations

from typing import NoReturn

import jax.numpy as jnp
from jaxtyping import Array, Float

from qflock.core.spec import Box
from qflock.learning.actions import Actions
from qflock.learning.heads import bounded


def build(action: Box) -> Actions:
    """The head of a Box: one output for each number. Exploration is its learner's."""
    box = bounded.box(action)

    def mode(outputs: Float[Array, "*X F"], legal: Array) -> Float[Array, "*X D"]:
        return box.inside(jnp.tanh(outputs))

    def undefined(*_: Array) -> NoReturn:
        raise TypeError("a deterministic policy has no density")

    return bounded.actions(
        action,
        jnp.zeros_like,
        outputs=action.size,
        sample=lambda key, outputs, legal: mode(outputs, legal),
        mode=mode,
        log_prob=undefined,
        entropy=undefined,
    )
