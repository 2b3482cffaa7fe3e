"""qflock: cooperative multi-agent reinforcement learning in JAX."""

from typing import TYPE_CHECKING, Any

from qflock.core import moved
from qflock.core.version import __version__ as __version__

if TYPE_CHECKING:
    from qflock.api import (
        evaluate,
        export,
        find_runs,
        load,
        load_exported,
        make,
        resume,
        to_pettingzoo,
        train,
    )

__all__ = [
    "evaluate",
    "export",
    "find_runs",
    "load",
    "load_exported",
    "make",
    "resume",
    "to_pettingzoo",
    "train",
]

moved.install()


def __getattr__(name: str) -> Any:
    """The public functions, imported when first used: ``qflock --help`` must not wait for JAX."""
    if name in __all__:
        from qflock.core import system

        if system.missing():
            raise ImportError(f"qflock: {system.missing()}")
        from qflock import api

        return getattr(api, name)
    raise AttributeError(f"module 'qflock' has no attribute {name!r}")
