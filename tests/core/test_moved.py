"""Old module names go on working, with one notice."""

import importlib
import subprocess
import sys

import pytest

from qflock.core import moved


@pytest.mark.parametrize("old", [name for name in moved.MOVED if name != "parts"])
def test_an_old_name_is_the_new_module(old):
    sys.modules.pop(f"qflock.{old}", None)
    with pytest.warns(DeprecationWarning, match=rf"qflock\.{old} is qflock\.{moved.MOVED[old]} now"):
        found = importlib.import_module(f"qflock.{old}")
    assert found is importlib.import_module(f"qflock.{moved.MOVED[old]}")


def test_a_file_written_against_old_names_runs():
    code = (
        "from qflock.types import Spec, TimeStep\n"
        "from qflock.parts import agents, inputs\n"
        "from qflock.parts.agents import build\n"
        "assert build is agents.build and agents.__name__ == 'qflock.networks.agents'"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.returncode == 0, done.stderr


def test_what_never_was_is_an_ordinary_error():
    with pytest.raises(ModuleNotFoundError):
        importlib.import_module("qflock.parts.nothing")
