"""Agents that share an entangled state: each measures its own qubit, along an angle of its own choosing.

An agent sees its own observation alone. From it, its network says along which angle to measure its half of
the pair, or its qubit of a GHZ state, and, for each of the two outcomes, what to do. The chance of a joint
action is then

    P(a | o) = sum_m |<m| R(angle_0) x R(angle_1) x ... |state>|^2  prod_i pi_i(a_i | o_i, m_i).

Nothing passes between the agents: whatever one of them measures, the others' outcomes stay as likely. But
outcomes depend on each other in ways that no shared dice can give, and so no agent can draw its own action
by itself: they are drawn together. Trained by policy gradient on log P(a | o) with
a critic of the state. Sources: Bell 1964; Clauser, Horne, Shimony & Holt 1969; Mnih et al. 2016 (A2C).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.algorithms._entangled.measuring import OUTCOMES, Measuring
from qflock.core.environment import Environment
from qflock.core.errors import UserError
from qflock.core.learner import Learner, Rollout
from qflock.core.portable import ByChance
from qflock.core.steps import Actions, Memory, Metrics, Parameters, Rows, TimeStep
from qflock.learning import advantages, categorical, optimiser
from qflock.learning.descend import descend, masked_mean
from qflock.learning.losses import value_loss
from qflock.networks import agents as agents_of
from qflock.networks import by_name, critics
from qflock.networks.mlp import MLP
from qflock.settings.ranges import WIDTHS, above, at_least, between, check
from qflock.settings.shared import Experience
from qflock.settings.shares import of_steps

LARGEST = 2**17
"""Joint outcomes and actions, of all agents."""


@dataclass(frozen=True)
class Config(Experience):
    """An actor-critic of agents with a qubit each of a state that they share."""

    pair: Literal["bell", "ghz", "dice", "none"] = "bell"
    """What the agents share: bell, two agents' (|00> + |11>)/sqrt 2; ghz, the same of any number, measured
    along the equator; dice, what bell is after it lost its coherence; or none, |00>. Dice and none, of any
    number too, are the controls."""
    visibility: Annotated[float, between(0, 1)] = 1.0
    """Share of that state in its mixture with white noise: Werner's state, of a pair; 1 for no noise."""
    network: str = "mlp"
    """The agents' networks, one each: mlp, gru, or a file and class, my.py:Net."""
    hidden: Annotated[tuple[int, ...], WIDTHS] = (32,)
    """Widths of hidden layers, the critic's too."""
    lr: Annotated[float, above(0)] = 1e-2
    """Adam's step size."""
    lr_final: Annotated[float, between(0, 1)] = 0.05
    """Fraction of the step size left after lr_decay steps, reached in a straight line."""
    lr_decay: Annotated[int, at_least(0), of_steps] = 0
    """Environment steps over which the step size falls, or their share of the run, 100%; 0 keeps it."""
    max_grad_norm: Annotated[float, above(0)] = 1.0
    """Gradients are clipped to this norm."""
    gae_lambda: Annotated[float, between(0, 1)] = 0.95
    """Lambda of the advantage estimates: 0 is one-step, 1 sums all rewards."""
    entropy_weight: Annotated[float, at_least(0)] = 0.01
    """Weight of the entropy, in nats, of what agents do after each outcome."""
    num_envs: int = 256
    """Environments stepped side by side."""
    num_steps: int = 4
    """Ticks of each copy between two gradient steps."""

    def __post_init__(self) -> None:
        check(self)

    @property
    def weight_decay(self) -> float:
        """None: `optimiser` asks for it."""
        return 0.0


class Weights(NamedTuple):
    """Everything that is trained."""

    agents: Parameters
    critic: Parameters


class TrainState(NamedTuple):
    """Everything learning needs to go on."""

    weights: Weights
    optimiser: Any
    env_steps: Int[Array, ""]


class Batch(NamedTuple):
    """What a gradient step learns from: rows, and of the team's actions, ``(T, B)``."""

    rows: Rows
    advantage: Float[Array, "T B"]
    target: Float[Array, "T B"]


AXES = Batch(Rows(1, 1, 1, 0, 1), 1, 1)  # type: ignore[arg-type]
"""Where the environments' axis is: devices share a batch along it."""


class Entangled:
    """Agents and the state that they share, for an environment; all methods are pure."""

    def __init__(self, config: Config, env: Environment) -> None:
        self.config, self.spec = config, env.spec
        self.team = agents_of.build(env.spec, self._network, shared=False)
        self.critic = critics.build(env.spec, self._critic, "state")
        spec = env.spec
        self.measuring = Measuring(config.pair, spec.agents, spec.actions, self.team, config.visibility)
        self.descent = descend(self.loss, optimiser.build(config), AXES)

    def _network(self, features: int, key: PRNGKeyArray) -> Any:
        config, outputs = self.config, 1 + OUTCOMES * self.spec.actions
        return by_name.make(
            config.network, features, outputs, key, hidden=config.hidden, layer_norm=False, head_gain=1.0
        )

    def _critic(self, features: int, values: int, key: PRNGKeyArray) -> Any:
        return MLP(features, values, key=key, hidden=self.config.hidden, layer_norm=False)

    def init(self, key: PRNGKeyArray) -> TrainState:
        k_agents, k_critic = jax.random.split(key)
        weights = Weights(self.team.init(k_agents), self.critic.init(k_critic))
        return TrainState(weights, self.descent.init(weights), jnp.int32(0))

    def explore(
        self, s: TrainState, memory: Memory, now: TimeStep, key: PRNGKeyArray
    ) -> tuple[Memory, Actions, tuple[()]]:
        """As `core.learner.Explore`.

        Args:
            s: the training state.
            memory: the teams', leaves ``(B, ...)``.
            now: time steps, leaves ``(B, ...)``.
            key: of the actions drawn.
        """
        memory, out = self.team.step(s.weights.agents, memory, now.observation)
        keys = jax.random.split(key, len(out))
        return (
            memory,
            jax.vmap(self.measuring.draw, in_axes=(0, 0, 0, None))(keys, out, now.legal, "sample"),
            (),
        )

    def judge(self, weights: Weights, rows: Rows) -> Batch:
        """Advantages and targets of the team.

        Args:
            weights: agents' and critic's.
            rows: T transitions of B environments.
        """
        step, config = rows.of_team(self.spec), self.config
        value = jax.lax.stop_gradient(self.critic.values(weights.critic, rows).mean((-2, -1)))
        advantage = advantages.gae(
            step.reward, value, step.terminated, step.over, config.gamma, config.gae_lambda
        )
        mask = rows.chosen.any(-1).astype(jnp.float32)
        return Batch(rows, advantages.standardise(advantage, mask), advantage + value[:-1])

    def loss(self, weights: Weights, constants: tuple[()], batch: Batch) -> tuple[Float[Array, ""], Metrics]:
        """Policy gradient on the joint action, the critic's squared error, and the entropy bonus.

        Args:
            weights: agents' and critic's.
            constants: none.
            batch: T transitions of B environments.
        """
        rows, now, choosing = batch.rows, batch.rows.before, batch.rows.chosen
        mask, legal = choosing.any(-1).astype(jnp.float32), now.options
        value = self.critic.values(weights.critic, rows).mean((-2, -1))
        out = self.team.unroll(weights.agents, rows)[:-1]
        logs = jax.vmap(jax.vmap(self.measuring.joint_log_prob))(out, legal, now.settled(rows.actions))
        logits = self.measuring.split(out)[1]
        entropy = categorical.entropy(logits, jnp.broadcast_to(legal[..., None, :], logits.shape))
        entropy = jnp.where(choosing[..., None], entropy, 0.0).sum((-2, -1))
        entropy /= jnp.maximum(OUTCOMES * choosing.sum(-1), 1)
        metrics = {
            "policy_loss": -masked_mean(logs * batch.advantage, mask),
            "value_loss": masked_mean(value_loss(value[:-1], batch.target), rows.valid),
            "entropy": masked_mean(entropy, mask),
        }
        bonus = self.config.entropy_weight * metrics["entropy"]
        return metrics["policy_loss"] + metrics["value_loss"] - bonus, metrics

    def learn(self, s: TrainState, rows: Rows, key: PRNGKeyArray) -> tuple[TrainState, Metrics]:
        """As `core.learner.Learn`.

        Args:
            s: the training state.
            rows: T transitions of B environments, leaves ``(T+1, B, ...)``.
            key: not used.
        """
        del key
        env_steps = s.env_steps + rows.valid.sum()
        batch = self.judge(s.weights, rows)
        weights, state, metrics = self.descent.step(s.weights, s.optimiser, (), batch, env_steps)
        return TrainState(weights, state, env_steps), metrics


def build(config: Config, env: Environment) -> Learner:
    """Agents and the state that they share, for an environment; see `Learner` for the functions.

    Args:
        config: its settings.
        env: of discrete actions.

    Raises:
        UserError: a pair for other than two agents, or more joint actions than can be counted.
    """
    agents, joint_actions = env.spec.agents, (OUTCOMES * env.spec.actions) ** env.spec.agents
    if config.pair == "bell" and agents != 2:
        raise UserError(
            f"entangled needs two agents, one for each half of a pair; {env.spec.name} has {agents}: take "
            "pair ghz"
        )
    if joint_actions > LARGEST:
        raise UserError(
            f"entangled knows the chance of every joint action; {env.spec.name} has too many, of {agents} "
            f"agents with {env.spec.actions} actions each"
        )
    own = Entangled(config, env)
    acting = own.measuring
    alone = own.team.policy(acting.choose, acting.show, ByChance())
    return Learner(
        policy=alone._replace(act=acting.act, portable=None),
        source=Rollout(config.num_envs, config.num_steps, own.explore),
        init=own.init,
        learn=own.learn,
        execution=lambda s: s.weights.agents,
        weights=lambda s: s.weights,
        start_from=lambda s, w: TrainState(w, own.descent.init(w), s.env_steps),
    )
