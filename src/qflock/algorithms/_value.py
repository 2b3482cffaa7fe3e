"""The value-factorisation learner: deep Q-learning of many agents with a mixer as its argument.

IQL, VDN and QMIX are this learner with another mixer; a small file each names them. Sources: Rashid
et al. 2018 (QMIX), Hu et al. 2021 (the fine-tuned settings), specs/value_factorisation.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from qflock.errors import UserError
from qflock.parts import agents as agents_of
from qflock.parts import exploration, inputs, mixers, networks, optimiser, replay, rollout, targets
from qflock.types import Environment, Learner, Memory, Metrics, Mode, Parameters, Rows, TimeStep, team_reward


@dataclass(frozen=True)
class ValueConfig:
    """Settings shared by all value learners. Frequencies count environment steps summed over copies."""

    mixer: str = "monotone"
    """How agents' values make the team's: none, sum, monotone, or a file and class, my.py:Mixer."""
    mixer_embed: int = 32
    """Width of the mixing layer."""
    mixer_hyper: int = 64
    """Width of the hypernetworks' hidden layer."""
    network: str = "mlp"
    """The agents' network: mlp, or a file and class, my.py:Net."""
    hidden: tuple[int, ...] = (128, 128)
    """Widths of the hidden layers."""
    layer_norm: bool = True
    """LayerNorm before each ReLU."""
    dueling: bool = False
    """Split the head into a value and advantages."""
    orthogonal: bool = True
    """Orthogonal initial weights."""
    share_parameters: bool = True
    """One network for all agents, told apart by a one-hot id; else one network each."""
    input_stage: Literal["relative", "raw"] = "relative"
    """What networks see of declared entities: offsets from the agent, or the raw numbers."""
    reward: Literal["team", "own"] = "team"
    """The reward that agents without a mixer learn from."""
    gamma: float = 0.99
    """Discount."""
    lr: float = 5e-4
    """Adam's step size."""
    lr_final: float = 1.0
    """Fraction of lr left after lr_decay steps, reached in a straight line."""
    lr_decay: int = 0
    """Environment steps over which lr falls; 0 keeps it."""
    weight_decay: float = 0.0
    """Decoupled weight decay (AdamW); 0 is Adam."""
    max_grad_norm: float = 10.0
    """Gradients are clipped to this global norm."""
    double_q: bool = True
    """Choose the next action with the online network, value it with the target network."""
    td_lambda: float = 0.6
    """Lambda of the returns inside a row; 0 is one-step."""
    n_step: int = 1
    """Rewards summed before bootstrapping; above 1 it replaces td_lambda."""
    loss: Literal["mse", "huber"] = "mse"
    """What is minimised of the temporal-difference error."""
    epsilon_start: float = 1.0
    """Share of random actions at the start."""
    epsilon_end: float = 0.05
    """Share of random actions after epsilon_decay steps, and of `--sample` evaluation."""
    epsilon_decay: int = 100_000
    """Environment steps over which epsilon falls."""
    copies: int = 128
    """Environments stepped side by side."""
    steps: int = 8
    """Steps of each copy between two learning phases."""
    row_length: int = 8
    """Transitions kept together in replay, over which returns run; divides steps."""
    buffer_capacity: int = 262_144
    """Transitions held in replay."""
    min_buffer_size: int = 10_000
    """Transitions held before learning starts."""
    batch_size: int = 1024
    """Transitions of a gradient step; a multiple of row_length."""
    train_frequency: int = 1024
    """Environment steps per gradient step; divides copies x steps."""
    target_update_interval: int = 10_000
    """Environment steps between updates of the target network."""
    target_tau: float = 1.0
    """Share of the online network taken over at a target update: 1 is hard, less is soft."""

    def __post_init__(self) -> None:
        def need(true: bool, message: str) -> None:
            if not true:
                raise UserError(message)

        for name in ("copies", "steps", "row_length", "batch_size", "train_frequency", "n_step", "mixer_embed"):
            need(getattr(self, name) >= 1, f"{name} is {getattr(self, name)}; it must be at least 1")
        for name in ("gamma", "td_lambda", "epsilon_start", "epsilon_end", "target_tau", "lr_final"):
            need(0 <= getattr(self, name) <= 1, f"{name} is {getattr(self, name)}; it must lie in [0, 1]")
        for name in ("lr", "max_grad_norm"):
            need(getattr(self, name) > 0, f"{name} is {getattr(self, name)}; it must be above 0")
        for name in ("weight_decay", "lr_decay", "min_buffer_size", "target_update_interval", "epsilon_decay"):
            need(getattr(self, name) >= 0, f"{name} is {getattr(self, name)}; it must not be negative")
        block = self.copies * self.steps
        need(all(h >= 1 for h in self.hidden), f"hidden is {self.hidden}; widths must be at least 1")
        need(self.steps % self.row_length == 0, f"row_length {self.row_length} does not divide steps {self.steps}")
        need(
            self.batch_size % self.row_length == 0,
            f"batch_size {self.batch_size} is no multiple of row_length {self.row_length}",
        )
        need(
            block % self.train_frequency == 0,
            f"train_frequency {self.train_frequency} does not divide copies x steps = {block}",
        )
        need(
            self.buffer_capacity >= max(block, self.min_buffer_size, self.batch_size),
            f"buffer_capacity {self.buffer_capacity} is smaller than copies x steps ({block}), "
            f"min_buffer_size ({self.min_buffer_size}) or batch_size ({self.batch_size})",
        )


class Weights(NamedTuple):
    """Everything that gradients train."""

    agents: Parameters
    mixer: Any


class TrainState(NamedTuple):
    """Everything learning needs to go on."""

    online: Weights
    target: Weights
    optimiser: Any
    replay: replay.Replay
    env_steps: Int[Array, ""]
    target_due: Int[Array, ""]  # env_steps at which the target network is next updated


def build(config: ValueConfig, env: Environment) -> Learner:
    """A value learner for an environment; see `Learner` for the functions."""
    spec = env.spec
    independent = config.mixer == "none"
    uses_state = config.mixer not in ("none", "sum")
    state_stage = inputs.of_state(spec, config.input_stage)
    optimise = optimiser.build(config)
    lengths = config.row_length
    block = config.copies * config.steps
    gradient_steps = block // config.train_frequency
    rows_capacity = config.buffer_capacity // block * (block // lengths)
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
        )
        ring = replay.make(example(), rows_capacity)
        return TrainState(online, online, optimise.init(online), ring, jnp.int32(0), jnp.int32(0))

    def explore(
        s: TrainState, memory: Memory, now: TimeStep, key: PRNGKeyArray
    ) -> tuple[Memory, Int[Array, "B A"], Any]:
        epsilon = exploration.linear(config.epsilon_start, config.epsilon_end, config.epsilon_decay, s.env_steps)
        memory, values = team.step(s.online.agents, memory, now.observation)
        return memory, exploration.epsilon_greedy(key, values, now.legal, epsilon), ()

    def mixed(
        weights: Weights, values: Float[Array, "T N A"], state: Shaped[Array, "T N S"]
    ) -> Float[Array, "T N *X"]:
        times, rows = values.shape[:2]
        state = state.reshape(-1, state.shape[-1])
        seen = jax.vmap(state_stage.apply)(state) if uses_state else state
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
        valid = rows.valid.reshape(rows.valid.shape + (1,) * (error.ndim - 2))
        mean = lambda x: jnp.where(valid, x, 0).sum() / (valid.sum() * (error.size // valid.size))
        cost = mean(optax.losses.huber_loss(error) if config.loss == "huber" else jnp.square(error))
        return cost, {"loss": cost, "td_error": mean(jnp.abs(error)), "q_value": mean(total)}

    def kept(timestep: TimeStep) -> TimeStep:
        """What replay keeps of a time step: no measures, and the state only where a mixer sees it."""
        state = timestep.state if uses_state else timestep.state[..., :0]
        return timestep._replace(state=state, measures={})

    def example() -> Rows:
        """The shapes of one stretch in replay."""
        timestep = kept(jax.eval_shape(env.reset, jax.random.key(0))[1])
        longer = lambda x: jax.ShapeDtypeStruct((lengths + 1, *x.shape), x.dtype)
        memory = jax.eval_shape(lambda: rollout.spread(team.memory(), spec.agents))
        actions = jax.ShapeDtypeStruct((lengths, spec.agents), action_type)
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
        ready = ring.filled * lengths >= config.min_buffer_size

        def step(carry: tuple, key: PRNGKeyArray) -> tuple[tuple, Metrics]:
            online, target, opt = carry
            batch = time_first(replay.sample(ring, key, config.batch_size // lengths))
            gradient, metrics = jax.grad(loss, has_aux=True)(online, target, batch)
            changed = optimise.step(gradient, opt, online, env_steps)
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
        values=lambda parameters, agent, memory, observation: team.one(parameters, agent, memory, observation)[1],
        weights=lambda s: s.online,
        start_from=lambda s, w: s._replace(online=w, target=w, optimiser=optimise.init(w)),
    )
