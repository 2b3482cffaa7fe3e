"""Every moment of a run at which its files change: photographed, as a kill would leave them, or made to fail.

And what must be equal of two runs of the same settings.
"""

from __future__ import annotations

import contextlib
import functools
import hashlib
import json
import os
import re
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qflock.files import tensors
from qflock.runs import evaluation
from qflock.runs.train import health, programs

Event = Callable[[str], None]
CLOCKS = ("seconds", "started", "created", "id", "run", "sha256", "configuration_hash")
"""What wall-clock time and chance decide, by its name in JSON."""


@contextlib.contextmanager
def watched(folder: Path, event: Event) -> Iterator[None]:
    """Calls ``event(what)`` before every operation on a file in the folder, and in the middle of every write.

    ``what`` names the operation and the sort of file: ``replace state-N.safetensors``.
    """

    def inside(target: Any) -> str | None:
        path = os.readlink(f"/proc/self/fd/{target}") if isinstance(target, int) else os.fspath(target)
        if not Path(path).is_relative_to(folder):
            return None
        name = Path(path).name
        return re.sub(r"\.\w+\.partial", ".X.partial", re.sub(r"\d+", "N", re.sub(r"new-.*", "new", name)))

    def around(module: Any, name: str) -> None:
        real = getattr(module, name)

        @functools.wraps(real)
        def changed(target: Any, *others: Any, **more: Any) -> Any:
            what = None if more.get("dir_fd") is not None else inside(target)
            if what is not None:
                event(f"{name} {what}")
            return real(target, *others, **more)

        patch.setattr(module, name, changed)

    def pwrite(target: int, data: bytes, at: int) -> int:
        if (what := inside(target)) is not None:
            event(f"pwrite {what}")
            real_pwrite(target, data[: len(data) // 2], at)
            event(f"pwrite half of {what}")
        return real_pwrite(target, data, at)

    def halved(what: str, path: Path, write: Callable[[], Any]) -> Any:
        name = inside(path)
        if name is not None:
            event(f"{what} {name}")
            write()
            with path.open("r+b") as file:
                file.truncate(path.stat().st_size // 2)
            event(f"{what} half of {name}")
            path.unlink()
        return write()

    real_pwrite, save_file, write_text = os.pwrite, tensors.save_file, Path.write_text
    folder = folder.resolve()
    with pytest.MonkeyPatch.context() as patch:
        for name in ("fsync", "replace", "rename", "unlink", "mkdir", "ftruncate"):
            around(os, name)
        patch.setattr(os, "pwrite", pwrite)
        patch.setattr(
            tensors, "save_file", lambda a, p, **m: halved("save", Path(p), lambda: save_file(a, p, **m))
        )
        patch.setattr(
            Path, "write_text", lambda p, *a, **m: halved("write", p, lambda: write_text(p, *a, **m))
        )
        yield


class Photographer:
    """Copies of a run's folder, one of each sort of moment or all that differ."""

    def __init__(self, folder: Path, into: Path, every: bool = False) -> None:
        self.folder, self.into, self.every = folder, into, every
        self.taken: dict[str, Path] = {}
        self._seen: set[str] = set()

    def __call__(self, what: str) -> None:
        """Take one, if it is of a new sort."""
        label = f"{len(self.taken)} {what}" if self.every else what
        picture = _digest(self.folder)
        if picture in self._seen or (not self.every and label in self.taken):
            return
        self._seen.add(picture)
        self.taken[label] = self.into / f"{len(self.taken):04d}"
        shutil.copytree(self.folder, self.taken[label])


def _digest(folder: Path) -> str:
    files = sorted(path for path in folder.rglob("*") if path.name != ".lock")
    parts = [f"{p} {hashlib.sha256(p.read_bytes()).hexdigest() if p.is_file() else ''}" for p in files]
    return "\n".join(parts)


@contextlib.contextmanager
def compiled_once() -> Iterator[None]:
    """Runs of the same settings share their compiled programs, and references are not played."""
    made: dict[str, tuple[Any, Any]] = {}

    def once(function: Callable[..., Any], key: Callable[..., Any]) -> Callable[..., Any]:
        def shared(*arguments: Any) -> Any:
            name = f"{function.__qualname__} {key(*arguments)}"
            if name not in made:
                made[name] = function(*arguments), arguments  # which live on, so that their ids stay theirs
            return made[name][0]

        return shared

    def of(settings: Any) -> Any:
        run = settings.run
        told = (run.env, run.seeds, run.devices, run.log_interval, run.log_episodes, run.eval_episodes)
        return settings.algorithm, settings.learner, settings.environment, told

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(programs, "build", once(programs.build, of))
        by_id = lambda env, learner, *more: (id(env), id(learner), more)
        patch.setattr(programs, "evaluator", once(programs.evaluator, by_id))
        patch.setattr(health, "inspector", once(health.inspector, id))
        patch.setattr(evaluation, "references", lambda *_: {})
        yield


def assert_same(one: Path, other: Path) -> None:
    """Weights, logs, summary, history and last states (replay is in them) are equal, bit for bit."""
    for name in ("training_log.csv", "evaluation.csv"):
        assert (one / name).read_bytes() == (other / name).read_bytes(), name
    names = [sorted(p.name for p in (run / "models").iterdir()) for run in (one, other)]
    assert names[0] == names[1]
    for name in names[0]:
        left, right = (run / "models" / name for run in (one, other))
        if left.read_bytes() != right.read_bytes():  # settings of the run in the metadata may differ
            a, b = tensors.load_arrays(left), tensors.load_arrays(right)
            assert a.keys() == b.keys()
            for key in a:
                np.testing.assert_array_equal(a[key], b[key], err_msg=f"{name}: {key}")
    ends = [max((run / "state").glob("state-*.safetensors")) for run in (one, other)]
    assert ends[0].name == ends[1].name
    a, b = (tensors.load_arrays(end) for end in ends)
    assert a.keys() == b.keys()
    for key in a:
        np.testing.assert_array_equal(a[key], b[key], err_msg=f"{ends[0].name}: {key}")
    for name in ("summary.json", "training_history.json"):
        assert (one / name).exists() == (other / name).exists()
        if (one / name).exists():
            left, right = (_timeless(json.loads((run / name).read_text())) for run in (one, other))
            assert left == right, name
    assert not list(other.rglob("*.partial"))


def _timeless(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _timeless(v) for k, v in value.items() if not k.startswith(CLOCKS) and k != "of"}
    return [_timeless(v) for v in value] if isinstance(value, list) else value
