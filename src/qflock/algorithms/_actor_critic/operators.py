"""The policy that agents act with, and what the operator rotation draws it towards (QIO)."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from qflock.algorithms._actor_critic.config import ActorCriticConfig
from qflock.core.portable import ByChance
from qflock.core.steps import Metrics, Parameters, Rows
from qflock.learning import amplitude, categorical
from qflock.networks.agents import Agents
from qflock.networks.critics import Critic


class Operators:
    """The operators of QIO as settings switch them on; all methods are pure.

    Args:
        config: the learner's settings.
        team: the agents.
        action_critic: values of actions, which the rotation needs.
    """

    def __init__(self, config: ActorCriticConfig, team: Agents, action_critic: Critic) -> None:
        self._config, self._team, self._action_critic = config, team, action_critic
        self.rotates = config.operator == "rotation"

    def choice(self) -> ByChance:
        """How outputs become an action; agents never act with the rotation."""
        if self._config.operator != "mean":
            return ByChance()
        return ByChance(self._numbers())

    def _numbers(self) -> dict[str, Any]:
        names = ("eta", "min_entropy", "inverse_temperature", "floor")
        return {name: getattr(self._config, name) for name in names}

    def decide(self, outputs: Float[Array, "*X U"], legal: Bool[Array, "*X U"]) -> amplitude.Amplified:
        """The policy that agents act with: its log-probabilities, and where the entropy floor acted.

        Args:
            outputs: of the agents' networks, ``(..., U)``.
            legal: mask of legal actions, ``(..., U)``; U = 0 for a Box, whose outputs stay as they are.
        """
        config = self._config
        if not legal.shape[-1]:
            return amplitude.Amplified(outputs, jnp.zeros(outputs.shape[:-1], bool))
        if config.operator in ("mean", "temperature"):
            act = amplitude.apply if config.operator == "mean" else amplitude.temperature
            return act(outputs, legal, **self._numbers())
        logs = categorical.log_probabilities(outputs, legal)
        return amplitude.Amplified(logs, jnp.zeros(logs.shape[:-1], bool))

    def turned(
        self, critic: Parameters, logs: Float[Array, "T B A U"], legal: Array, rows: Rows
    ) -> amplitude.Amplified:
        """The target of the rotation: good actions are those valued above the policy's mean.

        Args:
            critic: weights of the action-value critic.
            logs: log-probabilities of the policy at the rows.
            legal: the mask of legal actions there.
            rows: T transitions.
        """
        config = self._config
        values = self._action_critic.values(critic, rows)[:-1]
        mean = (jnp.where(legal, jnp.exp(logs), 0.0) * values).sum(-1, keepdims=True)
        target = amplitude.rotation(logs, legal, values > mean, config.rotation_turns, config.rotation_limit)
        return jax.lax.stop_gradient(amplitude.entropy_floor(target, legal, config.min_entropy))

    def contraction(self, agents: Parameters, critic: Parameters, rows: Rows) -> Metrics:
        """Ratios of distances between policies before and after the operator, at all rows' observations.

        Args:
            agents: their weights.
            critic: weights of the action-value critic.
            rows: T transitions of B environments.
        """
        legal = rows.timestep.legal[:-1]
        before = categorical.log_probabilities(self._team.unroll(agents, rows)[:-1], legal)
        after = self.turned(critic, before, legal, rows) if self.rotates else self.decide(before, legal)
        flat = lambda x: x.reshape(-1, legal.shape[-1])
        return amplitude.lipschitz(flat(before), flat(after.logits), flat(legal))
