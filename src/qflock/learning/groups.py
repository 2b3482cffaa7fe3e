"""Groups of weights that may have learning rates of their own: the parts of a circuit, and all else."""

from __future__ import annotations

from typing import Any

import jax

from qflock.core.errors import UserError
from qflock.quantum.circuit import description_of

CLASSICAL = "classical"
WORDS = {
    "angles": "trained angles",
    "input_scaling": "trained weights of features",
    "output_scaling": "scales of outputs",
}
"""The groups of a circuit; a setting ``lr_<group>`` is the learning rate of each."""
_GROUP = {
    "angles": "angles",
    "weights": "input_scaling",
    "scale": "output_scaling",
    "bias": "output_scaling",
}


def labels(weights: Any) -> Any:
    """The group of each leaf, in a pytree of the same structure: `CLASSICAL` outside of circuits.

    Args:
        weights: of any networks.
    """
    is_circuit = lambda node: description_of(node) is not None
    inside = lambda path, _: _GROUP.get(getattr(path[0], "name", ""), CLASSICAL)

    def of(node: Any) -> Any:
        return jax.tree_util.tree_map_with_path(inside, node) if is_circuit(node) else CLASSICAL

    return jax.tree.map(of, weights, is_leaf=is_circuit)


def rates(settings: Any, lr: float) -> dict[str, float]:
    """The learning rate of each group.

    Args:
        settings: may have ``lr_angles`` ..., 0 for the same as all else.
        lr: of all else.
    """
    own = {group: getattr(settings, f"lr_{group}", 0.0) or lr for group in WORDS}
    return {CLASSICAL: lr, **own}


def refuse_missing(settings: Any, weights: Any) -> None:
    """See that there is something to learn in each group that has a learning rate of its own.

    Args:
        settings: as `rates`.
        weights: all that is trained.

    Raises:
        UserError: there is not.
    """
    there = set(jax.tree.leaves(labels(weights)))
    for group, words in WORDS.items():
        rate = getattr(settings, f"lr_{group}", 0.0)
        if rate and group not in there:
            raise UserError(
                f"lr_{group} is {rate:g}, but no network here has {words}: leave it out, or train a circuit "
                "that has them"
            )
