"""Environments by name, and ours for other libraries."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from qflock.core.errors import UserError, shown
from qflock.settings import config, trust

EXAMPLE = '{"name": "gridworld25", "grid_size": 9}'


def named(
    env: str | Mapping[str, Any] | None, settings: Mapping[str, Any] | None = None
) -> tuple[str | None, dict[str, Any]]:
    """An environment's name, and its settings by theirs; the user has named both.

    Args:
        env: a name, or a mapping of the name and settings: ``{"name": "gridworld25", "grid_size": 9}``.
        settings: more of them.

    Raises:
        UserError: a mapping without a name, or something that is no mapping.
    """
    own: dict[str, Any] = {}
    for what, given in (("env", env), ("env_settings", settings)):
        if isinstance(given, Mapping):
            own |= given
        elif given is not None and not (what == "env" and isinstance(given, str)):
            raise UserError(f"{what} is {shown(given)}; give a mapping, such as {EXAMPLE}")
    name = own.pop("name", None) if isinstance(env, Mapping) else env
    if isinstance(env, Mapping) and not isinstance(name, str):
        raise UserError(f"env is {shown(dict(env))}, and names no environment; give {EXAMPLE}")
    if wrong := [key for key in own if not isinstance(key, str)]:
        raise UserError(f"{shown(wrong[0])} is no name of a setting of an environment; give {EXAMPLE}")
    trust.name(name, *own.values())
    return name, own


def make(env: str | Mapping[str, Any], **settings: Any) -> Any:
    """An environment by name or file: ``qflock.make("gridworld25", grid_size=10)``.

    Args:
        env: its name, a path ``my_env.py:MyEnv``, or a mapping ``{"name": "gridworld25", "grid_size": 10}``.
        settings: of the environment, by name.

    Returns:
        A `qflock.core.environment.Environment`.

    Raises:
        UserError: no such environment or setting, or a value that it cannot have.
    """
    name, own = named(env, settings)
    if name is None:
        raise UserError("env is None; name an environment, as in qflock.make('gridworld25')")
    return config.make_environment(name, config.environment_settings(name, own))


def to_pettingzoo(env: Any, render_mode: str | None = None, **settings: Any) -> Any:
    """An environment of ours as a PettingZoo ``ParallelEnv``, for other libraries to learn in.

    Args:
        env: a name, a file, or an environment.
        render_mode: "rgb_array" or "human", for an environment that can be drawn.
        settings: of an environment by name, as in `make`.

    Returns:
        A `qflock.bridges.as_pettingzoo.AsPettingZoo`.

    Raises:
        UserError: PettingZoo is not installed; no such environment, setting or render mode.
    """
    try:
        from qflock.bridges.as_pettingzoo import AsPettingZoo
    except ImportError as problem:
        reason = " ".join(str(problem).split())
        raise UserError(f"pettingzoo cannot be imported ({reason}): pip install 'qflock[zoo]'") from problem

    if isinstance(env, str | Mapping):
        env = make(env, **settings)
    elif settings:
        raise UserError(f"settings are for an environment by name; this one is made: {', '.join(settings)}")
    return AsPettingZoo(env, render_mode)
