"""One cell in a process of its own: the cell comes as a line of JSON on standard input.

The last line on standard error says why a cell failed. When standard input ends, the process that
started this one is gone: the run saves its state and stops.
"""

from __future__ import annotations

import json
import os
import signal
import sys
import threading
from typing import Any

from qflock.core.errors import UserError
from qflock.machine import signals, streams


def main() -> int:
    """Run the cell; returns 0, or 1 where it failed. Where it was stopped the process ends, status 130."""
    streams.own()
    try:
        with signals.interrupting():  # also before and after training, which hears signals in its own way
            return _attempt(json.loads(sys.stdin.readline()))
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

    error = experiment_cell.attempt_mapping(cell)
    if error is not None:
        print(error, file=sys.stderr)
    return int(error is not None)


def _stop_with_parent() -> None:
    sys.stdin.read()
    os.kill(os.getpid(), signal.SIGTERM)


if __name__ == "__main__":
    sys.exit(main())
