"""Deviations of a Gaussian policy that are parameters by themselves, the same whatever an agent sees."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax.numpy as jnp
from jaxtyping import Array, Float

from qflock.core.steps import Memory


class FreeDeviation(eqx.Module):
    """A network of the means alone, and one logarithm of a deviation for each of them behind these."""

    network: Any
    log_deviation: Float[Array, "D"]

    def __call__(self, x: Float[Array, "I"]) -> Float[Array, "F"]:
        return jnp.concatenate([self.network(x), self.log_deviation])


class FreeDeviationWithMemory(FreeDeviation):
    """The same of a network that remembers."""

    def initial(self) -> Memory:
        """The memory where an episode begins."""
        return self.network.initial()

    def __call__(self, memory: Memory, x: Float[Array, "I"]) -> tuple[Memory, Float[Array, "F"]]:
        """The memory after a step, and outputs.

        Args:
            memory: of the network.
            x: features, ``(I,)``.
        """
        memory, means = self.network(memory, x)
        return memory, jnp.concatenate([means, self.log_deviation])


def free(network: Any, size: int) -> FreeDeviation:
    """A network with free deviations, all 1 at first.

    Args:
        network: of the means.
        size: how many means, D.
    """
    kind = FreeDeviationWithMemory if hasattr(network, "initial") else FreeDeviation
    return kind(network, jnp.zeros(size))
