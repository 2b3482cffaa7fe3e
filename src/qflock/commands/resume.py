"""``qflock resume``: go on with a run from its newest saved state."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

from qflock import config
from qflock.commands import _arguments, _output, _runs
from qflock.commands._arguments import Group

COMMAND = "qflock resume RUN"
ABOUT = """Go on with a run from its newest saved state. RUN is the run's folder, or latest.

A run that was stopped ends as if it had not been, bit for bit on the same
machine and versions. With --total_steps a finished run trains for longer."""


@dataclass(frozen=True)
class Options:
    """How to go on."""

    total_steps: int | None = None
    """Environment steps of the whole run, those before it was stopped included; none for as planned."""
    device: Literal["auto", "cpu", "gpu"] | None = None
    """Where to compute; none for where the run was started."""
    quiet: bool = False
    """No progress, only the result."""
    json: bool = False
    """Print the result as one JSON object, and nothing else, on standard output."""


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    if _arguments.wants_help(argv):
        _arguments.parse([Group(Options())], argv, command=COMMAND, about=ABOUT)
    found, rest = _runs.find(argv, COMMAND)
    (options,) = _arguments.parse([Group(Options())], rest, command=COMMAND, about=ABOUT)
    settings = config.read_yaml(found.config)

    def work() -> dict[str, Any]:
        from qflock import device
        from qflock.runs import runner

        device.use(options.device or settings.run.device)
        return runner.resume(found.path, total_steps=options.total_steps, quiet=options.quiet)

    _output.deliver(work, options.json, _output.show_training)
    return 0
