"""``qflock experiment``: algorithms x environments x settings x seeds, from one file."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from qflock.commands import _arguments, _output
from qflock.commands._arguments import Group
from qflock.core.errors import UserError
from qflock.core.shell import command

COMMAND = "qflock experiment FILE"
ABOUT = """Train every method on every environment that a YAML file names, each cell in a run folder of its
own. Start it again after a stop: cells that are done are left alone, others go on. Cells whose settings
have changed since are refused. The exit status is 1 where a cell failed; the others are run all the same.
A cell that ends by a signal, for want of memory or with a lost machine is tried again from its saved state.

  name: headline                # lands in runs/headline, or in folder: ...
  seeds: 10                     # or a list
  run: {total_steps: 4_000_000} # settings of every run
  environments: [gridworld25, {name: gridworld25, grid_size: 10, settings: {total_steps: 8_000_000}}]
  methods: [qmix, {algorithm: qmix, label: qmix-wide, mixer_embed: 64}]
  sweep:                        # optional: the same search for every method on every environment
    {trials: 8, seeds: 2, run: {total_steps: 1_000_000}, ranges: {lr: {log: [1e-4, 3e-3]}}}
  cells: method                 # all seeds in one program; or seed, a cell for each
  launcher: local               # or {processes: 4}, slurm, ray

Then compare the methods: qflock compare runs/headline"""


@dataclass(frozen=True)
class Options:
    """How to run it."""

    launcher: str | None = None
    """local, processes:N, slurm or ray; by default as the file says, else local."""
    tries: int = 2
    """How often a cell is tried in all if it ends by a signal, for want of memory or with a lost machine."""
    dry_run: bool = False
    """List the cells and how far they are, and stop."""
    quiet: bool = False
    """No progress, only the result."""
    json: bool = False
    """Print the result as one JSON object, and nothing else, on standard output."""


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status: 1 where a cell failed."""
    file, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else (None, argv)
    if file is None and not _arguments.wants_help(argv):
        raise UserError(f"name the file first: {COMMAND} (see qflock experiment --help)")
    (options,) = _arguments.parse([Group(Options())], rest, command=COMMAND, about=ABOUT)
    assert file is not None  # help ends the program

    from qflock.commands import _cells_output
    from qflock.experiments import file as experiment_file
    from qflock.experiments import launchers
    from qflock.experiments import run as experiment

    content = experiment_file.read(Path(file))
    launcher_name, where = (options.launcher, "--launcher") if options.launcher else (content.launcher, file)
    launcher = launchers.read(launcher_name, str(where), options.tries)
    failures: dict[str, str] = {}

    def work() -> dict[str, Any]:
        if options.dry_run:
            return experiment.plan(content)
        board = None if options.quiet else _cells_output.Board()
        result = stop_well(lambda: experiment.run(content, launcher, board), again(file, options))
        failures.update(result["failures"])
        return result

    show = _cells_output.show_plan if options.dry_run else _cells_output.show_experiment
    _output.deliver(work, options.json, show)
    _cells_output.say_failures(failures, content.folder)
    return int(bool(failures))


def again(file: str, options: Options) -> str:
    """The command that goes on with a stopped experiment, on the same machines.

    Args:
        file: of the experiment.
        options: as they were given.
    """
    words = ["--launcher", options.launcher] if options.launcher else []
    words += ["--tries", options.tries] if options.tries != Options.tries else []
    return command("experiment", file, *words)


class Work(Protocol):
    """What a command does between reading its options and showing its result."""

    def __call__(self) -> Any: ...


def stop_well(work: Work, how: str) -> Any:
    """Do work that may be stopped, and say how to go on with it.

    Args:
        work: gives the result.
        how: what goes on with it, in words.

    Raises:
        UserError: with code 130, when it was stopped; else what the work raises.
    """
    try:
        return work()
    except KeyboardInterrupt:
        raise _stopped(how) from None
    except UserError as problem:
        if problem.code != 130:
            raise
        raise _stopped(how) from problem


def _stopped(how: str) -> UserError:
    return UserError(f"stopped; what is done is kept, states are saved. Go on with: {how}", code=130)
