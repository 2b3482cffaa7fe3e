"""A run whose environment or network is a file plays on another machine, where the file lies elsewhere."""

from __future__ import annotations

import json
import os
import re
import shutil
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from qflock import api
from qflock.commands import main
from qflock.core.errors import Notice, UserError
from qflock.runs import code, folder
from qflock.runs.folder import RunFolder
from qflock.settings import config, trust

TINY = Path(__file__).parents[1] / "tiny.py"
NOW = datetime(2032, 3, 4, 5, 6, 7)


@pytest.fixture(autouse=True)
def _nothing_stands_in() -> Any:
    yield
    code.stand_in([], strict=False)


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two machines: files lie in ``theirs/`` when a run is made; the current folder is ``ours/``."""
    for name in ("theirs", "ours"):
        (tmp_path / name).mkdir()
    shutil.copy(TINY, tmp_path / "theirs" / "meadow.py")
    monkeypatch.chdir(tmp_path / "ours")
    return tmp_path


def made(here: Path, **settings: Any) -> RunFolder:
    """A run that was made over there, and moved here: only the copies in its folder came along."""
    theirs = here / "theirs"
    overrides = {"env": f"{theirs / 'meadow.py'}:Echo", **settings}
    run = folder.create(config.resolve("iql", overrides=overrides), theirs / "runs" / "one", now=NOW)
    shutil.move(run.path, here / "ours" / "one")
    shutil.rmtree(theirs)
    return RunFolder(here / "ours" / "one")


def without_copies(run: RunFolder, hash_too: bool = False) -> None:
    """As a run that is older than the copies."""
    shutil.rmtree(run.path / code.FOLDER)
    facts = run.read_hparams()
    if hash_too:
        del facts["code"]
    facts["sha256"] = folder._checksum(facts)
    run.hparams.write_text(json.dumps(facts))


def test_a_run_keeps_a_copy_of_each_file_and_its_checksum(here: Path) -> None:
    (here / "theirs" / "nets").mkdir()
    (here / "theirs" / "nets" / "meadow.py").write_text("class Net: pass\n")
    run = made(here, network=f"{here / 'theirs' / 'nets' / 'meadow.py'}:Net")
    one, two = run.read_hparams()["code"]
    assert one["path"] == str(here / "theirs" / "meadow.py")
    assert (run.path / "configs" / "code" / "meadow.py").read_bytes() == TINY.read_bytes()
    assert two["copy"] == f"meadow-{two['sha256'][:8]}.py"
    assert (run.path / "configs" / "code" / two["copy"]).read_text() == "class Net: pass\n"


def test_a_run_of_registered_names_keeps_no_code() -> None:
    assert (
        code.record({"algorithm": "iql", "env": {"name": "two_step"}, "hidden": [4]}, Path("nowhere")) == []
    )


def test_the_copy_in_the_run_is_used_where_there_is_nothing_else(here: Path) -> None:
    run = made(here)
    with pytest.warns(Notice, match=r"one/configs/code/meadow\.py stands for .*theirs/meadow\.py"):
        settings = run.settings()
    assert settings.run.env == f"{run.path / 'configs' / 'code' / 'meadow.py'}:Echo"


@pytest.mark.parametrize("place", [".", "one"])
def test_a_file_of_the_same_name_is_found_in_the_working_folder_and_in_the_run(
    here: Path, place: str
) -> None:
    run = made(here)
    without_copies(run, hash_too=True)
    with pytest.raises(
        UserError, match=r"no meadow\.py beside the run or in this folder; .*--code meadow\.py$"
    ):
        run.settings()
    shutil.copy(TINY, Path(place) / "meadow.py")
    with pytest.warns(Notice):
        assert run.settings().run.env == f"{(Path(place) / 'meadow.py').resolve()}:Echo"


def test_a_file_is_found_beside_the_run(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(here)
    shutil.copy(TINY, "meadow.py")
    monkeypatch.chdir(here)
    with pytest.warns(Notice):
        assert run.settings().run.env == f"{here / 'ours' / 'meadow.py'}:Echo"


def test_the_same_content_goes_before_the_same_name(here: Path) -> None:
    run = made(here)
    Path("meadow.py").write_text(f"{TINY.read_text()}\n# changed\n")
    with pytest.warns(Notice) as told:
        assert run.settings().run.env == f"{run.path / 'configs' / 'code' / 'meadow.py'}:Echo"
    assert not any("is not the" in str(warning.message) for warning in told)


def test_a_file_that_has_changed_is_used_and_told(here: Path) -> None:
    run = made(here)
    without_copies(run)
    Path("meadow.py").write_text(f"{TINY.read_text()}\n# changed\n")
    with pytest.warns(Notice) as told:
        run.settings()
    assert re.search(r"meadow\.py is not the meadow\.py that .*one was made with", str(told[-1].message))


def test_a_file_that_was_changed_where_it_is_is_told(here: Path) -> None:
    file = here / "theirs" / "meadow.py"
    settings = config.resolve("iql", overrides={"env": f"{file}:Echo"})
    run = folder.create(settings, Path("one"), now=NOW)
    file.write_text(f"{TINY.read_text()}\n# changed\n")
    with pytest.warns(Notice, match="scores may differ"):
        assert run.settings().run.env == f"{file}:Echo"


def test_a_changed_run_keeps_the_names_that_were_recorded(here: Path) -> None:
    run = made(here)
    before = run.read_hparams()
    with pytest.warns(Notice):
        run.record_settings(run.settings(), now=NOW)
    after = run.read_hparams()
    assert (after["settings"], after["code"]) == (before["settings"], before["code"])
    assert f"name: {here / 'theirs' / 'meadow.py'}:Echo" in run.config.read_text()


def test_a_copy_is_other_peoples_code(here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    run = made(here)
    monkeypatch.setenv("XDG_STATE_HOME", str(here / "user"))
    monkeypatch.delenv(trust.VARIABLE)
    monkeypatch.setattr(trust, "_named", set())
    monkeypatch.setattr(trust, "_said", False)
    with pytest.warns(Notice), pytest.raises(UserError, match=r"configs/code/meadow.py is .*--trust$"):
        run.settings()


def test_no_name_leads_out_of_the_run(here: Path) -> None:
    run = made(here)
    facts = run.read_hparams()
    (here / "evil.py").write_text("raise SystemExit")
    facts["code"][0]["copy"] = "../../../../evil.py"
    facts["sha256"] = folder._checksum(facts)
    run.hparams.write_text(json.dumps(facts))
    with pytest.raises(UserError, match=r"--code meadow\.py"):
        run.settings()


TYPED = {
    "one --code": "--code needs a value",
    "one --code --json": "--code needs a value",
    "one --code nothing.py": "no file .*nothing.py",
    "one --code hill.py --code meadow.py": "--code .*hill.py stands for nothing: .* names .*meadow.py",
}


@pytest.mark.parametrize("words", TYPED)
@pytest.mark.parametrize("command", ["evaluate", "watch", "export", "resume"])
def test_a_bad_stand_in_is_one_line(
    here: Path, words: str, command: str, capsys: pytest.CaptureFixture[str]
) -> None:
    made(here)
    for name in ("hill.py", "meadow.py"):
        shutil.copy(TINY, name)
    assert main([command, *words.split()]) == 2
    said = capsys.readouterr().err.splitlines()[-1]
    assert re.search(TYPED[words], said), said


def test_code_is_for_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shutil.copy(TINY, "meadow.py")
    assert main(["watch", "--env", "two_step", "--code", "meadow.py"]) == 2
    assert "--code stands for a file of a run" in capsys.readouterr().err


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_run_of_a_file_is_evaluated_resumed_and_exported_elsewhere(
    here: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, run = here / "theirs" / "meadow.py", Path("one")
    small: dict[str, Any] = {
        "total_steps": 64,
        "log_interval": 32,
        "eval_interval": 0,
        "final_episodes": 4,
        "num_envs": 4,
    }
    small |= {"hidden": (4,), "buffer_capacity": 64, "min_buffer_size": 32, "batch_size": 8, "num_steps": 8}
    small |= {"row_length": 4, "train_frequency": 16, "seeds": 1, "device": "cpu", "run_dir": run}
    before = api.train("iql", f"{file}:Echo", quiet=True, **small)
    wanted = api.evaluate(run, 8)["per_seed"]
    file.rename(here / "glade.py")
    run = run.rename("moved")
    capsys.readouterr()
    assert main(["evaluate", str(run), "--episodes", "8", "--json"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["per_seed"] == wanted
    assert "moved/configs/code/meadow.py stands for" in said.err
    other = here / "glade.py"
    assert main(["evaluate", str(run), "--episodes", "8", "--json", f"--code={other}"]) == 0
    said = capsys.readouterr()
    assert json.loads(said.out)["per_seed"] == wanted
    assert f"qflock: {other} stands for {file}, which moved names" in said.err
    assert "is not the" not in said.err
    assert main(["export", str(run), "--code", str(other), "-o", "out.npz"]) == 0
    assert main(["resume", str(run), "--total_steps", "96", "--quiet", "--code", str(other)]) == 0
    assert json.loads((run / "summary.json").read_text())["env_steps"] > before["env_steps"]
    assert RunFolder(run).read_hparams()["settings"]["env"]["name"] == f"{file}:Echo"


def test_children_are_told_what_stands_in(here: Path) -> None:
    shutil.copy(TINY, "meadow.py")
    code.stand_in([Path("meadow.py")], strict=True)
    assert code.variables() == {code.VARIABLE: str(here / "ours" / "meadow.py")}
    assert os.environ.get(code.VARIABLE) is None
