"""``qflock export``: take a policy home, to play it without qflock."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qflock.commands import _arguments, _output, _runs
from qflock.commands._arguments import Group
from qflock.core.printing import say

COMMAND = "qflock export RUN"
ABOUT = """Write the decentralised policy of one seed for others to play. RUN is the run's folder, or latest.
Its mixer and critics stay behind; the input stage, the agent's id and the choice of an action come along.

  numpy        a .npz, and numpy_policy.py beside it, which needs NumPy alone
  torch        a .pt with a plain state_dict, and torch_policy.py beside it, which needs PyTorch alone
  onnx         a graph from observations to outputs and actions (needs jax2onnx and onnxruntime)
  safetensors  weights by name, with the same description as JSON
  qasm         the circuit as an OpenQASM 3 program, and a .csv of its angles beside it

qflock.load_exported(FILE) plays each of them from Python, but for qasm."""


@dataclass(frozen=True)
class Options:
    """What to write, and where."""

    to: Literal["numpy", "torch", "onnx", "safetensors", "qasm"] = "numpy"
    """The format."""
    output: Path | None = None
    """The file, also -o; by default in the run's folder, export/ALGORITHM-ENVIRONMENT-seedN."""
    seed: int | None = None
    """Which seed's policy; the first by default."""
    checkpoint: str = "final"
    """Which weights: final, best, or the name of a file in the run's models/."""
    code: Path | None = None
    """A Python file to use where the run names one of that name; may be given several times."""
    json: bool = False
    """Print what was written as one JSON object, and nothing else, on standard output."""


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    argv = ["--output" if word == "-o" else word for word in argv]
    if argv in (["-h"], ["--help"]):
        _arguments.parse([Group(Options())], argv, command=COMMAND, about=ABOUT)
    folder, rest = _runs.find(argv, COMMAND)
    (options,) = _arguments.parse([Group(Options())], rest, command=COMMAND, about=ABOUT)

    def work() -> dict[str, Any]:
        from qflock.exports import writing
        from qflock.machine import device

        device.use("cpu")
        return writing.export(folder.path, options.to, options.output, options.seed, options.checkpoint)

    _output.deliver(work, options.json, _show)
    return 0


def _show(result: dict[str, Any]) -> None:
    for file in result["files"]:
        say(f"wrote {file}")
    about, difference = result["about"], result["difference"]
    say(
        f"{about['algorithm']} on {about['environment']}, seed {about['seed']}: {about['agents']} agents, "
        f"each from {about['observation']} numbers to one of {about['actions']} actions"
    )
    if difference is None:
        say(f"weights of a network of your own, {about['network']['name']}: rebuild it to use them")
    else:
        say(
            f"checked: its outputs differ from the run's by at most {difference:.1g}, relative to the largest"
        )
        if result["files"][0].suffix != ".qasm":
            say(f"play it: qflock.load_exported({str(result['files'][0])!r}).act(observations)")
