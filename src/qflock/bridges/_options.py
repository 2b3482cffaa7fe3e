"""Settings of a foreign environment: a frozen dataclass made from its constructor."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import types
from collections.abc import Iterable, Mapping
from typing import Annotated, Any, NamedTuple, Union, get_args, get_origin, get_type_hints

import numpy as np
from typing_extensions import Doc

from qflock.core.errors import UserError

PLAIN = (bool, int, float, str)


class Option(NamedTuple):
    """A setting: its type, its default and a line of help."""

    type: Any
    default: Any
    help: str


def of_constructor(
    function: Any, leave_out: Iterable[str] = (), owner: str = "the environment"
) -> dict[str, Option]:
    """The parameters of a function or class whose defaults are plain values, by name.

    Plain are bool, int, float, str, tuples and flat NumPy arrays of them, and None where the annotation
    says what else a parameter may be. All others (functions, JAX arrays, no default) are left out.

    Args:
        function: what is called to make the environment: a function or a class.
        leave_out: parameters that are no settings.
        owner: whose parameters they are, for the help.
    """
    constructor = function.__init__ if isinstance(function, type) else function
    annotations = hints(constructor)
    options = {}
    for name, parameter in inspect.signature(constructor).parameters.items():
        if name in leave_out or name == "name" or parameter.default is inspect.Parameter.empty:
            continue
        option = of_default(parameter.default, annotations.get(name), f"{owner}'s own parameter {name}.")
        if option is not None:
            options[name] = option
    return options


def hints(function: Any) -> dict[str, Any]:
    """The annotations of a function's parameters; those that cannot be read say nothing."""
    try:
        return get_type_hints(function)
    except Exception:
        return {}


def of_default(default: Any, hint: Any, about: str) -> Option | None:
    """The setting for a parameter with this default and annotation; None where it is not plain.

    Args:
        default: of the parameter.
        hint: its annotation; None where it has none.
        about: the help.
    """
    if isinstance(default, np.ndarray) and default.ndim == 1:
        default = tuple(default.tolist())
    wanted = _type_of(default, hint)
    return None if wanted is None else Option(wanted, default, about)


def _type_of(default: Any, hint: Any) -> Any:
    """The type of a setting with this default; None where it is not plain."""
    if _is_plain(hint):
        return hint
    if type(default) in PLAIN:
        return type(default)
    if isinstance(default, tuple) and default and {type(x) for x in default} <= set(PLAIN):
        return tuple[type(default[0]), ...]
    return None


def _is_plain(hint: Any) -> bool:
    """Whether an annotation is one of a plain value, or of one or None."""
    if get_origin(hint) in (Union, types.UnionType):
        return all(option in (*PLAIN, types.NoneType) for option in get_args(hint))
    return hint in PLAIN


def config_class(name: str, options: Mapping[str, Option]) -> type:
    """A frozen dataclass of these settings; the help stands beside each type.

    Args:
        name: of the environment, for the docstring.
        options: by the settings' names.
    """
    fields = [
        (key, Annotated[option.type, Doc(option.help)], dataclasses.field(default=option.default))
        for key, option in options.items()
    ]
    cls = dataclasses.make_dataclass("Config", fields, frozen=True)
    cls.__doc__ = f"Settings of {name}."
    cls.__module__ = __name__
    return cls


def values(config: Any) -> dict[str, Any]:
    """The settings in a `config_class`, by name."""
    return {field.name: getattr(config, field.name) for field in dataclasses.fields(config)}


def again(name: str, settings: Mapping[str, Any]) -> Any:
    """An environment made once more from its name: what a bridge's environments are pickled as.

    Args:
        name: the environment's.
        settings: all of them, by name.
    """
    from qflock.settings import config, trust

    trust.name(name)  # whoever unpickles runs what the pickle says
    return config.make_environment(name, config.environment_settings(name, settings))


def library(name: str, extra: str = "") -> Any:
    """Import the library that a bridge needs.

    Args:
        name: of the module.
        extra: qflock's extra that installs it; empty where none does.

    Raises:
        UserError: it is not installed, or fails when imported; the message says what to install.
    """
    try:
        return importlib.import_module(name)
    except ImportError as problem:
        reason = " ".join(str(problem).split())
        install = f"'qflock[{extra}]'" if extra else name
        raise UserError(f"{name} cannot be imported ({reason}): pip install {install}") from problem
