"""What an off-policy actor-critic trains, and what it learns from."""

from __future__ import annotations

from typing import Any, NamedTuple

from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.core.steps import Parameters, Rows
from qflock.learning import replay


class Weights(NamedTuple):
    """Everything that gradients train."""

    agents: Parameters
    log_alpha: Float[Array, "A"]
    critics: Parameters


class TrainState(NamedTuple):
    """Everything learning needs to go on."""

    online: Weights
    target: Weights  # follows slowly; its log_alpha is not used
    optimisers: tuple[Any, Any]  # of agents and alphas, of critics
    replay: replay.Replay
    env_steps: Int[Array, ""]
    gradient_steps: Int[Array, ""]


class Drawn(NamedTuple):
    """Sequences from replay, with a key for each; leaves ``(N, ...)``."""

    rows: Rows
    keys: PRNGKeyArray
