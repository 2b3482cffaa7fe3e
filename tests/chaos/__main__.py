"""``python -m tests.chaos``: plays draws and prints a table by fault and by command."""

from __future__ import annotations

import argparse
import itertools
import shlex
import sys
import tempfile
from collections import Counter
from collections.abc import Sequence
from pathlib import Path

from tests.chaos import commands, faults
from tests.chaos.machine import Draw, Machine, draws


def main(argv: Sequence[str] | None = None) -> int:
    """Play; returns 1 where a promise did not hold."""
    parser = argparse.ArgumentParser("python -m tests.chaos", description=__doc__)
    parser.add_argument("--seed", type=int, default=0, help="what all is drawn from")
    parser.add_argument("--draws", type=int, default=20, help="how many")
    parser.add_argument("--first", type=int, default=0, help="the number of the first one")
    parser.add_argument("--commands", nargs="*", default=[*commands.BY_NAME], help="of these alone")
    parser.add_argument("--faults", nargs="*", default=[*faults.BY_NAME], help="of these alone")
    parser.add_argument("--folder", type=Path, help="where to play; what failed stays there")
    options = parser.parse_args(argv)
    some = [commands.BY_NAME[name] for name in options.commands]
    ways = [faults.BY_NAME[name] for name in options.faults]
    with tempfile.TemporaryDirectory(prefix="chaos-") as folder:
        machine = Machine(options.folder or Path(folder), options.seed)
        wanted = itertools.islice(
            draws(options.seed, some, ways), options.first, options.first + options.draws
        )
        played = []
        for draw in wanted:
            played.append(machine.play(draw))
            tell(played[-1], again(options, played[-1].number))
    print(table(played))
    return int(any(draw.problems for draw in played))


def again(options: argparse.Namespace, number: int) -> str:
    """The command line that plays one draw again."""
    words = ["python -m tests.chaos --seed", str(options.seed), "--draws 1 --first", str(number)]
    if len(options.commands) < len(commands.COMMANDS):
        words += ["--commands", *options.commands]
    if len(options.faults) < len(faults.FAULTS):
        words += ["--faults", *(shlex.quote(name) for name in options.faults)]
    return " ".join(words)


def tell(draw: Draw, command: str) -> None:
    """A line about a draw, and what is broken."""
    how = "BROKEN" if draw.problems else "held"
    line = f"{draw.number:4} {draw.command.name:24} {draw.fault.name:20} code {draw.code}"
    print(f"{line:60} {draw.seconds:6.1f} s  {how}", flush=True)
    for problem in draw.problems:
        print(f"       {problem}", flush=True)
    if draw.problems:
        print(f"       again: {command}", flush=True)


def table(played: Sequence[Draw]) -> str:
    """How many draws there were of each fault and each command, and of how many a promise was broken."""
    lines = []
    for title, name in (("fault", lambda d: d.fault.name), ("command", lambda d: d.command.name)):
        counts, broken = Counter(map(name, played)), Counter(name(d) for d in played if d.problems)
        lines += [f"\n{title:26} draws  broken"]
        lines += [f"{what:26} {counts[what]:5}  {broken[what]:6}" for what in sorted(counts)]
    seconds = sum(draw.seconds for draw in played)
    total = f"{len(played)} draws, {sum(bool(d.problems) for d in played)} broken"
    return "\n".join([*lines, f"\n{total}, {seconds / max(1, len(played)):.1f} s a draw"])


if __name__ == "__main__":
    sys.exit(main())
