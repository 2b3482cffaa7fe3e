"""How many circuits a run has evaluated, for the tables that set it beside classical learners."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from qflock.core.learner import Own
from qflock.files import csv_log
from qflock.quantum import counting
from qflock.runs import circuits
from qflock.runs.train.program import Program, RunState

COLUMN = "network_calls"
"""The metric by which a learner that plays by itself tells how often its networks were called so far."""


def of_run(
    program: Program, shapes: RunState, weights: Any, updates: int, training_log: Path
) -> dict[str, int]:
    """What the summary says of a run's circuit evaluations, of one seed: nothing where it has no circuits, on
    several devices, and on host environments, whose updates are no single program.

    Updates are all alike, so one is counted. Learning that a replay's minimum delays counts from the start.
    ``device_evaluations`` are those that a device would run, gradients by parameter shift included. A learner
    that plays by itself may log its own count, in a column `COLUMN`.

    Args:
        shapes: of the run's state.
        weights: everything trained.
        updates: that were done.
    """
    if not circuits.of(weights):
        return {}
    if isinstance(program.learner.source, Own):
        counts = csv_log.read(training_log).get(COLUMN)
        return {} if counts is None else {"circuit_evaluations": int(np.max(counts))}
    if program.sharing.mesh is not None or not program.one_program:
        return {}
    chunk = jax.make_jaxpr(program.outline)(shapes).jaxpr
    counts = {"circuit_evaluations": counting.evaluations, "device_evaluations": counting.on_device}
    in_run = lambda count: count // program.sharing.seeds * updates // program.updates
    return {name: in_run(count(chunk)) for name, count in counts.items()}
