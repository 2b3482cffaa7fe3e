"""Adam, AdamW or RAdam with clipping and a step size that falls with the environment steps."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Int

from qflock.learning import exploration, groups


class Settings(Protocol):
    """What a learner's settings must have."""

    @property
    def lr(self) -> float: ...
    @property
    def lr_final(self) -> float: ...
    @property
    def lr_decay(self) -> int: ...
    @property
    def weight_decay(self) -> float: ...
    @property
    def max_grad_norm(self) -> float: ...


class Init(Protocol):
    """The optimiser's state for weights."""

    def __call__(self, weights: Any, /) -> Any: ...


class Step(Protocol):
    """Weights and the optimiser's state after a step down the gradient."""

    def __call__(
        self, gradient: Any, state: Any, weights: Any, env_steps: Int[Array, ""], /
    ) -> tuple[Any, Any]:
        """One step.

        Args:
            gradient: shaped as the weights.
            state: the optimiser's.
            weights: what is trained.
            env_steps: environment steps so far, scalar.
        """
        ...


class Split(Protocol):
    """Weights, or their gradient, as a tuple of parts."""

    def __call__(self, weights: Any, /) -> tuple[Any, ...]: ...


class Join(Protocol):
    """Weights of their parts."""

    def __call__(self, parts: tuple[Any, ...], /) -> Any: ...


class Optimiser(NamedTuple):
    """Attributes: ``init`` and ``step``."""

    init: Init
    step: Step


def build(settings: Settings, kind: Literal["adam", "radam"] = "adam") -> Optimiser:
    """The optimiser of a learner's settings, Adam or RAdam.

    Step sizes are computed outside Optax's state, so that they follow environment steps, and a resumed run
    with a new length keeps its place. Parts of circuits may have their own, see `groups`.

    Args:
        settings: step sizes, decay and clipping; of learners with circuits also ``lr_angles`` ...
        kind: "adam" or "radam".
    """
    transform = optax.chain(
        optax.clip_by_global_norm(settings.max_grad_norm),
        optax.scale_by_radam(eps=1e-8) if kind == "radam" else optax.scale_by_adam(eps=1e-8),
        optax.add_decayed_weights(settings.weight_decay) if settings.weight_decay else optax.identity(),
    )

    rates = groups.rates(settings, settings.lr)

    def step(gradient: Any, state: Any, weights: Any, env_steps: Int[Array, ""]) -> tuple[Any, Any]:
        lr: dict[str, Any] = dict(rates)
        if settings.lr_decay:
            left = exploration.linear(1.0, settings.lr_final, settings.lr_decay, env_steps)
            lr = {group: rate * left for group, rate in rates.items()}
        change, state = transform.update(gradient, state, weights)
        moved = lambda w, c, group: w - jnp.asarray(lr[group], w.dtype) * c
        return jax.tree.map(moved, weights, change, groups.labels(weights)), state

    return Optimiser(transform.init, step)


def of_each(optimiser: Optimiser) -> Optimiser:
    """An optimiser that clips and steps each of several networks by itself, each with a state of its own.

    Args:
        optimiser: of one network; weights have a leading axis of networks.
    """
    step = jax.vmap(optimiser.step, in_axes=(0, 0, 0, None))
    return Optimiser(jax.vmap(optimiser.init), step)


def of_parts(*optimisers: Optimiser) -> Optimiser:
    """An optimiser of a tuple of weights, of which each is clipped and stepped by its own.

    Args:
        *optimisers: one for each.
    """

    def step(gradient: Any, state: Any, weights: Any, env_steps: Int[Array, ""]) -> tuple[Any, Any]:
        parts = zip(optimisers, gradient, state, weights, strict=True)
        changed = [own.step(down, kept, part, env_steps) for own, down, kept, part in parts]
        return tuple(part for part, _ in changed), tuple(kept for _, kept in changed)

    init = lambda weights: tuple(own.init(part) for own, part in zip(optimisers, weights, strict=True))
    return Optimiser(init, step)


def in_parts(optimiser: Optimiser, split: Split, join: Join) -> Optimiser:
    """An optimiser that clips and steps each part of the weights by itself, so that none slows another.

    Args:
        split: ``weights -> parts``, a tuple; of gradients too.
        join: the parts as weights again.
    """

    def parts_of(weights: Any) -> tuple[Optimiser, Any]:
        parts = split(weights)
        return of_parts(*[optimiser] * len(parts)), parts

    def init(weights: Any) -> Any:
        each, parts = parts_of(weights)
        return each.init(parts)

    def step(gradient: Any, state: Any, weights: Any, env_steps: Int[Array, ""]) -> tuple[Any, Any]:
        each, parts = parts_of(weights)
        changed, state = each.step(split(gradient), state, parts, env_steps)
        return join(changed), state

    return Optimiser(init, step)
