"""One run in several processes, on one machine or many: each has devices, together they are one mesh.

Three environment variables make a process part of a run: ``QFLOCK_COORDINATOR`` (``host:port`` of the first
process, or ``auto`` where JAX can ask the cluster, as on SLURM), ``QFLOCK_PROCESSES`` (how many there are)
and ``QFLOCK_PROCESS`` (which this one is, from 0). The first alone writes the run's folder and talks.
"""

from __future__ import annotations

import os

from qflock.core.errors import UserError

COORDINATOR, COUNT, INDEX = "QFLOCK_COORDINATOR", "QFLOCK_PROCESSES", "QFLOCK_PROCESS"

_joined = (0, 1)  # index and count


def join() -> None:
    """Meet the other processes, where the environment names a coordinator. Once, before JAX is used.

    Raises:
        UserError: variables that are missing or no numbers, or nobody to meet.
    """
    global _joined
    coordinator = os.environ.get(COORDINATOR)
    if not coordinator or _joined[1] > 1:
        return
    import jax

    where = {} if coordinator == "auto" else {"coordinator_address": coordinator, **_place()}
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    try:
        jax.distributed.initialize(**where)
    except (RuntimeError, ValueError) as problem:
        what = " ".join(str(problem).split())[:200]
        raise UserError(f"cannot meet the other processes at {coordinator}: {what}") from problem
    _joined = (jax.process_index(), jax.process_count())


def _place() -> dict[str, int]:
    numbers = {name: os.environ.get(name, "") for name in (COUNT, INDEX)}
    for name, text in numbers.items():
        if not text.isdecimal():
            raise UserError(f"{COORDINATOR} is set, so {name} must be a whole number; it is {text!r}")
    count, index = map(int, numbers.values())
    if index >= count:
        raise UserError(f"{INDEX} is {index}; with {COUNT} {count} it must lie in [0, {count - 1}]")
    return {"num_processes": count, "process_id": index}


def first() -> bool:
    """Whether this process writes and talks: the only one, or the first of several."""
    return _joined[0] == 0


def several() -> bool:
    """Whether the run has more than one process."""
    return _joined[1] > 1


def agreed(any_of: bool, first_says: bool) -> tuple[bool, bool]:
    """Make two local facts common: whether any process has the one, and what the first says of the other.

    What clocks and signals say may differ between processes; what follows from it must not, for all of them
    have to enter the same programs.

    Args:
        any_of: a fact that holds for all where it holds for one.
        first_says: a fact of which the first process decides.
    """
    if not several():
        return any_of, first_says
    import numpy as np
    from jax.experimental import multihost_utils

    answers = np.asarray(multihost_utils.process_allgather(np.array([any_of, first_says])))
    return bool(answers[:, 0].any()), bool(answers[0, 1])


def meet(name: str) -> None:
    """Wait until all processes are here."""
    if several():
        from jax.experimental import multihost_utils

        multihost_utils.sync_global_devices(name)
