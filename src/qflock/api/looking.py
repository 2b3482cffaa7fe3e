"""Look at runs: replays, comparisons, reports, as ``qflock watch``, ``compare`` and ``report`` give them."""

from __future__ import annotations

import html
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from qflock.api import making
from qflock.core.errors import UserError
from qflock.evidence import metrics

if TYPE_CHECKING:
    from qflock.evidence.comparison.table import Comparison
    from qflock.evidence.replay.show import Show

Paths = os.PathLike[str] | str | Iterable[os.PathLike[str] | str]
HEIGHT = 760
"""Pixels of a replay inside a notebook."""


class Replay:
    """Episodes that were played: a notebook shows the page that plays them, `save` writes it or a film.

    Attributes:
        title, about: what plays, in a word and in a line.
    """

    def __init__(self, show: Show, fps: float = 8.0) -> None:
        """Prepare what `watch` returns.

        Args:
            show: what plays.
            fps: steps shown in a second.
        """
        self._show, self._fps = show, fps
        self.title, self.about = show.title, show.about

    def save(self, path: os.PathLike[str] | str) -> Path:
        """Write it: a page for a browser that needs no network, or a film.

        Args:
            path: ends in ``.html``, ``.gif`` or ``.mp4``.

        Raises:
            UserError: another ending, ffmpeg is missing for an MP4, or the file cannot be written.
        """
        from qflock.evidence.replay import watching

        return watching.save(self._show, Path(path), self._fps)

    def _repr_html_(self) -> str:
        """The page in a frame of its own, which can reach nothing of the notebook."""
        from qflock.evidence.replay import page

        document = html.escape(page.html(self._show, self._fps), quote=True)
        title = html.escape(f"replay: {self.title}", quote=True)
        return (
            f'<iframe srcdoc="{document}" sandbox="allow-scripts" title="{title}" '
            f'style="width:100%;height:{HEIGHT}px;border:0"></iframe>'
        )

    def __repr__(self) -> str:
        count = len(self._show.recordings)
        episodes = f"{count} episode{'s' * (count != 1)}"
        return f"<Replay of {self.title}: {episodes}, {self.about}; .save('play.html') writes it>"


def watch(
    run: os.PathLike[str] | str | None = None,
    *,
    env: str | Mapping[str, Any] | None = None,
    policy: str | None = None,
    episodes: int = 1,
    seed: int = 0,
    fps: float = 8.0,
    checkpoint: str = "newest",
    sample: bool = False,
    env_settings: Mapping[str, Any] | None = None,
) -> Replay:
    """See a run, or a reference policy of an environment, play: inline in a notebook, or in a file.

    Args:
        run: its folder, or "latest"; leave it out for a reference policy.
        env: environment to show a reference policy in, in place of a run, as in `train`.
        policy: the reference policy; random, or one that the environment ships, which are tried first.
        episodes: how many.
        seed: of the episodes; the same seed plays the same starts.
        fps: steps shown in a second.
        checkpoint: "newest" (also of a run that trains), "final", "best", or another file of models/.
        sample: act with the policy's own randomness instead of greedily.
        env_settings: environment settings to change, for example ``{"grid_size": 10}``.

    Returns:
        A `Replay`, which a notebook shows; ``.save("play.html")``, ``.gif`` or ``.mp4`` writes it.

    Raises:
        UserError: nothing to show, or the environment cannot be drawn.
    """
    from qflock.evidence.replay import show
    from qflock.machine import device

    if (run is None) == (env is None):
        raise UserError("name a run, or an environment: qflock.watch(run), qflock.watch(env='gridworld25')")
    if episodes < 1:
        raise UserError(f"episodes is {episodes}; it must be at least 1")
    if not 0 < fps <= 100:
        raise UserError(f"fps is {fps}; it must lie in (0, 100]")
    device.use("auto")
    how: dict[str, Any] = {"episodes": episodes, "seed": seed}
    if run is not None:
        if policy is not None:
            raise UserError("policy shows a reference policy and goes with env, without a run")
        how |= {"checkpoint": checkpoint, "mode": "sample" if sample else "greedy"}
        return Replay(show.episodes(os.fspath(run), **how, environment_overrides=env_settings), fps)
    if sample:
        raise UserError("sample is for a run's policy; reference policies have one way to act")
    name, own = making.named(env, env_settings)
    environment = making.make(str(name), **own)
    known = show.policies(environment)
    return Replay(show.episodes(None, environment=environment, policy=policy or known[0], **how), fps)


def compare(
    *runs: Paths,
    metric: str = metrics.DEFAULT,
    baseline: str | None = None,
    split: Sequence[str] = (),
    target: float | None = None,
    interval: str = "joined",
) -> Comparison:
    """Compare finished runs: what each method scored, how sure that is, what it cost. See ``qflock compare``.

    Args:
        runs: runs, folders, globs such as ``"runs/qmix-*"``, or lists of these.
        metric: column of the final evaluation that is the score.
        baseline: method, by its label, that the others are held against; the first run's by default.
        split: environment settings that make tasks of their own, such as ``["grid_size"]``.
        target: score for the time to a score.
        interval: "joined", from five seeds on, or "percentile" (docs/intervals.md).

    Returns:
        A `qflock.evidence.comparison.table.Comparison`, which a notebook shows as tables.

    Raises:
        UserError: a run cannot be read, the runs are not comparable, or a name is unknown.
    """
    from qflock.evidence.comparison.compare import compare
    from qflock.evidence.report.tables import ShownComparison

    return ShownComparison.of(compare(_paths(runs), metric, baseline, split, target, interval=interval))


def report(
    *runs: Paths,
    out: os.PathLike[str] | str = "report.html",
    metric: str = metrics.DEFAULT,
    baseline: str | None = None,
    split: Sequence[str] = (),
    target: float | None = None,
    title: str | None = None,
    replays: int = 1,
) -> Path:
    """Write one page about finished runs: scores, curves, replays, settings. See ``qflock report``.

    Args:
        runs, metric, baseline, split, target: as in `compare`.
        out: the page.
        title: its heading.
        replays: episodes to show of each method on each task; 0 for none.

    Returns:
        The page's path.

    Raises:
        UserError: as `compare`, or the page cannot be written.
    """
    from qflock.evidence.report import document
    from qflock.machine import device

    path = Path(out)
    if path.suffix.lower() not in (".html", ".htm"):
        raise UserError(f"out is {str(path)!r}; its name must end in .html")
    if not path.parent.is_dir():
        raise UserError(f"out is {str(path)!r}: there is no folder {path.parent}")
    device.use("auto")
    how: dict[str, Any] = {"metric": metric, "baseline": baseline, "split": split, "target": target}
    document.write(path, _paths(runs), **how, title=title, replays=replays)
    return path


def _paths(runs: Iterable[Paths]) -> list[str]:
    """Folders and globs of what may be lists of them."""
    paths = []
    for one in runs:
        paths += [os.fspath(one)] if isinstance(one, str | os.PathLike) else [os.fspath(each) for each in one]
    return paths
