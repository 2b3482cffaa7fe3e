"""What else a run does, for learners that want more of it than updates."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any, NamedTuple


class RunFacts(NamedTuple):
    """What a learner's hooks may know of the run that they belong to.

    Attributes:
        settings: every setting, as JSON can hold it.
        environment: the environment's name, as the run's settings have it.
        seed, seeds: the first seed, and how many there are.
        final_episodes: of the evaluation at the end.
        quiet: print nothing.
        alone: one process trains the run.
    """

    settings: Mapping[str, Any]
    environment: str
    seed: int
    seeds: int
    final_episodes: int
    quiet: bool
    alone: bool


class EndedRun(NamedTuple):
    """A run's folder, at its end: where it is, and what it said of itself when it began."""

    name: str
    path: Path
    id: str
    created: str


class Hooks:
    """Functions that a run calls. These do nothing: a learner's own override what it needs."""

    def start(self, state: Any) -> Any:
        """Learner states of all seeds, leaves ``(seeds, ...)``, before a new run's first update."""
        return state

    def watch(self, row: Mapping[str, float]) -> Iterable[str]:
        """Lines to show after a chunk; ``row`` has ``env_step``, ``seconds`` and the first seed's metrics."""
        return ()

    def interrupted(self, state: Any) -> None:
        """Before a run that was asked to stop ends, its state being saved.

        Args:
            state: learner states of all seeds, leaves ``(seeds, ...)``.
        """

    def end(self, run: EndedRun, state: Any) -> dict[str, Any]:
        """More for the summary, after the last update.

        Args:
            run: the run's folder.
            state: learner states of all seeds, leaves ``(seeds, ...)``.
        """
        return {}

    def keep(self) -> Any:
        """What JSON can say, to be saved with each training state."""
        return None

    def go_on(self, kept: Any) -> None:
        """Take back what `keep` gave, when a run goes on from a state."""
