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
from qflock.core.environment import Environment
from qflock.core.errors import UserError
from qflock.core.learner import Learner, Rollout
from qflock.core.portable import Portable
from qflock.core.steps import Actions, Memory, Metrics, Mode, Parameters, Rows, TimeStep
from qflock.learning import categorical
from qflock.learning.descend import descend, masked_mean
from qflock.learning.losses import td_loss
from qflock.learning.optimiser import Optimiser
from qflock.machine import mesh
from qflock.playing import execution


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


AXES = Rows(1, 1, 1, 0, 1)  # type: ignore[arg-type]
"""Where the environments' axis is: devices share rows along it."""


class Eqmarl:
    """The actor-critic for an environment; all methods are pure."""

    def __init__(self, config: EqmarlConfig, env: Environment) -> None:
        self.config, self.spec = config, env.spec
        self.encoding = joint_critics.encoding_of(config.encoding, env.spec.observation, config.qubits)
        self.descent = descend(self.loss, self._optimiser(), AXES)

    @property
    def _circuits(self) -> dict[str, Any]:
        config = self.config
        return {
            "qubits": config.qubits,
            "layers": config.layers,
            "encoding": self.encoding,
            "entanglement": config.entanglement,
        }

    @property
    def _dense(self) -> dict[str, Any]:
        return {"width": self.config.hidden[0], "reads_planes": self.config.encoding == "planes"}

    def _actor(self, key: PRNGKeyArray) -> Any:
        sizes, kind = (self.spec.observation, self.spec.actions), self.config.actor
        quantum = self.config.critic in ("entangled", "circuit") if kind == "auto" else kind == "circuit"
        if quantum:
            return joint_critics.CircuitActor(*sizes, key=key, **self._circuits)
        return joint_critics.DenseActor(*sizes, key=key, **self._dense)

    def _critic(self, key: PRNGKeyArray) -> Any:
        sizes, kind = (self.spec.observation, self.spec.agents), self.config.critic
        if kind == "entangled":
            parts = {"partitions": self.spec.agents, "start": joint_critics.start_of(self.config.bell)}
            return joint_critics.CircuitCritic(*sizes, key=key, **parts, **self._circuits)
        if kind == "circuit":
            return joint_critics.CircuitCritic(*sizes, key=key, partitions=1, start="plus", **self._circuits)
        return joint_critics.DenseCritic(*sizes, key=key, split=kind == "split", **self._dense)

    def init(self, key: PRNGKeyArray) -> TrainState:
        k_actor, k_critic = jax.random.split(key)
        weights = Weights(self._actor(k_actor), self._critic(k_critic))
        self._refuse_missing(weights)
        return TrainState(weights, self.descent.init(weights))

    def rates(self, weights: Weights) -> Any:
        """Adam's step size of each leaf; 0 for what is fixed."""
        config = self.config

        def of(path: Any, leaf: Array) -> float:
            name = getattr(path[-1], "name", "")
            if name == "angles":
                return 0.0 if config.frozen else config.lr_angles
            if name == "weights":
                fixed = config.frozen or self.encoding == "linear"
                return 0.0 if fixed else config.lr_input_scaling or config.lr_scales
            return (config.lr_output_scaling or config.lr_scales) if name == "scale" else config.lr

        return jax.tree_util.tree_map_with_path(of, weights)

    def _refuse_missing(self, weights: Weights) -> None:
        """See that there is something to learn in the groups that were given a step size of their own."""
        moving = {str(path[-1]) for path, rate in jax.tree.leaves_with_path(self.rates(weights)) if rate}
        for part, leaf in (("input", ".weights"), ("output", ".scale")):
            if getattr(self.config, f"lr_{part}_scaling") and leaf not in moving:
                raise UserError(f"lr_{part}_scaling is given, but no circuit here has such weights to train")

    def _optimiser(self) -> Optimiser:
        """Adam, with a step size for each sort of parameter."""
        adam = optax.scale_by_adam(eps=self.config.adam_eps)

        def step(gradient: Any, state: Any, weights: Weights, env_steps: Any) -> tuple[Weights, Any]:
            change, state = adam.update(gradient, state)
            return jax.tree.map(lambda w, c, lr: w - lr * c, weights, change, self.rates(weights)), state

        return Optimiser(adam.init, step)

    def features(self, observation: Array) -> Float[Array, "*X O"]:
        """The raw observation, scaled."""
        return observation.astype(jnp.float32) / self.spec.observation_scale

    def logits(self, actor: Any, observation: Array) -> Float[Array, "*X A U"]:
        """Of all agents: one actor serves them.

        Args:
            actor: its weights.
            observation: ``(..., A, O)``.
        """
        flat = self.features(observation).reshape(-1, self.spec.observation)
        return jax.vmap(actor)(flat).reshape(*observation.shape[:-1], self.spec.actions)

    def values(self, critic: Any, observation: Array) -> Float[Array, "*X"]:
        """Of the joint observation.

        Args:
            critic: its weights.
            observation: ``(..., A, O)``.
        """
        flat = self.features(observation).reshape(-1, self.spec.agents, self.spec.observation)
        return jax.vmap(critic)(flat).reshape(observation.shape[:-2])

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
        logits = self.logits(s.weights.actor, now.observation)
        return memory, categorical.sample(key, logits, now.legal), ()

    def critic_loss(self, critic: Any, rows: Rows) -> tuple[Float[Array, ""], tuple[Array, Array]]:
        """Huber loss of one-step errors, summed over an environment's steps; the errors and values too.

        Args:
            critic: its weights.
            rows: T transitions of B environments.
        """
        step, config = rows.of_team(self.spec), self.config
        value = self.values(critic, rows.timestep.observation)
        ended = step.over if config.end == "terminal" else step.terminated
        target = step.reward + config.gamma * jnp.where(ended, 0.0, value[1:])
        if config.td_gradient == "semi":
            target = jax.lax.stop_gradient(target)
        each = jnp.where(step.mask, td_loss(value[:-1] - target, "huber"), 0.0).sum(0)
        count = mesh.total(jnp.float32(each.size))
        return each.sum() / count, (target - value[:-1], value[:-1])

    def actor_loss(self, actor: Any, rows: Rows, advantage: Float[Array, "T B"]) -> tuple[Array, Array]:
        """Policy gradient and entropy, averaged over steps and agents; the normalised entropy too.

        Args:
            actor: its weights.
            rows: T transitions of B environments.
            advantage: ``(T, B)``.
        """
        legal, config = rows.timestep.legal[:-1], self.config
        logits = self.logits(actor, rows.timestep.observation[:-1])
        chosen = rows.chosen.astype(jnp.float32)
        logs = categorical.log_prob(logits, legal, rows.actions)
        cost = -masked_mean(logs * advantage[..., None], chosen)
        entropy = categorical.entropy(logits, legal)
        if config.entropy_form == "published":
            cost += config.entropy_weight * masked_mean(entropy[..., -1], chosen[..., -1])
        else:
            cost -= config.entropy_weight * masked_mean(entropy, chosen)
        return cost, masked_mean(categorical.normalised_entropy(logits, legal), chosen)

    def loss(self, weights: Weights, constants: tuple[()], rows: Rows) -> tuple[Float[Array, ""], Metrics]:
        """Of both; the critic's errors are the actor's advantages.

        Args:
            weights: of both.
            constants: none.
            rows: T transitions of B environments.
        """
        value_loss, (error, value) = self.critic_loss(weights.critic, rows)
        policy_loss, entropy = self.actor_loss(weights.actor, rows, jax.lax.stop_gradient(error))
        metrics = {"policy_loss": policy_loss, "value_loss": value_loss, "entropy": entropy}
        metrics["td_error"] = masked_mean(jnp.abs(error), rows.valid)
        metrics["value"] = masked_mean(value, rows.valid)
        return policy_loss + value_loss, metrics

    def learn(self, s: TrainState, rows: Rows, key: PRNGKeyArray) -> tuple[TrainState, Metrics]:
        """As `core.learner.Learn`.

        Args:
            s: the training state.
            rows: T transitions of B environments, leaves ``(T+1, B, ...)``.
            key: not used.
        """
        del key
        weights, state, metrics = self.descent.step(s.weights, s.optimiser, (), rows, jnp.int32(0))
        return TrainState(weights, state), metrics

    def alone(
        self,
        parameters: Parameters,
        agent: Int[Array, ""],
        memory: Memory,
        observation: Array,
        legal: Array,
        key: PRNGKeyArray,
        mode: Mode = "greedy",
    ) -> tuple[Memory, Actions]:
        """As `core.learner.Alone`.

        Args:
            parameters: the actor's.
            agent: its index; not used.
            memory: none.
            observation: its own, ``(O,)``.
            legal: its mask of legal actions, ``(U,)``.
            key: of its own randomness.
            mode: "greedy", or "sample" to act as in training.
        """
        return memory, categorical.choose(key, parameters(self.features(observation)), legal, mode)

    def scores(
        self, parameters: Parameters, agent: Int[Array, ""], memory: Memory, observation: Array
    ) -> Float[Array, "U"]:
        """Log-probabilities of an agent's actions.

        Args:
            parameters: the actor's.
            agent: its index; not used.
            memory: none.
            observation: its own, ``(O,)``.
        """
        return jax.nn.log_softmax(parameters(self.features(observation)))


def build(config: EqmarlConfig, env: Environment) -> Learner:
    """An actor-critic for an environment; see `Learner` for the functions.

    Args:
        config: its settings.
        env: with discrete actions.

    Raises:
        UserError: Bell pairs for other than two agents, or a circuit that is too large.
    """
    spec = env.spec
    if config.critic == "entangled" and config.bell != "none" and spec.agents != 2:
        raise UserError(
            f"bell {config.bell} is shared by two agents; {spec.name} has {spec.agents}: take bell none or "
            "another critic"
        )
    own = Eqmarl(config, env)
    portable = Portable(spec.agents, stage="raw", described=False)  # networks of its own make
    return Learner(
        policy=execution.decentralised(spec.agents, lambda: (), own.alone, own.scores, portable),
        # the row that opens the next episode is one more
        source=Rollout(config.num_envs, config.num_steps or spec.horizon + 1, own.explore),
        init=own.init,
        learn=own.learn,
        execution=lambda s: s.weights.actor,
        weights=lambda s: s.weights,
        start_from=lambda s, w: TrainState(w, own.descent.init(w)),
    )
