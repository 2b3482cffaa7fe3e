"""The library from Python: train, resume, evaluate, load. Each is what the command of that name runs."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any, Literal

from qflock.core.errors import UserError
from qflock.core.printing import notice
from qflock.machine import processes
from qflock.settings import config, trust
from qflock.settings.config import Settings
from qflock.settings.run import RunSettings


def train(
    algorithm: str | Settings,
    env: str | None = None,
    *,
    config_file: Path | str | None = None,
    quiet: bool = False,
    **settings: Any,
) -> dict[str, Any]:
    """Train, and leave a run folder with logs, weights, plots and an animation.

    Args:
        algorithm: name or file of an algorithm, or all settings resolved.
        env: name or file of an environment.
        config_file: a YAML file of settings, laid over the preset.
        quiet: show no progress.
        settings: any setting of `qflock train`, those of the environment as
            ``**{"env.grid_size": 10}``.

    Returns:
        The final scores beside the references, and ``run``, the folder (see ``summary.json``).

    Raises:
        UserError: settings that cannot work; the message says what to do.
    """
    from qflock.machine import device
    from qflock.runs import folder
    from qflock.runs.train import opening

    trust.name(algorithm, env, *settings.values())
    if not isinstance(algorithm, Settings):
        settings_of_run = settings if env is None else {"env": env, **settings}
        file = None if config_file is None else Path(config_file)
        algorithm = config.resolve(algorithm, config=file, overrides=settings_of_run)
    name, run = algorithm.algorithm, algorithm.run
    where = run.run_dir or folder.new_path(name, run.env, datetime.now())  # the first line names it
    run = replace(run, run_dir=where)
    with processes.joined(run.heartbeat_timeout_seconds):
        aloud = not quiet and processes.first()
        line = opening.of_training(name, run.env, run.device, where) if aloud else ""
        from qflock.runs.train import runner

        device.use(run.device, devices=run.devices)
        summary = runner.train(replace(algorithm, run=run), quiet, line)
    return _illustrated(summary)


def resume(
    run: Path | str,
    total_steps: int | None = None,
    *,
    quiet: bool = False,
    device: str | None = None,
    on_nan: Literal["stop", "skip", "rollback"] | None = None,
    devices: int | Literal["all"] | None = None,
) -> dict[str, Any]:
    """Go on with a run from its newest saved state, bit for bit as if it had never stopped. (On an
    environment of PettingZoo or Gymnasium, which is no pure function, episodes start anew.)

    Args:
        run: its folder, or "latest".
        total_steps: environment steps of the whole run; as planned if left out.
        quiet: show no progress.
        device: auto, cpu or gpu; as the run was started if left out.
        on_nan: what to do about NaN or infinity from now on; as before if left out.
        devices: how many share the work from now on; as before if left out.

    Returns:
        As `train`.
    """
    from qflock.machine import device as place
    from qflock.runs import folder
    from qflock.runs.train import opening

    found = folder.open_run(run)
    given = found.read_hparams()["settings"]
    with processes.joined(given.get("heartbeat_timeout_seconds", RunSettings.heartbeat_timeout_seconds)):
        aloud = not quiet and processes.first()
        line = opening.of_resuming(given, device, found.path) if aloud else ""
        with opening.shown(line) if aloud else nullcontext():
            settings = found.settings()
        from qflock.runs.train import runner

        where = device or settings.run.device
        place.use(where, devices=devices or settings.run.devices)  # type: ignore[arg-type]
        summary = runner.resume(run, total_steps, quiet, on_nan, devices, line)
    return _illustrated(summary)


def _illustrated(summary: dict[str, Any]) -> dict[str, Any]:
    """Add the pictures to a finished run; one that cannot be drawn must not cost its result."""
    if not processes.first():
        return summary
    from qflock.evidence.figures.illustrate import illustrate

    try:
        illustrate(summary["run"])
    except UserError as problem:
        notice(f"no picture: {problem}")
    return summary


def evaluate(
    run: Path | str,
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
    return evaluate_run(run, episodes, mode, seed, checkpoint, environment, conditions)


def load(run: Path | str, checkpoint: str = "final", *, seed: int | None = None, sample: bool = False) -> Any:
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

    return load_policy(run, checkpoint, seed, "sample" if sample else "greedy")


def export(
    run: Path | str,
    to: Literal["numpy", "torch", "onnx", "safetensors"] = "numpy",
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
    return writing.export(run, to, None if output is None else Path(output), seed, checkpoint)


def load_exported(path: Path | str) -> Any:
    """An exported policy: ``qflock.load_exported("policy.npz").act(observations)``.

    Args:
        path: a file of ``qflock export``: ``.npz``, ``.pt``, ``.onnx`` or ``.safetensors``.

    Returns:
        A `qflock.exports.numpy_policy.ExportedPolicy`.

    Raises:
        UserError: no such file, or one that cannot be played; the message says why.
    """
    from qflock.exports.reading import load_exported

    return load_exported(path)


def find_runs(folder: Path | str = "runs") -> list[Any]:
    """Every run in a folder or deeper, the newest first: ``[run.score for run in qflock.find_runs()]``.

    Args:
        folder: where to look; a run's own folder gives that run.

    Returns:
        A `qflock.runs.overview.Overview` of each: path, state, steps, scores, sizes.

    Raises:
        UserError: there is no such folder.
    """
    from qflock.runs import overview

    return overview.find_runs(folder)


def make(env: str, **settings: Any) -> Any:
    """An environment by name or file: ``qflock.make("gridworld25", grid_size=10)``.

    Args:
        env: its name, or a path ``my_env.py:MyEnv``.
        settings: of the environment, by name.

    Returns:
        A `qflock.core.environment.Environment`.

    Raises:
        UserError: no such environment or setting, or a value that it cannot have.
    """
    trust.name(env)
    return config.make_environment(env, config.environment_settings(env, settings))


def to_pettingzoo(env: Any, render_mode: str | None = None, **settings: Any) -> Any:
    """An environment of ours as a PettingZoo ``ParallelEnv``, for other libraries to learn in.

    Args:
        env: a name, a file, or an environment.
        render_mode: "rgb_array" or "human", for an environment that can be drawn.
        settings: of an environment by name, as in `make`.

    Returns:
        A `qflock.bridges.as_pettingzoo.AsPettingZoo`.

    Raises:
        UserError: PettingZoo is not installed; no such environment, setting or render mode.
    """
    try:
        from qflock.bridges.as_pettingzoo import AsPettingZoo
    except ImportError as problem:
        reason = " ".join(str(problem).split())
        raise UserError(f"pettingzoo cannot be imported ({reason}): pip install 'qflock[zoo]'") from problem

    if isinstance(env, str):
        env = make(env, **settings)
    elif settings:
        raise UserError(f"settings are for an environment by name; this one is made: {', '.join(settings)}")
    return AsPettingZoo(env, render_mode)
