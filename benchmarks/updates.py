"""Each learner's update against the matrix products in it, measured in the same run on the same cores.

The update is the learner's jitted ``learn`` alone, on experience that is there, with its shipped settings.
Its jaxpr names every matrix product, forward and backward, with sizes and how often it runs; the bound is a
program of those products alone. Both are timed in turn and the best of each counts, so the ratio holds up
where the machine is not quiet. Compile time is apart.
"""

from __future__ import annotations

import itertools
import time
from collections import Counter
from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from qflock.core.learner import Rollout
from qflock.playing import rollout
from qflock.quantum.counting import equations
from qflock.runs.train import program
from qflock.settings import config
from qflock.settings.config import Settings

GRIDWORLD = ("iql", "vdn", "qmix", "madqn", "wqmix", "pqn_vdn", "pqn_qmix", "a2c", "ippo", "mappo")
SHIPPED: dict[str, dict[str, Any]] = {
    **{name: {"env": "gridworld25"} for name in GRIDWORLD},
    "qio": {"env": "forest_uav", "env.observe_coverage": True},
    "eqmarl": {"env": "coin_game"},
}
"""Learners that take gradients, each with the environment that its preset is for."""

Product = tuple[Any, ...]  # shapes, types and axes of a matrix product


def products(jaxpr: Any) -> Counter[Product]:
    """How often each matrix product runs in a jaxpr, loops counted as often as they go round."""
    found: Counter[Product] = Counter()
    for eqn, times in equations(jaxpr):
        if eqn.primitive.name == "dot_general":
            left, right = (v.aval for v in eqn.invars)
            axes = eqn.params["dimension_numbers"]
            found[left.shape, right.shape, str(left.dtype), str(right.dtype), axes] += times
    return found


def flops(product: Product) -> int:
    """Two for every multiplication."""
    left, right, _, _, ((contracted, _), (batched, _)) = product
    both = {*contracted, *batched}
    return 2 * int(np.prod(right)) * int(np.prod([n for axis, n in enumerate(left) if axis not in both]))


def only_products(found: Counter[Product]) -> tuple[Callable[..., Any], list[Any]]:
    """A program of the products alone, each as often as in the update, and random matrices for it."""
    listed = list(found.elements())
    keys = jax.random.split(jax.random.key(0), 2 * len(listed))
    draw = lambda key, shape, kind: jax.random.normal(key, shape).astype(kind)
    matrices = [
        (draw(a, left, one), draw(b, right, two))
        for (left, right, one, two, _), a, b in zip(listed, keys[::2], keys[1::2], strict=True)
    ]

    def run(matrices: list[Any]) -> list[Any]:
        pairs = zip(listed, matrices, strict=True)
        return [jax.lax.dot_general(a, b, product[-1]) for product, (a, b) in pairs]

    return run, matrices


def measure(settings: Settings, repeats: int) -> dict[str, Any]:
    """The update and its bound, timed in turn.

    Returns:
        compile_seconds, milliseconds of an update and of its products alone, their work, and the ratio.
    """
    env = config.make_environment(settings.run.env, settings.environment)
    learner = program.learner_of(settings, env)
    source = learner.source
    assert isinstance(source, Rollout)
    assert learner.learn is not None

    @jax.jit
    def prepared(key: Any) -> tuple[Any, Any]:
        state = learner.init(key)
        memory = learner.policy.start()
        flow = rollout.start(env, memory, key, source.num_envs)
        explore = partial(source.explore, state)
        return state, rollout.collect(env, explore, memory, flow, key, source.num_steps)[1]

    state, rows = prepared(jax.random.key(1))
    began = time.perf_counter()
    traced = jax.jit(learner.learn, donate_argnums=0).trace(state, rows, jax.random.key(0))
    learn = traced.lower().compile()
    compile_seconds = time.perf_counter() - began
    found = products(traced.jaxpr.jaxpr)
    run, matrices = only_products(found)
    bound = jax.jit(run).lower(matrices).compile()

    needed = getattr(settings.learner, "min_buffer_size", 0)
    keys = (jax.random.key(n) for n in itertools.count(2))
    for _ in range(1 + -(-needed // source.cost)):  # until learning has begun
        state, metrics = jax.block_until_ready(learn(state, rows, next(keys)))
    seconds: dict[str, list[float]] = {"update": [], "products": []}
    for _ in range(repeats):
        key = jax.block_until_ready(next(keys))
        began = time.perf_counter()
        state, metrics = jax.block_until_ready(learn(state, rows, key))
        between = time.perf_counter()
        jax.block_until_ready(bound(matrices))
        seconds["update"].append(between - began)
        seconds["products"].append(time.perf_counter() - between)
    assert all(bool(jnp.isfinite(x)) for x in metrics.values()), "learning had not begun"
    update, limit = min(seconds["update"]), min(seconds["products"])
    work = sum(flops(product) * times for product, times in found.items())
    return {
        "compile_seconds": round(compile_seconds, 2),
        "update_ms": round(1e3 * update, 2),
        "products_alone_ms": round(1e3 * limit, 2),
        "gflop": round(work / 1e9, 3),
        "products_alone_gflop_per_second": round(work / limit / 1e9, 1),
        "ratio_to_bound": round(limit / update, 3),
    }


def benchmark(quick: bool = False) -> dict[str, Any]:
    """Every learner with the settings of its preset."""
    return {
        name: measure(config.resolve(name, overrides=where), 5 if quick else 40)
        for name, where in SHIPPED.items()
    }
