"""Circuit evaluations leave a mark in a traced program, so that they can be counted in any learner.

An evaluation is one circuit run forward on one input: in acting and in learning alike. The backward pass of a
gradient is not counted; on a simulator it costs about two more.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from jax.ad_checkpoint import checkpoint_name
from jaxtyping import Array, Float

MARK = "outputs of a circuit: "


def marked(outputs: Float[Array, "K"]) -> Float[Array, "K"]:
    """The outputs of one evaluation, unchanged."""
    return checkpoint_name(outputs, f"{MARK}{outputs.shape[-1]}")


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
    count = 0
    for equation, times in equations(jaxpr):
        name = equation.params.get("name", "") if equation.primitive.name == "name" else ""
        if name.startswith(MARK):
            count += times * equation.outvars[0].aval.size // int(name.removeprefix(MARK))
    return count
