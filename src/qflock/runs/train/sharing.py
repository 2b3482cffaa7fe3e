"""How a run's seeds and copies share devices: a mesh, and programs compiled for it.

A mesh has an axis of seeds and an axis of copies. Seeds are apart: each group of devices trains its own and
never talks (``shard_map``). Inside a group the copies of a seed are split, and its weights, optimiser and
replay are whole on each device: rows are gathered once, each device then passes its part of each batch
through the networks, their outputs are gathered and gradients summed (GSPMD, hinted at by `machine.mesh`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jax.core import Tracer
from jax.sharding import Mesh, NamedSharding, PartitionSpec

from qflock.core.errors import UserError
from qflock.core.learner import Own, Rollout, Source
from qflock.machine import processes
from qflock.machine.mesh import COPY, SEED

EVERYWHERE, SEEDS, COPIES = PartitionSpec(), PartitionSpec(SEED), PartitionSpec(SEED, COPY)
"""Layouts of arrays with a leading axis of seeds: whole on all devices; by seed; by seed, then by copy."""


class Sharing(NamedTuple):
    """Attributes: ``mesh`` of axes (seed, copy), None for a single device; ``seeds`` of the whole run."""

    mesh: Mesh | None
    seeds: int

    @property
    def seeds_here(self) -> int:
        """Seeds that each group of devices trains."""
        return self.seeds if self.mesh is None else self.seeds // self.mesh.shape[SEED]

    def compiled(
        self,
        over_seeds: Callable[[int], Callable[..., Any]],
        arrives: Any,
        leaves: Any,
        donate: tuple[int, ...] = (),
    ) -> Any:
        """A jitted function over a leading axis of all seeds.

        Args:
            over_seeds: ``number of seeds -> function`` over a leading axis of so many.
            arrives, leaves: layouts of its arguments (a tuple) and of what it returns, as prefixes. An
                argument that arrives `EVERYWHERE` has no axis of seeds: all of them read it.
            donate: arguments whose buffers it may use up.
        """
        function = over_seeds(self.seeds_here)
        if self.mesh is None:
            return jax.jit(function, donate_argnums=donate)
        specs = tuple(EVERYWHERE if layout == EVERYWHERE else SEEDS for layout in arrives)
        grouped = jax.shard_map(
            function, mesh=self.mesh, in_specs=specs, out_specs=SEEDS, axis_names={SEED}, check_vma=False
        )
        layouts = {"in_shardings": self._layout(arrives), "out_shardings": self._layout(leaves)}
        compiled = jax.jit(grouped, **layouts, donate_argnums=donate)
        return _Meeting(compiled) if processes.several() else compiled

    def place(self, tree: Any, layout: Any) -> Any:
        """Put arrays on their devices; all processes have the same arrays.

        Args:
            tree: arrays with a leading axis of seeds, but where the layout is `EVERYWHERE`.
            layout: a prefix of the tree, of `EVERYWHERE`, `SEEDS` and `COPIES`.
        """
        if self.mesh is None:
            return tree
        put = lambda where, part: jax.tree.map(partial(_put, where), part)
        return jax.tree.map(put, self._layout(layout), tree)

    def _layout(self, layout: Any) -> Any:
        assert self.mesh is not None
        named = partial(NamedSharding, self.mesh)
        return jax.tree.map(named, layout, is_leaf=lambda x: isinstance(x, PartitionSpec))


class _Meeting:
    """A jitted function of several processes: each compiles it, then all meet, then it runs."""

    def __init__(self, function: Any) -> None:
        self._function, self._met = function, False
        self.lower = function.lower

    def __call__(self, *arguments: Any) -> Any:
        traced = any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(arguments))
        if not self._met and not traced:
            self._function.lower(*arguments).compile()
            processes.meet()
            self._met = True
        return self._function(*arguments)


def plan(devices: int | Literal["all"], seeds: int, source: Source) -> Sharing:
    """Who computes what. Groups of devices are as many as divide the seeds; the rest split copies.

    Args:
        devices: of each process, or all.
        source: where the learner's experience comes from.

    Raises:
        UserError: fewer devices are there, or they do not divide seeds and copies.
    """
    platform = (jax.config.jax_default_device or jax.local_devices()[0]).platform  # type: ignore[attr-defined]
    here = len(jax.local_devices(backend=platform))
    count = here if devices == "all" else devices
    if count > here:
        advice = "; a CPU counts as more only if they are asked for before JAX is first used in a process"
        raise UserError(
            f"devices is {count}, but JAX sees {here} ({platform}){advice if platform == 'cpu' else ''}"
        )
    by_process: dict[int, list[Any]] = {}
    for device in jax.devices(platform):
        by_process.setdefault(device.process_index, []).append(device)
    used = [device for own in by_process.values() for device in own[:count]]
    if len(used) == 1:
        return Sharing(None, seeds)
    groups = math.gcd(seeds, len(used))
    parts = len(used) // groups
    if parts > 1 and isinstance(source, Own):
        raise UserError(
            f"{len(used)} devices can share this learner's seeds alone, and seeds is {seeds}; "
            f"make it a multiple of {len(used)}, or choose other devices"
        )
    if isinstance(source, Rollout) and source.num_envs % parts:
        raise UserError(
            f"{len(used)} devices train {seeds} seed(s) in {groups} group(s) of {parts}, but num_envs "
            f"is {source.num_envs}; make it a multiple of {parts}, or choose other seeds or devices"
        )
    return Sharing(Mesh(np.array(used).reshape(groups, parts), (SEED, COPY)), seeds)


def alone(devices: int | Literal["all"], seeds: int, what: str) -> Sharing:
    """A single device, for what cannot be shared.

    Args:
        devices: as asked for.
        seeds: of the whole run.
        what: the name of what cannot be shared, for the message.

    Raises:
        UserError: more are asked for.
    """
    if devices not in (1, "all") or processes.several():
        raise UserError(f"{what} uses one device and one process; leave devices at 1")
    return Sharing(None, seeds)


def gathered(tree: Any) -> Any:
    """Arrays that this process can read whole; every process must ask."""
    if not processes.several():
        return tree
    from jax.experimental import multihost_utils

    def fetch(x: Any) -> Any:
        if not isinstance(x, jax.Array) or x.is_fully_addressable:
            return x
        if jax.numpy.issubdtype(x.dtype, jax.dtypes.prng_key):
            data = multihost_utils.process_allgather(jax.random.key_data(x), tiled=True)
            return jax.random.wrap_key_data(data, impl=str(jax.random.key_impl(x)))
        return multihost_utils.process_allgather(x, tiled=True)

    return jax.tree.map(fetch, tree)


def _put(where: NamedSharding, x: Any) -> jax.Array:
    if not processes.several() or getattr(x, "sharding", None) == where:
        return jax.device_put(x, where)
    if jax.numpy.issubdtype(x.dtype, jax.dtypes.prng_key):
        implementation = str(jax.random.key_impl(x))
        data = _put(where, np.asarray(jax.random.key_data(x)))
        wrap = lambda numbers: jax.random.wrap_key_data(numbers, impl=implementation)
        return jax.jit(wrap, out_shardings=where)(data)
    if isinstance(x, jax.Array) and not x.is_fully_addressable:
        return jax.jit(lambda y: y, out_shardings=where)(x)
    host = np.asarray(x)
    return jax.make_array_from_callback(host.shape, where, lambda index: host[index])
