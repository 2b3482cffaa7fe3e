"""Where the code of a host environment lies, in a form that travels to worker processes. Imports no JAX."""

from __future__ import annotations

import copy
import functools
import importlib
import pickle
import sys
from pathlib import Path
from typing import Any, NamedTuple

from qflock.core.errors import UserError
from qflock.settings import foreign, registry

RAW = ("parallel_env", "env")
"""What PettingZoo's own modules call the functions that pass all their arguments on to ``raw_env``."""
ELSEWHERE = "add --env.workers threads, or put it in a module of its own and name gymnasium:module:Id"


class InModule(NamedTuple):
    """A class or function of a module that can be imported."""

    module: str
    attribute: str

    def load(self) -> Any:
        """What is called to make the environment."""
        return getattr(importlib.import_module(self.module), self.attribute)

    def makers(self) -> list[Any]:
        """What is called, and what that passes further arguments on to."""
        raw = getattr(importlib.import_module(self.module), "raw_env", None)
        return [self.load(), *([raw] if self.attribute in RAW and raw is not None else [])]


class InFile(NamedTuple):
    """A class or function of a Python file."""

    path: str
    attribute: str

    def load(self) -> Any:
        """What is called to make the environment."""
        return getattr(registry.module_of_file(Path(self.path)), self.attribute)

    def makers(self) -> list[Any]:
        """What is called, and what that passes further arguments on to."""
        raw = getattr(registry.module_of_file(Path(self.path)), "raw_env", None)
        return [self.load(), *([raw] if self.attribute in RAW and raw is not None else [])]


class Scenario(NamedTuple):
    """A scenario of VMAS's."""

    attribute: str

    def load(self) -> Any:
        """Shows what it takes; `vmas_copy` makes it."""
        from qflock.bridges.host import vmas_scenarios  # Python's ast, inspect: for VMAS alone

        return vmas_scenarios.maker(self.attribute)

    def makers(self) -> list[Any]:
        """What shows its parameters."""
        return [self.load()]


class Registered:
    """An entry of Gymnasium's registry. It travels whole: what a script registers is known everywhere.

    Args:
        name: the id.
    """

    def __init__(self, name: str) -> None:
        self.name = name

    @property
    def spec(self) -> Any:
        """The entry as it is now."""
        import gymnasium

        return gymnasium.spec(self.name)

    def load(self) -> Any:
        """What is called to make the environment."""
        from gymnasium.envs.registration import load_env_creator

        point = self.spec.entry_point
        return load_env_creator(point) if isinstance(point, str) else point

    def makers(self) -> list[Any]:
        """What is called to make the environment."""
        return [self.load()]

    def __reduce__(self) -> Any:
        import cloudpickle  # Gymnasium needs it too: classes of the user's script have no module elsewhere

        spec = copy.copy(self.spec)
        if str(spec.entry_point).startswith("__main__:"):
            spec.entry_point = self.load()
        for name in foreign.GIVEN & set(sys.modules):  # files of the user's: no module elsewhere
            cloudpickle.register_pickle_by_value(sys.modules[name])
        return Packed, (self.name, cloudpickle.dumps(spec))


class Packed(Registered):
    """A `Registered` that has come to another process: unpacked when it is needed, where errors are told."""

    def __init__(self, name: str, content: bytes) -> None:
        self.name, self.content = name, content

    @functools.cached_property
    def spec(self) -> Any:
        """The entry.

        Raises:
            UserError: its code is not to be had in this process.
        """
        try:
            return pickle.loads(self.content)
        except Exception as problem:
            why = foreign.words(problem)
            raise UserError(
                f"{self.name} cannot be made in a worker process ({why}); {ELSEWHERE}"
            ) from problem
