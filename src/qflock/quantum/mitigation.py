"""What can be done against errors afterwards: extrapolation to no noise, and inversion of read-out errors.

Both leave the mean nearer to the truth and its error larger: measurements must grow with what they take off.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from qflock.core.errors import UserError
from qflock.quantum.noise import Noise


def amplified(noise: Noise, scale: float) -> Noise:
    """A channel that acts as if it stood so many times at each place: a gate's error, made larger.

    A channel shrinks what it disturbs by 1 - p / most; most is 3/4 (depolarizing) or 1/2 (flips). So many
    of them shrink it by that to the power of ``scale``, which need not be whole.

    Args:
        noise: the channel.
        scale: 1 for itself, 0 for none.

    Raises:
        UserError: a negative scale, or noise that does more than erase.
    """
    most = 3 / 4 if noise.kind == "depolarizing" else 1 / 2
    if scale < 0 or noise.probability > most:
        raise UserError(
            f"noise {noise.kind} of probability {noise.probability:g} cannot be scaled by {scale:g}: the "
            f"scale must not be negative, nor the probability above {most:g}"
        )
    return replace(noise, probability=most * (1 - (1 - noise.probability / most) ** scale))


def richardson(scales: Sequence[float]) -> Float[np.ndarray, "S"]:
    """The weights by which values at scales of noise make the value at none: a polynomial through them all
    (Richardson 1911; Temme, Bravyi and Gambetta 2017).

    Args:
        scales: at which values were measured, S different ones, such as 1, 2, 3.

    Returns:
        Weights of sum 1; the variance of the result is the sum of their squares times that of a value.

    Raises:
        UserError: fewer than two scales, or two alike.
    """
    found = np.asarray(scales, float)
    if len(found) < 2 or len(set(scales)) < len(found):
        raise UserError(
            f"scales of noise are {tuple(scales)}; give two or more different ones, such as 1, 2, 3"
        )
    pairs = found[None] / (found[None] - found[:, None] + np.eye(len(found)))
    return np.where(np.eye(len(found), dtype=bool), 1.0, pairs).prod(1)


def extrapolated(values: Float[Array, "S K"], scales: Sequence[float]) -> Float[Array, "K"]:
    """Values without noise, of those measured at several scales of it.

    Args:
        values: a row for each scale, ``(S, K)``.
        scales: of noise, S different ones.
    """
    return jnp.asarray(richardson(scales), jnp.float32) @ values


def read_out(
    chances: Float[Array, "2^n"], flips: Float[np.ndarray, "n 2"], invert: bool = False
) -> Float[Array, "2^n"]:
    """Chances of basis states as they are read, where each qubit is misread by itself; or those before.

    What is inverted sums to 1 but may be a little negative where it was estimated from counts.

    Args:
        chances: of basis states, ``(2^n,)``.
        flips: of each qubit the chance that 0 is read as 1, and 1 as 0, ``(n, 2)``.
        invert: take the misreading off.

    Raises:
        UserError: flips that leave nothing to read, of sum 1, or of another number of qubits.
    """
    qubits = len(flips)
    if chances.shape != (2**qubits,):
        raise UserError(f"flips are of {qubits} qubits, chances of {chances.shape[0]} basis states")
    if invert and np.isclose(flips.sum(1), 1).any():
        raise UserError("a qubit that reads 0 and 1 alike tells nothing: its flips must not sum to 1")
    table = chances.reshape((2,) * qubits)
    for qubit, (up, down) in enumerate(np.asarray(flips, float)):
        matrix = np.array([[1 - up, down], [up, 1 - down]])
        matrix = np.linalg.inv(matrix) if invert else matrix
        table = jnp.moveaxis(jnp.tensordot(jnp.asarray(matrix, chances.dtype), table, (1, qubit)), 0, qubit)
    return table.reshape(-1)
