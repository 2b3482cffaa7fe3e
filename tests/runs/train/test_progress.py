"""What a user sees of a run: lines without a terminal, a live picture on one, never a failure."""

from __future__ import annotations

import io
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from qflock.runs.train import chart
from qflock.runs.train.curve import POINTS, Curve, quantity
from qflock.runs.train.progress import Progress

FINITE = st.floats(-1e6, 1e6)


class Terminal(io.StringIO):
    """A stream that says it is a terminal."""

    def isatty(self) -> bool:
        return True


class Gone(io.StringIO):
    """A stream whose reader went away."""

    def write(self, text: str) -> int:
        raise BrokenPipeError(32, "Broken pipe")


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


def dots_of(lines: list[str]) -> np.ndarray:
    """The dots of a plot, ``(height, width)``, out of its braille characters."""
    places = [(0, 0), (1, 0), (2, 0), (0, 1), (1, 1), (2, 1), (3, 0), (3, 1)]  # of bits 0 to 7
    rows = [line.split("┤")[1] for line in lines]
    dots = np.zeros((4 * len(rows), 2 * len(rows[0])), bool)
    for r, row in enumerate(rows):
        for c, letter in enumerate(row):
            for bit, (down, across) in enumerate(places):
                dots[4 * r + down, 2 * c + across] = (ord(letter) - 0x2800) >> bit & 1
    return dots


def test_lines_without_a_terminal() -> None:
    clock, stream = Clock(), io.StringIO()
    with Progress("qmix", stream=stream, clock=clock) as progress:
        progress.start(4_000_000, done=1_000_000)
        for second in range(5, 30, 5):
            clock.now = second
            progress.update(1_000_000 + second * 50_000, second / 10)
            if second == 15:
                progress.evaluation(1_750_000, 2.25, 0.875)
                progress.evaluation(1_750_001, 2.0)
                progress.message("saved [bold]all[/bold]")
    assert stream.getvalue().splitlines() == [
        "1.25M of 4.00M steps (31 %)  discounted return 0.5  0:05 elapsed",
        "1.75M of 4.00M steps (44 %)  discounted return 1  50.0k steps/s  0:15 elapsed  0:45 left",
        "evaluation at 1.75M steps: discounted return 2.25 (88 % solved)",
        "evaluation at 1.75M steps: discounted return 2",
        "saved [bold]all[/bold]",
        "2.25M of 4.00M steps (56 %)  discounted return 1.5  best 2.25 (88 % solved)  50.0k steps/s"
        "  0:25 elapsed  0:35 left",
    ]  # fmt: skip


def test_quiet_says_nothing() -> None:
    for stream in (io.StringIO(), Terminal()):
        with Progress(quiet=True, stream=stream) as progress:
            progress.start(100)
            progress.update(50, 1.0)
            progress.evaluation(50, 1.0)
            progress.message("done")
        assert stream.getvalue() == ""


@pytest.mark.parametrize("width", [40, 60, 80, 200])
def test_a_terminal_shows_bar_numbers_and_curve(monkeypatch: pytest.MonkeyPatch, width: int) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    monkeypatch.setenv("TERM", "xterm")
    stream = Terminal()
    with Progress("qmix on gridworld25", stream=stream) as progress:
        progress.start(1000)
        progress.update(100, float("nan"), speed=10.0)
        progress.update(200, 0.5, speed=10.0)
        progress.evaluation(200, 0.75, 0.5)
        progress.message("[bold]as it is")
    shown = stream.getvalue()
    for part in (
        "200 of 1.00k steps (20 %)",
        "discounted return 0.5",
        "best 0.75 (50 % solved)",
        "10 steps/s",
        "1:20 left",
    ):
        assert part in shown
    assert "[bold]as it is" in shown
    assert any(0x2800 < ord(letter) < 0x2900 for letter in shown)
    assert shown.count("\x1b[?25l") == shown.count("\x1b[?25h") == 1


LARGE = {"COLUMNS": "140", "LINES": "50", "TERM": "xterm"}


def shown_of_a_run(monkeypatch: pytest.MonkeyPatch, window: dict[str, str], seeds: int) -> str:
    for name, value in window.items():
        monkeypatch.setenv(name, value)
    stream = Terminal()
    with Progress("qmix", stream=stream, references={"oracle": 2.69, "random": -1.0}) as progress:
        progress.start(1000)
        for step in range(100, 600, 100):
            mean = step / 500
            each = [mean - 0.5, mean, math.nan, mean + 0.5] if seeds > 1 else [mean]
            progress.update(step, mean, speed=10.0, each=each)
    return stream.getvalue()


def test_a_large_window_shows_references_and_seeds(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = shown_of_a_run(monkeypatch, LARGE, seeds=4)
    for part in ("oracle 2.69", "random -1", "mean of 4 seeds", "band: the lowest to the highest"):
        assert part in shown
    alone = shown_of_a_run(monkeypatch, LARGE, seeds=1)
    assert "oracle 2.69" in alone
    assert "band" not in alone


@pytest.mark.parametrize("small", [{"COLUMNS": "99"}, {"LINES": "29"}])
def test_a_small_window_stays_as_it_was(monkeypatch: pytest.MonkeyPatch, small: dict[str, str]) -> None:
    shown = shown_of_a_run(monkeypatch, LARGE | small, seeds=4)
    assert "oracle" not in shown
    assert "band" not in shown
    assert any(0x2800 < ord(letter) < 0x2900 for letter in shown)


@pytest.mark.parametrize(("columns", "rows"), [(100, 30), (140, 50), (300, 100)])
def test_a_chart_fits_its_window(columns: int, rows: int) -> None:
    size = chart.size(columns, rows)
    assert size is not None
    curve = Curve()
    for x in range(40):
        curve.add(x, x % 7, [x % 7 - 1, x % 7 + 2])
    picture = chart.draw(curve.points(), {"greedy_neighbour": 3.0, "random": -20.0}, *size, seeds=2).plain
    lines = picture.splitlines()
    assert len(lines) == size[1] + 2 <= rows - 10
    assert max(map(len, lines)) <= size[0] < columns


def test_a_chart_has_its_band_between_the_lowest_and_the_highest_seed() -> None:
    curve = Curve()
    for x in range(200):
        curve.add(x, 5.0, [4.0, 6.0])
    rows = chart.draw(curve.points(), {"oracle": 10.0, "random": 0.0}, 110, 21, seeds=2, ascii_only=True)
    assert rows.plain.isascii()
    rows = rows.plain.splitlines()[:21]
    shaded = [at for at, row in enumerate(rows) if ":" in row or "*" in row]
    assert shaded == list(range(8, 13))  # 6 to 4 of 10 to 0
    assert "*" in rows[10]
    assert rows[0].endswith("oracle 10")
    assert rows[20].endswith("random 0")
    assert rows[20].count("-") > 80


def test_a_merged_point_keeps_its_lowest_and_highest_seed() -> None:
    curve = Curve()
    for x in range(5 * POINTS):
        curve.add(x, 0.0, [-float(x == 3000), float(x == 4000)])
    points = curve.points()
    assert len(points) <= POINTS
    assert (points[:, 2].min(), points[:, 3].max()) == (-1.0, 1.0)


def test_nothing_stops_a_run() -> None:
    closed = io.StringIO()
    closed.close()
    gone = Gone()
    for stream in (gone, closed):
        progress = Progress(stream=gone)
        progress._stream = stream
        progress.start(0)
        progress.update(0, math.inf)
        progress.evaluation(0, float("nan"), float("nan"))
        progress.message("hello")
        progress.close()
        progress.close()


@pytest.mark.parametrize(
    ("number", "text"),
    [(0, "0"), (950, "950"), (999.6, "1.00k"), (52_340, "52.3k"), (494_000, "494k"), (4e6, "4.00M")],
)
def test_quantities(number: float, text: str) -> None:
    assert quantity(number) == text


def test_a_curve_begins_with_its_first_point() -> None:
    curve = Curve()
    assert curve.lines(60, 4) == []
    curve.add(5.0, math.nan)
    assert curve.lines(60, 4) == []
    curve.add(50_000, 0.25)
    lines = curve.lines(60, 4)
    assert dots_of(lines[:-1]).sum() == 1
    assert "0.25" in lines[2]
    assert lines[-1].endswith("50.0k steps")


@settings(max_examples=150)
@given(y=st.lists(FINITE, min_size=2, max_size=40), width=st.integers(30, 100), height=st.integers(2, 6))
def test_a_curve_goes_through_its_points_and_has_no_gap(y: list[float], width: int, height: int) -> None:
    curve = Curve()
    for x, value in enumerate(y):
        curve.add(x, value)
    lines = curve.lines(width, height)
    assert {len(line) for line in lines} == {width}
    dots = dots_of(lines[:-1])
    low, high = min(y), max(y)
    columns = np.round(np.arange(len(y)) / (len(y) - 1) * (dots.shape[1] - 1)).astype(int)
    for column in set(columns.tolist()):
        there = np.array(y)[columns == column]
        share = (there.mean() - low) / (high - low) if high > low else 0.5
        row = (1 - share) * (dots.shape[0] - 1)
        assert dots[max(math.floor(row - 1e-6), 0) : math.ceil(row + 1e-6) + 1, column].any()
    for before, after in zip(dots.T[:-1], dots.T[1:], strict=True):
        left, right = np.flatnonzero(before), np.flatnonzero(after)
        assert np.ptp(left) == len(left) - 1  # one stroke a column
        assert left[0] <= right[-1] + 1  # that touches its neighbour
        assert right[0] <= left[-1] + 1


def test_a_long_curve_stays_small_and_true() -> None:
    curve = Curve()
    for x in range(20_000):
        curve.add(x, x / 20_000)
    assert len(curve._points) <= POINTS
    dots = dots_of(curve.lines(60, 4)[:-1])
    height, width = dots.shape
    rows = np.array([np.flatnonzero(column).mean() for column in dots.T])
    np.testing.assert_allclose(rows, np.linspace(height - 1, 0, width), atol=1.0)


def test_a_terminal_without_unicode_gets_stars() -> None:
    curve = Curve()
    for x in range(50):
        curve.add(x, x)
    lines = curve.lines(40, 4, ascii_only=True)
    assert "".join(lines).isascii()
    assert "*" in lines[0]


def test_no_room_no_curve() -> None:
    curve = Curve()
    curve.add(0, 1)
    assert curve.lines(5, 4) == []
