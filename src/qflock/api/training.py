"""Train, and go on with a run: what ``qflock train`` and ``qflock resume`` do."""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from qflock.api import making
from qflock.api.run import Run
from qflock.core.errors import UserError
from qflock.core.printing import notice
from qflock.machine import processes
from qflock.settings import config, trust
from qflock.settings.config import Settings
from qflock.settings.run import RunSettings

if TYPE_CHECKING:
    from qflock.runs.train.callbacks import Callback, OnChunk


def train(
    algorithm: str | Settings,
    env: str | Mapping[str, Any] | None = None,
    *,
    env_settings: Mapping[str, Any] | None = None,
    config_file: Path | str | None = None,
    quiet: bool = False,
    callbacks: Sequence[OnChunk | Callback] = (),
    **settings: Any,
) -> Run:
    """Train, and leave a run folder with logs, weights, plots and an animation.

    Args:
        algorithm: name or file of an algorithm, or all settings resolved.
        env: name or file of an environment; or a mapping of its name and settings,
            ``{"name": "gridworld25", "grid_size": 9}``.
        env_settings: settings of the environment, by name: ``{"grid_size": 9}``.
        config_file: a YAML file of settings, laid over the preset.
        quiet: show no progress.
        callbacks: functions of ``step, metrics, state``, or objects with such an ``on_chunk``, that are
            called after each log interval; one that returns False ends the run there. See
            `qflock.runs.train.callbacks.OnChunk`.
        settings: any setting of `qflock train`, by its name there; those of the environment may
            also be given as there, ``**{"env.grid_size": 9}``.

    Returns:
        The run, a mapping too: its final scores beside the references, and ``run``, the folder (see
        ``summary.json``).

    Raises:
        UserError: settings that cannot work; the message says what to do.
    """
    from qflock.machine import device
    from qflock.runs import folder
    from qflock.runs.train import opening

    named, own = making.named(env, env_settings)
    if isinstance(algorithm, Settings) and (named or own or config_file or settings):
        raise UserError("these settings are resolved already; nothing else can be set beside them")
    trust.name(algorithm, *settings.values())
    if not isinstance(algorithm, Settings):
        settings_of_run = {f"env.{key}": value for key, value in own.items()} | settings
        settings_of_run |= {} if named is None else {"env": named}
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
        summary = runner.train(replace(algorithm, run=run), quiet, line, callbacks)
    return _illustrated(summary)


def resume(
    run: os.PathLike[str] | str,
    total_steps: int | None = None,
    *,
    quiet: bool = False,
    device: str | None = None,
    on_nan: Literal["stop", "skip", "rollback"] | None = None,
    devices: int | Literal["all"] | None = None,
    callbacks: Sequence[OnChunk | Callback] = (),
) -> Run:
    """Go on with a run from its newest saved state, bit for bit as if it had never stopped. (On an
    environment of PettingZoo or Gymnasium, which is no pure function, episodes start anew.)

    Args:
        run: its folder, or "latest".
        total_steps: environment steps of the whole run; as planned if left out.
        quiet: show no progress.
        device: auto, cpu or gpu; as the run was started if left out.
        on_nan: what to do about NaN or infinity from now on; as before if left out.
        devices: how many share the work from now on; as before if left out.
        callbacks: as in `train`.

    Returns:
        As `train`.
    """
    from qflock.machine import device as place
    from qflock.runs import folder
    from qflock.runs.train import opening

    found = folder.open_run(os.fspath(run))
    given = found.read_hparams()["settings"]
    with processes.joined(given.get("heartbeat_timeout_seconds", RunSettings.heartbeat_timeout_seconds)):
        aloud = not quiet and processes.first()
        line = opening.of_resuming(given, device, found.path) if aloud else ""
        with opening.shown(line) if aloud else nullcontext():
            settings = found.settings()
        from qflock.runs.train import runner

        where = device or settings.run.device
        place.use(where, devices=devices or settings.run.devices)  # type: ignore[arg-type]
        summary = runner.resume(found.path, total_steps, quiet, on_nan, devices, line, callbacks)
    return _illustrated(summary)


def _illustrated(summary: dict[str, Any]) -> Run:
    """A finished run with its pictures; one that cannot be drawn must not cost its result."""
    run = Run._known(Path(summary["run"]), summary)
    if not processes.first():
        return run
    from qflock.evidence.figures.illustrate import illustrate

    try:
        illustrate(run.path)
    except UserError as problem:
        notice(f"no picture: {problem}")
    return run
