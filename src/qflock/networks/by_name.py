"""Networks by name: the one table of them.

An agent's network is an Equinox module that holds arrays only and maps features to outputs:
``network(features) -> outputs``, for one example; callers ``vmap``. One that remembers has a method
``initial() -> memory`` and is called ``network(memory, features) -> (memory, outputs)``.
A user's own network is a class ``Net(inputs, outputs, *, key)`` of either sort.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from typing import Any

from jaxtyping import PRNGKeyArray

from qflock.core.errors import UserError, unknown
from qflock.networks.circuit import Circuit
from qflock.networks.mlp import MLP
from qflock.networks.recurrent import GRU
from qflock.settings import registry

NETWORKS: dict[str, Any] = {"mlp": MLP, "gru": GRU, "circuit": Circuit}


def make(
    name: str,
    inputs: int,
    outputs: int,
    key: PRNGKeyArray,
    circuit: Mapping[str, Any] | None = None,
    **mlp: Any,
) -> Any:
    """The network behind a setting: ``mlp``, ``gru``, ``circuit``, or the user's own ``my.py:Net``.

    Args:
        circuit: settings of `networks.circuit.Circuit`; its defaults for None.
        mlp: settings of the MLP; a user's network gets those that its ``__init__`` names.

    Raises:
        UserError: no such network, or it cannot be built.
    """
    if name in NETWORKS:
        settings = (circuit or {}) if name == "circuit" else mlp
        return NETWORKS[name](inputs, outputs, key=key, **settings)
    if not registry.is_path(name):
        raise UserError(f"{unknown('network', name, NETWORKS)} (or give a file and class like my.py:Net)")
    return build_own(name, (inputs, outputs), key, {**mlp, **(circuit or {})})


def build_own(name: str, sizes: tuple[int, ...], key: PRNGKeyArray, settings: dict[str, Any]) -> Any:
    """Build a user's module from its file, with the settings that its ``__init__`` names.

    Args:
        name: file and class, ``my.py:Net``.
        sizes: what the class takes first: inputs and outputs, or agents and state.
        key: of its first weights.
        settings: by name; those that ``__init__`` does not name are left out.

    Raises:
        UserError: the class cannot be built from these sizes.
    """
    kind = registry.from_file(name)
    try:
        known = inspect.signature(kind).parameters
        return kind(*sizes, key=key, **{k: v for k, v in settings.items() if k in known})
    except Exception as problem:
        wanted = "it must be, or make, an equinox.Module from these sizes and key="
        raise UserError(f"{name} cannot be built from sizes {sizes}: {problem}; {wanted}") from problem
