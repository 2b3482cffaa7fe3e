"""Ramsey guidance: which agents keep exploring, so that no clique of alike agents explores whole.

A graph joins agents whose mean policy entropies are close. Choosing agents i costs -H_i each, and
+lambda for every clique of k that is chosen whole: a binary polynomial of degree k. Inside a compiled
update it is minimised exactly, over all 2^N choices, for up to `MOST_AGENTS` agents: a host callback
would halve the speed of training. `solve_with_library` solves the same polynomial on the host with networkx,
dimod and dwave-samplers (extra ``graphs``) for larger teams.
"""

from __future__ import annotations

import importlib
import itertools
from collections.abc import Callable, Sequence
from math import comb
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float

from qflock.core.errors import UserError
from qflock.core.steps import Metrics

MOST_AGENTS = 20  # whose 2^N choices are tried in every update
RAMSEY = {2: 2, 3: 6, 4: 18, 5: 46}
"""R(k, k), the fewest agents among which k alike or k unlike ones are unavoidable; an upper bound for 5."""


def graph(entropies: Float[Array, "A"], threshold: float) -> Bool[Array, "A A"]:
    """Edges between agents whose entropies differ by less than ``threshold``.

    Args:
        entropies: one for each agent, ``(A,)``, in [0, 1].
        threshold: in the unit of the entropies.
    """
    near = jnp.abs(entropies[:, None] - entropies) < threshold
    return near & ~jnp.eye(len(entropies), dtype=bool)


def chooser(
    agents: int, threshold: float, size: int, weight: float
) -> Callable[[Float[Array, "A"]], tuple[Bool[Array, "A"], Metrics]]:
    """``entropies (A,) -> (chosen (A,), metrics)``: the exact minimum, for use inside a compiled update.

    Of equal choices the first counts, in the order of the binary numbers that they are. Metrics:
    ``explorers``, the share of agents chosen; ``clique_density`` and ``independent_density``, the shares of
    all groups of ``size`` agents that are all alike or all unlike; ``unavoidable_density``, the least
    that their sum can be in any graph.

    Args:
        agents: how many, A.
        threshold: in the unit of the entropies.
        size: agents of a clique, k.
        weight: lambda, what a clique that is chosen whole costs.

    Raises:
        UserError: more than `MOST_AGENTS` agents.
    """
    if agents > MOST_AGENTS:
        raise UserError(
            f"ramsey tries all choices among at most {MOST_AGENTS} agents, not {agents}; leave it off"
        )
    groups = np.array(list(itertools.combinations(range(agents), size)), int).reshape(-1, size)
    masks = (1 << groups).sum(1).astype(np.int32)
    pairs = list(itertools.combinations(range(size), 2))
    least = unavoidable(agents, size) / max(len(groups), 1)

    def choose(entropies: Float[Array, "A"]) -> tuple[Bool[Array, "A"], Metrics]:
        alike = graph(entropies, threshold)
        edges = jnp.stack([alike[groups[:, a], groups[:, b]] for a, b in pairs])
        whole, none = edges.all(0), ~edges.any(0)
        choices = jnp.arange(1 << agents, dtype=jnp.int32)
        worth = sum(jnp.where((choices >> i) & 1, entropies[i], 0.0) for i in range(agents))

        def count(hits: Array, group: tuple[Array, Array]) -> tuple[Array, None]:
            mask, is_clique = group
            return hits + (((choices & mask) == mask) & is_clique), None

        hit = jax.lax.scan(count, jnp.zeros(choices.shape, jnp.int32), (jnp.asarray(masks), whole))[0]
        best = jnp.argmin(weight * hit - worth)
        chosen = ((best >> jnp.arange(agents)) & 1).astype(bool)
        fraction = lambda x: x.sum() / jnp.float32(max(len(groups), 1))
        return chosen, {
            "explorers": chosen.mean(),
            "clique_density": fraction(whole),
            "independent_density": fraction(none),
            "unavoidable_density": jnp.float32(least),
        }

    return choose


def unavoidable(agents: int, size: int) -> int:
    """The least number of cliques and independent sets of ``size`` in any graph, or a lower bound of it.

    Exact for 2 and 3 (Goodman 1959). Above, every group of R(k, k) agents holds one, and is counted
    once for each group around it; 0 where R(k, k) is not known.

    Args:
        agents: how many, A.
        size: agents of a clique, k.
    """
    if size == 2:
        return comb(agents, 2)
    if size == 3:
        half, odd = divmod(agents, 2)
        if not odd:
            return half * (half - 1) * (half - 2) // 3
        quarter, rest = divmod(agents, 4)
        if rest == 1:
            return 2 * quarter * (quarter - 1) * (4 * quarter + 1) // 3
        return 2 * quarter * (quarter + 1) * (4 * quarter - 1) // 3
    enough = RAMSEY.get(size)
    if enough is None or agents < enough:
        return 0
    return -(-comb(agents, size) // comb(enough, size))


def polynomial(
    entropies: Sequence[float], alike: np.ndarray, size: int, weight: float
) -> dict[tuple[int, ...], float]:
    """The binary polynomial as coefficients of products of agents; cliques are found by networkx.

    Args:
        entropies: one for each agent, ``(A,)``, in [0, 1].
        alike: the graph, ``(A, A)``.
        size: agents of a clique, k.
        weight: lambda, what a clique that is chosen whole costs.

    Raises:
        UserError: networkx is not installed.
    """
    networkx = _library("networkx")
    terms = {(i,): -float(h) for i, h in enumerate(entropies)}
    whole = networkx.from_numpy_array(np.asarray(alike, int))
    cliques = set()
    for biggest in networkx.find_cliques(whole):
        cliques |= set(itertools.combinations(sorted(biggest), size))
    return terms | dict.fromkeys(sorted(cliques), float(weight))


def solve_with_library(
    entropies: Sequence[float], alike: np.ndarray, size: int, weight: float, reads: int = 200, seed: int = 0
) -> np.ndarray:
    """Minimise the polynomial on the host: quadratised by dimod, annealed by dwave-samplers.

    Args:
        entropies: one for each agent.
        alike: the graph, (A, A).
        reads: annealing runs; the best counts.

    Returns:
        The agents chosen, (A,) bool.

    Raises:
        UserError: the libraries of the extra ``graphs`` are not installed.
    """
    dimod, samplers = _library("dimod"), _library("dwave.samplers")
    terms = polynomial(entropies, alike, size, weight)
    strength = 2.0 * (weight + max(map(float, entropies)))
    model = dimod.make_quadratic(terms, strength, dimod.BINARY)
    best = samplers.SimulatedAnnealingSampler().sample(model, num_reads=reads, seed=seed).first.sample
    return np.array([bool(best[i]) for i in range(len(entropies))])


def _library(name: str) -> Any:
    try:
        return importlib.import_module(name)
    except ImportError as problem:
        raise UserError(
            f"{name} is not installed; install it with: pip install 'qflock[graphs]'"
        ) from problem
