"""What all Q-learners share: agents, mixer, the team's values and their targets over packed rows.

Agents that have left the episode (``active`` is false) add nothing to the team's value, bootstrap from
nothing and, without a mixer, learn nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped

from qflock.algorithms._value.q_config import QConfig
from qflock.core.types import Environment, Memory, Mode, Parameters, Rows, TimeStep, team_reward
from qflock.learning import exploration, targets
from qflock.machine import mesh
from qflock.networks import agents as agents_of
from qflock.networks import by_name, inputs, mixers


class Weights(NamedTuple):
    """Everything that gradients train."""

    agents: Parameters
    mixer: Any
    beside: Any = ()


class Choice(NamedTuple):
    """One action of each agent, with what mixers may look at; leaves ``(T, N, ...)``."""

    values: Float[Array, "T N A"]
    best: Float[Array, "T N A"]  # the highest value of a legal action
    actions: Int[Array, "T N A"]
    active: Bool[Array, "T N A"]
    observation: Shaped[Array, "T N A O"]
    state: Shaped[Array, "T N S"]


class QLearning(NamedTuple):
    """Attributes:
    team: the agents.
    mixes_state: whether the mixer sees the state.
    init: ``key -> Weights``.
    mixed: ``(mixer, Choice) -> (T, N)`` the team's value, or ``(T, N, A)`` without a mixer.
    aims: ``(values that choose (T+1, N, A, U), values that are believed, mixer, rows) -> (T, N, *X)``.
    share: ``(rows, *X shape) -> (T, N, *X)`` weights of transitions: 0 where nothing is to be learnt.
    explore, act, values: of a `Learner`, from the agents' weights; ``explore`` takes epsilon too.
    epsilon: ``env_steps -> share of random actions``.
    """

    team: agents_of.Agents
    mixes_state: bool
    init: Callable[[PRNGKeyArray], Weights]
    mixed: Callable[[Any, Choice], Float[Array, "T N *X"]]
    aims: Callable[..., Float[Array, "T N *X"]]
    share: Callable[[Rows, int], Float[Array, "T N *X"]]
    explore: Callable[..., tuple[Memory, Int[Array, "B A"], Any]]
    act: Callable[..., tuple[Memory, Int[Array, ""]]]
    values: Callable[..., Float[Array, "U"]]
    epsilon: Callable[[Int[Array, ""]], Float[Array, ""]]


def choose(q: Float[Array, "T N A U"], actions: Int[Array, "T N A"], at: TimeStep) -> Choice:
    """The values of actions at time steps."""
    values = jnp.take_along_axis(q, actions[..., None], -1)[..., 0]
    best = jnp.where(at.legal, q, -jnp.inf).max(-1)
    return Choice(values, best, actions, at.active, at.observation, at.state)


def build(config: QConfig, env: Environment, n_step: int = 1) -> QLearning:
    """The shared parts for an environment.

    Args:
        n_step: above 1, targets sum so many rewards instead of TD(lambda).
    """
    spec = env.spec
    independent = config.mixer == "none"
    mixes_state = config.mixer not in ("none", "sum")
    state_stage = inputs.of_state(spec, config.input_stage)
    seen = inputs.of_observation(spec, config.input_stage)

    def make_network(features: int, key: PRNGKeyArray) -> Any:
        return by_name.make(
            config.network,
            features,
            spec.actions,
            key,
            config.circuit_settings(),
            hidden=config.hidden,
            layer_norm=config.layer_norm,
            dueling=config.dueling,
            orthogonal=config.orthogonal,
        )

    team = agents_of.build(
        spec, make_network, config.share_parameters, config.input_stage, config.groups, config.last_action
    )

    def init(key: PRNGKeyArray) -> Weights:
        k_agents, k_mixer = jax.random.split(key)
        return Weights(
            team.init(k_agents),
            mixers.make(
                config.mixer,
                spec.agents,
                state_stage.size,
                k_mixer,
                embed=config.mixer_embed,
                hyper=config.mixer_hyper,
                actions=spec.actions,
                observation=seen.size,
            ),
        )

    def mixed(mixer: Any, choice: Choice) -> Float[Array, "T N *X"]:
        times, rows = choice.values.shape[:2]
        choice = choice._replace(
            values=jnp.where(choice.active, choice.values, 0.0),
            best=jnp.where(choice.active, choice.best, 0.0),
            state=choice.state if mixes_state else choice.state[..., :0],
        )
        looks = getattr(mixer, "looks", ())

        def one(choice: Choice) -> Float[Array, "*X"]:
            state = state_stage.apply(choice.state) if mixes_state else choice.state
            if "observation" in looks:
                choice = choice._replace(observation=jax.vmap(seen.apply)(choice.observation))
            return mixer(choice.values, state, **{name: getattr(choice, name) for name in looks})

        flat = jax.tree.map(lambda x: x.reshape(times * rows, *x.shape[2:]), choice)
        out = jax.vmap(one)(mesh.over_copies(flat))
        return mesh.whole(out.reshape(times, rows, *out.shape[1:]))

    def aims(
        choosing: Float[Array, "T+1 N A U"], believed: Float[Array, "T+1 N A U"], mixer: Any, rows: Rows
    ) -> Float[Array, "T N *X"]:
        later = jax.tree.map(lambda x: x[1:], rows.timestep)
        bootstrap = mixed(mixer, choose(believed[1:], exploration.greedy(choosing[1:], later.legal), later))
        own = independent and config.reward == "own" and not spec.shared_reward
        reward = later.reward if own else team_reward(spec, later.reward)
        like = lambda x: jnp.broadcast_to(x[..., None], bootstrap.shape) if bootstrap.ndim > x.ndim else x
        reward, terminated, over = like(reward), like(later.terminated), like(later.over)
        if n_step > 1:
            return targets.n_step(reward, bootstrap, terminated, over, config.gamma, n_step)
        return targets.lambda_returns(reward, bootstrap, terminated, over, config.gamma, config.td_lambda)

    def share(rows: Rows, ndim: int) -> Float[Array, "T N *X"]:
        valid = rows.valid if ndim == 2 else rows.valid[..., None] & rows.timestep.active[:-1]
        return valid.astype(jnp.float32)

    def explore(
        agents: Parameters, epsilon: Float[Array, ""], memory: Memory, now: TimeStep, key: PRNGKeyArray
    ) -> tuple[Memory, Int[Array, "B A"], Any]:
        memory, values = team.step(agents, memory, now.observation)
        actions = exploration.epsilon_greedy(key, values, now.legal, epsilon)
        return team.acted(memory, actions), actions, ()

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
        action = exploration.epsilon_greedy(key, values, legal, epsilon)
        return team.acted(memory, action), action

    return QLearning(
        team=team,
        mixes_state=mixes_state,
        init=init,
        mixed=mixed,
        aims=aims,
        share=share,
        explore=explore,
        act=act,
        values=lambda parameters, agent, memory, observation: team.one(
            parameters, agent, memory, observation
        )[1],
        epsilon=lambda at: exploration.linear(
            config.epsilon_start, config.epsilon_end, config.epsilon_decay, at
        ),
    )
