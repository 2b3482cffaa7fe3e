"""What a finished run gets to look at: its plots and an animation of its policy."""

from __future__ import annotations

from pathlib import Path

from qflock.evidence import metrics
from qflock.evidence.figures.plots import training_plots
from qflock.runs import summaries
from qflock.runs.folder import RunFolder
from qflock.settings import registry


def illustrate(path: Path | str) -> None:
    """Write training_plots.png, and animation.gif where the environment can be drawn.

    Args:
        path: folder of a finished run, with its ``summary.json``.
    """
    run = RunFolder(Path(path))
    summary = summaries.read(run)
    lines = {name: scores[metrics.DEFAULT] for name, scores in summary["references"].items()}
    training_plots(run.path, lines, registry.title(summary["algorithm"], summary["environment"]))
    if registry.can_be_drawn(run.settings().run.env):  # its class says so: to make one may start a simulator
        from qflock.evidence.replay import watching

        watching.write(run.path, run.animation)
