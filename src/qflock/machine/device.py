"""Where JAX computes and where it keeps compiled programs. Called once, before JAX is first used."""

from __future__ import annotations

import contextlib
import importlib.metadata
import os
import shutil
import subprocess
from pathlib import Path
from typing import Literal

from qflock.core.errors import UserError, in_short
from qflock.core.printing import notice

ADVICE = 'pip install "qflock[cuda]"'


def use(
    device: Literal["auto", "cpu", "gpu"] = "auto", warn: bool = True, devices: int | Literal["all"] = 1
) -> None:
    """Choose where to compute and turn on the cache of compiled programs.

    Args:
        device: ``auto`` leaves the choice to JAX.
        warn: with ``auto``, say on standard error when JAX cannot use a GPU that is there.
        devices: how many will share the work. A CPU counts as so many, unless JAX is in use already.

    Raises:
        UserError: ``gpu`` and JAX cannot use one.
    """
    import jax

    _use_cache()
    if devices not in (1, "all") and "host_platform_device_count" not in os.environ.get("XLA_FLAGS", ""):
        with contextlib.suppress(RuntimeError):
            jax.config.update("jax_num_cpu_devices", devices)
    if device == "cpu":
        jax.config.update("jax_platforms", "cpu")
        if jax.default_backend() != "cpu":  # JAX was in use before
            jax.config.update("jax_default_device", jax.devices("cpu")[0])
    elif device == "gpu":
        try:
            jax.config.update("jax_default_device", jax.devices("gpu")[0])
        except RuntimeError as problem:
            raise UserError(f"no GPU to compute on: {_why_no_gpu(str(problem))}") from problem
    elif warn and not _jax_plugins() and (gpus := nvidia_gpus()):
        notice(f"{gpus[0]} is idle because JAX came without CUDA: {ADVICE}")


def set_matmul_precision(precision: str) -> None:
    """Choose in what precision matrices are multiplied from now on, in all programs that are compiled then.

    Args:
        precision: "highest", "high" or "default", as JAX names them.
    """
    import jax

    jax.config.update("jax_default_matmul_precision", precision)


def nvidia_gpus() -> list[str]:
    """Names of the NVIDIA GPUs that the system sees, whether JAX can use them or not."""
    if command := shutil.which("nvidia-smi"):
        try:
            asked = subprocess.run([command, "-L"], capture_output=True, text=True, timeout=10)
        except (OSError, subprocess.TimeoutExpired):
            return []
        if asked.returncode == 0:
            return [
                line.partition(": ")[2].partition(" (UUID")[0]
                for line in asked.stdout.splitlines()
                if ": " in line
            ]
    gpus = []
    for facts in sorted(Path("/proc/driver/nvidia/gpus").glob("*/information")):
        model = [line.partition(":")[2].strip() for line in facts.read_text().splitlines() if "Model" in line]
        gpus.append(model[0] if model else "NVIDIA GPU")
    return gpus


def cache_folder() -> Path | None:
    """Where compiled programs are kept: ``QFLOCK_CACHE`` (a folder, or ``off``), else in the user's cache
    folder. None where it is off."""
    chosen = os.environ.get("QFLOCK_CACHE", "")
    if chosen.lower() in ("off", "0", "no"):
        return None
    if chosen:
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(base).expanduser() / "qflock" / "jax"


def _use_cache() -> None:
    """Turn on JAX's cache on disk, unless the user has set JAX's own variable. A folder that cannot be
    written only costs the time of compiling again."""
    import jax

    if os.environ.get("JAX_COMPILATION_CACHE_DIR"):
        return
    try:
        folder = cache_folder()
        if folder is None:
            return
        folder.mkdir(parents=True, exist_ok=True)
    except (OSError, RuntimeError):
        return
    if os.access(folder, os.W_OK):
        jax.config.update("jax_compilation_cache_dir", str(folder))
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.1)


def _jax_plugins() -> list[str]:
    """JAX's installed plugins for accelerators, such as ``xla_cuda13``."""
    return [entry.name for entry in importlib.metadata.entry_points(group="jax_plugins")]


def _why_no_gpu(problem: str) -> str:
    allowed = os.environ.get("JAX_PLATFORMS")
    if allowed and not {"cuda", "gpu", "rocm"} & set(allowed.split(",")):
        return f"JAX_PLATFORMS is {allowed!r}; unset it"
    gpus = nvidia_gpus()
    if not gpus:
        return "this machine shows none; leave --device out, or use --device cpu"
    if not _jax_plugins():
        return f"{gpus[0]} is there, but JAX came without CUDA: {ADVICE}"
    return f"{gpus[0]} is there, but JAX cannot use it: {in_short(problem, 200)}"
