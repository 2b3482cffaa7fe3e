"""Nothing that a run or a file brings along is executed, and no path in it leads out of its folder."""

from __future__ import annotations

import json
import os
import pickle
import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import qflock
from qflock.algorithms.qmarl import history
from qflock.commands import main
from qflock.core.errors import UserError
from qflock.evidence import records
from qflock.exports.reading import load_exported
from qflock.files import csv_log, tensors
from qflock.runs import folder, newest, summaries
from qflock.runs.folder import RunFolder
from qflock.runs.train import programs
from qflock.settings import config, registry, trust

TINY = Path(__file__).parents[1] / "tiny.py"
NOW = datetime(2031, 2, 3, 4, 5, 6)


class Bait:
    """Leaves a file when it is unpickled."""

    def __reduce__(self) -> Any:
        return os.mkdir, ("executed",)


@pytest.fixture
def stranger(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty current folder, a user who has named nothing yet, and code that tells when it runs."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "user"))
    monkeypatch.delenv(trust.VARIABLE)
    monkeypatch.setattr(trust, "_named", set())
    monkeypatch.setattr(trust, "_said", False)
    code = tmp_path / "evil.py"
    code.write_text(f"{TINY.read_text()}\nimport os\nos.makedirs('executed', exist_ok=True)\n")
    return code


def received(code: Path) -> RunFolder:
    """A run that came from somebody else, whose settings name code."""
    settings = config.resolve("iql", overrides={})
    made = folder.create(settings, Path("theirs"), now=NOW)
    facts = made.read_hparams()
    facts["settings"]["env"] = {"name": f"{code}:Echo"}
    facts["sha256"] = folder._checksum(facts)
    made.hparams.write_text(json.dumps(facts))
    return made


def test_code_that_a_run_names_is_not_imported(stranger: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = received(stranger)
    with pytest.raises(
        UserError, match=r"evil.py is Python code that a file names .*; look at it, then add --trust$"
    ):
        run.settings()
    for command in ("resume theirs", "evaluate theirs", "watch theirs", "export theirs"):
        assert main(command.split()) == 2
        assert "add --trust" in capsys.readouterr().err
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    "text",
    [
        "env: evil.py:Echo",
        "network: evil.py:Net\nenv: gridworld25",
        "env: {name: /proc/self/cwd/evil.py:Echo}",
    ],
)
def test_code_that_a_file_names_is_not_imported(stranger: Path, text: str) -> None:
    Path("theirs.yaml").write_text(f"algorithm: iql\n{text}\n")
    with pytest.raises(UserError, match=r"evil\.py is Python code that a file names"):
        programs.build(config.resolve(config=Path("theirs.yaml")))
    assert main(["train", "--config", "theirs.yaml", "--env", "gridworld25", "--algorithm", "evil.py"]) == 2
    assert not Path("executed").exists()


def test_what_the_user_names_is_imported_and_remembered(
    stranger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = received(stranger)
    assert main(["train", "iql", "--env", "evil.py:Echo", "--dry_run"]) == 0
    assert Path("executed").is_dir()
    assert Path("user/qflock/trusted").read_text() == f"{stranger}\n"
    monkeypatch.setattr(trust, "_named", set())  # as in another process
    assert run.settings().run.env == f"{stranger}:Echo"
    assert Path("user/qflock/trusted").read_text() == f"{stranger}\n"


def test_python_and_the_trust_option_name_too(stranger: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert qflock.make("evil.py:Echo").spec.agents == 2
    monkeypatch.setattr(trust, "_named", set())
    Path("user/qflock/trusted").unlink()
    run = received(stranger)
    with pytest.raises(UserError):
        run.settings()
    monkeypatch.setenv(trust.VARIABLE, "0")
    assert main(["resume", "theirs", "--trust", "--total_steps", "0"]) == 2  # (no training here)
    assert run.settings().run.env == f"{stranger}:Echo"


def test_modules_that_are_not_installed_must_be_named(
    stranger: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("pettingzoo")
    monkeypatch.setattr(sys, "path", [str(stranger.parent), *sys.path])
    for name in ("pettingzoo:evil", "gymnasium:evil:Some-v0"):
        with pytest.raises(UserError, match="Python code that is not installed, that a file names"):
            registry.environment_class(name)
    assert not Path("executed").exists()
    trust.name("pettingzoo:evil")
    with pytest.raises(UserError, match="parallel_env"):
        registry.environment_class("pettingzoo:evil")
    assert Path("executed").is_dir()


READERS: dict[str, Callable[[Path], Any]] = {
    "a.safetensors": lambda path: tensors.load(path, {"x": np.ones(1)}),
    "b.safetensors": load_exported,
    "c.npz": load_exported,
    "d.pt": load_exported,
    "e.onnx": load_exported,
    "f.json": history.read,
    "g.csv": csv_log.read,
    "h.yaml": config.read_yaml,
    "configs/hparams.json": lambda path: folder.open_run(path.parent.parent),
    "summary.json": lambda path: summaries.read(RunFolder(path.parent)),
    "results.json": lambda path: records.find([path]),
}


@pytest.mark.parametrize("name", READERS)
def test_pickles_are_not_opened(name: str, stranger: Path) -> None:
    path = stranger.parent / name
    path.parent.mkdir(exist_ok=True)
    with path.open("wb") as file:
        if name.endswith(".npz"):
            np.savez(file, about=np.array(Bait(), dtype=object))
        else:
            pickle.dump(Bait(), file)
    with pytest.raises(UserError) as caught:
        READERS[name](path)
    assert "\n" not in str(caught.value)
    assert not Path("executed").exists()


def test_a_pickle_in_a_zip_of_torch_is_not_opened(stranger: Path) -> None:
    torch = pytest.importorskip("torch")
    torch.save({"about": "{}", "state_dict": Bait()}, "policy.pt")
    with pytest.raises(UserError, match="is damaged, or not what qflock export wrote"):
        load_exported("policy.pt")
    assert not Path("executed").exists()


@pytest.mark.parametrize(
    "part", ["state", "models", "configs", "training_log.csv", ".lock", "state/x.partial"]
)
def test_links_do_not_lead_out_of_a_run(part: str, stranger: Path) -> None:
    made = folder.create(config.resolve("iql", overrides={}), Path("theirs"), now=NOW)
    mine = Path("mine")
    mine.mkdir()
    for name in (".old.partial", "state-000000000001.safetensors", "hparams.json"):
        (mine / name).write_text("mine")
    place = made.path / part
    if place.is_dir():
        place.rename(made.path / "moved")
    place.symlink_to(mine.resolve() / ("hparams.json" if "." in part else ""))
    with pytest.raises(UserError, match="is a link that leads out of"), made.lock():
        pass
    assert sorted(p.read_text() for p in mine.iterdir()) == ["mine"] * 3
    place.unlink()
    inside = made.path / "elsewhere"
    inside.mkdir()
    (made.path / "link").symlink_to(inside.resolve())
    if part not in ("state", "models", "configs"):
        with made.lock():
            pass


def test_names_do_not_lead_out_of_a_run(stranger: Path) -> None:
    made = folder.create(config.resolve("iql", overrides={}), Path("theirs"), now=NOW)
    tensors.save(Path("secret.safetensors"), {"x": np.ones(1)}, {})
    tensors.save(made.models / "final_model.safetensors", {"x": np.ones(1)}, {})
    for name in ("../../secret", str(Path("secret").resolve()), "..", "."):
        with pytest.raises(UserError, match="unknown checkpoint"):
            newest.weights(made, name)
    for cell in ("../elsewhere", "/etc", "cells/../../x"):
        Path("results.json").write_text(json.dumps({"cells": [{"folder": cell, "state": "done"}]}))
        with pytest.raises(UserError, match=r"results\.json is damaged"):
            records.find(["results.json"])
    summaries.write(made, {"logs": {"../../secret.safetensors": [1, ""]}})
    with pytest.raises(UserError, match="is damaged"):
        summaries.read(made)
