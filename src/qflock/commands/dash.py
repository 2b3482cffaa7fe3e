"""``qflock dash``: a live page of runs."""

from __future__ import annotations

import sys
from dataclasses import dataclass
from pathlib import Path

from qflock.commands import _arguments
from qflock.commands._arguments import Group
from qflock.core.errors import UserError
from qflock.core.printing import notice, say

COMMAND = "qflock dash [FOLDER]"
ABOUT = """A live page of all runs in a folder (runs/ by default) and deeper, for a browser:
curves that grow while they train, scores beside random play and the oracle,
replays, runs beside each other, and the commands that stop a run and go on
with it. It only reads. This machine alone can reach it, by the address that
is printed, whose token is new each time; Ctrl-C ends it. From elsewhere:
  ssh -L 8421:localhost:8421 MACHINE"""


@dataclass(frozen=True)
class Options:
    """Where to be reached."""

    port: int = 8421
    """Port to listen on; 0 for any that is free."""
    host: str = "127.0.0.1"
    """Address to listen on. With another than the default, others can reach it, unencrypted."""

    def __post_init__(self) -> None:
        if not 0 <= self.port < 2**16:
            raise UserError(f"port is {self.port}; it must lie in [0, {2**16 - 1}]")


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    folder, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else ("runs", argv)
    (options,) = _arguments.parse([Group(Options())], rest, command=COMMAND, about=ABOUT)
    if not Path(folder).is_dir():
        raise UserError(f"no folder {folder}; runs are made in runs/ by: qflock train")
    try:
        from qflock.evidence.dash import door, server
    except ImportError as problem:
        reason = " ".join(str(problem).split())
        raise UserError(f"the page cannot be served ({reason}): pip install 'qflock[dash]'") from problem

    def ready(address: str) -> None:
        if not door.is_loopback(options.host):
            notice(
                f"whoever can reach {options.host} and knows this address sees the page; it is not encrypted"
            )
        say(f"{folder} is shown, until Ctrl-C, at\n  {address}", stream=sys.stdout)

    server.serve(Path(folder), options.host, options.port, ready)
    return 0
