"""Weight files of a run: what execution needs, and apart from it everything that was trained."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import jax
import numpy as np

from qflock.core.environment import Environment
from qflock.core.errors import UserError
from qflock.core.learner import Learner
from qflock.core.spec import Box
from qflock.files import tensors
from qflock.runs import checkpoint, folder
from qflock.runs.folder import RunFolder
from qflock.runs.train import longer, sharing
from qflock.runs.train.ledger import Position
from qflock.runs.train.program import by_seed
from qflock.settings import config
from qflock.settings.config import Settings


class WeightsFiles:
    """Writes the weights of a run's seeds into its ``models/``; the best by the learner's ``merit``."""

    def __init__(
        self, where: RunFolder, settings: Settings, env: Environment, learner: Learner, seeds: Sequence[int]
    ) -> None:
        self._where, self._settings, self._spec, self._learner = where, settings, env.spec, learner
        self._seeds = list(seeds)

    def policy(self, state: Any) -> Any:
        """What execution needs of learner states with a leading seed axis."""
        return jax.vmap(self._learner.execution)(state)

    def of(self, state: Any) -> dict[str, Any]:
        """What a weights file holds: ``policy`` and ``training``."""
        weights = {"policy": self.policy(state), "training": jax.vmap(self._learner.weights)(state)}
        return sharing.gathered(weights)

    def keep(self, name: str, weights: dict[str, Any], position: Position) -> None:
        """Write ``models/<name>.safetensors``.

        Args:
            name: of the file, without its suffix.
            weights: as `of` gives them.
            position: how far the run is; stands in the file.

        Raises:
            CannotWrite: the disk is full ...; a file of that name that was there before is whole.
        """
        spec = self._spec
        sizes = {
            "agents": spec.agents,
            "actions": asdict(spec.action) if isinstance(spec.action, Box) else spec.actions,
            "observation": spec.observation,
            "state": spec.state,
        }
        about = {
            "algorithm": self._settings.algorithm,
            "environment": self._spec.name,
            "sizes": sizes,
            "seeds": self._seeds,
            "env_steps": position.env_steps,
            "episodes": position.episodes,
            "settings": config.to_mapping(self._settings),
        }
        checkpoint.save_weights(self._where, name, weights, about)

    def keep_best(self, state: Any, scores: Sequence[float], position: Position) -> None:
        """Keep each seed's best weights so far, as the evaluations saw them; notes their scores.

        Args:
            state: the learner's, with a leading axis of seeds.
            scores: each seed's value of the learner's ``merit``; the greater the better.
            position: how far the run is; its ``best`` is updated.
        """
        old = position.best
        better = np.array([b is None or new > b for new, b in zip(scores, old, strict=True)])
        if not better.any():
            return
        longer.spare(self._where, position)
        weights = self.of(state)
        if not better.all():
            weights = by_seed(better, weights, tensors.load(self._where.best_model, weights)[0])
        position.best = [new if b else was for new, was, b in zip(scores, old, better, strict=True)]
        self.keep("best_model_weights", weights, position)


def weights_of(source: Path, like: Any) -> Any:
    """The trained weights of another run, or of a weights file, to start from.

    Args:
        source: a run's folder, or a ``.safetensors`` of one.
        like: the pytree expected, with a leading axis of seeds.

    Raises:
        UserError: nothing there, or weights of another shape.
    """
    path = source if source.suffix == ".safetensors" else folder.open_run(source).final_model
    if not path.is_file():
        raise UserError(f"{source} has no final weights to start from; name a file in its models/")
    return tensors.load(path, {"training": like}, part=True)[0]["training"]
