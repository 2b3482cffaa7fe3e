"""What an actor-critic trains, what it learns from, and parts of it."""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
from jaxtyping import Array, Bool, Float, Int

from qflock.core.steps import Parameters, Rows
from qflock.learning import entropy
from qflock.learning.advantages import Scale
from qflock.playing import rollout


class Weights(NamedTuple):
    """Everything that gradients train. ``actions`` is the action-value critic of the operator rotation."""

    agents: Parameters
    critic: Parameters
    actions: Parameters


class TrainState(NamedTuple):
    """Everything learning needs to go on."""

    weights: Weights
    optimisers: tuple[Any, Any]  # of the agents, of both critics
    scale: Scale
    entropy: entropy.State
    explorers: Bool[Array, "A"]  # who gets alpha; the others get alpha_min
    env_steps: Int[Array, ""]


class Batch(NamedTuple):
    """What gradient steps learn from: rows and, of each action taken, ``(T, B, A)``."""

    rows: Rows
    mask: Float[Array, "T B A"]  # 0 where no action was chosen
    trained: Float[Array, "T B A"]  # 0 where the critic's value teaches nothing, and no target uses it
    advantage: Float[Array, "T B A"]
    target: Float[Array, "T B A"]  # what the critic should say
    old_value: Float[Array, "T B A"]  # the critic's when the rows were collected


AXES = Batch(Rows(1, 1, 1, 0, 1), 1, 1, 1, 1, 1)  # type: ignore[arg-type]
"""Where the environments' axis is: devices share a batch along it."""


def of_envs(batch: Batch, which: Int[Array, "N"]) -> Batch:
    """Part of a batch: some environments, whole in time.

    Args:
        batch: of B environments.
        which: indices of environments, ``(N,)``.
    """
    rest = jax.tree.map(lambda x: x[:, which], batch._replace(rows=()))
    return rest._replace(rows=rollout.of_copies(batch.rows, which))
