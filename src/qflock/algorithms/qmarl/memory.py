"""What a policy remembers between runs: its best weights so far, and the history of all runs.

A memory is a folder with ``best_model_weights.safetensors`` (and ``.pt``, where PyTorch is installed) and
``training_history.json``. It belongs to one environment and one shape of policy. One run writes at a time.
The best is replaced only by what a `Verdict` accepts: where returns are exact it never gets worse, where they
are estimated not with 95 %, in however many runs. A damaged file is moved aside, never overwritten, and said
so in one line.
"""

from __future__ import annotations

import contextlib
import os
import secrets
from collections.abc import Callable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import numpy as np

from qflock.algorithms.qmarl import history, memory_subject
from qflock.algorithms.qmarl.distillation import Verdict
from qflock.core.errors import UserError
from qflock.core.steps import Parameters
from qflock.files import lock, tensors, torch_weights
from qflock.files.storage import CannotWrite, DamagedFile, cannot_write, discard_partials, remove, set_aside
from qflock.settings.registry import short_name
from qflock.settings.run import RUNS

WEIGHTS, TORCH, HISTORY = "best_model_weights.safetensors", "best_model_weights.pt", history.NAME
NOTHING: Mapping[str, Any] = {}
Found = TypeVar("Found")


class Best(NamedTuple):
    """The best policy so far.

    Attributes:
        parameters: a pytree like the policy's.
        score: its mean return, as judged when it became the best.
        run: the run in which it did.
        metadata: all that is written beside the weights.
    """

    parameters: Parameters
    score: float
    run: str
    metadata: dict[str, Any]


def default_folder(
    environment: str, policy: str, like: Parameters, settings: Mapping[str, Any] = NOTHING
) -> Path:
    """``runs/memory/<environment>-<policy>-<digest>``, one for each environment and shape of policy.

    Args:
        environment: its name.
        policy: a short name of the sort of policy: ``circuit``, ``mlp``.
        like: the policy's parameters, or their shapes.
        settings: what else tells memories apart: the environment's settings, the circuit's description.
    """
    name = f"{short_name(environment)}-{short_name(policy)}"
    return (
        RUNS
        / "memory"
        / f"{name}-{memory_subject.describe(environment, policy, like, settings)['digest'][:8]}"
    )


@contextlib.contextmanager
def opened(
    folder: Path | str,
    *,
    environment: str,
    policy: str,
    like: Parameters,
    settings: Mapping[str, Any] = NOTHING,
) -> Iterator[Memory]:
    """Hold a memory as its only writer; makes the folder where there is none. Arguments: as `default_folder`.

    Args:
        folder: the memory's.
        environment: its name.
        policy: a short name of the sort of policy.
        like: the policy's parameters, or their shapes.
        settings: what else tells memories apart.

    Raises:
        UserError: another process holds it, or it is the memory of another policy or environment, or was
            written by a newer qflock.
        CannotWrite: the folder cannot be made or written.
    """
    folder = Path(folder).expanduser()
    with _advice(), contextlib.ExitStack() as stack:
        try:
            folder.mkdir(parents=True, exist_ok=True)
        except FileExistsError as problem:
            raise UserError(f"{folder} is a file; choose a folder with --memory") from problem
        except OSError as problem:
            raise cannot_write(folder, problem) from problem
        stack.enter_context(lock.held(folder))
        discard_partials(folder)
        memory = Memory(folder, memory_subject.describe(environment, policy, like, settings), like)
        try:
            yield memory
        finally:
            memory.close()


class Memory:
    """A memory that this process holds; see `opened`.

    Attributes:
        folder: where it lies.
        best: the best policy so far; None where there is none yet.
        messages: a line for each file that had to be moved aside; to be shown to the user.
        runs: the history, the newest run last.
    """

    def __init__(self, folder: Path, subject: dict[str, Any], like: Parameters) -> None:
        self.folder = folder
        self.messages: list[str] = []
        self._subject, self._like = subject, like
        self._begun, self._unsaved = False, False
        self.runs = self._found(HISTORY, self._read_history, "the history begins anew") or []
        self.best = self._found(WEIGHTS, self._read_best, "the search for a best model begins anew")

    def begin(self, settings: Mapping[str, Any], seed: int, now: datetime | None = None) -> str:
        """Append a run to the history, and write it.

        Args:
            settings: of the run, resolved; their hash is its ``configuration_hash``.
            seed: the run's.
            now: when it started; the present by default.

        Returns:
            The run's identity, a random text.

        Raises:
            CannotWrite: the disk is full ...
        """
        run = {
            "id": secrets.token_hex(8),
            "parent": self.best.run if self.best else None,
            "started": (now or datetime.now()).astimezone().isoformat(timespec="seconds"),
            "seed": seed,
            "configuration_hash": history.digest(settings),
            "settings": history.plain(settings),
            "steps": [],
            "offers": [],
        }
        self.runs.append(run)
        self._begun = self._unsaved = True
        self.save_history()
        return run["id"]

    def record(
        self,
        *,
        step: int,
        best: float,
        mean: float,
        acceptance: float,
        sigma: float | Mapping[str, float],
        beta: float,
        seconds: float,
        **more: Any,
    ) -> None:
        """Add a step to the run that has begun; on disk with the next `save_history`.

        Args:
            step: number of the step in its run.
            best: best return found by the run so far.
            mean: mean return over chains.
            acceptance: share of proposals accepted since the last step recorded.
            sigma: proposal scale, or one for each block of parameters.
            beta: inverse temperature.
            seconds: since the run began.
            more: anything else that JSON can say.
        """
        row = dict(zip(history.STEP, (step, best, mean, acceptance, sigma, beta, seconds), strict=True))
        self._run()["steps"].append(history.plain({**row, **more}))
        self._unsaved = True

    def offer(
        self,
        parameters: Parameters,
        score: float,
        verdict: Verdict | None = None,
        details: Mapping[str, Any] = NOTHING,
    ) -> bool:
        """Make a policy the best where it may be; the offer itself goes into the history.

        Args:
            parameters: the candidate's.
            score: its mean return on keys that no search has used, or exact.
            verdict: of the candidate against `best`; may be left out only where there is no best yet.
            details: JSON-able; written beside the weights.

        Returns:
            Whether it is the best now. Weights or a score that are no finite numbers are always refused.

        Raises:
            ValueError: there is a best, and no verdict.
            CannotWrite: the disk is full ...; the old best is whole.
        """
        if self.best is not None and verdict is None:
            raise ValueError("a verdict against the best is needed")
        leaves = [np.asarray(leaf) for leaf in jax.tree.leaves(parameters)]
        finite = bool(np.isfinite(score)) and all(np.isfinite(leaf).all() for leaf in leaves)
        accepted = finite and (self.best is None or (verdict is not None and verdict.accepted))
        judged = (
            verdict._asdict() if verdict and self.best else {"gain": None, "bound": None, "rule": "first"}
        )
        run = self._run()
        run["offers"].append(history.plain({**judged, "score": score, "accepted": accepted}))
        if accepted:
            about = {
                **details,
                "kind": "weights",
                "of": self._subject,
                "run": run["id"],
                "score": float(score),
            }
            about = history.plain({**about, "step": run["steps"][-1]["step"] if run["steps"] else 0})
            with _advice():
                remove(self.folder / TORCH)  # of the old best; `close` writes the new one's
                tensors.save(self.folder / WEIGHTS, parameters, about)
            self.best = Best(parameters, float(score), run["id"], about)
        self._unsaved = True
        self.save_history()
        return accepted

    def save_history(self) -> None:
        """Write the history, where it has grown.

        Raises:
            CannotWrite: the disk is full ...; what was saved before is whole.
        """
        if self._unsaved:
            with _advice():
                history.write(self.folder / HISTORY, self._subject, self.runs)
            self._unsaved = False

    def close(self) -> None:
        """Write what is unsaved, and ``.pt`` weights where PyTorch is installed."""
        self.save_history()
        target = self.folder / TORCH
        if self.best is not None and not target.exists() and torch_weights.installed():
            with _advice():
                torch_weights.write(self.folder / WEIGHTS, target)

    def _run(self) -> dict[str, Any]:
        if not self._begun:
            raise ValueError("no run has begun on this memory; call begin first")
        return self.runs[-1]

    def _read_history(self, path: Path) -> list[dict[str, Any]]:
        of, runs = history.read(path)
        memory_subject.check(self.folder, of, self._subject)
        return runs

    def _read_best(self, path: Path) -> Best:
        about = tensors.load_metadata(path)
        of, score, run = about.get("of"), about.get("score"), about.get("run")
        if not isinstance(of, dict) or not isinstance(score, int | float) or not isinstance(run, str):
            raise DamagedFile(f"{path} is no best model of a memory")
        memory_subject.check(self.folder, of, self._subject)
        parameters, about = tensors.load(path, self._like)
        return Best(parameters, float(score), run, about)

    def _found(self, name: str, read: Callable[[Path], Found], so: str) -> Found | None:
        """A file's contents; None where there is none, or where it is damaged and now moved aside."""
        path = self.folder / name
        if not os.path.lexists(path):
            return None
        try:
            return read(path)
        except DamagedFile as problem:
            aside = set_aside(path)
            if name == WEIGHTS:  # (what PyTorch would read is gone with it)
                remove(self.folder / TORCH)
            self.messages.append(f"{problem}; it is now {aside.name}, and {so}")
            return None


@contextlib.contextmanager
def _advice() -> Iterator[None]:
    """The folder is chosen with --memory, not as other folders are."""
    try:
        yield
    except CannotWrite as problem:
        raise CannotWrite(str(problem).replace("--run-dir", "--memory")) from problem
