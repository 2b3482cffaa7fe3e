"""What agents do in training: with noise, by chance with its log-probability, or at their best."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.algorithms._off_policy.config import OffPolicyConfig
from qflock.core.portable import ByDensity
from qflock.core.spec import Spec
from qflock.core.steps import Actions
from qflock.learning import actions
from qflock.learning.heads import bounded
from qflock.networks import agents as agents_of
from qflock.networks import by_name


class Actors:
    """The agents of an environment with a Box, and how they act; all methods are pure.

    Args:
        config: the learner's settings.
        spec: of the environment.

    Attributes:
        action: the head; it samples as agents act in training.
        team: the agents.
        portable: what an export must know of the head.
    """

    def __init__(self, config: OffPolicyConfig, spec: Spec) -> None:
        self._config, box = config, spec.box
        self.stochastic = config.policy == "stochastic"
        head = actions.HEADS[type(box)][0] if self.stochastic else actions.DETERMINISTIC
        self.action, self._log_half = actions.of(box, head), bounded.box(box).log_width.sum()
        self._low, self._high = jnp.array(box.low), jnp.array(box.high)
        if not self.stochastic:  # whose chance is the noise with which it explores
            self.action = self.action._replace(sample=self._explored)
        self.portable: ByDensity = actions.portable(box, head, config.noise)
        shape = {"hidden": config.hidden, "layer_norm": config.layer_norm, "orthogonal": config.orthogonal}

        def make(features: int, key: PRNGKeyArray) -> Any:
            size, circuit = self.action.outputs, config.circuit_settings()
            return by_name.make(config.network, features, size, key, circuit, **shape)

        shared, stage = config.share_parameters, config.input_stage
        self.team = agents_of.build(spec, make, shared, stage, config.groups, config.last_action)

    def drawn(
        self, keys: PRNGKeyArray, outputs: Float[Array, "T N A F"], for_target: bool = False
    ) -> tuple[Float[Array, "T N A D"], Float[Array, "T N A"]]:
        """Actions in [-1, 1] as functions of the outputs, and their log-probabilities there.

        Args:
            keys: of each sequence, ``(N,)``.
            outputs: of the network.
            for_target: targets are made of them: a deterministic policy gets its noise.
        """
        if not self.stochastic:
            unit, config = jnp.tanh(outputs), self._config
            if for_target and config.target_noise:
                add = lambda key, x: self._noisy(key, x, config.target_noise, config.noise_clip)
                unit = jax.vmap(add, (0, 1), 1)(keys, unit)
            return unit, jnp.zeros(unit.shape[:-1])
        legal = jnp.ones((*outputs.shape[:-1], 0), bool)
        taken = jax.vmap(self.action.sample, (0, 1, 1), 1)(keys, outputs, legal)
        log_prob = self.action.log_prob(outputs, legal, taken)
        return self.action.encode(taken), log_prob + self._log_half

    def _explored(self, key: PRNGKeyArray, outputs: Float[Array, "*X F"], legal: Array) -> Actions:
        del legal
        unit = self._noisy(key, jnp.tanh(outputs), self._config.noise)
        return self._low + (unit + 1) / 2 * (self._high - self._low)

    def _noisy(self, key: PRNGKeyArray, unit: Array, deviation: float, most: float = jnp.inf) -> Array:
        noise = jnp.clip(deviation * jax.random.normal(key, unit.shape), -most, most)
        return jnp.clip(unit + noise, -1.0, 1.0)
