"""An interrupt that Python drops comes again."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import time
from types import SimpleNamespace

import pytest

from qflock.machine import interrupts, signals


class Ours(KeyboardInterrupt):
    """An interrupt of a kind of its own."""


def collected(kind: type[BaseException]) -> None:
    """A collection of garbage, in which a callback raises once; then some work."""

    def callback(*_: object) -> None:
        gc.callbacks.remove(callback)
        raise kind

    gc.callbacks.append(callback)
    gc.collect()
    until = time.monotonic() + 30
    while time.monotonic() < until:
        time.sleep(0.01)


@pytest.mark.parametrize("kind", [KeyboardInterrupt, Ours])
def test_an_interrupt_within_a_callback_comes_again(
    kind: type[BaseException], capsys: pytest.CaptureFixture[str]
) -> None:
    before = sys.unraisablehook
    with pytest.raises(kind), interrupts.kept():
        collected(kind)
    assert sys.unraisablehook is before
    assert "ignored" not in capsys.readouterr().err


def test_other_dropped_exceptions_are_told_as_before(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[type] = []
    monkeypatch.setattr(sys, "unraisablehook", lambda what: told.append(what.exc_type))
    monkeypatch.setattr(time, "monotonic", iter([0.0, 31.0]).__next__)
    with interrupts.kept():
        collected(ZeroDivisionError)
    assert told == [ZeroDivisionError]


def test_none_comes_once_it_is_over() -> None:
    with interrupts.kept():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt as problem:
            sys.unraisablehook(SimpleNamespace(exc_type=type(problem)))  # type: ignore[arg-type]
    time.sleep(3 * interrupts.SOON)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
def test_a_signal_while_the_process_tidies_up_ends_it_without_a_word(number: int) -> None:
    program = (
        "import atexit, os, time; from qflock.machine import interrupts\n"
        f"late = lambda: (os.kill(os.getpid(), {int(number)}), time.sleep(60))\n"
        "with interrupts.kept(ends=True): atexit.register(late)"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (signals.EXIT, "")
