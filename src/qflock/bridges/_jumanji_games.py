"""Jumanji's games for a team, one by one: how they are made, what an agent sees, and their bounds."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array

from qflock.bridges._options import Option
from qflock.core.spec import Box, Codes, Entities

HOME = "jumanji.environments.routing"


class Game(NamedTuple):
    """A game of Jumanji's.

    Attributes:
        options: its settings; `time_limit` among them.
        make: ``(settings, time limit) -> environment``.
        observe: ``(environment, its observation) -> (A, O)``; each agent's view.
        state: ``(environment, views (A, O)) -> (S,)``; what mixers and critics see.
        returns: ``settings -> bounds of the team return``.
        measures: ``(environment, its state) -> scalars of the task``.
        actions: their names; or a `Box`.
        about: ``(environment, settings) -> further fields of the Spec``.
        shared: every agent is paid the same team reward.
    """

    options: Mapping[str, Option]
    make: Callable[[dict[str, Any], int], Any]
    observe: Callable[[Any, Any], Array]
    state: Callable[[Any, Array], Array]
    returns: Callable[[dict[str, Any]], tuple[float, float]]
    measures: Callable[[Any, Any], dict[str, Any]]
    actions: tuple[str, ...] | Box
    about: Callable[[Any, dict[str, Any]], dict[str, Any]] = lambda env, settings: {}
    shared: bool = False


def _steps(default: int) -> Option:
    return Option(int, default, "Steps after which an episode is cut off.")


# ---- Level-based foraging. A record is (row, column, seen, level): Jumanji's, with the flag added.


def _foraging(settings: dict[str, Any], limit: int) -> Any:
    generator = importlib.import_module(f"{HOME}.lbf.generator").RandomGenerator(
        grid_size=settings["grid_size"],
        num_agents=settings["num_agents"],
        num_food=settings["num_food"],
        fov=settings["fov"] or settings["grid_size"],
        max_agent_level=settings["max_agent_level"],
        force_coop=settings["force_coop"],
    )
    return importlib.import_module(f"{HOME}.lbf.env").LevelBasedForaging(
        generator,
        time_limit=limit,
        normalize_reward=settings["normalize_reward"],
        penalty=settings["penalty"],
    )


def _foraging_view(env: Any, seen: Any) -> Array:
    records = seen.agents_view.reshape(env.num_agents, -1, 3)
    flag = (records[..., 2:] > 0).astype(records.dtype)
    return jnp.concatenate([records[..., :2], flag, records[..., 2:]], -1).reshape(env.num_agents, -1)


def _foraging_about(env: Any, settings: dict[str, Any]) -> dict[str, Any]:
    foods, agents = settings["num_food"], settings["num_agents"]
    own, size = 4 * foods, 4 * (foods + agents)
    others = (*range(0, own, 4), *range(own + 4, size, 4))
    views = [
        Entities(base + own, tuple(base + at for at in others), extent=float(settings["grid_size"] - 1))
        for base in range(0, agents * size, size)
    ]
    return {
        "observation_entities": tuple(views[:1]),
        "state_entities": tuple(views),
        "observation_scale": float(settings["max_agent_level"]),
        "state_scale": float(settings["max_agent_level"]),
    }


def _foraging_returns(settings: dict[str, Any]) -> tuple[float, float]:
    strongest = settings["max_agent_level"] * min(settings["num_agents"], 3)
    most = 1.0 if settings["normalize_reward"] else float(settings["num_food"] * strongest**2)
    tries = settings["time_limit"] * settings["num_food"] * settings["num_agents"]
    return 0.0 - settings["penalty"] * tries, most


def _foraging_measures(env: Any, state: Any) -> dict[str, Any]:
    eaten = state.food_items.eaten
    return {"solved": eaten.all().astype(jnp.float32), "eaten": eaten.mean(dtype=jnp.float32)}


FORAGING = Game(
    options={
        "grid_size": Option(int, 8, "Cells along each side."),
        "num_agents": Option(int, 2, "How many agents."),
        "num_food": Option(int, 2, "How many foods."),
        "max_agent_level": Option(int, 2, "Levels of agents run from 1 to this."),
        "force_coop": Option(bool, True, "Every food needs all agents (the three weakest, of more)."),
        "fov": Option(int, 0, "How many cells around itself an agent sees; 0 for the whole grid."),
        "time_limit": _steps(100),
        "normalize_reward": Option(bool, True, "All foods together pay 1."),
        "penalty": Option(
            float, 0.0, "Taken from each agent that loads a food too heavy for those around it."
        ),
    },
    make=_foraging,
    observe=_foraging_view,
    state=lambda env, views: views.reshape(-1),
    returns=_foraging_returns,
    measures=_foraging_measures,
    actions=("stay", "up", "down", "left", "right", "load"),
    about=_foraging_about,
)


# ---- The robot warehouse.


def _warehouse(settings: dict[str, Any], limit: int) -> Any:
    rest = {name: value for name, value in settings.items() if name != "time_limit"}
    generator = importlib.import_module(f"{HOME}.robot_warehouse.generator").RandomGenerator(**rest)
    return importlib.import_module(f"{HOME}.robot_warehouse.env").RobotWarehouse(generator, limit)


WAREHOUSE = Game(
    options={
        "shelf_rows": Option(int, 2, "Rows of shelf clusters."),
        "shelf_columns": Option(int, 3, "Columns of shelf clusters; an odd number."),
        "column_height": Option(int, 8, "Height of a cluster."),
        "num_agents": Option(int, 4, "How many robots."),
        "sensor_range": Option(int, 1, "How many cells around itself a robot sees."),
        "request_queue_size": Option(int, 8, "How many shelves are requested at any time."),
        "time_limit": _steps(500),
    },
    make=_warehouse,
    observe=lambda env, seen: seen.agents_view,
    state=lambda env, views: views.reshape(-1),
    returns=lambda settings: (0.0, 2.0 * settings["time_limit"]),  # one at each of the two goals
    measures=lambda env, state: {},
    actions=("stay", "forward", "turn_left", "turn_right", "load"),
    shared=True,
)


# ---- Connector. A cell is 0, or 1 to 3 for the agent's own path, head and target, 4 to 6 for another's.


def _connector(settings: dict[str, Any], limit: int) -> Any:
    generator = importlib.import_module(f"{HOME}.connector.generator").RandomWalkGenerator(
        grid_size=settings["grid_size"], num_agents=settings["num_agents"]
    )
    return importlib.import_module(f"{HOME}.connector.env").Connector(generator, time_limit=limit)


def _connector_view(env: Any, seen: Any) -> Array:
    cells = seen.grid.reshape(-1)
    owner, kind = (cells - 1) // 3, (cells - 1) % 3 + 1
    code = lambda agent: jnp.where(cells == 0, 0, kind + jnp.where(owner == agent, 0, 3)).astype(jnp.int8)
    return jax.vmap(code)(jnp.arange(env.num_agents))


def _connector_about(env: Any, settings: dict[str, Any]) -> dict[str, Any]:
    cells = settings["grid_size"] ** 2
    kinds = ((1, 2, 3, 4, 5, 6),)
    return {
        "observation_codes": (Codes(0, cells, kinds),),
        "state_codes": (Codes(0, cells * settings["num_agents"], kinds),),
    }


def _connected(env: Any, state: Any) -> dict[str, Any]:
    there = state.agents.connected
    return {"solved": there.all().astype(jnp.float32), "connected": there.mean(dtype=jnp.float32)}


CONNECTOR = Game(
    options={
        "grid_size": Option(int, 10, "Cells along each side."),
        "num_agents": Option(int, 10, "How many pairs to connect."),
        "time_limit": _steps(50),
    },
    make=_connector,
    observe=_connector_view,
    state=lambda env, views: views.reshape(-1),
    returns=lambda s: (-0.03 * s["num_agents"] * s["time_limit"], 0.97 * s["num_agents"]),
    measures=_connected,
    actions=("stay", "up", "right", "down", "left"),
    about=_connector_about,
)


# ---- Search and rescue. An agent sees the nearest of each kind along rays, and how many targets are left.


def _search(settings: dict[str, Any], limit: int) -> Any:
    home = "jumanji.environments.swarms.search_and_rescue"
    generator = importlib.import_module(f"{home}.generator").RandomGenerator(
        num_targets=settings["num_targets"], num_searchers=settings["num_searchers"]
    )
    return importlib.import_module(f"{home}.env").SearchAndRescue(generator=generator, time_limit=limit)


def _search_view(env: Any, seen: Any) -> Array:
    rays = seen.searcher_views.reshape(env.num_agents, -1)
    return jnp.concatenate([rays, jnp.full((env.num_agents, 1), seen.targets_remaining)], -1)


def _rescued(env: Any, state: Any) -> dict[str, Any]:
    found = state.targets.found
    return {"solved": found.all().astype(jnp.float32), "found": found.mean(dtype=jnp.float32)}


SEARCH = Game(
    options={
        "num_searchers": Option(int, 2, "How many agents."),
        "num_targets": Option(int, 40, "How many targets, which drift."),
        "time_limit": _steps(400),
    },
    make=_search,
    observe=_search_view,
    state=lambda env, views: views.reshape(-1),
    returns=lambda settings: (0.0, float(settings["num_targets"])),  # one for each, less the later it is
    measures=_rescued,
    actions=Box(2, (-1.0, -1.0), (1.0, 1.0), ("rotation", "acceleration")),
)

GAMES: dict[str, Game] = {
    "LevelBasedForaging-v0": FORAGING,
    "RobotWarehouse-v0": WAREHOUSE,
    "Connector-v3": CONNECTOR,
    "SearchAndRescue-v0": SEARCH,
}
