"""Distil several policies into one, and decide whether it may take the place of the best.

Teachers count by how surely they are good; the student is fitted to what they do, by gradient, and
never to their parameters: two circuits whose angles differ by a turn play alike, and the mean of their
angles plays otherwise. After Hinton et al. 2015 and Rusu et al. 2016 (policy distillation, section 3).

A policy is a function ``(parameters, inputs) -> log-probabilities (N, U)``; inputs are any pytree with a
leading axis N (observations with agents' indices and legal actions, say), and illegal actions have a large
finite negative log-probability (`learning.categorical.NEVER`).
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, PRNGKeyArray

from qflock.core.steps import Parameters

CONFIDENCE = 0.95
Policy = Callable[[Parameters, Any], Float[Array, "N U"]]


ERROR = 1 - CONFIDENCE
"""With which a worse policy takes the best's place at all, in however many challenges."""


class Seen(NamedTuple):
    """Inputs that some policy meets.

    Attributes:
        inputs: what the policy function takes, N of it.
        rows: how much each counts, ``(N,)``, in any unit; None for all alike.
    """

    inputs: Any
    rows: Float[Array, "N"] | None = None


class Student(NamedTuple):
    """Attributes:
    parameters: after the last step.
    losses: sum_k w_k KL(teacher k || student) before each step, ``(S,)``.
    """

    parameters: Parameters
    losses: Float[Array, "S"]


class Verdict(NamedTuple):
    """Whether a candidate takes the incumbent's place.

    Attributes:
        accepted: it does.
        gain: mean return of the candidate less the incumbent's.
        bound: what had to be positive: the gain where returns are exact, else its lower bound.
        rule: how it was decided.
    """

    accepted: bool
    gain: float
    bound: float
    rule: Literal["exact", "paired"]


def lower_bounds(returns: Float[Array, "K E"], confidence: float = CONFIDENCE) -> Float[Array, "K"]:
    """One-sided lower confidence bounds of the mean return of K policies (Student's t).

    Args:
        returns: of E >= 2 episodes of each, on common held-out keys.

    Raises:
        ValueError: fewer than two episodes.
    """
    from scipy.special import stdtrit  # takes a tenth of a second to import

    episodes = returns.shape[-1]
    if episodes < 2:
        raise ValueError("a confidence bound needs two episodes or more")
    error = returns.std(-1, ddof=1) / episodes**0.5
    return returns.mean(-1) - float(stdtrit(episodes - 1, confidence)) * error


def teacher_weights(bounds: Float[Array, "K"], tau: float | Float[Array, ""]) -> Float[Array, "K"]:
    """softmax(bounds / tau): all alike for a large tau, only the best for a small one.

    Args:
        bounds: lower confidence bounds of returns, or exact returns. A policy whose bound is no number
            gets no weight.
        tau: above 0, in the unit of returns.
    """
    return jax.nn.softmax(jnp.where(jnp.isnan(bounds), -jnp.inf, bounds) / tau)


def divergence(
    student: Float[Array, "N U"],
    teachers: Float[Array, "K N U"],
    weights: Float[Array, "K"],
    rows: Float[Array, "N"] | None = None,
) -> Float[Array, ""]:
    """sum_k weights_k KL(teacher k || student), in nats, averaged over rows; all log-probabilities.

    Args:
        student: ``(N, U)``.
        teachers: ``(K, N, U)``.
        weights: of the teachers, ``(K,)``.
        rows: how much each counts, ``(N,)``; None for all alike.
    """
    each = (jnp.exp(teachers) * (teachers - student)).sum(-1)  # (teacher, row)
    rows = jnp.ones(student.shape[0]) if rows is None else rows
    return (weights @ each) @ (rows / rows.sum())


def fit(
    policy: Policy,
    start: Parameters,
    seen: Seen,
    teachers: Float[Array, "K N U"],
    weights: Float[Array, "K"],
    *,
    steps: int,
    lr: float = 1e-2,
) -> Student:
    """Fit a student to its teachers on given inputs: ``steps`` full steps of Adam on `divergence`.

    Args:
        policy: the student's.
        start: its parameters to start from.
        seen: inputs, and how much each counts.
        teachers: the teachers' log-probabilities on these inputs.
        weights: of the teachers, summing to 1.
        steps: how many.
        lr: Adam's step size.
    """
    optimiser = optax.adam(lr)
    loss = lambda parameters: divergence(policy(parameters, seen.inputs), teachers, weights, seen.rows)

    def step(carry: tuple[Parameters, Any], _: None) -> tuple[tuple[Parameters, Any], Array]:
        parameters, state = carry
        value, gradient = jax.value_and_grad(loss)(parameters)
        change, state = optimiser.update(gradient, state, parameters)
        return (optax.apply_updates(parameters, change), state), value

    (parameters, _), losses = jax.lax.scan(step, (start, optimiser.init(start)), length=steps)
    return Student(parameters, losses)


def distil(
    policy: Policy,
    start: Parameters,
    teachers: Parameters,
    weights: Float[Array, "K"],
    seen: Seen,
    visit: Callable[[Parameters, PRNGKeyArray], Seen],
    key: PRNGKeyArray,
    *,
    steps: int,
    lr: float = 1e-2,
    rounds: int = 1,
) -> Student:
    """Distil policies of one shape: first on what the teachers meet, then on what the student meets itself.

    Args:
        policy: of teachers and student.
        start: the student's first parameters, for example those of the teacher with the most weight.
        teachers: their parameters, leaves ``(K, ...)``.
        weights: see `teacher_weights`.
        seen: what the teachers meet; where there are few inputs, all of them.
        visit: what a policy meets when it plays.
        key: for ``visit``.
        steps: of `fit`, in the first part and in each round of the second.
        lr: Adam's step size.
        rounds: how often the student plays anew and is fitted to what it met.

    Returns:
        The student, with ``steps * (1 + rounds)`` losses.
    """
    of_teachers = lambda inputs: jax.vmap(lambda teacher: policy(teacher, inputs))(teachers)
    student = fit(policy, start, seen, of_teachers(seen.inputs), weights, steps=steps, lr=lr)
    losses = [student.losses]
    for k in jax.random.split(key, rounds) if rounds else ():
        met = visit(student.parameters, k)
        targets = of_teachers(met.inputs)
        student = fit(policy, student.parameters, met, targets, weights, steps=steps, lr=lr)
        losses.append(student.losses)
    return Student(student.parameters, jnp.concatenate(losses))


def error_of(challenge: int | Int[Array, ""]) -> Any:
    """The error that a challenge may spend: all of them, without end, spend `ERROR` together.

    Challenges that each had 5 % would let a worse policy in before long.

    Args:
        challenge: its number, from 1.
    """
    return ERROR / (challenge * (challenge + 1.0))


def surely_better(differences: Float[Array, "E"], error: float | Float[Array, ""]) -> Bool[Array, ""]:
    """As `accept_paired`, inside compiled programs: whether such a gain is by luck less often than ``error``.

    Args:
        differences: returns of the candidate less the incumbent's, of E >= 2 episodes on common keys.
        error: one-sided.
    """
    freedom = differences.shape[0] - 1
    t = differences.mean() / (differences.std(ddof=1) / math.sqrt(freedom + 1))
    by_luck = jax.scipy.special.betainc(freedom / 2, 0.5, freedom / (freedom + t * t)) / 2
    return (t > 0) & (by_luck < error)  # no where t is no number: nothing differs


def accept_exact(candidate: float, incumbent: float) -> Verdict:
    """Accept a candidate whose exact return is above the incumbent's. One that is no number is refused.

    Args:
        candidate: its return.
        incumbent: its return.
    """
    gain = float(candidate) - float(incumbent)
    better = bool(np.isfinite(candidate)) and not float(candidate) <= float(incumbent)
    return Verdict(better, gain, gain, "exact")


def accept_paired(
    candidate: Float[Array, "E"] | np.ndarray,
    incumbent: Float[Array, "E"] | np.ndarray,
    confidence: float = CONFIDENCE,
) -> Verdict:
    """Accept a candidate where the lower confidence bound of its mean gain is positive.

    Without a tolerance, and refused in doubt: a best that may be a little worse drifts down over many runs.

    Args:
        candidate: returns of E >= 2 episodes on keys that no search or selection has used before.
        incumbent: returns on the same keys.

    Raises:
        ValueError: other lengths, or fewer than two episodes.
    """
    first, second = np.asarray(candidate, np.float64), np.asarray(incumbent, np.float64)
    from scipy.special import stdtrit  # takes a tenth of a second to import

    if first.shape != second.shape or first.ndim != 1:
        raise ValueError(f"returns of shapes {first.shape} and {second.shape}: give pairs, (E,) each")
    if len(first) < 2:
        raise ValueError("a confidence bound needs two episodes or more")
    differences = first - second
    gain = float(differences.mean())
    bound = gain - float(
        stdtrit(len(differences) - 1, confidence) * differences.std(ddof=1) / len(differences) ** 0.5
    )
    return Verdict(bound > 0, gain, bound, "paired")
