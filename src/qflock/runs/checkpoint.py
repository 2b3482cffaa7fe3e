"""Resumable training states and portable weights of a run.

A state file is named by the update it was saved after and says so inside; the two newest are kept, so
that one damaged file costs some minutes and not the run. A run keeps at most so many bytes of states, the
newest apart: the oldest go first.
"""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from jaxtyping import PyTree

from qflock.core.errors import UserError
from qflock.files import tensors
from qflock.files.storage import DamagedFile, discard_partials, remove
from qflock.runs.folder import RunFolder

STATES_KEPT = 2


class Saved(NamedTuple):
    """A training state that was found whole.

    Attributes:
        state: the pytree, in the shape of what was asked for.
        position: what was saved beside it: updates done, log offsets, counters ...
        warnings: one line for each newer file that had to be passed over.
    """

    state: PyTree
    position: dict[str, Any]
    warnings: list[str]


def save_state(
    folder: RunFolder,
    state: PyTree,
    position: Mapping[str, Any],
    keep: Collection[int] = (),
    wanted: Collection[int] = (),
    most: float = math.inf,
) -> Path:
    """Save everything that training needs to go on, then let go of all but the newest two.

    Args:
        folder: the run, locked by this process.
        state: a pytree of arrays and typed keys; may be donated once this returns.
        position: JSON-able; ``position["update"]`` is the number of updates done.
        keep: updates whose states are kept as well.
        wanted: likewise, while there is room.
        most: bytes of all states. Where they are more, only the newest and those to keep stay for sure.

    Returns:
        ``state/state-<update>.safetensors``.

    Raises:
        CannotWrite: the disk is full ...; the states saved before are whole.
    """
    update = int(position["update"])
    path = folder.state / f"state-{update:012d}.safetensors"
    metadata = {"kind": "state", "run": folder.read_hparams()["id"], "position": dict(position)}
    discard_partials(folder.state)
    tensors.save(path, state, metadata)
    there = states(folder)
    # later ones are what a resume passed over: damaged, and now overtaken by another line of updates
    abandoned = [number for number in there if number > update]
    surplus = sorted(number for number in there if number <= update)[:-STATES_KEPT]
    for number in sorted({*abandoned, *surplus} - {*keep, *wanted}, reverse=True):
        remove(there.pop(number))
    sizes = {number: state.stat().st_size for number, state in there.items()}
    for number in sorted(set(there) - {*keep, update}, key=lambda number: (number in wanted, number)):
        if sum(sizes.values()) > most:
            remove(there[number])
            del sizes[number]
    return path


def forget_after(folder: RunFolder, update: int) -> None:
    """Remove the states saved after an update, the newest first, so that a kill leaves a line of states.

    Args:
        folder: the run.
        update: the update whose state is the newest that stays.

    Raises:
        CannotWrite: one cannot be removed.
    """
    for number, path in sorted(states(folder).items(), reverse=True):
        if number > update:
            remove(path)


def newest_state(
    folder: RunFolder, like: PyTree, doubt: Callable[[dict[str, Any]], str] = lambda position: ""
) -> Saved | None:
    """The newest whole training state, or None where none was ever saved.

    Args:
        folder: the run.
        like: the pytree expected, as in ``tensors.load``.
        doubt: ``position -> why an older state would be better`` (a log that it counts on was changed),
            empty where nothing is wrong. Such a state is taken only where no other is left. Raises
            DamagedFile for a position that nobody can go on from.

    Raises:
        DamagedFile: there are states, and not one of them is whole and fits.
    """
    problems: list[str] = []
    doubtful: Saved | None = None
    warnings = lambda: [f"{line}; going on from the state before it" for line in problems]
    run = folder.read_hparams()["id"]
    for update, path in sorted(states(folder).items(), reverse=True):
        try:
            state, metadata = tensors.load(path, like)
            if metadata.get("run") != run:
                raise DamagedFile(f"{path} belongs to another run")
            position = metadata.get("position")
            if not isinstance(position, dict) or position.get("update") != update:
                raise DamagedFile(f"{path} holds another update than its name says")
            if why := doubt(position):
                doubtful = doubtful or Saved(state, position, warnings())
                problems.append(why)
                continue
            return Saved(state, position, warnings())
        except UserError as problem:
            problems.append(str(problem))
    if doubtful is not None:
        return doubtful
    if problems:
        raise DamagedFile(f"no training state in {folder.state} can be used: {problems[0]}")
    return None


def state_of(folder: RunFolder, like: PyTree, update: int) -> Saved:
    """The training state of an update.

    Args:
        folder: the run.
        like: the pytree expected, as in ``tensors.load``.
        update: updates done.

    Raises:
        UserError: there is none, or it is damaged.
    """
    state, metadata = tensors.load(folder.state / f"state-{update:012d}.safetensors", like)
    return Saved(state, dict(metadata["position"]), [])


def save_weights(folder: RunFolder, name: str, weights: PyTree, metadata: Mapping[str, Any]) -> Path:
    """Save weights as ``models/<name>.safetensors``, to be used anywhere.

    Args:
        folder: the run.
        name: ``checkpoint_ep100``, ``final_model``, ``best_model_weights`` ...
        weights: a pytree of arrays.
        metadata: JSON-able: algorithm, environment, sizes of its Spec, seeds, step, episode, settings.

    Raises:
        CannotWrite: the disk is full ...; a file of that name that was there before is whole.
    """
    path = folder.models / f"{name}.safetensors"
    tensors.save(path, weights, {"kind": "weights", **metadata})
    return path


def retain(folder: RunFolder, keep: int) -> None:
    """Remove the oldest files ``checkpoint_ep<N>.safetensors``.

    Args:
        folder: the run.
        keep: how many stay; 0 keeps all.
    """
    numbered = _numbered(folder.models, r"checkpoint_ep(\d+)\.safetensors")
    for episode in sorted(numbered)[:-keep] if keep else []:
        remove(numbered[episode])


def states(folder: RunFolder) -> dict[int, Path]:
    """Files of the training states that there are, by the updates done."""
    return _numbered(folder.state, r"state-(\d{12})\.safetensors")


def _numbered(folder: Path, pattern: str) -> dict[int, Path]:
    matches = ((re.fullmatch(pattern, path.name), path) for path in folder.glob("*.safetensors"))
    return {int(match[1]): path for match, path in matches if match}
