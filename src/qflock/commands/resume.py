"""``qflock resume``: go on with a run from its newest saved state."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qflock.commands import _arguments, _output, _runs
from qflock.commands._arguments import Group
from qflock.core.errors import UserError

COMMAND = "qflock resume RUN"
ABOUT = """Go on with a run from its newest saved state. RUN is the run's folder, or latest.

A run that was stopped ends as if it had not been, bit for bit on the same
machine and versions. That is promised for pure environments only: those of
pettingzoo:, gymnasium: and vmas: start new episodes, and a warning says so. With
--total_steps a finished run trains for longer. A damaged state is passed over
for the one before it, and that is said. Exit codes: see qflock train --help."""


@dataclass(frozen=True)
class Options:
    """How to go on."""

    total_steps: int | None = None
    """Environment steps of the whole run, those before it was stopped included; none for as planned."""
    device: Literal["auto", "cpu", "gpu"] | None = None
    """Where to compute; none for where the run was started."""
    on_nan: Literal["stop", "skip", "rollback"] | None = None
    """What to do about NaN or infinity from now on; none for as before."""
    devices: int | Literal["all"] | None = None
    """How many devices share the work from now on; none for as before."""
    code: Path | None = None
    """A Python file to use where the run names one of that name; may be given several times."""
    quiet: bool = False
    """No progress, only the result."""
    json: bool = False
    """Print the result as one JSON object, and nothing else, on standard output."""

    def __post_init__(self) -> None:
        if self.total_steps is not None and self.total_steps < 1:
            raise UserError(f"total_steps is {self.total_steps}; it must be at least 1")
        if isinstance(self.devices, int) and self.devices < 1:
            raise UserError(f"devices is {self.devices}; it must be at least 1")


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    if _arguments.wants_help(argv):
        _arguments.parse([Group(Options())], argv, command=COMMAND, about=ABOUT)
    folder, rest = _runs.find(argv, COMMAND)
    (options,) = _arguments.parse([Group(Options())], rest, command=COMMAND, about=ABOUT)

    def work() -> Mapping[str, Any]:
        from qflock import api

        return api.resume(
            folder.path,
            options.total_steps,
            quiet=options.quiet,
            device=options.device,
            on_nan=options.on_nan,
            devices=options.devices,
        )

    _output.deliver(work, options.json, _output.show_training)
    return 0
