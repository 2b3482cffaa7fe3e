"""Networks made of a quantum circuit, in PyTorch alone: part of `torch_policy`, beside which it lies.

A circuit of n qubits starts in ``circuit.start``; each qubit turns by the first trained ``angles``. A layer
then applies the entangling pattern (``circuit.phases``, and ``circuit.source``, where each amplitude comes
from), turns by the features and turns by its angles. Each output is the mean of a product of Z, whose signs
are a row of ``circuit.signs``; or, of a head "born", the logarithm of the chance of the states in that row.
All of it has gradients.
"""

from __future__ import annotations

from typing import Any

import torch  # type: ignore[reportMissingImports]
from torch import Tensor, nn  # type: ignore[reportMissingImports]


def equip(policy: nn.Module, network: dict[str, Any], weights: dict[str, Tensor]) -> None:
    """Give a module what `outputs` needs, under the names of the weights: parameters, and what is fixed.

    Args:
        policy: the module.
        network: ``about["network"]`` of the file.
        weights: tensors by name, what is fixed included.
    """
    policy.circuit = nn.Module()
    layers = {name: nn.Module() for name in ("compress", "head") if f"{name}.weight" in weights}
    for name, layer in layers.items():
        policy.add_module(name, layer)
    for name, value in weights.items():
        place, _, leaf = name.rpartition(".")
        holder = policy.get_submodule(place) if place else policy
        if name in network["fixed"]:
            holder.register_buffer(leaf, value.clone())
        else:
            holder.register_parameter(leaf, nn.Parameter(value.clone()))


def outputs(policy: Any, network: dict[str, Any], x: Tensor) -> Tensor:
    """The outputs of a circuit network.

    Args:
        policy: a module after `equip`.
        network: ``about["network"]`` of the file.
        x: features ``(..., A, F)``.

    Returns:
        ``(..., A, U)``.
    """
    fixed, angles = policy.circuit, policy.angles
    state, entered = _start(policy, network, x)
    state = _turned(state, angles[..., 0, :, :])
    for layer in range(network["layers"]):
        state = (state * fixed.phases)[..., fixed.source.long()]
        if network["encoding"] == "angle" and (layer == 0 or network["reupload"]):
            state = _turned(state, torch.arctan(policy.weights[..., layer, :, :] * entered))
        state = _turned(state, angles[..., layer + 1, :, :])
    expectations = state.abs().square() @ fixed.signs.T
    if network["head"] == "linear":
        return _linear(policy.head, expectations)
    if network["head"] == "born":
        return torch.log(expectations + 1e-12)
    return policy.scale * expectations + policy.bias


def _start(policy: Any, network: dict[str, Any], x: Tensor) -> tuple[Tensor, Tensor]:
    """The state at the start, and the numbers that turn qubits ``(..., A, n, 3)``, or none of them."""
    start = policy.circuit.start
    entered = _linear(policy.compress, x) if network["compression"] else x
    amplitude = network["encoding"] == "amplitude"
    slots = len(start) if amplitude else 3 * network["qubits"]
    entered = nn.functional.pad(entered, (0, slots - entered.shape[-1]))
    if amplitude:
        norm = entered.norm(dim=-1, keepdim=True)
        state = torch.where(norm > 0, entered / torch.where(norm > 0, norm, 1.0), start)
        return torch.complex(state, torch.zeros_like(state)), entered
    state = start.expand(*x.shape[:-1], len(start))
    return torch.complex(state, torch.zeros_like(state)), entered.unflatten(-1, (network["qubits"], 3))


def _turned(state: Tensor, angles: Tensor) -> Tensor:
    """States ``(..., 2^n)`` after RX, RY, RZ of every qubit by ``angles`` ``(..., n, 3)``."""
    shape = state.shape
    cosines, sines = torch.cos(angles / 2), torch.sin(angles / 2)
    for qubit in range(angles.shape[-2]):
        pairs = state.reshape(*shape[:-1], 2**qubit, 2, -1)
        zero, one = pairs[..., 0, :], pairs[..., 1, :]
        for axis in range(3):
            cos, sin = (part[..., qubit, axis, None, None] for part in (cosines, sines))
            if axis == 2:
                zero, one = zero * (cos - 1j * sin), one * (cos + 1j * sin)
            else:
                turn = -1j * sin if axis == 0 else -sin
                zero, one = cos * zero + turn * one, cos * one - turn.conj() * zero
        state = torch.stack([zero, one], -2).reshape(shape)
    return state


def _linear(layer: Any, x: Tensor) -> Tensor:
    return torch.matmul(layer.weight, x.unsqueeze(-1)).squeeze(-1) + layer.bias
