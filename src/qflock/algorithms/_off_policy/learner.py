"""The off-policy actor-critic of many agents with continuous actions, from replay.

ISAC, MASAC, IDDPG, MADDPG, MATD3 and FACMAC are this learner with other settings; a small file each names
them. Sources: Haarnoja et al. 2018 (SAC), Lillicrap et al. 2016 (DDPG), Fujimoto et al. 2018 (TD3), Lowe et
al. 2017 (MADDPG), Peng et al. 2021 (FACMAC), Liu et al. 2024 (HASAC, ``in_turn``).
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.algorithms._off_policy import critics
from qflock.algorithms._off_policy.actors import Actors
from qflock.algorithms._off_policy.config import OffPolicyConfig
from qflock.algorithms._off_policy.state import Drawn, TrainState, Weights
from qflock.core.environment import Environment
from qflock.core.learner import Learner, Policy, Rollout
from qflock.core.steps import Actions, Memory, Metrics, Parameters, Rows, TimeStep, Transitions
from qflock.core.trees import where
from qflock.learning import groups, optimiser, replay, stretches, targets
from qflock.learning.descend import descend, masked_mean, steps_once


class OffPolicy:
    """An off-policy actor-critic for an environment; all methods are pure.

    Raises:
        UserError: discrete actions; agents that remember, with rows cut shorter than what is collected.
    """

    def __init__(self, config: OffPolicyConfig, env: Environment) -> None:
        self.config, self.spec = config, env.spec
        self.actors = Actors(config, env.spec)
        self.critics = critics.build(config, env.spec)
        self.keeps_state = config.critic == "central" or (config.critic == "mixed" and config.mixer != "sum")
        team = self.policy()
        self.example = stretches.example(env, team.start(), config.row_length, self.keeps_state)
        config.need_whole_rows(bool(jax.tree.leaves(self.example.memory)))
        self.capacity, self.first_filled = config.sequences
        of_agents = optimiser.build(config)
        of_alphas = optimiser.build(replace(config, lr=config.lr_alpha or 1.0))
        steps = optimiser.of_parts(of_agents, of_alphas)
        self.actor_descent = descend(self.actor_loss, optimiser.of_each(steps) if config.in_turn else steps)
        self.critic_descent = descend(self.critic_loss, optimiser.build(replace(config, lr=config.lr_critic)))

    def init(self, key: PRNGKeyArray) -> TrainState:
        k_agents, k_critics = jax.random.split(key)
        log_alpha = jnp.full(self.spec.agents, math.log(self.config.alpha0), jnp.float32)
        online = Weights(self.actors.team.init(k_agents), log_alpha, self.critics.init(k_critics))
        groups.refuse_missing(self.config, online)
        ring = replay.make(self.example, self.capacity)
        return TrainState(online, online, self.fresh(online), ring, jnp.int32(0), jnp.int32(0))

    def fresh(self, weights: Weights) -> tuple[Any, Any]:
        """States of both optimisers."""
        return self.actor_descent.init(weights[:2]), self.critic_descent.init(weights.critics)

    def explore(
        self, s: TrainState, memory: Memory, now: TimeStep, key: PRNGKeyArray
    ) -> tuple[Memory, Actions, Any]:
        """As `core.learner.Explore`: random actions until learning starts.

        Args:
            s: the training state.
            memory: the teams', leaves ``(B, ...)``.
            now: time steps, leaves ``(B, ...)``.
            key: of the actions drawn.
        """
        k_policy, k_random = jax.random.split(key)
        memory, outputs = self.actors.team.step(s.online.agents, memory, now.observation)
        actions = self.actors.action.sample(k_policy, outputs, now.legal)
        random = self.actors.action.random(k_random, now.legal)
        actions = jnp.where(s.replay.filled >= self.first_filled, actions, random)
        return self.actors.team.acted(memory, actions), actions, ()

    def targets(self, online: Weights, target: Weights, drawn: Drawn) -> Float[Array, "T N *X"]:
        """What the critics should say of the actions taken; an agent that has left has no entropy.

        Args:
            online: the weights being trained.
            target: those that follow.
            drawn: N sequences.
        """
        config, rows = self.config, stretches.rows(drawn.rows)
        agents = online.agents if self.actors.stochastic else target.agents
        outputs = self.actors.team.unroll(agents, rows)[1:]
        actions, log_prob = self.actors.drawn(_keys(drawn.keys, 0), outputs, for_target=True)
        bootstrap = self.critics.values(target.critics, rows.after, actions).min(0)
        price = jnp.exp(online.log_alpha) * jnp.where(rows.after.active, log_prob, 0.0)
        bootstrap -= price.sum(-1) if self.critics.of_team else price
        step = self._transitions(rows)
        ends = (step.terminated, step.over, config.gamma)
        return targets.n_step(step.reward, bootstrap, *ends, config.n_step)

    def critic_loss(
        self, trained: Parameters, constants: tuple[Weights, Weights], drawn: Drawn
    ) -> tuple[Float[Array, ""], Metrics]:
        """Squared errors of all critics.

        Args:
            trained: the critics' weights.
            constants: all weights, and those that follow them.
            drawn: N sequences.
        """
        rows = stretches.rows(drawn.rows)
        target = self.targets(*constants, drawn)
        values = self.critics.values(trained, rows.before, self.actors.action.encode(rows.actions))
        mask = self._transitions(rows).mask.astype(jnp.float32)
        error = values - target
        cost = masked_mean(jnp.square(error).sum(0), mask)
        metrics = {"value_loss": cost, "q_value": masked_mean(values.mean(0), mask)}
        return cost, metrics | {"td_error": masked_mean(jnp.abs(error).mean(0), mask)}

    def actor_loss(
        self,
        trained: tuple[Parameters, Float[Array, "A"]],
        constants: tuple[Parameters, Bool[Array, "A"]],
        drawn: Drawn,
    ) -> tuple[Float[Array, ""], Metrics]:
        """What the critics say of the actions that agents would take, less their entropy; and the alphas'.

        Args:
            trained: weights of the agents, and logarithms of their alphas.
            constants: weights of the critics, and who learns, ``(A,)``.
            drawn: N sequences.
        """
        config, rows = self.config, stretches.rows(drawn.rows)
        (agents, log_alpha), (critic, learns) = trained, constants
        outputs = self.actors.team.unroll(agents, rows)[:-1]
        unit, log_prob = self.actors.drawn(_keys(drawn.keys, 1), outputs)
        unit = jnp.where(learns[:, None], unit, jax.lax.stop_gradient(unit))
        mask = (rows.chosen & learns).astype(jnp.float32)
        value = self.worth(critic, rows, unit)
        metrics = {"policy_loss": -masked_mean(value, mask if value.ndim > 2 else mask.max(-1))}
        if not self.actors.stochastic:
            return metrics["policy_loss"], metrics
        price = jnp.where(mask > 0, jax.lax.stop_gradient(jnp.exp(log_alpha)) * log_prob, 0.0)
        # The team's value is of all agents together, and so is what is paid for their entropy.
        paid = masked_mean(price, mask) if value.ndim > 2 else masked_mean(price.sum(-1), mask.max(-1))
        cost = metrics["policy_loss"] + paid
        if config.lr_alpha:
            lacking = config.target_entropy * self.spec.box.size + jax.lax.stop_gradient(log_prob)
            cost -= masked_mean(log_alpha * lacking, mask)
        entropy = self.actors.action.normalised_entropy(outputs, rows.before.legal)
        metrics |= {"entropy": masked_mean(entropy, mask), "alpha": jnp.exp(log_alpha).mean()}
        return cost, metrics

    def worth(self, critic: Parameters, rows: Rows, unit: Float[Array, "T N A D"]) -> Float[Array, "T N *X"]:
        """Values of actions, through each of which gradients reach the agent that takes it alone.

        Args:
            critic: weights of the critics.
            rows: T transitions of N sequences.
            unit: actions in [-1, 1].
        """
        config, agents = self.config, self.spec.agents
        lowest = lambda x: x.min(0) if self.actors.stochastic else x[0]
        if config.critic != "central" or (self.critics.of_team and config.others == "current"):
            return lowest(self.critics.values(critic, rows.before, unit))
        replayed = config.others == "replay"
        beside = self.actors.action.encode(rows.actions) if replayed else jax.lax.stop_gradient(unit)

        def of_one(agent: Int[Array, ""]) -> Float[Array, "T N"]:
            mine = (jnp.arange(agents) == agent)[:, None]
            value = lowest(self.critics.values(critic, rows.before, jnp.where(mine, unit, beside)))
            return value if self.critics.of_team else value[..., agent]

        return jnp.moveaxis(jax.lax.map(of_one, jnp.arange(agents)), 0, -1)

    def learn(self, s: TrainState, rows: Rows, key: PRNGKeyArray) -> tuple[TrainState, Metrics]:
        """As `core.learner.Learn`; nothing is learnt before replay is filled enough.

        Args:
            s: the training state.
            rows: T transitions of B environments, leaves ``(T+1, B, ...)``.
            key: of this update's randomness.
        """
        config = self.config
        ring = replay.add(s.replay, stretches.cut(rows, config.row_length, self.example, self.keeps_state))
        s = s._replace(replay=ring, env_steps=s.env_steps + rows.valid.sum())
        ready = ring.filled >= self.first_filled
        learnt = (s.online, s.target, s.optimisers, s.gradient_steps)
        step = lambda learnt, key: self.gradient_step(learnt, ring, s.env_steps, key)
        keys = jax.random.split(key, config.gradient_steps)
        learnt, metrics = steps_once(ready, step, learnt, keys)
        online, target, optimisers, count = learnt
        return TrainState(online, target, optimisers, ring, s.env_steps, count), metrics

    def gradient_step(
        self, learnt: tuple[Any, ...], ring: replay.Replay, env_steps: Int[Array, ""], key: PRNGKeyArray
    ) -> tuple[tuple[Any, ...], Metrics]:
        """One gradient step of the critics and, every ``policy_delay`` ones, of the agents.

        Args:
            learnt: weights, those that follow, optimisers, and gradient steps so far, as in `TrainState`.
            ring: replay.
            env_steps: environment steps so far.
            key: of the sequences drawn, and of the agents' chance.
        """
        config, (online, target, (of_actors, of_critics), count) = self.config, learnt
        k_batch, k_chance = jax.random.split(key)
        many = config.batch_size // config.row_length
        drawn = Drawn(replay.sample(ring, k_batch, many), jax.random.split(k_chance, many))
        trained, of_critics, metrics = self.critic_descent.step(
            online.critics, of_critics, (online, target), drawn, env_steps
        )
        online = online._replace(critics=trained)

        def act(actors: tuple[Any, Any]) -> tuple[tuple[Any, Any], Metrics]:
            if config.in_turn:
                order = jax.random.permutation(jax.random.fold_in(key, 2), self.spec.agents)
                one = lambda actors, agent: self._actor_step(actors, online, agent, drawn, env_steps)
                actors, metrics = jax.lax.scan(one, actors, order)
                return actors, jax.tree.map(lambda x: x.mean(0), metrics)
            return self._actor_step(actors, online, None, drawn, env_steps)

        def wait(actors: tuple[Any, Any]) -> tuple[tuple[Any, Any], Metrics]:
            everyone = jnp.ones(self.spec.agents, bool)
            return actors, self.actor_loss(actors[0], (trained, everyone), drawn)[1]

        now = count % config.policy_delay == 0
        (moved, of_actors), more = jax.lax.cond(now, act, wait, (online[:2], of_actors))
        online = Weights(moved[0], moved[1], trained)
        following = optax.incremental_update(online, target, config.tau)
        return (online, following, (of_actors, of_critics), count + 1), {**metrics, **more}

    def _actor_step(
        self, actors: tuple[Any, Any], online: Weights, agent: Any, drawn: Drawn, env_steps: Array
    ) -> tuple[tuple[Any, Any], Metrics]:
        """A gradient step of all agents, or of one alone."""
        everyone = jnp.arange(self.spec.agents)
        learns = everyone >= 0 if agent is None else everyone == agent
        weights, state = actors
        *changed, metrics = self.actor_descent.step(
            weights, state, (online.critics, learns), drawn, env_steps
        )
        return (tuple(changed) if agent is None else where(learns, tuple(changed), actors)), metrics

    def _transitions(self, rows: Rows) -> Transitions:
        return (
            rows.of_team(self.spec) if self.critics.of_team else rows.of_agents(self.spec, self.config.reward)
        )

    def policy(self) -> Policy:
        """Decentralised: each agent gives its own numbers."""
        action = self.actors.action
        return self.actors.team.policy(action.choose, action.shown, self.actors.portable)


def _keys(keys: PRNGKeyArray, purpose: int) -> PRNGKeyArray:
    return jax.vmap(lambda key: jax.random.fold_in(key, purpose))(keys)


def build(config: OffPolicyConfig, env: Environment) -> Learner:
    """An off-policy actor-critic for an environment; see `Learner` for the functions.

    Args:
        config: its settings.
        env: with a Box.

    Raises:
        UserError: discrete actions; agents that remember, with rows cut shorter than what is collected.
    """
    own = OffPolicy(config, env)
    return Learner(
        policy=own.policy(),
        source=Rollout(config.num_envs, config.num_steps, own.explore),
        init=own.init,
        learn=own.learn,
        execution=lambda s: s.online.agents,
        weights=lambda s: s.online,
        start_from=lambda s, w: s._replace(online=w, target=w, optimisers=own.fresh(w)),
    )
