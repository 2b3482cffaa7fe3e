"""eQMARL: an actor-critic whose joint critic is a circuit with entangled agents, or a dense network.

The published learner is a multi-agent A2C with one update an episode and one-step advantages on the team
reward. Three of its properties are settings, for they decide whether its curves are met: the critic's
gradient also flows through the next value (``td_gradient``), the entropy of the last agent alone counts,
with its sign inverted (``entropy_form``), and the clock's end counts as the task's (``end``). Source:
DeRieux & Saad, "eQMARL: Entangled quantum multi-agent reinforcement learning", ICLR 2025.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.algorithms.eqmarl import joint_critics
from qflock.algorithms.eqmarl.config import EqmarlConfig
from qflock.core.errors import UserError
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
from qflock.learning import categorical
from qflock.learning.advantages import masked_mean


@dataclass(frozen=True)
class Config(EqmarlConfig):
    """The published learner with an entangled critic."""


class Weights(NamedTuple):
    """Everything that is trained."""

    actor: Parameters
    critic: Parameters


class TrainState(NamedTuple):
    """Everything learning needs to go on."""

    weights: Weights
    optimiser: Any


def build(config: EqmarlConfig, env: Environment) -> Learner:
    """An actor-critic for an environment; see `Learner` for the functions.

    Raises:
        UserError: Bell pairs for other than two agents, or a circuit that is too large.
    """
    spec = env.spec
    if config.critic == "entangled" and config.bell != "none" and spec.agents != 2:
        raise UserError(
            f"bell {config.bell} is shared by two agents; {spec.name} has {spec.agents}: take bell none or "
            "another critic"
        )
    width = config.hidden[0]
    quantum = config.critic in ("entangled", "circuit")
    actor_kind = config.actor if config.actor != "auto" else "circuit" if quantum else "dense"
    encoding = joint_critics.encoding_of(config.encoding, spec.observation, config.qubits)
    dense = {"width": width, "reads_planes": config.encoding == "planes"}
    circuits = {
        "qubits": config.qubits,
        "layers": config.layers,
        "encoding": encoding,
        "entanglement": config.entanglement,
    }
    adam = optax.scale_by_adam(eps=config.adam_eps)

    def init(key: PRNGKeyArray) -> TrainState:
        k_actor, k_critic = jax.random.split(key)
        if actor_kind == "circuit":
            actor = joint_critics.CircuitActor(spec.observation, spec.actions, key=k_actor, **circuits)
        else:
            actor = joint_critics.DenseActor(spec.observation, spec.actions, key=k_actor, **dense)
        weights = Weights(actor, make_critic(k_critic))
        return TrainState(weights, adam.init(weights))

    def make_critic(key: PRNGKeyArray) -> Any:
        sizes = (spec.observation, spec.agents)
        if config.critic == "entangled":
            start = joint_critics.start_of(config.bell)
            return joint_critics.CircuitCritic(
                *sizes, key=key, partitions=spec.agents, start=start, **circuits
            )
        if config.critic == "circuit":
            return joint_critics.CircuitCritic(*sizes, key=key, partitions=1, start="plus", **circuits)
        return joint_critics.DenseCritic(*sizes, key=key, split=config.critic == "split", **dense)

    def rates(weights: Weights) -> Any:
        """Adam's step size of each leaf; 0 for what is fixed."""

        def of(path: Any, leaf: Array) -> float:
            name = getattr(path[-1], "name", "")
            if name == "angles":
                return 0.0 if config.frozen else config.lr_angles
            if name == "weights":
                return 0.0 if config.frozen or encoding == "linear" else config.lr_scales
            return config.lr_scales if name == "scale" else config.lr

        return jax.tree_util.tree_map_with_path(of, weights)

    def seen(observation: Array) -> Float[Array, "*X O"]:
        return observation.astype(jnp.float32) / spec.observation_scale

    def logits_of(actor: Any, observation: Array) -> Float[Array, "*X A U"]:
        flat = seen(observation).reshape(-1, spec.observation)
        return jax.vmap(actor)(flat).reshape(*observation.shape[:-1], spec.actions)

    def values_of(critic: Any, observation: Array) -> Float[Array, "*X"]:
        flat = seen(observation).reshape(-1, spec.agents, spec.observation)
        return jax.vmap(critic)(flat).reshape(observation.shape[:-2])

    def explore(
        s: TrainState, memory: Memory, now: TimeStep, key: PRNGKeyArray
    ) -> tuple[Memory, Int[Array, "B A"], Any]:
        logits = logits_of(s.weights.actor, now.observation)
        return memory, categorical.sample(key, logits, now.legal), ()

    def critic_loss(critic: Any, rows: Rows) -> tuple[Float[Array, ""], tuple[Array, Array]]:
        """Huber loss of one-step errors, summed over a copy's steps; the errors and values too."""
        later = jax.tree.map(lambda x: x[1:], rows.timestep)
        value = values_of(critic, rows.timestep.observation)
        ended = later.terminated | later.truncated if config.end == "terminal" else later.terminated
        aim = team_reward(spec, later.reward) + config.gamma * jnp.where(ended, 0.0, value[1:])
        if config.td_gradient == "semi":
            aim = jax.lax.stop_gradient(aim)
        cost = optax.losses.huber_loss(value[:-1], aim)
        return jnp.where(rows.valid, cost, 0.0).sum(0).mean(), (aim - value[:-1], value[:-1])

    def actor_loss(actor: Any, rows: Rows, advantage: Float[Array, "T B"]) -> tuple[Array, Array]:
        """Policy gradient and entropy, averaged over steps and agents; the normalised entropy too."""
        legal = rows.timestep.legal[:-1]
        logits = logits_of(actor, rows.timestep.observation[:-1])
        acted = (rows.valid[..., None] & rows.timestep.active[:-1]).astype(jnp.float32)
        logs = categorical.log_prob(logits, legal, rows.actions)
        cost = -masked_mean(logs * advantage[..., None], acted)
        entropy = categorical.entropy(logits, legal)
        if config.entropy_form == "published":
            cost += config.entropy_weight * masked_mean(entropy[..., -1], acted[..., -1])
        else:
            cost -= config.entropy_weight * masked_mean(entropy, acted)
        return cost, masked_mean(categorical.normalised_entropy(logits, legal), acted)

    def learn(s: TrainState, rows: Rows, key: PRNGKeyArray) -> tuple[TrainState, Metrics]:
        del key
        judge = jax.value_and_grad(critic_loss, has_aux=True)
        (value_loss, (error, value)), by_critic = judge(s.weights.critic, rows)
        advantage = jax.lax.stop_gradient(error)
        improve = jax.value_and_grad(actor_loss, has_aux=True)
        (policy_loss, entropy), by_actor = improve(s.weights.actor, rows, advantage)
        change, optimiser = adam.update(Weights(by_actor, by_critic), s.optimiser)
        step = lambda w, c, lr: w - lr * c
        weights = jax.tree.map(step, s.weights, change, rates(s.weights))
        told = {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy}
        told["td_error"] = masked_mean(jnp.abs(error), rows.valid)
        told["value"] = masked_mean(value, rows.valid)
        return TrainState(weights, optimiser), told

    def act(
        parameters: Parameters,
        agent: Int[Array, ""],
        memory: Memory,
        observation: Array,
        legal: Array,
        key: PRNGKeyArray,
        mode: Mode = "greedy",
    ) -> tuple[Memory, Int[Array, ""]]:
        return memory, categorical.choose(key, parameters(seen(observation)), legal, mode)

    def values(
        parameters: Parameters, agent: Int[Array, ""], memory: Memory, observation: Array
    ) -> Float[Array, "U"]:
        return jax.nn.log_softmax(parameters(seen(observation)))

    return Learner(
        copies=config.copies,
        steps=config.steps or spec.horizon + 1,  # (the tick that opens the next episode is one more)
        init=init,
        explore=explore,
        learn=learn,
        policy=lambda s: s.weights.actor,
        act=act,
        memory=lambda: (),
        values=values,
        weights=lambda s: s.weights,
        start_from=lambda s, w: TrainState(w, adam.init(w)),
    )
