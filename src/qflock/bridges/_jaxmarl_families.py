"""What JaxMARL's environments do not say by themselves: how episodes end, who is paid what, the bounds.

JaxMARL tells one ``done`` for the end of the task and for the end of the clock. Here the bridge counts the
steps itself, and a family says when the task has ended.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax.numpy as jnp

from qflock.bridges._options import Option
from qflock.core.errors import unknown

INFINITE = (-float("inf"), float("inf"))
STEPS = Option(int, 25, "Steps of an episode. JaxMARL itself lets one more pass.")


class Step(NamedTuple):
    """One step of a JaxMARL environment.

    Attributes:
        after: the state that it led to.
        done: what JaxMARL calls the end.
        last: the clock ran out with this step.
    """

    after: Any
    done: Any
    last: Any


def _never(env: Any, step: Step) -> Any:
    return jnp.bool_(False)


def _when_done(env: Any, step: Step) -> Any:
    return step.done


def _done_early(env: Any, step: Step) -> Any:
    return step.done & ~step.last


def _no_measures(env: Any, step: Step | None) -> dict[str, Any]:
    return {}


class Family(NamedTuple):
    """A group of JaxMARL's environments.

    Attributes:
        horizon: ``(environment, settings) -> steps``; at that step the clock runs out.
        terminated: ``(environment, Step) -> bool``; the task itself has ended.
        shared: ``(settings by name) -> whether all agents are paid the same team reward``.
        returns: ``(environment, settings) -> bounds of the team return``.
        measures: ``(environment, Step or None at a reset) -> scalars of the task``.
        world: ``(environment, state) -> (S,)`` what centralised training sees, where JaxMARL tells no world
            state; None for all observations behind each other.
        legal: ``(environment, state) -> (A, U)`` where JaxMARL's own answer is not the game's; None for that.
        oracle: ``(environment, state) -> (A,)`` the best actions of a team that sees the state; None where
            nobody knows them.
        options: settings that replace or join those of the constructor.
        inherits: name of a JaxMARL class whose constructor takes further settings.
        leave_out: parameters of the constructors that are no settings here.
        arguments: ``(library, settings) -> what the constructor is called with``.
    """

    horizon: Callable[[Any, Mapping[str, Any]], int] = lambda env, settings: env.max_steps
    terminated: Callable[[Any, Step], Any] = _when_done
    shared: Callable[[Mapping[str, Any]], bool] = lambda settings: False
    returns: Callable[[Any, Mapping[str, Any]], tuple[float, float]] = lambda env, settings: INFINITE
    measures: Callable[[Any, Step | None], dict[str, Any]] = _no_measures
    world: Callable[[Any, Any], Any] | None = None
    legal: Callable[[Any, Any], Any] | None = None
    oracle: Callable[[Any, Any], Any] | None = None
    options: Mapping[str, Option] = {}
    inherits: str = ""
    leave_out: tuple[str, ...] = ()
    arguments: Callable[[Any, dict[str, Any]], dict[str, Any]] = lambda library, settings: settings


# ---- SMAX: the state of the battle lies one level deeper where a scripted enemy plays.


def _battle(env: Any, state: Any) -> tuple[Any, Any]:
    """Which allies and which enemies are alive."""
    alive = getattr(state, "state", state).unit_alive
    return alive[: env.num_allies], alive[env.num_allies :]


def _battle_over(env: Any, step: Step) -> Any:
    allies, enemies = _battle(env, step.after)
    return ~allies.any() | ~enemies.any()


def _battle_won(env: Any, step: Step | None) -> dict[str, Any]:
    if step is None:
        return {"solved": jnp.float32(0)}
    allies, enemies = _battle(env, step.after)
    return {"solved": (allies.any() & ~enemies.any()).astype(jnp.float32)}


def _with_scenario(library: Any, settings: dict[str, Any]) -> dict[str, Any]:
    from jaxmarl.environments.smax.smax_env import MAP_NAME_TO_SCENARIO as scenarios

    rest = dict(settings)
    chosen = rest.pop("scenario")
    if chosen == "none":
        return rest
    if chosen not in scenarios:
        raise unknown("SMAX scenario", chosen, scenarios)
    return {**rest, "scenario": scenarios[chosen]}


SMAX = Family(
    terminated=_battle_over,
    shared=lambda settings: True,
    returns=lambda env, settings: (0.0, 1.0 + env.won_battle_bonus),
    measures=_battle_won,
    options={"scenario": Option(str, "none", "A battle by name, such as 3m or 2s3z; none for the sizes.")},
    inherits="SMAX",
    leave_out=("action_type", "use_self_play_reward"),
    arguments=_with_scenario,
)


# ---- Overcooked: it never ends but by the clock. Every soup was cooked for 20 steps in one of the pots.


def _with_layout(library: Any, settings: dict[str, Any]) -> dict[str, Any]:
    layouts = library.environments.overcooked_layouts
    if settings["layout"] not in layouts:
        raise unknown("Overcooked layout", settings["layout"], layouts)
    return {**settings, "layout": layouts[settings["layout"]]}


def _soups(env: Any, settings: Mapping[str, Any]) -> tuple[float, float]:
    return 0.0, float(len(env.layout["pot_idx"]) * env.max_steps + 60)


LAYOUT = Option(str, "cramped_room", "A kitchen by name, such as cramped_room or coord_ring.")
OVERCOOKED = Family(
    terminated=_never,
    shared=lambda settings: True,
    returns=_soups,
    options={"layout": LAYOUT},
    arguments=_with_layout,
)


# ---- The others.


def _hanabi_turns(env: Any, settings: Mapping[str, Any]) -> int:
    """No game is longer: every discard and play takes a card, hints need tokens, then one last round."""
    draws = env.deck_size - env.num_agents * env.hand_size
    return int(2 * draws + env.max_info_tokens + env.num_colors + env.num_agents + 1)


def _riddle_returns(env: Any, settings: Mapping[str, Any]) -> tuple[float, float]:
    paid = (0.0, float(env.reward_all_die), float(env.reward_all_live))
    return min(paid), max(paid)


def _riddle_inside(env: Any, state: Any) -> Any:
    return jnp.arange(env.num_agents) == state.agent_in_room


def _riddle_world(env: Any, state: Any) -> Any:
    """Who is in the room, who has been there, the bulb, and the share of days that are over."""
    inside, days = _riddle_inside(env, state), state.step / env.max_steps
    parts = (inside, state.has_been, state.bulb_state[None], days[None])
    return jnp.concatenate([jnp.asarray(part, jnp.float32) for part in parts])


def _riddle_legal(env: Any, state: Any) -> Any:
    """Who is not in the room can do nothing (Foerster et al. 2016); JaxMARL ignores what they choose."""
    nothing = jnp.arange(len(env.game_actions)) == env.game_actions["NOTHING"]
    return _riddle_inside(env, state)[:, None] | nothing


def _riddle_oracle(env: Any, state: Any) -> Any:
    """Whoever is inside speaks as soon as all have been there."""
    inside = _riddle_inside(env, state)
    speaks = inside & (inside | (state.has_been > 0)).all()
    return jnp.where(speaks, env.game_actions["TELL"], env.game_actions["NOTHING"])


def _coin_returns(env: Any, settings: Mapping[str, Any]) -> tuple[float, float]:
    """Each of the two coins is taken by none, one or both; each agent stands on one cell, perhaps of both."""
    (own, other, penalty), (its_other, its_own, its_penalty) = env.payoff_matrix
    red_coin = [0.0, own, its_other + penalty, own + its_other + penalty]
    blue_coin = [0.0, its_own, other + its_penalty, its_own + other + its_penalty]
    steps = settings["num_inner_steps"]
    return (
        float(steps * (min(red_coin) + min(blue_coin))),
        float(steps * (max(red_coin) + max(blue_coin))),
    )


def _one_inner_game(library: Any, settings: dict[str, Any]) -> dict[str, Any]:
    """JaxMARL starts the next inner game inside a step, which would hide the last observation: never here."""
    return {
        "egocentric": settings["egocentric"],
        "payoff_matrix": [list(settings["payoff_red"]), list(settings["payoff_blue"])],
        "num_inner_steps": 2**30,
        "num_outer_steps": 1,
    }


PAYOFF = tuple[float, float, float]
MPE = Family(
    terminated=_never,
    options={"max_steps": STEPS, "dt": Option(float, 0.1, "Seconds of a step.")},
)
COVERING = MPE._replace(returns=lambda env, settings: (-float("inf"), 0.0))
HANABI = Family(
    horizon=_hanabi_turns,
    shared=lambda settings: True,
    returns=lambda env, settings: (0.0, float(env.num_colors * env.num_ranks)),
)
# The rules count the days: one who could hope for a day after the last would never dare to speak.
RIDDLE = Family(
    terminated=_when_done,
    shared=lambda settings: True,
    returns=_riddle_returns,
    world=_riddle_world,
    legal=_riddle_legal,
    oracle=_riddle_oracle,
)
COIN_GAME = Family(
    horizon=lambda env, settings: settings["num_inner_steps"],
    terminated=_never,
    returns=_coin_returns,
    options={
        "payoff_red": Option(PAYOFF, (1.0, 1.0, -2.0), "Red's pay: a red coin, a blue one, blue takes red."),
        "payoff_blue": Option(
            PAYOFF, (1.0, 1.0, -2.0), "Blue's pay: a red coin, a blue one, red takes blue."
        ),
    },
    leave_out=("num_outer_steps", "cnn", "shared_rewards"),
    arguments=_one_inner_game,
)
OVERCOOKED_V2 = Family(
    terminated=_never,
    shared=lambda settings: True,
    options={"layout": LAYOUT},
)
OTHER = Family(horizon=lambda env, settings: int(getattr(env, "max_steps", 1000)), terminated=_done_early)

FAMILIES: dict[str, Family] = {
    "MPE_simple_spread_v3": COVERING,
    "MPE_simple_reference_v3": COVERING,
    "MPE_simple_speaker_listener_v4": COVERING,
    "HeuristicEnemySMAX": SMAX,
    "overcooked": OVERCOOKED,
    "overcooked_v2": OVERCOOKED_V2,
    "hanabi": HANABI,
    "switch_riddle": RIDDLE,
    "coin_game": COIN_GAME,
}


def of(name: str) -> Family:
    """The family of a registered name."""
    return FAMILIES.get(name, MPE if name.startswith("MPE_") else OTHER)
