"""The gradient steps of an actor-critic's update: of all agents at once, or agent by agent (HAPPO)."""

from __future__ import annotations

from typing import Any, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.algorithms._actor_critic.batch import Batch, TrainState, Weights, of_envs
from qflock.algorithms._actor_critic.config import ActorCriticConfig
from qflock.core.steps import Metrics, Parameters
from qflock.core.trees import where
from qflock.learning.descend import Descent, epochs


class LogProb(Protocol):
    """Log-probabilities of the actions taken."""

    def __call__(self, agents: Parameters, batch: Batch, /) -> Float[Array, "T B A"]:
        """One number for each agent's action.

        Args:
            agents: their weights.
            batch: T transitions of B environments.
        """
        ...


class GradientSteps(Protocol):
    """All gradient steps of an update."""

    def __call__(
        self,
        s: TrainState,
        batch: Batch,
        alpha: Float[Array, "A"],
        env_steps: Int[Array, ""],
        key: PRNGKeyArray,
        /,
    ) -> tuple[tuple[Weights, tuple[Any, Any]], Metrics]:
        """Weights and optimisers after them, and the means of the metrics over the steps.

        Args:
            s: the training state.
            batch: T transitions of B environments.
            alpha: the entropy weight of each agent, ``(A,)``.
            env_steps: environment steps so far, scalar.
            key: of the orders.
        """
        ...


def build(config: ActorCriticConfig, actor: Descent, critic: Descent, log_prob: LogProb) -> GradientSteps:
    """The gradient steps that settings ask for.

    Args:
        config: the learner's settings.
        actor: a step of the agents; its constants are all weights, and the entropy weights.
        critic: a step of both critics.
        log_prob: of the actions taken, under the agents' weights.
    """
    passes, minibatches = (config.epochs, config.minibatches) if config.update == "ppo" else (1, 1)

    def gradient_steps(
        s: TrainState, batch: Batch, alpha: Array, env_steps: Array, key: PRNGKeyArray
    ) -> tuple[tuple[Weights, tuple[Any, Any]], Metrics]:
        orders = epochs(key, batch.mask.shape[1], passes, minibatches)

        def of_all(weights: Weights, optimisers: tuple[Any, Any], part: Batch) -> Any:
            constants = (weights, alpha)
            agents, actor_state, metrics = actor.step(
                weights.agents, optimisers[0], constants, part, env_steps
            )
            trained, critic_state, more = critic.step(
                (weights.critic, weights.actions), optimisers[1], (), part, env_steps
            )
            return Weights(agents, *trained), (actor_state, critic_state), {**metrics, **more}

        def of_actors(agents: Parameters, state: Any, part: Batch) -> Any:
            return actor.step(agents, state, (s.weights, alpha), part, env_steps)

        def of_critics(trained: Any, state: Any, part: Batch) -> Any:
            return critic.step(trained, state, (), part, env_steps)

        def along(step: Any, carry: Any, batch: Batch) -> tuple[Any, Metrics]:
            """Every epoch's steps."""

            def one(carry: Any, which: Int[Array, "N"]) -> tuple[Any, Metrics]:
                *carry, metrics = step(*carry, batch if minibatches == 1 else of_envs(batch, which))
                return tuple(carry), metrics

            carry, metrics = jax.lax.scan(one, carry, orders)
            return carry, jax.tree.map(lambda x: x.mean(0), metrics)

        if not config.in_turn:
            return along(of_all, (s.weights, s.optimisers), batch)
        (agents, actor_state), metrics = one_by_one(
            lambda carry, batch: along(of_actors, carry, batch),
            log_prob,
            (s.weights.agents, s.optimisers[0]),
            batch,
            jax.random.fold_in(key, 1),
        )
        trained, optimisers = (s.weights.critic, s.weights.actions), s.optimisers
        (trained, critic_state), more = along(of_critics, (trained, optimisers[1]), batch)
        return (Weights(agents, *trained), (actor_state, critic_state)), {**metrics, **more}

    return gradient_steps


class Along(Protocol):
    """Gradient steps of all agents on a batch."""

    def __call__(self, carry: Any, batch: Batch, /) -> tuple[Any, Metrics]:
        """New weights and optimisers' state, leaves ``(A, ...)``, and means of the metrics.

        Args:
            carry: weights and state.
            batch: T transitions of B environments.
        """
        ...


def one_by_one(
    step: Along, log_prob: LogProb, carry: tuple[Parameters, Any], batch: Batch, key: PRNGKeyArray
) -> tuple[tuple[Parameters, Any], Metrics]:
    """HAPPO's update (Kuba et al. 2022, algorithm 4): agents learn in a new order, each one's advantage
    multiplied by the probability ratios of those that have learnt before it.

    Args:
        step: gradient steps on a batch; what moves in others than the agent whose turn it is, is undone.
        log_prob: of the actions taken, under weights.
        carry: weights and the optimisers' state, leaves ``(A, ...)``.
        batch: T transitions of B environments.
        key: of the order.

    Returns:
        The new ones, and the means of the metrics over agents.
    """
    agents = batch.mask.shape[-1]

    def turn(state: tuple[Any, Array], agent: Int[Array, ""]) -> tuple[tuple[Any, Array], Metrics]:
        carry, factor = state
        mine = jnp.arange(agents) == agent
        own = batch._replace(mask=batch.mask * mine, advantage=batch.advantage * factor[..., None])
        changed, metrics = step(carry, own)
        changed = where(mine, changed, carry)
        log_ratio = log_prob(changed[0], batch) - batch.rows.extras
        log_ratio = jnp.where(own.mask > 0, log_ratio, 0.0).sum(-1)
        return (changed, factor * jnp.exp(log_ratio)), metrics

    order = jax.random.permutation(key, agents)
    (carry, _), metrics = jax.lax.scan(turn, (carry, jnp.ones(batch.mask.shape[:2])), order)
    each = metrics.pop("entropies")[jnp.argsort(order), jnp.arange(agents)]  # each from its own turn
    return carry, {**jax.tree.map(lambda x: x.mean(0), metrics), "entropies": each}
