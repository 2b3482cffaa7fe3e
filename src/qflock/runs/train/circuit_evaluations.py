"""How many circuits a run has evaluated, for the tables that set it beside classical learners."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from qflock.core.learner import Own
from qflock.files import csv_log
from qflock.quantum import counting
from qflock.quantum.circuit import among
from qflock.runs.train.program import Program, RunState, training_of
from qflock.settings.config import Settings

COLUMN = "network_calls"
"""The metric by which a learner that plays by itself tells how often its networks were called so far."""


MEASUREMENTS = "measurements"
"""The column of measurements so far, where a training has shots; a learner that plays by itself tells those
of an update by a metric of that name."""


def measurements(program: Program, settings: Settings, shapes: RunState) -> float:
    """Measurements that an update of a seed makes; 0 where there are no shots, or they are not counted.

    Args:
        program: of the run.
        settings: of the run.
        shapes: of the run's state.
    """
    how = training_of(settings)
    if how is None or not how.conditions.shots or isinstance(program.learner.source, Own):
        return 0
    if program.sharing.mesh is not None or not program.one_program:
        return 0
    chunk = jax.make_jaxpr(program.outline)(shapes).jaxpr
    return how.conditions.shots * counting.on_device(chunk) / program.sharing.seeds / program.updates


def of_run(
    program: Program,
    settings: Settings,
    shapes: RunState,
    weights: Any,
    updates: int,
    training_log: Path,
) -> dict[str, int]:
    """What the summary says of a run's circuit evaluations, of one seed: nothing where it has no circuits, on
    several devices, and on host environments, whose updates are no single program.

    Updates are all alike, so one is counted. Learning that a replay's minimum delays counts from the start.
    ``device_evaluations`` are those that a device would run, gradients by parameter shift included. A learner
    that plays by itself may log its own count, in a column `COLUMN`. Where the training has shots, all these
    times the shots are ``measurements``.

    Args:
        program: of the run.
        settings: of the run.
        shapes: of the run's state.
        weights: everything trained.
        updates: that were done.
    """
    if not among(weights):
        return {}
    if isinstance(program.learner.source, Own):
        logged, names = (
            csv_log.read(training_log),
            {COLUMN: "circuit_evaluations", MEASUREMENTS: MEASUREMENTS},
        )
        return {key: int(np.max(logged[name])) for name, key in names.items() if name in logged}
    if program.sharing.mesh is not None or not program.one_program:
        return {}
    chunk = jax.make_jaxpr(program.outline)(shapes).jaxpr
    counts = {"circuit_evaluations": counting.evaluations, "device_evaluations": counting.on_device}
    in_run = lambda count: count // program.sharing.seeds * updates // program.updates
    found = {name: in_run(count(chunk)) for name, count in counts.items()}
    how = training_of(settings)
    shots = how.conditions.shots if how is not None else 0
    return {**found, MEASUREMENTS: shots * found["device_evaluations"]} if shots else found
