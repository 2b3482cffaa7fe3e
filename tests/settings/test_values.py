"""One conversion for values from YAML, from Python and from the command line."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

import pytest

from qflock.settings.values import convert, describe


@pytest.mark.parametrize(
    ("value", "wanted", "found"),
    [
        (3, float, 3.0),
        ("1e-3", float, 0.001),
        ("inf", float, float("inf")),
        ("1_000", int, 1000),
        ("4e6", int, 4_000_000),
        ("-2", int, -2),
        ("true", bool, True),
        ("False", bool, False),
        ("none", float | None, None),
        (None, tuple[int, ...] | None, None),
        ("64, 32", tuple[int, ...], (64, 32)),
        ([1, 2], tuple[float, float], (1.0, 2.0)),
        ((1,), list[int], [1]),
        ([], tuple[int, ...], ()),
        ("3", Literal[1, 3], 3),
        ("a/b", Path, Path("a/b")),
        ("x", int | str, "x"),
        ({"any": 1}, dict, {"any": 1}),
    ],
)
def test_conversions(value: Any, wanted: Any, found: Any) -> None:
    result = convert(value, wanted)
    assert result == found
    assert type(result) is type(found)


@pytest.mark.parametrize(
    ("value", "wanted"),
    [
        ("1.0", int),
        ("1e-3", int),
        ("1e400", int),
        ("nan", float),
        ("", float),
        ("yes", bool),
        (1, Literal["1"]),
        (True, Literal[1, 3]),
        (1, str),
        ([None], tuple[int, ...]),
        ({"a": 1}, tuple[str, ...]),
        ("none", int),
    ],
)
def test_refusals(value: Any, wanted: Any) -> None:
    with pytest.raises(ValueError, match="expected") as raised:
        convert(value, wanted)
    assert str(raised.value) == f"expected {describe(wanted)}, got {value!r}"
