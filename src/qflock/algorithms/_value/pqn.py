"""Parallelised Q-learning without replay and without target networks, for teams.

Many environments are stepped side by side; lambda returns of each rollout, with the weights of its play, are
learnt in a few passes, then forgotten. LayerNorm keeps it stable (Gallici et al. 2025, "Simplifying deep
temporal difference learning", PQN and its VDN form). The mixer is an argument here: ``pqn_iql`` has none,
``pqn_vdn`` sums, ``pqn_qmix`` mixes monotonically. Agents with a memory carry it through the rollout and
forget where episodes begin.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.algorithms._value.pqn_config import PQNConfig
from qflock.algorithms._value.q_learning import QLearning, Weights, choose
from qflock.core.environment import Environment
from qflock.core.learner import Learner, Rollout
from qflock.core.steps import Actions, Memory, Metrics, Rows, TimeStep
from qflock.learning import groups, optimiser, stretches
from qflock.learning.descend import descend, epochs, masked_mean
from qflock.learning.losses import td_loss
from qflock.playing import rollout


class TrainState(NamedTuple):
    """Everything learning needs to go on."""

    weights: Weights
    optimiser: Any
    env_steps: Int[Array, ""]


class Batch(NamedTuple):
    """What a gradient step learns from: rows, and the targets of their transitions."""

    rows: Rows
    target: Float[Array, "T N *X"]


AXES = Batch(Rows(1, 1, 1, 0, 1), 1)  # type: ignore[arg-type]
"""Where the environments' axis is: devices share a batch along it."""


class ReplayFree:
    """A Q-learner without replay, for an environment; all methods are pure."""

    def __init__(self, config: PQNConfig, env: Environment) -> None:
        self.config, self.core = config, QLearning(config, env)
        self.descent = descend(self.loss, optimiser.build(config, config.optimiser), AXES)

    def init(self, key: PRNGKeyArray) -> TrainState:
        weights = self.core.init(key)
        groups.refuse_missing(self.config, weights)
        return TrainState(weights, self.descent.init(weights), jnp.int32(0))

    def explore(
        self, s: TrainState, memory: Memory, now: TimeStep, key: PRNGKeyArray
    ) -> tuple[Memory, Actions, Any]:
        """As `core.learner.Explore`.

        Args:
            s: the training state.
            memory: the teams', leaves ``(B, ...)``.
            now: time steps, leaves ``(B, ...)``.
            key: of the actions drawn.
        """
        return self.core.explore(s.weights.agents, self.core.epsilon(s.env_steps), memory, now, key)

    def loss(self, weights: Weights, constants: tuple[()], batch: Batch) -> tuple[Float[Array, ""], Metrics]:
        """Of T transitions of N environments.

        Args:
            weights: what is trained.
            constants: none.
            batch: rows and targets.
        """
        rows = batch.rows
        q = self.core.team.unroll(weights.agents, rows)[:-1]
        total = self.core.mixed(weights.mixer, choose(q, rows.actions, rows.before))
        mean = lambda x: masked_mean(x, self.core.mask(rows, total.ndim))
        error = total - batch.target
        cost = mean(td_loss(error, self.config.loss))
        return cost, {"loss": cost, "td_error": mean(jnp.abs(error)), "q_value": mean(total)}

    def learn(self, s: TrainState, rows: Rows, key: PRNGKeyArray) -> tuple[TrainState, Metrics]:
        """As `core.learner.Learn`.

        Args:
            s: the training state.
            rows: T transitions of B environments, leaves ``(T+1, B, ...)``.
            key: of this update's randomness.
        """
        config, core = self.config, self.core
        rows = rows._replace(timestep=stretches.kept(rows.timestep, core.mixes_state))
        env_steps = s.env_steps + rows.valid.sum()
        q = core.team.unroll(s.weights.agents, rows)
        target = core.targets(q, q, s.weights.mixer, rows)

        def step(carry: tuple[Weights, Any], which: Int[Array, "N"]) -> tuple[tuple[Weights, Any], Metrics]:
            batch = Batch(rollout.of_copies(rows, which), target[:, which])
            weights, opt, metrics = self.descent.step(*carry, (), batch, env_steps)
            return (weights, opt), metrics

        orders = epochs(key, config.num_envs, config.epochs, config.gradient_steps)
        (weights, opt), metrics = jax.lax.scan(step, (s.weights, s.optimiser), orders)
        metrics = jax.tree.map(lambda x: x.mean(0), metrics)
        metrics["epsilon"] = core.epsilon(env_steps)
        return TrainState(weights, opt, env_steps), metrics


def build(config: PQNConfig, env: Environment) -> Learner:
    """A learner without replay for an environment; see `Learner` for the functions.

    Args:
        config: its settings.
        env: with discrete actions.
    """
    own = ReplayFree(config, env)
    return Learner(
        policy=own.core.policy(),
        source=Rollout(config.num_envs, config.num_steps, own.explore),
        init=own.init,
        learn=own.learn,
        execution=lambda s: s.weights.agents,
        weights=lambda s: s.weights,
        start_from=lambda s, w: s._replace(weights=w, optimiser=own.descent.init(w)),
        credit=own.core.credit if own.core.mixes else None,
    )
