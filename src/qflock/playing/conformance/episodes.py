"""What time steps must be like, whoever shows them: shapes, types, ends, legal actions, rewards."""

from __future__ import annotations

from typing import Any

import numpy as np

from qflock.core.spec import Spec
from qflock.core.steps import TimeStep, team_reward

SLACK = 1e-3  # of a return, relative and absolute: sums of float32


def readable(path: Any) -> str:
    """A place in a pair of (State, TimeStep) as words."""
    import jax

    part, *rest = path
    return f"{('State', 'TimeStep')[part.idx]}{jax.tree_util.keystr(tuple(rest))}"


def shapes(spec: Spec, shown: TimeStep, where: str) -> list[str]:
    """Shapes and types of one time step; its leaves need no more than ``shape`` and ``dtype``.

    Args:
        spec: what the environment declares.
        shown: one unbatched time step.
        where: what showed it, for the messages.
    """
    agents, problems = spec.agents, []
    wanted: dict[str, tuple[tuple[int, ...], str]] = {
        "observation": ((agents, spec.observation), ""),
        "state": ((spec.state,), ""),
        "legal": ((agents, spec.masked), "bool"),
        "active": ((agents,), "bool"),
        "reward": ((agents,), "float32"),
        "terminated": ((), "bool"),
        "truncated": ((), "bool"),
    }
    if shown.truncated_alone is not None:
        wanted["truncated_alone"] = ((agents,), "bool")
    for name, (shape, dtype) in wanted.items():
        leaf: Any = getattr(shown, name, None)
        if not hasattr(leaf, "shape"):
            problems.append(f"{where}: TimeStep.{name} is {type(leaf).__name__}; it must be an array")
            continue
        if tuple(leaf.shape) != shape:
            problems.append(
                f"{where}: TimeStep.{name} has shape {list(leaf.shape)}; the Spec says {list(shape)}"
            )
        if dtype and str(leaf.dtype) != dtype:
            problems.append(f"{where}: TimeStep.{name} is {leaf.dtype}; it must be {dtype}")
        if not dtype and str(leaf.dtype) in ("float64", "int64", "uint64", "complex64"):
            problems.append(f"{where}: TimeStep.{name} is {leaf.dtype}; use 32 bits or fewer")
    for name, leaf in shown.measures.items():
        if tuple(leaf.shape) != () or str(leaf.dtype) != "float32":
            problems.append(
                f"{where}: measure {name!r} is {leaf.dtype}{list(leaf.shape)}; it must be a float32 scalar"
            )
    return problems


def episodes(spec: Spec, shown: TimeStep) -> list[str]:
    """What is wrong in episodes, each with its first place.

    Args:
        spec: of the environment.
        shown: NumPy leaves ``(copies, steps + 1, ...)``, from a reset on; rows after an episode's end are
            not looked at.
    """
    over = shown.terminated | shown.truncated
    ended = np.cumsum(over, 1) - over > 0  # rows after the end
    lasting = ~over & ~ended
    problems: list[str] = []

    def claim(bad: Any, complaint: str) -> None:
        """Note a complaint with the first (copy, step, ...) where it holds."""
        if not bad.any():
            return
        copy, step, *agent = np.argwhere(bad)[0].tolist()
        who = f", agent {agent[0]}" if agent else ""
        problems.append(f"{complaint} (copy {copy}, step {step}{who})")

    claim(over[:, :1], "reset: the episode is over before it begins")
    claim(shown.reward[:, :1] != 0, "reset: the reward is not 0")
    both = shown.terminated & shown.truncated & ~ended
    claim(both, "terminated and truncated at once: an episode ends in one way")
    if spec.masked:
        none = ~shown.legal.any(-1) & shown.active & lasting[..., None]
        claim(none, "legal: an active agent has no legal action")
    for name, values in (
        ("observation", shown.observation),
        ("state", shown.state),
        ("reward", shown.reward),
    ):
        bad = ~np.isfinite(np.asarray(values, np.float64))
        inner = tuple(range(2, bad.ndim))
        claim(bad.any(inner) & ~ended, f"{name}: a number is not finite")
    for name, values in shown.measures.items():
        claim(~np.isfinite(values) & ~ended, f"measure {name!r}: not finite")
    came = shown.active[:, 1:] & ~shown.active[:, :-1] & ~ended[:, 1:, None]
    if not spec.agents_return:
        claim(came, "active: an agent comes back after it has left (steps counted from 0)")
    if shown.truncated_alone is not None:
        staying = shown.truncated_alone & (shown.active | ~lasting[..., None]) & ~ended[..., None]
        claim(staying, "truncated_alone: the agent is still active, or the episode is over with it")
    if over.shape[1] > spec.horizon:
        claim(
            (lasting[:, spec.horizon : spec.horizon + 1]),
            f"the episode is not over after {spec.horizon} steps, the Spec's horizon: set truncated there",
        )
    if spec.shared_reward:
        claim(
            (shown.reward != shown.reward[..., :1]).any(-1) & ~ended,
            "reward: agents are paid differently, and the Spec says shared_reward",
        )
    reward = np.asarray(team_reward(spec, shown.reward), np.float64)
    total = np.where(ended, 0, reward).sum(1)
    low, high = spec.return_range
    slack = SLACK * (1 + np.abs(total))
    outside = (total < low - slack) | (total > high + slack)
    if outside.any() and not problems:
        copy = int(np.flatnonzero(outside)[0])
        problems.append(
            f"reward: an episode returned {total[copy]:g}; spec.return_range says {low:g} to {high:g} "
            f"(copy {copy})"
        )
    return problems
