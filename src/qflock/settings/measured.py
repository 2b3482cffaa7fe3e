"""What the library's own environments are and score, as it was measured when this version was made."""

from __future__ import annotations

from importlib import resources
from typing import Any

from qflock.core import texts
from qflock.settings.config import Settings

FILE = "measured.json"
"""Beside the environments: what ``qflock list environments --measure 1024 --json`` printed."""
METRIC = "discounted_mean"
"""What scores are counted in, where an environment's ``published`` names nothing else."""


def records() -> dict[str, dict[str, Any]]:
    """Sizes and scores of the library's own environments by name."""
    try:
        text = (resources.files("qflock.environments") / FILE).read_text(encoding="utf-8")
        listed = texts.from_json(text)["environments"]
    except (OSError, ValueError, KeyError):
        return {}
    return {entry.pop("name"): {n: v for n, v in entry.items() if n != "summary"} for entry in listed}


def references(settings: Settings) -> dict[str, float]:
    """The discounted returns of the best reference policy and of random play in a run's environment.

    Args:
        settings: of the run. Where its environment is not as it was measured, nothing is known.

    Returns:
        The best reference first, then random play.
    """
    form = settings.environment
    record = records().get(settings.run.env, {})
    if record.get("metric") != METRIC or (form is not None and form != type(form)()):
        return {}
    scores = record.get("references", {})
    best = [name for name in scores if name != "random"][:1]
    return {name: scores[name] for name in (*best, "random") if name in scores}
