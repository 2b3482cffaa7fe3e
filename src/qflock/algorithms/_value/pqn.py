"""Parallelised Q-learning without replay and without target networks, for teams.

Many copies are stepped side by side; lambda returns of each rollout, with the weights that played it, are
learnt in a few passes, then forgotten. LayerNorm keeps it stable (Gallici et al. 2025, "Simplifying deep
temporal difference learning", PQN and its VDN form). The mixer is an argument here: ``pqn_iql`` has none,
``pqn_vdn`` sums, ``pqn_qmix`` mixes monotonically. Agents with a memory carry it through the rollout and
forget where episodes begin.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.algorithms._value import q_learning
from qflock.algorithms._value.pqn_config import PQNConfig
from qflock.algorithms._value.q_learning import Weights, choose
from qflock.core.types import Environment, Learner, Memory, Metrics, Rows, TimeStep
from qflock.learning import optimiser
from qflock.learning.advantages import masked_mean
from qflock.playing import rollout


class TrainState(NamedTuple):
    """Everything learning needs to go on."""

    weights: Weights
    optimiser: Any
    env_steps: Int[Array, ""]


def build(config: PQNConfig, env: Environment) -> Learner:
    """A learner without replay for an environment; see `Learner` for the functions."""
    core = q_learning.build(config, env)
    team = core.team
    optimise = optimiser.build(config, config.optimiser)

    def init(key: PRNGKeyArray) -> TrainState:
        weights = core.init(key)
        return TrainState(weights, optimise.init(weights), jnp.int32(0))

    def explore(
        s: TrainState, memory: Memory, now: TimeStep, key: PRNGKeyArray
    ) -> tuple[Memory, Int[Array, "B A"], Any]:
        return core.explore(s.weights.agents, core.epsilon(s.env_steps), memory, now, key)

    def loss(weights: Weights, rows: Rows, aim: Float[Array, "T N *X"]) -> tuple[Float[Array, ""], Metrics]:
        q = team.unroll(weights.agents, rows)[:-1]
        now = jax.tree.map(lambda x: x[:-1], rows.timestep)
        total = core.mixed(weights.mixer, choose(q, rows.actions, now))
        mean = lambda x: masked_mean(x, core.share(rows, total.ndim))
        error = total - aim
        cost = mean(optax.losses.huber_loss(error) if config.loss == "huber" else jnp.square(error))
        return cost, {"loss": cost, "td_error": mean(jnp.abs(error)), "q_value": mean(total)}

    def learn(s: TrainState, rows: Rows, key: PRNGKeyArray) -> tuple[TrainState, Metrics]:
        state = rows.timestep.state if core.mixes_state else rows.timestep.state[..., :0]
        rows = rows._replace(timestep=rows.timestep._replace(state=state, measures={}))
        env_steps = s.env_steps + rows.valid.sum()
        q = team.unroll(s.weights.agents, rows)
        aim = core.aims(q, q, s.weights.mixer, rows)

        def step(carry: tuple[Weights, Any], which: Int[Array, "N"]) -> tuple[tuple[Weights, Any], Metrics]:
            weights, opt = carry
            part = rollout.of_copies(rows, which)
            gradient, metrics = jax.grad(loss, has_aux=True)(weights, part, aim[:, which])
            return optimise.step(gradient, opt, weights, env_steps), metrics

        order = lambda k: jax.random.permutation(k, config.copies)
        orders = jax.vmap(order)(jax.random.split(key, config.epochs))
        orders = orders.reshape(config.epochs * config.minibatches, -1)
        (weights, opt), metrics = jax.lax.scan(step, (s.weights, s.optimiser), orders)
        metrics = jax.tree.map(lambda x: x.mean(0), metrics)
        metrics["epsilon"] = core.epsilon(env_steps)
        return TrainState(weights, opt, env_steps), metrics

    return Learner(
        copies=config.copies,
        steps=config.steps,
        init=init,
        explore=explore,
        learn=learn,
        policy=lambda s: s.weights.agents,
        act=core.act,
        memory=team.memory,
        values=core.values,
        weights=lambda s: s.weights,
        start_from=lambda s, w: s._replace(weights=w, optimiser=optimise.init(w)),
    )
