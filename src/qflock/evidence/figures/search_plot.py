"""Pictures of searches: the reward of one over its steps, run after run, and the race of several."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import cycle
from pathlib import Path
from typing import Any

import numpy as np

from qflock.algorithms.qmarl import history
from qflock.evidence import metrics, records
from qflock.evidence.figures import style
from qflock.files import csv_log
from qflock.runs import summaries
from qflock.runs.folder import RunFolder

RETURN = metrics.of("return_mean").word


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
    axes.set_ylabel(f"{RETURN} of an episode", fontsize=style.LABEL)
    if axes.has_data():
        style.legend(axes)
        style.steps_axis(axes, offset, "MCMC steps of each chain, all runs")
    figure.tight_layout()
    return style.save(figure, target)


def race_plot(runs: Mapping[str, Path], target: Path) -> Path:
    """Draw the best greedy return that each run had found, over its seconds and its circuit evaluations.

    A search logs its best after each sweep; of other learners the best evaluation so far counts. Seconds and
    circuit evaluations are taken to rise evenly with the steps. Seeds are averaged.

    Args:
        runs: run folders by the name to show. Runs without circuits are missing from the second panel.
        target: the picture, PNG.

    Returns:
        ``target``.

    Raises:
        DamagedFile, UserError: a run cannot be read.
        CannotWrite: the picture cannot be written.
    """
    figure, panels = style.figure(1, 2, (12.0, 4.6))
    for axes, cost in zip(panels, ("seconds", "circuit_evaluations"), strict=True):
        word = metrics.of(cost).word
        style.heading(axes, f"Best policy found, by {word}")
        for (name, path), colour in zip(runs.items(), cycle(style.CYCLE)):
            run = RunFolder(path)
            spent = records.costs(summaries.read(run)).get(cost)
            if spent is None:
                continue
            progress, best = _best_so_far(run)
            axes.plot(progress * spent, best, color=colour, linewidth=1.8, label=name)
        axes.set_xscale("log")
        axes.set_xlabel(word, fontsize=style.LABEL)
        axes.set_ylabel(f"{RETURN}, greedy", fontsize=style.LABEL)
    panels[0].legend(fontsize=style.SMALL, frameon=False, loc="upper left")
    figure.tight_layout()
    return style.save(figure, target)


def _best_so_far(run: RunFolder) -> tuple[np.ndarray, np.ndarray]:
    """Shares of the run's length, and the best score until then, averaged over seeds."""
    trained = csv_log.read(run.training_log)
    columns, name = (trained, "best") if "best" in trained else (csv_log.read(run.evaluation), "return_mean")
    each = [columns["seed"] == seed for seed in np.unique(columns["seed"])]
    step, score = columns["env_step"], columns[name]
    progress = step[each[0]] / step.max()
    best = [np.maximum.accumulate(np.interp(progress, step[s] / step.max(), score[s])) for s in each]
    return progress, np.mean(best, 0)


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
