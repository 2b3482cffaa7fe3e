"""Policies as tables, where an environment has few observations: the network runs once on each of them."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Shaped

from qflock.core.environment import Exact
from qflock.core.spec import Spec
from qflock.core.steps import Parameters
from qflock.networks.agents import Agents


class Lookup(NamedTuple):
    """Attributes:
    size: observations N.
    tables: different ones, 1 where all agents are alike.
    index: ``observation (O,) -> its number``; an observation that is none of them gets any number.
    logits: ``Parameters -> (A, N, U)`` outputs of the network.
    """

    size: int
    tables: int
    index: Callable[[Shaped[Array, "O"]], Int[Array, ""]]
    logits: Callable[[Parameters], Float[Array, "A N U"]]


def build(env: Exact, spec: Spec, agents: Agents, alike: bool = False) -> Lookup:
    """Tables of memoryless agents over all of an environment's observations.

    Args:
        alike: agents share a network and are not told apart: one table is enough for all.
    """
    with jax.ensure_compile_time_eval():
        every = np.asarray(env.observations())
    index = _finder(every)

    def logits(parameters: Parameters) -> Float[Array, "A N U"]:
        if alike:
            one = lambda seen: agents.one(parameters, jnp.int32(0), (), seen)[1]
            table = jax.vmap(one)(jnp.asarray(every))
            return jnp.broadcast_to(table, (spec.agents, *table.shape))
        seen = jnp.broadcast_to(jnp.asarray(every)[:, None], (len(every), spec.agents, every.shape[1]))
        return jnp.swapaxes(agents.step(parameters, (), seen)[1], 0, 1)

    return Lookup(len(every), 1 if alike else spec.agents, index, logits)


def _finder(every: np.ndarray) -> Callable[[Array], Array]:
    """A function from an observation to its row, by a hash under which all rows differ."""
    words = lambda x: jax.lax.bitcast_convert_type(jnp.asarray(x, jnp.float32), jnp.uint32)
    table = np.asarray(words(every))
    random = np.random.default_rng(0)
    while True:
        factors = random.integers(1, 2**32, every.shape[1], dtype=np.uint32) | np.uint32(1)
        with np.errstate(over="ignore"):
            hashes = ((table ^ (table >> 15)) * factors).sum(1, dtype=np.uint32)
        if len(np.unique(hashes)) == len(every):
            break
    order = np.argsort(hashes)
    known, rows = jnp.asarray(hashes[order]), jnp.asarray(order)

    def find(observation: Array) -> Array:
        bits = words(observation)
        own = ((bits ^ (bits >> 15)) * jnp.asarray(factors)).sum(dtype=jnp.uint32)
        return rows[jnp.minimum(jnp.searchsorted(known, own), len(every) - 1)]

    return find
