"""What a memory is of: one environment, one sort of policy, its sizes; and whether two are the same."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jax

from qflock.algorithms.qmarl import history
from qflock.core.errors import UserError
from qflock.core.steps import Parameters


def describe(environment: str, policy: str, like: Parameters, settings: Mapping[str, Any]) -> dict[str, Any]:
    """A description that JSON can hold, with a ``digest`` of it and of the parameters' shapes.

    Args:
        environment: its name.
        policy: a short name of the sort of policy.
        like: parameters, or their shapes; names, shapes and types of the leaves count, values do not.
        settings: what else tells memories apart.
    """
    leaves, _ = jax.tree_util.tree_flatten_with_path(like)
    shapes = [(jax.tree_util.keystr(path), list(x.shape), str(x.dtype)) for path, x in leaves]
    of = {"environment": environment, "policy": policy, "settings": history.plain(settings)}
    return {**of, "digest": history.digest([of, sorted(shapes)])}


def check(folder: Path, stored: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    """Refuse a memory that is of something else than is wanted.

    Args:
        folder: the memory's.
        stored: its description, see `describe`.
        wanted: the description of what is to use it.

    Raises:
        UserError: it is.
    """
    if stored.get("digest") == wanted["digest"]:
        return
    theirs, ours = (f"{of.get('policy')} on {of.get('environment')}" for of in (stored, wanted))
    other = theirs if theirs != ours else f"{theirs} with other settings or sizes"
    raise UserError(f"{folder} is the memory of {other}, not of {ours}; choose another folder with --memory")
