"""Networks: Equinox modules that hold arrays only, written for one example; callers ``vmap``.

An agent's network maps features to outputs: ``network(features) -> outputs``. One that remembers has
a method ``initial() -> memory`` and is called ``network(memory, features) -> (memory, outputs)``.
A user's own network is a class ``Net(inputs, outputs, *, key)`` of either sort.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, PRNGKeyArray

from qflock import registry
from qflock.errors import UserError, unknown
from qflock.parts.normalise import layer_norm


def linear(
    inputs: int, outputs: int, key: PRNGKeyArray, gain: float = 1.0, orthogonal: bool = True
) -> eqx.nn.Linear:
    """A linear layer with zero bias and orthogonal weights of the given gain, or Equinox's default."""
    layer = eqx.nn.Linear(inputs, outputs, key=key)
    if not orthogonal:
        return layer
    weight = jax.nn.initializers.orthogonal(gain)(key, (outputs, inputs), jnp.float32)
    return eqx.tree_at(lambda m: (m.weight, m.bias), layer, (weight, jnp.zeros(outputs)))


def dense(
    inputs: int, hidden: Sequence[int], keys: PRNGKeyArray, layer_norm: bool, orthogonal: bool
) -> tuple[list[eqx.nn.Linear], list[eqx.nn.LayerNorm]]:
    """Hidden layers of these widths, from the first keys, and their LayerNorms, or none; see `through`."""
    sizes = (inputs, *hidden)
    layers = [linear(a, b, k, 2**0.5, orthogonal) for a, b, k in zip(sizes, hidden, keys, strict=False)]
    return layers, [eqx.nn.LayerNorm(n) for n in hidden] if layer_norm else []


def through(
    layers: Sequence[eqx.nn.Linear], norms: Sequence[eqx.nn.LayerNorm], x: Float[Array, "I"]
) -> Float[Array, "H"]:
    """Hidden layers, each with its LayerNorm, if there are any, and ReLU."""
    for i, layer in enumerate(layers):
        x = layer(x)
        x = jax.nn.relu(layer_norm(norms[i], x) if norms else x)
    return x


def headed(head: eqx.nn.Linear, value: eqx.nn.Linear | None, x: Float[Array, "H"]) -> Float[Array, "U"]:
    """A linear head, or a dueling one: V + A - mean A (Wang et al. 2016, equation 9)."""
    out = head(x)
    return out if value is None else value(x) + out - out.mean()


class MLP(eqx.Module):
    """Layers of Linear, LayerNorm (optional) and ReLU, then a linear head, dueling if asked."""

    hidden: list[eqx.nn.Linear]
    norms: list[eqx.nn.LayerNorm]
    head: eqx.nn.Linear
    value: eqx.nn.Linear | None

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        key: PRNGKeyArray,
        hidden: Sequence[int] = (128, 128),
        layer_norm: bool = True,
        dueling: bool = False,
        orthogonal: bool = True,
        head_gain: float = 0.01,
    ) -> None:
        keys = jax.random.split(key, len(hidden) + 2)
        self.hidden, self.norms = dense(inputs, hidden, keys, layer_norm, orthogonal)
        width = hidden[-1] if hidden else inputs
        self.head = linear(width, outputs, keys[-2], head_gain, orthogonal)
        self.value = linear(width, 1, keys[-1], head_gain, orthogonal) if dueling else None

    def features(self, x: Float[Array, "I"]) -> Float[Array, "H"]:
        """The last hidden layer."""
        return through(self.hidden, self.norms, x)

    def __call__(self, x: Float[Array, "I"]) -> Float[Array, "U"]:
        return headed(self.head, self.value, self.features(x))


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
        circuit: settings of `circuits.Circuit`; its defaults for None.
        mlp: settings of the MLP; a user's network gets those that its ``__init__`` names.

    Raises:
        UserError: no such network, or it cannot be built.
    """
    if name == "mlp":
        return MLP(inputs, outputs, key=key, **mlp)
    if name == "gru":
        from qflock.parts.recurrent import GRU  # built of this module's layers

        return GRU(inputs, outputs, key=key, **mlp)
    if name == "circuit":
        from qflock.parts.circuits import Circuit  # built of this module's layers

        return Circuit(inputs, outputs, key=key, **(circuit or {}))
    if not registry.is_path(name):
        known = ("mlp", "gru", "circuit")
        raise UserError(f"{unknown('network', name, known)} (or give a file and class like my.py:Net)")
    return build_own(name, (inputs, outputs), key, {**mlp, **(circuit or {})})


def build_own(name: str, sizes: tuple[int, ...], key: PRNGKeyArray, settings: dict[str, Any]) -> Any:
    """Build a user's module from its file, with the settings that its ``__init__`` names.

    Raises:
        UserError: the class cannot be built from these sizes.
    """
    kind = registry.from_file(name)
    try:
        known = inspect.signature(kind).parameters
        return kind(*sizes, key=key, **{k: v for k, v in settings.items() if k in known})
    except Exception as problem:
        raise UserError(f"{name} cannot be built from sizes {sizes}: {problem}") from problem
