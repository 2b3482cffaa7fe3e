"""Environments in the user's own files: ours as they are, PettingZoo's and Gymnasium's by their bridges."""

from __future__ import annotations

import functools
from types import ModuleType
from typing import Any, get_origin

from qflock.bridges import _options
from qflock.bridges.host.found import Found, Library, library_of
from qflock.bridges.host.places import InFile
from qflock.core.errors import UserError
from qflock.settings import foreign, registry

OURS = "Environment"
"""What a file may call its environment class, so that it needs no name behind the colon."""


def environment_class(name: str, given: Any) -> type:
    """The environment class of what a file's name means.

    Args:
        name: ``my_env.py:MyEnv``.
        given: what it means: a module, or something in it.

    Raises:
        UserError: it is neither an environment nor a function that makes one of PettingZoo's or Gymnasium's.
    """
    inside = getattr(given, OURS, None) if isinstance(given, ModuleType) else None
    thing = given if inside is None else inside
    if isinstance(thing, type) and library_of(thing) is None:
        return thing
    return _bridged(name, thing)


@functools.cache
def _bridged(name: str, thing: Any) -> type:
    from qflock.bridges.host import finding, hosted

    file, _, attribute = name.partition(":")
    place = InFile(registry.from_file(file).__file__, attribute or OURS)
    if isinstance(thing, ModuleType):
        found = finding.of_module(name, thing, place)
        if found is None:
            raise _no_class(name)
        return hosted.class_of(found)
    library = library_of(thing) or _made_by(name, thing)
    return hosted.class_of(Found(name, library, place))


def _made_by(name: str, function: Any) -> Library:
    """Whose sort of environment a function makes: it says so, has PettingZoo's name for it, or is tried."""
    from qflock.bridges.host.finding import ENTRIES

    if not callable(function):
        raise _no_class(name)
    returned = _options.hints(function).get("return")
    library = library_of(get_origin(returned) or returned)
    if library is None and getattr(function, "__name__", "") in ENTRIES:
        library = "pettingzoo"
    if library is None:
        try:
            made = function()
        except Exception as problem:
            why = foreign.words(problem)
            advice = "say what it returns, as in def make(...) -> ParallelEnv"
            raise UserError(
                f"{name} fails when it is called without arguments ({why}); {advice}"
            ) from problem
        library = library_of(type(made))
    if library is None:
        raise _no_class(name)
    return library


def _no_class(name: str) -> UserError:
    return UserError(f"{name!r} is no class; name the environment class, as in my_env.py:MyEnv")
