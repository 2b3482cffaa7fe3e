"""A throw-away joint policy: agents draw their actions one after the other, each told those before it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from qflock.core import Learner, Policy, Rollout, Rows, team_reward
from qflock.learning import categorical
from qflock.learning.descend import descend, masked_mean
from qflock.learning.optimiser import Optimiser


@dataclass(frozen=True)
class Config:
    """Settings."""

    rate: float = 0.3
    """Step size."""
    num_envs: int = 128
    """Environments side by side."""


class TrainState(NamedTuple):
    weights: Any


def build(config: Config, env: Any) -> Learner:
    spec = env.spec

    def draw(weights: Any, legal: Any, key: Any, mode: str) -> Any:
        """Actions (A,): agent i's logits depend on what agent i-1 took; a scan, not a loop over agents."""

        def one(before: Any, x: Any) -> Any:
            table, allowed, own = x
            action = categorical.choose(own, table[before], allowed, mode)
            return action, action

        return jax.lax.scan(one, jnp.int32(0), (weights, legal, jax.random.split(key, spec.agents)))[1]

    def log_prob(weights: Any, legal: Any, actions: Any) -> Any:
        before = jnp.concatenate([jnp.zeros_like(actions[..., :1]), actions[..., :-1]], -1)
        logits = weights[jnp.arange(spec.agents), before]
        return categorical.log_prob(logits, legal, actions).sum(-1)

    def explore(s: Any, memory: Any, now: Any, key: Any) -> Any:
        keys = jax.random.split(key, len(now.legal))
        return memory, jax.vmap(draw, in_axes=(None, 0, 0, None))(s.weights, now.legal, keys, "sample"), ()

    def loss(weights: Any, constants: Any, rows: Any) -> Any:
        mask, reward = rows.valid.astype(jnp.float32), team_reward(spec, rows.after.reward)
        chosen = log_prob(weights, rows.before.legal, rows.actions)
        cost = -masked_mean((reward - masked_mean(reward, mask)) * chosen, mask)
        return cost, {"loss": cost}

    plain = Optimiser(lambda w: (), lambda g, s, w, at: (w - config.rate * g, s))
    descent = descend(loss, plain, Rows(1, 1, 1, 0, 1))  # type: ignore[arg-type]

    def learn(s: Any, rows: Any, key: Any) -> Any:
        weights, _, metrics = descent.step(s.weights, (), (), rows, jnp.int32(0))
        return TrainState(weights), metrics

    return Learner(
        policy=Policy(
            start=lambda: (),
            act=lambda weights, memory, seen, key, mode: (memory, draw(weights, seen.legal, key, mode)),
        ),
        source=Rollout(config.num_envs, 2, explore),
        init=lambda key: TrainState(jnp.zeros((spec.agents, spec.actions, spec.actions))),
        learn=learn,
        execution=lambda s: s.weights,
        weights=lambda s: s.weights,
        start_from=lambda s, w: TrainState(w),
    )
