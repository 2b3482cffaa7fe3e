"""Weighted QMIX: errors of joint actions that may be better than they look count in full, others little.

A central value Q* without restriction, with agents' networks of its own, makes the targets; the monotone
mixer is drawn to them with weights (Rashid et al. 2020, "Weighted QMIX", equations 6 to 11). ``optimistic``
(OW) trusts an action whose target lies above its value, ``central`` (CW) the greedy joint action and what
beats it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.algorithms._value import learner
from qflock.algorithms._value.config import ValueConfig
from qflock.algorithms._value.q_learning import QLearning, Weights, choose
from qflock.core.environment import Environment
from qflock.core.learner import Learner
from qflock.core.steps import Parameters, Rows
from qflock.core.trees import spread
from qflock.learning import exploration
from qflock.learning.losses import central_weights, optimistic_weights
from qflock.networks import inputs
from qflock.networks.mlp import MLP
from qflock.settings.ranges import WIDTHS, between, need


@dataclass(frozen=True)
class Config(ValueConfig):
    """A value learner whose mixer is drawn to a central value, with weights."""

    weighting: Literal["optimistic", "central"] = "optimistic"
    """Whose errors count in full: values below their target, or the greedy joint action and better ones."""
    weight: Annotated[float, between(0, 1, "(]")] = 0.1
    """Weight of the other errors; 1 switches the weighting off."""
    central_hidden: Annotated[tuple[int, ...], WIDTHS] = (256, 256)
    """Widths of the central value's mixing network."""

    def __post_init__(self) -> None:
        super().__post_init__()
        need(self.mixer != "none", "wqmix needs a mixer")


class Unrestricted(eqx.Module):
    """A mixer that can be any function of the agents' values and the state."""

    network: MLP

    def __call__(self, values: Float[Array, "A"], state: Float[Array, "S"]) -> Float[Array, ""]:
        """The team's value.

        Args:
            values: of the agents' actions, ``(A,)``.
            state: ``(S,)``.
        """
        return self.network(jnp.concatenate([values, state]))[0]


class Central(NamedTuple):
    """The weights of Q*."""

    agents: Parameters
    mixer: Unrestricted


def build(config: Config, env: Environment) -> Learner:
    """A WQMIX learner for an environment.

    Args:
        config: its settings.
        env: with discrete actions.

    Raises:
        UserError: as `_value.learner.build`.
    """
    return learner.build(config, env, lambda env, core: _central(config, env, core))


def _central(config: Config, env: Environment, core: QLearning) -> learner.Auxiliary:
    spec = env.spec
    state = inputs.of_state(spec, config.input_stage).size if core.mixes_state else spec.state

    def init(key: PRNGKeyArray) -> Central:
        k_agents, k_mixer = jax.random.split(key)
        network = MLP(spec.agents + state, 1, key=k_mixer, hidden=config.central_hidden, layer_norm=False)
        return Central(core.team.init(k_agents), Unrestricted(network))

    def values(central: Central, rows: Rows) -> Float[Array, "T+1 N A U"]:
        """Of the central agents. The hidden state that replay keeps is the acting agents', not theirs: they
        begin without one, and know the last actions."""
        start = spread(core.team.memory(), rows.first.shape[1], spec.agents)
        start = start._replace(action=rows.memory.action) if config.last_action else start
        return core.team.unroll(central.agents, rows._replace(memory=start))

    def value(central: Central, rows: Rows, actions: Array) -> Float[Array, "T N"]:
        """Q* of joint actions at the rows that have one."""
        return core.mixed(central.mixer, choose(values(central, rows)[:-1], actions, rows.before))

    def targets(q: Float[Array, "T+1 N A U"], weights: Weights, rows: Rows) -> Float[Array, "T N"]:
        return core.targets(q, values(weights.auxiliary, rows), weights.auxiliary.mixer, rows)

    def loss(
        central: Central, agents: Parameters, rows: Rows, target: Float[Array, "T N"]
    ) -> Float[Array, "T N"]:
        return jnp.square(value(central, rows, rows.actions) - target)

    def weighting(online: Weights, predicted: learner.Predicted, rows: Rows) -> Float[Array, "T N"]:
        if config.weighting == "optimistic":
            return optimistic_weights(predicted.total, predicted.target, config.weight)
        greedy = exploration.greedy(predicted.q[:-1], rows.timestep.legal[:-1])
        is_greedy = ((greedy == rows.actions) | ~rows.before.active).all(-1)
        greedy_value = value(online.auxiliary, rows, greedy)
        return central_weights(predicted.target, greedy_value, is_greedy, config.weight)

    return learner.Auxiliary("central", 1.0, core.mixes_state, init, loss, targets, weighting)
