"""Input stages: what a network sees of a raw vector.

A stage belongs to the network's input, never to the environment: the environment's own numbers
stay raw, and a stage uses nothing but the vector it is given, so execution stays decentralised.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Shaped

from qflock.core.spec import Codes, Entities, Spec

NEAR, WORTH = 5.0, 8.0
"""Cells over which the magnified offset and the worth change."""
PAIRED = 8
"""Others among which distances are told; their pairs grow with the square."""


class Stage(NamedTuple):
    """A function from a raw vector to features, and how many features that are."""

    apply: Callable[[Shaped[Array, "N"]], Float[Array, "F"]]
    size: int


def scaled(size: int, scale: float) -> Stage:
    """The raw numbers divided by a typical largest value.

    Args:
        size: length of the raw vector.
        scale: what its numbers are divided by.
    """
    return Stage(lambda x: x.astype(jnp.float32) / scale, size)


def relative(size: int, groups: tuple[Entities, ...], scale: float, codes: tuple[Codes, ...] = ()) -> Stage:
    """Every entity as its offset from the observer (docs/environments/gridworld25.md), every code one-hot.

    Of each other entity: the offset, scaled by the extent to [-1, 1]; a magnified offset, clipped to
    [-1, 1], that tells near cells apart; its sign; the steps to it (Manhattan), scaled, and exp(-steps / 8),
    about what a discounted reward there is worth; all zero where the record is empty; and the
    presence flag. Of each two of them, up to 8 entities: the steps between them, in the same two forms.
    Of the observer: its coordinates scaled to [-1, 1]. Of each code: a feature for each value, 1 or 0.
    Numbers in no record are divided by ``scale``.
    (QMIX on GridWorld25v0 gains about 0.12 by the steps from the observer, and 0.015 by those between.)

    Args:
        size: length of the raw vector.
        groups: where the entities stand; several groups where the vector joins several views.
        scale: for the numbers that belong to no record.
        codes: where the codes stand.
    """
    taken = np.zeros(size, bool)
    for g in groups:
        for start in (g.own, *g.others):
            taken[start : start + g.coordinates] = True
            if g.present is not None:
                taken[start + g.present] = True
    for c in codes:
        taken[c.start : c.start + c.count * len(c.values)] = True
    rest = np.flatnonzero(~taken)

    readers = [_reader(g) for g in groups]

    def of_group(x: Float[Array, "N"], g: Entities, read: Callable[[Array], list[Array]]) -> list[Array]:
        own, offset, known, flag, one, two, *apart = read(x)
        seen = [offset / g.extent, jnp.clip(offset / NEAR, -1, 1), jnp.sign(offset)]
        steps, there = sum(map(jnp.abs, apart)), jnp.concatenate([flag, one * two])
        return [
            2 * own / g.extent - 1,
            *(part * known for part in seen),
            there * steps / (g.coordinates * g.extent),
            there * jnp.exp(-steps / WORTH),
            flag,
        ]

    def of_codes(x: Shaped[Array, "N"], c: Codes) -> list[Array]:
        records = x[c.start : c.start + c.count * len(c.values)].reshape(c.count, len(c.values))
        hot = [records[:, k, None] == np.array(known, x.dtype) for k, known in enumerate(c.values)]
        return [part.astype(jnp.float32).ravel() for part in hot]

    def apply(x: Shaped[Array, "N"]) -> Float[Array, "F"]:
        hot = [part for c in codes for part in of_codes(x, c)]
        x = x.astype(jnp.float32)
        offsets = [part for g, read in zip(groups, readers, strict=True) for part in of_group(x, g, read)]
        return jnp.concatenate([*offsets, *hot, x[rest] / scale])

    return Stage(apply, jax.eval_shape(apply, jax.ShapeDtypeStruct((size,), jnp.float32)).shape[0])


def _reader(g: Entities) -> Callable[[Float[Array, "N"]], list[Array]]:
    """The numbers of a group that features are made of, and differences of them.

    They come from one product with a matrix of 0, 1 and -1, which is exact. (Picked one by one they took a
    CPU as long as a layer of the network.)

    Returns:
        A function of the raw vector: own coordinates; offsets of others, flat; their flags, one for each
        offset, then one for each other; flags of the first and of the second of each pair; and for each
        coordinate the offsets of others, then of pairs.
    """
    others, along = np.array(g.others), np.arange(g.coordinates)
    pair, other = np.triu_indices(len(others) if len(others) <= PAIRED else 0, 1)
    places = (others[:, None] + along).ravel()
    flags = [] if g.present is None else [np.repeat(others, len(along)), others, others[pair], others[other]]
    blocks: list[tuple[np.ndarray, np.ndarray | None]] = [
        (g.own + along, None),
        (places, np.tile(g.own + along, len(others))),
        *((index + (g.present or 0), None) for index in flags),
        *(
            (
                np.concatenate([others, others[pair]]) + c,
                np.concatenate([np.full_like(others, g.own), others[other]]) + c,
            )
            for c in along
        ),
    ]
    used = np.concatenate([index for block in blocks for index in block if index is not None])
    low, high = used.min(), used.max() + 1
    widths = [len(plus) for plus, _ in blocks]
    matrix = np.zeros((high - low, sum(widths)), np.float32)
    starts = np.cumsum(widths) - widths
    for start, (plus, minus) in zip(starts, blocks, strict=True):
        columns = np.arange(start, start + len(plus))
        matrix[plus - low, columns] += 1
        if minus is not None:
            matrix[minus - low, columns] -= 1

    def read(x: Float[Array, "N"]) -> list[Array]:
        product = jnp.matmul(x[low:high], matrix, precision=jax.lax.Precision.HIGHEST)
        numbers = [product[start : start + width] for start, width in zip(starts, widths, strict=True)]
        if g.present is None:
            ones = [jnp.ones(len(n)) for n in (places, others, pair, other)]
            numbers[2:2] = ones
        return numbers

    return read


def _stage(
    size: int, groups: tuple[Entities, ...], codes: tuple[Codes, ...], scale: float, kind: str
) -> Stage:
    declared = kind == "relative" and (groups or codes)
    return relative(size, groups, scale, codes) if declared else scaled(size, scale)


def of_observation(spec: Spec, kind: str = "relative") -> Stage:
    """The stage for an agent's observation. ``kind`` "raw" leaves entities and codes as they are.

    Args:
        spec: of the environment.
        kind: "relative", or "raw".
    """
    return _stage(
        spec.observation, spec.observation_entities, spec.observation_codes, spec.observation_scale, kind
    )


def of_state(spec: Spec, kind: str = "relative") -> Stage:
    """The stage for the global state, which mixers and centralised critics see.

    Args:
        spec: of the environment.
        kind: "relative", or "raw".
    """
    return _stage(spec.state, spec.state_entities, spec.state_codes, spec.state_scale, kind)
