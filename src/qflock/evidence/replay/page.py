"""Recorded episodes as a page for a browser: one file to play, scrub, and look behind the choices."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from qflock.core.spec import Box, Spec
from qflock.core.steps import team_reward
from qflock.evidence import pages
from qflock.evidence.figures import animation
from qflock.evidence.replay import frames
from qflock.evidence.replay.recording import Recording
from qflock.evidence.replay.show import Show
from qflock.files.storage import write_text

SIZE = 640  # pixels; sharp on a laptop, and a board of 25 cells stays small as a file
DIGITS = 4  # that count in numbers that are shown with 3


def write(path: Path, show: Show, fps: float = 8.0) -> Path:
    """Write a page that plays the episodes.

    Args:
        path: the file.
        show: what plays.
        fps: steps a second at speed 1.

    Raises:
        CannotWrite: the disk is full or the folder cannot be written.
    """
    write_text(path, html(show, fps))
    return path


def html(show: Show, fps: float = 8.0) -> str:
    """The page itself.

    Args:
        show: what plays.
        fps: steps a second at speed 1.
    """
    return pages.assemble(
        "replay.html",
        title=f"{show.title}: replay",
        data={"title": show.title, "about": show.about, **data(show, fps)},
        styles=["page.css", "replay.css"],
        scripts=["page.js", "timeline.js", "replay.js", "replay_page.js"],
    )


def data(show: Show, fps: float = 8.0, size: int = SIZE) -> dict[str, Any]:
    """What the player in ``pages/replay.js`` shows, as JSON can say it.

    Args:
        show: what plays.
        fps: steps a second at speed 1.
        size: of the pictures, about how many pixels wide.

    Returns:
        ``agents``; ``actions``, the names of choices, or of the numbers of a Box; ``fps``; ``kind`` of the
        values: "chance" for probabilities, "values", "density" for the greedy numbers of a Box and then their
        deviations, or None without any; ``bounds`` of a Box's numbers; and ``episodes``, each with its
        pictures and numbers.
    """
    spec: Spec = show.env.spec
    box = spec.action if isinstance(spec.action, Box) else None
    given = spec.action_names or ("",) * (box.size if box else spec.masked)
    names = [name if name.strip() else str(number) for number, name in enumerate(given)]
    chances = not box and all(_are_log_probabilities(one) for one in show.recordings)
    has_values = any(one.values is not None for one in show.recordings)
    kind = "density" if box else "chance" if chances else "values"
    return {
        "agents": spec.agents,
        "actions": names,
        "bounds": list(zip(box.low, box.high, strict=True)) if box else [],
        "fps": fps,
        "kind": kind if has_values else None,
        "episodes": [_episode(show.env, one, chances, size) for one in show.recordings],
    }


def _episode(env: Any, one: Recording, chances: bool, size: int) -> dict[str, Any]:
    spec, steps = env.spec, one.timestep
    rewards = np.asarray(team_reward(spec, steps.reward), float)[1:]
    acting = np.asarray(steps.active)[:-1]
    return {
        "pictures": frames.pack(animation.frames(env, one.states, size)),
        "actions": one.actions.tolist() if spec.masked else _rounded(one.actions),
        "rewards": _rounded(rewards),
        "total": float(rewards.sum()),
        "measures": {name: _rounded(column) for name, column in steps.measures.items()},
        "values": _shown_values(one, chances),
        "weights": None if one.weights is None else _rounded(one.weights),
        "asleep": None if acting.all() else [np.flatnonzero(~row).tolist() for row in acting],
    }


def _are_log_probabilities(one: Recording) -> bool:
    """Whether every agent's numbers are logarithms of chances that sum to 1."""
    if one.values is None:
        return False
    with np.errstate(over="ignore"):
        sums = np.exp(one.values.astype(float)).sum(-1)
    return bool(np.allclose(sums, 1.0, atol=1e-3))


def _shown_values(one: Recording, chances: bool) -> list[Any] | None:
    """Values or chances ``(T, A, U)``, None for actions that were not legal; of a Box ``(T, A, 2 D)``."""
    if one.values is None:
        return None
    if not one.timestep.legal.shape[-1]:
        return _rounded(one.values)
    values, legal = one.values.astype(float), np.asarray(one.timestep.legal)[:-1]
    if chances:
        values = np.where(legal, np.exp(values), 0.0)
        values = values / np.maximum(values.sum(-1, keepdims=True), 1e-30)
    return _rounded(np.where(legal, values, np.nan))


def _rounded(values: Any) -> list[Any]:
    """Nested lists of numbers with the digits that are shown; None for what is not finite."""
    if isinstance(values, (np.ndarray, list)) and np.ndim(values):
        return [_rounded(item) for item in values]
    return float(f"{float(values):.{DIGITS}g}") if np.isfinite(values) else None  # type: ignore[return-value]
