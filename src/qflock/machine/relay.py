"""Between JAX's client in this process and the coordinator: JAX never hears that a connection broke.

JAX aborts a process at once whose connection to the coordinator breaks, as it does when the coordinator's
machine is gone. Here that connection ends at a relay in the same process, which keeps it open and says
itself that the coordinator is lost; `peers` then ends the process in good order.
"""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable
from functools import partial

CHUNK = 1 << 16


class Relay:
    """Listens on this machine alone and passes on what is said, from threads of its own.

    Attributes:
        address: ``host:port`` for JAX's client.
        lost: set once the coordinator has broken a connection, or its machine has.
    """

    def __init__(self, coordinator: str) -> None:
        """Begin to listen.

        Args:
            coordinator: ``host:port`` of it.
        """
        host, _, port = coordinator.rpartition(":")
        self.lost = threading.Event()
        self._there = host.strip("[]"), int(port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._held: list[socket.socket] = []  # of lost connections: closing one would tell JAX
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._start(self._accept)

    @staticmethod
    def _start(work: Callable[[], None]) -> None:
        threading.Thread(target=work, name="qflock-relay", daemon=True).start()

    def _accept(self) -> None:
        while True:
            self._start(partial(self._connect, self._listener.accept()[0]))

    def _connect(self, here: socket.socket) -> None:
        try:
            there = socket.create_connection(self._there)
        except OSError:  # not there yet: JAX tries again
            here.close()
            return
        for one in (here, there):
            one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        ended = threading.Event()  # by this side
        self._start(partial(self._back, here, there, ended))
        self._out(here, there, ended)

    def _out(self, here: socket.socket, there: socket.socket, ended: threading.Event) -> None:
        """What JAX says; when it has no more to say, the coordinator learns it."""
        with contextlib.suppress(OSError):
            while said := here.recv(CHUNK):
                there.sendall(said)
            ended.set()
            there.shutdown(socket.SHUT_RDWR)

    def _back(self, here: socket.socket, there: socket.socket, ended: threading.Event) -> None:
        """What the coordinator says. It never ends a connection that is in use, unless it is gone."""
        with contextlib.suppress(OSError):
            while said := there.recv(CHUNK):
                here.sendall(said)
        if ended.is_set():
            here.close()
        else:
            self._held.append(here)
            self.lost.set()
