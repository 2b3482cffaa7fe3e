"""The circuit simulator against TensorCircuit-NG, qujax, qulacs and PennyLane's lightning.qubit, in one run.

They stand in ``peers/circuits.txt``, for an environment apart; one that is not installed is left out. The
circuit is the published actor's (five layers), its loss a sum of squares, gradients by angles and weights
(qulacs: by encoded angles). Times are taken in turn, so that a busy machine slows all; ratios are the peer's
over ours. The first two are jitted JAX in single precision, as ours, TensorCircuit-NG with its layers in a
``lax.scan``; the last two are compiled C++ in double precision, one example after another, by their adjoint
methods, so that lightning.qubit's batches, minutes through its QNode, are left out.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.circuits import LAYERS, given, in_turn
from qflock.quantum import pennylane as bridge
from qflock.quantum import simulate
from qflock.quantum.circuit import Circuit
from qflock.quantum.simulate import Parameters

QUBITS, BATCHES = (4, 8, 12), (1, 64)


class Programs(NamedTuple):
    """Attributes: ``forward`` gives a batch's expectations ``(B, n)``, ``gradient`` that of the sum of their
    squares; whether they are ``jitted`` here."""

    forward: Callable[[Parameters, Any], Any]
    gradient: Callable[[Parameters, Any], Any]
    jitted: bool = True


def benchmark(quick: bool = False) -> dict[str, Any]:
    """All peers at 4, 8 and 12 qubits, batches of 1 and 64; quick: 4 qubits."""
    found: dict[str, Any] = {
        "not_installed": [name for name, (module, _) in PEERS.items() if not _has(module)]
    }
    for qubits in QUBITS[:1] if quick else QUBITS:
        circuit = Circuit(qubits, LAYERS, start="plus")
        for batch in BATCHES:
            figures = compare(circuit, batch, 0.3 if quick else 1.0)
            found.setdefault(f"{qubits}_qubits", {})[f"batch_{batch}"] = figures
            print(f"{qubits} qubits, batch {batch}: {figures}", flush=True)
    return found


def compare(circuit: Circuit, batch: int, seconds: float) -> dict[str, Any]:
    """Our times, and for each peer its ratios, of which those of compiling where both compile.

    Raises:
        RuntimeError: a peer computes another circuit.
    """
    parameters, inputs = given(circuit, batch)
    every = {"qflock": ours(circuit)}
    for name, (module, make) in PEERS.items():
        if _has(module) and (batch == 1 or name not in ONE_BY_ONE):
            every[name] = make(circuit)
    figures: dict[str, Any] = {}
    times: dict[str, list[float]] = {}
    for what in ("forward", "gradient"):
        ready, compiled = [], []
        for name, programs in every.items():
            program, began = getattr(programs, what), time.perf_counter()
            if programs.jitted:
                program = jax.jit(program).lower(parameters, inputs).compile()
            compiled.append(time.perf_counter() - began if programs.jitted else None)
            if what == "forward":
                _check(name, program(parameters, inputs), circuit, parameters, inputs)
            ready.append(lambda f=program: f(parameters, inputs))
        times[what] = in_turn(ready, seconds)
        for name, took, building in zip(every, times[what], compiled, strict=True):
            mine = figures.setdefault(name, {})
            if name == "qflock":
                mine |= {
                    f"{what}_milliseconds": round(1e3 * took, 4),
                    f"{what}_compile_seconds": round(building, 2),
                }
                continue
            mine[f"{what}_ratio"] = round(took / times[what][0], 2)
            if building is not None:
                mine[f"{what}_compile_ratio"] = round(building / compiled[0], 2)
    figures["qflock"]["gradient_in_forwards"] = round(times["gradient"][0] / times["forward"][0], 2)
    return figures


def _check(name: str, values: Any, circuit: Circuit, parameters: Parameters, inputs: Any) -> None:
    wanted = jax.vmap(lambda x: simulate.expectations(circuit, parameters, x))(inputs)
    if not np.allclose(values, wanted, atol=1e-3):
        raise RuntimeError(
            f"{name} computes another circuit: {np.abs(np.asarray(values) - wanted).max():g} apart"
        )


def _has(module: str) -> bool:
    return importlib.util.find_spec(module) is not None


def _by_grad(forward: Callable[[Parameters, Any], Any], jitted: bool = True) -> Programs:
    return Programs(forward, jax.grad(lambda p, x: jnp.square(forward(p, x)).sum()), jitted)


def ours(circuit: Circuit) -> Programs:
    """Our simulator."""
    return _by_grad(lambda p, x: jax.vmap(lambda one: simulate.expectations(circuit, p, one))(x))


def tensorcircuit(circuit: Circuit) -> Programs:
    """TensorCircuit-NG on JAX: a state that a scan carries from layer to layer."""
    import tensorcircuit as tc

    tc.set_backend("jax")
    wires = range(circuit.qubits)

    def turned(c: Any, axes: str, angles: Any) -> None:
        for q in wires:
            for k, axis in enumerate(axes):
                getattr(c, f"r{axis}")(q, theta=angles[q, k])

    def one(p: Parameters, x: Any) -> Any:
        first = tc.Circuit(circuit.qubits)
        for q in wires:
            first.h(q)
        turned(first, circuit.rotations, p.angles[0])

        def layer(state: Any, given: Any) -> tuple[Any, None]:
            angles, weights = given
            c = tc.Circuit(circuit.qubits, inputs=state)
            for a, b in circuit.pairs:
                c.cz(a, b)
            turned(c, circuit.encoded, jnp.arctan(weights * x))
            turned(c, circuit.rotations, angles)
            return c.state(), None

        state = jax.lax.scan(layer, first.state(), (p.angles[1:], p.weights))[0]
        last = tc.Circuit(circuit.qubits, inputs=state)
        return jnp.stack([jnp.real(last.expectation_ps(z=[q])) for q in wires])

    return _by_grad(lambda p, x: jax.vmap(lambda one_x: one(p, one_x))(x))


def qujax(circuit: Circuit) -> Programs:
    """qujax: one function of all angles, in units of pi; every gate unrolled."""
    import qujax as library

    gates, qubits, places = _listed(circuit, "H", {"x": "Rx", "y": "Ry", "z": "Rz"}, "CZ")
    run = library.get_params_to_statetensor_func(gates, qubits, places)

    def one(p: Parameters, x: Any) -> Any:
        chance = jnp.square(jnp.abs(run(_angles(circuit, p, x) / jnp.pi))).ravel()
        return jnp.asarray(circuit.signs, chance.dtype) @ chance

    return _by_grad(lambda p, x: jax.vmap(lambda one_x: one(p, one_x))(x))


def qulacs(circuit: Circuit) -> Programs:
    """qulacs: a parametric circuit in C++, whose sign of angles is the other one."""
    import qulacs as library

    program = library.ParametricQuantumCircuit(circuit.qubits)
    gates, qubits, _ = _listed(circuit, "H", {axis: axis for axis in "xyz"}, "CZ")
    for gate, where in zip(gates, qubits, strict=True):
        if gate == "H":
            program.add_H_gate(where[0])
        elif gate == "CZ":
            program.add_CZ_gate(*where)
        else:
            getattr(program, f"add_parametric_R{gate.upper()}_gate")(where[0], 0.0)
    state = library.QuantumState(circuit.qubits)
    signs = np.asarray(circuit.signs, np.float64)
    reversed_bits = np.arange(2**circuit.qubits)
    order = sum(((reversed_bits >> q) & 1) << (circuit.qubits - 1 - q) for q in range(circuit.qubits))
    signs = signs[:, order]  # qulacs counts qubits from the lowest bit

    def values(angles: Any) -> Any:
        for k, angle in enumerate(angles):
            program.set_parameter(k, -float(angle))
        state.set_zero_state()
        program.update_quantum_state(state)
        return signs @ np.square(np.abs(state.get_vector()))

    def forward(p: Parameters, x: Any) -> Any:
        return np.stack([values(_angles(circuit, p, one, np)) for one in np.asarray(x)])

    def gradient(p: Parameters, x: Any) -> Any:
        slopes = []
        for one in np.asarray(x):
            told = library.Observable(circuit.qubits)
            for q, value in enumerate(values(_angles(circuit, p, one, np))):
                told.add_operator(2 * value, f"Z {q}")
            slopes.append(-np.asarray(program.backprop(told)))
        return np.stack(slopes)

    return Programs(forward, gradient, False)


def lightning(circuit: Circuit) -> Programs:
    """PennyLane's lightning.qubit by its QNode, gradients by its adjoint method."""
    node = bridge.qnode(circuit, "lightning.qubit")
    return _by_grad(lambda p, x: jnp.stack([jnp.stack(node(p, one)) for one in x]), False)


PEERS = {
    "tensorcircuit_ng": ("tensorcircuit", tensorcircuit),
    "qujax": ("qujax", qujax),
    "qulacs": ("qulacs", qulacs),
    "lightning": ("pennylane_lightning", lightning),
}
"""The module that each needs, and how its programs are made."""
ONE_BY_ONE = {"lightning"}
"""Whose batches take as many times one example's time."""


def _listed(circuit: Circuit, start: str, turn: dict[str, str], join: str) -> tuple[list, list, list]:
    """Names of all gates in order, their qubits, and the places of their angles in `_angles`."""
    gates, qubits, places = [], [], []

    def add(name: str, *where: int, place: list[int] | None = None) -> None:
        gates.append(name)
        qubits.append(list(where))
        places.append(place or [])

    count = 0

    def turned(axes: str) -> None:
        nonlocal count
        for q in range(circuit.qubits):
            for axis in axes:
                add(turn[axis], q, place=[count])
                count += 1

    for q in range(circuit.qubits):
        add(start, q)
    turned(circuit.rotations)
    for _ in range(circuit.layers):
        for pair in circuit.pairs:
            add(join, *pair)
        turned(circuit.encoded)
        turned(circuit.rotations)
    return gates, qubits, places


def _angles(circuit: Circuit, p: Parameters, x: Any, library: Any = jnp) -> Any:
    """All angles of one example, in the order of their gates."""
    angles, weights = library.asarray(p.angles), library.asarray(p.weights)
    turned = library.arctan(weights * x)
    parts = [angles[0].ravel()]
    for layer in range(circuit.layers):
        parts += [turned[layer].ravel(), angles[layer + 1].ravel()]
    return library.concatenate(parts)
