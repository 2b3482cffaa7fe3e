"""The service by which the processes of a run find each other, in a process that the first of them starts.

It is apart from the first process so that it outlives it: the others learn from it that the first is gone,
and leave in good order, where JAX would abort them. It ends when standard input has ended, as it does with
the first process, and nobody is connected any more.
"""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import socket
import sys
import threading
import time
from pathlib import Path
from typing import Any

from qflock.core.printing import say

READY = "ready"
"""What it says when it listens; anything else is why it cannot."""
ESTABLISHED = "01"  # the state of a connection, as Linux writes it
POLL = 0.1  # seconds
LAST = 600  # seconds after the first process: connections to a machine that vanished seem to stand


def main() -> int:
    """Serve until nobody is left. Arguments: where to listen, number of processes, heartbeat's time-out."""
    for number in (signal.SIGINT, signal.SIGTERM):  # a terminal or a cluster sends them to all processes
        signal.signal(number, signal.SIG_IGN)
    address, count, heartbeat = sys.argv[1], int(sys.argv[2]), int(sys.argv[3])
    host, _, port = address.rpartition(":")
    if why := _occupied(host.strip("[]"), int(port), heartbeat):
        say(why, stream=sys.stdout)
        return 1
    from jax._src.lib import _jax  # type: ignore[attr-defined]

    # That a process is gone aborts no other; they find out for themselves, see `peers`.
    mild = {} if clients_are_recoverable(_jax) else {"recoverable": True}
    service = _jax.get_distributed_runtime_service(
        address, count, heartbeat_timeout=heartbeat, shutdown_timeout=heartbeat, **mild
    )
    say(READY, stream=sys.stdout)
    sys.stdin.buffer.read()
    counted = _connected(int(port)) is not None
    end = time.monotonic() + (LAST if counted else heartbeat)
    while time.monotonic() < end and (not counted or _connected(int(port))):
        time.sleep(POLL)
    # Clients cling to the service: what is not over in a moment ends with this process.
    threading.Thread(target=service.shutdown, daemon=True).start()
    time.sleep(POLL)
    os._exit(0)


def clients_are_recoverable(library: Any) -> bool:
    """Whether it is the clients that say that they survive others (JAX 0.9), or the service (from 0.10 on).

    Args:
        library: JAX's, of compiled code.
    """
    return "recoverable" in (library.get_distributed_runtime_client.__doc__ or "")


def _occupied(host: str, port: int, patience: float) -> str | None:
    """Why nobody can listen there; None where somebody can.

    Args:
        host, port: where.
        patience: seconds for which the service of a group that is just leaving is waited for.
    """
    end = time.monotonic() + patience
    while True:
        try:
            for family, kind, _, _, place in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                with socket.socket(family, kind) as one:
                    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    one.bind(place)
                    one.listen()
            return None
        except OSError as problem:
            if problem.errno != errno.EADDRINUSE or time.monotonic() > end:
                return problem.strerror or str(problem)
        time.sleep(POLL)


def _connected(port: int) -> int | None:
    """How many connections others have to a port of this machine; None where the system does not say."""
    count = 0
    for table in ("tcp", "tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in Path("/proc/self/net", table).read_text().splitlines()[1:]:
                fields = line.split()
                count += fields[1].endswith(f":{port:04X}") and fields[3] == ESTABLISHED
    return count if Path("/proc/self/net/tcp").exists() else None


if __name__ == "__main__":
    sys.exit(main())
