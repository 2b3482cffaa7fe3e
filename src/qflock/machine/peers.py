"""Whether the other processes of a run are still there, and how this one leaves when one of them is not.

Each process tells the coordination service every second that it lives, and sees what the others tell. A
process that has been silent for a third of the heartbeat's time-out is gone, or sooner where it says itself
that it leaves. JAX's own heartbeat, which may end after half of the time-out, then never comes first: all
that it knows is to abort.
"""

from __future__ import annotations

import os
import secrets
import shutil
import threading
import time
from pathlib import Path
from typing import Protocol

from qflock.core.printing import printable

LOST = 75
"""Exit status of a process whose peer is gone: a temporary failure, by the names of ``sysexits.h``."""
BEAT = 1.0  # seconds between signs of life
GRACE = 5.0
"""Seconds to end by itself once a peer has said that it leaves: often both do, for one reason."""
SUSPICIOUS = 5.0
"""Seconds of silence after which a peer is gone, where work that is done together has failed here."""
SAVING = 10.0  # seconds that files which are being written may take
LEFT, DONE = "left", "done"


class Service(Protocol):
    """What is used of JAX's client of the coordination service."""

    def key_value_set(self, key: str, value: str, allow_overwrite: bool = False) -> None:
        """Write a text.

        Args:
            key: where.
            value: the text.
            allow_overwrite: whether something may stand there.
        """

    def key_value_dir_get(self, key: str) -> list[tuple[str, str]]:
        """All texts below a place, each with its whole key.

        Args:
            key: the place.
        """
        ...


class Peers:
    """Watches the other processes from threads of its own, from when it is made to `close`.

    Attributes:
        resume: the command by which the run goes on; empty before there is a run.
        saving: held while files are written for which leaving waits.
        scratch: a folder that is removed when this process leaves; None for none.
    """

    def __init__(
        self,
        service: Service,
        room: str,
        index: int,
        count: int,
        timeout: float,
        lost: threading.Event | None = None,
    ) -> None:
        """Begin to watch.

        Args:
            service: of the run.
            room: the place in the service where the processes tell of their lives.
            index: of this process.
            count: of processes.
            timeout: of the heartbeat, in seconds.
            lost: set once the service is known to be gone; None where nobody would know.
        """
        self.resume, self.saving = "", threading.Lock()
        self.scratch: Path | None = None
        self._service, self._room, self._index, self._count = service, room, index, count
        self._limit = timeout / 3
        self._lost = lost or threading.Event()
        self._life = secrets.token_hex(4)  # a process that was started anew is another one
        self._over, self._leaving = threading.Event(), False
        self._telling = threading.Lock()
        self._seen: dict[int, tuple[str, float]] = {}  # what each said last, and when that was heard
        self._lives: dict[int, str] = {}
        self._answered = time.monotonic()
        self._tell("0")  # before anybody can wait for this process
        for work in (self._beat, self._judge):
            threading.Thread(target=work, name="qflock-peers", daemon=True).start()

    def close(self, why: str | None = None) -> None:
        """Watch no more.

        Args:
            why: this process leaves before its work is done, and why; None where it is done.
        """
        if not self._over.is_set():
            self._over.set()
            self._last_word(DONE if why is None else f"{LEFT} {why}")

    def ask(self) -> None:
        """What is done together has failed here: end the process if somebody is gone, else return."""
        self._limit = min(self._limit, SUSPICIOUS)
        time.sleep(self._limit + 2 * BEAT)
        if self._leaving:
            threading.Event().wait()  # the other thread ends this process, when its time has come

    def _tell(self, what: str) -> None:
        with self._telling:  # the last word stays the last
            self._service.key_value_set(f"{self._room}/{self._index}", f"{self._life} {what}", True)

    def _last_word(self, what: str) -> None:
        """Tell it, if that takes no time: the service may be gone."""
        last = threading.Thread(target=self._tell, args=(what,), daemon=True)
        last.start()
        last.join(BEAT)

    def _beat(self) -> None:
        number = 0
        while not self._over.is_set():
            number += 1
            try:
                self._tell(str(number))
                words = self._service.key_value_dir_get(self._room)
            except Exception:  # the service does not answer, which `_judge` sees
                pass
            else:
                self._hear({int(key.rpartition("/")[2]): text for key, text in words})
            self._over.wait(BEAT)

    def _hear(self, words: dict[int, str]) -> None:
        self._answered = now = time.monotonic()
        for peer, text in words.items():
            if peer != self._index and self._seen.get(peer, ("",))[0] != text:
                self._seen[peer] = text, now

    def _judge(self) -> None:
        while not self._over.wait(BEAT / 4):
            now = time.monotonic()
            for peer, (text, heard) in list(self._seen.items()):
                life, _, said = text.partition(" ")
                if said.startswith(LEFT):
                    self._leave(f"process {peer} of {self._count} has left: {said[len(LEFT) + 1 :]}", GRACE)
                elif self._lives.setdefault(peer, life) != life:
                    self._leave(f"process {peer} of {self._count} was started anew")
                elif said != DONE and self._answered - heard > self._limit:
                    self._leave(f"process {peer} of {self._count} is gone")
            if now - self._answered > self._limit or self._lost.is_set():
                self._leave("the coordinator, beside process 0, does not answer")

    def _leave(self, why: str, grace: float = 0.0) -> None:
        """End this process, unless it ends by itself first."""
        self._leaving = True
        if self._over.wait(grace):
            return
        held = self.saving.acquire(timeout=SAVING)
        if grace and self._over.wait(BEAT):  # a state was being saved, as the last thing before the end
            if held:
                self.saving.release()
            return
        again = f"; what is saved is whole. Go on with, in each process: {self.resume}" if self.resume else ""
        line = f"{' '.join(why.split())}{again or '; start all of them again'}"
        os.write(2, f"\nqflock: {printable(line)}\n".encode())
        self._over.set()
        self._last_word(f"{LEFT} {why}")
        if self.scratch is not None:
            shutil.rmtree(self.scratch, ignore_errors=True)
        os._exit(LOST)


def joined_before(service: Service, room: str, index: int) -> bool:
    """Whether a process of this number has told of its life before.

    Args:
        service: of the run.
        room: as `Peers`.
        index: of the process.
    """
    return any(key == f"{room}/{index}" for key, _ in service.key_value_dir_get(room))
