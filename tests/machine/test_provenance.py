"""What a run records of its machine."""

from __future__ import annotations

import os
import sys

import pytest

from qflock.machine import provenance


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="this system binds no process to cores")
def test_the_cores_that_it_may_use_are_counted() -> None:
    """Not those of the whole machine: with another number of them the bits may be others."""
    before = os.sched_getaffinity(0)
    assert provenance.cores() == len(before)
    os.sched_setaffinity(0, {min(before)})
    try:
        assert provenance.cores() == 1
    finally:
        os.sched_setaffinity(0, before)


def test_the_command_is_typed_in_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/bin/qflock", "train", "a b", "\x1b[2J"])
    assert provenance.origin()["command"] == r"qflock train 'a b' $'\x1b[2J'"
