"""What else a run does, for learners that want more of it than updates (see `remembered`)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple


class Hooks(NamedTuple):
    """Functions that a run calls.

    Attributes:
        start: ``learner states -> learner states`` of all seeds, before a new run's first update.
        watch: ``row -> lines to show``, after each chunk: ``env_step``, ``seconds``, and the
            first seed's metrics.
        end: ``(folder, learner states) -> more for the summary``, after the last update.
        keep: what JSON can say, to be saved with each training state.
        go_on: takes back what `keep` gave, when a run goes on from a state.
    """

    start: Callable[[Any], Any] = lambda state: state
    watch: Callable[[dict[str, float]], Iterable[str]] = lambda row: ()
    end: Callable[[Any, Any], dict[str, Any]] = lambda where, state: {}
    keep: Callable[[], Any] = lambda: None
    go_on: Callable[[Any], None] = lambda kept: None


NO_HOOKS = Hooks()
