"""A throw-away learner for several teams: each agent's logits climb its own team's reward."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from qflock.core import Learner, Rollout, team_reward
from qflock.learning import categorical
from qflock.learning.descend import masked_mean
from qflock.playing import execution

SEVERAL_TEAMS = True


@dataclass(frozen=True)
class Config:
    """Settings."""

    rate: float = 0.05
    """Step size."""
    num_envs: int = 512
    """Environments side by side."""


class TrainState(NamedTuple):
    weights: Any


def build(config: Config, env: Any) -> Learner:
    spec, team_of = env.spec, jnp.array(env.spec.teams)

    def explore(s: Any, memory: Any, now: Any, key: Any) -> Any:
        logits = jnp.broadcast_to(s.weights, now.legal.shape)
        return memory, categorical.sample(key, logits, now.legal), ()

    def learn(s: Any, rows: Any, key: Any) -> Any:
        reward = team_reward(spec, rows.after.reward)[..., team_of]  # (T, B, teams) as (T, B, A)
        mask = jnp.broadcast_to(rows.valid[..., None], reward.shape).astype(jnp.float32)
        advantage = reward - masked_mean(reward, mask, (0, 1))

        def cost(weights: Any) -> Any:
            logits = jnp.broadcast_to(weights, rows.before.legal.shape)
            chosen = categorical.log_prob(logits, rows.before.legal, rows.actions)
            return -masked_mean(advantage * chosen, mask)

        return TrainState(s.weights - config.rate * jax.grad(cost)(s.weights)), {"loss": cost(s.weights)}

    def alone(
        parameters: Any, agent: Any, memory: Any, observation: Any, legal: Any, key: Any, mode: str
    ) -> Any:
        return memory, categorical.choose(key, parameters[agent], legal, mode)

    return Learner(
        policy=execution.decentralised(spec.agents, lambda: (), alone),
        source=Rollout(config.num_envs, 2, explore),
        init=lambda key: TrainState(jax.random.normal(key, (spec.agents, spec.actions))),
        learn=learn,
        execution=lambda s: s.weights,
        weights=lambda s: s.weights,
        start_from=lambda s, w: TrainState(w),
    )
