"""What a policy earns: by playing, or exactly where the environment can say. For learners that search."""

from __future__ import annotations

from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, PRNGKeyArray

from qflock.core.environment import Environment, Exact
from qflock.core.steps import Memory, Mode, Parameters, TimeStep
from qflock.core.trees import spread
from qflock.learning import categorical
from qflock.networks import lookup
from qflock.networks.agents import Agents
from qflock.playing import evaluation
from qflock.playing.evaluation import Scores
from qflock.quantum import conditions
from qflock.quantum.conditions import Training


class Met(NamedTuple):
    """What a policy meets when it plays: one row for each agent and observation.

    Attributes:
        agents: whose observation it is, ``(N,)``.
        observations: ``(N, O)``.
        legal: ``(N, U)``.
        weight: how often, ``(N,)``; 0 for rows that are none.
    """

    agents: Int[Array, "N"]
    observations: Array
    legal: Array
    weight: Float[Array, "N"]


class Meet(Protocol):
    """What a policy without memory meets."""

    def __call__(self, parameters: Parameters, key: PRNGKeyArray, episodes: int, /) -> Met:
        """All observations where they are few, else those of so many episodes.

        Args:
            parameters: of one policy.
            key: of the episodes.
            episodes: how many, where they must be played.
        """
        ...


class Play(Protocol):
    """What a policy earns in play."""

    def __call__(self, parameters: Parameters, key: PRNGKeyArray, episodes: int, mode: Mode, /) -> Scores:
        """Scores of fresh episodes.

        Args:
            parameters: of one policy.
            key: decides starts, luck and actions.
            episodes: how many.
            mode: "greedy" or "sample".
        """
        ...


class Solve(Protocol):
    """What a policy earns, exactly."""

    def __call__(self, parameters: Parameters, mode: Mode, /) -> Float[Array, ""]:
        """The expected undiscounted return of an episode.

        Args:
            parameters: of one policy.
            mode: "greedy" or "sample".
        """
        ...


class Chances(Protocol):
    """Agent 0's chances of actions, for watching."""

    def __call__(self, parameters: Parameters, observations: Array, /) -> Float[Array, "P U"]:
        """Chances at P observations.

        Args:
            parameters: of one policy.
            observations: ``(P, O)``.
        """
        ...


class Calls(Protocol):
    """Networks evaluated in playing so many episodes; 0 episodes stand for one exact score."""

    def __call__(self, episodes: int, /) -> int: ...


class Scale(Protocol):
    """Undiscounted returns, in [0, 1] by the environment's declared range."""

    def __call__(self, returns: Float[Array, "*X"], /) -> Float[Array, "*X"]: ...


class Scoring(NamedTuple):
    """Attributes:
    met: what a policy without memory meets.
    play: what it earns in play.
    exact: what it earns, exactly; None where it must be played for.
    chances: of agent 0's actions, for watching.
    calls: networks evaluated.
    scale: returns in [0, 1].
    """

    met: Meet
    play: Play
    exact: Solve | None
    chances: Chances
    calls: Calls
    scale: Scale


def build(env: Environment, team: Agents, alike: bool = False, training: Training | None = None) -> Scoring:
    """Scoring of one network's parameters at a time; ``vmap`` over parameters for many.

    Args:
        env: the environment.
        team: the network as its agents have it.
        alike: agents share a network and are not told apart.
        training: how circuits are measured in play; what they earn is then known from play alone.
    """
    spec = env.spec
    low, high = spec.return_range
    memoryless = not jax.tree.leaves(team.memory())
    table = lookup.build(env, spec, team, alike) if isinstance(env, Exact) and memoryless else None

    play = _player(env, team, table, training)

    def returns(probabilities: Float[Array, "*B A N U"]) -> Float[Array, "*B"]:
        assert isinstance(env, Exact)
        return env.exact_return(probabilities)

    def with_gradient(
        probabilities: Float[Array, "*B A N U"],
    ) -> tuple[Float[Array, "*B"], Float[Array, "*B A N U"]]:
        total = lambda p: ((each := returns(p)).sum(), each)
        gradient, each = jax.grad(total, has_aux=True)(probabilities)
        return each, gradient

    solve, solve_with_gradient = jax.custom_vjp(_as_one_batch(returns)), _as_one_batch(with_gradient)
    solve.defvjp(solve_with_gradient, lambda gradient, change: (change[..., None, None, None] * gradient,))

    def exact(parameters: Parameters, mode: Mode) -> Float[Array, ""]:
        assert table is not None
        logits = table.logits(parameters)
        greedy = jax.nn.one_hot(logits.argmax(-1), spec.actions)
        return solve(greedy if mode == "greedy" else jax.nn.softmax(logits))

    def met(parameters: Parameters, key: PRNGKeyArray, episodes: int) -> Met:
        if table is not None:
            assert isinstance(env, Exact)
            visits = env.exact_visits(jax.nn.softmax(table.logits(parameters)))
            tables = visits.sum(0, keepdims=True) if table.tables == 1 else visits
            seen = jnp.tile(jnp.asarray(env.observations()), (table.tables, 1))
            agents = jnp.repeat(jnp.arange(table.tables), table.size)
            return Met(agents, seen, jnp.ones((len(seen), spec.actions), bool), tables.reshape(-1))
        return _met_in_play(env, team, parameters, key, episodes)

    def chances(parameters: Parameters, observations: Array) -> Float[Array, "P U"]:
        def of(seen: Array) -> Array:
            return jax.nn.softmax(team.one(parameters, jnp.int32(0), team.memory(), seen)[1])

        return jax.vmap(of)(observations)

    def calls(episodes: int) -> int:
        if table is not None and training is None:
            return table.tables * table.size
        return spec.agents * episodes * spec.horizon

    return Scoring(
        met,
        play,
        None if table is None or training is not None else exact,
        chances,
        calls,
        lambda x: (x - low) / (high - low),
    )


def _player(env: Environment, team: Agents, table: Any, training: Training | None) -> Play:
    """How policies play: by values at all observations where these are few and exact, else by asking."""
    spec = env.spec

    def play(parameters: Parameters, key: PRNGKeyArray, episodes: int, mode: Mode) -> Scores:
        known = None if table is None or training is not None else table.logits(parameters)
        # Two policies may play the same scenarios, but no device repeats its measurements.
        own = None if training is None else jax.random.fold_in(key, fingerprint(parameters))

        def one(agent: Array, memory: Memory, seen: Array, legal: Array, key: Array) -> tuple[Memory, Array]:
            if table is None or known is None:
                memory, logits = team.one(parameters, agent, memory, seen)
            else:
                logits = known[agent, table.index(seen)]
            return memory, categorical.choose(key, logits, legal, mode)

        def choose(memory: Memory, state: Any, now: TimeStep, key: PRNGKeyArray) -> tuple[Memory, Array]:
            keys = jax.random.split(key, spec.agents)
            agents = jnp.arange(spec.agents)
            if own is None:
                return jax.vmap(one)(agents, memory, now.observation, now.legal, keys)
            k_circuits = jax.random.fold_in(own, jax.random.bits(key))
            with conditions.training(training, k_circuits):
                return jax.vmap(one)(agents, memory, now.observation, now.legal, keys)

        return evaluation.play(env, choose, spread(team.memory(), spec.agents), key, episodes)

    return play


def fingerprint(parameters: Parameters) -> Int[Array, ""]:
    """A number made of all bits of parameters, another one for other parameters.

    Args:
        parameters: float32 arrays.
    """
    flat = jnp.concatenate([x.ravel() for x in jax.tree.leaves(parameters)])
    bits = jax.lax.bitcast_convert_type(flat, jnp.uint32)
    odd = 2 * jnp.arange(len(flat), dtype=jnp.uint32) + 1
    return (bits * odd * jnp.uint32(2654435761)).sum(dtype=jnp.uint32)


def _met_in_play(
    env: Environment, team: Agents, parameters: Parameters, key: PRNGKeyArray, episodes: int
) -> Met:
    """What a policy without memory meets in so many episodes, played side by side."""
    spec = env.spec
    fresh, k_play = jax.random.split(key)
    state, now = jax.vmap(env.reset)(jax.random.split(fresh, episodes))

    def advance(carry: Any, key: PRNGKeyArray) -> tuple[Any, Any]:
        state, now, over = carry
        k_act, k_step = jax.random.split(key)
        logits = team.step(parameters, (), now.observation)[1]
        actions = categorical.sample(k_act, logits, now.legal)
        state, after = jax.vmap(env.step)(jax.random.split(k_step, episodes), state, actions)
        weight = (~over[:, None] & now.active).astype(jnp.float32)
        return (state, after, over | after.over), (now.observation, now.legal, weight)

    keys = jax.random.split(k_play, spec.horizon)
    _, (seen, legal, weight) = jax.lax.scan(advance, (state, now, now.over), keys)
    flat = lambda x: x.reshape(-1, *x.shape[3:])  # of steps, episodes and agents
    agents = jnp.tile(jnp.arange(spec.agents), spec.horizon * episodes)
    return Met(agents, flat(seen), flat(legal), flat(weight))


class OfTables(Protocol):
    """A function of many policies as tables."""

    def __call__(self, probabilities: Float[Array, "*B A N U"], /) -> Any: ...


def _as_one_batch(function: OfTables) -> OfTables:
    """Under ``vmap`` the function gets all at once: many policies are solved together many times faster than
    one after the other."""
    batched = jax.custom_batching.custom_vmap(function)
    batched.def_vmap(lambda size, axes, given: (out := batched(given), jax.tree.map(lambda _: True, out)))
    return batched
