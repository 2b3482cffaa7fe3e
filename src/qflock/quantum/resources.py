"""What a circuit takes on a device: qubits, depth, gates, measurements, and their price at a stated rate.

Gates are counted as they are described, before any device's compiler: rotations about single axes, CZ or CNOT
between any pair of qubits. The preparation of amplitudes is not counted.
"""

from __future__ import annotations

from dataclasses import dataclass

from qflock.core.errors import UserError
from qflock.quantum import gates
from qflock.quantum.circuit import Circuit


@dataclass(frozen=True)
class Resources:
    """Of one evaluation of a circuit.

    Attributes:
        qubits: how many.
        depth: the longest chain of gates, the measurement left out.
        two_qubit_gates: CZ and CNOT.
        rotations: by trained angles, and by features.
    """

    qubits: int
    depth: int
    two_qubit_gates: int
    rotations: int


def of(circuit: Circuit) -> Resources:
    """The resources of a description."""
    every = list(gates.listed(circuit))
    return Resources(
        qubits=circuit.qubits,
        depth=gates.depth(every, circuit.qubits),
        two_qubit_gates=sum(len(gate.qubits) == 2 for gate in every),
        rotations=circuit.turns,
    )


@dataclass(frozen=True)
class Rate:
    """What a device asks for.

    Attributes:
        of_shot: price of one measurement of all qubits.
        of_circuit: price of each evaluation, however many shots it has.

    Raises:
        UserError: a price below zero.
    """

    of_shot: float = 0.0
    of_circuit: float = 0.0

    def __post_init__(self) -> None:
        for name, price in (("shot", self.of_shot), ("circuit", self.of_circuit)):
            if not price >= 0:
                raise UserError(f"the price of a {name} is {price:g}; it must not be negative")

    def price(self, evaluations: float, shots: int) -> float:
        """The price of so many evaluations, in the rate's own currency.

        Args:
            evaluations: of a circuit.
            shots: measurements of each.
        """
        return evaluations * (self.of_circuit + shots * self.of_shot)
