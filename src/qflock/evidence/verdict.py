"""One sentence on a score: which references it is above, and how near it is to the best of them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

from qflock.evidence import metrics

ADVICE = "train for longer (--total_steps), or look for better settings (qflock sweep)"


def verdict(scores: Mapping[str, Any], references: Mapping[str, Mapping[str, Any]]) -> str:
    """What a mean score says beside those of the references; empty where there are none to compare with.

    Args:
        scores: of a policy over all its seeds, columns of an evaluation.
        references: scores of the reference policies by their names, likewise.
    """
    own, word = _number(scores), metrics.of(metrics.DEFAULT).word
    others = {name: score for name, row in references.items() if (score := _number(row)) is not None}
    if own is None or "random" not in others:
        return ""
    sign, random = metrics.sign(metrics.DEFAULT, others), others["random"]
    if sign * (own - random) <= 0:
        return f"not better than random play ({word} {own:.3f}, random {random:.3f}): {ADVICE}"
    worst_first = sorted(others, key=lambda name: sign * others[name])
    below = [name for name in worst_first if sign * (own - others[name]) > 0]
    best = worst_first[-1]
    reached = f"above {_listed(below)}" + (" play" if below == ["random"] else "")
    if best in below or best == "random":
        return reached
    return f"{reached}; {_share(own, random, others[best])} {best.replace('_', ' ')}"


def _share(own: float, random: float, best: float) -> str:
    """How near a score is to the best one; a ratio says nothing where scores can be negative."""
    if min(own, random, best) >= 0:
        return f"{metrics.percent(own / best)} of the"
    return f"{metrics.percent((own - random) / (best - random))} of the way from random play to the"


def _listed(names: list[str]) -> str:
    words = [name.replace("_", " ") for name in names]
    return words[0] if len(words) == 1 else f"{', '.join(words[:-1])} and {words[-1]}"


def _number(row: Mapping[str, Any]) -> float | None:
    score = row.get(metrics.DEFAULT)
    return float(score) if isinstance(score, int | float) and math.isfinite(score) else None
