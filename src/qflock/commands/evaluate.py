"""``qflock evaluate``: score a run's policy on fresh episodes, beside the references."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qflock.commands import _arguments, _output, _runs
from qflock.commands._arguments import Group
from qflock.core.errors import UserError
from qflock.core.printing import say

COMMAND = "qflock evaluate RUN"
ABOUT = """Score a run's policy on fresh episodes, beside random play and the references
that the environment ships. RUN is the run's folder, or latest. Mixer and
critic are not loaded. The scores' heading says how the policy is executed:
decentralised, where every agent acts alone, on its own observation; drawn
together; or centralised.

Settings of the environment may differ from the run's: --env.NAME VALUE (help
lists them when it is given a run: qflock evaluate latest --help)."""


@dataclass(frozen=True)
class Options:
    """What to play."""

    episodes: int = 512
    """Episodes for each seed of the run, and for each reference."""
    sample: bool = False
    """Act as in training, with exploration or by chance, rather than greedily."""
    seed: int = 0
    """Seed of the episodes; the same seed plays the same starts."""
    checkpoint: str = "newest"
    """Which weights: newest (also while it trains), final, best, or the name of a file in models/."""
    shots: int = 0
    """Circuits: measurements of each evaluation; 0 for exact values."""
    noise: str = ""
    """Circuits: Pauli errors, such as depolarizing:0.01, bit_flip:0.02 or phase_flip:0.02."""
    trajectories: int = 100
    """Circuits: draws of the errors that each evaluation averages; at most as many as shots."""
    circuit_device: str = ""
    """Circuits: a device of PennyLane's, such as default.mixed, instead of our simulator."""
    code: Path | None = None
    """A Python file to use where the run names one of that name; may be given several times."""
    device: Literal["auto", "cpu", "gpu"] = "auto"
    """Where to compute; auto takes a GPU if JAX sees one."""
    json: bool = False
    """Print the scores as one JSON object, and nothing else, on standard output."""

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise UserError(f"episodes is {self.episodes}; it must be at least 1")
        if self.shots < 0:
            raise UserError(f"shots is {self.shots}; it must not be negative")
        if self.trajectories < 1:
            raise UserError(f"trajectories is {self.trajectories}; it must be at least 1")
        if not 0 <= self.seed < 2**31:
            raise UserError(f"seed is {self.seed}; it must lie in [0, {2**31 - 1}]")


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    if argv in (["-h"], ["--help"]):
        _arguments.parse([Group(Options())], argv, command=COMMAND, about=ABOUT)
    folder, rest = _runs.find(argv, COMMAND)
    settings = folder.settings()
    options, environment = _arguments.parse(
        [Group(Options()), Group(settings.environment, "env", "env", pairs=True)],
        rest,
        command=COMMAND,
        about=ABOUT,
    )

    def work() -> dict[str, Any]:
        from qflock.machine import device
        from qflock.runs import evaluation

        device.use(options.device)
        conditions = None
        if options.shots or options.noise or options.circuit_device:
            from qflock.networks.circuit import Conditions
            from qflock.quantum import noise

            channel = noise.parse(options.noise) if options.noise else noise.NONE
            conditions = Conditions(options.shots, channel, options.trajectories, options.circuit_device)
        return evaluation.evaluate_run(
            folder.path,
            episodes=options.episodes,
            mode="sample" if options.sample else "greedy",
            seed=options.seed,
            checkpoint=options.checkpoint,
            environment_overrides=_runs.changes(settings.environment, environment),
            conditions=conditions,
            both=True,
        )

    _output.deliver(work, options.json, _show)
    return 0


def _show(result: dict[str, Any]) -> None:
    play = f"{result['episodes']} {result['mode']} episodes for each seed"
    which = "" if result["checkpoint"] == "final" else f"; {_words(result)}"
    shots = result.get("measurements_per_decision")
    measured = f", {shots:,} measurement(s) for each decision of an agent" if shots else ""
    say(f"{result['run']}: {play}{_output.executed(result)}{measured}{which}\n")
    _output.show_scores(result)


def _words(result: dict[str, Any]) -> str:
    name = result["checkpoint"]
    what = "the newest state" if name == "state" else f"{name} weights"
    return f"{what}, of step {result['env_steps']:,}"
