"""The reward of a search over its steps: best, mean and band over chains, run after run on one memory."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from qflock.evidence import style
from qflock.runs import history


def reward_plot(source: Path, target: Path) -> Path:
    """Draw a ``training_history.json``: all its runs, one after the other.

    Args:
        source: the history.
        target: the picture, PNG.

    Returns:
        ``target``.

    Raises:
        DamagedFile, UserError: the history cannot be read.
        CannotWrite: the picture cannot be written.
    """
    _, runs = history.read(source)
    figure, (axes,) = style.figure(1, 1, (9.0, 5.0))
    style.heading(axes, "Reward over MCMC steps")
    offset = 0.0
    for number, run in enumerate(run for run in runs if run["steps"]):
        column = lambda name, run=run: np.array([_number(step.get(name)) for step in run["steps"]])
        x = offset + column("step")
        first = number == 0
        axes.fill_between(
            x, column("lowest"), column("highest"), color=style.BLUE, alpha=0.18, linewidth=0,
            label="all chains" if first else None,
        )  # fmt: skip
        axes.plot(
            x, column("mean"), color=style.BLUE, linewidth=1.5, label="mean of chains" if first else None
        )
        axes.plot(x, column("best"), color=style.RED, linewidth=1.8, label="best policy" if first else None)
        if not first:
            axes.axvline(offset, color=style.GREY, linewidth=0.8, linestyle=":")
        offset = float(x[-1])
    axes.set_ylabel("undiscounted return of an episode", fontsize=style.LABEL)
    if axes.has_data():
        style.legend(axes)
        style.steps_axis(axes, offset, "MCMC steps of each chain, all runs")
    figure.tight_layout()
    return style.save(figure, target)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
