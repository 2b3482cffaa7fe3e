"""The value-factorisation learner: deep Q-learning of many agents from replay, with a mixer as its argument.

IQL, VDN and QMIX are this learner with another mixer; a small file each names them. Sources: Rashid
et al. 2018 (QMIX), Hu et al. 2021 (the fine-tuned settings), specs/value_factorisation.md.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.algorithms._value import q_learning
from qflock.algorithms._value.config import ValueConfig
from qflock.algorithms._value.q_learning import QLearning, Weights, choose
from qflock.core.errors import UserError
from qflock.core.types import Environment, Learner, Memory, Metrics, Parameters, Rows, TimeStep
from qflock.learning import optimiser, replay
from qflock.learning.advantages import masked_mean
from qflock.machine import mesh
from qflock.playing import rollout


class Said(NamedTuple):
    """What a batch's values and targets are, leaves ``(T, N, *X)``; the targets are constants."""

    q: Float[Array, "T+1 N A U"]
    total: Float[Array, "T N *X"]
    aim: Float[Array, "T N *X"]


class Beside(NamedTuple):
    """What is trained beside the agents and the mixer.

    Attributes:
        name: its error is logged as ``<name>_loss``.
        weight: of its cost in the sum of both.
        sees_state: whether replay must keep the state.
        init: ``key -> weights``.
        cost: ``(weights, agents' weights, rows (T, N), targets (T, N)) -> (T, N)``.
        aims: ``(values that choose, target weights, rows) -> (T, N)``: the targets of all; None for the
            mixer's own.
        emphasis: ``(online weights, said, rows) -> (T, N)`` weights of the agents' and the mixer's squared
            errors; None for ones.
    """

    name: str
    weight: float
    sees_state: bool
    init: Callable[[PRNGKeyArray], Any]
    cost: Callable[[Any, Parameters, Rows, Float[Array, "T N"]], Float[Array, "T N"]]
    aims: Callable[[Float[Array, "T+1 N A U"], Weights, Rows], Float[Array, "T N"]] | None = None
    emphasis: Callable[[Weights, Said, Rows], Float[Array, "T N"]] | None = None


MakeBeside = Callable[[Environment, QLearning], Beside]


class TrainState(NamedTuple):
    """Everything learning needs to go on."""

    online: Weights
    target: Weights
    optimiser: Any
    replay: replay.Replay
    env_steps: Int[Array, ""]
    target_due: Int[Array, ""]  # env_steps at which the target network is next updated


def build(config: ValueConfig, env: Environment, make_beside: MakeBeside | None = None) -> Learner:
    """A value learner for an environment; see `Learner` for the functions.

    Args:
        make_beside: what else is trained, made from the environment and the shared parts.

    Raises:
        UserError: agents that remember, with rows cut shorter than what is collected.
    """
    spec = env.spec
    optimise = optimiser.build(config, config.optimiser)
    lengths = config.row_length
    block = config.copies * config.steps
    gradient_steps = block // config.train_frequency
    rows_capacity = config.buffer_capacity // block * (block // lengths)
    first_filled = min(-(-config.min_buffer_size // lengths), rows_capacity)  # rows before learning starts
    action_type = jnp.int8 if spec.actions <= 127 else jnp.int32
    core = q_learning.build(config, env, config.n_step)
    team = core.team
    if jax.tree.leaves(jax.eval_shape(team.memory)) and lengths != config.steps:
        raise UserError(
            f"row_length is {lengths} and steps {config.steps}; agents that remember need them equal, "
            "for replay keeps their memory at the start of what is collected"
        )
    beside = make_beside(env, core) if make_beside else None
    keeps_state = core.mixes_state or (beside is not None and beside.sees_state)

    def init(key: PRNGKeyArray) -> TrainState:
        online = core.init(key)
        if beside:
            online = online._replace(beside=beside.init(jax.random.fold_in(key, 2)))
        ring = replay.make(example(), rows_capacity)
        return TrainState(online, online, fresh_optimiser(online), ring, jnp.int32(0), jnp.int32(0))

    def explore(
        s: TrainState, memory: Memory, now: TimeStep, key: PRNGKeyArray
    ) -> tuple[Memory, Int[Array, "B A"], Any]:
        return core.explore(s.online.agents, core.epsilon(s.env_steps), memory, now, key)

    def aims(q: Float[Array, "T+1 N A U"], target: Weights, rows: Rows) -> Float[Array, "T N *X"]:
        """Targets of N stretches; the online values choose the next actions."""
        if beside and beside.aims:
            return beside.aims(q, target, rows)
        believed = team.unroll(target.agents, rows) if config.target_update_interval else q
        return core.aims(q if config.double_q else believed, believed, target.mixer, rows)

    def loss(online: Weights, target: Weights, items: Rows) -> tuple[Float[Array, ""], Metrics]:
        """Of sampled stretches, leaves (N, T+1, ...)."""
        rows = time_first(items)
        q = team.unroll(online.agents, rows)
        now = jax.tree.map(lambda x: x[:-1], rows.timestep)
        believed = target if config.target_update_interval else online
        aim = jax.lax.stop_gradient(aims(*jax.lax.stop_gradient((q, believed)), rows))
        total = core.mixed(online.mixer, choose(q[:-1], rows.actions, now))
        error = total - aim
        awake = jnp.arange(lengths) >= config.burn_in

        @cache
        def counted(ndim: int) -> tuple[Float[Array, "T N *X"], Float[Array, ""]]:
            share = core.share(rows, ndim) * awake.reshape(-1, *[1] * (ndim - 1))
            return share, mesh.total(share.sum())

        def mean(x: Float[Array, "T N *X"]) -> Float[Array, ""]:
            return masked_mean(x, *counted(x.ndim))

        squared = optax.losses.huber_loss(error) if config.loss == "huber" else jnp.square(error)
        if beside and beside.emphasis:
            squared *= jax.lax.stop_gradient(beside.emphasis(online, Said(q, total, aim), rows))
        cost = mean(squared)
        metrics = {"loss": cost, "td_error": mean(jnp.abs(error)), "q_value": mean(total)}
        if beside is None:
            return cost, metrics
        aim = aim.mean(-1) if aim.ndim > 2 else aim
        other = mean(beside.cost(online.beside, online.agents, rows, aim))
        return cost + beside.weight * other, metrics | {f"{beside.name}_loss": other}

    slope = mesh.gradient(loss)

    def fresh_optimiser(weights: Weights) -> tuple[Any, Any]:
        return optimise.init(weights[:2]), optimise.init(weights.beside)

    def improved(
        online: Weights, opt: tuple[Any, Any], gradient: Weights, env_steps: Int[Array, ""]
    ) -> tuple[Weights, tuple[Any, Any]]:
        """One step of both parts; each is clipped by its own norm, so that neither slows the other."""
        (agents, mixer), first = optimise.step(gradient[:2], opt[0], online[:2], env_steps)
        other, second = optimise.step(gradient.beside, opt[1], online.beside, env_steps)
        return Weights(agents, mixer, other), (first, second)

    def kept(timestep: TimeStep) -> TimeStep:
        """What replay keeps of a time step: no measures, and the state only where something sees it."""
        state = timestep.state if keeps_state else timestep.state[..., :0]
        return timestep._replace(state=state, measures={})

    def example() -> Rows:
        """One stretch of zeros, as replay keeps it."""
        timestep = kept(env.reset(jax.random.key(0))[1])
        longer = lambda x: jnp.zeros((lengths + 1, *x.shape), x.dtype)
        actions = jnp.zeros((lengths, spec.agents), action_type)
        memory = rollout.spread(team.memory(), spec.agents)
        return Rows(jax.tree.map(longer, timestep), actions, longer(timestep.terminated), memory, ())

    def remember(ring: replay.Replay, rows: Rows) -> replay.Replay:
        """Cut rows into stretches of the replay's length and write them."""
        timestep = kept(rows.timestep)
        pieces = []
        for at in range(0, config.steps, lengths):
            cut = lambda x, at=at: x[at : at + lengths + 1].swapaxes(0, 1)
            actions = rows.actions[at : at + lengths].swapaxes(0, 1).astype(action_type)
            pieces.append(Rows(jax.tree.map(cut, timestep), actions, cut(rows.first), rows.memory, ()))
        return replay.add(ring, jax.tree.map(lambda *x: jnp.concatenate(x), *pieces))

    def time_first(items: Rows) -> Rows:
        """Sampled stretches, leaves (N, T+1, ...), as rows of N copies."""
        swap = lambda x: jax.tree.map(lambda leaf: leaf.swapaxes(0, 1), x)
        actions = items.actions.astype(jnp.int32)
        return Rows(swap(items.timestep), swap(actions), swap(items.first), items.memory, ())

    def learn(s: TrainState, rows: Rows, key: PRNGKeyArray) -> tuple[TrainState, Metrics]:
        ring = remember(s.replay, rows)
        env_steps = s.env_steps + rows.valid.sum()
        ready = ring.filled >= first_filled

        def step(carry: tuple, key: PRNGKeyArray) -> tuple[tuple, Metrics]:
            online, target, opt = carry
            batch = replay.sample(ring, key, config.batch_size // lengths)
            gradient, metrics = slope(online, target, batch)
            changed = improved(online, opt, gradient, env_steps)
            online, opt = jax.tree.map(lambda new, old: jnp.where(ready, new, old), changed, (online, opt))
            return (online, target, opt), metrics

        carry = (s.online, s.target, s.optimiser)
        (online, target, opt), metrics = jax.lax.scan(step, carry, jax.random.split(key, gradient_steps))
        due = env_steps >= s.target_due
        blend = lambda o, t: jnp.where(due, t + config.target_tau * (o - t), t)
        target = jax.tree.map(blend, online, target)
        next_due = jnp.where(due, env_steps + config.target_update_interval, s.target_due)
        metrics = jax.tree.map(lambda x: jnp.where(ready, x.mean(), jnp.nan), metrics)
        metrics["epsilon"] = core.epsilon(env_steps)
        return TrainState(online, target, opt, ring, env_steps, next_due), metrics

    return Learner(
        copies=config.copies,
        steps=config.steps,
        init=init,
        explore=explore,
        learn=learn,
        policy=lambda s: s.online.agents,
        act=core.act,
        memory=team.memory,
        values=core.values,
        weights=lambda s: s.online,
        start_from=lambda s, w: s._replace(online=w, target=w, optimiser=fresh_optimiser(w)),
    )
