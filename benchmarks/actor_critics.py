"""Agent steps per second of the actor-critics' training on ForestUAV, compile time apart.

An agent step is one agent's action: ten for each step of the default forest. Settings are the shipped ones.
"""

from __future__ import annotations

from typing import Any

from benchmarks.training import measure
from qflock.settings import config

ALGORITHMS = ("mappo", "qio")


def benchmark(quick: bool = False) -> dict[str, Any]:
    """Figures of each algorithm with its preset for the default forest, coverage observed."""
    found: dict[str, Any] = {}
    for name in ALGORITHMS:
        settings = config.resolve(name, overrides={"env": "forest_uav", "env.observe_coverage": True})
        found[name] = measure(settings, 3 if quick else 10)
        speed = found[name]["median_steps_per_second"]
        found[name]["median_agent_steps_per_second"] = speed * settings.environment.n_agents
    return found
