"""Write a policy for others to play: NumPy, PyTorch, ONNX, plain safetensors, or its circuit as OpenQASM."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, Literal

import numpy as np

from qflock.core.errors import UserError
from qflock.exports import description, numpy_policy, onnx_policy, openqasm
from qflock.exports.description import Description
from qflock.exports.numpy_policy import NumpyPolicy
from qflock.files import tensors
from qflock.files.storage import make_folder, replacing, write_text
from qflock.runs import policy, zoo

Format = Literal["numpy", "torch", "onnx", "safetensors", "qasm"]

SUFFIX: dict[Format, str] = {
    "numpy": ".npz",
    "torch": ".pt",
    "onnx": ".onnx",
    "safetensors": ".safetensors",
    "qasm": ".qasm",
}
PLAYERS: dict[Format, tuple[str, ...]] = {
    "numpy": ("numpy_policy.py", "numpy_circuit.py"),
    "torch": ("torch_policy.py", "torch_circuit.py"),
}
"""The stand-alone files that play a format; copies are put beside the policy."""


def export(
    run: Path | str,
    to: Format = "numpy",
    output: Path | None = None,
    seed: int | None = None,
    checkpoint: str = "final",
) -> dict[str, Any]:
    """Write the decentralised policy of one seed: input stage, agent's id, network, and choice of an action.

    What is written is first compared with the run's own policy.

    Args:
        run: its folder, or "latest".
        to: the format; ``safetensors`` and ``onnx`` also take networks of the user's own, ``qasm`` circuits
            alone.
        output: the file; by default ``<algorithm>-<environment>-seed<N>`` in the run's folder ``export``,
            of the zoo's policies in the current folder.
        seed: which seed's; the first by default.
        checkpoint: "final", "best", or the name of another file in models/.

    Returns:
        ``files`` written; ``difference``, the largest between the run's outputs and the file's (None where
        the file has weights alone); and ``about``, what the file says of itself.

    Raises:
        UserError: no such run, seed or checkpoint; a policy that cannot be exported so; a missing package.
        CannotWrite: the disk is full or the folder cannot be written.
    """
    policies = policy.load(run, checkpoint)
    record = description.describe(policies, seed, checkpoint)
    about, suffix = record.about, SUFFIX[to]
    if output is None:
        name = f"{about['algorithm']}-{about['environment']}-seed{about['seed']}{suffix}"
        output = Path(name) if zoo.holds(policies.folder.path) else policies.folder.path / "export" / name
    if output.suffix != suffix:
        raise UserError(f"output is {str(output)!r}; the name of a file for {to} ends in {suffix}")
    difference = None
    if to != "onnx" and record.complete:
        difference = description.check(record, policies, NumpyPolicy(about, record.weights))
    elif to in PLAYERS:
        raise UserError(
            f"the network {about['network']['name']} cannot be exported to {to}, which knows mlp, gru and "
            "circuit; take it home with --to onnx, or its weights by name with --to safetensors"
        )
    players = [_player(output, name) for name in PLAYERS.get(to, ())]
    programs = openqasm.files(output, record) if to == "qasm" else []
    make_folder(output.parent)
    if to == "onnx":
        difference = onnx_policy.write(output, record, policies)
    elif to != "qasm":
        _WRITERS[to](output, record)
    for text in (*programs, *players):
        write_text(*text)
    files = [*([] if programs else [output]), *(place for place, _ in (*programs, *players))]
    return {"files": files, "difference": difference, "about": about}


def _numpy(path: Path, record: Description) -> None:
    with replacing(path) as temporary:
        arrays: dict[str, Any] = {**record.weights, "about": np.array(json.dumps(record.about))}
        np.savez(temporary, **arrays)


def _torch(path: Path, record: Description) -> None:
    try:
        import torch  # type: ignore[reportMissingImports]
    except ImportError:
        raise UserError("a file for PyTorch needs PyTorch; install it: pip install 'qflock[torch]'") from None
    weights = {name: torch.from_numpy(array.copy()) for name, array in record.weights.items()}
    with replacing(path) as temporary:
        torch.save({"state_dict": weights, "about": json.dumps(record.about)}, temporary)


def _safetensors(path: Path, record: Description) -> None:
    tensors.save(path, record.weights, record.about)


_WRITERS: dict[str, Callable[[Path, Description], None]] = {
    "numpy": _numpy,
    "torch": _torch,
    "safetensors": _safetensors,
}


def _player(output: Path, name: str) -> tuple[Path, str]:
    """A stand-alone file that plays a format, to be put beside the policy: where, and its text."""
    source = Path(numpy_policy.__file__).with_name(name)
    copy, text = output.parent / source.name, source.read_text(encoding="utf-8")
    first = text.partition("\n")[0]
    if copy.exists() and not (copy.is_file() and copy.read_text("utf-8", "replace").startswith(first)):
        raise UserError(f"{copy} is there and not ours; choose another folder with -o")
    return copy, text
