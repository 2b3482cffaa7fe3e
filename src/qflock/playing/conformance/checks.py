"""Does an environment keep its promises? Every finding is a line that says what is wrong where."""

from __future__ import annotations

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PRNGKeyArray

from qflock.core.environment import Drawable, Environment, Referenced
from qflock.core.errors import in_short
from qflock.core.spec import Box, Choices, Spec
from qflock.core.steps import Actions
from qflock.learning.actions import of
from qflock.playing.conformance import episodes, symmetries, trees
from qflock.settings import foreign

COPIES, LONGEST, TRACES = 16, 2000, 3
"""Episodes that are played, the most steps of one that are looked at, and how often functions are traced."""


def findings(env: Any) -> list[str]:
    """All that is wrong with an environment of ours, made with its settings; nothing where it is fine."""
    spec = getattr(env, "spec", None)
    if not isinstance(spec, Spec):
        return [f"spec: {type(env).__name__} has no attribute spec that is a qflock.core.Spec"]
    problems = of_spec(spec) or _of_types(env)
    if problems:  # whatever comes next would only say the same in a harder way
        return problems
    for stage in (_of_keys, _of_episodes, _of_extras):
        problems += stage(env)
    return problems


def of_spec(spec: Spec) -> list[str]:
    """Sizes, bounds, names and entity records."""
    problems = [
        f"spec.{name} is {getattr(spec, name)!r}; it must be a whole number of at least {least}"
        for name, least in (("agents", 1), ("observation", 1), ("state", 0), ("horizon", 1))
        if not isinstance(getattr(spec, name), int) or getattr(spec, name) < least
    ]
    discrete = isinstance(spec.action, Choices)
    what = "actions" if discrete else "action.size"
    size = spec.action.count if isinstance(spec.action, Choices) else spec.action.size
    if not isinstance(size, int) or size < 1:
        problems.insert(1, f"spec.{what} is {size!r}; it must be a whole number of at least 1")
    low, high = spec.return_range
    if not low <= high:
        problems.append(f"spec.return_range is {spec.return_range}: the lowest return stands first")
    if not 0 <= spec.discount <= 1:
        problems.append(f"spec.discount is {spec.discount}; it must lie in [0, 1]")
    if spec.action_names and len(spec.action_names) != size:
        of_what = "actions" if discrete else "numbers"
        problems.append(f"spec.action_names has {len(spec.action_names)} names for {size} {of_what}")
    for name in ("observation", "state"):
        for group in getattr(spec, f"{name}_entities"):
            for start in (group.own, *group.others):
                if not 0 <= start <= getattr(spec, name) - max(group.coordinates, (group.present or 0) + 1):
                    problems.append(f"spec.{name}_entities: the record at {start} leaves the {name}")
    return problems


def of_shapes(env: Environment) -> list[str]:
    """Sizes of the Spec, and shapes and types that differ from it or from reset to step, found by tracing.

    Nothing where its code fails: that shows when it is played, with its line.
    """
    spec = env.spec
    if problems := of_spec(spec):
        return problems
    try:
        state, first = jax.eval_shape(env.reset, jax.random.key(0))
        actions = jax.eval_shape(lambda: _first(spec))
        after, later = jax.eval_shape(env.step, jax.random.key(0), state, actions)
    except Exception:
        return []
    problems = episodes.shapes(spec, first, "reset") + episodes.shapes(spec, later, "step")
    return problems + trees.unlike("State", state, after) + trees.unlike("TimeStep", first, later)


def _first(spec: Spec) -> Actions:
    """Every agent's first choice, or numbers of 0."""
    return of(spec.action).zeros(spec.agents)


def _of_types(env: Any) -> list[str]:
    """Shapes and types of what reset and step show, found by tracing: nothing is computed."""
    key, spec = jax.random.key(0), env.spec
    actions = jax.eval_shape(lambda: _first(spec))
    before = dict(vars(env)) if hasattr(env, "__dict__") else {}
    problems: list[str] = []

    def noted(where: str, result: Any) -> Any:
        """What reset or step returned; Python's numbers in it are noted before they become arrays."""
        for path, leaf in jax.tree_util.tree_leaves_with_path(result):
            if not isinstance(leaf, (jax.Array, np.ndarray)):
                place = episodes.readable(path)
                problems.append(f"{where}: {place} is a {type(leaf).__name__}; it must be an array")
        return result

    try:
        state, first = jax.eval_shape(lambda *x: noted("reset", env.reset(*x)), key)
    except Exception as problem:
        return [f"reset(key): {_described(problem)}"]
    problems += episodes.shapes(spec, first, "reset")
    try:
        after, later = jax.eval_shape(lambda *x: noted("step", env.step(*x)), key, state, actions)
    except Exception as problem:
        return [*problems, f"step(key, state, actions): {_described(problem)}"]
    problems += episodes.shapes(spec, later, "step")
    problems += trees.unlike("State", state, after) + trees.unlike("TimeStep", first, later)
    changed = [n for n, x in (vars(env) if before else {}).items() if n not in before or before[n] is not x]
    problems += [
        f"reset or step sets self.{name}; a pure environment keeps what changes in its State"
        for name in changed
    ]
    return problems


def _described(problem: Exception) -> str:
    """An exception of the environment's code as one line, with the user's file and line in full; with advice
    where Python met a traced value."""
    place = foreign.place(problem)
    return f"{_cause(problem)} ({place})" if place else _cause(problem)


def _cause(problem: Exception) -> str:
    words = " ".join(str(problem).split())
    if isinstance(problem, (jax.errors.TracerBoolConversionError, jax.errors.TracerArrayConversionError)):
        return (
            "cannot be compiled: Python's if, while, and, or NumPy meets a value that JAX knows only later; "
            "use jnp.where, & and | ... "
            f"({words[:120]})"
        )
    if isinstance(problem, jax.errors.ConcretizationTypeError):
        return (
            f"cannot be compiled: a size or index hangs on a value that JAX knows only later ({words[:120]})"
        )
    return f"fails with {type(problem).__name__}: {in_short(words, 200)}"


def walk(env: Environment, key: PRNGKeyArray, num_steps: int) -> tuple[Any, Any, Any, Any]:
    """Random actions in one copy, from a reset with ``key`` on, without another one.

    Args:
        env: the environment.
        key: of the reset; all chance comes from it.
        num_steps: steps, whether the episode ends or not.

    Returns:
        The states and time steps, ``num_steps + 1`` of each, and the keys and actions between them.
    """

    random = of(env.spec.action).random

    def advance(carry: Any, key: PRNGKeyArray) -> Any:
        state, now = carry
        actions = random(jax.random.fold_in(key, 0), now.legal)
        after = env.step(key, state, actions)
        return after, (after, key, actions)

    first = env.reset(key)
    _, (later, keys, actions) = jax.lax.scan(advance, first, jax.random.split(key, num_steps))
    states, shown = jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), first, later)
    return states, shown, keys, actions


def _of_episodes(env: Environment) -> list[str]:
    """What random play shows: ends, legal actions, finite rewards, bounds; and that side by side, compiled
    and uncompiled steps are the same."""
    num_steps = min(env.spec.horizon, LONGEST)
    start = jax.random.split(jax.random.key(0), COPIES)
    try:
        played = jax.jit(jax.vmap(lambda key: walk(env, key, num_steps)))(start)
    except Exception as problem:
        return [f"playing {COPIES} copies side by side (vmap): {_described(problem)}"]
    problems = episodes.episodes(env.spec, jax.device_get(played[1]))
    states, shown, keys, actions = jax.tree.map(lambda x: x[1], played)
    at = lambda tree, t: jax.tree.map(lambda x: x[t], tree)
    many = "one of many copies (vmap) differs from a single one"
    first = jax.jit(env.reset)(start[1])
    problems += trees.different(trees.raw(first), trees.raw(at((states, shown), 0)), f"reset: {many}")
    step = jax.jit(env.step)
    for t in range(min(num_steps, 3)):
        one = step(keys[t], at(states, t), actions[t])
        problems += trees.different(
            trees.raw(one), trees.raw(at((states, shown), t + 1)), f"step {t + 1}: {many}"
        )
        if problems or bool(one[1].over):
            break
    plain = env.step(keys[0], at(states, 0), actions[0])
    once = trees.raw(at((states, shown), 1))
    problems += trees.different(trees.raw(plain), once, "step without jit differs from step with it")
    try:
        return problems + symmetries.findings(env, states, shown, keys, actions)
    except Exception as problem:
        return [*problems, f"symmetries: {_described(problem)}"]


def _of_keys(env: Environment) -> list[str]:
    """However often reset and step are traced, they must be the same program: Python's and NumPy's chance
    would differ from one time to the next."""
    key = jax.random.key(1)
    state = jax.eval_shape(env.reset, key)[0]
    actions = _first(env.spec)
    problems = []
    for name, function, arguments in (
        ("reset", env.reset, (key,)),
        ("step", env.step, (key, state, actions)),
    ):
        first, *others = (jax.make_jaxpr(lambda *x, f=function: f(*x))(*arguments) for _ in range(TRACES))
        if not all(str(other) == str(first) and _equal(other.consts, first.consts) for other in others):
            problems.append(f"{name}: the same key gives two different results; draw all chance from the key")
    return problems


def _equal(one: list[Any], two: list[Any]) -> bool:
    return len(one) == len(two) and all(map(np.array_equal, trees.raw(one), trees.raw(two)))


def _of_extras(env: Any) -> list[str]:
    """Pictures and reference policies, where there are any."""
    key, problems, spec = jax.random.key(4), [], env.spec
    state, now = jax.jit(env.reset)(key)
    if isinstance(env, Drawable):
        try:
            picture = env.draw(jax.device_get(state), 300)
            if picture.dtype != np.uint8 or picture.ndim != 3 or picture.shape[2] != 3:
                problems.append(
                    f"draw: gives {picture.dtype}{list(picture.shape)}; wanted is uint8[height, width, 3]"
                )
        except Exception as problem:
            problems.append(f"draw(state, size): {_described(problem)}")
    for name, policy in env.references().items() if isinstance(env, Referenced) else ():
        try:
            actions = np.asarray(jax.jit(policy)(key, state, now))
        except Exception as problem:
            problems.append(f"reference {name!r}: {_described(problem)}")
            continue
        if not _legal(spec, actions, np.asarray(now.legal)):
            problems.append(
                f"reference {name!r}: chooses {actions.tolist()}; that is no legal action for each agent"
            )
    return problems


def _legal(spec: Spec, actions: np.ndarray, legal: np.ndarray) -> bool:
    """Whether an action of each agent is a legal choice, or lies in the Box."""
    if isinstance(spec.action, Box):
        low, high = (np.array(x, np.float32) for x in (spec.action.low, spec.action.high))
        inside = actions.shape == (spec.agents, spec.action.size) and (actions >= low) & (actions <= high)
        return bool(np.all(inside))
    known = actions.shape == (spec.agents,) and ((actions >= 0) & (actions < spec.actions)).all()
    return bool(known and legal[range(len(legal)), actions].all())
