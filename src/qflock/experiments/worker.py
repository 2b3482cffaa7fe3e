"""One cell in a process of its own: the cell comes as a line of JSON on standard input.

The last line on standard error says why a cell failed. When standard input ends, the process that
started this one is gone: the run saves its state and stops.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from typing import Any

from qflock.core import texts
from qflock.core.errors import UserError
from qflock.core.printing import say
from qflock.machine import interrupts, signals, streams
from qflock.machine.peers import LOST


def main() -> int:
    """Run the cell; returns 0, 75 where it may go well another time, else 1; 130 where it was stopped."""
    streams.own()
    try:
        # also before and after training, which hears signals in its own way
        with interrupts.kept(ends=True), signals.interrupting():
            return _attempt(texts.from_json(sys.stdin.readline()))
    except UserError as stopped:
        status = stopped.code
    except KeyboardInterrupt:
        status = signals.EXIT
    if status == signals.EXIT:
        signals.leave()
    return status


def _attempt(cell: dict[str, Any]) -> int:
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    from qflock.experiments import cell as experiment_cell
    from qflock.experiments.cell import Cell

    failure = experiment_cell.attempt(Cell.from_mapping(cell))
    if failure is None:
        return 0
    say(failure.line, stream=sys.stderr)
    return LOST if failure.passing else 1


def _stop_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
