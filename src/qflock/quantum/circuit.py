"""A variational circuit as a frozen description, from which simulator and PennyLane's QNode are both built.

With ``n`` qubits and ``L`` layers the circuit is

    [trainable rotations -> entangling pattern -> rotations by features] x L -> trainable rotations

(the ansatz of eQMARL, DeRieux and Saad, ICLR 2025, after Jerbi et al. 2021); with amplitude encoding the
features are the state at the start and nothing is encoded later. Qubit 0 is the most significant bit.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import combinations, islice
from typing import Any, Literal

import jax
import numpy as np

from qflock.core.errors import UserError
from qflock.machine import memory

Encoding = Literal["angle", "amplitude"]
Entanglement = Literal["ring", "all", "none"]
Entangler = Literal["cz", "cnot"]
Squash = Literal["arctan", "none"]
Decoding = Literal["contiguous", "parity"]
Start = Literal["zero", "plus", "phi+", "phi-", "psi+", "psi-"]


@dataclass(frozen=True)
class Circuit:
    """A description: sizes, gates and what is measured. Hashable, so that it may be a static field.

    Attributes:
        qubits, layers: the sizes n and L.
        encoding: "angle": features turn qubits; "amplitude": 2^n features are the normalised start.
        reupload: features enter in every layer; else in the first alone (angle).
        rotations: axes of the trainable rotations of each qubit, in the order in which they act.
        encoded: axes of the rotations by features, in order (angle).
        squash: the angle of a feature x with weight w: "arctan": arctan(w x); "none": w x.
        entanglement: "ring": neighbours, and the last with the first where there are more than two;
            "all": every pair; "none": the ablation.
        entangler: the gate of a pair.
        start: "zero": |0...0>; "plus": H on all qubits; a Bell state: qubit i of the first half and
            qubit i of the second half share it, as the halves of a split critic do.
        partitions: equal groups of neighbouring qubits; the pattern stays inside each.
        readout: for each output the qubits whose Z are multiplied; empty for one output a qubit.
        outcomes: above 0, outputs are no means of Z but the chances of so many sets of basis states: what
            one measurement decides.
        decoding: which basis states are in a set: "contiguous": neighbouring ones, as evenly as it goes;
            "parity": those whose number of ones leaves the same remainder.

    Raises:
        UserError: sizes or names that make no circuit.
    """

    qubits: int = 4
    layers: int = 5
    encoding: Encoding = "angle"
    reupload: bool = True
    rotations: str = "xyz"
    encoded: str = "xyz"
    squash: Squash = "arctan"
    entanglement: Entanglement = "ring"
    entangler: Entangler = "cz"
    start: Start = "zero"
    partitions: int = 1
    readout: tuple[tuple[int, ...], ...] = ()
    outcomes: int = 0
    decoding: Decoding = "contiguous"

    def __post_init__(self) -> None:
        def need(true: bool, message: str) -> None:
            if not true:
                raise UserError(f"circuit: {message}")

        need(self.qubits >= 1, f"{self.qubits} qubits; there must be at least 1")
        need(self.qubits < 60, f"{self.qubits} qubits have more basis states than numbers can count")
        need(self.layers >= 1, f"{self.layers} layers; there must be at least 1")
        for name in ("rotations", "encoded"):
            axes = getattr(self, name)
            need(axes and set(axes) <= set("xyz"), f"{name} is {axes!r}; give axes such as xyz or y")
        for name, kind in (
            ("encoding", Encoding),
            ("squash", Squash),
            ("entanglement", Entanglement),
            ("entangler", Entangler),
            ("start", Start),
            ("decoding", Decoding),
        ):
            known = kind.__args__
            value = getattr(self, name)
            need(value in known, f"{name} is {value!r}; there are: {', '.join(known)}")
        need(
            self.partitions >= 1 and self.qubits % self.partitions == 0,
            f"partitions {self.partitions} does not divide qubits {self.qubits}",
        )
        need(
            self.start in ("zero", "plus") or self.qubits % 2 == 0,
            f"start {self.start} joins two halves; {self.qubits} qubits have none",
        )
        need(
            self.encoding == "angle" or self.start == "zero",
            "amplitude encoding prepares the start itself; leave start out",
        )
        for group in self.readout:
            good = len(set(group)) == len(group) > 0 and all(0 <= q < self.qubits for q in group)
            need(good, f"readout {group} names no set of qubits 0 to {self.qubits - 1}")
        most = 2**self.qubits if self.decoding == "contiguous" else self.qubits + 1
        need(
            0 <= self.outcomes <= most,
            f"{self.qubits} qubits tell {most} outcomes apart with {self.decoding} decoding, not "
            f"{self.outcomes}",
        )
        there = memory.installed()
        need(
            there is None or self.memory <= there,
            f"{self.qubits} qubits need about {self.memory / 2**30:,.3g} GiB for one evaluation with its "
            f"gradient; this machine has {(there or 0) / 2**30:,.3g}: take fewer qubits",
        )

    @property
    def memory(self) -> int:
        """Bytes that one evaluation with its gradient takes, about.

        The state, its cotangent and two copies of both, real and imaginary parts in single precision; and a
        sign of each basis state for each output, as one byte and in single precision.
        """
        return (48 + 5 * self.outputs) * 2**self.qubits

    @property
    def inputs(self) -> tuple[int, ...]:
        """Shape of one example's features: ``(n, encoded axes)``, or ``(2^n,)`` (amplitude)."""
        return (self.qubits, len(self.encoded)) if self.encoding == "angle" else (2**self.qubits,)

    @property
    def angles(self) -> tuple[int, int, int]:
        """Shape of the trainable angles, ``(L + 1, n, axes)``."""
        return (self.layers + 1, self.qubits, len(self.rotations))

    @property
    def weights(self) -> tuple[int, int, int]:
        """Shape of the weights of features, one for each time that one enters; none with amplitudes."""
        if self.encoding == "amplitude":
            return (0, self.qubits, len(self.encoded))
        return (self.layers if self.reupload else 1, self.qubits, len(self.encoded))

    @property
    def turns(self) -> int:
        """How many rotations there are, by trained angles and by features."""
        return int(np.prod(self.angles) + np.prod(self.weights))

    @property
    def measured(self) -> tuple[tuple[int, ...], ...]:
        """For each output the qubits whose Z are multiplied."""
        return self.readout or tuple((q,) for q in range(self.qubits))

    @property
    def outputs(self) -> int:
        """How many expectation values, or chances, there are."""
        return self.outcomes or len(self.measured)

    @property
    def pairs(self) -> tuple[tuple[int, int], ...]:
        """Pairs of qubits that one entangling pattern joins, in order (control first)."""
        width = self.qubits // self.partitions
        pairs: list[tuple[int, int]] = []
        for first in range(0, self.qubits, width):
            own = range(first, first + width)
            if self.entanglement == "all":
                pairs += combinations(own, 2)
            elif self.entanglement == "ring":
                pairs += [(q, q + 1) for q in own[:-1]]
                pairs += [(own[-1], own[0])] if width > 2 else []
        return tuple(pairs)

    @cached_property
    def signs(self) -> np.ndarray:
        """What each basis state counts for each output, ``(outputs, 2^n)``: the sign of its product of Z, or
        whether it is in its set."""
        if self.outcomes:
            states = np.arange(2**self.qubits)
            own = states * self.outcomes >> self.qubits
            if self.decoding == "parity":
                own = basis(self.qubits).sum(1) % self.outcomes
            return (own == np.arange(self.outcomes)[:, None]).astype(np.int8)
        odd = (reduce(np.bitwise_xor, (self._bit(q) for q in group)) for group in self.measured)
        return np.stack([1 - 2 * x for x in odd])

    @cached_property
    def phases(self) -> np.ndarray:
        """The diagonal of one pattern of CZ, ``(2^n,)``."""
        odd = np.zeros(2**self.qubits, np.int8)
        for a, b in self.pairs:
            odd ^= self._bit(a) & self._bit(b)
        return 1 - 2 * odd

    @cached_property
    def permutation(self) -> np.ndarray:
        """Where each basis state's amplitude comes from under one pattern of CNOT, ``(2^n,)``."""
        source = np.arange(2**self.qubits)
        for control, target in reversed(self.pairs):
            source ^= ((source >> (self.qubits - 1 - control)) & 1) << (self.qubits - 1 - target)
        return source

    def _bit(self, qubit: int) -> np.ndarray:
        """The bit of a qubit in every basis state, ``(2^n,)``."""
        return ((np.arange(2**self.qubits) >> (self.qubits - 1 - qubit)) & 1).astype(np.int8)

    @cached_property
    def initial(self) -> np.ndarray:
        """The real amplitudes at the start, ``(2^n,)``; |0...0> with amplitude encoding."""
        size = 2**self.qubits
        if self.start == "plus":
            return np.full(size, size**-0.5)
        if self.start == "zero":
            return np.where(np.arange(size) == 0, 1.0, 0.0)
        pair = {"phi+": (1, 0, 0, 1), "phi-": (1, 0, 0, -1), "psi+": (0, 1, 1, 0), "psi-": (0, 1, -1, 0)}
        bell = np.array(pair[self.start]) / 2**0.5
        half = self.qubits // 2
        bits = basis(self.qubits)
        return bell[2 * bits[:, :half] + bits[:, half:]].prod(1)


def description_of(network: Any) -> Circuit | None:
    """The description of a network that is made of a circuit; None of any other.

    Args:
        network: any node of a pytree.
    """
    found = getattr(network, "description", None)
    return found if isinstance(found, Circuit) else None


def among(weights: Any) -> list[Circuit]:
    """The descriptions of the circuits in a pytree of networks, one for each node.

    Args:
        weights: of any networks.
    """
    nodes = jax.tree.leaves(weights, is_leaf=lambda node: description_of(node) is not None)
    return [found for found in map(description_of, nodes) if found is not None]


def basis(qubits: int) -> np.ndarray:
    """The bits of all basis states in order, ``(2^n, n)``."""
    return (np.arange(2**qubits)[:, None] >> np.arange(qubits)[::-1]) & 1


def products(qubits: int, outputs: int) -> tuple[tuple[int, ...], ...]:
    """Read-out of any number of outputs: each qubit's Z, then products of two, of three, and so on.

    Args:
        qubits: how many qubits, n.
        outputs: how many outputs.

    Raises:
        UserError: there are fewer products than outputs.
    """
    every = (group for size in range(1, qubits + 1) for group in combinations(range(qubits), size))
    chosen = tuple(islice(every, outputs))
    if len(chosen) < outputs:
        raise UserError(
            f"{qubits} qubits have {len(chosen)} products of Z, fewer than {outputs} outputs; "
            "take more qubits or a linear head"
        )
    return chosen


def whole(qubits: int) -> tuple[tuple[int, ...], ...]:
    """Read-out of one output, the product of all Z."""
    return (tuple(range(qubits)),)
