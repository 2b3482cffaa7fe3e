"""Settings by other names than ours: old names, and those that other libraries have for the same quantity,
load with one line of notice; what has no setting of its own is answered with the one that does it.
"""

from __future__ import annotations

import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import Any

from qflock.core.errors import Notice

RENAMED = {"copies": "num_envs", "steps": "num_steps"}
"""Old name -> new one. An entry stays for two minor versions."""
ELSEWHERE = {
    "batch": "batch_size",
    "buffer_size": "buffer_capacity",
    "discount": "gamma",
    "episodes": "total_episodes",
    "hidden_dims": "hidden",
    "hidden_sizes": "hidden",
    "learning_rate": "lr",
    "max_steps": "total_steps",
    "n_envs": "num_envs",
    "n_seeds": "seeds",
    "n_steps": "num_steps",
    "num_environments": "num_envs",
    "num_episodes": "total_episodes",
    "num_seeds": "seeds",
    "num_timesteps": "total_steps",
    "rollout_length": "num_steps",
    "timesteps": "total_steps",
    "total_timesteps": "total_steps",
}
"""What other libraries call a setting of ours."""
DOES_IT = {
    "cpu": ("device", "cpu"),
    "cuda": ("device", "gpu"),
    "environment": ("env", ""),
    "env_id": ("env", ""),
    "env_name": ("env", ""),
    "gpu": ("device", "gpu"),
    "log_dir": ("run_dir", ""),
    "mlflow": ("loggers", "mlflow"),
    "output": ("run_dir", ""),
    "output_dir": ("run_dir", ""),
    "tensorboard": ("loggers", "tensorboard"),
    "track": ("loggers", "wandb"),
    "use_wandb": ("loggers", "wandb"),
    "wandb": ("loggers", "wandb"),
}
"""What there is no setting for: the setting, and its value, that does it."""


class RenamedSetting(Notice, FutureWarning):
    """A setting was given by its old name."""


def current(name: str, known: Collection[str]) -> str:
    """The name that a setting has now and here; what is no other name of one is as it was.

    Args:
        name: as it was given.
        known: the settings that there are: an algorithm's own setting may have a name that is old here.
    """
    new = RENAMED.get(name) or ELSEWHERE.get(name, name)
    return new if name not in known and new in known else name


def mapping(given: Mapping[str, Any]) -> dict[str, Any]:
    """Recorded settings by the names that they have now."""
    return {RENAMED.get(name, name): value for name, value in given.items()}


def notice(pairs: Iterable[tuple[str, str]], where: str = "") -> None:
    """A line that says what settings are called now, and one with what those of other libraries are called
    here, if any was given by such a name.

    Args:
        pairs: other names and ours, as they are typed: with dashes in front, or without.
        where: what the line starts with: a file's name, or nothing.
    """
    pairs = list(pairs)
    old = [pair for pair in pairs if pair[0].lstrip("-").replace("-", "_") in RENAMED]
    if said := ", ".join(f"{before} is {now} now" for before, now in old):
        warnings.warn(f"{where}{said}; the old names go in two minor versions", RenamedSetting, stacklevel=3)
    if said := ", ".join(f"{theirs} is {ours} here" for theirs, ours in pairs if (theirs, ours) not in old):
        warnings.warn(f"{where}{said}", Notice, stacklevel=3)


def does_it(name: str, known: Collection[str]) -> tuple[str, str] | None:
    """The setting that does what somebody looked for by a name of his own, and its value (or nothing).

    Args:
        name: as it was given.
        known: the settings that there are.
    """
    found = DOES_IT.get(name)
    return found if found is not None and found[0] in known else None
