"""Loggers beside the CSV files: TensorBoard, Weights & Biases, MLflow. The same names for the same numbers.

A column of ``training_log.csv`` is ``training_log/<column>``, one of ``evaluation.csv`` is
``evaluation/<column>``, at the row's ``env_step``. The CSV files are the record: a logger that fails is let
go with a warning, and the run goes on.
"""

from __future__ import annotations

import contextlib
import importlib.util
import logging
import math
import os
import time
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

from qflock.core.errors import UserError, in_short, unknown
from qflock.core.printing import notice
from qflock.files.storage import make_folder
from qflock.runs.folder import RunFolder
from qflock.settings import config

PACKAGES = {"tensorboard": "tensorboardX", "wandb": "wandb", "mlflow": "mlflow"}
"""The loggers there are, and what each needs."""
NOT_POINTS = ("seed", "env_step")


class Logger(Protocol):
    """Where numbers go."""

    def write(self, seed: int, step: int, numbers: Mapping[str, float]) -> None:
        """Add numbers of one seed.

        Args:
            seed: its number.
            step: its environment steps.
            numbers: by name, ``<log>/<column>``.
        """

    def flush(self) -> None:
        """Bring to the disk what was written."""

    def close(self) -> None:
        """The run ends."""


class TensorBoard:
    """Event files in the run's folder ``tensorboard/seed_<N>``, so that seeds lie over each other."""

    def __init__(self, where: RunFolder, env_steps: Mapping[int, int]) -> None:
        """Go on behind the steps that each seed has done; what was written after them is dropped."""
        from tensorboardX import SummaryWriter  # type: ignore[reportMissingImports]

        self._writers = {
            seed: SummaryWriter(
                str(where.tensorboard / f"seed_{seed}"),
                purge_step=done + 1 if done else None,
                filename_suffix=f".{done}",  # names count seconds: two processes must not share one
            )
            for seed, done in env_steps.items()
        }

    def write(self, seed: int, step: int, numbers: Mapping[str, float]) -> None:
        """See `Logger`."""
        for name, number in numbers.items():
            self._writers[seed].add_scalar(name, number, step)

    def flush(self) -> None:
        """See `Logger`."""
        for writer in self._writers.values():
            writer.flush()

    def close(self) -> None:
        """See `Logger`."""
        for writer in self._writers.values():
            writer.close()


class WeightsAndBiases:
    """One run with the folder's name, in its folder ``wandb``; offline unless ``WANDB_MODE`` says otherwise.

    Names begin with the seed, ``seed_0/training_log/loss``, and ``seed_0/env_step`` is their axis. A run that
    is resumed keeps its id. What was logged after the state that it goes on from cannot be taken back.
    """

    def __init__(self, where: RunFolder, env_steps: Mapping[int, int]) -> None:
        import wandb  # type: ignore[reportMissingImports]

        settings = where.settings()
        self._run = wandb.init(
            project=os.environ.get("WANDB_PROJECT", "qflock"),
            name=where.name,
            id=str(where.read_hparams()["id"]),
            dir=str(where.path),
            group=settings.run.env,
            config=config.to_mapping(settings),
            mode=os.environ.get("WANDB_MODE", "offline"),  # type: ignore[arg-type]
            resume="allow",
            settings=wandb.Settings(console="off", silent=True, x_disable_stats=True),
        )
        for seed in env_steps:
            self._run.define_metric(f"seed_{seed}/*", step_metric=f"seed_{seed}/env_step")

    def write(self, seed: int, step: int, numbers: Mapping[str, float]) -> None:
        """See `Logger`."""
        points = {"env_step": step, **numbers}
        self._run.log({f"seed_{seed}/{name}": number for name, number in points.items()})

    def flush(self) -> None:
        """It writes by itself."""

    def close(self) -> None:
        """See `Logger`."""
        self._run.finish()


class MLflow:
    """One run with the folder's name, in its folder ``mlflow`` unless ``MLFLOW_TRACKING_URI`` says where.

    Names begin with the seed, ``seed_0/training_log/loss``. A run that is resumed goes on in the same one.
    What was logged after the state that it goes on from cannot be taken back.
    """

    MOST_METRICS, MOST_PARAMETERS = 1000, 100
    """Of one request, as MLflow's servers allow."""

    def __init__(self, where: RunFolder, env_steps: Mapping[int, int]) -> None:
        os.environ.setdefault("MLFLOW_DISABLE_TELEMETRY", "true")  # nothing leaves the machine by itself
        import mlflow  # type: ignore[reportMissingImports]
        from mlflow import entities  # type: ignore[reportMissingImports]

        logging.getLogger("mlflow").setLevel(logging.WARNING)
        address = os.environ.get("MLFLOW_TRACKING_URI")
        if not address:
            make_folder(where.path / "mlflow")
            address = f"sqlite:///{(where.path / 'mlflow' / 'mlflow.db').absolute()}"
        self._client = mlflow.MlflowClient(address)
        self._kinds, self._points = entities, []
        own = str(where.read_hparams()["id"])
        name = os.environ.get("MLFLOW_EXPERIMENT_NAME", "qflock")
        known = self._client.get_experiment_by_name(name)
        experiment = known.experiment_id if known else self._client.create_experiment(name)
        found = self._client.search_runs([experiment], f"tags.`qflock.id` = '{own}'", max_results=1)
        if found:
            self._run = found[0].info.run_id
            self._client.update_run(self._run, "RUNNING")
            return
        run = self._client.create_run(experiment, run_name=where.name, tags={"qflock.id": own})
        self._run = run.info.run_id
        settings = config.to_mapping(where.settings())
        settings |= {f"env.{key}": value for key, value in settings.pop("env").items()}
        parameters = [self._kinds.Param(key, str(value)) for key, value in settings.items()]
        for at in range(0, len(parameters), self.MOST_PARAMETERS):
            self._client.log_batch(self._run, params=parameters[at : at + self.MOST_PARAMETERS])

    def write(self, seed: int, step: int, numbers: Mapping[str, float]) -> None:
        """See `Logger`."""
        now = time.time_ns() // 1_000_000
        points = [self._kinds.Metric(f"seed_{seed}/{n}", x, now, step) for n, x in numbers.items()]
        self._points += points
        if len(self._points) >= self.MOST_METRICS:
            self.flush()

    def flush(self) -> None:
        """See `Logger`."""
        points, self._points = self._points, []
        for at in range(0, len(points), self.MOST_METRICS):
            self._client.log_batch(self._run, metrics=points[at : at + self.MOST_METRICS])

    def close(self) -> None:
        """See `Logger`."""
        self.flush()
        self._client.set_terminated(self._run)


KINDS = {"tensorboard": TensorBoard, "wandb": WeightsAndBiases, "mlflow": MLflow}


class Loggers:
    """The loggers of a run; none of them can stop it."""

    def __init__(self, by_name: Mapping[str, Logger]) -> None:
        self._loggers = dict(by_name)

    def row(self, log: str, row: Mapping[str, Any]) -> None:
        """A row of a log.

        Args:
            log: ``training_log`` or ``evaluation``.
            row: by column, with ``seed`` and ``env_step``; values missing or not finite are left out.
        """
        if not self._loggers:
            return
        points = {
            f"{log}/{name}": float(value)
            for name, value in row.items()
            if name not in NOT_POINTS and value is not None and math.isfinite(value)
        }
        self._each(lambda logger: logger.write(int(row["seed"]), int(row["env_step"]), points))

    def flush(self) -> None:
        """Bring to the disk what was written."""
        self._each(lambda logger: logger.flush())

    def close(self) -> None:
        """The run ends."""
        self._each(lambda logger: logger.close())
        self._loggers.clear()

    def _each(self, work: Any) -> None:
        for name, logger in list(self._loggers.items()):
            try:
                work(logger)
            except Exception as problem:
                del self._loggers[name]
                reason = in_short(str(problem), 200) or type(problem).__name__
                notice(f"warning: {name} is no longer fed: {reason}")


def need(names: Sequence[str]) -> None:
    """See that these loggers can be had.

    Raises:
        UserError: no such logger, or its package is not installed.
    """
    for name in names:
        if name not in PACKAGES:
            raise unknown("logger", name, PACKAGES)
        if importlib.util.find_spec(PACKAGES[name]) is None:
            advice = f"pip install 'qflock[{name}]', or leave {name} out of --loggers"
            raise UserError(f"logger {name} needs {PACKAGES[name]}, which is not installed: {advice}")


def opened(where: RunFolder, names: Sequence[str], env_steps: Mapping[int, int]) -> Loggers:
    """The loggers of a run's folder.

    Args:
        names: of `PACKAGES`.
        env_steps: of each seed, how far it is: 0 for a new run.

    Raises:
        UserError: no such logger, a missing package, or one that cannot begin.
    """
    need(names)
    by_name: dict[str, Logger] = {}
    for name in dict.fromkeys(names):
        try:
            by_name[name] = KINDS[name](where, env_steps)
        except Exception as problem:
            for logger in by_name.values():
                with contextlib.suppress(Exception):
                    logger.close()
            reason = in_short(str(problem), 200)
            raise UserError(f"logger {name} cannot begin in {Path(where.path)}: {reason}") from problem
    return Loggers(by_name)
