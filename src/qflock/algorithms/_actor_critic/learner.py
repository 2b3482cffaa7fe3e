"""The actor-critic of all our policy-gradient learners: A2C or PPO, with the pieces of QIO as settings.

``a2c``, ``ippo``, ``mappo`` and ``qio`` are this learner with other settings; a small file each names
them. Sources: Mnih et al. 2016 (A2C), Schulman et al. 2017 (PPO), de Witt et al. 2020 (IPPO), Yu et al.
2022 (MAPPO); QIO's operator, entropy weight and guidance are in `amplitude`, `entropy` and `cliques`.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.algorithms._actor_critic import amplitude, cliques
from qflock.algorithms._actor_critic.config import ActorCriticConfig
from qflock.core.types import (
    Environment,
    Learner,
    Memory,
    Metrics,
    Mode,
    Parameters,
    Rows,
    TimeStep,
    team_reward,
)
from qflock.learning import advantages, categorical, entropy, optimiser
from qflock.learning.advantages import Scale, masked_mean
from qflock.networks import agents as agents_of
from qflock.networks import by_name, critics
from qflock.playing import rollout


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


class Batch(NamedTuple):
    """What gradient steps learn from: rows and, of each action taken, ``(T, B, A)``."""

    rows: Rows
    weight: Float[Array, "T B A"]  # 0 where no action was taken
    advantage: Float[Array, "T B A"]
    aim: Float[Array, "T B A"]  # what the critic should say
    said: Float[Array, "T B A"]  # what it said


def build(config: ActorCriticConfig, env: Environment) -> Learner:
    """An actor-critic for an environment; see `Learner` for the functions."""
    spec = env.spec
    clipped = config.update == "ppo"
    epochs, parts = (config.epochs, config.minibatches) if clipped else (1, 1)
    actor_steps, critic_steps = optimiser.build(config), optimiser.build(replace(config, lr=config.lr_critic))
    controller = entropy.make(
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
    settings = {
        "circuit": config.circuit_settings(),
        "layer_norm": config.layer_norm,
        "orthogonal": config.orthogonal,
    }

    def make_network(features: int, key: PRNGKeyArray) -> Any:
        return by_name.make(config.network, features, spec.actions, key, hidden=config.hidden, **settings)

    def make_critic(features: int, outputs: int, key: PRNGKeyArray) -> Any:
        return by_name.make(
            config.critic_network,
            features,
            outputs,
            key,
            hidden=config.critic_hidden,
            head_gain=1.0,
            **settings,
        )

    shape = {"shared": config.share_parameters, "stage": config.input_stage}
    team = agents_of.build(spec, make_network, **shape, groups=config.groups, last_action=config.last_action)
    critic = critics.build(spec, make_critic, config.critic, **shape)
    action_critic = critics.build(spec, make_critic, "observation", spec.actions, **shape)
    rotates = config.operator == "rotation"
    if config.ramsey:
        choose_explorers = cliques.chooser(
            spec.agents, config.entropy_threshold, config.clique_size, config.clique_weight
        )

    def init(key: PRNGKeyArray) -> TrainState:
        k_agents, k_critic, k_actions = jax.random.split(key, 3)
        weights = Weights(
            team.init(k_agents), critic.init(k_critic), action_critic.init(k_actions) if rotates else ()
        )
        everyone = jnp.ones(spec.agents, bool)
        return TrainState(weights, fresh(weights), Scale.start(), controller.init(), everyone, jnp.int32(0))

    def fresh(weights: Weights) -> tuple[Any, Any]:
        return actor_steps.init(weights.agents), critic_steps.init(weights[1:])

    def decide(outputs: Float[Array, "*X U"], legal: Bool[Array, "*X U"]) -> amplitude.Amplified:
        """The policy that agents act with: its log-probabilities, and where the entropy floor acted."""
        if config.operator == "mean":
            return amplitude.apply(
                outputs, legal, config.eta, config.min_entropy, config.inverse_temperature, config.floor
            )
        logs = categorical.log_probabilities(outputs, legal)
        return amplitude.Amplified(logs, jnp.zeros(logs.shape[:-1], bool))

    def explore(
        s: TrainState, memory: Memory, now: TimeStep, key: PRNGKeyArray
    ) -> tuple[Memory, Int[Array, "B A"], Float[Array, "B A"]]:
        memory, outputs = team.step(s.weights.agents, memory, now.observation)
        logits = decide(outputs, now.legal).logits
        actions = categorical.sample(key, logits, now.legal)
        return team.acted(memory, actions), actions, categorical.log_prob(logits, now.legal, actions)

    def turned(
        weights: Weights, logs: Float[Array, "T B A U"], legal: Array, rows: Rows
    ) -> amplitude.Amplified:
        """The target of the operator rotation: good actions are those valued above the policy's mean."""
        values = action_critic.values(weights.actions, rows)[:-1]
        mean = (jnp.where(legal, jnp.exp(logs), 0.0) * values).sum(-1, keepdims=True)
        target = amplitude.rotation(logs, legal, values > mean, config.rotation_turns, config.rotation_limit)
        return jax.lax.stop_gradient(amplitude.entropy_floor(target, legal, config.min_entropy))

    def actor_loss(
        agents: Parameters, weights: Weights, batch: Batch, alpha: Float[Array, "A"]
    ) -> tuple[Float[Array, ""], Metrics]:
        rows, legal = batch.rows, batch.rows.timestep.legal[:-1]
        logits, floored = decide(team.unroll(agents, rows)[:-1], legal)
        mean = lambda x: masked_mean(x, batch.weight)
        change = categorical.log_prob(logits, legal, rows.actions) - rows.extras
        change = jnp.where(batch.weight > 0, change, 0.0)
        ratio = jnp.exp(change)
        near = jnp.clip(ratio, 1 - config.clip, 1 + config.clip)
        if clipped:
            gain = jnp.minimum(ratio * batch.advantage, near * batch.advantage)
        else:
            gain = change * batch.advantage
        cost = policy_loss = -mean(gain)
        cost -= mean(alpha * categorical.entropy(logits, legal))
        told = {"policy_loss": policy_loss}
        if rotates:
            target, floored = turned(weights, jax.lax.stop_gradient(logits), legal, rows)
            drawn = mean(categorical.kl(target, logits, legal))
            cost += config.rotation_weight * drawn
            told["rotation_kl"] = drawn
        share = categorical.normalised_entropy(logits, legal)
        each = batch.weight.sum((0, 1))
        told["entropy"] = mean(share)
        told["entropies"] = (share * batch.weight).sum((0, 1)) / jnp.maximum(each, 1)
        told["approx_kl"] = mean(ratio - 1 - change)
        told["clip_share"] = mean((near != ratio).astype(jnp.float32))
        told["floor_share"] = mean(floored.astype(jnp.float32))
        return cost, told

    def critic_loss(trained: tuple[Parameters, Parameters], batch: Batch) -> tuple[Float[Array, ""], Metrics]:
        value = critic.values(trained[0], batch.rows)[:-1, ..., 0]
        error = jnp.square(value - batch.aim)
        if config.value_clip:
            near = batch.said + jnp.clip(value - batch.said, -config.value_clip, config.value_clip)
            error = jnp.maximum(error, jnp.square(near - batch.aim))
        cost = told = masked_mean(error, batch.weight)
        if rotates:
            values = action_critic.values(trained[1], batch.rows)[:-1]
            value = jnp.take_along_axis(values, batch.rows.actions[..., None], -1)[..., 0]
            cost += masked_mean(jnp.square(value - batch.aim), batch.weight)
        return cost, {"value_loss": told}

    def judge(s: TrainState, rows: Rows) -> tuple[Batch, Scale]:
        """Advantages and what the critic should learn, in units of the new scale."""
        later = jax.tree.map(lambda x: x[1:], rows.timestep)
        value = critic.values(s.weights.critic, rows)[..., 0]
        value = s.scale.restore(value) if config.normalise_values else value
        spread = lambda x: jnp.broadcast_to(x[..., None], value[1:].shape)
        own = config.reward == "own" and not spec.shared_reward
        reward = later.reward if own else spread(team_reward(spec, later.reward))
        gain = advantages.gae(
            reward, value, spread(later.terminated), spread(later.over), config.gamma, config.gae_lambda
        )
        weight = (rows.valid[..., None] & rows.timestep.active[:-1]).astype(jnp.float32)
        aim, said, scale = gain + value[:-1], value[:-1], s.scale
        if config.normalise_values:
            scale = scale.update(aim, weight)
            aim, said = scale.normalise(aim), scale.normalise(said)
        gain = advantages.standardise(gain, weight) if config.normalise_advantages else gain
        return Batch(rows, weight, gain, aim, said), scale

    def of_copies(batch: Batch, which: Int[Array, "N"]) -> Batch:
        """Part of a batch: some copies, whole in time."""
        rest = jax.tree.map(lambda x: x[:, which], batch._replace(rows=()))
        return rest._replace(rows=rollout.of_copies(batch.rows, which))

    def learn(s: TrainState, rows: Rows, key: PRNGKeyArray) -> tuple[TrainState, Metrics]:
        state = rows.timestep.state if config.critic != "observation" else rows.timestep.state[..., :0]
        rows = rows._replace(timestep=rows.timestep._replace(state=state, measures={}))
        batch, scale = judge(s, rows)
        env_steps = s.env_steps + rows.valid.sum()
        whole = controller.alpha(s.entropy)
        alpha = jnp.where(s.explorers, whole, jnp.minimum(whole, config.alpha_min))

        def step(carry: tuple[Weights, Any], which: Int[Array, "N"]) -> tuple[tuple[Weights, Any], Metrics]:
            weights, (actor_state, critic_state) = carry
            part = batch if parts == 1 else of_copies(batch, which)
            gradient, told = jax.grad(actor_loss, has_aux=True)(weights.agents, weights, part, alpha)
            agents, actor_state = actor_steps.step(gradient, actor_state, weights.agents, env_steps)
            trained = (weights.critic, weights.actions)
            gradient, more = jax.grad(critic_loss, has_aux=True)(trained, part)
            trained, critic_state = critic_steps.step(gradient, critic_state, trained, env_steps)
            return (Weights(agents, *trained), (actor_state, critic_state)), {**told, **more}

        copies = rows.valid.shape[1]
        orders = jax.vmap(lambda k: jax.random.permutation(k, copies))(jax.random.split(key, epochs))
        orders = orders.reshape(epochs * parts, copies // parts)
        (weights, optimisers), metrics = jax.lax.scan(step, (s.weights, s.optimisers), orders)
        metrics = jax.tree.map(lambda x: x.mean(0), metrics)
        entropies, explorers = metrics.pop("entropies"), s.explorers
        metrics["alpha"] = whole
        if config.operator != "none":
            metrics["entropy_floor"] = jnp.float32(config.min_entropy)
        if config.ramsey:
            explorers, told = choose_explorers(entropies)
            metrics |= told
        if config.contraction:
            metrics |= contraction(s.weights, rows)
        controlled = controller.update(s.entropy, metrics["entropy"])
        return TrainState(weights, optimisers, scale, controlled, explorers, env_steps), metrics

    def contraction(weights: Weights, rows: Rows) -> Metrics:
        """Ratios of distances between policies before and after the operator, at all rows' observations."""
        legal = rows.timestep.legal[:-1]
        before = categorical.log_probabilities(team.unroll(weights.agents, rows)[:-1], legal)
        after = turned(weights, before, legal, rows) if rotates else decide(before, legal)
        flat = lambda x: x.reshape(-1, spec.actions)
        return amplitude.lipschitz(flat(before), flat(after.logits), flat(legal))

    def act(
        parameters: Parameters,
        agent: Int[Array, ""],
        memory: Memory,
        observation: Array,
        legal: Array,
        key: PRNGKeyArray,
        mode: Mode = "greedy",
    ) -> tuple[Memory, Int[Array, ""]]:
        memory, outputs = team.one(parameters, agent, memory, observation)
        action = categorical.choose(key, decide(outputs, legal).logits, legal, mode)
        return team.acted(memory, action), action

    def values(
        parameters: Parameters, agent: Int[Array, ""], memory: Memory, observation: Array
    ) -> Float[Array, "U"]:
        outputs = team.one(parameters, agent, memory, observation)[1]
        return decide(outputs, jnp.ones(spec.actions, bool)).logits

    return Learner(
        copies=config.copies,
        steps=config.steps,
        init=init,
        explore=explore,
        learn=learn,
        policy=lambda s: s.weights.agents,
        act=act,
        memory=team.memory,
        values=values,
        weights=lambda s: s.weights,
        start_from=lambda s, w: s._replace(weights=w, optimisers=fresh(w)),
    )
