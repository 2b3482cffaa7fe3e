"""Play an exported policy, whatever its format."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np

from qflock.core import texts
from qflock.core.errors import UserError, unknown
from qflock.exports.numpy_policy import ExportedPolicy, NumpyPolicy
from qflock.exports.onnx_policy import OnnxPolicy
from qflock.files import tensors
from qflock.files.storage import DamagedFile

KINDS = (".npz", ".pt", ".onnx", ".safetensors")
UNPACKED = 2**31
"""Bytes of the largest policy that is read."""


def load_exported(path: Path | str) -> ExportedPolicy:
    """A policy from a file of ``qflock export``, ready to act; nothing in the file is ever executed.

    Args:
        path: ``.npz``, ``.pt``, ``.onnx`` or ``.safetensors``.

    Returns:
        An object with ``act(observations, legal)``, ``restart()`` and ``about``; it computes with NumPy, or
        with onnxruntime for ``.onnx``.

    Raises:
        UserError: no such file, not one that `qflock export` wrote, weights alone, or a missing package.
        DamagedFile: truncated or changed, or too large.
    """
    path = Path(path)
    if not path.is_file():
        raise UserError(f"no file {path}; write one with: qflock export RUN")
    if path.suffix not in KINDS:
        raise unknown("sort of exported policy", path.suffix, KINDS)
    _refuse_swelling(path)
    try:
        if path.suffix == ".onnx":
            return OnnxPolicy.load(path)
        if path.suffix == ".npz" and zipfile.is_zipfile(path):
            return _numpy(path)
        if path.suffix == ".pt":
            return _torch(path)
        if path.suffix == ".safetensors":
            return NumpyPolicy(tensors.load_metadata(path), tensors.load_arrays(path))
    except UserError:
        raise
    except ImportError as problem:
        raise UserError(f"{path} needs {problem.name}; install it: pip install {problem.name}") from problem
    except ValueError as problem:
        raise UserError(f"{path} cannot be played: {problem}") from problem
    except Exception as problem:
        raise _damaged(path) from problem
    raise _damaged(path)


def _refuse_swelling(path: Path) -> None:
    """What is packed may be a thousand times as large as its file."""
    if not zipfile.is_zipfile(path):
        return
    try:
        with zipfile.ZipFile(path) as packed:
            size = sum(part.file_size for part in packed.infolist())
    except (zipfile.BadZipFile, OSError) as problem:
        raise _damaged(path) from problem
    if size > UNPACKED:
        raise DamagedFile(f"{path} is {size:,} bytes unpacked; a policy has at most {UNPACKED:,}")


def _damaged(path: Path) -> DamagedFile:
    return DamagedFile(f"{path} is damaged, or not what qflock export wrote")


def _numpy(path: Path) -> NumpyPolicy:
    with np.load(path, allow_pickle=False) as file:
        weights = {name: file[name] for name in file.files}
    return NumpyPolicy(texts.from_json(str(weights.pop("about"))), weights)


def _torch(path: Path) -> NumpyPolicy:
    import torch  # type: ignore[reportMissingImports]

    file = torch.load(path, map_location="cpu", weights_only=True)
    weights = {name: np.asarray(x.numpy()) for name, x in file["state_dict"].items()}
    return NumpyPolicy(texts.from_json(file["about"]), weights)
