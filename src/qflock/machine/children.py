"""Start a module of ours in another process: the one place where qflock starts Python."""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from typing import Any

SAFE = {"PYTHONSAFEPATH": "1"}
"""What ``-P`` says, for the children of a child too: submitit's, Ray's, multiprocessing's, a simulator's."""


def command(module: str, *arguments: str) -> list[str]:
    """What runs a module in a Python like this one.

    ``-P``: the working folder is not put before all else, so that no file in it stands for a library.

    Args:
        module: its full name.
        arguments: what stands after it.
    """
    return [sys.executable, "-P", "-m", module, *arguments]


def environment(variables: Mapping[str, str] | None = None) -> dict[str, str]:
    """This process's environment for a child, which finds modules where this one does, in the same order.

    What lies in the working folder is found there only where it is found here: `SAFE` holds for all below it.

    Args:
        variables: what differs.
    """
    places = dict.fromkeys(place or os.getcwd() for place in sys.path)
    return {**os.environ, "PYTHONPATH": os.pathsep.join(places), **SAFE, **(variables or {})}


def start(
    module: str, *arguments: str, variables: Mapping[str, str] | None = None, **how: Any
) -> subprocess.Popen[bytes]:
    """Start a module; it may outlive this call.

    Args:
        module, arguments: as `command`.
        variables: as `environment`.
        how: further arguments of `subprocess.Popen`: where its streams go, and its session.
    """
    return subprocess.Popen(command(module, *arguments), env=environment(variables), **how)  # type: ignore


def run(
    module: str, *arguments: str, variables: Mapping[str, str] | None = None, **how: Any
) -> subprocess.CompletedProcess[Any]:
    """Start a module and wait for its end.

    Args:
        module, arguments: as `command`.
        variables: as `environment`.
        how: further arguments of `subprocess.run`.
    """
    return subprocess.run(command(module, *arguments), env=environment(variables), **how)


@contextlib.contextmanager
def kept_safe() -> Iterator[None]:
    """While it is entered, Python that a library starts by itself (submitit, Ray) has `SAFE` as well."""
    before = {name: os.environ.get(name) for name in SAFE}
    os.environ.update(SAFE)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
