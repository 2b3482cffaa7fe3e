"""A throw-away learner from a Dataset: behaviour cloning of recorded rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from qflock.core import ByChance, Dataset, Learner
from qflock.learning import categorical
from qflock.learning.descend import masked_mean
from qflock.networks import agents, by_name
from qflock.playing import rollout


@dataclass(frozen=True)
class Config:
    """Settings."""

    batch: int = 16
    """Sequences of an update."""


class TrainState(NamedTuple):
    weights: Any
    optimiser: Any


def record(env: Any, sequences: int, length: int) -> Any:
    """Rows of a player who names what it sees: the right answer in `tests.tiny.Echo`."""
    behave = lambda memory, now, key: (memory, now.observation.argmax(-1).astype(jnp.int32), ())
    flow = rollout.start(env, (), jax.random.key(0), sequences)
    return rollout.collect(env, behave, (), flow, jax.random.key(1), length)[1]


def build(config: Config, env: Any) -> Learner:
    make = lambda features, key: by_name.make("mlp", features, env.spec.actions, key, hidden=(16,))
    team = agents.build(env.spec, make)
    adam = optax.adam(1e-2)

    def init(key: Any) -> TrainState:
        weights = team.init(key)
        return TrainState(weights, adam.init(weights))

    def loss(weights: Any, rows: Any) -> Any:
        logits = team.unroll(weights, rows)[:-1]
        chosen = categorical.log_prob(logits, rows.before.legal, rows.actions)
        return -masked_mean(chosen, jnp.broadcast_to(rows.valid[..., None], chosen.shape))

    def learn(s: Any, rows: Any, key: Any) -> Any:
        cost, gradient = jax.value_and_grad(loss)(s.weights, rows)
        change, state = adam.update(gradient, s.optimiser)
        return TrainState(optax.apply_updates(s.weights, change), state), {"loss": cost}

    return Learner(
        policy=team.policy(categorical.choose, lambda logits: logits, ByChance()),
        source=Dataset(record(env, 64, 8), config.batch),
        init=init,
        learn=learn,
        execution=lambda s: s.weights,
        weights=lambda s: s.weights,
        start_from=lambda s, w: s._replace(weights=w),
    )
