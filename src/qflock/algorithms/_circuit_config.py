"""Settings of networks made of a quantum circuit, shared by all learners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Any, Literal

from qflock.settings.ranges import above, at_least


@dataclass(frozen=True)
class Circuit:
    """Settings of ``--network circuit``. A learner's settings inherit them."""

    circuit_qubits: Annotated[int, at_least(1)] = 4
    """Qubits (network circuit)."""
    circuit_layers: Annotated[int, at_least(1)] = 5
    """Layers: trainable rotations, entangling gates, features as angles (network circuit)."""
    circuit_encoding: Literal["angle", "amplitude"] = "angle"
    """Features as three angles a qubit, or as the 2^n amplitudes at the start (network circuit)."""
    circuit_reupload: bool = True
    """Features enter in every layer, else in the first alone (network circuit, angle)."""
    circuit_entanglement: Literal["ring", "all", "none"] = "ring"
    """Which qubits are entangled: neighbours, every pair, or none, the control (network circuit)."""
    circuit_entangler: Literal["cz", "cnot"] = "cz"
    """The gate that entangles a pair (network circuit)."""
    circuit_compression: Literal["linear", "frozen", "none"] = "linear"
    """From features to the circuit: a trained layer, a fixed random one, or none (network circuit)."""
    circuit_head: Literal["scale", "linear", "born"] = "scale"
    """An output is one expectation with scale and bias, or a dense layer on all qubits; born: one measurement
    decides, by Born's rule (network circuit, of actors)."""
    circuit_decoding: Literal["contiguous", "parity"] = "contiguous"
    """Which action a measurement decides for: by the state's number, or by its number of ones (head born)."""
    circuit_scale: Annotated[float, above(0, finite=True)] = 1.0
    """First value of the outputs' scale (network circuit, head scale)."""
    circuit_frozen: bool = False
    """Angles are random and fixed, the control; compression and head are trained (network circuit)."""
    circuit_seed: Annotated[int, at_least(0)] = 0
    """What fixed parts are drawn from; the same for all seeds of a run (network circuit)."""
    lr_angles: Annotated[float, at_least(0, finite=True)] = 0.0
    """Step size of trained angles; 0 for that of all else (network circuit)."""
    lr_input_scaling: Annotated[float, at_least(0, finite=True)] = 0.0
    """Step size of the weights of features; 0 for that of all else (network circuit)."""
    lr_output_scaling: Annotated[float, at_least(0, finite=True)] = 0.0
    """Step size of outputs' scales and biases; 0 for that of all else (network circuit)."""
    simulator: Literal["jax", "pennylane"] = "jax"
    """What simulates circuits: ours, or PennyLane's QNode, for checks: far slower (network circuit)."""

    def circuit_settings(self) -> dict[str, Any]:
        """The settings as `qflock.networks.circuit.Circuit` names them."""
        return {
            "qubits": self.circuit_qubits,
            "layers": self.circuit_layers,
            "encoding": self.circuit_encoding,
            "reupload": self.circuit_reupload,
            "entanglement": self.circuit_entanglement,
            "entangler": self.circuit_entangler,
            "compression": self.circuit_compression,
            "head": self.circuit_head,
            "scale": self.circuit_scale,
            "frozen": self.circuit_frozen,
            "frozen_seed": self.circuit_seed,
            "simulator": self.simulator,
            **({"decoding": self.circuit_decoding} if self.circuit_head == "born" else {}),
        }
