"""Controllers of the entropy weight alpha of a policy loss: pure functions, their state a pytree.

Time counts learner updates. H is the normalised mean policy entropy of an update, in [0, 1]. Evaluation
never touches a controller; its state is part of the training state.
"""

from __future__ import annotations

from typing import Literal, NamedTuple, Protocol

import jax.numpy as jnp
from jaxtyping import Array, Float

Kind = Literal["constant", "exponential", "quantum_inspired", "target"]


class State(NamedTuple):
    """Scalars: ``clock``, what the decay has summed up so far; ``log_alpha``, moved by ``target`` alone."""

    clock: Float[Array, ""]
    log_alpha: Float[Array, ""]


class Update(Protocol):
    """The controller's state after an update of the learner."""

    def __call__(self, state: State, entropy: Float[Array, ""], /) -> State:
        """The new state.

        Args:
            state: the controller's.
            entropy: H, normalised, of this update.
        """
        ...


class Init(Protocol):
    """The controller's first state."""

    def __call__(self) -> State: ...


class Alpha(Protocol):
    """The entropy weight of the next update."""

    def __call__(self, state: State, /) -> Float[Array, ""]: ...


class Controller(NamedTuple):
    """Attributes:
    init: the first state.
    update: the state after an update.
    alpha: the weight for the next update.
    """

    init: Init
    update: Update
    alpha: Alpha


def make(
    kind: Kind,
    alpha0: float = 0.1,
    alpha_min: float = 0.01,
    decay: float = 5e-4,
    *,
    alpha_max: float = 1.0,
    rate: float = 0.01,
    target_start: float = 0.9,
    target_end: float = 0.05,
    target_clock: float = 1000.0,
) -> Controller:
    """A controller.

    ``constant``: alpha0. ``exponential``: max(alpha_min, alpha0 exp(-decay t)). ``quantum_inspired``: the
    same with t replaced by the sum of sqrt(1 - H^2): it waits while the policy is random. Its feedback is
    positive: lower entropy lowers alpha faster, which lowers entropy. ``target`` has negative feedback:
    log alpha rises by rate (wanted - H), between alpha_min and alpha_max, the wanted entropy falling from
    ``target_start`` to ``target_end`` in a straight line while the sum of max(0.05, sqrt(1 - H^2)) grows to
    ``target_clock``.

    (The published code feeds ``quantum_inspired`` the entropy in nats, clipped at 1, so that nothing
    decays until late; here H is normalised.)

    Args:
        alpha0: the first weight.
        alpha_min, alpha_max: bounds; alpha_max holds for ``target`` alone.
        decay: lambda of the two decays.
    """

    def init() -> State:
        return State(jnp.float32(0.0), jnp.log(jnp.float32(max(alpha0, 1e-12))))

    def update(state: State, entropy: Float[Array, ""]) -> State:
        entropy = jnp.clip(entropy, 0.0, 1.0)
        order = jnp.sqrt(1.0 - jnp.square(entropy))  # 0 for a uniform policy, 1 for a certain one
        if kind == "exponential":
            return state._replace(clock=state.clock + 1.0)
        if kind == "quantum_inspired":
            return state._replace(clock=state.clock + order)
        if kind == "target":
            log_alpha = state.log_alpha + rate * (wanted(state) - entropy)
            bounded = jnp.clip(log_alpha, jnp.log(alpha_min), jnp.log(alpha_max))
            return State(state.clock + jnp.maximum(order, 0.05), bounded)
        return state

    def wanted(state: State) -> Float[Array, ""]:
        gone = jnp.clip(state.clock / target_clock, 0.0, 1.0)
        return target_start + (target_end - target_start) * gone

    def alpha(state: State) -> Float[Array, ""]:
        if kind in ("exponential", "quantum_inspired"):
            return jnp.maximum(alpha_min, alpha0 * jnp.exp(-decay * state.clock))
        return jnp.exp(state.log_alpha) if kind == "target" else jnp.float32(alpha0)

    return Controller(init, update, alpha)
