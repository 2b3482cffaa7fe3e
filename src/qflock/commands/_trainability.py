"""``qflock check --trainability``: how well circuits of several sizes can be trained."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qflock.commands import _arguments, _output
from qflock.commands._arguments import Group
from qflock.core.errors import UserError
from qflock.core.printing import say

OPTION = "--trainability"
COMMAND = "qflock check " + OPTION
ABOUT = """See how well circuits can be trained before anything is: for each number of
qubits and layers the variance of the gradient of a local read-out (Z of one
qubit) and of a global one (the product of all Z), which a barren plateau makes
fall exponentially with the qubits; expressibility (divergence from Haar-random
states, 0 is best) and entanglement (Meyer and Wallach, from 0 to 1). Angles are
drawn uniformly, features from a normal distribution. Leaves a picture."""


@dataclass(frozen=True)
class Options:
    """Which circuits, and how many of each."""

    trainability: bool = False
    """Look at circuits rather than at an environment."""
    circuit_qubits: tuple[int, ...] = (2, 4, 6, 8)
    """Numbers of qubits."""
    circuit_layers: tuple[int, ...] = (1, 4, 16)
    """Numbers of layers."""
    circuit_encoding: Literal["angle", "amplitude"] = "angle"
    """Features as three angles a qubit, or as the 2^n amplitudes at the start."""
    circuit_reupload: bool = True
    """Features enter in every layer, else in the first alone (angle)."""
    circuit_entanglement: Literal["ring", "all", "none"] = "ring"
    """Which qubits are entangled."""
    circuit_entangler: Literal["cz", "cnot"] = "cz"
    """The gate that entangles a pair."""
    circuits: int = 500
    """Circuits drawn for each size."""
    seed: int = 0
    """Random seed."""
    output: Path = Path("trainability.png")
    """The picture."""
    json: bool = False
    """Print the numbers as one JSON object, and nothing else, on standard output."""

    def __post_init__(self) -> None:
        for name in ("circuit_qubits", "circuit_layers"):
            values = getattr(self, name)
            if not values or min(values) < 1:
                listed = ",".join(map(str, values))
                raise UserError(f"{name} is {listed}; give whole numbers of at least 1, such as 2,4,6")
        if self.circuits < 2:
            raise UserError(f"circuits is {self.circuits}; a variance takes at least 2")
        if not 0 <= self.seed < 2**31:
            raise UserError(f"seed is {self.seed}; it must lie in [0, {2**31 - 1}]")
        if self.output.suffix != ".png":
            raise UserError(f"output is {str(self.output)!r}; the name of the picture ends in .png")


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    (options,) = _arguments.parse([Group(Options())], argv, command=COMMAND, about=ABOUT)
    _output.deliver(lambda: _studied(options), options.json, _show)
    return 0


def _studied(options: Options) -> dict[str, Any]:
    import jax

    from qflock.evidence.figures.trainability_plot import trainability_plot
    from qflock.files.storage import make_folder
    from qflock.machine import device
    from qflock.quantum import trainability
    from qflock.quantum.circuit import Circuit

    device.use("cpu")
    circuits = [
        Circuit(
            qubits,
            layers,
            options.circuit_encoding,
            options.circuit_reupload,
            entanglement=options.circuit_entanglement,
            entangler=options.circuit_entangler,
            start="plus" if options.circuit_encoding == "angle" else "zero",
        )
        for qubits in sorted(set(options.circuit_qubits))
        for layers in sorted(set(options.circuit_layers))
    ]
    make_folder(options.output.parent)
    key = jax.random.key(options.seed)
    found = [trainability.study(circuit, options.circuits, key) for circuit in circuits]
    trainability_plot(found, options.output)
    return {
        "circuits": [each._asdict() for each in found],
        "drawn": options.circuits,
        "decay": {name: trainability.decay(found, name) for name in ("local", "whole")},
        "picture": str(options.output),
    }


def _show(result: dict[str, Any]) -> None:
    say(f"{result['drawn']} circuits drawn for each size\n")
    say("                 variance of gradients")
    say("qubits  layers   local      global      expressibility  entanglement")
    for row in result["circuits"]:
        numbers = f"{row['local']:<10.3g} {row['whole']:<10.3g}  {row['expressibility']:<14.3g}  "
        say(f"{row['qubits']:>6}  {row['layers']:>6}   {numbers}{row['entanglement']:.3f}")
    local, whole = (result["decay"][name] for name in ("local", "whole"))
    if local is not None and whole is not None:
        say(
            f"\nIn the deepest circuits each qubit more divides the variance by {local:.2g} (local read-out) "
            f"and {whole:.2g} (global); a barren plateau divides it by 2 or so, for ever."
        )
    say(f"wrote {result['picture']}")
