"""Does a host environment keep its promises? As `conformance`, by stepping a few copies in this process."""

from __future__ import annotations

from typing import Any

import jax
import numpy as np

from qflock.bridges.host import groups, watch
from qflock.bridges.host.groups import HostCopy
from qflock.bridges.host.workers import HostEnvironment, limits_of, timestep
from qflock.core.errors import UserError
from qflock.core.spec import Box, Spec
from qflock.core.steps import TimeStep
from qflock.playing.conformance import checks, episodes
from qflock.settings import foreign
from qflock.settings.foreign import Failure

COPIES, LONGEST = 4, 500
"""Episodes that are played, and the most steps of one."""


def findings(env: HostEnvironment) -> list[str]:
    """All that is wrong with a host environment; nothing where it is fine."""
    problems = checks.of_spec(env.spec)
    if problems:
        return problems
    example = env.reset(jax.random.key(0))[1]
    name = env.spec.name
    with watch.watched(name, limits_of(env)) as note:
        note.call(0, watch.MAKING)
        copy: Any = watch.Noted(
            foreign.need(lambda: groups.made(env.copy, 0), f"{name} cannot be made"), note
        )
        try:
            found = foreign.attempt(lambda: _of_copy(env.spec, copy, example))
        finally:
            foreign.close(copy, name)
    if isinstance(found, UserError):
        raise found
    return [f"it fails with {found.what}"] if isinstance(found, Failure) else found


def _of_copy(spec: Spec, copy: HostCopy, example: TimeStep) -> list[str]:
    """What is wrong with the episodes of a copy."""
    first = timestep(copy, copy.reset(0))
    problems = episodes.shapes(spec, first, "reset")
    problems += [
        f"reset: {name} is {getattr(first, name).dtype}, the example says {getattr(example, name).dtype}"
        for name in ("observation", "state")
        if getattr(first, name).dtype != getattr(example, name).dtype
    ]
    if problems:
        return problems
    steps = min(spec.horizon, LONGEST)
    shown = [_walk(spec, copy, seed, steps) for seed in range(COPIES)]
    problems = episodes.episodes(spec, jax.tree.map(lambda *x: np.stack(x), *shown))
    again = _walk(spec, copy, 0, steps)
    if any(
        not np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
        for a, b in zip(jax.tree.leaves(shown[0]), jax.tree.leaves(again), strict=True)
    ):
        problems.append("the same seed gives two different episodes")
    return problems


def _random(spec: Spec, draw: np.random.Generator, legal: np.ndarray) -> np.ndarray:
    if isinstance(spec.action, Box):
        return draw.uniform(spec.action.low, spec.action.high, (spec.agents, spec.action.size))
    chances = legal / legal.sum(-1, keepdims=True)
    return np.array([draw.choice(len(p), p=p) for p in chances])


def _walk(spec: Spec, copy: HostCopy, seed: int, steps: int) -> TimeStep:
    """Random legal actions up to the end; then its last row again and again, so that lengths are equal."""
    draw = np.random.default_rng(seed)
    rows: list[Any] = [timestep(copy, copy.reset(seed))]
    for _ in range(steps):
        now = rows[-1]
        if now.over:
            rows.append(now)
            continue
        rows.append(timestep(copy, copy.step(_random(spec, draw, now.legal))))
    return jax.tree.map(lambda *x: np.stack(x), *rows)
