"""Networks made of a quantum circuit; they stand wherever an MLP does (docs/quantum.md)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, PRNGKeyArray

from qflock.core.errors import UserError
from qflock.networks.layers import linear
from qflock.quantum import circuit as describe
from qflock.quantum import counting, noise, simulate, unitary
from qflock.quantum.circuit import Circuit as Description
from qflock.quantum.noise import NONE, Noise

Compression = Literal["linear", "frozen", "none"]
Head = Literal["scale", "linear"]
Simulator = Literal["jax", "pennylane"]


@dataclass(frozen=True)
class Conditions:
    """What a circuit is measured under.

    Attributes:
        shots: measurements of each evaluation; 0 for exact values.
        noise: Pauli errors.
        trajectories: drawn for each evaluation where there is noise and no device; at most as many as shots.
        device: one of PennyLane's, such as ``default.mixed``; empty for our simulator.

    Raises:
        UserError: a number below its least value.
    """

    shots: int = 0
    noise: Noise = NONE
    trajectories: int = 100
    device: str = ""

    def __post_init__(self) -> None:
        if self.shots < 0 or self.trajectories < 1:
            raise UserError(
                f"shots is {self.shots} and trajectories {self.trajectories}; give 0 and 1 or more"
            )


class Circuit(eqx.Module):
    """A linear compression of the features, a circuit, and a scale and bias for each output.

    What is frozen is drawn from ``frozen_seed``, is no leaf of this pytree and so moves under no learner.

    Args:
        inputs, outputs: sizes of the features and of what is given back.
        qubits, layers, encoding, reupload, entanglement, entangler: see `qflock.quantum.circuit`.
        compression: "linear": a trained layer from the features to the circuit's inputs (3 n angles, or 2^n
            amplitudes); "frozen": a fixed one with random orthogonal rows; "none": the features
            themselves, zeros behind them where they are fewer.
        head: "scale": each output is scale x expectation + bias; the expectations are of each qubit's Z,
            then of products of two, of three ...; "linear": a dense layer on every qubit's <Z>.
        frozen: angles and the features' weights are random and fixed; compression and head are trained.
        frozen_seed: of all that is fixed.
        scale: first value of every output's scale (head scale).
        simulator: "jax", or "pennylane" for its QNode, which is far slower.

    Raises:
        UserError: no such circuit, or sizes that do not fit.
    """

    compress: eqx.nn.Linear | None
    angles: Float[Array, "L+1 n R"] | None
    weights: Float[Array, "L n E"] | None
    scale: Float[Array, "U"] | None
    bias: Float[Array, "U"] | None
    head: eqx.nn.Linear | None
    key: PRNGKeyArray | None  # of errors and measurements, where there are conditions
    description: Description = eqx.field(static=True)
    compression: Compression = eqx.field(static=True)
    frozen_seed: int = eqx.field(static=True)
    simulator: Simulator = eqx.field(static=True)
    conditions: Conditions | None = eqx.field(static=True)

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        key: PRNGKeyArray,
        qubits: int = 4,
        layers: int = 5,
        encoding: describe.Encoding = "angle",
        reupload: bool = True,
        entanglement: describe.Entanglement = "ring",
        entangler: describe.Entangler = "cz",
        compression: Compression = "linear",
        head: Head = "scale",
        frozen: bool = False,
        frozen_seed: int = 0,
        scale: float = 1.0,
        simulator: Simulator = "jax",
    ) -> None:
        self.description = description = Description(
            qubits,
            layers,
            encoding,
            reupload,
            entanglement=entanglement,
            entangler=entangler,
            start="plus" if encoding == "angle" else "zero",
            readout=describe.products(qubits, outputs) if head == "scale" else (),
        )
        slots = int(np.prod(description.inputs))
        if compression == "none" and inputs > slots:
            raise UserError(
                f"a circuit of {qubits} qubits takes {slots} numbers without compression; there are {inputs} "
                "features: take more qubits or circuit_compression linear"
            )
        self.key, self.conditions = None, None
        k_compress, k_circuit, k_head = jax.random.split(key, 3)
        self.compress = linear(inputs, slots, k_compress) if compression == "linear" else None
        self.compression, self.frozen_seed, self.simulator = compression, frozen_seed, simulator
        self.angles, self.weights = (None, None) if frozen else simulate.init(description, k_circuit)
        scaled = head == "scale"
        self.scale = jnp.full(outputs, scale) if scaled else None
        self.bias = jnp.zeros(outputs) if scaled else None
        self.head = None if scaled else linear(qubits, outputs, k_head)

    def compressed(self, x: Float[Array, "I"]) -> Float[Array, "*C"]:
        """The circuit's inputs."""
        shape = self.description.inputs
        slots = int(np.prod(shape))
        if self.compress is not None:
            x = self.compress(x)
        elif self.compression == "frozen":
            x = jnp.asarray(fixed_rows(x.shape[0], slots, self.frozen_seed)) @ x
        else:
            x = jnp.pad(x, (0, slots - x.shape[0]))
        return x.reshape(shape)

    @property
    def parameters(self) -> simulate.Parameters:
        """The circuit's own parameters, trained or fixed."""
        if self.angles is not None and self.weights is not None:
            return simulate.Parameters(self.angles, self.weights)
        drawn = np.random.default_rng(self.frozen_seed).uniform(0, np.pi, self.description.angles)
        return simulate.Parameters(jnp.asarray(drawn, jnp.float32), jnp.ones(self.description.weights))

    def expectations(self, x: Float[Array, "I"]) -> Float[Array, "K"]:
        """The circuit's expectation values, each in [-1, 1]."""
        if self.simulator == "pennylane" or self.conditions is not None:
            return counting.marked(self._measured(x))
        if unitary.fits(self.description):  # which needs no zeros behind the features
            x = x if self.compression == "none" else self.compressed(x)
            return unitary.expectations(self.description, self.parameters, x)
        return simulate.expectations(self.description, self.parameters, self.compressed(x))

    def _measured(self, x: Float[Array, "I"]) -> Float[Array, "K"]:
        """The expectation values by PennyLane, or under the conditions that are set."""
        given, under = (
            (self.description, self.parameters, self.compressed(x)),
            self.conditions or Conditions(),
        )
        if self.simulator == "pennylane" or under.device:
            from qflock.quantum import pennylane

            device = under.device or ("default.mixed" if under.noise.probability else "default.qubit")
            return pennylane.expectations(*given, device, under.shots or None, under.noise)
        assert self.key is not None
        return noise.expectations(*given, self.key, under.noise, under.shots or None, under.trajectories)

    def __call__(self, x: Float[Array, "I"]) -> Float[Array, "U"]:
        expected = self.expectations(x)
        if self.head is not None:
            return self.head(expected)
        assert self.scale is not None
        assert self.bias is not None
        return self.scale * expected + self.bias


def fixed_rows(inputs: int, outputs: int, seed: int) -> np.ndarray:
    """A random matrix ``(outputs, inputs)`` whose rows, or columns where they are fewer, are orthonormal.

    Args:
        inputs: columns.
        outputs: rows.
        seed: of the matrix.
    """
    drawn = np.random.default_rng([seed, 1]).normal(size=(max(inputs, outputs), min(inputs, outputs)))
    matrix = np.linalg.qr(drawn)[0].astype(np.float32)
    return matrix.T if inputs >= outputs else matrix
