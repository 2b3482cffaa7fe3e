"""What all Q-learners share: agents, mixer, the team's values and their targets over packed rows.

Agents that have left count as `core.steps.Rows.of_agents` says: with the team's reward as agents with one
legal action, to mixers too; with their own reward they have come to their end.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray, Shaped

from qflock.algorithms._value.q_config import QConfig
from qflock.core.environment import Environment
from qflock.core.learner import Policy
from qflock.core.portable import ByValue
from qflock.core.steps import Actions, Memory, Mode, Parameters, Rows, TimeStep, Transitions
from qflock.learning import exploration, targets
from qflock.machine import mesh
from qflock.networks import agents as agents_of
from qflock.networks import by_name, inputs, mixers


class Weights(NamedTuple):
    """Everything that gradients train."""

    agents: Parameters
    mixer: Any
    auxiliary: Any = ()


class Choice(NamedTuple):
    """One action of each agent, with what mixers may look at; leaves ``(T, N, ...)``."""

    values: Float[Array, "T N A"]
    best: Float[Array, "T N A"]  # the highest value of a legal action
    actions: Int[Array, "T N A"]
    active: Bool[Array, "T N A"]
    observation: Shaped[Array, "T N A O"]
    state: Shaped[Array, "T N S"]


def choose(q: Float[Array, "T N A U"], actions: Int[Array, "T N A"], at: TimeStep) -> Choice:
    """The values of actions at time steps.

    Args:
        q: values of all actions.
        actions: those chosen; an agent that has left has one.
        at: the time steps, leaves ``(T, N, ...)``.
    """
    actions = at.settled(actions)
    values = jnp.take_along_axis(q, actions[..., None], -1)[..., 0]
    best = jnp.where(at.options, q, -jnp.inf).max(-1)
    return Choice(values, best, actions, at.active, at.observation, at.state)


class QLearning:
    """The shared parts for an environment; all methods are pure.

    Args:
        config: the learner's settings.
        env: with discrete actions.
        n_step: above 1, targets sum so many rewards instead of TD(lambda).

    Attributes:
        team: the agents.
        mixes_state: whether the mixer sees the state.
    """

    def __init__(self, config: QConfig, env: Environment, n_step: int = 1) -> None:
        self._config, self._spec, self._n_step = config, env.spec, n_step
        self._independent = config.mixer == "none"
        self.mixes_state = config.mixer not in ("none", "sum")
        self._state_stage = inputs.of_state(env.spec, config.input_stage)
        self._stage = inputs.of_observation(env.spec, config.input_stage)
        shared, stage = config.share_parameters, config.input_stage
        self.team = agents_of.build(env.spec, self._network, shared, stage, config.groups, config.last_action)

    def _network(self, features: int, key: PRNGKeyArray) -> Any:
        config = self._config
        return by_name.make(
            config.network,
            features,
            self._spec.actions,
            key,
            config.circuit_settings(),
            hidden=config.hidden,
            layer_norm=config.layer_norm,
            dueling=config.dueling,
            orthogonal=config.orthogonal,
        )

    def init(self, key: PRNGKeyArray) -> Weights:
        """First weights of agents and mixer."""
        k_agents, k_mixer = jax.random.split(key)
        config, spec = self._config, self._spec
        mixer = mixers.make(
            config.mixer,
            spec.agents,
            self._state_stage.size,
            k_mixer,
            embed=config.mixer_embed,
            hyper=config.mixer_hyper,
            actions=spec.actions,
            observation=self._stage.size,
            circuit=config.circuit_settings(),
        )
        return Weights(self.team.init(k_agents), mixer)

    def mixed(self, mixer: Any, choice: Choice) -> Float[Array, "T N *X"]:
        """The team's value ``(T, N)`` of what agents chose, or each agent's ``(T, N, A)`` without a mixer.

        Args:
            mixer: its weights.
            choice: leaves ``(T, N, ...)``.
        """
        times, rows = choice.values.shape[:2]
        choice = choice._replace(state=choice.state if self.mixes_state else choice.state[..., :0])
        looks = getattr(mixer, "looks", ())

        def one(choice: Choice) -> Float[Array, "*X"]:
            state = self._state_stage.apply(choice.state) if self.mixes_state else choice.state
            if "observation" in looks:
                choice = choice._replace(observation=jax.vmap(self._stage.apply)(choice.observation))
            return mixer(choice.values, state, **{name: getattr(choice, name) for name in looks})

        flat = jax.tree.map(lambda x: x.reshape(times * rows, *x.shape[2:]), choice)
        out = jax.vmap(one)(mesh.over_copies(flat))
        return mesh.whole(out.reshape(times, rows, *out.shape[1:]))

    def targets(
        self,
        choosing: Float[Array, "T+1 N A U"],
        values: Float[Array, "T+1 N A U"],
        mixer: Any,
        rows: Rows,
    ) -> Float[Array, "T N *X"]:
        """What `mixed` should be.

        Args:
            choosing: values by which next actions are chosen.
            values: values that those actions are worth.
            mixer: of the target.
            rows: T transitions of N sequences.
        """
        config, later = self._config, rows.after
        actions = exploration.greedy(choosing[1:], later.legal)
        bootstrap = self.mixed(mixer, choose(values[1:], actions, later))
        step = self._transitions(rows, bootstrap.ndim)
        ends = (step.terminated, step.over, config.gamma)
        if self._n_step > 1:
            return targets.n_step(step.reward, bootstrap, *ends, self._n_step)
        return targets.lambda_returns(step.reward, bootstrap, *ends, config.td_lambda)

    def mask(self, rows: Rows, ndim: int) -> Float[Array, "T N *X"]:
        """1 for transitions that teach, of the team (``ndim`` 2) or of each agent (3).

        Args:
            rows: T transitions of N sequences.
            ndim: 2 or 3.
        """
        return self._transitions(rows, ndim).mask.astype(jnp.float32)

    def _transitions(self, rows: Rows, ndim: int) -> Transitions:
        if ndim == 2:
            return rows.of_team(self._spec)
        return rows.of_agents(self._spec, self._config.reward if self._independent else "team")

    def epsilon(self, env_steps: Int[Array, ""]) -> Float[Array, ""]:
        """Fraction of random actions."""
        config = self._config
        return exploration.linear(config.epsilon_start, config.epsilon_end, config.epsilon_decay, env_steps)

    def explore(
        self,
        agents: Parameters,
        epsilon: Float[Array, ""],
        memory: Memory,
        now: TimeStep,
        key: PRNGKeyArray,
    ) -> tuple[Memory, Actions, Any]:
        """As `core.learner.Explore`, from the agents' weights.

        Args:
            agents: their weights.
            epsilon: probability of a uniform action, scalar.
            memory: the teams', leaves ``(B, ...)``.
            now: leaves ``(B, ...)``.
            key: of the actions drawn.
        """
        memory, values = self.team.step(agents, memory, now.observation)
        actions = exploration.epsilon_greedy(key, values, now.legal, epsilon)
        return self.team.acted(memory, actions), actions, ()

    def _choose(
        self, key: PRNGKeyArray, values: Float[Array, "U"], legal: Bool[Array, "U"], mode: Mode
    ) -> Actions:
        epsilon = self._config.epsilon_end if mode == "sample" else 0.0
        return exploration.epsilon_greedy(key, values, legal, epsilon)

    def policy(self) -> Policy:
        """Decentralised: each agent takes its action of highest value."""
        return self.team.policy(self._choose, lambda values: values, ByValue(self._config.epsilon_end))

    def credit(
        self, weights: Weights, values: Float[Array, "A"], state: Float[Array, "S"]
    ) -> Float[Array, "A"]:
        """As `core.learner.Credit`.

        Args:
            weights: agents' and mixer's.
            values: the agents' chosen action values, ``(A,)``.
            state: the environment's, ``(S,)``.
        """
        return jax.grad(lambda q: weights.mixer(q, self._state_stage.apply(state)))(values)

    @property
    def mixes(self) -> bool:
        """Whether the mixer weighs agents by weights of its own, from their values and the state alone."""
        mixer = jax.eval_shape(lambda: self.init(jax.random.key(0)).mixer)
        return bool(jax.tree.leaves(mixer)) and not getattr(mixer, "looks", ())
