"""Circuit evaluations leave a mark in a traced program, so that they can be counted in any learner.

An evaluation is one circuit run forward on one input: in acting and in learning alike. The backward pass of a
gradient is counted apart: on a simulator it costs about two more, on a device two for each rotation.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import jax
from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

MARK, BACKWARD = "outputs of a circuit: ", "gradient of a circuit: "


@partial(jax.custom_vjp, nondiff_argnums=(1,))
def marked(outputs: Float[Array, "K"], rotations: int) -> Float[Array, "K"]:
    """The outputs of one evaluation, unchanged.

    Args:
        outputs: of the circuit.
        rotations: that it has.
    """
    return _named(MARK, outputs, rotations)


def _named(mark: str, values: Array, rotations: int) -> Array:
    return checkpoint_name(values, f"{mark}{values.shape[-1]} by {rotations}")


def _forward(outputs: Array, rotations: int) -> tuple[Array, None]:
    return _named(MARK, outputs, rotations), None


def _backward(rotations: int, _: None, change: Array) -> tuple[Array]:
    return (_named(BACKWARD, change, rotations),)


marked.defvjp(_forward, _backward)


def equations(jaxpr: Any, times: int = 1) -> Iterator[tuple[Any, int]]:
    """Every equation of a traced program, inner ones too, and how often it runs.

    Loops of known length count as often as they go round, others once. All branches of a condition are there.

    Args:
        jaxpr: of `jax.make_jaxpr`.
        times: how often the program itself runs.
    """
    for equation in jaxpr.eqns:
        yield equation, times
        inner = times * equation.params["length"] if equation.primitive.name == "scan" else times
        for value in equation.params.values():
            for part in value if isinstance(value, tuple | list) else (value,):
                body = getattr(part, "jaxpr", part)
                if hasattr(body, "eqns"):
                    yield from equations(body, inner)


def evaluations(jaxpr: Any) -> int:
    """How many circuit evaluations are in a traced program."""
    return sum(count for count, _ in _marks(jaxpr, MARK))


def on_device(jaxpr: Any) -> int:
    """How many evaluations a device would run for a traced program: the forward ones, and by parameter shift
    two for each rotation of a circuit whose gradient is taken."""
    return evaluations(jaxpr) + sum(2 * count * rotations for count, rotations in _marks(jaxpr, BACKWARD))


def _marks(jaxpr: Any, mark: str) -> Iterator[tuple[int, int]]:
    """How many evaluations a mark stands for, and the rotations of each."""
    for equation, times in equations(jaxpr):
        name = equation.params.get("name", "") if equation.primitive.name == "name" else ""
        if name.startswith(mark):
            outputs, rotations = map(int, name.removeprefix(mark).split(" by "))
            yield times * equation.outvars[0].aval.size // outputs, rotations
