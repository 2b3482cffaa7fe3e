"""qflock: cooperative multi-agent reinforcement learning in JAX."""

import importlib as _importlib
import typing as _typing

from qflock.core import moved as _moved
from qflock.core.version import __version__ as __version__

if _typing.TYPE_CHECKING:
    from qflock.api import (
        Run,
        algorithms,
        compare,
        environments,
        evaluate,
        export,
        find_runs,
        load,
        load_exported,
        make,
        report,
        resume,
        to_pettingzoo,
        train,
        watch,
    )

__all__ = [
    "Run",
    "algorithms",
    "compare",
    "environments",
    "evaluate",
    "export",
    "find_runs",
    "load",
    "load_exported",
    "make",
    "report",
    "resume",
    "to_pettingzoo",
    "train",
    "watch",
]

_moved.install()


def __dir__() -> list[str]:
    """The public names alone, for completion: not the rooms of the package that happen to be imported."""
    return sorted([*__all__, "__doc__", "__file__", "__name__", "__path__", "__version__"])


def __getattr__(name: str) -> _typing.Any:
    """The public functions, imported when first used: ``qflock --help`` must not wait for JAX."""
    if name in ("environments", "algorithms"):  # rooms, which can be called: see `core.listed`
        return _importlib.import_module(f"qflock.{name}")
    if name in __all__:
        return _public(name)
    raise AttributeError(f"module 'qflock' has no attribute {name!r}")


def _public(name: str) -> _typing.Any:
    from qflock.core import system

    if system.missing():
        raise ImportError(f"qflock: {system.missing()}")
    from qflock import api

    return getattr(api, name)
