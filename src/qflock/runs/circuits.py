"""The circuits among a run's weights, and what they take on a device."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from qflock.core.errors import UserError
from qflock.quantum import resources as quantum_resources
from qflock.quantum.circuit import among
from qflock.quantum.resources import Rate


def resources(policy: Any) -> dict[str, int]:
    """What the circuits of one decision of an agent take: nothing where it has none.

    Args:
        policy: weights that execution needs.

    Returns:
        ``circuits_per_decision``; ``qubits`` and ``circuit_depth``, the largest; ``two_qubit_gates`` of all.
    """
    found = [quantum_resources.of(circuit) for circuit in among(policy)]
    if not found:
        return {}
    return {
        "circuits_per_decision": len(found),
        "qubits": max(each.qubits for each in found),
        "circuit_depth": max(each.depth for each in found),
        "two_qubit_gates": sum(each.two_qubit_gates for each in found),
    }


def priced(found: dict[str, int], evaluations: int | None, shots: int, rate: Rate) -> dict[str, Any]:
    """Measurements and their price, of a decision and of a training.

    Args:
        found: of `resources`.
        evaluations: of circuits, that a device would have run in training; None where that is not known.
        shots: of each evaluation.
        rate: what the device asks for.

    Raises:
        UserError: no circuits, or no shots: exact values are of no device.
    """
    if not found:
        raise UserError("a price is of policies made of circuits; this one has none")
    if not shots:
        raise UserError("a price needs measurements: give --shots, say 1000; exact values are of no device")
    counts = {"decision": found["circuits_per_decision"], "training": evaluations}
    known = {name: count for name, count in counts.items() if count is not None}
    return {
        "rate": asdict(rate),
        "measurements": {name: count * shots for name, count in known.items()},
        "price": {name: rate.price(count, shots) for name, count in known.items()},
    }
