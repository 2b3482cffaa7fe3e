"""The state-vector computation itself: many examples at once, batch innermost, real arithmetic.

A state is ``(2, 2^n, *B)``, real and imaginary part. A gate acts on the leading qubit, which then becomes
the last, so that one loop body serves all qubits and all layers: compile time grows with neither. (Gates in
one body would be fused into one expression, which computes every amplitude many times over.) The backward
pass undoes the gates, so that it stores the last state alone, and reads from state and cotangent, at each
gate, how the result changes when the qubit is turned a little further.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from qflock.quantum.circuit import Circuit
from qflock.quantum.rotations import Gates, after

Output = Literal["readout", "chances", "amplitudes"]


def run(
    circuit: Circuit, initial: Float[Array, "2^n"], first: Gates, later: Gates, output: Output = "readout"
) -> Float[Array, "..."]:
    """A circuit given as gates; one example, made for ``vmap``.

    Args:
        initial: real amplitudes at the start.
        first: gates before the first entangling pattern, ``(n,)``.
        later: gates after each pattern, ``(L, n)``.
        output: "readout": the circuit's expectation values, ``(K,)``; "chances": the probability of each
            basis state, ``(2^n,)``; "amplitudes": real parts, then imaginary ones, ``(2 2^n,)``.
    """
    return _build(circuit, output)(initial, first, later)


@cache
def _build(circuit: Circuit, output: Output) -> Callable[[Array, Gates, Gates], Array]:
    n, layers, size = circuit.qubits, circuit.layers, 2**circuit.qubits
    signs = circuit.signs.astype(np.float32) if output == "readout" else None

    def forward(initial: Array, first: Gates, later: Gates) -> tuple[Array, Array]:
        dims = np.broadcast_shapes(initial.shape[1:], first.w.shape[1:], later.w.shape[2:])
        flat = _flat(dims, later)
        state = jnp.stack([initial, jnp.zeros_like(initial)])
        state = jnp.broadcast_to(state, (2, size, *np.broadcast_shapes(state.shape[2:], first.w.shape[1:])))
        state = _turn_all(state, first)
        state = flat(jnp.broadcast_to(state, (2, size, *dims)))

        def layer(state: Array, gates: Gates) -> tuple[Array, None]:
            state = _turn(_entangle(circuit, state), jax.tree.map(lambda x: x[0], gates))
            return _turn_all(state, jax.tree.map(lambda x: x[1:], gates)), None

        state = jax.lax.scan(layer, state, flat(later))[0]
        final = state.reshape(2, size, *dims)
        if output == "amplitudes":
            return final.reshape(2 * size, *dims), final
        chance = jnp.square(state).sum(0)
        return (chance if signs is None else jnp.tensordot(signs, chance, 1)).reshape(-1, *dims), final

    def backward(first: Gates, later: Gates, state: Array, change: Array) -> tuple[Array, Gates, Gates]:
        own = state.shape[2:]
        dims = np.broadcast_shapes(own, change.shape[change.ndim - len(own) :], later.w.shape[2:])
        flat = _flat(dims, later)
        state = flat(jnp.broadcast_to(state, (2, size, *dims)))
        change = flat(jnp.broadcast_to(change, (*change.shape[: change.ndim - len(own)], *dims)))
        change = change if signs is None else jnp.tensordot(signs.T, change, 1)
        by_state = change.reshape(state.shape) if output == "amplitudes" else 2 * change * state
        both = jnp.stack([state, by_state])

        def gate(both: Array, one: Gates) -> tuple[Array, Gates]:
            return _turn_back(both, one), _torque(both)

        def layer(both: Array, gates: Gates) -> tuple[Array, Gates]:
            both, rest = jax.lax.scan(gate, both, jax.tree.map(lambda x: x[1:], gates), reverse=True)
            both, lead = gate(both, jax.tree.map(lambda x: x[0], gates))
            torques = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), lead, rest)
            return _entangle(circuit, both, back=True), torques

        both, by_later = jax.lax.scan(layer, both, flat(later), reverse=True)
        by_later = jax.tree.map(lambda x: x.reshape(layers, n, *dims), by_later)
        both, by_first = jax.lax.scan(gate, both.reshape(2, 2, size, *dims), first, reverse=True)
        return both[1, 0], after(by_first, first), after(by_later, later)

    forward, backward = _batched(forward), _batched(backward)

    @jax.custom_vjp
    def simulated(initial: Array, first: Gates, later: Gates) -> Array:
        return forward(initial, first, later)[0]

    def kept(initial: Array, first: Gates, later: Gates) -> tuple[Array, Any]:
        out, state = forward(initial, first, later)
        return out, (first, later, state)

    simulated.defvjp(kept, lambda kept, change: backward(*kept, change))  # type: ignore[call-arg]
    return simulated


def _batched(function: Callable) -> Callable:
    """A function of arrays with the batch last, as one of an example that ``vmap`` widens."""

    def over(lead: int) -> Callable:
        @jax.custom_batching.custom_vmap
        def call(*given: Any) -> Any:
            last = lambda x: jnp.moveaxis(x, range(lead), range(-lead, 0)) if lead else x
            first = lambda x: jnp.moveaxis(x, range(-lead, 0), range(lead)) if lead else x
            return jax.tree.map(first, function(*jax.tree.map(last, given)))

        @call.def_vmap
        def _(size: int, batched: Any, *given: Any) -> tuple[Any, Any]:
            out = over(lead + 1)(*jax.tree.map(lambda x, has: x if has else x[None], given, tuple(batched)))
            has = jax.tree.map(lambda x: len(x) == size, out)  # else the same for all: of size 1
            return jax.tree.map(lambda x, has: x if has else x[0], out, has), has

        return call

    return over(0)


def _flat(dims: tuple[int, ...], later: Gates) -> Callable[[Any], Any]:
    """Join the batch's axes into one where the gates have all of them: short innermost axes are slow."""
    if later.w.shape[2:] != dims or len(dims) < 2:
        return lambda tree: tree
    return lambda tree: jax.tree.map(lambda x: x.reshape(*x.shape[: -len(dims)], -1), tree)


def _turn_all(state: Float[Array, "2 N *B"], gates: Gates) -> Float[Array, "2 N *B"]:
    """One gate for each qubit, in order."""
    return jax.lax.scan(lambda state, gate: (_turn(state, gate), None), state, gates)[0]


def _turn(state: Float[Array, "2 N *B"], gate: Gates) -> Float[Array, "2 N *B"]:
    """A gate on the leading qubit, which becomes the last."""
    s = state.reshape(2, 2, -1, *state.shape[2:])
    return jnp.swapaxes(_mixed(s, gate), 1, 2).reshape(state.shape)


def _turn_back(both: Float[Array, "2 2 N *B"], gate: Gates) -> Float[Array, "2 2 N *B"]:
    """Undo `_turn` for a state and its cotangent: the last qubit becomes the leading one."""
    s = jnp.swapaxes(both.reshape(2, 2, -1, 2, *both.shape[3:]), 2, 3)
    return jax.vmap(_mixed, (0, None))(s, gate.inverse).reshape(both.shape)


def _mixed(s: Float[Array, "2 2 R *B"], gate: Gates) -> Float[Array, "2 2 R *B"]:
    """A gate on the qubit of the second axis: w I - i (x X + y Y + z Z) in real arithmetic."""
    w, x, y, z = gate
    part = np.array([1.0, -1.0], np.float32).reshape(2, 1, 1, *(1 for _ in s.shape[3:]))
    bit = part.reshape(1, 2, *part.shape[2:])
    other = s[::-1]
    return w * s + (part * bit * z) * other + (part * x) * other[:, ::-1] - (bit * y) * s[:, ::-1]


def _entangle(circuit: Circuit, state: Float[Array, "*X N *B"], back: bool = False) -> Array:
    """The pattern of CZ or CNOT; ``back`` undoes it for a state and its cotangent."""
    axis = 2 if back else 1
    if not circuit.pairs:
        return state
    if circuit.entangler == "cz":
        phases = circuit.phases.astype(np.float32)
        return state * phases.reshape(-1, *(1 for _ in state.shape[axis + 1 :]))
    source = np.argsort(circuit.permutation) if back else circuit.permutation
    return jnp.take(state, source, axis)


def _torque(both: Float[Array, "2 2 N *B"]) -> Gates:
    """What a turn of the last qubit, made next, would change: by -i X, -i Y and -i Z, each ``(*B,)``."""
    s = both.reshape(2, 2, -1, 2, *both.shape[3:])
    (r0, r1), (i0, i1) = ((s[0, c, :, 0], s[0, c, :, 1]) for c in (0, 1))
    (gr0, gr1), (gi0, gi1) = ((s[1, c, :, 0], s[1, c, :, 1]) for c in (0, 1))
    x = gr0 * i1 - gi0 * r1 + gr1 * i0 - gi1 * r0
    y = gr1 * r0 + gi1 * i0 - gr0 * r1 - gi0 * i1
    z = gr0 * i0 - gi0 * r0 - gr1 * i1 + gi1 * r1
    ones = np.ones(len(x), np.float32)  # a product with ones is many times faster than a sum over rows
    x, y, z = (jnp.tensordot(ones, part, 1) for part in (x, y, z))
    return Gates(jnp.zeros_like(z), x, y, z)
