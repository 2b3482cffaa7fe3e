"""Settings of networks made of a quantum circuit, shared by all learners."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated, Any, Literal

from qflock.settings.ranges import above, at_least

if TYPE_CHECKING:
    from qflock.quantum.conditions import Training


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
    circuit_shots: Annotated[int, at_least(0)] = 0
    """Measurements of each evaluation in training, in play and in learning; 0 for exact values."""
    circuit_noise: str = ""
    """Pauli errors in training, such as depolarizing:0.01, bit_flip:0.02 or phase_flip:0.02."""
    circuit_trajectories: Annotated[int, at_least(1)] = 10
    """Draws of the errors that each evaluation in training averages; at most as many as shots."""
    circuit_device: str = ""
    """A device of PennyLane's to train on, such as default.mixed; our simulator if empty."""
    circuit_gradient: Literal["shift", "spsa"] = "shift"
    """shift: circuits have gradients by parameter shift where there are shots, else exact; spsa: of all
    weights of a network at once, from a difference of losses in a random direction."""
    spsa_step: Annotated[float, above(0, finite=True)] = 0.1
    """How far to either side that difference is taken (circuit_gradient spsa)."""
    simulator: Literal["jax", "pennylane"] = "jax"
    """What simulates circuits: ours, or PennyLane's QNode, for checks: far slower (network circuit)."""

    def training(self) -> Training | None:
        """How circuits are measured and differentiated in training; None for exact values and gradients.

        Raises:
            UserError: noise that there is not.
        """
        spsa = self.spsa_step if self.circuit_gradient == "spsa" else 0.0
        if not (self.circuit_shots or self.circuit_noise or self.circuit_device or spsa):
            return None
        from qflock.quantum import noise
        from qflock.quantum.conditions import Conditions, Training

        channel = noise.parse(self.circuit_noise) if self.circuit_noise else noise.NONE
        measured = self.circuit_shots, channel, self.circuit_trajectories, self.circuit_device
        return Training(Conditions(*measured), spsa)

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
