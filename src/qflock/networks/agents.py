"""The agents' networks together: one shared with one-hot ids, one for each group, or one each.

Every learner reaches its agents through here, so that whichever network is chosen, feed-forward or
with a memory, works under all of them. An agent is computed from its own observation alone, and from the
action that it took last where it is told it.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from qflock.core.errors import UserError
from qflock.core.types import Memory, Parameters, Rows, Spec
from qflock.machine import mesh
from qflock.networks import inputs
from qflock.playing import rollout


class Acted(NamedTuple):
    """The memory of an agent that is told its last action."""

    network: Memory
    action: Int[Array, "*B"]  # -1 where the episode has just begun


class Agents(NamedTuple):
    """Attributes:
    init: ``key -> Parameters`` (a leading axis of networks where there are several).
    memory: ``() -> Memory`` of one agent at the start of an episode.
    one: ``(parameters, agent, memory, observation) -> (memory, outputs)`` for one agent.
    step: ``(parameters, memory (B, A, ...), observation (B, A, O)) -> (memory, outputs (B, A, U))``.
    acted: ``(memory, actions) -> memory``; agents are told the actions that were chosen for them.
    unroll: ``(parameters, rows) -> outputs (T+1, B, A, U)``.
    """

    init: Callable[[PRNGKeyArray], Parameters]
    memory: Callable[[], Memory]
    one: Callable[..., tuple[Memory, Float[Array, "U"]]]
    step: Callable[..., tuple[Memory, Float[Array, "B A U"]]]
    acted: Callable[[Memory, Int[Array, "*B"]], Memory]
    unroll: Callable[[Parameters, Rows], Float[Array, "T+1 B A U"]]


def build(
    spec: Spec,
    make: Callable[[int, PRNGKeyArray], Any],
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
    alone = not groups and not shared
    told = ids and not alone
    network_of = tuple(groups) or (tuple(range(spec.agents)) if alone else ())
    seen = inputs.of_observation(spec, stage)
    features = seen.size + (spec.agents if told else 0) + (spec.actions if last_action else 0)
    remembers = hasattr(eqx.filter_eval_shape(make, features, jax.random.key(0)), "initial")

    def init(key: PRNGKeyArray) -> Parameters:
        if not network_of:
            return make(features, key)
        return jax.vmap(lambda k: make(features, k))(jax.random.split(key, max(network_of) + 1))

    def memory() -> Memory:
        inner = make(features, jax.random.key(0)).initial() if remembers else ()
        return Acted(inner, jnp.int32(-1)) if last_action else inner

    def run(
        network: Any, agent: Int[Array, ""], memory: Memory, observation: Shaped[Array, "O"]
    ) -> tuple[Memory, Float[Array, "U"]]:
        x = [seen.apply(observation)]
        if told:
            x.append(jax.nn.one_hot(agent, spec.agents))
        if last_action:
            x.append(jax.nn.one_hot(memory.action, spec.actions))
        inner = memory.network if last_action else memory
        inner, out = network(inner, jnp.concatenate(x)) if remembers else ((), network(jnp.concatenate(x)))
        return (memory._replace(network=inner) if last_action else inner), out

    def one(
        parameters: Parameters, agent: Int[Array, ""], memory: Memory, observation: Shaped[Array, "O"]
    ) -> tuple[Memory, Float[Array, "U"]]:
        if network_of:
            parameters = jax.tree.map(lambda x: x[jnp.array(network_of)[agent]], parameters)
        return run(parameters, agent, memory, observation)

    def step(
        parameters: Parameters, memory: Memory, observation: Shaped[Array, "B A O"]
    ) -> tuple[Memory, Float[Array, "B A U"]]:
        copies = observation.shape[0]
        memory, observation = mesh.over_copies((memory, observation))
        if network_of:
            own = parameters if alone else jax.tree.map(lambda x: x[jnp.array(network_of)], parameters)
            copies_of_one = jax.vmap(run, in_axes=(None, None, 0, 0))
            each = jax.vmap(copies_of_one, in_axes=(0, 0, 1, 1), out_axes=1)
            return each(own, jnp.arange(spec.agents), memory, observation)
        # One flat axis, so that each layer is one matrix product (nested vmaps are 2 to 3 times slower).
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), (memory, observation))
        ids = jnp.tile(jnp.arange(spec.agents), copies)
        out = jax.vmap(run, in_axes=(None, 0, 0, 0))(parameters, ids, *flat)
        return jax.tree.map(lambda x: x.reshape(copies, spec.agents, *x.shape[1:]), out)

    def acted(memory: Memory, actions: Int[Array, "*B"]) -> Memory:
        return memory._replace(action=actions.astype(jnp.int32)) if last_action else memory

    def unroll(parameters: Parameters, rows: Rows) -> Float[Array, "T+1 B A U"]:
        observation, first = rows.timestep.observation, rows.first
        times, copies = observation.shape[:2]
        taken = jnp.int32(-1)
        if last_action:
            taken = jnp.concatenate([rows.memory.action[None], rows.actions.astype(jnp.int32)])
            taken = jnp.where(first[..., None], -1, taken)
        if not remembers:
            flat = lambda x: x.reshape(-1, *x.shape[2:])
            out = step(parameters, Acted((), flat(taken)) if last_action else (), flat(observation))[1]
            return mesh.whole(out.reshape(times, copies, *out.shape[1:]))
        fresh = rollout.spread(memory(), copies, spec.agents)

        def tick(memory: Memory, x: tuple[Array, Array, Array]) -> tuple[Memory, Array]:
            now, first, taken = x
            memory = acted(rollout.where(first, fresh, memory), taken)
            return step(parameters, memory, now)

        taken = jnp.broadcast_to(taken, (times, copies, spec.agents))
        return mesh.whole(jax.lax.scan(tick, rows.memory, (observation, first, taken))[1])

    return Agents(init, memory, one, step, acted, unroll)
