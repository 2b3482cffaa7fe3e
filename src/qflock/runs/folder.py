"""What a run leaves on disk: a folder with its settings, made atomically, written by one process."""

from __future__ import annotations

import contextlib
import difflib
import errno
import hashlib
import json
import os
import secrets
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from qflock.core import texts
from qflock.core.errors import UserError
from qflock.core.shell import command
from qflock.files import lock
from qflock.files.storage import (
    DamagedFile,
    cannot_write,
    discard_partials,
    half_written,
    make_folder,
    write_text,
)
from qflock.runs import code, zoo
from qflock.settings import config, file, registry
from qflock.settings.config import Settings
from qflock.settings.run import RUNS

SCHEMA = 1


@dataclass(frozen=True)
class RunFolder:
    """Where the parts of a run lie. Has no contents in memory; several may point at one folder."""

    path: Path

    @property
    def known_as(self) -> Path:
        """The folder that messages name."""
        return self.path

    @property
    def name(self) -> str:
        return self.known_as.resolve().name

    @property
    def hparams(self) -> Path:
        return self.path / "configs" / "hparams.json"

    @property
    def config(self) -> Path:
        return self.path / "configs" / "config.yaml"

    @property
    def models(self) -> Path:
        return self.path / "models"

    @property
    def final_model(self) -> Path:
        return self.models / "final_model.safetensors"

    @property
    def best_model(self) -> Path:
        return self.models / "best_model_weights.safetensors"

    @property
    def state(self) -> Path:
        return self.path / "state"

    @property
    def training_log(self) -> Path:
        return self.path / "training_log.csv"

    @property
    def evaluation(self) -> Path:
        return self.path / "evaluation.csv"

    @property
    def summary(self) -> Path:
        return self.path / "summary.json"

    @property
    def plots(self) -> Path:
        return self.path / "training_plots.png"

    @property
    def animation(self) -> Path:
        return self.path / "animation.gif"

    @property
    def tensorboard(self) -> Path:
        return self.path / "tensorboard"

    def read_hparams(self) -> dict[str, Any]:
        """What ``configs/hparams.json`` says: settings, seeds, versions, device, git commit ...

        Raises:
            DamagedFile: missing, changed (by its checksum) or of another version.
        """
        return _read_hparams(self.hparams)

    def settings(self) -> Settings:
        """The run's settings, from the checked ``configs/hparams.json``; files of code where they are here.

        Raises:
            DamagedFile: as `read_hparams`.
            UserError: a file of code is nowhere, see `code.places`.
        """
        facts = self.read_hparams()
        return config.from_mapping(code.replaced(facts["settings"], self._moved(facts)), str(self.hparams))

    def _moved(self, facts: dict[str, Any]) -> dict[str, str]:
        return code.places(facts["settings"], facts.get("code", []), self.known_as)

    def record_settings(self, settings: Settings, *, now: datetime) -> None:
        """Write changed settings (a resumed run that goes on for longer); keeps what was recorded before.

        Args:
            settings: the run's, as they are from now on.
            now: when they changed.

        Raises:
            CannotWrite: the disk is full or the folder cannot be written.
        """
        from qflock.machine import provenance

        facts = self.read_hparams()
        again = {"at": now.astimezone().isoformat(timespec="seconds"), **provenance.machine()}
        facts["resumed"] = [*facts.get("resumed", []), again]
        then = {here: name for name, here in self._moved(facts).items()}
        _write_settings(self.path / "configs", code.replaced(config.to_mapping(settings), then), facts)

    @contextlib.contextmanager
    def lock(self) -> Iterator[None]:
        """Hold the folder as its only writer, and remove what a killed writer left half written.

        Raises:
            UserError: another process (or another run of this one) is writing the folder, or a link in it
                leads elsewhere.
            CannotWrite: the folder cannot be written.
        """
        zoo.refuse_changes(self.path)
        with lock.held(self.path):
            discard_partials(self.path)
            for folder in (self.path / "configs", self.models, self.state):
                make_folder(folder)  # a run killed while it was made has none
                discard_partials(folder)
            yield


def create(settings: Settings, run_dir: Path | None = None, *, now: datetime) -> RunFolder:
    """Make the folder of a new run, with its settings in it.

    ``configs/`` appears in one piece, so that a folder either is a run or has none; two processes
    that want the same folder cannot both get it.

    Args:
        settings: the run's settings, resolved.
        run_dir: where, if the user chose: new, or empty. Else a new folder under ``runs/``.
        now: the time that goes into the name.

    Raises:
        UserError: ``run_dir`` is not empty.
        CannotWrite: the folder cannot be made or written.
    """
    from qflock.machine import provenance

    folder = RunFolder(_made(run_dir or new_path(settings.algorithm, settings.run.env, now)))
    facts = {
        "schema": SCHEMA,
        "id": secrets.token_hex(16),
        "created": now.astimezone().isoformat(timespec="seconds"),
        **provenance.origin(),
        "seeds": list(range(settings.run.seed, settings.run.seed + settings.run.seeds)),
        **provenance.machine(),
    }
    try:
        with half_written(folder.path, ".new-") as draft:
            mapping = config.to_mapping(settings)
            facts["code"] = code.record(mapping, draft / code.FOLDER.name)
            _write_settings(draft, mapping, facts)
            draft.chmod(folder.path.stat().st_mode & 0o777)
            os.rename(draft, folder.path / "configs")  # fails where another process was faster
        folder.models.mkdir()
        folder.state.mkdir()
    except OSError as problem:
        if problem.errno in (errno.EEXIST, errno.ENOTEMPTY):
            raise _not_empty(folder.path) from problem
        raise cannot_write(folder.path, problem) from problem
    return folder


def open_run(path: Path | str) -> RunFolder:
    """The folder of a run that exists; ``latest`` is the newest one under ``runs/``, and
    ``zoo:NAME`` a policy that comes with qflock.

    Raises:
        UserError: nothing there (a close name is suggested), or it is no run.
        DamagedFile: its settings are damaged.
    """
    if str(path) == "latest" and not os.path.exists(path):
        path = _latest()
    path = zoo.place(str(path)) or path
    folder = RunFolder(_expanded(path))
    if not os.path.isdir(folder.path):  # unlike Path.is_dir, never raises
        siblings = [p.name for p in folder.path.parent.glob("*/") if p.is_dir()]
        near = difflib.get_close_matches(folder.path.name, siblings, n=1, cutoff=0.5)
        advice = f"; did you mean {folder.path.parent / near[0]}?" if near else ""
        raise UserError(f"no run at {folder.path}{advice}")
    if not os.path.isfile(folder.hparams):
        raise UserError(f"{folder.path} is no run: it has no configs/hparams.json")
    folder.read_hparams()
    return folder


def new_path(algorithm: str, env: str, now: datetime) -> Path:
    """Where a new run will lie that was given no folder: of a name that no other run has.

    Args:
        algorithm, env: names or files.
        now: the time that goes into the name.
    """
    what = f"{registry.short_name(algorithm)}-{registry.short_name(env)}"
    return RUNS / f"{what}-{now:%Y%m%d-%H%M%S}-{secrets.token_hex(3)}"


def _made(run_dir: Path) -> Path:
    path = _expanded(run_dir)
    try:
        path.mkdir(parents=True, exist_ok=True)
        if any(not p.name.startswith(".new-") for p in path.iterdir()):
            raise _not_empty(path)
    except FileExistsError as problem:
        raise UserError(f"{path} is a file; choose another folder with --run-dir") from problem
    except OSError as problem:
        raise cannot_write(path, problem) from problem
    return path


def _expanded(path: Path | str) -> Path:
    if "\0" in str(path):
        raise UserError(f"{str(path)!r} cannot be a folder's name")
    try:
        return Path(path).expanduser()
    except RuntimeError as problem:
        raise UserError(f"{path}: there is no such home folder") from problem


def _not_empty(path: Path) -> UserError:
    again = f", or go on with it: {command('resume', path)}" if RunFolder(path).hparams.is_file() else ""
    return UserError(f"{path} is not empty; choose another folder with --run-dir{again}")


def _latest() -> Path:
    records = [p for p in RUNS.glob("*/configs/hparams.json") if p.is_file()]
    if not records:
        raise UserError(f"there is no run under {RUNS.resolve()} yet; start one with qflock train")
    return max(records, key=lambda p: (p.stat().st_mtime_ns, p)).parent.parent


def _write_settings(folder: Path, mapping: dict[str, Any], facts: dict[str, Any]) -> None:
    repeat = "# qflock train --config <this file> repeats the run\n"
    write_text(folder / "config.yaml", repeat + file.write(mapping))
    facts = {**facts, "settings": mapping}
    facts["sha256"] = _checksum(facts)
    write_text(folder / "hparams.json", json.dumps(facts, indent=2) + "\n")


def _read_hparams(path: Path) -> dict[str, Any]:
    try:
        facts = texts.read_json(path)
        if facts["schema"] != SCHEMA:
            version = f"{path} is of version {facts['schema']!r}; this qflock reads version {SCHEMA}"
            raise DamagedFile(version)
        intact = facts["sha256"] == _checksum(facts)
    except OSError as problem:
        raise UserError(f"cannot read {path}: {problem.strerror or problem}") from problem
    except (ValueError, KeyError, TypeError, RecursionError) as problem:
        raise DamagedFile(f"{path} is damaged: it is not what qflock wrote") from problem
    if not intact:
        raise DamagedFile(f"{path} is damaged or was edited: it does not agree with its checksum")
    return facts


def _checksum(facts: dict[str, Any]) -> str:
    content = {key: value for key, value in facts.items() if key != "sha256"}
    return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()
