"""The value-factorisation learner: deep Q-learning of many agents from replay, with a mixer as its argument.

IQL, VDN and QMIX are this learner with another mixer; a small file each names them. Sources: Rashid
et al. 2018 (QMIX), Hu et al. 2021 (the fine-tuned settings).
"""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.algorithms._value.augmentation import augmented, possible
from qflock.algorithms._value.config import ValueConfig
from qflock.algorithms._value.q_learning import QLearning, Weights, choose
from qflock.core.environment import Environment
from qflock.core.learner import Learner, Rollout
from qflock.core.steps import Actions, Memory, Metrics, Parameters, Rows, TimeStep
from qflock.core.trees import like
from qflock.learning import groups, optimiser, replay, stretches, target
from qflock.learning.descend import descend, masked_mean, steps_once
from qflock.learning.losses import td_loss


class Predicted(NamedTuple):
    """What a batch's values and targets are, leaves ``(T, N, *X)``; the targets are constants."""

    q: Float[Array, "T+1 N A U"]
    total: Float[Array, "T N *X"]
    target: Float[Array, "T N *X"]


class InitAuxiliary(Protocol):
    """First weights of what is trained besides."""

    def __call__(self, key: PRNGKeyArray, /) -> Any: ...


class AuxiliaryLoss(Protocol):
    """Its loss, from its weights, the agents' weights, rows and the agents' targets."""

    def __call__(
        self, weights: Any, agents: Parameters, rows: Rows, target: Float[Array, "T N"], /
    ) -> Float[Array, "T N"]:
        """One number for each transition.

        Args:
            weights: its own.
            agents: the agents' weights.
            rows: T transitions of N sequences.
            target: the agents' targets, ``(T, N)``.
        """
        ...


class AuxiliaryTargets(Protocol):
    """The targets of all, from the values that choose, target weights and rows."""

    def __call__(self, q: Float[Array, "T+1 N A U"], weights: Weights, rows: Rows, /) -> Float[Array, "T N"]:
        """One target for each transition.

        Args:
            q: the online values, which choose the next actions, ``(T+1, N, A, U)``.
            weights: the target's.
            rows: T transitions of N sequences.
        """
        ...


class Weighting(Protocol):
    """Weights of the agents' and the mixer's squared errors."""

    def __call__(self, online: Weights, predicted: Predicted, rows: Rows, /) -> Float[Array, "T N"]:
        """One weight for each transition.

        Args:
            online: the weights being trained.
            predicted: values and targets.
            rows: T transitions of N sequences.
        """
        ...


class Auxiliary(NamedTuple):
    """What is trained besides the agents and the mixer.

    Attributes:
        name: its error is logged as ``<name>_loss``.
        weight: of its loss in the sum of both.
        sees_state: whether replay must keep the state.
        init, loss: its weights, and what they are trained on.
        targets: the targets of all; None for the mixer's own.
        weighting: of errors; None for ones.
    """

    name: str
    weight: float
    sees_state: bool
    init: InitAuxiliary
    loss: AuxiliaryLoss
    targets: AuxiliaryTargets | None = None
    weighting: Weighting | None = None


class MakeAuxiliary(Protocol):
    """Makes it from the environment and the shared parts."""

    def __call__(self, env: Environment, core: QLearning, /) -> Auxiliary:
        """What is trained besides.

        Args:
            env: the environment.
            core: agents, mixer and targets.
        """
        ...


class TrainState(NamedTuple):
    """Everything learning needs to go on."""

    online: Weights
    target: Any
    optimiser: Any
    replay: replay.Replay
    env_steps: Int[Array, ""]


class ValueLearner:
    """A value learner with replay, for an environment; all methods are pure.

    Raises:
        UserError: agents that remember, with rows cut shorter than what is collected.
    """

    def __init__(self, config: ValueConfig, env: Environment, make: MakeAuxiliary | None = None) -> None:
        self.config, self.core = config, QLearning(config, env, config.n_step)
        self.auxiliary = make(env, self.core) if make else None
        sees = self.auxiliary is not None and self.auxiliary.sees_state
        self.keeps_state = self.core.mixes_state or sees
        self.policy = self.core.policy()
        self.example = stretches.example(env, self.policy.start(), config.row_length, self.keeps_state)
        config.need_whole_rows(bool(jax.tree.leaves(self.example.memory)))
        self.env, self.augments = env, config.augment and possible(env, self.policy.start())
        self.capacity, self.first_filled = config.sequences
        self.target = target.build(config.target_update_interval, config.target_tau)
        # Each part is clipped by its own norm, so that neither slows the other.
        parts = optimiser.in_parts(
            optimiser.build(config, config.optimiser),
            split=lambda w: (w[:2], w.auxiliary),
            join=lambda parts: Weights(parts[0][0], parts[0][1], parts[1]),
        )
        self.descent = descend(self.loss, parts)

    def init(self, key: PRNGKeyArray) -> TrainState:
        online = self.core.init(key)
        if self.auxiliary:
            online = online._replace(auxiliary=self.auxiliary.init(jax.random.fold_in(key, 2)))
        groups.refuse_missing(self.config, online)
        ring = replay.make(self.example, self.capacity)
        return TrainState(online, self.target.init(online), self.descent.init(online), ring, jnp.int32(0))

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
        return self.core.explore(s.online.agents, self.core.epsilon(s.env_steps), memory, now, key)

    def targets(self, q: Float[Array, "T+1 N A U"], weights: Weights, rows: Rows) -> Float[Array, "T N *X"]:
        """Targets of N stretches; the online values ``q`` choose the next actions.

        Args:
            q: the online values, ``(T+1, N, A, U)``.
            weights: the target's.
            rows: T transitions of N sequences.
        """
        if self.auxiliary and self.auxiliary.targets:
            return self.auxiliary.targets(q, weights, rows)
        follows = self.config.target_update_interval
        values = self.core.team.unroll(weights.agents, rows) if follows else q
        return self.core.targets(q if self.config.double_q else values, values, weights.mixer, rows)

    def loss(self, online: Weights, following: Any, batch: Rows) -> tuple[Float[Array, ""], Metrics]:
        """Of sampled stretches, leaves (N, T+1, ...).

        Args:
            online: the weights being trained.
            following: the target's state; see `learning.target`.
            batch: N sequences, leaves ``(N, T+1, ...)``.
        """
        config, rows = self.config, stretches.rows(batch)
        q = self.core.team.unroll(online.agents, rows)
        constants = jax.lax.stop_gradient((q, self.target.read(following, online)))
        target = jax.lax.stop_gradient(self.targets(*constants, rows))
        total = self.core.mixed(online.mixer, choose(q[:-1], rows.actions, rows.before))
        error = total - target
        awake = jnp.arange(config.row_length) >= config.burn_in
        mask = self.core.mask(rows, total.ndim) * like(awake, total)
        mean = lambda x: masked_mean(x, mask)

        squared = td_loss(error, config.loss)
        if self.auxiliary and self.auxiliary.weighting:
            predicted = Predicted(q, total, target)
            squared *= jax.lax.stop_gradient(self.auxiliary.weighting(online, predicted, rows))
        cost = mean(squared)
        metrics = {"loss": cost, "td_error": mean(jnp.abs(error)), "q_value": mean(total)}
        if self.auxiliary is None:
            return cost, metrics
        of_team = mask
        if total.ndim > 2:  # the mean of the targets of those who have one
            count = mask.sum(-1)
            target, of_team = (target * mask).sum(-1) / jnp.maximum(count, 1), (count > 0) * 1.0
        other = masked_mean(self.auxiliary.loss(online.auxiliary, online.agents, rows, target), of_team)
        return cost + self.auxiliary.weight * other, metrics | {f"{self.auxiliary.name}_loss": other}

    def learn(self, s: TrainState, rows: Rows, key: PRNGKeyArray) -> tuple[TrainState, Metrics]:
        """As `core.learner.Learn`; nothing is learnt before replay is filled enough.

        Args:
            s: the training state.
            rows: T transitions of B environments, leaves ``(T+1, B, ...)``.
            key: of this update's randomness.
        """
        config = self.config
        ring = replay.add(s.replay, stretches.cut(rows, config.row_length, self.example, self.keeps_state))
        env_steps = s.env_steps + rows.valid.sum()

        def step(carry: tuple[Weights, Any], key: PRNGKeyArray) -> tuple[tuple[Weights, Any], Metrics]:
            batch = replay.sample(ring, key, config.batch_size // config.row_length)
            if self.augments:
                batch = augmented(self.env, jax.random.fold_in(key, 1), batch)
            *changed, metrics = self.descent.step(*carry, s.target, batch, env_steps)
            return tuple(changed), metrics

        keys = jax.random.split(key, config.gradient_steps)
        ready = ring.filled >= self.first_filled
        (online, opt), metrics = steps_once(ready, step, (s.online, s.optimiser), keys)
        following = self.target.move(s.target, online, env_steps)
        metrics["epsilon"] = self.core.epsilon(env_steps)
        return TrainState(online, following, opt, ring, env_steps), metrics

    def start_from(self, s: TrainState, weights: Weights) -> TrainState:
        """As `core.learner.StartFrom`; replay stays.

        Args:
            s: the training state.
            weights: to go on from.
        """
        following = self.target.init(weights)
        if self.config.target_update_interval:
            following = following._replace(due=s.target.due)
        return s._replace(online=weights, target=following, optimiser=self.descent.init(weights))


def build(config: ValueConfig, env: Environment, make: MakeAuxiliary | None = None) -> Learner:
    """A value learner for an environment; see `Learner` for the functions.

    Args:
        config: its settings.
        env: with discrete actions.
        make: what else is trained, made from the environment and the shared parts.

    Raises:
        UserError: agents that remember, with rows cut shorter than what is collected; continuous actions.
    """
    own = ValueLearner(config, env, make)
    return Learner(
        policy=own.policy,
        source=Rollout(config.num_envs, config.num_steps, own.explore),
        init=own.init,
        learn=own.learn,
        execution=lambda s: s.online.agents,
        weights=lambda s: s.online,
        start_from=own.start_from,
        credit=own.core.credit if own.core.mixes else None,
    )
