"""The value-factorisation learner: deep Q-learning of many agents with a mixer as its argument.

IQL, VDN and QMIX are this learner with another mixer; a small file each names them. Sources: Rashid
et al. 2018 (QMIX), Hu et al. 2021 (the fine-tuned settings), specs/value_factorisation.md.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from qflock.algorithms._value_config import ValueConfig
from qflock.parts import agents as agents_of
from qflock.parts import exploration, inputs, mixers, networks, optimiser, replay, rollout, targets
from qflock.types import Environment, Learner, Memory, Metrics, Mode, Parameters, Rows, TimeStep, team_reward


class Weights(NamedTuple):
    """Everything that gradients train."""

    agents: Parameters
    mixer: Any
    beside: Any = ()


class Beside(NamedTuple):
    """A network trained beside the agents, on the mean of their targets; it alters none of them.

    Attributes:
        name: its error is logged as ``<name>_loss``.
        weight: of its cost in the sum of both.
        sees_state: whether replay must keep the state.
        init: ``key -> weights``.
        cost: ``(weights, agents' weights, rows (T, N), targets (T, N)) -> (T, N)``.
    """

    name: str
    weight: float
    sees_state: bool
    init: Callable[[PRNGKeyArray], Any]
    cost: Callable[[Any, Parameters, Rows, Float[Array, "T N"]], Float[Array, "T N"]]


MakeBeside = Callable[[Environment, agents_of.Agents], Beside]


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
        make_beside: what else is trained, made from the environment and the agents.
    """
    spec = env.spec
    independent = config.mixer == "none"
    mixes_state = config.mixer not in ("none", "sum")
    state_stage = inputs.of_state(spec, config.input_stage)
    optimise = optimiser.build(config)
    lengths = config.row_length
    block = config.copies * config.steps
    gradient_steps = block // config.train_frequency
    rows_capacity = config.buffer_capacity // block * (block // lengths)
    first_filled = min(-(-config.min_buffer_size // lengths), rows_capacity)  # rows before learning starts
    action_type = jnp.int8 if spec.actions <= 127 else jnp.int32

    def make_network(features: int, key: PRNGKeyArray) -> Any:
        return networks.make(
            config.network,
            features,
            spec.actions,
            key,
            hidden=config.hidden,
            layer_norm=config.layer_norm,
            dueling=config.dueling,
            orthogonal=config.orthogonal,
        )

    team = agents_of.build(spec, make_network, config.share_parameters, config.input_stage)
    beside = make_beside(env, team) if make_beside else None
    keeps_state = mixes_state or (beside is not None and beside.sees_state)

    def init(key: PRNGKeyArray) -> TrainState:
        k_agents, k_mixer = jax.random.split(key)
        online = Weights(
            team.init(k_agents),
            mixers.make(
                config.mixer,
                spec.agents,
                state_stage.size,
                k_mixer,
                embed=config.mixer_embed,
                hyper=config.mixer_hyper,
            ),
            beside.init(jax.random.fold_in(key, 2)) if beside else (),
        )
        ring = replay.make(example(), rows_capacity)
        return TrainState(online, online, fresh_optimiser(online), ring, jnp.int32(0), jnp.int32(0))

    def explore(
        s: TrainState, memory: Memory, now: TimeStep, key: PRNGKeyArray
    ) -> tuple[Memory, Int[Array, "B A"], Any]:
        epsilon = exploration.linear(
            config.epsilon_start, config.epsilon_end, config.epsilon_decay, s.env_steps
        )
        memory, values = team.step(s.online.agents, memory, now.observation)
        return memory, exploration.epsilon_greedy(key, values, now.legal, epsilon), ()

    def mixed(
        weights: Weights, values: Float[Array, "T N A"], state: Shaped[Array, "T N S"]
    ) -> Float[Array, "T N *X"]:
        times, rows = values.shape[:2]
        state = state.reshape(times * rows, state.shape[-1])
        seen = jax.vmap(state_stage.apply)(state) if mixes_state else state
        out = jax.vmap(weights.mixer)(values.reshape(times * rows, -1), seen)
        return out.reshape(times, rows, *out.shape[1:])

    def aims(online_q: Float[Array, "T+1 N A U"], target: Weights, rows: Rows) -> Float[Array, "T N *X"]:
        """Targets of N stretches; the online values choose the next actions."""
        later = jax.tree.map(lambda x: x[1:], rows.timestep)
        target_q = team.unroll(target.agents, rows)[1:]
        best = exploration.greedy(online_q[1:] if config.double_q else target_q, later.legal)
        value = jnp.take_along_axis(target_q, best[..., None], -1)[..., 0]
        bootstrap = mixed(target, value, later.state)
        own = independent and config.reward == "own" and not spec.shared_reward
        reward = later.reward if own else team_reward(spec, later.reward)
        like = lambda x: jnp.broadcast_to(x[..., None], bootstrap.shape) if bootstrap.ndim > x.ndim else x
        reward, terminated, over = like(reward), like(later.terminated), like(later.over)
        if config.n_step > 1:
            return targets.n_step(reward, bootstrap, terminated, over, config.gamma, config.n_step)
        return targets.lambda_returns(reward, bootstrap, terminated, over, config.gamma, config.td_lambda)

    def loss(online: Weights, target: Weights, rows: Rows) -> tuple[Float[Array, ""], Metrics]:
        q = team.unroll(online.agents, rows)
        aim = aims(jax.lax.stop_gradient(q), target, rows)
        chosen = jnp.take_along_axis(q[:-1], rows.actions[..., None], -1)[..., 0]
        total = mixed(online, chosen, rows.timestep.state[:-1])
        error = total - jax.lax.stop_gradient(aim)

        def mean(x: Float[Array, "T N *X"]) -> Float[Array, ""]:
            valid = rows.valid.reshape(rows.valid.shape + (1,) * (x.ndim - 2))
            return jnp.where(valid, x, 0).sum() / (valid.sum() * (x.size // valid.size))

        cost = mean(optax.losses.huber_loss(error) if config.loss == "huber" else jnp.square(error))
        metrics = {"loss": cost, "td_error": mean(jnp.abs(error)), "q_value": mean(total)}
        if beside is None:
            return cost, metrics
        aim = jax.lax.stop_gradient(aim.mean(-1) if aim.ndim > 2 else aim)
        other = mean(beside.cost(online.beside, online.agents, rows, aim))
        return cost + beside.weight * other, metrics | {f"{beside.name}_loss": other}

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
            batch = time_first(replay.sample(ring, key, config.batch_size // lengths))
            gradient, metrics = jax.grad(loss, has_aux=True)(online, target, batch)
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
        metrics["epsilon"] = exploration.linear(
            config.epsilon_start, config.epsilon_end, config.epsilon_decay, env_steps
        )
        return TrainState(online, target, opt, ring, env_steps, next_due), metrics

    def act(
        parameters: Parameters,
        agent: Int[Array, ""],
        memory: Memory,
        observation: Array,
        legal: Array,
        key: PRNGKeyArray,
        mode: Mode = "greedy",
    ) -> tuple[Memory, Int[Array, ""]]:
        memory, values = team.one(parameters, agent, memory, observation)
        epsilon = config.epsilon_end if mode == "sample" else 0.0
        return memory, exploration.epsilon_greedy(key, values, legal, epsilon)

    return Learner(
        copies=config.copies,
        steps=config.steps,
        init=init,
        explore=explore,
        learn=learn,
        policy=lambda s: s.online.agents,
        act=act,
        memory=team.memory,
        values=lambda parameters, agent, memory, observation: team.one(
            parameters, agent, memory, observation
        )[1],
        weights=lambda s: s.online,
        start_from=lambda s, w: s._replace(online=w, target=w, optimiser=fresh_optimiser(w)),
    )
