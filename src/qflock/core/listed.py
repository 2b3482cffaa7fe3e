"""Packages that say what is in them when they are called: ``qflock.environments()``.

Two rooms have the names of functions that list them. Importing a room makes it an attribute of ``qflock``,
which would hide such a function, so the room itself can be called.
"""

from __future__ import annotations

import inspect
import sys
from types import ModuleType
from typing import Any


class Listed(ModuleType):
    """A package below ``qflock`` that passes calls on to the public function of its name."""

    def __call__(self, *values: Any, **named: Any) -> Any:
        return self._function(*values, **named)

    @property
    def __signature__(self) -> inspect.Signature:
        return inspect.signature(self._function)

    @property
    def _function(self) -> Any:
        root, _, name = self.__name__.partition(".")
        return sys.modules[root]._public(name)


def make(name: str) -> None:
    """Have a package be called; to be said in its own file, with its ``__name__``."""
    sys.modules[name].__class__ = Listed
