"""What an actor-critic learns from, and parts of it."""

from __future__ import annotations

from typing import NamedTuple

import jax
from jaxtyping import Array, Float, Int

from qflock.core.steps import Rows
from qflock.playing import rollout


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
