"""Networks made of a quantum circuit, with NumPy alone: part of `numpy_policy`, beside which it lies.

A circuit of n qubits starts in ``circuit.start``; each qubit turns by the first trained ``angles``. A layer
then applies the entangling pattern (``circuit.phases``, and ``circuit.source``, where each amplitude comes
from), turns by the features and turns by its angles. Each output is the mean of a product of Z, whose signs
are a row of ``circuit.signs``; or, of a head "born", the logarithm of the chance of the states in that row.
"""

from __future__ import annotations

from typing import Any

import numpy as np

Weights = dict[str, np.ndarray]


def outputs(network: dict[str, Any], weights: Weights, x: np.ndarray) -> np.ndarray:
    """The outputs of a circuit network.

    Args:
        network: ``about["network"]`` of the file.
        weights: float32 arrays by name, what is fixed included.
        x: features ``(..., A, F)``.

    Returns:
        ``(..., A, U)``.
    """
    state, entered = _start(network, weights, x)
    state = _turned(state, weights["angles"][..., 0, :, :])
    for layer in range(network["layers"]):
        state = (state * weights["circuit.phases"])[..., weights["circuit.source"]]
        if network["encoding"] == "angle" and (layer == 0 or network["reupload"]):
            state = _turned(state, np.arctan(weights["weights"][..., layer, :, :] * entered))
        state = _turned(state, weights["angles"][..., layer + 1, :, :])
    expectations = np.square(np.abs(state)) @ weights["circuit.signs"].T
    if network["head"] == "linear":
        return _linear(weights, "head", expectations)
    if network["head"] == "born":
        return np.log(expectations + np.float32(1e-12))
    return weights["scale"] * expectations + weights["bias"]


def _start(network: dict[str, Any], weights: Weights, x: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The state at the start, and the numbers that turn qubits ``(..., A, n, 3)``, or none of them."""
    start = weights["circuit.start"]
    entered = _linear(weights, "compress", x) if network["compression"] else x
    amplitude = network["encoding"] == "amplitude"
    slots = len(start) if amplitude else 3 * network["qubits"]
    entered = np.concatenate([entered, np.zeros((*x.shape[:-1], slots - entered.shape[-1]), x.dtype)], -1)
    if amplitude:
        norm = np.sqrt(np.square(entered).sum(-1, keepdims=True))
        state = np.where(norm > 0, entered / np.where(norm > 0, norm, 1), start)
        return state.astype(np.complex64), entered
    state = np.broadcast_to(start, (*x.shape[:-1], len(start))).astype(np.complex64)
    return state, entered.reshape(*x.shape[:-1], network["qubits"], 3)


def _turned(state: np.ndarray, angles: np.ndarray) -> np.ndarray:
    """States ``(..., 2^n)`` after RX, RY, RZ of every qubit by ``angles`` ``(..., n, 3)``."""
    shape = state.shape
    cosines, sines = np.cos(angles / 2), np.sin(angles / 2)
    for qubit in range(angles.shape[-2]):
        pairs = state.reshape(*shape[:-1], 2**qubit, 2, -1)
        zero, one = pairs[..., 0, :], pairs[..., 1, :]
        for axis in range(3):
            cos, sin = (part[..., qubit, axis, None, None] for part in (cosines, sines))
            if axis == 2:
                zero, one = zero * (cos - 1j * sin), one * (cos + 1j * sin)
            else:
                turn = -1j * sin if axis == 0 else -sin
                zero, one = cos * zero + turn * one, cos * one - np.conj(turn) * zero
        state = np.stack([zero, one], -2).reshape(shape)
    return state


def _linear(weights: Weights, name: str, x: np.ndarray) -> np.ndarray:
    return np.matmul(weights[f"{name}.weight"], x[..., None])[..., 0] + weights[f"{name}.bias"]
