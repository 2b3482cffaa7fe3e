"""An environment whose rewards are now and then no numbers."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp

from qflock.core.steps import TimeStep
from tests import tiny


class Bomb(tiny.Echo):
    """Echo; a step's reward is NaN, or infinite, with a chance that its key decides."""

    @dataclass(frozen=True)
    class Config(tiny.Echo.Config):
        """Settings of Bomb."""

        chance: float = 0.0
        """Of a step's reward to be no number."""
        reward: float = float("inf")
        """What it is then."""

    def step(self, key: Any, state: tiny.EchoState, actions: Any) -> tuple[tiny.EchoState, TimeStep]:
        after, now = super().step(key, state, actions)
        hit = jax.random.uniform(jax.random.fold_in(key, 1)) < self.config.chance
        return after, now._replace(reward=jnp.where(hit, self.config.reward, now.reward))
