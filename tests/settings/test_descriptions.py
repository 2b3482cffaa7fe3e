"""Words about settings are found wherever they may stand."""

from __future__ import annotations

from dataclasses import dataclass, fields, make_dataclass
from typing import Annotated

import pytest
from typing_extensions import Doc

from qflock.settings import descriptions, registry
from qflock.settings.run import RunSettings


@dataclass(frozen=True)
class Parent:
    """Not a field's."""

    first: int = 1
    """The first,
    in two lines."""
    second: int = 2  # the second
    third: Annotated[int, "no text"] = 3
    fourth: Annotated[int, Doc("the fourth")] = 4
    fifth: int = 5
    """The fifth."""


@dataclass(frozen=True)
class Child(Parent):
    first: int = 10
    fifth: int = 50
    """Another fifth."""


def test_words_stand_beneath_beside_or_in_the_type() -> None:
    assert descriptions.of(Parent) == {
        "first": "The first, in two lines.",
        "second": "the second",
        "fourth": "the fourth",
        "fifth": "The fifth.",
    }


def test_a_child_keeps_its_parents_words_unless_it_has_its_own() -> None:
    assert descriptions.of(Child) == {**descriptions.of(Parent), "fifth": "Another fifth."}


def test_a_class_without_a_file_has_none() -> None:
    assert descriptions.of(make_dataclass("Made", [("a", int, 1)])) == {}


@pytest.mark.parametrize("algorithm", registry.names("algorithms"))
def test_every_setting_of_ours_is_described(algorithm: str) -> None:
    for form in (RunSettings, registry.algorithm(algorithm).Config):
        assert [f.name for f in fields(form) if not descriptions.of(form).get(f.name)] == []
