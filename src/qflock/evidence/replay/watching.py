"""See a run, or a reference policy, play: as GIF or MP4, in the terminal, or as a page for a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from qflock.core.errors import UserError
from qflock.evidence.figures import animation
from qflock.evidence.replay import page, player
from qflock.evidence.replay.show import Show, episodes
from qflock.machine import keyboard

ENDINGS = (".gif", ".mp4", ".html")
"""Of the names of files that are written."""


def pictures(run: Path | str | None, *, size: int = 500, **what: Any) -> list[np.ndarray]:
    """Pictures of all steps of `episodes`.

    Args:
        run: as `episodes`.
        size: about how many pixels wide.
        what: the other arguments of `episodes`.

    Returns:
        ``(height, width, 3)`` uint8 each.
    """
    return pictures_of(episodes(run, **what), size)


def pictures_of(show: Show, size: int = 500) -> list[np.ndarray]:
    """Pictures of all steps of episodes that were played.

    Args:
        show: the episodes.
        size: about how many pixels wide.

    Returns:
        ``(height, width, 3)`` uint8 each.
    """
    return animation.frames(show.env, [state for one in show.recordings for state in one.states], size)


def save(show: Show, path: Path, fps: float = 8.0) -> Path:
    """Write episodes that were played: a film, or a page for a browser that needs no network.

    Args:
        show: the episodes.
        path: ends in ``.gif``, ``.mp4`` or ``.html``.
        fps: steps a second.

    Raises:
        UserError: another ending; for an MP4, ffmpeg is not installed.
        CannotWrite: the disk is full or the folder cannot be written.
    """
    ending = _ending(path)
    if ending == ".html":
        return page.write(path, show, fps)
    film = animation.write_gif if ending == ".gif" else animation.write_mp4
    return film(path, pictures_of(show), fps)


def write(run: Path | str | None, path: Path, *, fps: float = 8.0, **what: Any) -> Path:
    """Play `episodes`, and `save` them.

    Args:
        run: as `episodes`.
        path, fps: as `save`.
        what: the other arguments of `episodes`.

    Raises:
        UserError: as both.
    """
    if _ending(path) == ".mp4":
        animation.require_ffmpeg()  # before minutes of playing
    return save(episodes(run, **what), path, fps)


def _ending(path: Path) -> str:
    if path.suffix.lower() not in ENDINGS:
        raise UserError(f"cannot write {path}: its name must end in {' or '.join(ENDINGS)}")
    return path.suffix.lower()


def play_in_terminal(run: Path | str | None, *, fps: float = 8.0, **what: Any) -> None:
    """Play `episodes` in the terminal, with keys where somebody sits at it (`player.HELP`), else as a film.

    Args:
        run: as `episodes`.
        fps: steps a second.
        what: the other arguments of `episodes`.
    """
    if not animation.can_play():
        return
    if keyboard.there():
        player.play(episodes(run, **what), fps)
    else:
        animation.play(pictures(run, **what), fps)
