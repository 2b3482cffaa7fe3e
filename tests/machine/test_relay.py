"""What is said goes both ways, and a coordinator that is gone never ends the connection of this process."""

import socket
import threading

from qflock.machine.relay import Relay


class Coordinator:
    """Answers with what it hears, in capitals, until it is killed."""

    def __init__(self) -> None:
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self.listener.getsockname()[1]}"
        self.ended = threading.Event()
        self.connection: socket.socket | None = None
        threading.Thread(target=self._serve, daemon=True).start()

    def _serve(self) -> None:
        self.connection, _ = self.listener.accept()
        while said := self.connection.recv(100):
            self.connection.sendall(said.upper())
        self.ended.set()

    def kill(self) -> None:
        assert self.connection is not None
        self.connection.shutdown(socket.SHUT_RDWR)
        self.listener.close()


def called(relay: Relay) -> socket.socket:
    host, _, port = relay.address.rpartition(":")
    client = socket.create_connection((host, int(port)))
    client.settimeout(60)
    return client


def test_what_is_said_is_passed_on_and_an_end_of_this_side_is_told() -> None:
    there = Coordinator()
    relay = Relay(there.address)
    client = called(relay)
    client.sendall(b"beat")
    assert client.recv(100) == b"BEAT"
    client.close()
    assert there.ended.wait(60)
    assert not relay.lost.is_set()


def test_a_coordinator_that_is_gone_is_lost_and_the_connection_stands() -> None:
    there = Coordinator()
    relay = Relay(there.address)
    client = called(relay)
    client.sendall(b"beat")
    client.recv(100)
    there.kill()
    assert relay.lost.wait(60)
    client.settimeout(0.2)
    try:
        said: bytes | None = client.recv(100)
    except TimeoutError:
        said = None
    assert said is None  # silence, and no end


def test_who_calls_before_the_coordinator_is_there_may_call_again() -> None:
    with socket.create_server(("127.0.0.1", 0)) as free:
        nobody = f"127.0.0.1:{free.getsockname()[1]}"
    relay = Relay(nobody)
    assert called(relay).recv(100) == b""
    assert not relay.lost.is_set()
