"""Trained policies: score them, act with them, take them elsewhere."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal


def evaluate(
    run: os.PathLike[str] | str,
    episodes: int = 512,
    *,
    sample: bool = False,
    seed: int = 0,
    checkpoint: str = "newest",
    environment: Mapping[str, Any] | None = None,
    conditions: Any = None,
) -> dict[str, Any]:
    """Score a run's policy on fresh episodes, beside the references. See ``qflock evaluate``.

    Args:
        run: its folder, or "latest".
        episodes: episodes of each seed.
        sample: act with the policy's own randomness instead of greedily.
        seed: of the boards; apart from all training keys.
        checkpoint: "newest" (also of a run that trains), "final", "best", or the name of another file in
            models/.
        environment: environment settings to change, for example ``{"grid_size": 10}``.
        conditions: a `qflock.networks.circuit.Conditions` under which a policy's circuits are measured:
            shots, noise, a device of PennyLane's.
    """
    from qflock.machine import device
    from qflock.runs.evaluation import evaluate_run

    device.use("auto")
    mode = "sample" if sample else "greedy"
    return evaluate_run(os.fspath(run), episodes, mode, seed, checkpoint, environment, conditions)


def load(
    run: os.PathLike[str] | str, checkpoint: str = "final", *, seed: int | None = None, sample: bool = False
) -> Any:
    """A trained policy: ``qflock.load(run).act(observations)``; ``restart()`` at each episode's start.

    Args:
        run: its folder, or "latest".
        checkpoint: "final", "best", or the name of another file in models/.
        seed: which seed's policy; the first by default.
        sample: act with the policy's own randomness instead of greedily.

    Returns:
        A `qflock.runs.policy.Policy`.
    """
    from qflock.runs.policy import load_policy

    return load_policy(os.fspath(run), checkpoint, seed, "sample" if sample else "greedy")


def export(
    run: os.PathLike[str] | str,
    to: Literal["numpy", "torch", "onnx", "safetensors", "qasm"] = "numpy",
    output: Path | str | None = None,
    *,
    seed: int | None = None,
    checkpoint: str = "final",
) -> dict[str, Any]:
    """Write a policy for others to play. See ``qflock export`` and `qflock.exports.writing.export`.

    Args:
        run: its folder, or "latest".
        to: the format.
        output: the file; by default in the run's folder ``export``.
        seed: which seed's policy; the first by default.
        checkpoint: "final", "best", or the name of another file in models/.
    """
    from qflock.exports import writing
    from qflock.machine import device

    device.use("auto")
    return writing.export(os.fspath(run), to, None if output is None else Path(output), seed, checkpoint)


def load_exported(path: os.PathLike[str] | str) -> Any:
    """An exported policy: ``qflock.load_exported("policy.npz").act(observations)``.

    Args:
        path: a file of ``qflock export``: ``.npz``, ``.pt``, ``.onnx`` or ``.safetensors``.

    Returns:
        A `qflock.exports.numpy_policy.ExportedPolicy`.

    Raises:
        UserError: no such file, or one that cannot be played; the message says why.
    """
    from qflock.exports.reading import load_exported

    return load_exported(os.fspath(path))
