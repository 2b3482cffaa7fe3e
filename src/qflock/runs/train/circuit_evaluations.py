"""How many circuits a run has evaluated, for the tables that set it beside classical learners."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jax
import numpy as np

from qflock.core.learner import Own
from qflock.files import csv_log
from qflock.quantum import counting
from qflock.quantum.circuit import Circuit
from qflock.runs.train.program import Program, RunState

COLUMN = "network_calls"
"""The metric by which a learner that plays by itself tells how often its networks were called so far."""


def of_run(
    program: Program, shapes: RunState, weights: Any, updates: int, training_log: Path
) -> dict[str, int]:
    """What the summary says of a run's circuit evaluations, of one seed: nothing where it has no circuits, on
    several devices, and on host environments, whose updates are no single program.

    Updates are all alike, so one is counted. Learning that a replay's minimum delays counts from the start.
    A learner that plays by itself may log its own count, in a column `COLUMN`.

    Args:
        shapes: of the run's state.
        weights: everything trained.
        updates: that were done.
    """
    if not _has_circuits(weights):
        return {}
    if isinstance(program.learner.source, Own):
        counts = csv_log.read(training_log).get(COLUMN)
        return {} if counts is None else {"circuit_evaluations": int(np.max(counts))}
    if program.sharing.mesh is not None or not program.one_program:
        return {}
    in_chunk = counting.evaluations(jax.make_jaxpr(program.outline)(shapes).jaxpr)
    return {"circuit_evaluations": in_chunk // program.sharing.seeds * updates // program.updates}


def _has_circuits(weights: Any) -> bool:
    is_circuit = lambda node: isinstance(getattr(node, "description", None), Circuit)
    return any(map(is_circuit, jax.tree.leaves(weights, is_leaf=is_circuit)))
