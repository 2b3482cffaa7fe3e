"""The actor-critic of all our policy-gradient learners: A2C or PPO, with the pieces of QIO as settings.

``a2c``, ``ippo``, ``mappo`` and ``qio`` are this learner with other settings; a small file each names
them. Sources: Mnih et al. 2016 (A2C), Schulman et al. 2017 (PPO), de Witt et al. 2020 (IPPO), Yu et al.
2022 (MAPPO); QIO's operator, entropy weight and guidance are in `learning.amplitude`,
`learning.entropy` and `cliques`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.algorithms._actor_critic import cliques
from qflock.algorithms._actor_critic.batch import AXES, Batch, of_envs
from qflock.algorithms._actor_critic.config import ActorCriticConfig
from qflock.algorithms._actor_critic.operators import Operators
from qflock.core.environment import Environment
from qflock.core.learner import Learner, Policy, Rollout
from qflock.core.steps import Actions, Memory, Metrics, Mode, Parameters, Rows, TimeStep
from qflock.learning import advantages, categorical, entropy, groups, losses, optimiser, stretches
from qflock.learning.advantages import Scale
from qflock.learning.descend import descend, epochs, masked_mean
from qflock.networks import agents as agents_of
from qflock.networks import by_name, circuit, critics


class Weights(NamedTuple):
    """Everything that gradients train. ``actions`` is the action-value critic of the operator rotation."""

    agents: Parameters
    critic: Parameters
    actions: Parameters


class TrainState(NamedTuple):
    """Everything learning needs to go on."""

    weights: Weights
    optimisers: tuple[Any, Any]  # of the agents, of both critics
    scale: Scale
    entropy: entropy.State
    explorers: Bool[Array, "A"]  # who gets alpha; the others get alpha_min
    env_steps: Int[Array, ""]


class ActorCritic:
    """An actor-critic for an environment; all methods are pure."""

    def __init__(self, config: ActorCriticConfig, env: Environment) -> None:
        spec = env.spec
        self.config, self.spec = config, spec
        self.clipped = config.update == "ppo"
        shape = {"shared": config.share_parameters, "stage": config.input_stage}
        self.team = agents_of.build(
            spec, self._actor, **shape, groups=config.groups, last_action=config.last_action
        )
        self.critic = critics.build(spec, self._critic, config.critic, **shape)
        self.action_critic = critics.build(spec, self._critic, "observation", spec.actions, **shape)
        self.operators = Operators(config, self.team, self.action_critic)
        self.controller = entropy.make(
            config.entropy,
            config.alpha0,
            config.alpha_min,
            config.alpha_decay,
            alpha_max=config.alpha_max,
            rate=config.target_rate,
            target_start=config.target_start,
            target_end=config.target_end,
            target_clock=config.target_clock,
        )
        if config.ramsey:
            self.choose_explorers = cliques.chooser(
                spec.agents, config.entropy_threshold, config.clique_size, config.clique_weight
            )
        self.actor_descent = descend(self.actor_loss, optimiser.build(config), AXES)
        critic_steps = optimiser.build(replace(config, lr=config.lr_critic))
        self.critic_descent = descend(self.critic_loss, critic_steps, AXES)

    def _network(
        self, name: str, features: int, outputs: int, key: PRNGKeyArray, circuit: Any = None, **more: Any
    ) -> Any:
        config = self.config
        return by_name.make(
            name,
            features,
            outputs,
            key,
            {**config.circuit_settings(), **(circuit or {})},
            layer_norm=config.layer_norm,
            orthogonal=config.orthogonal,
            **more,
        )

    def _actor(self, features: int, key: PRNGKeyArray) -> Any:
        hidden = self.config.hidden
        return self._network(self.config.network, features, self.spec.actions, key, hidden=hidden)

    def _critic(self, features: int, outputs: int, key: PRNGKeyArray) -> Any:
        config, born = self.config, self.config.circuit_head == "born"  # a value is no chance
        more = {
            "hidden": config.critic_hidden,
            "head_gain": 1.0,
            "circuit": {"head": "scale"} if born else {},
        }
        return self._network(config.critic_network, features, outputs, key, **more)

    def init(self, key: PRNGKeyArray) -> TrainState:
        k_agents, k_critic, k_actions = jax.random.split(key, 3)
        of_actions = circuit.apart(self.action_critic.init(k_actions), 3) if self.operators.rotates else ()
        weights = Weights(self.team.init(k_agents), self.critic.init(k_critic), of_actions)
        groups.refuse_missing(self.config, weights)
        everyone = jnp.ones(self.spec.agents, bool)
        start = (Scale.start(), self.controller.init(), everyone, jnp.int32(0))
        return TrainState(weights, self.fresh(weights), *start)

    def fresh(self, weights: Weights) -> tuple[Any, Any]:
        """States of both optimisers."""
        return self.actor_descent.init(weights.agents), self.critic_descent.init(weights[1:])

    def explore(
        self, s: TrainState, memory: Memory, now: TimeStep, key: PRNGKeyArray
    ) -> tuple[Memory, Actions, Float[Array, "B A"]]:
        """As `core.learner.Explore`; keeps the log-probabilities of the actions.

        Args:
            s: the training state.
            memory: the teams', leaves ``(B, ...)``.
            now: time steps, leaves ``(B, ...)``.
            key: of the actions drawn.
        """
        memory, outputs = self.team.step(s.weights.agents, memory, now.observation)
        logits = self.operators.decide(outputs, now.legal).logits
        actions = categorical.sample(key, logits, now.legal)
        return self.team.acted(memory, actions), actions, categorical.log_prob(logits, now.legal, actions)

    def actor_loss(
        self, agents: Parameters, constants: tuple[Weights, Float[Array, "A"]], batch: Batch
    ) -> tuple[Float[Array, ""], Metrics]:
        """Policy gradient or PPO's surrogate, the entropy bonus, and what the rotation draws towards.

        Args:
            agents: what is trained.
            constants: all weights, and the entropy weight of each agent, ``(A,)``.
            batch: T transitions of B environments.
        """
        (weights, alpha), config = constants, self.config
        rows, legal = batch.rows, batch.rows.timestep.legal[:-1]
        logits, floored = self.operators.decide(self.team.unroll(agents, rows)[:-1], legal)
        mean = lambda x: masked_mean(x, batch.mask)
        log_ratio = categorical.log_prob(logits, legal, rows.actions) - rows.extras
        log_ratio = jnp.where(batch.mask > 0, log_ratio, 0.0)
        if self.clipped:
            surrogate = losses.clipped_surrogate(log_ratio, batch.advantage, config.clip)
        else:
            surrogate = log_ratio * batch.advantage
        cost = policy_loss = -mean(surrogate)
        cost -= mean(alpha * categorical.entropy(logits, legal))
        metrics = {"policy_loss": policy_loss}
        if self.operators.rotates:
            target, floored = self.operators.turned(
                weights.actions, jax.lax.stop_gradient(logits), legal, rows
            )
            metrics["rotation_kl"] = mean(categorical.kl(target, logits, legal))
            cost += config.rotation_weight * metrics["rotation_kl"]
        each = categorical.normalised_entropy(logits, legal)
        metrics["entropy"] = mean(each)
        metrics["entropies"] = masked_mean(each, batch.mask, (0, 1))
        metrics["approx_kl"] = mean(losses.approximate_kl(log_ratio))
        metrics["clip_share"] = mean(losses.is_clipped(log_ratio, config.clip).astype(jnp.float32))
        metrics["floor_share"] = mean(floored.astype(jnp.float32))
        return cost, metrics

    def critic_loss(
        self, trained: tuple[Parameters, Parameters], constants: tuple[()], batch: Batch
    ) -> tuple[Float[Array, ""], Metrics]:
        """Of the critic and, for the rotation, of the action-value critic.

        Args:
            trained: weights of the critic and of the action-value critic.
            constants: none.
            batch: T transitions of B environments.
        """
        value = self.critic.values(trained[0], batch.rows)[:-1, ..., 0]
        error = losses.value_loss(value, batch.target, batch.old_value, self.config.value_clip)
        cost = of_values = masked_mean(error, batch.trained)
        if self.operators.rotates:
            values = self.action_critic.values(trained[1], batch.rows)[:-1]
            value = jnp.take_along_axis(values, batch.rows.actions[..., None], -1)[..., 0]
            cost += masked_mean(losses.value_loss(value, batch.target), batch.mask)
        return cost, {"value_loss": of_values}

    def judge(self, s: TrainState, rows: Rows) -> tuple[Batch, Scale]:
        """Advantages and what the critic should learn, in units of the new scale.

        Args:
            s: the training state.
            rows: T transitions of B environments, leaves ``(T+1, B, ...)``.
        """
        config, each = self.config, rows.of_agents(self.spec, self.config.reward)
        value = self.critic.values(s.weights.critic, rows)[..., 0]
        value = s.scale.restore(value) if config.normalise_values else value
        advantage = advantages.gae(
            each.reward, value, each.terminated, each.over, config.gamma, config.gae_lambda
        )
        mask, trained = rows.chosen.astype(jnp.float32), each.mask.astype(jnp.float32)
        target, old_value, scale = advantage + value[:-1], value[:-1], s.scale
        if config.normalise_values:
            scale = scale.update(target, trained)
            target, old_value = scale.normalise(target), scale.normalise(old_value)
        if config.normalise_advantages:
            advantage = advantages.standardise(advantage, mask)
        return Batch(rows, mask, trained, advantage, target, old_value), scale

    def learn(self, s: TrainState, rows: Rows, key: PRNGKeyArray) -> tuple[TrainState, Metrics]:
        """As `core.learner.Learn`.

        Args:
            s: the training state.
            rows: T transitions of B environments, leaves ``(T+1, B, ...)``.
            key: of this update's randomness.
        """
        config = self.config
        rows = rows._replace(timestep=stretches.kept(rows.timestep, config.critic != "observation"))
        batch, scale = self.judge(s, rows)
        env_steps = s.env_steps + rows.valid.sum()
        whole = self.controller.alpha(s.entropy)
        alpha = jnp.where(s.explorers, whole, jnp.minimum(whole, config.alpha_min))
        passes, parts = (config.epochs, config.minibatches) if self.clipped else (1, 1)

        def step(carry: tuple[Weights, Any], which: Int[Array, "N"]) -> tuple[tuple[Weights, Any], Metrics]:
            weights, (actor_state, critic_state) = carry
            part = batch if parts == 1 else of_envs(batch, which)
            agents, actor_state, metrics = self.actor_descent.step(
                weights.agents, actor_state, (weights, alpha), part, env_steps
            )
            trained, critic_state, more = self.critic_descent.step(
                (weights.critic, weights.actions), critic_state, (), part, env_steps
            )
            return (Weights(agents, *trained), (actor_state, critic_state)), {**metrics, **more}

        orders = epochs(key, rows.valid.shape[1], passes, parts)
        (weights, optimisers), metrics = jax.lax.scan(step, (s.weights, s.optimisers), orders)
        metrics = jax.tree.map(lambda x: x.mean(0), metrics)
        entropies, explorers = metrics.pop("entropies"), s.explorers
        metrics["alpha"] = whole
        if config.operator != "none":
            metrics["entropy_floor"] = jnp.float32(config.min_entropy)
        chose = batch.mask.any((0, 1))  # whoever had nothing to choose moves no controller
        if config.ramsey:
            chosen, of_guidance = self.choose_explorers(entropies)
            explorers = jnp.where(chose, chosen, explorers)
            metrics |= of_guidance
        if config.contraction:
            metrics |= self.operators.contraction(s.weights.agents, s.weights.actions, rows)
        controlled = self.controller.update(s.entropy, metrics["entropy"])
        controlled = jax.tree.map(lambda new, old: jnp.where(chose.any(), new, old), controlled, s.entropy)
        return TrainState(weights, optimisers, scale, controlled, explorers, env_steps), metrics

    def _choose(
        self, key: PRNGKeyArray, outputs: Float[Array, "U"], legal: Bool[Array, "U"], mode: Mode
    ) -> Actions:
        return categorical.choose(key, self.operators.decide(outputs, legal).logits, legal, mode)

    def _show(self, outputs: Float[Array, "U"]) -> Float[Array, "U"]:
        return self.operators.decide(outputs, jnp.ones(self.spec.actions, bool)).logits

    def policy(self) -> Policy:
        """Decentralised: each agent acts by its own logits, after the operator."""
        policy = self.team.policy(self._choose, self._show, self.operators.choice())
        if self.config.operator != "temperature" or policy.portable is None:
            return policy
        return policy._replace(
            portable=policy.portable._replace(described=False)
        )  # exports have no such choice


def build(config: ActorCriticConfig, env: Environment) -> Learner:
    """An actor-critic for an environment; see `Learner` for the functions.

    Args:
        config: its settings.
        env: with discrete actions.
    """
    own = ActorCritic(config, env)
    return Learner(
        policy=own.policy(),
        source=Rollout(config.num_envs, config.num_steps, own.explore),
        init=own.init,
        learn=own.learn,
        execution=lambda s: s.weights.agents,
        weights=lambda s: s.weights,
        start_from=lambda s, w: s._replace(weights=w, optimisers=own.fresh(w)),
    )
