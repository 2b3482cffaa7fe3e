"""One worker of a host environment: some copies. Imports no JAX.

Run as a program (``python -m qflock.bridges.host.worker REQUESTS ANSWERS NOTE``, descriptors) it serves the
process that started it: pickled requests, pickled answers, and a note of the call that it is in. It ends when
its requests do, so that it never outlives the process that it works for. Its standard input is empty and its
standard output is standard error: an environment may print what it likes, and cannot wait for somebody to
type.
"""

from __future__ import annotations

import mmap
import os
import pickle
import select
import signal
import sys
import threading
import time
import warnings
from io import BufferedReader, BufferedWriter
from typing import Any

from qflock.bridges.host.groups import Group, group
from qflock.bridges.host.watch import CLOSING, NOTE_BYTES, Note
from qflock.core.errors import Notice
from qflock.core.printing import show_warning
from qflock.machine import streams
from qflock.settings import foreign


def serve(requests: BufferedReader, answers: BufferedWriter, note: Note) -> None:
    """Answer requests until there are no more: first ``(Orders, None)``, then ``(method, argument)``.

    Args:
        requests: a stream of pickles.
        answers: a stream to write pickles to.
        note: is told of every call.
    """
    copies: Group | None = None

    def answered() -> Any:
        nonlocal copies
        what, argument = pickle.load(requests)
        if copies is not None:
            return getattr(copies, what)(argument)
        copies = group(what, note)
        return None

    while requests.peek(1):
        answer = foreign.attempt(answered)
        note.rest()
        pickle.dump(answer, answers, pickle.HIGHEST_PROTOCOL)
        answers.flush()
    if copies is not None:
        copies.close()


def _end_with(requests: int) -> None:
    """In a thread: when nobody asks any more, and this process has not ended soon after, end it.

    The main thread may be in a call that never returns. What the environment started goes too.

    Args:
        requests: a descriptor of theirs.
    """
    hung_up = select.poll()
    hung_up.register(requests, 0)  # an error or the end alone, not what can be read
    hung_up.poll()
    time.sleep(CLOSING + 1.0)
    os.killpg(os.getpgrp(), signal.SIGKILL) if os.getpgrp() == os.getpid() else os._exit(1)


def main() -> None:
    """Serve on the three descriptors that the command line names; they stay in this process.

    Requests, answers, and memory for the note. A fourth word: another worker says what closing says.
    """
    *words, memory = sys.argv[1:4]
    requests, answers = map(int, words)
    for descriptor in (requests, answers):
        os.set_inheritable(descriptor, False)
    note = Note(mmap.mmap(int(memory), NOTE_BYTES))
    os.close(int(memory))
    threading.Thread(target=_end_with, args=(requests,), daemon=True).start()
    streams.own()
    sys.stdout = sys.stderr  # one buffer, so that lines come in order
    warnings.showwarning = show_warning
    if sys.argv[4:]:
        warnings.simplefilter("ignore", Notice)
    serve(open(requests, "rb"), open(answers, "wb"), note)  # noqa: SIM115 (open until the end)


if __name__ == "__main__":
    main()
