"""What a run records of its machine."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from qflock.machine import checkout, provenance


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


def test_the_commit_of_qflocks_own_checkout_is_recorded(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """From wherever it is used. Installed into somebody's checkout, that one's commit is not ours."""
    own = provenance.OWN.parents[1]
    monkeypatch.chdir(tmp_path)
    facts = provenance.origin()
    assert facts["git"] is None
    assert facts["qflock_git"] == checkout.describe(own)
    (tmp_path / ".git").mkdir()
    monkeypatch.setattr(provenance, "OWN", tmp_path / "site-packages" / "qflock")
    assert provenance.own_commit() is None
