"""The agents' networks together: one shared with one-hot ids, one for each group, or one each.

Every learner reaches its agents through here, so that whichever network is chosen, feed-forward or
with a memory, works under all of them. An agent is computed from its own observation alone, and from the
action that it took last where it is told it.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, Protocol

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from qflock.core.errors import UserError
from qflock.core.learner import Policy
from qflock.core.portable import Choice, Portable
from qflock.core.spec import Spec
from qflock.core.steps import Actions, Memory, Mode, Parameters, Rows
from qflock.core.trees import like, spread, where
from qflock.learning.actions import of as actions_of
from qflock.machine import mesh
from qflock.networks import circuit, inputs
from qflock.networks.choosing import Choose, Show
from qflock.playing.execution import OneStart, decentralised


class Acted(NamedTuple):
    """The memory of an agent that is told its last action."""

    network: Memory
    action: Actions  # `Actions.none` where the episode has just begun


class MakeNetwork(Protocol):
    """Makes an agent's network."""

    def __call__(self, features: int, key: PRNGKeyArray, /) -> Any:
        """One network, an Equinox module.

        Args:
            features: length of its input.
            key: of its first weights.
        """
        ...


class Init(Protocol):
    """Parameters of all agents, with a leading axis of networks where there are several."""

    def __call__(self, key: PRNGKeyArray, /) -> Parameters: ...


class One(Protocol):
    """Memory and outputs ``(F,)`` of one agent at one time step."""

    def __call__(
        self,
        parameters: Parameters,
        agent: Int[Array, ""],
        memory: Memory,
        observation: Shaped[Array, "O"],
        /,
    ) -> tuple[Memory, Float[Array, "F"]]:
        """One unbatched time step.

        Args:
            parameters: of all agents.
            agent: its index, scalar.
            memory: its own.
            observation: its own, ``(O,)``.
        """
        ...


class Step(Protocol):
    """Memory and outputs of a batch: memory leaves ``(B, A, ...)``, observation ``(B, A, O)``."""

    def __call__(
        self, parameters: Parameters, memory: Memory, observation: Shaped[Array, "B A O"], /
    ) -> tuple[Memory, Float[Array, "B A F"]]:
        """One time step of B teams.

        Args:
            parameters: of all agents.
            memory: leaves ``(B, A, ...)``.
            observation: ``(B, A, O)``.
        """
        ...


class NoteActions(Protocol):
    """The memory of agents that are told the actions chosen for them."""

    def __call__(self, memory: Memory, actions: Actions, /) -> Memory:
        """The memory with the actions in it; unchanged where agents are not told.

        Args:
            memory: leaves ``(..., ...)``, as the actions have axes.
            actions: as the policy gave them.
        """
        ...


class Unroll(Protocol):
    """Outputs along rows, memories renewed where episodes begin."""

    def __call__(self, parameters: Parameters, rows: Rows, /) -> Float[Array, "T+1 B A F"]:
        """Outputs at every row.

        Args:
            parameters: of all agents.
            rows: T transitions of B teams.
        """
        ...


class Agents(NamedTuple):
    """Attributes:
    init: parameters from a key.
    memory: of one agent at the start of an episode.
    one, step, unroll: an agent, a batch of teams, rows of teams.
    acted: tells agents their actions.
    portable: what an export must know of input and sharing; the learner adds the choice.
    """

    init: Init
    memory: OneStart
    one: One
    step: Step
    acted: NoteActions
    unroll: Unroll
    portable: Portable

    def policy(self, choose: Choose, show: Show, choice: Choice) -> Policy:
        """The decentralised policy of these agents.

        Args:
            choose: how an agent's outputs become its action.
            show: the numbers behind that choice.
            choice: what an export must know of it.
        """

        def alone(
            parameters: Parameters,
            agent: Int[Array, ""],
            memory: Memory,
            observation: Array,
            legal: Array,
            key: PRNGKeyArray,
            mode: Mode = "greedy",
        ) -> tuple[Memory, Actions]:
            memory, outputs = self.one(parameters, agent, memory, observation)
            action = choose(key, outputs, legal, mode)
            return self.acted(memory, action), action

        def scores(
            parameters: Parameters, agent: Int[Array, ""], memory: Memory, observation: Array
        ) -> Float[Array, "U"]:
            return show(self.one(parameters, agent, memory, observation)[1])

        portable = self.portable._replace(choice=choice)
        return decentralised(self.portable.agents, self.memory, alone, scores, portable)


def build(
    spec: Spec,
    make: MakeNetwork,
    shared: bool = True,
    stage: str = "relative",
    groups: Sequence[int] = (),
    last_action: bool = False,
    ids: bool = True,
) -> Agents:
    """Agents for an environment's sizes.

    Args:
        make: ``(number of features, key) -> network``.
        shared: one network for all, told apart by a one-hot id, instead of one each.
        stage: the input stage, "relative" or "raw" (see `inputs`).
        groups: the group of each agent, counted from 0; a network for each group, whose agents are told
            apart by a one-hot id. Replaces ``shared``.
        last_action: agents also see their last action, one-hot; zeros where an episode begins.
        ids: whether agents that share a network are told apart; without, alike ones act alike.

    Raises:
        UserError: groups for another number of agents.
    """
    if groups and len(groups) != spec.agents:
        raise UserError(f"groups names {len(groups)} agents; {spec.name} has {spec.agents}")
    with_ids = not (alone := not groups and not shared) and ids
    network_of = tuple(groups) or (tuple(range(spec.agents)) if alone else ())
    seen = inputs.of_observation(spec, stage)
    action = actions_of(spec.action)
    features = seen.size + (spec.agents if with_ids else 0) + (action.encoded if last_action else 0)
    remembers = hasattr(eqx.filter_eval_shape(make, features, jax.random.key(0)), "initial")

    def init(key: PRNGKeyArray) -> Parameters:
        if not network_of:
            return make(features, key)
        return jax.vmap(lambda k: make(features, k))(jax.random.split(key, max(network_of) + 1))

    def memory() -> Memory:
        inner = make(features, jax.random.key(0)).initial() if remembers else ()
        return Acted(inner, action.none()) if last_action else inner

    run = _runner(spec, stage, with_ids, last_action, remembers)
    told = lambda parameters: circuit.among(parameters, max(network_of) + 1)

    def one(
        parameters: Parameters, agent: Int[Array, ""], memory: Memory, observation: Shaped[Array, "O"]
    ) -> tuple[Memory, Float[Array, "U"]]:
        if network_of:
            parameters = jax.tree.map(lambda x: x[jnp.array(network_of)[agent]], told(parameters))
        return run(parameters, agent, memory, observation)

    def step(
        parameters: Parameters, memory: Memory, observation: Shaped[Array, "B A O"]
    ) -> tuple[Memory, Float[Array, "B A U"]]:
        num_envs = observation.shape[0]
        memory, observation = mesh.over_copies((memory, observation))
        if network_of:
            own = jax.tree.map(lambda x: x if alone else x[jnp.array(network_of)], told(parameters))
            envs_of_one = jax.vmap(run, in_axes=(None, None, 0, 0))
            each = jax.vmap(envs_of_one, in_axes=(0, 0, 1, 1), out_axes=1)
            return each(own, jnp.arange(spec.agents), memory, observation)
        # One flat axis, so that each layer is one matrix product (nested vmaps are 2 to 3 times slower).
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), (memory, observation))
        ids = jnp.tile(jnp.arange(spec.agents), num_envs)
        out = jax.vmap(run, in_axes=(None, 0, 0, 0))(parameters, ids, *flat)
        return jax.tree.map(lambda x: x.reshape(num_envs, spec.agents, *x.shape[1:]), out)

    def acted(memory: Memory, actions: Actions) -> Memory:
        return memory._replace(action=actions.astype(memory.action.dtype)) if last_action else memory

    unroll = _unrolled(spec, step, acted, memory, last_action, remembers)
    portable = Portable(
        spec.agents, stage=stage, identity=with_ids, last_action=last_action, networks=network_of
    )
    return Agents(init, memory, one, step, acted, unroll, portable)


class _Run(Protocol):
    """Memory and outputs of one agent, by its own network."""

    def __call__(
        self, network: Any, agent: Int[Array, ""], memory: Memory, observation: Shaped[Array, "O"], /
    ) -> tuple[Memory, Float[Array, "F"]]: ...


def _runner(spec: Spec, stage: str, with_ids: bool, last_action: bool, remembers: bool) -> _Run:
    """How a network is run on what an agent sees: input stage, id, last action, memory."""
    seen, action = inputs.of_observation(spec, stage), actions_of(spec.action)

    def run(
        network: Any, agent: Int[Array, ""], memory: Memory, observation: Shaped[Array, "O"]
    ) -> tuple[Memory, Float[Array, "U"]]:
        x = [seen.apply(observation)]
        if with_ids:
            x.append(jax.nn.one_hot(agent, spec.agents))
        if last_action:
            x.append(action.encode(memory.action))
        inner = memory.network if last_action else memory
        inner, out = network(inner, jnp.concatenate(x)) if remembers else ((), network(jnp.concatenate(x)))
        return (memory._replace(network=inner) if last_action else inner), out

    return run


def _unrolled(
    spec: Spec, step: Step, acted: NoteActions, memory: OneStart, last_action: bool, remembers: bool
) -> Unroll:
    """How a step of a batch becomes outputs along rows."""

    def unroll(parameters: Parameters, rows: Rows) -> Float[Array, "T+1 B A U"]:
        observation = rows.timestep.observation
        anew = rows.first[..., None] | rows.joined if spec.agents_return else rows.first
        times, num_envs, agents = observation.shape[:3]
        taken = actions_of(spec.action).none(times, num_envs, agents)
        if last_action:
            last = rows.memory.action
            last = jnp.concatenate([last[None], rows.actions.astype(last.dtype)])
            taken = jnp.where(like(anew, last), taken, last)
        if not remembers:
            flat = lambda x: x.reshape(-1, *x.shape[2:])
            out = step(parameters, Acted((), flat(taken)) if last_action else (), flat(observation))[1]
            return mesh.whole(out.reshape(times, num_envs, *out.shape[1:]))
        fresh = spread(memory(), num_envs, agents)

        def advance(memory: Memory, x: tuple[Array, Array, Array]) -> tuple[Memory, Array]:
            now, anew, taken = x
            memory = acted(where(anew, fresh, memory), taken)
            return step(parameters, memory, now)

        return mesh.whole(jax.lax.scan(advance, rows.memory, (observation, anew, taken))[1])

    return unroll
