"""The circuit simulator against PennyLane's ``default.qubit``, jitted and eager, in one run.

Times of both are taken in turn, so that a busy machine slows both; ratios are PennyLane's over ours. The
circuit is the published actor's (five layers), its loss a sum of squares, gradients by angles and weights.
Nearly all of the time, half an hour without ``quick``, PennyLane's programs are compiled.
"""

from __future__ import annotations

import importlib.util
import time
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from qflock.quantum import pennylane as bridge
from qflock.quantum import simulate
from qflock.quantum.circuit import Circuit

LAYERS = 5
BATCHES = (1, 64, 1024, 4096)


def benchmark(quick: bool = False) -> dict[str, Any]:
    """Compile and run times at 4 and 8 qubits; quick: 4 qubits, two batches."""
    if importlib.util.find_spec("pennylane") is None:
        return {"not_run": "needs PennyLane"}
    found: dict[str, Any] = {}
    for qubits in (4,) if quick else (4, 8):
        circuit = Circuit(qubits, LAYERS, start="plus")
        for batch in (64, 1024) if quick else BATCHES:
            figures = compare(circuit, batch, 0.5 if quick else 3.0)
            found.setdefault(f"{qubits}_qubits", {})[f"batch_{batch}"] = figures
    found["eager"] = eager(Circuit(4, LAYERS, start="plus"), 64)
    return found


def compare(circuit: Circuit, batch: int, seconds: float) -> dict[str, float]:
    """Both simulators, forward and gradient, each timed for about ``seconds``."""
    parameters, inputs = given(circuit, batch)
    figures: dict[str, float] = {}
    for name, programs in (("forward", forwards(circuit)), ("gradient", gradients(circuit))):
        compiled, taken = [], []
        for program in programs:
            began = time.perf_counter()
            compiled.append(jax.jit(program).lower(parameters, inputs).compile())
            taken.append(time.perf_counter() - began)
        ours, theirs = in_turn([lambda f=f: f(parameters, inputs) for f in compiled], seconds)
        figures |= {
            f"{name}_compile_seconds": round(taken[0], 2),
            f"{name}_compile_ratio": round(taken[1] / taken[0], 1),
            f"{name}_milliseconds": round(1e3 * ours, 4),
            f"{name}_ratio": round(theirs / ours, 2),
        }
    return figures


def eager(circuit: Circuit, batch: int) -> dict[str, float]:
    """Our compiled gradient against PennyLane's without ``jit``."""
    parameters, inputs = given(circuit, batch)
    ours, theirs = gradients(circuit)
    fast = jax.jit(ours)
    quick, slow = in_turn([lambda: fast(parameters, inputs), lambda: theirs(parameters, inputs)], 2.0)
    return {
        "gradient_milliseconds_of_pennylane": round(1e3 * slow, 1),
        "gradient_ratio": round(slow / quick, 1),
    }


def given(circuit: Circuit, batch: int) -> tuple[simulate.Parameters, jax.Array]:
    """Parameters and a batch of inputs."""
    inputs = jax.random.normal(jax.random.key(1), (batch, *circuit.inputs))
    return simulate.init(circuit, jax.random.key(0)), inputs


def forwards(circuit: Circuit) -> list[Callable[..., jax.Array]]:
    """Expectation values of a batch, by our simulator and by PennyLane's."""
    node = bridge.qnode(circuit)
    ours = lambda p, x: jax.vmap(lambda one: simulate.expectations(circuit, p, one))(x)
    theirs = lambda p, x: jax.vmap(lambda one: jnp.stack(node(p, one)))(x)
    return [ours, theirs]


def gradients(circuit: Circuit) -> list[Callable[..., Any]]:
    """Gradients of the summed squares of `forwards`."""
    return [jax.grad(lambda p, x, f=f: jnp.square(f(p, x)).sum()) for f in forwards(circuit)]


def in_turn(programs: list[Callable[[], Any]], seconds: float) -> list[float]:
    """The shortest time of each program; they run in turn, three times at least, for about ``seconds``."""
    for program in programs:
        jax.block_until_ready(program())
    best, spent, rounds = [float("inf")] * len(programs), [0.0] * len(programs), 0
    while rounds < 3 or min(spent) < seconds:
        for i, program in enumerate(programs):
            began = time.perf_counter()
            jax.block_until_ready(program())
            took = time.perf_counter() - began
            best[i], spent[i] = min(best[i], took), spent[i] + took
        rounds += 1
        if max(spent) > 10 * seconds and rounds >= 3:
            break
    return best
