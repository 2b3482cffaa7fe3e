"""Observation spaces for the fuzz: how an environment shows a value, and the numbers that it means.

The numbers are written down when a value is drawn; nothing here asks Gymnasium to flatten one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from gymnasium import spaces

Rng = np.random.Generator
Shown = tuple[Any, list[float]]
"""A value as the environment shows it, and the numbers that must come out."""


class Look(NamedTuple):
    """What an agent, or a state, looks like."""

    name: str
    space: spaces.Space
    size: int
    draw: Callable[[Rng], Shown]

    def __repr__(self) -> str:
        return f"{self.name} of {self.space}"


def _box(name: str, low: Any, high: Any, shape: tuple[int, ...], dtype: Any, value: Any) -> Look:
    size = int(np.prod(shape))

    def draw(rng: Rng) -> Shown:
        array = np.asarray(value(rng), dtype).reshape(shape)
        return array, [float(x) for x in array.ravel()]

    return Look(name, spaces.Box(low, high, shape, dtype), size, draw)


def floats(rng: Rng) -> Look:
    """Floats of any width."""
    size, dtype = int(rng.integers(1, 5)), rng.choice(["float16", "float32", "float64"])
    return _box(f"vector {dtype}", -9, 9, (size,), dtype, lambda r: r.integers(-32, 33, size) / 4)


def vector(rng: Rng) -> Look:
    """Floats; now and then a list, another width than promised, or a row."""
    look = floats(rng)
    if (manner := rng.choice(["array", "list", "double", "row"])) == "array":
        return look

    def draw(r: Rng) -> Shown:
        array, numbers = look.draw(r)
        if manner == "row":
            return array[None], numbers
        return (list(numbers) if manner == "list" else array.astype(np.float64)), numbers

    return look._replace(name=f"{look.name} as {manner}", draw=draw)


def scalar(rng: Rng) -> Look:
    """One number, of shape ``()``."""
    wrap = [float, np.float32, lambda x: np.array(x, np.float32), lambda x: np.array([x])][rng.integers(4)]

    def draw(r: Rng) -> Shown:
        number = float(r.integers(-4, 5)) / 4
        return wrap(number), [number]

    return Look("scalar", spaces.Box(-1, 1, (), np.float32), 1, draw)


def image(rng: Rng) -> Look:
    """An image of bytes."""
    shape = tuple(int(x) for x in rng.integers(1, 4, 3))
    return _box("image", 0, 255, shape, np.uint8, lambda r: r.integers(0, 256, shape))


def whole(rng: Rng) -> Look:
    """Small whole numbers of any width."""
    dtype = rng.choice(["int8", "int16", "int32", "int64"])
    return _box(f"whole {dtype}", -100, 100, (2,), dtype, lambda r: r.integers(-100, 101, 2))


def wide(rng: Rng) -> Look:
    """Whole numbers beyond 32 bits, or close to it."""
    dtype, low, high = [
        ("int64", -(2**45), 2**45),
        ("int64", 0, 2**31),
        ("uint64", 0, 2**60),
        ("uint32", 0, 2**32 - 1),
    ][rng.integers(4)]
    return _box(
        f"wide {dtype}", low, high, (2,), dtype, lambda r: r.integers(low, high, 2, dtype, endpoint=True)
    )


def discrete(rng: Rng) -> Look:
    """One of a few: as many numbers, one of them 1."""
    count, start = int(rng.integers(1, 5)), int(rng.choice([0, 0, 1, -1]))
    wrap = [int, np.int64, np.array, lambda x: np.array([x])][rng.integers(4)]

    def draw(r: Rng) -> Shown:
        at = int(r.integers(count))
        return wrap(start + at), [float(i == at) for i in range(count)]

    return Look("discrete", spaces.Discrete(count, start=start), count, draw)


def bits(rng: Rng) -> Look:
    """Zeros and ones."""
    shape = [(3,), (2, 2)][rng.integers(2)]

    def draw(r: Rng) -> Shown:
        array = r.integers(0, 2, shape, np.int8)
        return array, [float(x) for x in array.ravel()]

    return Look("bits", spaces.MultiBinary(list(shape)), int(np.prod(shape)), draw)


def several(rng: Rng) -> Look:
    """Several choices, each as many numbers as it has values."""
    counts = [int(x) for x in rng.integers(1, 4, 2)]

    def draw(r: Rng) -> Shown:
        picked = [int(r.integers(count)) for count in counts]
        numbers = [float(i == at) for at, count in zip(picked, counts, strict=True) for i in range(count)]
        return np.array(picked), numbers

    return Look("several", spaces.MultiDiscrete(counts), sum(counts), draw)


SIMPLE = (vector, vector, scalar, image, whole, wide, discrete, bits, several)


def parts(rng: Rng) -> dict[str, Look]:
    """Looks under names in alphabetical order, which is the order of their numbers."""
    names = sorted(rng.choice(["aim", "bag", "map", "obs", "observation", "pose"], 2, replace=False).tolist())
    return {name: SIMPLE[rng.integers(len(SIMPLE))](rng) for name in names}


def joined(named: dict[str, Look]) -> Look:
    """A Dict; its values come in no order."""

    def draw(r: Rng) -> Shown:
        drawn = {name: look.draw(r) for name, look in named.items()}
        order = r.permutation(list(drawn)).tolist()
        return {name: drawn[name][0] for name in order}, [x for name in drawn for x in drawn[name][1]]

    space = spaces.Dict({name: look.space for name, look in named.items()})
    return Look("dict", space, sum(look.size for look in named.values()), draw)


def pair(rng: Rng) -> Look:
    """A Tuple of two."""
    looks = [SIMPLE[rng.integers(len(SIMPLE))](rng) for _ in range(2)]

    def draw(r: Rng) -> Shown:
        drawn = [look.draw(r) for look in looks]
        return tuple(value for value, _ in drawn), [x for _, numbers in drawn for x in numbers]

    return Look("tuple", spaces.Tuple([x.space for x in looks]), sum(x.size for x in looks), draw)


def nested(rng: Rng) -> Look:
    """A Dict of a Dict and a Tuple."""
    return joined({"inner": joined(parts(rng)), "pair": pair(rng)})


def any_look(rng: Rng) -> Look:
    """Any of them."""
    makers = (*SIMPLE, *SIMPLE, pair, nested, lambda r: joined(parts(r)))
    return makers[rng.integers(len(makers))](rng)
