"""A choice among legal actions, by logits."""

from __future__ import annotations

import jax
import jax.numpy as jnp

from qflock.core.spec import Choices
from qflock.learning import categorical, exploration
from qflock.learning.actions import Actions


def build(action: Choices) -> Actions:
    """The head of U choices: one logit each."""
    return Actions(
        outputs=action.count,
        sample=categorical.sample,
        mode=categorical.mode,
        log_prob=categorical.log_prob,
        entropy=categorical.entropy,
        normalised_entropy=categorical.normalised_entropy,
        shown=jax.nn.log_softmax,
        random=exploration.uniform,
        encode=lambda chosen: jax.nn.one_hot(chosen, action.count),
        encoded=action.count,
        none=lambda *axes: jnp.full(axes, -1, jnp.int32),
        zeros=lambda *axes: jnp.zeros(axes, jnp.int32),
        stored=jnp.int8 if action.count <= 127 else jnp.int32,
    )
