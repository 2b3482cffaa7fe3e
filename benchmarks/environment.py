"""Steps per second of an environment: random actions and automatic resets inside one ``lax.scan``.

    python benchmarks/environment.py [--env gridworld25] [--copies 4096] [--json]

Each tick steps every copy, draws a fresh start for every copy and keeps it where the episode ended,
as training does. Compile time is measured apart. The same run measures a bound: the same random
actions, and a plain copy of as many bytes as a time step and a state hold. The ratio to it
carries over between machines better than steps per second do.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from qflock.core.environment import Environment
from qflock.core.errors import UserError
from qflock.core.spec import Box, Spec
from qflock.settings.registry import canonical, environment_class

Program = Callable[[Any, Any], tuple[Any, Any]]

MANY = 65_536
"""Copies that fill a large accelerator."""

ENVIRONMENTS = {"gridworld25": 256, "forest_uav": 32, "box_push": 64, "drones": 64}
"""What `python -m benchmarks` measures, with the ticks of one timed call."""


def ticks_of(environment: Environment, copies: int, ticks: int) -> Program:
    """A program that plays ``ticks`` ticks: ``(key, carry) -> (carry, numbers that depend on all)``."""
    spec = environment.spec

    def tick(carry: Any, key: Any) -> tuple[Any, Any]:
        state, timestep = carry
        act, step, reset = jax.random.split(key, 3)
        actions = random_actions(act, copies, spec)
        state, timestep = jax.vmap(environment.step)(jax.random.split(step, copies), state, actions)
        paid, over = timestep.reward.sum(), timestep.over
        fresh = jax.vmap(environment.reset)(jax.random.split(reset, copies))
        carry = jax.tree.map(lambda new, old: _where(over, new, old), fresh, (state, timestep))
        return carry, (paid, over.sum())

    return lambda key, carry: jax.lax.scan(tick, carry, jax.random.split(key, ticks))


def bound_of(environment: Environment, copies: int, ticks: int) -> Program:
    """The same random actions, and every byte of the carry written anew, but no rules."""
    spec = environment.spec

    def tick(carry: Any, key: Any) -> tuple[Any, Any]:
        actions = random_actions(key, copies, spec)
        flip = actions.reshape(copies, -1)[:, 0] > 0
        carry = jax.tree.map(lambda leaf: _where(flip, leaf, _other(leaf)), carry)
        return carry, actions.sum()

    return lambda key, carry: jax.lax.scan(tick, carry, jax.random.split(key, ticks))


def random_actions(key: Any, copies: int, spec: Spec) -> Any:
    """One uniform action for every agent of every copy, shape (copies, agents), or (copies, agents, size)."""
    if isinstance(spec.action, Box):
        low, high = jnp.array(spec.action.low), jnp.array(spec.action.high)
        return jax.random.uniform(key, (copies, spec.agents, spec.action.size), minval=low, maxval=high)
    bits = jax.random.bits(key, (copies, spec.agents), jnp.uint32)
    return (bits % jnp.uint32(spec.actions)).astype(jnp.int32)


def _where(chosen: Any, new: Any, old: Any) -> Any:
    return jnp.where(chosen.reshape(chosen.shape + (1,) * (new.ndim - 1)), new, old)


def _other(leaf: Any) -> Any:
    return ~leaf if leaf.dtype == bool else leaf + jnp.ones((), leaf.dtype)


def measure(program: Program, start: Any, steps: int, repeats: int) -> dict[str, float]:
    """Compile, warm up once, then time ``repeats`` calls of the program.

    Args:
        program: ``(key, carry) -> (carry, anything)``.
        start: the first carry.
        steps: environment steps of one call.
        repeats: timed calls.

    Returns:
        compile_seconds, and best and median steps per second.
    """
    began = time.perf_counter()
    compiled = jax.jit(program).lower(jax.random.key(0), start).compile()
    compile_seconds = time.perf_counter() - began
    carry, _ = jax.block_until_ready(compiled(jax.random.key(1), start))
    seconds = []
    for i in range(repeats):
        key = jax.block_until_ready(jax.random.key(2 + i))
        began = time.perf_counter()
        carry, _ = jax.block_until_ready(compiled(key, carry))
        seconds.append(time.perf_counter() - began)
    return {
        "compile_seconds": round(compile_seconds, 2),
        "best_steps_per_second": round(steps / min(seconds)),
        "median_steps_per_second": round(steps / statistics.median(seconds)),
    }


def benchmark(quick: bool = False) -> dict[str, Any]:
    """Figures of the environments whose speed decides how fast a learner trains; an accelerator gets more
    copies."""
    copies = 4096 if jax.default_backend() == "cpu" else MANY
    return {name: one(name, copies, ticks, 3 if quick else 7) for name, ticks in ENVIRONMENTS.items()}


def one(name: str, copies: int, ticks: int, repeats: int) -> dict[str, Any]:
    """All figures for one environment of the registry with its default settings."""
    environment = environment_class(name)()
    start = jax.jit(jax.vmap(environment.reset))(jax.random.split(jax.random.key(0), copies))
    steps = copies * ticks
    played = measure(ticks_of(environment, copies, ticks), start, steps, repeats)
    bound = measure(bound_of(environment, copies, ticks), start, steps, repeats)
    best, limit = played["best_steps_per_second"], bound["best_steps_per_second"]
    return {
        "environment": canonical(name),
        "device": jax.devices()[0].device_kind,
        "copies": copies,
        "ticks": ticks,
        "repeats": repeats,
        **played,
        "bound_steps_per_second": limit,
        "ratio_to_bound": round(best / limit, 3),
    }


def main() -> None:
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--env", default="gridworld25", help="a name or a path, my_env.py:MyEnv")
    parser.add_argument("--copies", type=int, default=4096, help="environments stepped side by side")
    parser.add_argument("--ticks", type=int, default=256, help="ticks of one timed call")
    parser.add_argument("--repeats", type=int, default=7, help="timed calls")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    given = parser.parse_args()
    try:
        result = one(given.env, given.copies, given.ticks, given.repeats)
    except UserError as problem:
        parser.exit(problem.code, f"{problem}\n")
    if given.json:
        print(json.dumps(result))
        return
    for name, value in result.items():
        print(f"{name.replace('_', ' '):26}{f'{value:,}' if isinstance(value, int) else value}")


if __name__ == "__main__":
    main()
