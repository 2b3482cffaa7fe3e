"""See a run, or a reference policy, play: as GIF or MP4, in the terminal, or as a page for a browser."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Protocol

import numpy as np

from qflock.core.errors import UserError
from qflock.evidence.figures import animation
from qflock.evidence.replay import page, player
from qflock.evidence.replay.show import episodes
from qflock.machine import keyboard


def pictures(run: Path | str | None, *, size: int = 500, **what: Any) -> list[np.ndarray]:
    """Pictures of all steps of `episodes`.

    Args:
        run: as `episodes`.
        size: about how many pixels wide.
        what: the other arguments of `episodes`.

    Returns:
        ``(height, width, 3)`` uint8 each.
    """
    show = episodes(run, **what)
    return animation.frames(show.env, [state for one in show.recordings for state in one.states], size)


class Save(Protocol):
    """Writes what is shown of a run, ``fps`` steps a second."""

    def __call__(self, run: Path | str | None, path: Path, /, *, fps: float = 8.0, **what: Any) -> Path: ...


def save_gif(run: Path | str | None, path: Path, *, fps: float = 8.0, **what: Any) -> Path:
    """Write what `pictures` shows as a GIF.

    Args:
        run: as `episodes`.
        path: the file.
        fps: steps a second.
        what: the other arguments of `pictures`.
    """
    return animation.write_gif(path, pictures(run, **what), fps)


def save_mp4(run: Path | str | None, path: Path, *, fps: float = 8.0, **what: Any) -> Path:
    """Write what `pictures` shows as an MP4.

    Args:
        run: as `episodes`.
        path: the file.
        fps: steps a second.
        what: the other arguments of `pictures`.

    Raises:
        UserError: ffmpeg is not installed.
    """
    animation.require_ffmpeg()  # before minutes of playing
    return animation.write_mp4(path, pictures(run, **what), fps)


def save_html(run: Path | str | None, path: Path, *, fps: float = 8.0, **what: Any) -> Path:
    """Write `episodes` as a page for a browser: one file that needs no network.

    Args:
        run: as `episodes`.
        path: the file.
        fps: steps a second at speed 1.
        what: the other arguments of `episodes`.
    """
    return page.write(path, episodes(run, **what), fps)


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


def write(run: Path | str | None, path: Path, **how: Any) -> Path:
    """Write a file of the sort that its suffix says: ``.gif``, ``.mp4`` or ``.html``.

    Args:
        run, how: as `save_gif`.

    Raises:
        UserError: another suffix.
    """
    writers: dict[str, Save] = {".gif": save_gif, ".mp4": save_mp4, ".html": save_html}
    if path.suffix.lower() not in writers:
        raise UserError(f"cannot write {path}: its name must end in {' or '.join(writers)}")
    return writers[path.suffix.lower()](run, path, **how)
