"""A throw-away learner of a Box: policy gradient with a squashed Gaussian, each agent by itself."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax.numpy as jnp

from qflock.core import ByChance, Learner, Rollout
from qflock.learning import actions, optimiser
from qflock.learning.descend import descend, masked_mean
from qflock.networks import agents, by_name


@dataclass(frozen=True)
class Config:
    """Settings."""

    head: str = "gaussian"
    """The action head: gaussian or beta."""
    lr: float = 1e-2
    """Adam's step size."""
    num_envs: int = 256
    """Environments side by side."""
    lr_final: float = 1.0
    """Unused."""
    lr_decay: int = 0
    """Unused."""
    weight_decay: float = 0.0
    """Unused."""
    max_grad_norm: float = 1.0
    """Gradients are clipped to this norm."""


class TrainState(NamedTuple):
    weights: Any
    optimiser: Any
    env_steps: Any


def build(config: Config, env: Any) -> Learner:
    kind = actions.of(env.spec.action, config.head)
    make = lambda features, key: by_name.make("mlp", features, kind.outputs, key, hidden=(32,))
    team = agents.build(env.spec, make)

    def init(key: Any) -> TrainState:
        weights = team.init(key)
        return TrainState(weights, descent.init(weights), jnp.int32(0))

    def explore(s: Any, memory: Any, now: Any, key: Any) -> Any:
        memory, outputs = team.step(s.weights, memory, now.observation)
        return memory, kind.sample(key, outputs, now.legal), ()

    def loss(weights: Any, constants: Any, rows: Any) -> Any:
        outputs = team.unroll(weights, rows)[:-1]
        mask = jnp.broadcast_to(rows.valid[..., None], outputs.shape[:-1]).astype(jnp.float32)
        reward = rows.after.reward
        advantage = reward - masked_mean(reward, mask)
        chosen = kind.log_prob(outputs, rows.before.legal, rows.actions)
        cost = -masked_mean(advantage * chosen, mask)
        return cost, {"loss": cost, "entropy": masked_mean(kind.entropy(outputs, rows.before.legal), mask)}

    descent = descend(loss, optimiser.build(config), axes=rows_axes())

    def learn(s: Any, rows: Any, key: Any) -> Any:
        env_steps = s.env_steps + rows.valid.sum()
        weights, state, metrics = descent.step(s.weights, s.optimiser, (), rows, env_steps)
        return TrainState(weights, state, env_steps), metrics

    def choose(key: Any, outputs: Any, legal: Any, mode: str) -> Any:
        return kind.mode(outputs, legal) if mode == "greedy" else kind.sample(key, outputs, legal)

    return Learner(
        policy=team.policy(choose, lambda outputs: outputs, ByChance()),
        source=Rollout(config.num_envs, 2, explore),
        init=init,
        learn=learn,
        execution=lambda s: s.weights,
        weights=lambda s: s.weights,
        start_from=lambda s, w: s._replace(weights=w),
    )


def rows_axes() -> Any:
    from qflock.core import Rows

    return Rows(1, 1, 1, 0, 1)  # type: ignore[arg-type]
