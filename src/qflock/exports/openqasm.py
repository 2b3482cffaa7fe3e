"""A policy's circuits as OpenQASM 3, for devices and other simulators, and a table of their angles.

What is around a circuit is classical: scales and biases of outputs stand in comments, weights of features in
the table. The angles by features are inputs of the program: ``e_<layer>_<qubit>_<axis>`` is
arctan(weight x feature).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from qflock.core import texts
from qflock.core.errors import UserError
from qflock.exports.description import Description
from qflock.networks.circuit import Circuit as Network
from qflock.quantum import gates
from qflock.quantum.circuit import Circuit
from qflock.quantum.gates import Angle

COLUMNS = ("gate", "qubit", "layer", "axis", "source", "value", "input")


def files(output: Path, record: Description) -> list[tuple[Path, str]]:
    """The files of the circuit of each network: a program, and the table of its angles beside it.

    Args:
        output: the program's file; of agents with networks of their own, ``-agent<N>`` joins the names.
        record: what is exported.

    Returns:
        Each with its text.

    Raises:
        UserError: the policy is made of no circuit.
    """
    network = record.parameters
    if not isinstance(network, Network) or not record.complete:
        raise UserError(
            "OpenQASM is for policies made of circuits (--network circuit); this one has none: take it home "
            "with --to numpy"
        )
    own = record.weights["angles"].ndim > len(network.description.angles)
    found = []
    for agent in range(len(record.weights["angles"])) if own else [None]:
        weights, place = record.weights, output
        if agent is not None:
            weights = {name: _of(array, name, agent) for name, array in weights.items()}
            place = output.with_stem(f"{output.stem}-agent{agent}")
        about = _about(record.about, network.description, weights)
        found.append((place, program(network.description, weights["angles"], about)))
        found.append((place.with_suffix(".csv"), table(network.description, weights)))
    return found


def program(circuit: Circuit, angles: np.ndarray, about: Iterable[str] = ()) -> str:
    """A circuit with its trained angles as an OpenQASM 3 program, all qubits measured at its end.

    Args:
        circuit: its description.
        angles: ``circuit.angles``, in radians.
        about: lines of comment at the head.
    """
    every = list(gates.listed(circuit))
    lines = ["OPENQASM 3.0;", *(f"// {line}" for line in about), 'include "stdgates.inc";']
    entered = [gate.angle for gate in every if gate.angle is not None and gate.angle.source == "weights"]
    lines += [f"input float[64] {name(circuit, angle)};" for angle in entered]
    lines += [f"qubit[{circuit.qubits}] q;", f"bit[{circuit.qubits}] c;"]
    for gate in every:
        by = ""
        if gate.angle is not None:
            trained = gate.angle.source == "angles"
            by = f"({angles[gate.angle.place]:.9g})" if trained else f"({name(circuit, gate.angle)})"
        lines.append(f"{gate.name}{by} {', '.join(f'q[{q}]' for q in gate.qubits)};")
    return "\n".join([*lines, "c = measure q;", ""])


def table(circuit: Circuit, weights: dict[str, np.ndarray]) -> str:
    """The rotations in order, as CSV: trained angles in radians, and weights of features.

    Args:
        circuit: its description.
        weights: ``angles`` and ``weights`` by name.
    """
    rows: list[tuple[Any, ...]] = [COLUMNS]
    for gate in gates.listed(circuit):
        if gate.angle is not None:
            source, (layer, qubit, axis) = gate.angle
            value = f"{weights[source][layer, qubit, axis]:.9g}"
            entered = name(circuit, gate.angle) if source == "weights" else ""
            rows.append((gate.name, qubit, layer, gate.name[1], source, value, entered))
    return texts.to_csv(rows)


def name(circuit: Circuit, angle: Angle) -> str:
    """The input of a program that turns a qubit by a feature.

    Args:
        circuit: its description.
        angle: of that rotation.
    """
    layer, qubit, axis = angle.place
    return f"e_{layer}_{qubit}_{circuit.encoded[axis]}"


def _of(array: np.ndarray, what: str, agent: int) -> np.ndarray:
    """An agent's part; what all circuits have in common has no axis of agents."""
    return array if what.startswith("circuit.") else array[agent]


def _about(about: dict[str, Any], circuit: Circuit, weights: dict[str, np.ndarray]) -> Iterator[str]:
    policy = f"a policy of {about['algorithm']} on {about['environment']}, seed {about['seed']}"
    yield f"{about['made_by']}: {policy}"
    if circuit.encoding == "amplitude":
        yield "Before the first gate q holds the features as amplitudes, q[0] being the most significant bit."
    else:
        yield "The input e_LAYER_QUBIT_AXIS is arctan(weight * feature); the weights are in the table beside."
    if circuit.outcomes:
        yield f"One measurement decides for one of {circuit.outcomes} actions, {circuit.decoding} decoding:"
        how = f"number of the state x {circuit.outcomes} / {2**circuit.qubits}, rounded down"
        yield f"ones modulo {circuit.outcomes}" if circuit.decoding == "parity" else how
    elif "scale" in weights:
        for k, group in enumerate(circuit.measured):
            product = "*".join(f"Z{q}" for q in group)
            yield f"output {k} = {weights['scale'][k]:.9g} * <{product}> + {weights['bias'][k]:.9g}"
    else:
        yield "Outputs are a dense layer on the <Z> of each qubit; its weights come with --to numpy."
