"""README's chart: scores and speeds beside others', from files in results/ and benchmarks/results/ alone.

    python scripts/peers_chart.py --out docs/images/peers.png

Left, returns on GridWorld25v0 as shares of the oracle's on the same boards, and the best published figure,
which is of one fixed layout, as a share of the oracle's mean over boards. Right, how much longer others take
for the same work on the same two cores: a million steps of simple spread by JaxMARL's own scripts in the same
hour, and the gradient of a circuit by PennyLane's jitted ``default.qubit``.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

from matplotlib.axes import Axes
from matplotlib.ticker import FuncFormatter, PercentFormatter

from qflock.evidence import metrics
from qflock.evidence.figures import style

ROOT = Path(__file__).parents[1]
SCORES = {
    "QMIX, 3M steps": "gridworld_shipped/qmix-gridworld25",
    "PQN-QMIX with GRUs, 9M": "gridworld_memory/pqn_qmix-gridworld25",
    "QMIX, 1M": "gridworld_symmetries/qmix-gridworld25",
    "MAPPO, 1M": "gridworld_policies/mappo-gridworld25",
    "IPPO, 1M": "gridworld_policies/ippo-gridworld25",
}
LINES = ("random", "greedy", "oracle")
LONGEST = "QMIX, 3M steps"
"""The result on the most boards: its references are drawn."""
PUBLISHED = "best in print: one fixed layout"


class Bar(NamedTuple):
    """A row of a panel: a value and the ends of its interval or range, None where there is none."""

    name: str
    value: float
    low: float | None = None
    high: float | None = None


def scores(root: Path = ROOT) -> tuple[list[Bar], dict[str, float]]:
    """Shares of the oracle's return on GridWorld25v0, the best first and the published one last; references.

    Args:
        root: of the checkout.
    """
    read = {name: _read(root / "results" / f"{file}.json") for name, file in SCORES.items()}
    bars = []
    for name, one in read.items():
        oracle = one["references"]["oracle"]  # on the boards that this result was played on
        ends = (None if end is None else end / oracle for end in one["interval"])  # none of few seeds
        bars.append(Bar(name, one["score"] / oracle, *ends))
    known = _read(root / "src/qflock/environments/measured.json")["environments"]
    published = next(one["published"]["score"] for one in known if one["name"] == "gridworld25")
    references = read[LONGEST]["references"]
    shares = {name: references[name] / references["oracle"] for name in LINES}
    best_first = sorted(bars, key=lambda bar: -bar.value)
    return [*best_first, Bar(PUBLISHED, published / references["oracle"])], shares


def speeds(root: Path = ROOT) -> list[Bar]:
    """Others' time divided by ours; of circuits the middle and the range over batches of 1 to 4096.

    Args:
        root: of the checkout.
    """
    bars = []
    peer = _read(root / "benchmarks/results/2-cores-cpu-peer.json")["results"]["peer"]
    for name in ("vdn", "qmix"):
        theirs, ours = sum(peer[name]["jaxmarl_seconds"]), sum(peer[name]["qflock_seconds"])
        bars.append(Bar(f"JaxMARL, {name.upper()}: {theirs:.0f} s to {ours:.0f} s", theirs / ours))
    circuits = _read(root / "benchmarks/results/2-cores-cpu-circuits.json")["results"]["circuits"]
    for qubits in ("4_qubits", "8_qubits"):
        ratios = sorted(batch["gradient_ratio"] for batch in circuits[qubits].values())
        middle = (ratios[(len(ratios) - 1) // 2] * ratios[len(ratios) // 2]) ** 0.5
        bars.append(Bar(f"PennyLane, {qubits.replace('_', ' ')}", middle, ratios[0], ratios[-1]))
    return bars


def draw(out: Path, root: Path = ROOT) -> Path:
    """Draw both panels.

    Args:
        out: the PNG to write.
        root: of the checkout.

    Returns:
        The file.
    """
    figure, (left, right) = style.figure(1, 2, (9.6, 3.6))
    bars, references = scores(root)
    _panel(left, bars, "GridWorld25v0: share of the oracle's return", metrics.percent)
    left.set_xlim(0.0, 1.2)
    left.set_xticks([0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
    left.xaxis.set_major_formatter(PercentFormatter(1.0, symbol=" %"))
    left.set_ylim(len(bars) - 0.4, -1.1)
    for name, value in references.items():
        left.axvline(value, color=style.GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
        side, gap = ("right", -4) if name == "greedy" else ("left", 4)
        left.annotate(
            f"{name} {100 * value:.0f} %", (value, -0.75), xytext=(gap, 0), textcoords="offset points",
            fontsize=style.SMALL, color=style.GREY, ha=side, va="center",
        )  # fmt: skip
    _panel(right, speeds(root), "Their time divided by ours", "{:.1f}".format)
    right.set_xscale("log")
    right.set_xlim(0.8, 16)
    right.set_xticks([1, 2, 4, 8, 16])
    right.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:g}"))
    right.minorticks_off()
    right.axvline(1.0, color=style.GREY, linewidth=0.9, linestyle=(0, (4, 3)), zorder=1)
    figure.tight_layout(pad=1.0, w_pad=2.5)
    return style.save(figure, out)


def _panel(axes: Axes, bars: list[Bar], title: str, words: Callable[[float], str]) -> None:
    """Points with their ranges, one row each, from the top down."""
    for row, bar in enumerate(bars):
        colour = style.RED if bar.name == PUBLISHED else style.BLUE
        if bar.low is not None and bar.high is not None:
            axes.plot([bar.low, bar.high], [row, row], color=colour, linewidth=3.5, alpha=0.45, zorder=2)
        inside = "white" if bar.name == PUBLISHED else colour
        axes.plot(bar.value, row, "o", color=colour, markerfacecolor=inside, markersize=6.5, zorder=3)
        axes.annotate(
            words(bar.value), (bar.value, row), xytext=(0, 7), textcoords="offset points",
            fontsize=style.SMALL, color=style.BLACK, ha="center", zorder=4,
            bbox={"boxstyle": "square,pad=0.1", "facecolor": "white", "edgecolor": "none"},
        )  # fmt: skip
    axes.set_yticks(range(len(bars)), [bar.name for bar in bars])
    axes.set_ylim(len(bars) - 0.4, -0.7)
    axes.grid(False, axis="y")
    axes.grid(True, axis="x", color=style.PALE, linewidth=0.6)
    style.heading(axes, title)


def _read(path: Path) -> Any:
    return json.loads(path.read_text(encoding="utf-8"))


def main(arguments: list[str]) -> int:
    """Draw, tell where. Returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--out", type=Path, default=ROOT / "docs/images/peers.png", help="the picture to write"
    )
    print(f"drawn to {draw(parser.parse_args(arguments).out)}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
