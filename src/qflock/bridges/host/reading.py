"""What environments hand over, as the numbers that they promised. Imports no JAX.

What is meant plainly is taken: an array of one element for a number, another type that holds the same values,
axes of length 1 more or fewer. All else is an `Unpromised` that says what came and what was promised.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np

from qflock.core.errors import UserError, shown

NUMBERS = "fiub"
"""Kinds of NumPy's types that are numbers."""
LARGEST = float(np.finfo(np.float32).max)


class Unpromised(Exception):
    """An environment hands over something else than it promised; the message says what, in one line."""


@contextlib.contextmanager
def told(owner: str, step: int) -> Iterator[None]:
    """`Unpromised` as a line for the user.

    Args:
        owner: name of the environment.
        step: of the episode; 0 at its reset.

    Raises:
        UserError: for an `Unpromised`, with the environment and the step.
    """
    try:
        yield
    except Unpromised as problem:
        when = f"step {step}" if step else "reset"
        raise UserError(f"{owner}: {problem} ({when})") from None


def parts(came: Any, library: str, call: str, wanted: str) -> tuple[Any, ...]:
    """What ``reset`` or ``step`` returned, taken apart.

    Args:
        came: what was returned.
        library: whose environment it is, for the message.
        call: by whom, as in ``"reset()"``.
        wanted: what it should be, as in ``"observations, infos"``.
    """
    count = wanted.count(",") + 1
    if isinstance(came, (tuple, list)) and len(came) == count:
        return tuple(came)
    many = f"{len(came)} values" if isinstance(came, (tuple, list)) else f"a {type(came).__name__}"
    raise Unpromised(f"{call} returned {many}; {library}'s returns {count}: {wanted}")


def by_agent(came: Any, what: str) -> Mapping[Any, Any]:
    """A dictionary by agent.

    Args:
        came: what was handed over.
        what: it is, for the message.
    """
    if isinstance(came, Mapping):
        return came
    raise Unpromised(f"the {what} are {described(came)}; PettingZoo's are a dictionary by agent")


def number(came: Any, what: str) -> float:
    """One finite number: Python's, NumPy's, or an array of one element.

    Args:
        came: what was handed over.
        what: it is, for the message.
    """
    found = _array(came)
    if found is None or found.size != 1:
        raise Unpromised(f"{what} is {described(came)}; it must be one number")
    one = float(found.item())
    if not abs(one) <= LARGEST:
        raise Unpromised(f"{what} is {one:g}; it must be a finite number of 32 bits")
    return one


def flag(came: Any, what: str) -> bool:
    """True or False, however it is written: Python's, NumPy's, 0 or 1, or an array of one element.

    Args:
        came: what was handed over.
        what: it is, for the message.
    """
    found = _array(came)
    if found is None or found.size != 1 or found.item() not in (0, 1):
        raise Unpromised(f"{what} is {described(came)}; it must be True or False")
    return bool(found.item())


def mask(came: Any, count: int, what: str) -> np.ndarray:
    """Which actions are legal, ``(count,)``, in an array of its own.

    Args:
        came: what was handed over.
        count: of the agent's actions.
        what: it is, for the message.
    """
    found = _array(came)
    if found is None or not np.isin(found, (0, 1)).all():
        raise Unpromised(f"{what} is {described(came)}; it must hold 0 or 1 for each action")
    if found.size != count:
        raise Unpromised(f"{what} has {_entries(found.size)}; the agent has {count} actions")
    return found.astype(bool).ravel()


def numbers(
    came: Any,
    shape: tuple[int, ...],
    dtype: np.dtype,
    what: str,
    promise: str = "its space",
    advice: str = "",
) -> np.ndarray:
    """Numbers of a shape, flat, in an array of its own.

    Args:
        came: what was handed over.
        shape: that was promised.
        dtype: of the result; whole numbers must keep their values, others may be rounded.
        what: it is, for the message.
        promise: what promised the shape.
        advice: the end of the message.
    """
    found = _array(came)
    if found is None:
        raise Unpromised(f"{what} is {described(came)}, {promise} says {_size(shape, shape)}{advice}")
    if not _fits(found.shape, shape):
        says = str(int(np.prod(shape))) if _flat(found.shape, shape) else str(shape)
        raise Unpromised(f"{what} has {_size(found.shape, shape)}, {promise} says {says}{advice}")
    with np.errstate(invalid="ignore", over="ignore"):
        kept = found.astype(dtype).ravel()
    if dtype.kind == "f":
        bad = ~np.isfinite(kept)
    else:
        bad = kept != found.ravel() if found.dtype != dtype else np.zeros(kept.shape, bool)
    if bad.any():
        one = found.ravel()[bad][0].item()
        raise Unpromised(f"{what} holds {one!r}, {promise} says finite numbers of {dtype}{advice}")
    return kept


def _array(came: Any) -> np.ndarray | None:
    """Numbers as an array; None where there are none."""
    try:
        found = np.asarray(came)
    except Exception:  # ragged lists, and whatever objects do when they are made arrays
        return None
    return found if found.dtype.kind in NUMBERS else None


def _fits(came: tuple[int, ...], promised: tuple[int, ...]) -> bool:
    """Whether shapes differ by axes of length 1 alone, or the one that came is flat."""
    thin = lambda shape: tuple(n for n in shape if n != 1)
    return thin(came) == thin(promised) or thin(came) == (int(np.prod(promised)),)


def _size(came: tuple[int, ...], promised: tuple[int, ...]) -> str:
    """A shape in words: the number of entries, where that says it."""
    return _entries(int(np.prod(came)), "number") if _flat(came, promised) else f"shape {came}"


def _flat(came: tuple[int, ...], promised: tuple[int, ...]) -> bool:
    return len(came) <= 1 and len(promised) <= 1


def _entries(count: int, noun: str = "entry") -> str:
    many = f"{noun[:-1]}ies" if noun.endswith("y") else f"{noun}s"
    return f"{count} {noun if count == 1 else many}"


def described(came: Any) -> str:
    """What came, short."""
    if isinstance(came, np.ndarray):
        return f"an array of shape {came.shape}" if came.size > 4 else f"the array {came.tolist()}"
    return shown(came)
