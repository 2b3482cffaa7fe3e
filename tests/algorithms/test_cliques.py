"""Ramsey guidance: the compiled solver against plain enumeration and the maintained libraries."""

from __future__ import annotations

import itertools
from functools import cache
from math import comb

import hypothesis.strategies as st
import jax
import jax.numpy as jnp
import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis.extra.numpy import arrays

from qflock.algorithms._actor_critic import cliques
from qflock.core.errors import UserError

AGENTS = 6


def cost(chosen, entropies, alike, size, weight):
    picked = [i for i in range(len(entropies)) if chosen[i]]
    whole = sum(
        all(alike[a, b] for a, b in itertools.combinations(group, 2))
        for group in itertools.combinations(picked, size)
    )
    return weight * whole - sum(entropies[i] for i in picked)


def brute_force(entropies, alike, size, weight):
    choices = itertools.product([False, True], repeat=len(entropies))
    return min(cost(c, entropies, alike, size, weight) for c in choices)


@cache
def compiled(size, weight):
    return jax.jit(cliques.chooser(AGENTS, 0.2, size, weight))


@settings(max_examples=40)
@given(
    entropies=arrays(np.float32, AGENTS, elements=st.floats(0, 1, width=32)),
    case=st.sampled_from([(2, 0.5), (3, 0.3), (3, 2.0), (4, 0.5)]),
)
def test_the_compiled_solver_finds_the_minimum(entropies, case):
    size, weight = case
    alike = np.asarray(cliques.graph(jnp.asarray(entropies), 0.2))
    chosen, told = compiled(size, weight)(entropies)
    best = brute_force(entropies, alike, size, weight)
    assert cost(np.asarray(chosen), entropies, alike, size, weight) == pytest.approx(best, abs=1e-4)
    graph = networkx.from_numpy_array(alike)
    number = lambda g: sum(1 for c in networkx.enumerate_all_cliques(g) if len(c) == size)
    found = number(graph), number(networkx.complement(graph))
    assert told["clique_density"] == pytest.approx(found[0] / comb(AGENTS, size))
    assert told["independent_density"] == pytest.approx(found[1] / comb(AGENTS, size))
    assert told["clique_density"] + told["independent_density"] >= told["unavoidable_density"] - 1e-6
    assert told["explorers"] == pytest.approx(np.mean(chosen))


@pytest.mark.parametrize("seed", range(4))
def test_the_libraries_find_the_minimum_too(seed):
    entropies = np.random.default_rng(seed).random(8)
    alike = np.asarray(cliques.graph(jnp.asarray(entropies), 0.3))
    chosen = cliques.solve_with_library(entropies, alike, 3, 0.4)
    best = brute_force(entropies, alike, 3, 0.4)
    assert cost(chosen, entropies, alike, 3, 0.4) == pytest.approx(best, abs=1e-6)


def test_quadratising_keeps_the_minimum():
    import dimod

    entropies = np.array([0.5, 0.52, 0.55, 0.9])
    alike = np.asarray(cliques.graph(jnp.asarray(entropies), 0.1))
    terms = cliques.polynomial(entropies, alike, 3, 2.0)
    assert set(terms) == {(0,), (1,), (2,), (3,), (0, 1, 2)}
    model = dimod.make_quadratic(terms, 10.0, dimod.BINARY)
    assert dimod.ExactSolver().sample(model).first.energy == pytest.approx(
        brute_force(entropies, alike, 3, 2.0)
    )


def test_alike_agents_are_not_all_chosen_where_cliques_cost_enough():
    alike, free = (cliques.chooser(4, 0.5, 3, weight)(jnp.full(4, 0.8))[0] for weight in (5.0, 0.0))
    assert alike.sum() == 2
    assert free.all()


@pytest.mark.parametrize("agents", [3, 4, 5, 6])
def test_the_unavoidable_number_is_the_least_over_all_graphs(agents):
    pairs = list(itertools.combinations(range(agents), 2))
    triples = [
        [pairs.index(p) for p in itertools.combinations(t, 2)]
        for t in itertools.combinations(range(agents), 3)
    ]
    colours = np.array(list(itertools.product([0, 1], repeat=len(pairs))))
    alike = sum(np.ptp(colours[:, t], axis=1) == 0 for t in triples)
    assert cliques.unavoidable(agents, 3) == alike.min()


def test_the_unavoidable_number_beyond_triangles():
    assert cliques.unavoidable(5, 2) == 10
    assert cliques.unavoidable(17, 4) == 0  # R(4, 4) = 18
    assert cliques.unavoidable(18, 4) == 1
    assert cliques.unavoidable(50, 7) == 0
    assert [cliques.unavoidable(n, 3) for n in (7, 8, 9, 10)] == [4, 8, 12, 20]


def test_too_many_agents_are_refused():
    with pytest.raises(UserError, match="ramsey"):
        cliques.chooser(21, 0.1, 3, 1.0)
