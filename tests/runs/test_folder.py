"""Run folders: made atomically, never reused, found again, damage named, one writer."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
from dataclasses import replace
from datetime import datetime
from pathlib import Path

import jax
import pytest

from qflock.core.errors import UserError
from qflock.files.storage import CannotWrite, DamagedFile
from qflock.runs import folder
from qflock.runs.folder import RunFolder
from qflock.settings import config, registry
from qflock.settings.config import Settings

NOW = datetime(2031, 2, 3, 4, 5, 6)


@pytest.fixture
def settings(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Settings:
    """Settings of a small run, in an empty current folder."""
    monkeypatch.chdir(tmp_path)
    return config.resolve("iql", overrides={"env": "gridworld25", "seeds": 3, "seed": 5})


def test_a_new_folder_has_its_settings(settings: Settings) -> None:
    made = folder.create(settings, now=NOW)
    assert re.fullmatch(r"runs/iql-gridworld25-20310203-040506-[0-9a-f]{6}", str(made.path))
    assert made.models.is_dir()
    assert made.state.is_dir()
    assert config.read_yaml(made.config) == settings
    facts = made.read_hparams()
    assert facts["settings"] == config.to_mapping(settings)
    assert facts["seeds"] == [5, 6, 7]
    assert facts["versions"]["jax"] == jax.__version__
    assert set(facts["versions"]) == {"python", "qflock", "jax", "jaxlib", "numpy", "optax", "equinox"}
    assert facts["device"]["platform"] == jax.default_backend()
    assert datetime.fromisoformat(facts["created"]) == NOW.astimezone()
    assert facts["git"] is None
    assert isinstance(facts["command"], str)


def test_the_commit_of_the_current_checkout_is_noted(settings: Settings) -> None:
    git = ["git", "-c", "user.name=a", "-c", "user.email=a@b.c"]
    for command in (["init", "-q"], ["commit", "-q", "--allow-empty", "-m", "first"]):
        subprocess.run([*git, *command], check=True)
    head = subprocess.run([*git, "rev-parse", "HEAD"], check=True, capture_output=True, text=True)
    assert folder.create(settings, now=NOW).read_hparams()["git"] == head.stdout.strip()
    Path("file").write_text("one")
    subprocess.run([*git, "add", "file"], check=True)
    assert folder.create(settings, now=NOW).read_hparams()["git"] == head.stdout.strip() + "-dirty"


def test_runs_of_one_second_do_not_meet(settings: Settings) -> None:
    assert len({folder.create(settings, now=NOW).path for _ in range(5)}) == 5


def test_a_chosen_folder_may_exist_if_it_is_empty(settings: Settings, tmp_path: Path) -> None:
    (tmp_path / "empty").mkdir()
    for chosen in (tmp_path / "empty", tmp_path / "new" / "deep"):
        assert folder.open_run(folder.create(settings, chosen, now=NOW).path).path == chosen


def test_a_folder_in_use_is_never_reused(settings: Settings, tmp_path: Path) -> None:
    made = folder.create(settings, tmp_path / "mine", now=NOW)
    before = made.hparams.read_bytes()
    with pytest.raises(UserError, match=f"is not empty; .* go on with it: qflock resume {made.path}$"):
        folder.create(settings, made.path, now=NOW)
    assert made.hparams.read_bytes() == before
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "thesis.tex").write_text("mine")
    with pytest.raises(UserError, match=r"is not empty; choose another folder with --run-dir$"):
        folder.create(settings, tmp_path / "other", now=NOW)
    assert os.listdir(tmp_path / "other") == ["thesis.tex"]


def test_of_two_at_once_one_gets_the_folder(settings: Settings, tmp_path: Path) -> None:
    results: list[object] = []

    def attempt() -> None:
        try:
            results.append(folder.create(settings, tmp_path / "wanted", now=NOW).path)
        except UserError as problem:
            results.append(str(problem))

    threads = [threading.Thread(target=attempt) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert results.count(tmp_path / "wanted") == 1
    assert sum("is not empty" in str(result) for result in results) == 5
    assert sorted(os.listdir(tmp_path / "wanted")) == ["configs", "models", "state"]


def test_what_a_killed_start_left_does_not_stand_in_the_way(settings: Settings, tmp_path: Path) -> None:
    left = tmp_path / "mine" / ".new-abcd"
    left.mkdir(parents=True)
    folder.create(settings, tmp_path / "mine", now=NOW)


@pytest.mark.parametrize("chosen", ["file", "file/run", "/proc/no/run", "a\0b"])
def test_a_folder_that_cannot_be_made_is_one_line(settings: Settings, chosen: str) -> None:
    Path("file").write_text("in the way")
    with pytest.raises(UserError) as caught:
        folder.create(settings, Path(chosen), now=NOW)
    assert "\n" not in str(caught.value)


def test_runs_that_cannot_lie_under_runs(settings: Settings) -> None:
    Path("runs").write_text("in the way")
    with pytest.raises(CannotWrite, match="cannot write runs"):
        folder.create(settings, now=NOW)


@pytest.mark.parametrize(
    ("name", "short"),
    [
        ("qmix", "qmix"),
        ("expert_rl/GridWorld25v0", "gridworld25"),
        ("my_env.py:MyEnv", "MyEnv"),
        ("/home/me/my env.py", "my_env"),
        ("jaxmarl:MPE-simple/v3", "jaxmarl_MPE_simple_v3"),
        ("../../etc/passwd", "etc_passwd"),
        ("..", "unnamed"),
        ("x" * 300, "x" * 60),
    ],
)
def test_names_in_file_names(name: str, short: str) -> None:
    assert registry.short_name(name) == short


def test_settings_that_change_are_recorded(settings: Settings) -> None:
    made = folder.create(settings, now=NOW)
    first = made.read_hparams()
    longer = replace(settings, run=replace(settings.run, total_steps=9_000_000))
    made.record_settings(longer, now=NOW)
    facts = made.read_hparams()
    assert facts["settings"]["total_steps"] == 9_000_000
    assert config.read_yaml(made.config) == longer
    assert {k: facts[k] for k in ("id", "created", "seeds")} == {
        k: first[k] for k in ("id", "created", "seeds")
    }
    assert [again["at"] for again in facts["resumed"]] == [NOW.astimezone().isoformat(timespec="seconds")]


def test_opening_what_is_no_run(settings: Settings, tmp_path: Path) -> None:
    made = folder.create(settings, tmp_path / "good-name", now=NOW)
    for asked, line in (
        (tmp_path / "god-name", f"no run at .*; did you mean {made.path}"),
        ("nothing/like/it", "no run at nothing/like/it$"),
        ("a\0b", "cannot be a folder's name"),
        ("x" * 5000, "no run at"),
        ("~nobody-of-this-name/run", "no such home folder"),
        (tmp_path, "is no run: it has no configs/hparams.json"),
        ("latest", "there is no run under"),
    ):
        with pytest.raises(UserError, match=line):
            folder.open_run(asked)


def test_latest_is_the_newest(settings: Settings) -> None:
    made = [folder.create(settings, now=NOW) for _ in range(3)]
    for age, run in zip((30, 10, 20), made, strict=True):
        os.utime(run.hparams, (2e9 - age, 2e9 - age))
    assert folder.open_run("latest") == made[1]


def test_damaged_settings_are_named(settings: Settings) -> None:
    made = folder.create(settings, now=NOW)
    whole = made.hparams.read_bytes()
    facts = made.read_hparams()
    contents = [b"", b"[]", b"\xff", b"[" * 100_000, b'{"schema": 1}', b"null", whole[:-3]]
    contents += [whole.replace(b'"seeds": 3', b'"seeds": 4'), whole.replace(b'"schema": 1', b'"schema": 2')]
    contents.append(json.dumps({**facts, "id": "0"}).encode())
    step = max(1, len(whole) // 200)
    flips = [whole[:i] + bytes([whole[i] ^ 1 << i % 8]) + whole[i + 1 :] for i in range(0, len(whole), step)]
    for content in [*contents, *flips]:
        made.hparams.write_bytes(content)
        with pytest.raises(DamagedFile) as caught:
            folder.open_run(made.path)
        assert "\n" not in str(caught.value)


def test_settings_that_are_a_pipe_do_not_hang(tmp_path: Path) -> None:
    (tmp_path / "configs").mkdir()
    os.mkfifo(tmp_path / "configs" / "hparams.json")
    with pytest.raises(UserError, match="is no run"):
        folder.open_run(tmp_path)


def test_a_second_writer_is_refused_and_a_killed_one_forgotten(settings: Settings) -> None:
    made = folder.create(settings, now=NOW)
    program = (
        "import sys, time; from pathlib import Path; from qflock.runs.folder import RunFolder\n"
        "with RunFolder(Path(sys.argv[1])).lock():\n"
        "    print('held', flush=True); time.sleep(60)\n"
    )
    holder = subprocess.Popen([sys.executable, "-c", program, str(made.path)], stdout=subprocess.PIPE)
    assert holder.stdout is not None
    assert holder.stdout.readline() == b"held\n"
    with (
        pytest.raises(UserError, match=f"is being written by process {holder.pid}; wait for it"),
        made.lock(),
    ):
        pass
    holder.send_signal(signal.SIGKILL)
    holder.wait()
    holder.stdout.close()
    left = made.state / ".state-1.safetensors.xyz.partial"
    left.mkdir()
    with made.lock():
        assert not left.exists()
        with pytest.raises(UserError, match=f"process {os.getpid()}"), RunFolder(made.path).lock():
            pass
    with made.lock():
        pass


def test_a_run_killed_while_it_was_made_can_be_written(settings: Settings) -> None:
    made = folder.create(settings, now=NOW)
    made.models.rmdir()
    made.state.rmdir()
    with folder.open_run(made.path).lock():
        assert made.models.is_dir()
        assert made.state.is_dir()


def test_a_folder_that_is_gone_cannot_be_locked(tmp_path: Path) -> None:
    with pytest.raises(CannotWrite, match="cannot write"), RunFolder(tmp_path / "gone").lock():
        pass
