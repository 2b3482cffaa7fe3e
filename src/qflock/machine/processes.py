"""One run in several processes, on one machine or many: each has devices, together they are one mesh.

Three environment variables make a process part of a run: ``QFLOCK_COORDINATOR`` (``host:port`` of the first
process, or ``auto`` where JAX can ask the cluster, as on SLURM), ``QFLOCK_PROCESSES`` (how many there are)
and ``QFLOCK_PROCESS`` (which this one is, from 0). The first alone writes the run's folder and talks. Who can
reach the coordinator's port can be part of the run: the network between the processes must be trusted.
"""

from __future__ import annotations

import contextlib
import itertools
import os
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeVar

from qflock.core.errors import UserError, in_short
from qflock.core.printing import notice
from qflock.machine import children, coordinator
from qflock.machine.peers import LOST, Peers, joined_before
from qflock.machine.relay import Relay

COORDINATOR, COUNT, INDEX = "QFLOCK_COORDINATOR", "QFLOCK_PROCESSES", "QFLOCK_PROCESS"
BIND = "JAX_COORDINATOR_BIND_ADDRESS"
"""JAX's variable: where the coordinator listens, if that is not the address that others call."""
PATIENCE = 600
"""Seconds that processes wait for each other at the start. Later they wait for as long as all are alive."""
POLL = 0.5  # seconds
FOREVER = 10 * 24 * 3600 * 1000  # milliseconds
Result = TypeVar("Result")

_joined = (0, 1)  # index and count
_rounds = itertools.count(1)  # of runs in this process; every process does the same ones
_round = 0
_meetings = itertools.count()
_peers: Peers | None = None
_service: Any = None  # JAX's client of the coordination service
_relay: Relay | None = None  # by which it speaks to it
_child: subprocess.Popen[bytes] | None = None  # kept: the coordinator ends with its standard input


@contextlib.contextmanager
def joined(heartbeat: int) -> Iterator[None]:
    """While it is entered, this process is part of the run for which the environment names a coordinator.

    The processes meet here, before JAX is used, and watch each other from then on: when one is gone, all
    others end with status `peers.LOST` within the heartbeat's time-out.

    Args:
        heartbeat: its time-out, in seconds.

    Raises:
        UserError: variables that are missing or no numbers, or nobody to meet within `PATIENCE`.
    """
    global _peers, _round, _service
    if not os.environ.get(COORDINATOR):
        yield
        return
    if _service is None:
        _service = _connect(os.environ[COORDINATOR], heartbeat)
    _round = next(_rounds)
    room, (index, count) = f"qflock/{_round}/life", _joined
    if joined_before(_service, room, index):
        raise UserError(
            f"process {index} of {count} is here already, or was until now; start again in a moment",
            code=LOST,
        )
    _peers = Peers(_service, room, index, count, heartbeat, _relay.lost if _relay else None)
    try:
        begin = f"qflock/{_round}/begin"
        _once_all_are_here(lambda: _service.wait_at_barrier(begin, FOREVER), count)
        yield
    except BaseException as problem:
        if isinstance(problem, Exception) and not isinstance(problem, UserError):  # Gloo's, or a fault here
            _peers.ask()
        _peers.close(in_short(str(problem)) or type(problem).__name__)
        raise
    _peers.close()


def _connect(where: str, heartbeat: int) -> Any:
    """Start the coordinator, if this is the first process, and have JAX connect to it. Returns its client."""
    global _joined, _relay
    import jax
    from jax._src import distributed
    from jax._src.lib import _jax  # type: ignore[attr-defined]

    place = _place(where)
    jax.config.update("jax_cpu_collectives_implementation", "gloo")
    jax.config.update("jax_enable_recoverability", coordinator.clients_are_recoverable(_jax))
    jax.config.update("jax_enable_preemption_service", False)  # it takes SIGTERM from us
    if place["process_id"] == 0:
        _serve(place["coordinator_address"], place["num_processes"], heartbeat)
        # JAX would serve in this process, at whose end it would abort all others: that one nobody calls.
        place["coordinator_bind_address"] = "127.0.0.1:0"
    _relay = Relay(place["coordinator_address"])
    place["coordinator_address"] = _relay.address
    # JAX would abort at the end of its patience: ours ends first.
    timing: dict[str, Any] = {"heartbeat_timeout_seconds": heartbeat, "initialization_timeout": 2 * PATIENCE}
    try:
        _once_all_are_here(lambda: jax.distributed.initialize(**place, **timing), place["num_processes"])
    except (RuntimeError, ValueError) as problem:
        raise UserError(f"cannot meet the other processes at {where}: {in_short(str(problem))}") from problem
    _joined = (place["process_id"], place["num_processes"])
    return distributed.global_state.client


def _once_all_are_here(work: Callable[[], Any], count: int) -> None:
    """Do what takes until all processes came, for as long as `PATIENCE` lasts."""
    try:
        _interruptible(work, PATIENCE)
    except TimeoutError as problem:
        if _relay is not None and _relay.lost.is_set():
            gone = "the coordinator, beside process 0, is gone; start all of them again"
            raise UserError(gone, code=LOST) from problem
        message = f"not all {count} processes came within {PATIENCE} s; start all of them"
        raise UserError(message, code=LOST) from problem


def _place(where: str) -> dict[str, Any]:
    """This process's part as `jax.distributed.initialize` takes it."""
    if where == "auto":
        from jax._src.clusters import ClusterEnv

        names = ("coordinator_address", "num_processes", "process_id", "local_device_ids")
        asked = ClusterEnv.auto_detect_unset_distributed_params(None, None, None, None, None, PATIENCE)
        place: dict[str, Any] = dict(zip(names, asked, strict=True))
        if None in (place["coordinator_address"], place["num_processes"], place["process_id"]):
            raise UserError(f"{COORDINATOR} is auto, but JAX knows no cluster here; name host:port")
        return place
    host, _, port = where.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 2**16:
        raise UserError(f"{COORDINATOR} is {where!r}; it must be host:port of the first process, or auto")
    numbers = {name: os.environ.get(name, "") for name in (COUNT, INDEX)}
    for name, text in numbers.items():
        if not text.isdecimal():
            raise UserError(f"{COORDINATOR} is set, so {name} must be a whole number; it is {text!r}")
    count, index = map(int, numbers.values())
    if index >= count:
        raise UserError(f"{INDEX} is {index}; with {COUNT} {count} it must lie in [0, {count - 1}]")
    return {"coordinator_address": where, "num_processes": count, "process_id": index}


def _serve(address: str, count: int, heartbeat: int) -> None:
    """Start the coordinator; it listens where others are told to call, and nowhere else."""
    global _child
    listens = os.environ.get(BIND) or address
    _child = children.start(
        coordinator.__name__,
        *(listens, str(count), str(heartbeat)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # a terminal's Ctrl-C is not for it
    )
    assert _child.stdout is not None
    said = _child.stdout.readline().decode(errors="replace").strip()
    if said != coordinator.READY:
        raise UserError(f"cannot listen at {listens}: {said or 'the coordinator did not start'}")
    host = listens.rpartition(":")[0].strip("[]")
    here = {entry[4][0] for entry in socket.getaddrinfo(host, None)}
    if host != "localhost" and host not in here and all(str(one).startswith(("127.", "::1")) for one in here):
        line = f"{host} is this machine alone ({', '.join(map(str, here))}): others cannot call; see {BIND}"
        notice(line)


def _interruptible(work: Callable[[], Result], patience: float | None = None) -> Result:
    """What work returns or raises; Ctrl-C ends the wait for it, which in C++ it would not.

    Args:
        work: in C++.
        patience: seconds to wait for it; None for ever.

    Raises:
        TimeoutError: it took longer than its patience, or the coordinator went meanwhile.
    """
    outcome: list[Any] = []
    over = threading.Event()

    def run() -> None:
        try:
            outcome.append((work(), None))
        except Exception as problem:
            outcome.append((None, problem))
        over.set()

    threading.Thread(target=run, name="qflock-wait", daemon=True).start()
    end = time.monotonic() + (patience or 0)
    while not over.wait(POLL):
        lost = _relay is not None and _relay.lost.is_set()
        if patience is not None and (lost or time.monotonic() > end):
            raise TimeoutError  # later it is `_peers` that ends the process
    result, problem = outcome[0]
    if problem is not None:
        raise problem
    return result


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


def meet() -> None:
    """Wait until all processes are here, however long that takes while they live.

    Where programs have the processes talk, they have to enter them together: what connects them (Gloo) waits
    30 s the first time. Each compiles them first, which takes as long as it takes, and then meets the others.
    """
    if _peers is not None and several():
        import jax

        jax.devices()  # the first look at them waits for all processes' looks, so none may stand at a barrier
        name = f"qflock/{_round}/meeting/{next(_meetings)}"
        _interruptible(lambda: _service.wait_at_barrier(name, FOREVER))


def told_by_first(name: str, value: str | None) -> str:
    """A text of which the first process tells all others.

    Args:
        name: unique in a run.
        value: the text, in the first process.
    """
    key = f"qflock/{_round}/{name}"
    if value is None:
        return _interruptible(lambda: _service.blocking_key_value_get(key, FOREVER))
    if several():
        _service.key_value_set(key, value)
    return value


def leave_by(resume: str, saving: threading.Lock) -> None:
    """From now on, if this process leaves because another is gone, it says how to go on.

    Args:
        resume: the command.
        saving: a lock that is held while files are written for which leaving waits.
    """
    if _peers is not None:
        _peers.resume, _peers.saving = resume, saving


@contextlib.contextmanager
def scratch() -> Iterator[Path]:
    """A folder for what is thrown away when this process ends, however it ends."""
    place = Path(tempfile.mkdtemp(prefix="qflock-"))
    # A shell that waits for the end of this process: nobody else is left to tidy up after a SIGKILL.
    tidy = ["/bin/sh", "-c", 'cat >/dev/null; rm -rf -- "$0"', str(place)]
    broom = subprocess.Popen(tidy, stdin=subprocess.PIPE, start_new_session=True)
    if _peers is not None:
        _peers.scratch = place
    try:
        yield place
    finally:
        broom.communicate()
