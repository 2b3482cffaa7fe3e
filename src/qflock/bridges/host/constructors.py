"""What is called to make a host environment: its parameters as settings, and settings as its arguments.

The bridge has options of its own: how workers step, the clock, the state. Where a constructor has a
parameter of the same name, the name is the constructor's, and the bridge's option is called ``bridge_...``.
Imports no JAX: worker processes read it.
"""

from __future__ import annotations

import inspect
import json
from collections.abc import Iterable, Mapping
from typing import Any, Literal, NamedTuple

import numpy as np

from qflock.bridges._options import Option, hints, of_default
from qflock.core.errors import UserError, unknown
from qflock.settings import values

PREFIX = "bridge_"
LEFT_OUT = ("render_mode", "viewer", "screen", "env", "max_episode_steps", "name")
"""Parameters that are no settings: of pictures, what wrappers wrap, and ``name``, which is taken."""
UNKNOWN_CLOCK = 1000
"""Steps of an episode where neither the environment nor the user sets a limit."""
CLOCKS = ("max_cycles", "max_steps")
"""Parameters by which constructors limit an episode."""
ANYTHING = bool | int | float | str
"""The type of a setting for a parameter of which nothing is known."""
WORKERS = {
    "workers": Option(
        Literal["processes", "threads", "serial"],
        "processes",
        "Where copies are stepped; serial: right here.",
    ),
    "worker_count": Option(int, 0, "How many worker processes or threads; 0 for one on each core."),
    "evaluation_copies": Option(
        int, 0, "Copies that evaluations play in; 0 for half of training's beside them, and all after them."
    ),
    "patience": Option(
        float, 300.0, "Seconds that a constructor, reset or step may take before the worker is ended; 0: any."
    ),
    "memory_limit": Option(
        float, 0.0, "GiB that a worker process may hold, with what it starts, before it is ended; 0: any."
    ),
}
ARGUMENTS = Option(
    dict | None,
    None,
    """The constructor's further arguments by name, as JSON or YAML: '{"sizes": [3, 4]}'.""",
)
STATE = Option(
    Literal["own", "observations"],
    "own",
    "What mixers see: the environment's own state, where it has one, or all observations.",
)
SHARED = "Every agent is paid the same team reward"
SHARED_REWARD = Option(bool, False, f"{SHARED}; else the team's is the sum.")


class Constructor(NamedTuple):
    """What a constructor takes.

    Attributes:
        parameters: by name.
        annotations: of some of them, by name.
        open: it takes arguments of any further names too.
    """

    parameters: dict[str, inspect.Parameter]
    annotations: dict[str, Any]
    open: bool

    @property
    def settable(self) -> list[str]:
        """Names of parameters that may be settings."""
        return [name for name in self.parameters if name not in LEFT_OUT]


class Call(NamedTuple):
    """How an environment is made, and for how long it is played.

    Attributes:
        arguments: of the constructor.
        horizon: steps after which an episode is cut off.
        state: "own", or "observations" to leave the environment's own state aside.
    shared: whether every agent is paid the same team reward.
    """

    arguments: dict[str, Any]
    horizon: int
    state: str
    shared: bool


def read(makers: Iterable[Any]) -> Constructor:
    """What a chain of functions and classes takes: each counts while the one before takes ``**kwargs``.

    Args:
        makers: what is called first, then what that passes its further arguments on to.
    """
    parameters: dict[str, inspect.Parameter] = {}
    annotations: dict[str, Any] = {}
    passes_on = True
    for function, first in _flat(makers):
        try:
            signature = list(inspect.signature(function).parameters.values())[first:]
        except (ValueError, TypeError):  # what is written in C may show none
            break
        passes_on = any(p.kind is p.VAR_KEYWORD for p in signature)
        named = {p.name: p for p in signature if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)}
        parameters |= {n: p for n, p in named.items() if n not in parameters}
        annotations = {**hints(function), **annotations}
        if not passes_on:
            break
    return Constructor(parameters, annotations, passes_on)


def _flat(makers: Iterable[Any]) -> Iterable[tuple[Any, int]]:
    """Functions, with how many of their first parameters are not the caller's: of a class its bases' too."""
    for maker in makers:
        if not isinstance(maker, type):
            yield maker, 0
            continue
        own = [vars(base)["__init__"] for base in maker.__mro__[:-1] if "__init__" in vars(base)]
        yield from ((function, 1) for function in own)
        if not own:
            yield (lambda: None), 0


def names(constructor: Constructor) -> dict[str, str]:
    """What the bridge's own options are called, beside this constructor's parameters."""
    ours = ("max_steps", "arguments", "state", "shared_reward", *WORKERS)
    return {name: PREFIX + name if name in constructor.parameters else name for name in ours}


def options(
    constructor: Constructor, owner: str, preset: Mapping[str, Any], limit: int | None, own_state: bool
) -> dict[str, Option]:
    """The settings of an environment that this constructor makes: its own parameters, then the bridge's.

    Args:
        constructor: as `read`.
        owner: whose parameters they are, for the help.
        preset: arguments that have another default than the constructor says.
        limit: steps of an episode, where whoever registered the environment said so.
        own_state: whether environments of its sort may show a state of their own.
    """
    found: dict[str, Option] = {}
    for name in constructor.settable:
        option = _option(constructor, name, owner, preset)
        if option is not None:
            found[name] = option
    ours = names(constructor)
    if ours["max_steps"] != "max_steps":
        about = "Steps after which an episode is cut off; none: as the environment's own max_steps says."
        found[ours["max_steps"]] = Option(int | None, None, about)
    elif "max_cycles" not in constructor.parameters:
        about = "Steps after which an episode is cut off."
        found["max_steps"] = Option(int, limit or UNKNOWN_CLOCK, about)
    bridge = {"arguments": ARGUMENTS, **({"state": STATE} if own_state else {}), **WORKERS}
    bridge["shared_reward"] = SHARED_REWARD
    if ours["shared_reward"] != "shared_reward":
        about = f"{SHARED}; none: as the environment's own shared_reward says."
        bridge["shared_reward"] = Option(bool | None, None, about)
    return {**found, **{ours[name]: option for name, option in bridge.items()}}


def _option(constructor: Constructor, name: str, owner: str, preset: Mapping[str, Any]) -> Option | None:
    """The setting for one parameter; None where `arguments` alone can hold its value."""
    parameter, hint = constructor.parameters[name], constructor.annotations.get(name)
    about = f"{owner}'s own parameter {name}."
    default = preset.get(name, parameter.default)
    if default is not inspect.Parameter.empty:
        return of_default(default, hint, about)
    wanted = _needed(hint)
    return None if wanted is None else Option(wanted | None, None, f"Needed: {about}")


def _needed(hint: Any) -> Any:
    """The type of a setting for a parameter without a default; None where no option can hold its value."""
    if hint is None or hint is Any:
        return ANYTHING
    return hint if values.is_supported(hint) else None


def call(
    name: str,
    constructor: Constructor,
    settings: Mapping[str, Any],
    preset: Mapping[str, Any],
    limit: int | None,
) -> Call:
    """How to make an environment with these settings.

    Args:
        name: the environment's, for messages.
        constructor: as `read`.
        settings: by name, those of the bridge included.
        preset, limit: as for `options`.

    Raises:
        UserError: an argument that the constructor needs is missing, or one that it does not know is given.
    """
    rest, ours = dict(settings), names(constructor)
    bridge = {option: rest.pop(typed, None) for option, typed in ours.items()}
    more = bridge["arguments"] or {}
    if not constructor.open:
        for argument in more:
            if argument not in constructor.parameters:
                raise unknown(f"argument of {name}", argument, constructor.parameters)
    told = {name: value for name, value in rest.items() if not _unchanged(constructor, name, value, preset)}
    arguments = {**told, **more}
    missing = {n for n in constructor.parameters if rest.get(n) is None} - set(preset) - set(more)
    _need(name, constructor, missing, ours["arguments"])
    horizon = _horizon(constructor, {**preset, **arguments}, bridge["max_steps"], preset, limit)
    return Call(arguments, horizon, bridge["state"] or "own", shared(constructor, settings))


def _unchanged(constructor: Constructor, argument: str, value: Any, preset: Mapping[str, Any]) -> bool:
    """Whether a value is the default. A class may itself give its base what is a parameter of the base."""
    one = constructor.parameters.get(argument)
    default = preset.get(argument, one.default if one is not None else inspect.Parameter.empty)
    return value is default or bool(np.array_equal(value, default))


def _need(name: str, constructor: Constructor, missing: set[str], option: str) -> None:
    """Refuse a call without the arguments that have no default; ``option`` is the one for all the rest."""
    typed, mapped = [], {}
    for parameter, one in constructor.parameters.items():
        hint = constructor.annotations.get(parameter)
        wanted = _needed(hint) if parameter in constructor.settable else None
        if one.default is not inspect.Parameter.empty or parameter not in missing:
            continue
        if wanted is None:
            mapped[parameter] = "..."
        elif not _allows_none(hint):
            value = "VALUE" if wanted is ANYTHING else values.metavar(wanted).removesuffix("|none")
            typed.append(f"--env.{parameter} {value}")
    if mapped:
        typed.append(f"--env.{option} '{json.dumps(mapped)}'")
    if typed:
        raise UserError(f"{name} cannot be made without {' and '.join(typed)}")


def _allows_none(hint: Any) -> bool:
    try:
        return hint is not None and values.convert(None, hint) is None
    except ValueError:
        return False


def _horizon(
    constructor: Constructor,
    arguments: Mapping[str, Any],
    told: int | None,
    preset: Mapping[str, Any],
    registered: int | None,
) -> int:
    """Steps of an episode: the bridge's own limit, and the clock that the environment is made with."""
    clocks = []
    for name in CLOCKS:
        default = constructor.parameters[name].default if name in constructor.parameters else None
        given = arguments.get(name, default)
        if isinstance(given, int) and not isinstance(given, bool) and given > 0:
            clocks.append(given)
            if told is None and given != preset.get(name, default):
                registered = None  # whoever changes the environment's clock means this one
    limits = [*clocks, *([told or registered] if told or registered else [])]
    return min(limits, default=UNKNOWN_CLOCK)


def shared(constructor: Constructor, settings: Mapping[str, Any]) -> bool:
    """Whether all agents are paid the same: as the user says, else as the environment's own parameter does.

    Args:
        constructor: as `read`.
        settings: by name.
    """
    ours = names(constructor)["shared_reward"]
    told = settings.get(ours)
    if told is None and ours != "shared_reward":
        return settings.get("shared_reward") is True
    return bool(told)
