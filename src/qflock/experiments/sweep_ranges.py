"""Ranges of settings to search, and the trials drawn from them."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from scipy.stats import qmc

from qflock.core.errors import UserError, unknown
from qflock.settings.values import convert, plain

Search = Literal["random", "grid"]
FORMS = "a list of values, {log: [low, high]} or {uniform: [low, high]}"
DIGITS = 4  # of a drawn number: a setting that a person can type again


@dataclass(frozen=True)
class Range:
    """Where a setting is searched.

    Attributes:
        name: the setting.
        values: the choices; empty where the range is continuous.
        low, high: ends of a continuous range.
        log: whether it is even in the logarithm.
        points: how many values of it a grid takes; 0 where none are stated.
        whole: whether its values are whole numbers.
    """

    name: str
    values: tuple[Any, ...] = ()
    low: float = 0.0
    high: float = 0.0
    log: bool = False
    points: int = 0
    whole: bool = False

    def at(self, place: float) -> Any:
        """The value at a place in [0, 1): its quantile."""
        if self.values:
            return self.values[int(place * len(self.values))]
        low, high = (math.log(self.low), math.log(self.high)) if self.log else (self.low, self.high)
        if self.whole and not self.log:
            high += 1  # both ends count, each as much as any number between
        value = low + place * (high - low)
        value = math.exp(value) if self.log else value
        if self.whole:
            return min(max(round(value) if self.log else math.floor(value), int(self.low)), int(self.high))
        return min(max(float(f"{value:.{DIGITS}g}"), self.low), self.high)

    def grid(self) -> list[Any]:
        """The values that a grid takes, ends included.

        Raises:
            UserError: a continuous range that does not say how many.
        """
        if self.values:
            return list(self.values)
        if not self.points:
            raise UserError(f"a grid needs points for {self.name}, as in {{log: [1e-4, 1e-2], points: 5}}")
        space = np.geomspace if self.log else np.linspace
        values = space(self.low, self.high, self.points)
        if self.whole:
            return sorted({round(float(value)) for value in values})
        return [float(f"{value:.{DIGITS}g}") for value in values]


def read(statements: Mapping[str, Any], types: Mapping[str, Any], where: str) -> list[Range]:
    """Ranges as YAML states them.

    Args:
        statements: by setting: a list of values, ``{log: [low, high]}`` or ``{uniform: [low, high]}``, the
            latter two with ``points`` for a grid.
        types: the type of each setting that may be searched.
        where: what error messages start with.

    Raises:
        UserError: an unknown setting, a value of the wrong type, or a range that is none.
    """
    if not isinstance(statements, Mapping) or not statements:
        raise UserError(f"{where}: ranges are a mapping of settings to {FORMS}")
    ranges = []
    for name, statement in statements.items():
        if name not in types:
            raise UserError(f"{where}: {unknown('setting', str(name), types)}")
        try:
            ranges.append(_range(name, statement, types[name]))
        except ValueError as problem:
            raise UserError(f"{where}: range of {name}: {problem}") from None
    return ranges


def draw(ranges: Sequence[Range], search: Search, trials: int, seed: int) -> list[dict[str, Any]]:
    """The settings of every trial, the same for the same arguments.

    Args:
        ranges: of the settings to search.
        search: ``random`` draws a Latin hypercube (McKay, Beckman and Conover, 1979): random, with each
            setting's values spread evenly. ``grid`` takes all combinations.
        trials: how many; 0 for as many as the grid has.
        seed: of the drawing.

    Raises:
        UserError: a grid of another size than ``trials``.
    """
    if search == "grid":
        combinations = list(itertools.product(*(r.grid() for r in ranges)))
        if trials not in (0, len(combinations)):
            raise UserError(f"the grid has {len(combinations)} trials, not {trials}; leave trials out")
        return [dict(zip((r.name for r in ranges), some, strict=True)) for some in combinations]
    places = qmc.LatinHypercube(len(ranges), rng=np.random.default_rng(seed)).random(trials)
    return [{r.name: r.at(float(u)) for r, u in zip(ranges, row, strict=True)} for row in places]


def _range(name: str, statement: Any, kind: Any) -> Range:
    if isinstance(statement, (list, tuple)):
        if not statement:
            raise ValueError("the list is empty")
        values = tuple(convert(value, kind) for value in statement)
        if len({str(plain(value)) for value in values}) < len(values):
            raise ValueError(f"a value stands twice in {plain(statement)}")
        return Range(name, values)
    if not isinstance(statement, Mapping) or len({"log", "uniform"} & set(statement)) != 1:
        raise ValueError(f"expected {FORMS}, got {plain(statement)!r}")
    if wrong := sorted(map(str, set(statement) - {"log", "uniform", "points"})):
        raise unknown("key", wrong[0], ("log", "uniform", "points"))
    if kind not in (int, float):
        raise ValueError("only a number has ends; give a list of values")
    log = "log" in statement
    ends = statement["log" if log else "uniform"]
    if not isinstance(ends, (list, tuple)) or len(ends) != 2:
        raise ValueError(f"expected [low, high], got {plain(ends)!r}")
    low, high = (convert(end, kind) for end in ends)
    if not (math.isfinite(low) and math.isfinite(high) and low < high) or (log and low <= 0):
        raise ValueError(f"low must lie below high{' and above 0' * log}, got {plain(ends)!r}")
    points = convert(statement.get("points", 0), int)
    if points < 2 and "points" in statement:
        raise ValueError("a grid needs at least 2 points")
    return Range(name, (), low, high, log, points, kind is int)
