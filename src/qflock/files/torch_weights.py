"""Weights for PyTorch: a safetensors file once more as ``.pt``, where PyTorch is installed."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import numpy as np

from qflock.files import tensors
from qflock.files.storage import replacing


def installed() -> bool:
    """Whether PyTorch can be imported; does not import it."""
    return importlib.util.find_spec("torch") is not None


def write(source: Path, target: Path) -> None:
    """Write ``parameters``, tensors by name, and the metadata of a weights file beside them.

    ``torch.load(target, weights_only=True)`` reads it.

    Args:
        source: a file of `qflock.files.tensors`.
        target: the ``.pt`` file; replaced whole.

    Raises:
        DamagedFile, UserError: the source cannot be read.
        CannotWrite: the disk is full ...
        ImportError: PyTorch is not installed.
    """
    import torch  # type: ignore

    arrays, about = tensors.load_arrays(source), tensors.load_metadata(source)
    weights = {name: torch.from_numpy(np.array(array)) for name, array in arrays.items()}
    with replacing(target) as temporary:
        torch.save({**about, "parameters": weights}, temporary)
