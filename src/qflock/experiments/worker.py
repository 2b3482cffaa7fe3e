"""One cell in a process of its own: the cell comes as a line of JSON on standard input.

The last line on standard error says why a cell failed. When standard input ends, the process that
started this one is gone: the run saves its state and stops.
"""

from __future__ import annotations

import os
import signal
import sys
import threading

from qflock.core import texts
from qflock.core.errors import UserError
from qflock.core.printing import say
from qflock.machine import interrupts


def main() -> int:
    """Run the cell; returns 0, 1 where it failed, or 130 where it was stopped."""
    signal.signal(
        signal.SIGTERM, signal.default_int_handler
    )  # also before and after training, which has its own
    cell = texts.from_json(sys.stdin.readline())
    threading.Thread(target=_stop_with_parent, daemon=True).start()
    from qflock.experiments import cell as experiment_cell

    try:
        with interrupts.kept(ends=True):
            error = experiment_cell.attempt_mapping(cell)
    except UserError as stopped:
        return stopped.code
    except KeyboardInterrupt:
        return 130
    if error is not None:
        say(error, stream=sys.stderr)
    return int(error is not None)


def _stop_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
