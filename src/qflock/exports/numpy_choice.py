"""What outputs of an exported policy mean, for `numpy_policy`: chances of choices, or numbers of a Box."""

from __future__ import annotations

from typing import Any

import numpy as np

NEVER = -1e30  # log-probability of an illegal action: finite, and its probability is exactly 0


def numbers(choice: dict[str, Any], outputs: np.ndarray, random: Any = None) -> np.ndarray:
    """The numbers that agents give, ``(..., A, D)``.

    Args:
        choice: ``head``, "gaussian", "beta" or "tanh"; the bounds ``low`` and ``high`` of each number; and of
            a tanh the ``noise`` with which they are drawn.
        outputs: of the network, ``(..., A, 2 D)``, or ``(..., A, D)`` of a tanh.
        random: NumPy's generator, to draw them; the likeliest ones without.
    """
    first, second = _parameters(choice, outputs)
    if choice["head"] == "tanh":
        noise = 0.0 if random is None else choice["noise"] * random.standard_normal(first.shape)
        unit = np.clip(np.tanh(first) + noise, -1, 1)
    elif choice["head"] == "beta":
        share = (first - 1) / np.maximum(first + second - 2, 1e-6)
        unit = 2 * (share if random is None else random.beta(first, second)) - 1
    else:
        noise = 0.0 if random is None else random.standard_normal(first.shape)
        unit = np.tanh(first + second * noise)
    low, high = (np.asarray(choice[name], outputs.dtype) for name in ("low", "high"))
    return ((low + high) / 2 + (high - low) / 2 * unit).astype(outputs.dtype)


def deviations(choice: dict[str, Any], outputs: np.ndarray) -> np.ndarray:
    """The deviation of each number that would be drawn, ``(..., A, D)``.

    Args:
        choice: see `numbers`.
        outputs: of the network, as `numbers` takes them.
    """
    first, second = _parameters(choice, outputs)
    if choice["head"] == "tanh":
        return second
    if choice["head"] == "beta":
        total = first + second
        unit = 2 * np.sqrt(first * second / (total + 1)) / total
    else:
        places, weights = np.polynomial.hermite_e.hermegauss(16)
        squashed = np.tanh(first[..., None] + second[..., None] * places)
        weights = weights / weights.sum()
        away = squashed - (squashed @ weights)[..., None]
        unit = np.sqrt(np.square(away) @ weights)
    return unit * (np.asarray(choice["high"]) - np.asarray(choice["low"])) / 2


def unit(choice: dict[str, Any], action: np.ndarray) -> np.ndarray:
    """Numbers between the bounds as numbers of [-1, 1].

    Args:
        choice: see `numbers`.
        action: ``(..., A, D)``.
    """
    low, high = np.asarray(choice["low"]), np.asarray(choice["high"])
    return (action - (low + high) / 2) / ((high - low) / 2)


def _parameters(choice: dict[str, Any], outputs: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation before squashing, or both shapes of a Beta distribution."""
    if choice["head"] == "tanh":
        return outputs, np.zeros_like(outputs)
    if choice["head"] == "beta":
        first, second = np.split(1 + np.logaddexp(outputs, np.zeros_like(outputs)), 2, -1)
        return first, second
    mean, log_deviation = np.split(outputs, 2, -1)
    return mean, np.exp(np.clip(log_deviation, *choice["log_deviation"]))


def log_probabilities(logits: np.ndarray, legal: np.ndarray) -> np.ndarray:
    """Normalised over legal actions; `NEVER` for the others.

    Args:
        logits: ``(..., A, U)``.
        legal: mask of legal actions, ``(..., A, U)``.
    """
    logits = np.where(legal, logits, NEVER)
    logits = logits - logits.max(-1, keepdims=True)
    return np.where(legal, logits - np.log(np.exp(logits).sum(-1, keepdims=True)), NEVER)


def amplified(
    logits: np.ndarray,
    legal: np.ndarray,
    eta: float,
    min_entropy: float,
    inverse_temperature: float,
    floor: str,
) -> np.ndarray:
    """QIO's operator: amplitudes move away from their mean, then the entropy floor. Log-probabilities.

    Args:
        logits: ``(..., A, U)``.
        legal: mask of legal actions, ``(..., A, U)``.
        eta, min_entropy, inverse_temperature, floor: the run's settings.
    """
    logs = log_probabilities(inverse_temperature * logits, legal)
    half = np.where(legal, 0.5 * logs, 0.0)  # log amplitudes
    count = np.maximum(legal.sum(-1, keepdims=True), 1)
    mean = np.where(legal, np.exp(half), 0.0).sum(-1, keepdims=True) / count
    factor = 1 + eta - eta * np.exp(np.minimum(np.log(np.maximum(mean, 1e-30)) - half, 80.0))
    least = np.minimum(half, np.log(1e-8))  # where amplitudes are clamped
    clamped = np.where(factor < 0.1, np.maximum(half + np.log(np.maximum(factor, 1e-30)), least), 0.0)
    moved = np.where(factor < 0.1, clamped, half + np.log(np.maximum(factor, 0.1)))
    logs = log_probabilities(2 * moved, legal)
    if floor == "published":
        return np.where(legal, _published_floor(logs, legal, min_entropy) * inverse_temperature, NEVER)
    return _floor(logs, legal, min_entropy)


def _entropy(chances: np.ndarray) -> np.ndarray:
    return -np.where(chances > 0, chances * np.log(np.where(chances > 0, chances, 1)), 0).sum(
        -1, keepdims=True
    )


def _floor(logs: np.ndarray, legal: np.ndarray, least: float) -> np.ndarray:
    """Mix in just enough of the uniform policy for a normalised entropy of ``least``."""
    count = np.maximum(legal.sum(-1, keepdims=True), 1)
    most, uniform = np.log(count), np.where(legal, 1 / count, 0.0)
    chances = np.where(legal, np.exp(logs), 0.0)
    low, high = np.zeros(most.shape), np.ones(most.shape)
    for _ in range(24):
        middle = (low + high) / 2
        enough = _entropy(chances + middle * (uniform - chances)) >= least * most
        low, high = np.where(enough, low, middle), np.where(enough, middle, high)
    weight = np.maximum(high, 1e-7)
    mixed = np.logaddexp(
        np.where(legal, logs, 0.0) + np.log(np.maximum(1 - weight, 1e-30)), np.log(weight) - most
    )
    floored = (_entropy(chances) < least * most) & (most > 0)
    return np.where(floored, log_probabilities(mixed, legal), logs)


def _published_floor(logs: np.ndarray, legal: np.ndarray, least: float) -> np.ndarray:
    """The published weight of the uniform policy, (h - H) / h, which does not meet h in general."""
    count = np.maximum(legal.sum(-1, keepdims=True), 1)
    chances = np.where(legal, np.exp(logs), 0.0)
    share = np.where(count > 1, _entropy(chances) / np.maximum(np.log(count), 1e-12), 1.0)
    weight = np.where(share < least, (least - share) / max(least, 1e-12), 0.0)
    mixed = log_probabilities(np.log(np.maximum((1 - weight) * chances + weight / count, 1e-30)), legal)
    return np.where(share < least, mixed, logs)
