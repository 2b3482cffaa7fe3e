"""Networks made of a quantum circuit; they stand wherever an MLP does (docs/quantum.md)."""

from __future__ import annotations

import dataclasses
from typing import Any, Literal

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.core.errors import UserError
from qflock.core.steps import Parameters
from qflock.networks.layers import linear
from qflock.quantum import circuit as describe
from qflock.quantum import conditions as quantum_conditions
from qflock.quantum import counting, mitigation, noise, simulate, unitary
from qflock.quantum.circuit import Circuit as Description
from qflock.quantum.conditions import Conditions

Compression = Literal["linear", "frozen", "none"]
Head = Literal["scale", "linear", "born"]
RARE = 1e-12
"""Added to a chance before its logarithm is taken."""
Simulator = Literal["jax", "pennylane"]


class Circuit(eqx.Module):
    """A linear compression of the features, a circuit, and a scale and bias for each output.

    What is frozen is drawn from ``frozen_seed``, is no leaf of this pytree and so moves under no learner.
    Each of several networks has a draw of its own, see `among` and `apart`.

    Args:
        inputs, outputs: sizes of the features and of what is given back.
        qubits, layers, encoding, reupload, entanglement, entangler: see `qflock.quantum.circuit`.
        compression: "linear": a trained layer from the features to the circuit's inputs (3 n angles, or 2^n
            amplitudes); "frozen": a fixed one with random orthogonal rows; "none": the features
            themselves, zeros behind them where they are fewer.
        head: "scale": each output is scale x expectation + bias; the expectations are of each qubit's Z,
            then of products of two, of three ...; "linear": a dense layer on every qubit's <Z>; "born":
            the logarithm of the chance that a measurement of all qubits decides for this output.
        decoding: which measured states decide for which output (born).
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
    which: Int[Array, ""] | None  # of several networks, while they are computed
    description: Description = eqx.field(static=True)
    compression: Compression = eqx.field(static=True)
    frozen_seed: int | tuple[int, ...] = eqx.field(static=True)
    networks: int = eqx.field(static=True)
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
        decoding: describe.Decoding = "contiguous",
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
            outcomes=outputs if head == "born" else 0,
            decoding=decoding,
        )
        slots = int(np.prod(description.inputs))
        if compression == "none" and inputs > slots:
            raise UserError(
                f"a circuit of {qubits} qubits takes {slots} numbers without compression; there are {inputs} "
                "features: take more qubits or circuit_compression linear"
            )
        self.key, self.conditions, self.which, self.networks = None, None, None, 1
        k_compress, k_circuit, k_head = jax.random.split(key, 3)
        self.compress = linear(inputs, slots, k_compress) if compression == "linear" else None
        self.compression, self.frozen_seed, self.simulator = compression, frozen_seed, simulator
        self.angles, self.weights = (None, None) if frozen else simulate.init(description, k_circuit)
        scaled = head == "scale"
        self.scale = jnp.full(outputs, scale) if scaled else None
        self.bias = jnp.zeros(outputs) if scaled else None
        self.head = linear(qubits, outputs, k_head) if head == "linear" else None

    def compressed(self, x: Float[Array, "I"]) -> Float[Array, "*C"]:
        """The circuit's inputs."""
        shape = self.description.inputs
        slots = int(np.prod(shape))
        if self.compress is not None:
            x = self.compress(x)
        elif self.compression == "frozen":
            x = self._own(self.fixed_rows(x.shape[0])) @ x
        else:
            x = jnp.pad(x, (0, slots - x.shape[0]))
        return x.reshape(shape)

    @property
    def draws(self) -> bool:
        """Whether something of it is frozen."""
        return self.angles is None or self.compression == "frozen"

    @property
    def parameters(self) -> simulate.Parameters:
        """The circuit's own parameters, trained or fixed."""
        if self.angles is not None and self.weights is not None:
            return simulate.learnt(self.description, self.angles, self.weights)
        return simulate.Parameters(self._own(self.fixed_angles()), jnp.ones(self.description.weights))

    def fixed_angles(self) -> Float[np.ndarray, "W L+1 n R"]:
        """The frozen angles of each of the networks that this one is of."""
        shape = self.description.angles
        drawn = [np.random.default_rng(seed).uniform(0, np.pi, shape) for seed in self._seeds()]
        return np.stack(drawn).astype(np.float32)

    def fixed_rows(self, inputs: int) -> Float[np.ndarray, "W C I"]:
        """The frozen compression of each of the networks that this one is of.

        Args:
            inputs: features, I.
        """
        slots = int(np.prod(self.description.inputs))
        return np.stack([_rows(inputs, slots, [*seed, 1]) for seed in self._seeds()])

    def _seeds(self) -> list[list[int]]:
        """What the draws of each network are made from; those of the first have its seed alone."""
        seed = [self.frozen_seed] if isinstance(self.frozen_seed, int) else list(self.frozen_seed)
        return [[*seed, 2, k] if k else seed for k in range(self.networks)]

    def _own(self, drawn: np.ndarray) -> Array:
        return jnp.asarray(drawn)[0 if self.which is None else self.which]

    def expectations(self, x: Float[Array, "I"]) -> Float[Array, "K"]:
        """The circuit's expectation values, each in [-1, 1]; of a head born, chances."""
        under, key = self.conditions, self.key
        if under is None and (found := quantum_conditions.current((x, self.angles))):
            under, key = found
        if self.simulator == "pennylane" or under is not None:
            return self._measured(x, under or Conditions(), key)
        if unitary.fits(self.description):  # which needs no zeros behind the features
            x = x if self.compression == "none" else self.compressed(x)
            return unitary.expectations(self.description, self.parameters, x)
        return simulate.expectations(self.description, self.parameters, self.compressed(x))

    def _measured(self, x: Float[Array, "I"], under: Conditions, key: PRNGKeyArray | None) -> Array:
        """The expectation values by PennyLane, or under conditions, marked as what a device would run."""
        given, shots = (self.description, self.parameters, self.compressed(x)), under.shots or None
        by_pennylane = bool(self.simulator == "pennylane" or under.device)
        rotations = noise.shifted(self.description) if shots and not by_pennylane else self.description.turns

        def at(channel: noise.Noise, key: PRNGKeyArray | None) -> Array:
            if by_pennylane:
                from qflock.quantum import pennylane

                device = under.device or ("default.mixed" if channel.probability else "default.qubit")
                return counting.marked(pennylane.expectations(*given, device, shots, channel), rotations)
            assert key is not None
            found = noise.expectations(*given, key, channel, shots, under.trajectories)
            return counting.marked(found, rotations)

        if not under.zero_noise:
            return at(under.noise, key)
        channels = [mitigation.amplified(under.noise, scale) for scale in under.zero_noise]
        keys = [None if key is None else jax.random.fold_in(key, k) for k in range(len(channels))]
        each = jnp.stack([at(*pair) for pair in zip(channels, keys, strict=True)])
        return mitigation.extrapolated(each, under.zero_noise)

    def __call__(self, x: Float[Array, "I"]) -> Float[Array, "U"]:
        expected = self.expectations(x)
        if self.head is not None:
            return self.head(expected)
        if self.description.outcomes:
            return jnp.log(jnp.maximum(expected, 0.0) + RARE)  # extrapolated chances may be negative
        assert self.scale is not None
        assert self.bias is not None
        return self.scale * expected + self.bias


def among(parameters: Parameters, networks: int) -> Parameters:
    """The same networks, whose circuits know which of them they are: what is frozen then differs.

    Args:
        parameters: of several networks, leaves ``(networks, ...)``.
        networks: how many.
    """
    told = {"which": jnp.arange(networks), "networks": networks}
    return _each(parameters, lambda circuit: changed(circuit, **told) if circuit.draws else circuit)


def apart(parameters: Parameters, place: int) -> Parameters:
    """The same networks with draws of their own for what is frozen, apart from those of other places.

    Args:
        parameters: of any networks.
        place: a number, 1 or more.
    """

    def drawn(circuit: Circuit) -> Circuit:
        seed = circuit.frozen_seed
        return changed(circuit, frozen_seed=(*(seed if isinstance(seed, tuple) else (seed,)), 3, place))

    return _each(parameters, lambda circuit: drawn(circuit) if circuit.draws else circuit)


def changed(circuit: Circuit, **fields: Any) -> Circuit:
    """The same circuit with other fields, static ones too.

    Args:
        circuit: is left as it is.
        **fields: new values by name.
    """
    copy = object.__new__(Circuit)
    for field in dataclasses.fields(Circuit):
        object.__setattr__(copy, field.name, fields.get(field.name, getattr(circuit, field.name)))
    return copy


def is_circuit(node: Any) -> bool:
    """Whether a node of a pytree is a network made of a circuit."""
    return isinstance(node, Circuit)


def _each(parameters: Parameters, change: Any) -> Parameters:
    return jax.tree.map(lambda x: change(x) if is_circuit(x) else x, parameters, is_leaf=is_circuit)


def _rows(inputs: int, outputs: int, seed: list[int]) -> np.ndarray:
    """A random matrix ``(outputs, inputs)`` whose rows, or columns where they are fewer, are orthonormal."""
    drawn = np.random.default_rng(seed).normal(size=(max(inputs, outputs), min(inputs, outputs)))
    matrix = np.linalg.qr(drawn)[0].astype(np.float32)
    return matrix.T if inputs >= outputs else matrix
