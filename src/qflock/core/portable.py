"""What a policy declares of itself, so that it can be taken home: nothing is guessed from settings' names."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any, NamedTuple


@dataclass(frozen=True)
class ByValue:
    """The legal action of highest value; ``epsilon`` is the chance of a random one in mode "sample"."""

    epsilon: float = 0.0


@dataclass(frozen=True)
class ByChance:
    """The likeliest legal action, or one drawn from the policy; its logits may pass an operator first.

    Attributes:
        operator: the settings of the amplitude operator that logits pass; None without one.
    """

    operator: Mapping[str, float] | None = None


LOG_DEVIATION = (-5.0, 2.0)
"""Bounds of the logarithm of a Gaussian's deviation, before tanh."""


@dataclass(frozen=True)
class ByDensity:
    """The likeliest numbers of a Box, or drawn ones.

    Attributes:
        head: "gaussian", "beta" or "tanh", as `learning.heads` has them.
        low, high: bounds of each number.
        log_deviation: bounds of the logarithm of a Gaussian's deviation.
        noise: deviation of what is added to the numbers of a tanh in mode "sample", bounds being -1 and 1.
    """

    head: str
    low: tuple[float, ...]
    high: tuple[float, ...]
    log_deviation: tuple[float, float] = LOG_DEVIATION
    noise: float = 0.0


Choice = ByValue | ByChance | ByDensity


class Portable(NamedTuple):
    """How an agent acts, as data.

    Attributes:
        agents: how many there are, A.
        choice: how the network's outputs become an action.
        stage: the input stage, "raw" or "relative".
        identity: whether features end with a one-hot id of the agent.
        last_action: whether features, then, end with the agent's last action.
        networks: the network of each agent, by number; empty where one serves all.
        described: whether all this and the parameters are the whole policy; if not, there are weights alone.
    """

    agents: int
    choice: Choice = ByChance()
    stage: str = "relative"
    identity: bool = False
    last_action: bool = False
    networks: tuple[int, ...] = ()
    described: bool = True


def about(choice: Choice) -> dict[str, Any]:
    """A choice as JSON can say it."""
    if isinstance(choice, ByDensity):
        return {"kind": "density", **asdict(choice)}
    if isinstance(choice, ByValue):
        return {"kind": "values", "epsilon": choice.epsilon}
    return {"kind": "policy", "operator": None if choice.operator is None else dict(choice.operator)}
