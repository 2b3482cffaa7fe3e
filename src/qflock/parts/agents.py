"""The agents' networks together: one shared with one-hot ids, or one each.

Every learner reaches its agents through here, so that whichever network is chosen, feed-forward or
with a memory, works under all of them. An agent is computed from its own observation alone.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray, Shaped

from qflock.parts import inputs, rollout
from qflock.types import Memory, Parameters, Rows, Spec


class Agents(NamedTuple):
    """Attributes:
    init: ``key -> Parameters`` (a leading agent axis where networks are separate).
    memory: ``() -> Memory`` of one agent at the start of an episode.
    one: ``(parameters, agent, memory, observation) -> (memory, outputs)`` for one agent.
    step: ``(parameters, memory (B, A, ...), observation (B, A, O)) -> (memory, outputs (B, A, U))``.
    unroll: ``(parameters, rows) -> outputs (T+1, B, A, U)``.
    """

    init: Callable[[PRNGKeyArray], Parameters]
    memory: Callable[[], Memory]
    one: Callable[..., tuple[Memory, Float[Array, "U"]]]
    step: Callable[..., tuple[Memory, Float[Array, "B A U"]]]
    unroll: Callable[[Parameters, Rows], Float[Array, "T+1 B A U"]]


def build(
    spec: Spec, make: Callable[[int, PRNGKeyArray], Any], shared: bool = True, stage: str = "relative"
) -> Agents:
    """Agents for an environment's sizes.

    Args:
        make: ``(number of features, key) -> network``.
        shared: one network for all, told apart by a one-hot id, instead of one each.
        stage: the input stage, "relative" or "raw" (see `inputs`).
    """
    seen = inputs.of_observation(spec, stage)
    features = seen.size + (spec.agents if shared else 0)
    remembers = hasattr(eqx.filter_eval_shape(make, features, jax.random.key(0)), "initial")

    def init(key: PRNGKeyArray) -> Parameters:
        if shared:
            return make(features, key)
        return jax.vmap(lambda k: make(features, k))(jax.random.split(key, spec.agents))

    def memory() -> Memory:
        return make(features, jax.random.key(0)).initial() if remembers else ()

    def run(
        network: Any, agent: Int[Array, ""], memory: Memory, observation: Shaped[Array, "O"]
    ) -> tuple[Memory, Float[Array, "U"]]:
        x = seen.apply(observation)
        if shared:
            x = jnp.concatenate([x, jax.nn.one_hot(agent, spec.agents)])
        return network(memory, x) if remembers else ((), network(x))

    def one(
        parameters: Parameters, agent: Int[Array, ""], memory: Memory, observation: Shaped[Array, "O"]
    ) -> tuple[Memory, Float[Array, "U"]]:
        network = parameters if shared else jax.tree.map(lambda x: x[agent], parameters)
        return run(network, agent, memory, observation)

    def step(
        parameters: Parameters, memory: Memory, observation: Shaped[Array, "B A O"]
    ) -> tuple[Memory, Float[Array, "B A U"]]:
        copies = observation.shape[0]
        if not shared:
            alone = jax.vmap(run, in_axes=(None, None, 0, 0))
            each = jax.vmap(alone, in_axes=(0, 0, 1, 1), out_axes=1)
            return each(parameters, jnp.arange(spec.agents), memory, observation)
        # One flat axis, so that each layer is one matrix product (nested vmaps are 2 to 3 times slower).
        flat = jax.tree.map(lambda x: x.reshape(-1, *x.shape[2:]), (memory, observation))
        ids = jnp.tile(jnp.arange(spec.agents), copies)
        out = jax.vmap(run, in_axes=(None, 0, 0, 0))(parameters, ids, *flat)
        return jax.tree.map(lambda x: x.reshape(copies, spec.agents, *x.shape[1:]), out)

    def unroll(parameters: Parameters, rows: Rows) -> Float[Array, "T+1 B A U"]:
        observation = rows.timestep.observation
        times, copies = observation.shape[:2]
        if not remembers:
            out = step(parameters, (), observation.reshape(-1, *observation.shape[2:]))[1]
            return out.reshape(times, copies, *out.shape[1:])
        fresh = rollout.spread(memory(), copies, spec.agents)

        def tick(memory: Memory, x: tuple[Array, Array]) -> tuple[Memory, Array]:
            now, first = x
            return step(parameters, rollout.where(first, fresh, memory), now)

        return jax.lax.scan(tick, rows.memory, (observation, rows.first))[1]

    return Agents(init, memory, one, step, unroll)
