"""Lengths of schedules as shares of a run: ``lr_decay: 100%`` lasts as long as the run, whatever that is.

Settings that count environment steps are marked where they are declared: ``Annotated[int, of_steps]``. Where
settings are resolved a share becomes the number of steps that it is, so that a run which is made longer later
keeps its schedules.
"""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Any, get_args, get_type_hints

from qflock.core.errors import UserError


class _OfSteps:
    """The mark of a setting that may be given as a share of ``total_steps``."""


of_steps = _OfSteps()
_SHARE = re.compile(r"\s*(\d+(?:\.\d+)?)\s*%\s*")


def shareable(*forms: type) -> set[str]:
    """Names of the settings that may be shares of a run.

    Args:
        forms: settings classes.
    """
    return set().union(*map(_shareable, forms))


@functools.cache
def _shareable(form: type) -> frozenset[str]:
    # Of every base: a class that gives a setting another default keeps the mark.
    hints = [item for base in form.__mro__ for item in get_type_hints(base, include_extras=True).items()]
    return frozenset(name for name, hint in hints if of_steps in get_args(hint))


def read(value: Any) -> float | None:
    """The percentage that a value states, in [0, 100]; None for what is no share.

    Args:
        value: of a setting, as it was given: ``"5%"``.

    Raises:
        ValueError: more than the whole.
    """
    found = _SHARE.fullmatch(value) if isinstance(value, str) else None
    if found is None:
        return None
    if float(found[1]) > 100:
        raise ValueError(f"expected a share of total_steps, at most 100%, got {value!r}")
    return float(found[1])


def steps(percentage: float, total_steps: int) -> int:
    """The environment steps that a share of a run is.

    Args:
        percentage: in [0, 100].
        total_steps: of the run.
    """
    return max(1, round(percentage / 100 * total_steps)) if percentage else 0  # 0 means "not at all"


def counted(argv: Sequence[str], names: Iterable[str], total_steps: int) -> list[str]:
    """A command's arguments with steps in the place of shares.

    Args:
        argv: the arguments as typed.
        names: of the settings that may be shares.
        total_steps: of the run.

    Raises:
        UserError: more than the whole.
    """
    words, options = list(argv), {f"--{name}" for name in names}
    for at, word in enumerate(words):
        option, equals, value = word.partition("=")
        if not equals and at:
            option, value = words[at - 1], word
        if option.replace("-", "_").replace("__", "--", 1) not in options:
            continue
        try:
            percentage = read(value)
        except ValueError as problem:
            raise UserError(f"{option}: {problem}") from None
        if percentage is not None:
            words[at] = f"{option}{equals}" * bool(equals) + str(steps(percentage, total_steps))
    return words


def texts(percentages: Mapping[str, float]) -> dict[str, str]:
    """Shares as settings give them.

    Args:
        percentages: by setting.
    """
    return {name: f"{percentage}%" for name, percentage in percentages.items()}
