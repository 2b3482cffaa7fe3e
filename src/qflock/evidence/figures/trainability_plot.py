"""The picture of circuits' trainability: variance of gradients, expressibility and entanglement."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import cycle
from pathlib import Path

from matplotlib.axes import Axes

from qflock.evidence.figures import style
from qflock.quantum.trainability import Trainability


def trainability_plot(found: Sequence[Trainability], target: Path) -> Path:
    """Draw the numbers of several circuits.

    Args:
        found: of any sizes.
        target: the picture, PNG.

    Returns:
        ``target``.

    Raises:
        CannotWrite: the picture cannot be written.
    """
    figure, (gradients, reach, entangled) = style.figure(1, 3, (13.0, 4.2))
    style.heading(gradients, "Variance of gradients")
    for layers, colour in zip(sorted({each.layers for each in found}), cycle(style.CYCLE), strict=False):
        own = sorted(each for each in found if each.layers == layers)
        x = [each.qubits for each in own]
        gradients.plot(
            x, [each.local for each in own], "o-", color=colour, label=f"{layers} layer{'s' * (layers > 1)}"
        )
        gradients.plot(x, [each.whole for each in own], "o--", color=colour)
    gradients.set_yscale("log", nonpositive="mask")
    gradients.set_ylabel("full: local read-out, dashed: global", fontsize=style.LABEL)
    gradients.set_xlabel("qubits", fontsize=style.LABEL)
    gradients.set_xticks(sorted({each.qubits for each in found}))
    gradients.legend(fontsize=style.SMALL, frameon=False)
    style.heading(reach, "Expressibility")
    _over_layers(reach, found, "expressibility")
    reach.set_yscale("log", nonpositive="mask")
    reach.set_ylabel("divergence from Haar-random states", fontsize=style.LABEL)
    style.heading(entangled, "Entanglement")
    _over_layers(entangled, found, "entanglement")
    entangled.set_ylim(-0.03, 1.03)
    entangled.set_ylabel("Meyer and Wallach", fontsize=style.LABEL)
    figure.tight_layout()
    return style.save(figure, target)


def _over_layers(axes: Axes, found: Sequence[Trainability], name: str) -> None:
    """One curve for each number of qubits."""
    for qubits, colour in zip(sorted({each.qubits for each in found}), cycle(style.CYCLE), strict=False):
        own = sorted(each for each in found if each.qubits == qubits)
        label = f"{qubits} qubit{'s' * (qubits > 1)}"
        values = [getattr(each, name) for each in own]
        axes.plot([each.layers for each in own], values, "o-", color=colour, label=label)
    axes.set_xlabel("layers", fontsize=style.LABEL)
    axes.set_xticks(sorted({each.layers for each in found}))
    axes.legend(fontsize=style.SMALL, frameon=False)
