"""Ranges of settings: every number has one, and it refuses what lies just outside, nothing inside."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import Annotated, Any, get_args, get_type_hints

import pytest
from hypothesis import given
from hypothesis import strategies as st

from qflock.core.errors import UserError
from qflock.settings import registry
from qflock.settings.ranges import WIDTHS, Range, above, at_least, at_most, between, check, ranges
from qflock.settings.run import RunSettings

FORMS = {
    "a run": RunSettings,
    **{name: registry.algorithm(name).Config for name in registry.names("algorithms")},
}
FREE = {"seed", "groups", "burn_in", "buffer_capacity"}
"""Numbers whose ends other settings set; checks across fields refuse them."""
BESIDE = {
    "num_envs": {"minibatches": 1, "train_frequency": 1},
    "num_steps": {"row_length": 1, "train_frequency": 1},
    "batch_size": {"row_length": 1},
    "n_step": {"row_length": 8},
    **{name: {"sampler": "spsa"} for name in ("lr_angles", "lr_input_scaling", "lr_output_scaling")},
    "circuit_shots": {"estimator": "penalty", "distil_steps": 0},
}
"""Settings that small values of another need: they must divide it, or use it."""
LIMITS = [
    pytest.param(form, name, limit, id=f"{owner}-{name}-{number}")
    for owner, form in FORMS.items()
    for name, limits in ranges(form).items()
    for number, limit in enumerate(limits)
]


def kinds(hint: Any) -> set[Any]:
    """The types within a type."""
    return {hint}.union(*map(kinds, get_args(hint)))


def as_given(form: type, name: str, number: float) -> Any:
    """A number as the field takes it: a tuple of widths has it behind a good one, as long as the default."""
    default = getattr(form, name)
    if isinstance(default, tuple):
        return (*default[1:], int(number))
    return type(default)(number)


def ends(form: type, name: str, limit: Range) -> tuple[list[Any], list[Any]]:
    """Values next to the ends of a range: the ones outside and the ones inside."""
    whole = float not in kinds(get_type_hints(form)[name])
    outside, inside = ([] if whole else [math.nan]), []
    for end, is_open, away in ((limit.low, limit.open_low, -1), (limit.high, limit.open_high, 1)):
        if math.isinf(end):
            if is_open:
                outside.append(end)
            continue
        beyond, within = (
            (end + away, end - away)
            if whole
            else (math.nextafter(end, away * math.inf), math.nextafter(end, -away * math.inf))
        )
        outside += [beyond, end] if is_open else [beyond]
        inside += [within] if is_open else [within, end]
    return [as_given(form, name, n) for n in outside], [as_given(form, name, n) for n in inside]


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS.keys())
def test_every_number_has_a_range(form: type) -> None:
    hints = get_type_hints(form)
    numbers = {field.name for field in fields(form) if kinds(hints[field.name]) & {int, float}}
    assert numbers - set(ranges(form)) <= FREE
    assert not FREE & set(ranges(form))
    assert set(ranges(form)) <= numbers


@pytest.mark.parametrize(("form", "name", "limit"), LIMITS)
def test_a_value_next_to_the_end_of_a_range(form: Any, name: str, limit: Range) -> None:
    outside, inside = ends(form, name, limit)
    assert outside
    assert inside
    for value in outside:
        with pytest.raises(UserError) as refused:
            form(**{name: value})
        assert str(refused.value) == f"{name} is {value}; {limit.says}"
    others = {other: one for other, one in BESIDE.get(name, {}).items() if hasattr(form, other)}
    for value in inside:
        assert getattr(form(**{name: value, **others}), name) == value


@dataclass(frozen=True)
class Parent:
    lr: Annotated[float, above(0)] = 0.1
    share: Annotated[float, between(0, 1, "[)")] = 0.5
    count: Annotated[int, at_least(1), at_most(9)] = 3
    hidden: Annotated[tuple[int, ...], WIDTHS] = (2, 2)
    rest: Annotated[float, at_least(0, finite=True)] = 0.0
    devices: Any = 1
    free: float = 0.0

    def __post_init__(self) -> None:
        check(self)


@dataclass(frozen=True)
class Child(Parent):
    lr: float = 0.2
    count: Annotated[int, at_least(0)] = 0
    devices: Annotated[Any, at_least(1, besides="all")] = "all"


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"lr": 0.0}, "lr is 0.0; it must be above 0"),
        ({"lr": math.nan}, "lr is nan; it must be above 0"),
        ({"share": 1.0}, "share is 1.0; it must lie in [0, 1)"),
        ({"share": -0.1}, "share is -0.1; it must lie in [0, 1)"),
        ({"count": 0}, "count is 0; it must be at least 1"),
        ({"count": 10}, "count is 10; it must be at most 9"),
        ({"hidden": (2, 0)}, "hidden is (2, 0); widths must be at least 1"),
        ({"rest": -1.0}, "rest is -1.0; it must not be negative"),
        ({"rest": math.inf}, "rest is inf; it must not be negative"),
    ],
)
def test_what_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError) as refused:
        Parent(**wrong)
    assert str(refused.value) == message


def test_what_is_accepted() -> None:
    Parent(lr=math.inf, share=0.0, count=9, hidden=(), free=math.nan)


def test_a_subclass_keeps_a_range_or_replaces_it() -> None:
    assert Child().count == 0
    assert Child(devices="all", count=10).devices == "all"
    wrongs: tuple[dict[str, Any], ...] = ({"lr": 0.0}, {"count": -1}, {"devices": 0}, {"share": 2.0})
    for wrong in wrongs:
        with pytest.raises(UserError, match=next(iter(wrong))):
            Child(**wrong)


@given(st.floats(-3, 3), st.floats(-3, 3), st.floats(-3, 3), st.sampled_from(["[]", "(]", "[)", "()"]))
def test_between(low: float, high: float, value: float, brackets: str) -> None:
    left = value > low if brackets[0] == "(" else value >= low
    right = value < high if brackets[1] == ")" else value <= high
    assert between(low, high, brackets).holds(value) == (left and right)
