"""The picture of a noise curve: the return over the probability of an error."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qflock.evidence import metrics
from qflock.evidence.figures import style

RETURN = metrics.of("return_mean").word


def noise_plot(curve: Mapping[str, Any], target: Path) -> Path:
    """Draw a noise curve, with its interval and the references.

    Args:
        curve: of `runs.noise_curve.of_run`.
        target: the picture, PNG.

    Returns:
        ``target``.

    Raises:
        CannotWrite: the picture cannot be written.
    """
    figure, (axes,) = style.figure(1, 1, (7.0, 4.5))
    levels = curve["levels"]
    x = [level["probability"] for level in levels]
    low, high = ([level[end] for level in levels] for end in ("low", "high"))
    style.heading(axes, f"Return under {curve['noise'].replace('_', ' ')} noise")
    axes.fill_between(x, low, high, color=style.BLUE, alpha=0.2, linewidth=0)
    for level in levels:
        each = [row["return_mean"] for row in level["per_seed"]]
        axes.plot([level["probability"]] * len(each), each, ".", color=style.BLUE, alpha=0.5, markersize=5)
    mean = [level["over_seeds"]["return_mean"] for level in levels]
    axes.plot(x, mean, color=style.BLUE, linewidth=1.8)
    style.reference_lines(axes, {name: row["return_mean"] for name, row in curve["references"].items()})
    axes.set_xscale("symlog", linthresh=x[1])
    axes.set_xlim(0, x[-1])
    axes.set_xticks(x, [f"{p:g}" for p in x])
    axes.set_xlabel("probability of an error at each place", fontsize=style.LABEL)
    shots = f"{curve['shots']:,} shots" if curve["shots"] else "exact values"
    about = f"{RETURN}, {curve['episodes']} {curve['mode']} episodes a seed, {shots}"
    axes.set_ylabel(about, fontsize=style.SMALL)
    figure.tight_layout()
    return style.save(figure, target)
