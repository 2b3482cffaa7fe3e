"""Train quantum-inspired control on the UAV forest from a configuration file with the published keys.

    python scripts/train_uav.py --config configs/uav_learns.yaml

The run folder is runs/<timestamp>/. It is an ordinary run: `qflock evaluate`, `watch` and `compare` take it.
The learner is `qio` with ``update: a2c``, as the public loop has it: one forest, one gradient step for each
``rollout_len`` steps, advantages and values as they are. ``batch_size`` is read and, as there, not used.
``total_steps`` and the intervals count environment steps. What differs from the published code, which stops
at the first episode's end: episodes follow each other, returns bootstrap at rollout cuts and truncation, the
floor meets min_entropy, and H in the entropy weight is normalised.

``configs/uav_default.yaml`` is the published configuration. Its UAVs do not see which cells were visited and
remember nothing, so that no policy of theirs can tell where the team has been: the best is to move at random,
and greedy play of a policy that is nearly uniform stands in corners. The script prints both scores where they
differ. ``configs/uav_learns.yaml`` shows them what was visited; ``configs/uav_remembers.yaml`` gives them a
memory instead.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping
from datetime import datetime
from pathlib import Path
from typing import Any

from qflock import api
from qflock.core.errors import UserError, unknown
from qflock.runs import evaluation
from qflock.settings import config, file
from qflock.settings.config import Settings

ENTROPIES = {
    "quantum_inspired": "quantum_inspired",
    "exp": "exponential",
    "exponential": "exponential",
    "constant": "constant",
    "target": "target",
}
NAMES: dict[str, str | None] = {  # published key (or our own for what the other files change): ours
    "env.grid_size": "env.grid_size",
    "env.n_agents": "env.n_agents",
    "env.obs_radius": "env.obs_radius",
    "env.episode_len": "env.episode_len",
    "env.comm_budget": "env.comm_budget",
    "env.observe_coverage": "env.observe_coverage",
    "env.seed": "seed",
    "algo.gamma": "gamma",
    "algo.lr_actor": "lr",
    "algo.lr_critic": "lr_critic",
    "algo.network": "network",
    "algo.reward": "reward",
    "algo.normalise_advantages": "normalise_advantages",
    "algo.normalise_values": "normalise_values",
    "algo.gae_lambda": "gae_lambda",
    "algo.entropy.type": "entropy",
    "algo.entropy.alpha0": "alpha0",
    "algo.entropy.alpha_min": "alpha_min",
    "algo.entropy.lambda": "alpha_decay",
    "algo.q_operator.enabled": "operator",
    "algo.q_operator.eta": "eta",
    "algo.q_operator.min_entropy": "min_entropy",
    "algo.q_operator.temperature": "inverse_temperature",
    "train.total_steps": "total_steps",
    "train.rollout_len": "num_steps",
    "train.batch_size": None,  # which nothing reads
    "train.num_envs": "num_envs",
    "train.log_interval": "log_interval",
    "train.eval_interval": "eval_interval",
    "train.eval_episodes": "eval_episodes",
    "train.device": "device",
}
PUBLISHED: dict[str, Any] = {  # what the published learner has without a key for it
    "env.observe_coverage": False,
    "update": "a2c",
    "critic": "observation",
    "reward": "team",
    "hidden": [128, 128],
    "critic_hidden": [128, 128],
    "layer_norm": False,
    "gae_lambda": 1.0,
    "max_grad_norm": 1.0,
    "num_envs": 1,
    "num_steps": 32,
    "normalise_advantages": False,
    "normalise_values": False,
    "lr_final": 1.0,
    "lr_decay": 0,
    "save_interval": 0,
}


def settings_of(path: Path, now: datetime) -> Settings:
    """The settings of a run from a file with the published keys.

    Raises:
        UserError: no such file, a key that does not exist, a value that cannot be.
    """
    found = {**PUBLISHED, "env": "forest_uav", "run_dir": Path("runs") / now.strftime("%Y%m%d-%H%M%S")}
    for key, value in _flat(file.read(path)).items():
        if key not in NAMES:
            raise UserError(f"{path}: {unknown('key', key, NAMES)}")
        if key == "algo.entropy.type":
            if value not in ENTROPIES:
                raise UserError(f"{path}: {unknown('algo.entropy.type', str(value), ENTROPIES)}")
            value = ENTROPIES[value]
        elif key == "algo.q_operator.enabled":
            if not isinstance(value, bool):
                raise UserError(f"{path}: algo.q_operator.enabled is {value!r}; give true or false")
            value = "mean" if value else "none"
        elif key == "train.batch_size" and not (type(value) is int and value > 0):
            raise UserError(f"{path}: train.batch_size is {value!r}; give a whole number above 0")
        if (name := NAMES[key]) is not None:
            found[name] = value
    return config.resolve("qio", overrides=found)


def _flat(mapping: Mapping[str, Any], prefix: str = "") -> dict[str, Any]:
    """Nested mappings as one, keys joined by dots."""
    flat: dict[str, Any] = {}
    for key, value in mapping.items():
        flat |= _flat(value, f"{prefix}{key}.") if isinstance(value, Mapping) else {f"{prefix}{key}": value}
    return flat


def main(arguments: list[str] | None = None) -> int:
    """Train; the exit status."""
    parser = argparse.ArgumentParser(description="Train quantum-inspired control on the UAV forest.")
    parser.add_argument(
        "--config", type=Path, default=Path("configs/uav_learns.yaml"), help="file with the published keys"
    )
    parser.add_argument("--quiet", action="store_true", help="show no progress")
    given = parser.parse_args(arguments)
    try:
        settings = settings_of(given.config, datetime.now())
        summary = api.train(settings, quiet=given.quiet)
    except UserError as problem:
        print(f"error: {problem}", file=sys.stderr)
        return problem.code
    score, random = summary["over_seeds"], summary["references"]["random"]
    sampled = summary["sampled"]["over_seeds"]
    shares = f"covers {score['coverage']:.1%} of the forest"
    if evaluation.differ(score, sampled):
        shares += f" greedily, {sampled['coverage']:.1%} where it acts by chance as in training"
    print(f"{summary['run']}: {shares}; random actions {random['coverage']:.1%}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
