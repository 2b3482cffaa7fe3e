"""Random boards: cells that differ, drawn without a sort."""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Int, PRNGKeyArray


def distinct(key: PRNGKeyArray, count: int, among: int) -> list[Int[Array, ""]]:
    """``count`` distinct integers below ``among``, every ordered choice equally likely.

    Number k is drawn as a place among the ``among - k`` integers that are still free: no sort and no
    permutation of the grid, for a reset is paid in every step. (A remainder of 32 random bits
    favours no cell by more than ``among / 2**32``.)

    Args:
        key: of the draw.
        count: how many.
        among: above all of them.
    """
    bits = jax.random.bits(key, (count,), jnp.uint32)
    return free([(bits[k] % jnp.uint32(among - k)).astype(jnp.int32) for k in range(count)])


def free(places: list[Int[Array, ""]]) -> list[Int[Array, ""]]:
    """The integers that stand at these places among those that no earlier one has taken.

    Args:
        places: number k lies below what k earlier ones leave free.
    """
    numbers: list[Array] = []
    taken: list[Array] = []  # rising
    for number in places:
        for earlier in taken:
            number = number + (number >= earlier)
        numbers.append(number)
        for k, earlier in enumerate(taken):  # put it where it belongs
            taken[k], number = jnp.minimum(earlier, number), jnp.maximum(earlier, number)
        taken.append(number)
    return numbers
