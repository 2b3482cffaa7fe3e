"""What outputs of an exported policy mean, for `torch_policy`: chances of choices, or numbers of a Box."""

from __future__ import annotations

from typing import Any

import torch  # type: ignore[reportMissingImports]
from torch import Tensor  # type: ignore[reportMissingImports]

NEVER = -1e30  # log-probability of an illegal action: finite, and its probability is exactly 0


def numbers(choice: dict[str, Any], outputs: Tensor, sample: bool = False) -> Tensor:
    """The numbers that agents give, ``(..., A, D)``; see `numpy_choice.numbers`.

    Args:
        choice: see `numpy_choice.numbers`.
        outputs: of the network, ``(..., A, 2 D)``, or ``(..., A, D)`` of a tanh.
        sample: draw them, instead of the likeliest ones.
    """
    if choice["head"] == "tanh":
        noise = choice["noise"] * torch.randn_like(outputs) if sample else 0.0
        inside = (torch.tanh(outputs) + noise).clamp(-1, 1)
    elif choice["head"] == "beta":
        first, second = (1 + torch.nn.functional.softplus(outputs)).chunk(2, -1)
        share = (first - 1) / (first + second - 2).clamp(min=1e-6)
        inside = 2 * (torch.distributions.Beta(first, second).rsample() if sample else share) - 1
    else:
        mean, log_deviation = outputs.chunk(2, -1)
        deviation = log_deviation.clamp(*choice["log_deviation"]).exp()
        inside = torch.tanh(mean + deviation * torch.randn_like(mean) if sample else mean)
    low, high = _bounds(choice, outputs)
    return (low + high) / 2 + (high - low) / 2 * inside


def unit(choice: dict[str, Any], action: Tensor) -> Tensor:
    """Numbers between the bounds as numbers of [-1, 1].

    Args:
        choice: see `numbers`.
        action: ``(..., A, D)``.
    """
    low, high = _bounds(choice, action)
    return (action - (low + high) / 2) / ((high - low) / 2)


def _bounds(choice: dict[str, Any], like: Tensor) -> tuple[Tensor, Tensor]:
    return torch.tensor(choice["low"]).to(like), torch.tensor(choice["high"]).to(like)


def log_probabilities(logits: Tensor, legal: Tensor) -> Tensor:
    """Normalised over legal actions; `NEVER` for the others.

    Args:
        logits: ``(..., A, U)``.
        legal: mask of legal actions, ``(..., A, U)``.
    """
    return torch.where(legal, torch.where(legal, logits, NEVER).log_softmax(-1), NEVER)


def amplified(
    logits: Tensor, legal: Tensor, eta: float, min_entropy: float, inverse_temperature: float, floor: str
) -> Tensor:
    """QIO's operator: amplitudes move away from their mean, then the entropy floor. Log-probabilities.

    For acting: the gradients that training has where amplitudes vanish, and through the floor, are not here.

    Args:
        logits: ``(..., A, U)``.
        legal: mask of legal actions, ``(..., A, U)``.
        eta, min_entropy, inverse_temperature, floor: the run's settings.
    """
    logs = log_probabilities(inverse_temperature * logits, legal)
    half = torch.where(legal, 0.5 * logs, 0.0)  # log amplitudes
    count = legal.sum(-1, keepdim=True).clamp(min=1)
    mean = torch.where(legal, half.exp(), 0.0).sum(-1, keepdim=True) / count
    factor = 1 + eta - eta * (mean.clamp(min=1e-30).log() - half).clamp(max=80.0).exp()
    least = half.clamp(max=torch.tensor(1e-8).log().item())  # where amplitudes are clamped
    clamped = torch.maximum(half + factor.clamp(min=1e-30).log(), least)
    logs = log_probabilities(
        2 * torch.where(factor < 0.1, clamped, half + factor.clamp(min=0.1).log()), legal
    )
    if floor == "published":
        return torch.where(legal, _published_floor(logs, legal, min_entropy) * inverse_temperature, NEVER)
    return _floor(logs, legal, min_entropy)


def _entropy(chances: Tensor) -> Tensor:
    return torch.special.entr(chances).sum(-1, keepdim=True)


def _floor(logs: Tensor, legal: Tensor, least: float) -> Tensor:
    """Mix in just enough of the uniform policy for a normalised entropy of ``least``."""
    count = legal.sum(-1, keepdim=True).clamp(min=1)
    most, uniform = count.to(logs).log(), torch.where(legal, 1 / count, 0.0)
    chances = torch.where(legal, logs.exp(), 0.0)
    low, high = torch.zeros_like(most), torch.ones_like(most)
    for _ in range(24):
        middle = (low + high) / 2
        enough = _entropy(chances + middle * (uniform - chances)) >= least * most
        low, high = torch.where(enough, low, middle), torch.where(enough, middle, high)
    weight = high.clamp(min=1e-7)
    mixed = torch.logaddexp(
        torch.where(legal, logs, 0.0) + (1 - weight).clamp(min=1e-30).log(), weight.log() - most
    )
    floored = (_entropy(chances) < least * most) & (most > 0)
    return torch.where(floored, log_probabilities(mixed, legal), logs)


def _published_floor(logs: Tensor, legal: Tensor, least: float) -> Tensor:
    """The published weight of the uniform policy, (h - H) / h, which does not meet h in general."""
    count = legal.sum(-1, keepdim=True).clamp(min=1)
    chances = torch.where(legal, logs.exp(), 0.0)
    share = torch.where(count > 1, _entropy(chances) / count.to(logs).log().clamp(min=1e-12), 1.0)
    weight = torch.where(share < least, (least - share) / max(least, 1e-12), 0.0)
    mixed = log_probabilities(((1 - weight) * chances + weight / count).clamp(min=1e-30).log(), legal)
    return torch.where(share < least, mixed, logs)
