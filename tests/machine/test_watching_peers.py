"""Whether other processes are gone: what each tells of its life, and how long it may be silent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

import pytest

from qflock.machine import peers
from qflock.machine.peers import LOST, Peers

ROOM = "life"
WAIT = 60


class Store:
    """JAX's service of texts, in this process."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}
        self.silent = False

    def key_value_set(self, key: str, value: str, allow_overwrite: bool = False) -> None:
        self.texts[key] = value

    def key_value_dir_get(self, key: str) -> list[tuple[str, str]]:
        if self.silent:
            raise RuntimeError("UNAVAILABLE")
        return list(self.texts.items())


class Ended(BaseException):
    """Stands for the end of the process."""


@pytest.fixture
def store() -> Store:
    return Store()


@pytest.fixture
def ends(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The codes with which this process would have ended; time goes fifty times as fast."""
    codes: list[int] = []

    def end(code: int) -> None:
        codes.append(code)
        raise Ended

    monkeypatch.setattr(peers.os, "_exit", end)
    monkeypatch.setattr(threading, "excepthook", lambda _: None)
    monkeypatch.setattr(peers, "BEAT", 0.02)
    monkeypatch.setattr(peers, "GRACE", 0.2)
    monkeypatch.setattr(peers, "SUSPICIOUS", 0.5)
    return codes


def until(true: Callable[[], object]) -> None:
    end = time.monotonic() + WAIT
    while not true():
        assert time.monotonic() < end
        time.sleep(0.01)


def tell(store: Store, what: str, life: str = "a") -> None:
    store.key_value_set(f"{ROOM}/1", f"{life} {what}")


def test_one_that_is_silent_is_gone_and_what_it_takes_to_go_on_is_said(
    store: Store, ends: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    mine = Peers(store, ROOM, 0, 2, timeout=0.9)
    mine.resume = "qflock resume runs/x"
    tell(store, "1")
    until(lambda: ends)
    assert ends == [LOST]
    assert capfd.readouterr().err == (
        "\nqflock: process 1 of 2 is gone; what is saved is whole. Go on with, in each process: "
        "qflock resume runs/x\n"
    )
    assert store.texts[f"{ROOM}/0"].endswith("left process 1 of 2 is gone")


def test_one_that_lives_is_not_gone_and_one_that_is_done_need_not_live(store: Store, ends: list[int]) -> None:
    mine = Peers(store, ROOM, 0, 2, timeout=15)
    over = threading.Event()

    def live() -> None:
        number = 0
        while not over.wait(0.02):
            tell(store, str(number := number + 1))

    living = threading.Thread(target=live)
    living.start()
    time.sleep(1)
    mine.ask()  # nobody is gone: it returns
    over.set()
    living.join()
    tell(store, peers.DONE)
    time.sleep(1)
    assert not ends
    mine.close()
    assert store.texts[f"{ROOM}/0"].endswith(" done")


def test_one_that_says_that_it_leaves_leaves_time_to_end_by_oneself(
    store: Store, ends: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    mine = Peers(store, ROOM, 0, 2, timeout=60)
    tell(store, "left the settings are wrong")
    time.sleep(0.05)
    mine.close("the settings are wrong")
    time.sleep(0.5)
    assert not ends

    late = Peers(store, ROOM, 0, 2, timeout=60)
    threading.Thread(target=late.ask, daemon=True).start()  # what is done together fails here too
    until(lambda: ends)
    assert (
        "process 1 of 2 has left: the settings are wrong; start all of them again" in capfd.readouterr().err
    )


def test_one_that_was_started_anew_is_another_one(
    store: Store, ends: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    Peers(store, ROOM, 0, 2, timeout=60)
    tell(store, "1")
    time.sleep(0.2)
    tell(store, "1", life="b")
    until(lambda: ends)
    assert "process 1 of 2 was started anew" in capfd.readouterr().err


def test_a_service_that_does_not_answer_is_gone(
    store: Store, ends: list[int], capfd: pytest.CaptureFixture[str]
) -> None:
    Peers(store, ROOM, 1, 2, timeout=0.9)
    store.silent = True
    until(lambda: ends)
    assert "the coordinator, beside process 0, does not answer" in capfd.readouterr().err


def test_leaving_waits_for_files_that_are_being_written(store: Store, ends: list[int]) -> None:
    mine = Peers(store, ROOM, 0, 2, timeout=60)
    with mine.saving:
        tell(store, "left for good")
        time.sleep(0.6)
        assert not ends
    until(lambda: ends)
