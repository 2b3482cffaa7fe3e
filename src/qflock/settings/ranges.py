"""A range stands beside its field: ``lr: Annotated[float, above(0)] = 5e-4``.

The field's type stays the plain one for all that reads settings. A subclass that gives a field another
default, ``lr: float = 1e-3``, keeps the range; one that annotates another range replaces it. What ties
several fields together stands in ``__post_init__``, after `check`, with `need`.
"""

from __future__ import annotations

import dataclasses
import functools
import inspect
from math import inf
from typing import Any, get_args, get_type_hints

from qflock.core.errors import UserError


@dataclasses.dataclass(frozen=True)
class Range:
    """What a number, or each number of a tuple, may be. NaN lies in no range.

    Attributes:
        says: what an error tells after the value: ``it must be above 0``.
        low, high: the ends.
        open_low, open_high: whether an end itself is out.
        besides: a value that is no number and allowed too.
    """

    says: str
    low: float = -inf
    high: float = inf
    open_low: bool = False
    open_high: bool = False
    besides: Any = None

    def holds(self, value: Any) -> bool:
        """Whether a value lies in the range."""
        if self.besides is not None and value == self.besides:
            return True
        numbers = value if isinstance(value, tuple | list) else (value,)
        return all(map(self._inside, numbers))

    def _inside(self, number: float) -> bool:
        above = number > self.low if self.open_low else number >= self.low
        return above and (number < self.high if self.open_high else number <= self.high)


def above(low: float, *, finite: bool = False) -> Range:
    """More than ``low``.

    Args:
        low: the end, which does not belong to it.
        finite: whether infinity is refused.
    """
    return Range(f"it must be above {low}", low, open_low=True, open_high=finite)


def at_least(low: float, *, finite: bool = False, besides: Any = None) -> Range:
    """``low`` or more.

    Args:
        low: the least value.
        finite: whether infinity is refused.
        besides: as `Range` has it.
    """
    says = f"it must be at least {low}" if low else "it must not be negative"
    return Range(says, low, open_high=finite, besides=besides)


def at_most(high: float) -> Range:
    """``high`` or less."""
    return Range(f"it must be at most {high}", high=high)


def between(low: float, high: float, ends: str = "[]", written: str = "") -> Range:
    """From ``low`` to ``high``.

    Args:
        low, high: the ends.
        ends: whether they belong to it, as mathematics writes it: ``[]``, ``(]``, ``[)``, ``()``.
        written: the range as errors show it, where its numbers are no good reading.
    """
    says = f"it must lie in {written or f'{ends[0]}{low}, {high}{ends[1]}'}"
    return Range(says, low, high, ends[0] == "(", ends[1] == ")")


WIDTHS = Range("widths must be at least 1", low=1)
"""Of hidden layers."""


@functools.cache
def ranges(form: type) -> dict[str, tuple[Range, ...]]:
    """The ranges of a settings class by field, those of its parents included.

    Args:
        form: a dataclass.
    """
    found: dict[str, tuple[Range, ...]] = {}
    for kind in reversed(form.__mro__):
        own = inspect.get_annotations(kind)
        hints = get_type_hints(kind, include_extras=True) if own else {}
        for name in own:
            limits = tuple(extra for extra in get_args(hints[name])[1:] if isinstance(extra, Range))
            if limits:
                found[name] = limits
    return found


def check(config: Any) -> None:
    """Refuse settings out of their ranges; for ``__post_init__``.

    Args:
        config: an instance of a dataclass.

    Raises:
        UserError: names the first such field, its value and its range.
    """
    for name, limits in ranges(type(config)).items():
        value = getattr(config, name)
        for limit in limits:
            need(limit.holds(value), f"{name} is {value}; {limit.says}")


def need(true: bool, message: str) -> None:
    """Refuse settings that cannot work together.

    Args:
        true: the condition.
        message: the line that the user gets.

    Raises:
        UserError: with the message, where the condition is not true.
    """
    if not true:
        raise UserError(message)
