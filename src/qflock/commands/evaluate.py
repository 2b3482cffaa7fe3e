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
    zero_noise: tuple[float, ...] = ()
    """Circuits: scales of --noise, such as 1,2,3, from whose values those without noise are extrapolated."""
    noise_curve: bool = False
    """Circuits: play at six levels of noise, from none to that of --noise (depolarizing:0.1), and leave
    noise_curve.csv and noise_curve.png in the run's folder."""
    price_per_shot: float = 0.0
    """Circuits: what a device asks for a measurement, for the price of a decision and of the training."""
    price_per_circuit: float = 0.0
    """Circuits: what it asks for each evaluation besides, however many shots it has."""
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
        for name in ("price_per_shot", "price_per_circuit"):
            if not getattr(self, name) >= 0:
                raise UserError(f"{name} is {getattr(self, name):g}; it must not be negative")
        if self.noise_curve and (self.price_per_shot or self.price_per_circuit):
            raise UserError("a noise curve has no price; ask for one of the two at a time")
        if self.noise_curve and self.zero_noise:
            raise UserError("a noise curve is of values as they are: leave zero_noise out, or play one level")
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
        conditions, rate = None, None
        if options.price_per_shot or options.price_per_circuit:
            from qflock.quantum.resources import Rate

            rate = Rate(options.price_per_shot, options.price_per_circuit)
        if (
            options.shots
            or options.noise
            or options.circuit_device
            or options.noise_curve
            or options.zero_noise
        ):
            from qflock.networks.circuit import Conditions
            from qflock.quantum import noise

            channel = noise.parse(options.noise) if options.noise else noise.NONE
            measured = options.shots, channel, options.trajectories, options.circuit_device
            conditions = Conditions(*measured, options.zero_noise)
        asked: dict[str, Any] = {
            "episodes": options.episodes,
            "mode": "sample" if options.sample else "greedy",
            "seed": options.seed,
            "checkpoint": options.checkpoint,
            "environment_overrides": _runs.changes(settings.environment, environment),
            "conditions": conditions,
        }
        if options.noise_curve:
            return _curve(folder.path, options.noise, asked)
        return evaluation.evaluate_run(folder.path, **asked, both=True, rate=rate)

    _output.deliver(work, options.json, _show_curve if options.noise_curve else _show)
    return 0


def _curve(run: Path, highest: str, asked: dict[str, Any]) -> dict[str, Any]:
    """The noise curve of a run, written and drawn."""
    from qflock.evidence.figures.noise_plot import noise_plot
    from qflock.quantum import noise
    from qflock.runs import noise_curve

    level = noise.parse(highest) if highest else noise.Noise("depolarizing", noise_curve.HIGHEST)
    curve = noise_curve.of_run(run, level, **asked)
    table = noise_curve.write(run, curve)
    picture = noise_plot(curve, table.with_suffix(".png"))
    return {**curve, "files": [str(table), str(picture)]}


def _show_curve(curve: dict[str, Any]) -> None:
    measured = f"{curve['shots']:,} shots" if curve["shots"] else "exact values"
    say(
        f"{curve['run']}: {curve['noise']} noise, {measured}, {curve['episodes']} {curve['mode']} episodes "
        "for each seed and level; the interval is of the episodes, 95 %\n"
    )
    wide = max(map(len, ("0.0001", *curve["references"])))
    say(f"  {'error':<{wide}}  return_mean  95 % interval")
    for level in curve["levels"]:
        mean = level["over_seeds"]["return_mean"]
        say(f"  {level['probability']:<{wide}g}  {mean:>11.3f}  [{level['low']:.3f}, {level['high']:.3f}]")
    for name, row in curve["references"].items():
        say(f"  {name:<{wide}}  {row['return_mean']:>11.3f}")
    say(f"\nwrote {curve['files'][0]} and {curve['files'][1]}")


def _show(result: dict[str, Any]) -> None:
    play = f"{result['episodes']} {result['mode']} episodes for each seed"
    which = "" if result["checkpoint"] == "final" else f"; {_words(result)}"
    shots = result.get("measurements_per_decision")
    measured = f", {shots:,} measurement(s) for each decision of an agent" if shots else ""
    say(f"{result['run']}: {play}{_output.executed(result)}{measured}{which}\n")
    _output.show_scores(result)
    if circuits := result.get("circuits"):
        say(f"\n{_taken(circuits)}")


def _taken(circuits: dict[str, Any]) -> str:
    """What the policy's circuits take on a device, in a sentence or two."""
    count = circuits["circuits_per_decision"]
    sentence = (
        f"On a device a decision of an agent takes {count} circuit{'s' * (count > 1)} of "
        f"{circuits['qubits']} qubits, depth {circuits['circuit_depth']}, with "
        f"{circuits['two_qubit_gates']} two-qubit gates."
    )
    if "price" not in circuits:
        return sentence
    rate, price, measurements = circuits["rate"], circuits["price"], circuits["measurements"]
    asked = f"{rate['of_shot']:g} a shot and {rate['of_circuit']:g} a circuit"
    sentence += f" At {asked} a decision costs {_money(price['decision'])}"
    if "training" not in price:
        return f"{sentence}; what the training takes is not known."
    return (
        f"{sentence}, and the training of a seed, gradients by parameter shift, {_money(price['training'])} "
        f"for {measurements['training']:,} measurements."
    )


def _words(result: dict[str, Any]) -> str:
    name = result["checkpoint"]
    what = "the newest state" if name == "state" else f"{name} weights"
    return f"{what}, of step {result['env_steps']:,}"


def _money(price: float) -> str:
    return f"{price:,.0f}" if price >= 1000 else f"{price:.4g}"
