"""How much memory a run holds: told before it trains where it is tight, and refused where it cannot fit.

Sizes come from shapes alone. What XLA needs on top while it computes is not known before compiling; a run
that holds more than half of what is free is therefore warned.
"""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any, NamedTuple

import jax

from qflock.core.errors import UserError
from qflock.core.learner import Dataset, Rollout
from qflock.core.printing import amount
from qflock.core.spec import Box
from qflock.learning.replay import CAPACITY, Replay
from qflock.machine import memory
from qflock.runs.train.program import Program
from qflock.runs.train.sharing import Sharing

MEMORY = Path("/proc/meminfo")
LIMIT = Path("/sys/fs/cgroup/memory.max")


class Footprint(NamedTuple):
    """Bytes of one seed. ``rest`` is what else the learner keeps: targets, moments of the optimiser.

    ``dataset`` is not of a seed: all of them share it.
    """

    replay: int
    weights: int
    rest: int
    environments: int
    rollout: int
    dataset: int = 0


def of_seed(program: Program, shapes: Any) -> Footprint:
    """The memory of one seed.

    Args:
        shapes: of the run's state, with a leading axis of seeds.
    """
    seeds, learner, source = shapes.key.shape[0], program.learner, program.learner.source
    rings = jax.tree.leaves(shapes.learner, is_leaf=lambda x: isinstance(x, Replay))
    replay = _bytes([ring for ring in rings if isinstance(ring, Replay)])
    weights = _bytes(jax.eval_shape(jax.vmap(learner.weights), shapes.learner))
    flow, rollout = shapes.flow, 0
    if flow and isinstance(source, Rollout):
        spec = program.env.spec
        numbers = spec.action.size if isinstance(spec.action, Box) else 1
        actions = 4 * seeds * source.num_envs * spec.agents * numbers
        rollout = (source.num_steps + 1) * (_bytes(flow.timestep) + actions)
    rest = _bytes(shapes.learner) - replay - weights
    dataset = _bytes(source.rows) if isinstance(source, Dataset) else 0
    return Footprint(
        replay // seeds,
        weights // seeds,
        max(rest, 0) // seeds,
        _bytes(flow) // seeds,
        rollout // seeds,
        dataset,
    )


def tell(footprint: Footprint, sharing: Sharing) -> list[str]:
    """What to say before training where memory is tight: that of a seed and of all. Nothing where it is not.

    Args:
        footprint: of one seed.
        sharing: how seeds share the devices.

    Raises:
        UserError: the run holds more than there is.
    """
    needed, room = _on_the_fullest(footprint, sharing), free(_device(sharing))
    parts = ", ".join(f"{name} {amount(x)}" for name, x in footprint._asdict().items() if x)
    total = f"{sharing.seeds} seed(s) hold {amount(needed)}" + (f" of {amount(room)} free" if room else "")
    if sharing.mesh is not None and _device(sharing).platform != "cpu":
        total += " on each device"
    if room and needed > room:
        largest = max(footprint._asdict(), key=lambda name: getattr(footprint, name))
        less = {"replay": CAPACITY, "environments": "num_envs", "rollout": "num_envs or num_steps"}
        less["dataset"] = "dataset"
        raise UserError(
            f"{total}: too much (a seed: {parts}); take a smaller {less.get(largest, 'network')}"
            + (" or fewer seeds" if sharing.seeds > 1 else "")
        )
    if not room or 2 * needed <= room:
        return []
    tight = "warning: that is over half of what is free, and computing needs some on top"
    return [f"memory of a seed: {parts}; {total}", tight]


def free(device: Any) -> int | None:
    """Bytes that a device can still give; None where nobody knows."""
    if device.platform != "cpu":
        stats = device.memory_stats() or {}
        limit = stats.get("bytes_limit")
        return None if limit is None else limit - stats.get("bytes_in_use", 0)
    try:
        rows = dict(line.split(":") for line in MEMORY.read_text().splitlines())
        there = 1024 * int(rows["MemAvailable"].split()[0])
    except (OSError, ValueError, KeyError):
        there = memory.installed()
    try:
        limit = int(LIMIT.read_text())  # a container may have less than the machine
        return limit if there is None else min(there, limit)
    except (OSError, ValueError):
        return there


def _on_the_fullest(footprint: Footprint, sharing: Sharing) -> int:
    """Bytes on a device; on simulated CPU devices, which share their memory, on all of them."""
    devices = sharing.mesh.shape["copy"] if sharing.mesh is not None else 1
    whole, split = (
        footprint.replay + footprint.weights + footprint.rest,
        footprint.environments + footprint.rollout,
    )
    each = sharing.seeds_here * (whole + split // devices) + footprint.dataset
    here = len(sharing.mesh.local_devices) if sharing.mesh is not None else 1
    return each * here if _device(sharing).platform == "cpu" else each


def _device(sharing: Sharing) -> Any:
    if sharing.mesh is not None:
        return sharing.mesh.local_devices[0]
    return jax.config.jax_default_device or jax.local_devices()[0]  # type: ignore[attr-defined]


def _bytes(tree: Any) -> int:
    return sum(math.prod(x.shape) * x.dtype.itemsize for x in jax.tree.leaves(tree))
