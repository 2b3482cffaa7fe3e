"""What the user sees while a run trains: a bar, the numbers that matter, and a live curve."""

from __future__ import annotations

import contextlib
import math
import os
import sys
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from types import TracebackType
from typing import TextIO

from rich.console import Group, RenderableType
from rich.live import Live
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from qflock.core import notebook
from qflock.core.console import Console
from qflock.core.notebook import Place
from qflock.core.printing import printable, say
from qflock.runs.train import cell, chart
from qflock.runs.train.curve import Curve, quantity

RETURNS_AVERAGED = 10
CURVE_WIDTH, CURVE_HEIGHT = 68, 4
BAR_WIDTH, NARROWEST_BAR = 40, 10
RETURN = "discounted return"
"""What is shown, as it is called in tables."""


class Progress:
    """Shows training: live on a terminal and in a notebook's cell, a line every ten seconds elsewhere.

    Nothing it meets while writing (a closed pipe, a full disk behind a redirection) stops the run.
    The only thread is rich's, which redraws twice a second what ``update`` prepared.
    """

    def __init__(
        self,
        title: str = "",
        *,
        quiet: bool = False,
        stream: TextIO | None = None,
        interval: float = 10.0,
        unit: str = "steps",
        references: Mapping[str, float] | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Prepare; nothing is shown before ``start``.

        Args:
            title: what is trained, the algorithm and the environment.
            quiet: show nothing at all, messages included.
            stream: where to write; standard error by default.
            interval: seconds between lines where there is no terminal.
            unit: what is counted.
            references: discounted returns of other policies; lines in the curve of a large window.
            clock: seconds, for tests.
        """
        self._title, self._quiet, self._interval, self._clock = title, quiet, interval, clock
        self._stream = stream if stream is not None else sys.stderr
        self._live: Live | None = None
        self._console: Console | None = None
        self._cell = Place(clock=clock) if not quiet and stream is None and notebook.running() else None
        self._messages: list[str] = []
        if (
            self._cell is None
            and not quiet
            and self._stream.isatty()
            and os.environ.get("TERM") not in ("dumb", "unknown")
        ):
            self._console = Console(file=self._stream)
        self._total, self._step, self._begun = 0, 0, clock()
        self._speed: float | None = None
        self._marks: deque[tuple[float, int]] = deque(maxlen=30)
        self._returns: deque[float] = deque(maxlen=RETURNS_AVERAGED)
        self._best: tuple[float, float | None, int] | None = None
        self._unit, self._curve, self._references, self._seeds = unit, Curve(unit), references or {}, 1
        self._plot = Text()
        self._next_line = -math.inf

    def start(self, total: int, done: int = 0) -> None:
        """Begin to show.

        Args:
            total: environment steps of the whole run (of each seed).
            done: those that a resumed run has behind it.
        """
        self._total, self._step, self._begun = total, done, self._clock()
        if self._console is not None:
            live = self._live = Live(
                get_renderable=self._render,
                console=self._console,
                refresh_per_second=2,  # costs less than 1 % of one core
                redirect_stdout=False,  # standard output belongs to --json
                redirect_stderr=self._stream is sys.stderr,
            )
            live.start()

    def update(
        self, env_step: int, episode_return: float, speed: float | None = None, each: Sequence[float] = ()
    ) -> None:
        """A row was logged.

        Args:
            env_step: environment steps done so far.
            episode_return: mean discounted return of the episodes that ended; NaN where none did.
            speed: steps a second; by default measured from the calls of this method.
            each: the mean of each seed, where there are several; NaN as above.
        """
        now = self._clock()
        self._marks.append((now, env_step))
        (then, before), self._step = self._marks[0], env_step
        if speed is not None:
            self._speed = speed
        elif now > then:  # two updates at least: compiling, before the first, does not count
            self._speed = (env_step - before) / (now - then)
        if math.isfinite(episode_return):
            self._returns.append(float(episode_return))
            self._curve.add(env_step, float(episode_return), each)
        self._seeds = max(self._seeds, len(each))
        if self._cell is not None:
            self._draw()
        elif self._console is not None:
            self._plot = self._drawn(self._console)
        elif now >= self._next_line:
            self._next_line = now + self._interval
            self._say("  ".join([self._headline(), *self._numbers()]))

    def evaluation(self, env_step: int, return_mean: float, solved: float | None = None) -> None:
        """A greedy evaluation ended.

        Args:
            env_step: when.
            return_mean: its mean discounted return.
            solved: share of episodes solved, 0 to 1, where the task has such a thing.
        """
        better = self._best is None or return_mean > self._best[0]
        if better and math.isfinite(return_mean):
            self._best = (float(return_mean), solved, env_step)
        if self._cell is not None:
            self._draw()
        elif self._console is None:
            self._say(
                f"evaluation at {quantity(env_step)} {self._unit}: {RETURN} {_score(return_mean, solved)}"
            )

    def message(self, text: str) -> None:
        """A line of its own that stays, above the bar; in a notebook below it."""
        if self._cell is not None:
            self._messages.append(text)
            self._draw(always=True)
        elif self._console is None:
            self._say(text)
        else:
            with contextlib.suppress(OSError):
                self._console.print(Text(text))

    def close(self) -> None:
        """Leave the last picture on the screen and give the cursor back; closing twice is no error."""
        if self._cell is not None:
            self._draw(always=True)
        live, self._live = self._live, None
        if live is not None:
            with contextlib.suppress(OSError):
                live.stop()

    def __enter__(self) -> Progress:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, value: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _draw(self, always: bool = False) -> None:
        """Put the present picture into the notebook, unless the one before is too young."""
        assert self._cell is not None
        if not (always or self._cell.due()):
            return
        lines = [self._headline(), "   ".join(self._numbers())] if self._total else ["preparing"]
        what = (self._title, self._share(), lines, self._curve.points(), self._unit, self._messages)
        with contextlib.suppress(Exception):  # whatever shows it: the run goes on
            self._cell.draw(cell.as_html(*what), printable("  ".join([self._title, *lines])))

    def _say(self, line: str) -> None:
        if not self._quiet:
            with contextlib.suppress(OSError, ValueError):  # ValueError: the stream was closed
                say(line, stream=self._stream)

    def _drawn(self, console: Console) -> Text:
        """The curve, as large as the window allows."""
        plain = console.options.ascii_only
        if (large := chart.size(console.width, console.height)) is None:
            width = min(CURVE_WIDTH, console.width - 1)
            return Text("\n".join(self._curve.lines(width, CURVE_HEIGHT, ascii_only=plain)), "cyan")
        points, how = self._curve.points(), {"unit": self._unit, "seeds": self._seeds, "ascii_only": plain}
        return chart.draw(points, self._references, *large, **how)

    def _share(self) -> float:
        return min(self._step / self._total, 1.0) if self._total else 0.0

    def _headline(self) -> str:
        return f"{quantity(self._step)} of {quantity(self._total)} {self._unit} ({100 * self._share():.0f} %)"

    def _numbers(self) -> list[str]:
        parts = []
        if self._returns:
            parts.append(f"{RETURN} {sum(self._returns) / len(self._returns):.3g}")
        if self._best is not None:
            parts.append(f"best {_score(*self._best[:2])}")
        if self._speed is not None:
            parts.append(f"{quantity(self._speed)} {self._unit}/s")
        parts.append(f"{_duration(self._clock() - self._begun)} elapsed")
        if self._speed:
            parts.append(f"{_duration((self._total - self._step) / self._speed)} left")
        return parts

    def _render(self) -> RenderableType:
        assert self._console is not None
        headline = self._headline()
        room = min(BAR_WIDTH, self._console.width - len(self._title) - len(headline) - 3)
        title = Text(self._title if room >= NARROWEST_BAR else "", "bold")
        head = Table.grid(padding=(0, 1))
        bar = ProgressBar(
            total=1.0,
            completed=self._share(),
            width=max(room, NARROWEST_BAR),
            complete_style="cyan",
            finished_style="green",
        )
        parts = (
            [title, bar, Text(headline)]
            if self._console.width > NARROWEST_BAR + len(headline)
            else [headline]
        )
        head.add_row(*parts)
        return Group(head, Text(_in_lines(self._numbers(), self._console.width)), self._plot)


def _in_lines(parts: list[str], width: int) -> str:
    """Parts side by side, in as many lines as it takes to break none."""
    lines = [""]
    for part in parts:
        longer = f"{lines[-1]}   {part}" if lines[-1] else part
        lines[-1:] = [longer] if len(longer) <= width or not lines[-1] else [lines[-1], part]
    return "\n".join(lines)


def _score(return_mean: float, solved: float | None) -> str:
    solved_text = "" if solved is None or not math.isfinite(solved) else f" ({100 * solved:.0f} % solved)"
    return f"{return_mean:.3g}{solved_text}"


def _duration(seconds: float) -> str:
    minutes, rest = divmod(max(0, round(seconds)), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"
