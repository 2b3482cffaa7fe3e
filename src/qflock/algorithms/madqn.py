"""MADQN: independent double dueling Q-learning with a central value network beside it.

Every agent has a network of its own and learns from the team's reward. A central network V(s) is
trained on the mean of the agents' targets and its error is logged; the agents' targets never use it.
With ``central_weight`` above 0 it reads the agents' last hidden layers instead of the state, so that
its error shapes the agents' encoders too, as an auxiliary task. Sources: van Hasselt et al. 2016
(double Q), Wang et al. 2016 (dueling), and the MADQN that published QMIX results are compared with.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any

import equinox as eqx
import jax
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.algorithms._value import learner
from qflock.algorithms._value.config import ValueConfig
from qflock.core.environment import Environment
from qflock.core.learner import Learner
from qflock.core.steps import Parameters, Rows
from qflock.learning.losses import td_loss
from qflock.networks import inputs
from qflock.networks.agents import Agents
from qflock.networks.mlp import MLP
from qflock.settings.ranges import WIDTHS, at_least, need


@dataclass(frozen=True)
class Config(ValueConfig):
    """A value learner without a mixer, its agents apart, and a central value network."""

    mixer: str = "none"
    """How agents' values make the team's: none, sum, monotone, dueling, attention, or my.py:Mixer."""
    share_parameters: bool = False
    """One network for all agents, told apart by a one-hot id; else one network each."""
    dueling: bool = True
    """Split the head into a value and advantages."""
    central_hidden: Annotated[tuple[int, ...], WIDTHS] = (256, 256, 128)
    """Widths of the central value network's hidden layers, each with LayerNorm."""
    central_weight: Annotated[float, at_least(0, finite=True)] = 0.0
    """Above 0, the central network reads the agents' hidden layers and its loss, times this, trains them too;
    at 0 it reads the state and nothing of the agents depends on it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        need(
            not self.central_weight or (self.network == "mlp" and len(self.hidden) > 0),
            "central_weight above 0 needs network=mlp with a hidden layer to share",
        )


class Encoder(eqx.Module):
    """An agent's network up to its last hidden layer, in the place of the whole network."""

    network: MLP

    def __call__(self, x: Float[Array, "I"]) -> Float[Array, "H"]:
        return self.network.features(x)


def build(config: Config, env: Environment) -> Learner:
    """A MADQN learner for an environment.

    Args:
        config: its settings.
        env: with discrete actions.

    Raises:
        UserError: as `_value.learner.build`.
    """
    return learner.build(config, env, lambda env, core: _central(config, env, core.team))


def _central(config: Config, env: Environment, team: Agents) -> learner.Auxiliary:
    """The central value network: of the state, or of what the agents' encoders make of what they see."""
    shared = config.central_weight > 0
    stage = inputs.of_state(env.spec, config.input_stage)
    size = env.spec.agents * config.hidden[-1] if shared else stage.size

    def init(key: PRNGKeyArray) -> MLP:
        return MLP(size, 1, key=key, hidden=config.central_hidden, orthogonal=config.orthogonal)

    def loss(
        central: MLP, agents: Parameters, rows: Rows, target: Float[Array, "T N"]
    ) -> Float[Array, "T N"]:
        if shared:
            seen: Any = team.unroll(Encoder(agents), rows)[:-1]
        else:
            seen = jax.vmap(jax.vmap(stage.apply))(rows.timestep.state[:-1])
        flat = seen.reshape(target.size, size)
        value = jax.vmap(central)(flat)[:, 0]
        return td_loss(value.reshape(target.shape) - target, "huber")

    return learner.Auxiliary("central", config.central_weight or 1.0, not shared, init, loss)
