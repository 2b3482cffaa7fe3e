"""``qflock train``: train an algorithm on an environment."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from qflock.commands import _arguments, _help, _output, _streams
from qflock.commands._arguments import Group
from qflock.core.errors import UserError
from qflock.core.printing import say
from qflock.core.shell import command
from qflock.runs import folder
from qflock.runs.train import opening
from qflock.settings import agents, config, registry
from qflock.settings.config import Settings
from qflock.settings.run import RunSettings

USAGE = """usage: qflock train ALGORITHM [ENVIRONMENT] [--SETTING VALUE ...]
       qflock train --config runs/NAME/configs/config.yaml [--SETTING VALUE ...]

Trains an algorithm on an environment and leaves logs, curves, weights and an animation in a folder
under runs/. The second form repeats a run, with its own settings.

algorithms:   {algorithms}
environments: {environments}
              (or your own file: my_algorithm.py, my_env.py:MyEnv)

All settings, with their defaults: qflock train ALGORITHM [ENVIRONMENT] --help
Settings with a word in their name or text: qflock train ALGORITHM --help WORD

{codes}"""

CODES = """exit codes
  0    trained to the end
  2    bad input, or a disk or an output that cannot be written; what was saved is whole
  3    NaN or infinity in weights, losses or returns (--on_nan stop); the last good state is kept
  75   another process of the run is gone (of several); what was saved is whole
  130  stopped by Ctrl-C, SIGTERM or a closed terminal; the state is saved within 10 seconds
Then `qflock resume RUN` goes on, also after kill -9, with the same bits as if nothing had happened.
"""


@dataclass(frozen=True)
class Options:
    """What the command itself does."""

    config: Path | None = None
    """YAML file of settings; those on the command line go before it."""
    dry_run: bool = False
    """Print the settings as YAML and stop."""
    quiet: bool = False
    """No progress, only the result."""
    json: bool = False
    """Print the result as one JSON object, and nothing else, on standard output."""


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    algorithm, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else (None, argv)
    if algorithm is not None:
        algorithm, rest = registry.canonical(algorithm, "algorithms"), _arguments.with_env(rest)
    file = _arguments.peek(rest, "--config")
    if algorithm is None and file is None:
        algorithms = ", ".join(registry.names("algorithms"))
        if not _arguments.wants_help(argv):
            raise UserError(f"name the algorithm first: qflock train ALGORITHM; there are: {algorithms}")
        environments = ", ".join(registry.names("environments"))
        say(USAGE.format(algorithms=algorithms, environments=environments, codes=CODES), end="")
        return 0
    where, preview = _opening(algorithm, file, rest)
    with preview:
        defaults = config.resolve(
            algorithm, config=Path(file) if file is not None else None, overrides=_arguments.of_run(rest)
        )
        typed = algorithm or defaults.algorithm
        if _arguments.wants_help(rest):
            own = Group(Options(), "this command")
            about = f"Train {typed} on {defaults.run.env}."
            _help.show(defaults, own, rest, command=command("train", typed), about=about, after=CODES)
            return 0
        options, settings = _parse(defaults, rest, typed)
    if options.dry_run:
        with _streams.given_back():
            say(config.to_yaml(settings), end="")
        return 0

    def work() -> Mapping[str, Any]:
        from qflock import api

        run = dataclasses.replace(settings.run, run_dir=settings.run.run_dir or where)
        return api.train(dataclasses.replace(settings, run=run), quiet=options.quiet)

    _output.deliver(work, options.json, _output.show_training)
    return 0


def _opening(
    algorithm: str | None, file: str | None, argv: Sequence[str]
) -> tuple[Path | None, AbstractContextManager[None]]:
    """The folder of a run that is told none (None where only a file says what is trained), and what shows the
    first line on a terminal that would be blank."""
    env = registry.canonical(_arguments.peek(argv, "--env") or RunSettings.env)
    where = (
        folder.new_path(algorithm, env, datetime.now()) if algorithm is not None and file is None else None
    )
    if _arguments.wants_help(argv) or {"--quiet", "--dry_run", "--dry-run"} & set(argv):
        return where, nullcontext()
    if algorithm is None or where is None:
        return where, opening.shown(f"reading {file}")
    device, chosen = _arguments.peek(argv, "--device"), _arguments.peek(argv, "--run_dir")
    line = opening.of_training(algorithm, env, device or RunSettings.device, Path(chosen or where))
    return where, opening.shown(line)


def _parse(defaults: Settings, argv: list[str], typed: str) -> tuple[Options, Settings]:
    """The command's own options and the settings, those of the command line laid over ``defaults``."""
    groups = [
        Group(defaults.run, "run", pairs=True),
        Group(defaults.learner, "learner", pairs=True),
        Group(Options()),
    ]
    if defaults.environment is not None:
        groups.insert(2, Group(defaults.environment, "env", "env", pairs=True))
    run, learner, *environment, options = _arguments.parse(
        groups, _arguments.counted(argv, defaults), command=command("train", typed)
    )
    run = dataclasses.replace(run, env=defaults.run.env)  # as resolved: canonical, with its full path
    own = environment[0] if environment else None
    if own is not None:
        own = agents.followed(own, learner, typed=f"--env.{agents.NUMBER}" in {x.split("=")[0] for x in argv})
    return options, Settings(defaults.algorithm, run, learner, own)
