"""``qflock sweep``: search settings with a stated budget, on seeds of its own."""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from qflock.commands import _arguments, _help, _output
from qflock.commands._arguments import Group
from qflock.commands.experiment import stop_well
from qflock.core.errors import UserError
from qflock.core.shell import command
from qflock.evidence import metrics
from qflock.settings import config, registry
from qflock.settings import file as settings_file
from qflock.settings.config import Settings

COMMAND = "qflock sweep ALGORITHM"
ABOUT = """Search settings of an algorithm on an environment. Every trial trains --seeds seeds from --seed on,
apart from those that measure later, for --total_steps; the best mean score wins. Start it again after a
stop: trials that are done are left alone.

  qflock sweep qmix --env gridworld25 --trials 8 --total_steps 1e6 \\
      --ranges lr=log:1e-4:3e-3 td_lambda=0,0.6,0.9

A range is a list of values, log:LOW:HIGH or uniform:LOW:HIGH (for --search grid with :POINTS), or all of
them stand in a YAML file: --ranges ranges.yaml"""


@dataclass(frozen=True)
class Options:
    """What to search, and how."""

    ranges: tuple[str, ...] = ()
    """SETTING=RANGE, several; or a YAML file."""
    trials: int = 0
    """How many trials; 0 for 8, or for the whole grid."""
    search: Literal["random", "grid"] = "random"
    """random spreads the trials evenly over each range (a Latin hypercube); grid takes all combinations."""
    metric: str = metrics.DEFAULT
    """Column of the final evaluation to go by."""
    config: Path | None = None
    """YAML file of settings; those on the command line go before it."""
    launcher: str = "local"
    """Where trials run: local, processes:N, slurm or ray."""
    tries: int = 2
    """How often a trial is tried in all if it ends by a signal, for want of memory or with a lost machine."""
    quiet: bool = False
    """No progress, only the result."""
    json: bool = False
    """Print the result as one JSON object, and nothing else, on standard output."""

    def __post_init__(self) -> None:
        if self.trials < 0:
            raise UserError(f"trials is {self.trials}; it must not be negative")


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status: 1 where a trial failed."""
    algorithm, rest = (argv[0], argv[1:]) if argv and not argv[0].startswith("-") else (None, argv)
    if algorithm is None:
        if not _arguments.wants_help(argv):
            raise UserError(f"name the algorithm first: {COMMAND} (see qflock sweep --help)")
        _arguments.parse([Group(Options())], argv, command=COMMAND, about=ABOUT)
    assert algorithm is not None  # help ends the program
    options, settings = _settings(algorithm, rest)
    ranges = _ranges(options.ranges)

    from qflock.commands import _cells_output
    from qflock.experiments import launchers, sweep
    from qflock.experiments import run as experiment
    from qflock.settings.registry import short_name

    launcher = launchers.read(options.launcher, tries=options.tries)
    name = f"{short_name(settings.algorithm)}-{short_name(settings.run.env)}"
    folder = settings.run.run_dir or Path("runs") / f"sweep-{name}"
    search = sweep.plan(
        name, folder, settings, ranges, search=options.search, trials=options.trials, metric=options.metric
    )
    failures: dict[str, str] = {}

    def work() -> dict[str, Any]:
        board = None if options.quiet else _cells_output.Board()
        again = f"the same command; the trials are in {folder}"
        outcome, failed = stop_well(lambda: experiment.run_sweep(search, launcher, board), again)
        failures.update(failed)
        return {**outcome, "failures": failed}

    _output.deliver(work, options.json, _cells_output.show_sweep)
    _cells_output.say_failures(failures, folder)
    return int(bool(failures))


def _settings(algorithm: str, argv: list[str]) -> tuple[Options, Settings]:
    """The command's own options, and the settings of every trial."""
    from qflock.experiments.sweep import FIRST_SEED, SEEDS

    algorithm, argv = registry.canonical(algorithm, "algorithms"), _arguments.with_env(argv)
    file = _arguments.peek(argv, "--config")
    overrides = {"seeds": SEEDS, "seed": FIRST_SEED} | _arguments.of_run(argv)
    defaults = config.resolve(algorithm, config=Path(file) if file is not None else None, overrides=overrides)
    if _arguments.wants_help(argv):
        _help.show(
            defaults,
            Group(Options(), "this command"),
            argv,
            command=command("sweep", algorithm),
            about=ABOUT,
        )
        raise SystemExit(0)
    groups = [
        Group(Options()),
        Group(defaults.run, "run", pairs=True),
        Group(defaults.learner, "learner", pairs=True),
        Group(defaults.environment, "env", "env", pairs=True),
    ]
    argv = _arguments.counted(argv, defaults)
    options, run_settings, learner, environment = _arguments.parse(groups, argv, command=COMMAND)
    run_settings = replace(run_settings, env=defaults.run.env)  # as resolved: canonical, with its full path
    return options, Settings(defaults.algorithm, run_settings, learner, environment)


def _ranges(words: tuple[str, ...]) -> dict[str, Any]:
    """Ranges as a file or as words: ``lr=log:1e-4:3e-3``, ``td_lambda=0,0.6,0.9``.

    Raises:
        UserError: there are none, or a word is no range.
    """
    if len(words) == 1 and words[0].endswith((".yaml", ".yml")):
        return settings_file.read(Path(words[0]))
    if not words:
        example = "--ranges lr=log:1e-4:3e-3 td_lambda=0,0.6,0.9"
        raise UserError(f"name what to search: {example} (see qflock sweep --help)")
    ranges: dict[str, Any] = {}
    name = ""
    for word in words:  # lists come in pieces: commas also stand between words
        key, equals, value = word.rpartition("=")
        if equals:
            name = key
            if not name or name in ranges:
                raise UserError(f"--ranges {word}: expected a setting once, as in lr=log:1e-4:3e-3")
            ranges[name] = []
        elif not name:
            raise UserError(f"--ranges {word}: expected SETTING=RANGE, as in lr=log:1e-4:3e-3")
        ranges[name].append(value)
    return {name: _range(values) for name, values in ranges.items()}


def _range(values: list[str]) -> Any:
    form, *ends = values[0].split(":")
    if form not in ("log", "uniform"):
        return values
    points = {"points": ends[2]} if len(ends) == 3 else {}
    return {form: ends[:2] if len(ends) < 4 else ends, **points}
