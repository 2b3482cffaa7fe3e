"""Bootstrap targets over packed rows.

All functions take one stretch, time first; further axes (environments, agents) come along. Index t means
the transition from row t to row t+1, and ``bootstrap[t]`` the value of row t+1, the true next time
step, also where an episode was truncated (Pardo et al. 2018).
"""

from __future__ import annotations

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float


def one_step(
    reward: Float[Array, "T *X"],
    bootstrap: Float[Array, "T *X"],
    terminated: Bool[Array, "T *X"],
    discount: float,
) -> Float[Array, "T *X"]:
    """r + gamma (1 - terminated) Q'(next).

    Args:
        reward: of the step from row t to row t+1, ``(T, ...)``.
        bootstrap: value of row t+1, ``(T, ...)``.
        terminated: whether row t+1 is terminal.
        discount: gamma.
    """
    return reward + discount * jnp.where(terminated, 0.0, bootstrap)


def n_step(
    reward: Float[Array, "T *X"],
    bootstrap: Float[Array, "T *X"],
    terminated: Bool[Array, "T *X"],
    over: Bool[Array, "T *X"],
    discount: float,
    n: int,
) -> Float[Array, "T *X"]:
    """Returns over n rewards, fewer where the episode or the stretch ends sooner.

    Args:
        terminated, over: whether row t+1 is terminal, and whether it is the last of its episode.
        n: number of rewards, at least 1.
    """
    stop = over.at[-1].set(True)
    target = one_step(reward, bootstrap, terminated, discount)
    for _ in range(n - 1):
        later = jnp.concatenate([target[1:], target[-1:]])
        target = one_step(reward, jnp.where(stop, bootstrap, later), terminated, discount)
    return target


def lambda_returns(
    reward: Float[Array, "T *X"],
    bootstrap: Float[Array, "T *X"],
    terminated: Bool[Array, "T *X"],
    over: Bool[Array, "T *X"],
    discount: float,
    lambda_: float,
) -> Float[Array, "T *X"]:
    """G_t = r_t + gamma (1 - terminated_t) [(1 - l_t) B_t + l_t G_{t+1}].

    l_t is lambda, but 0 at a termination, a truncation and the end of the stretch (TD(lambda), Sutton
    1988; Q(lambda) of Peng and Williams 1996 when B is a maximum).

    Args:
        reward: of the step from row t to row t+1, ``(T, ...)``.
        bootstrap: value of row t+1, ``(T, ...)``.
        terminated: whether row t+1 is terminal.
        over: whether row t+1 is the last of its episode.
        discount: gamma.
        lambda_: in [0, 1].
    """

    def back(later: Array, x: tuple[Array, ...]) -> tuple[Array, Array]:
        reward, bootstrap, terminated, stop = x
        mixed = jnp.where(stop, bootstrap, (1 - lambda_) * bootstrap + lambda_ * later)
        target = one_step(reward, mixed, terminated, discount)
        return target, target

    stop = over.at[-1].set(True)
    return jax.lax.scan(back, bootstrap[-1], (reward, bootstrap, terminated, stop), reverse=True)[1]
