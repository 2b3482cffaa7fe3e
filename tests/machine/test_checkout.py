"""What a run says of the checkout it started in is right, and saying it runs nothing that a folder names."""

from __future__ import annotations

import os
import shutil
import stat
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from qflock.machine import checkout

if shutil.which("git") is None:
    pytest.skip("no git here", allow_module_level=True)


@pytest.fixture(autouse=True)
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """No settings but those of the folder."""
    for name in [name for name in os.environ if name.startswith("GIT_")]:
        monkeypatch.delenv(name)
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
    monkeypatch.setenv("GIT_CONFIG_SYSTEM", os.devnull)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path))
    for who in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{who}_NAME", "somebody")
        monkeypatch.setenv(f"GIT_{who}_EMAIL", "somebody@example.org")


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout with files of all sorts, older than its index."""
    place = tmp_path / "checkout"
    (place / "in ner").mkdir(parents=True)
    git(tmp_path, "init", "-q", str(place))
    (place / "plain.txt").write_text("one\n")
    (place / "in ner" / "two\nlines 'é.txt").write_text("two\n")
    (place / "run.sh").write_text("#!/bin/sh\n")
    (place / "run.sh").chmod(0o755)
    (place / "empty").write_text("")
    (place / "link").symlink_to("plain.txt")
    for path in place.rglob("*.*"):
        os.utime(path, (1e9, 1e9))
    git(place, "add", "plain.txt", "in ner", "run.sh", "empty", "link")
    git(place, "commit", "-q", "-m", "first")
    return place


def described(folder: Path) -> str:
    """What follows the right commit."""
    found = checkout.describe(folder)
    assert found is not None
    commit = git(folder, "rev-parse", "HEAD")
    assert found.startswith(commit)
    return found.removeprefix(commit)


def test_a_clean_checkout_is_its_commit(folder: Path) -> None:
    assert described(folder) == described(folder / "in ner") == ""


def touched(folder: Path) -> None:
    (folder / "plain.txt").touch()


def untracked(folder: Path) -> None:
    (folder / "another").write_text("x")


def changed(folder: Path) -> None:
    (folder / "plain.txt").write_text("another\n")


def changed_in_the_same_size_and_second(folder: Path) -> None:
    (folder / "plain.txt").write_text("two\n")
    git(folder, "add", "plain.txt")
    git(folder, "commit", "-q", "-m", "second")
    now = (folder / ".git" / "index").stat().st_mtime_ns
    (folder / "plain.txt").write_text("six\n")
    os.utime(folder / "plain.txt", ns=(now, now))


def removed(folder: Path) -> None:
    (folder / "empty").unlink()


def staged(folder: Path) -> None:
    (folder / "more").write_text("x")
    git(folder, "add", "more")


def staged_and_taken_back(folder: Path) -> None:
    (folder / "plain.txt").write_text("other\n")
    git(folder, "add", "plain.txt")
    (folder / "plain.txt").write_text("one\n")


def another_mode(folder: Path) -> None:
    (folder / "run.sh").chmod(0o644)


def another_mode_that_does_not_count(folder: Path) -> None:
    another_mode(folder)
    git(folder, "config", "core.fileMode", "false")


def another_link(folder: Path) -> None:
    (folder / "link").unlink()
    (folder / "link").symlink_to("empty")


def a_pipe(folder: Path) -> None:
    (folder / "plain.txt").unlink()
    os.mkfifo(folder / "plain.txt")


def a_folder(folder: Path) -> None:
    (folder / "plain.txt").unlink()
    (folder / "plain.txt").mkdir()


def passed_over(folder: Path) -> None:
    git(folder, "update-index", "--assume-unchanged", "plain.txt")
    git(folder, "update-index", "--skip-worktree", "run.sh")
    changed(folder)
    (folder / "run.sh").unlink()


def newest_index(folder: Path) -> None:
    git(folder, "update-index", "--index-version", "4")
    git(folder, "update-index", "--split-index")


@pytest.mark.parametrize(
    ("change", "state"),
    [
        (touched, ""),
        (untracked, ""),
        (newest_index, ""),
        (passed_over, ""),
        (another_mode_that_does_not_count, ""),
        (changed, "-dirty"),
        (changed_in_the_same_size_and_second, "-dirty"),
        (removed, "-dirty"),
        (staged, "-dirty"),
        (staged_and_taken_back, "-dirty"),
        (another_mode, "-dirty"),
        (another_link, "-dirty"),
        (a_pipe, "-dirty"),
        (a_folder, "-dirty"),
    ],
)
def test_it_says_what_git_says(folder: Path, change: Callable[[Path], None], state: str) -> None:
    change(folder)
    assert described(folder) == state
    told = git(folder, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    assert told.endswith("-dirty") == (state == "-dirty")


def test_where_a_filter_would_have_to_be_run_it_is_not_known(folder: Path) -> None:
    (folder / ".gitattributes").write_text("*.txt filter=mine\n")
    git(folder, "add", ".gitattributes")
    git(folder, "commit", "-q", "-m", "attributes")
    assert described(folder) == ""
    touched(folder)
    assert described(folder) == ""  # the very bytes
    changed(folder)
    assert described(folder) == "-unknown"
    another_mode(folder)
    assert described(folder) == "-dirty"  # as another file says


def test_ends_of_lines(folder: Path) -> None:
    git(folder, "config", "core.autocrlf", "true")
    (folder / "plain.txt").write_bytes(b"one\r\n")
    assert described(folder) == "-unknown"


def test_no_checkout_no_commit_no_git(tmp_path: Path, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert checkout.describe(tmp_path) is None
    assert checkout.describe(tmp_path / "nowhere") is None
    git(tmp_path, "init", "-q", "new")
    assert checkout.describe(tmp_path / "new") is None
    monkeypatch.setenv("PATH", str(tmp_path))
    assert checkout.describe(folder) is None


def test_submodules(folder: Path, tmp_path: Path) -> None:
    outer = tmp_path / "outer"
    git(tmp_path, "init", "-q", str(outer))
    git(outer, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(folder), "sub")
    git(outer, "commit", "-q", "-m", "with it")
    assert described(outer) == ""
    changed(outer / "sub")
    assert described(outer) == "-dirty"
    git(outer / "sub", "commit", "-q", "-a", "-m", "gone on")
    assert described(outer) == "-dirty"
    shutil.rmtree(outer / "sub")
    (outer / "sub").mkdir()
    assert described(outer) == ""  # not checked out


def program(folder: Path, name: str) -> tuple[str, Path]:
    """A command that leaves a mark, for settings to name, and the mark."""
    mark = folder.parent / f"ran-{name}"
    path = folder.parent / f"program-{name}"
    path.write_text(f"#!/bin/sh\ntouch '{mark}'\ncat\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path), mark


HOSTILE = {
    "filter.x.clean": "{}", "filter.x.smudge": "{}", "filter.x.process": "{}", "filter.x.required": "true",
    "core.fsmonitor": "{}", "diff.external": "{}", "diff.x.command": "{}", "diff.x.textconv": "{}",
    "merge.x.driver": "{}", "core.hooksPath": "{folder}", "core.pager": "{}", "pager.rev-parse": "{}",
    "core.editor": "{}", "core.sshCommand": "{}", "core.gitProxy": "{}", "core.askPass": "{}",
    "core.alternateRefsCommand": "{}",
    "gpg.program": "{}", "gpg.ssh.program": "{}", "log.showSignature": "true", "credential.helper": "{}",
    "alias.rev-parse": "!{}", "alias.describe": "!{}", "alias.ls-files": "!{}", "alias.diff-index": "!{}",
    "alias.check-attr": "!{}", "alias.config": "!{}",
    "uploadpack.packObjectsHook": "{}", "protocol.ext.allow": "always",
    "remote.origin.url": "ext::{}", "remote.origin.promisor": "true", "extensions.partialClone": "origin",
    "trace2.normalTarget": "af_unix:{}", "core.untrackedCache": "true", "core.splitIndex": "true",
}  # fmt: skip


@pytest.mark.parametrize("place", ["config", "include.path"])
def test_nothing_that_a_folder_names_is_run(folder: Path, place: str) -> None:
    run, mark = program(folder, "it")
    hooks = folder.parent / "hooks"
    hooks.mkdir()
    names = subprocess.run(["git", "--exec-path"], capture_output=True, text=True, check=True)
    assert names.stdout
    for where in (hooks, folder / ".git" / "hooks"):
        where.mkdir(exist_ok=True)
        for name in ("post-index-change", "reference-transaction", "fsmonitor-watchman", "post-checkout"):
            shutil.copy(run, where / name)
    (folder / ".gitattributes").write_text("* filter=x diff=x merge=x\n")
    git(folder, "add", ".gitattributes")
    git(folder, "commit", "-q", "-m", "attributes")
    (folder / ".git" / "info").mkdir(exist_ok=True)
    (folder / ".git" / "info" / "attributes").write_text("* filter=x diff=x\n")
    mark.unlink(missing_ok=True)  # `git commit` runs hooks
    config = folder / ".git" / "config"
    file = config if place == "config" else folder.parent / "more.config"
    for name, value in HOSTILE.items():
        text = value.format(run, folder=hooks) if "{folder}" in value else value.format(run)
        git(folder.parent, "config", "--file", str(file), name, text)
    if place != "config":
        git(folder.parent, "config", "--file", str(config), "include.path", str(file))
    for change, state in ((lambda _: None, ""), (touched, ""), (changed, "-unknown"), (removed, "-dirty")):
        change(folder)
        assert (checkout.describe(folder) or "")[40:] == state
        assert not mark.exists()
    subprocess.run(["git", "describe", "--always", "--dirty"], cwd=folder, capture_output=True, check=False)
    assert mark.exists(), "these settings do name programs that other commands of git run"


def test_a_partial_clone_fetches_nothing(folder: Path) -> None:
    """What it lacks would be fetched through a program that its settings name."""
    run, mark = program(folder, "fetch")
    for name, value in (
        ("core.repositoryFormatVersion", "1"),
        ("extensions.partialClone", "origin"),
        ("remote.origin.promisor", "true"),
        ("remote.origin.url", f"ext::{run}"),
        ("protocol.ext.allow", "always"),
    ):
        git(folder, "config", name, value)
    tree = git(folder, "rev-parse", "HEAD^{tree}")
    commit = git(folder, "rev-parse", "HEAD")
    (folder / ".git" / "objects" / tree[:2] / tree[2:]).unlink()
    assert checkout.describe(folder) == f"{commit}-unknown"
    assert not mark.exists()


def test_what_takes_too_long_is_not_known(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    touched(folder)
    end = time.monotonic() - 1
    with pytest.raises(checkout._Unclear):
        list(checkout._digest(os.fsencode(folder / "plain.txt"), os.lstat(folder / "plain.txt"), 40, end))
    monkeypatch.setattr(checkout, "_differs", lambda *_: (_ for _ in ()).throw(checkout._Unclear))
    assert described(folder) == "-unknown"


def test_an_index_of_another_form_is_not_known(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = checkout._git
    odd: Callable[..., bytes] = lambda *w, **k: b"H odd\0" if "ls-files" in w else real(*w, **k)
    monkeypatch.setattr(checkout, "_git", odd)
    assert described(folder) == "-unknown"
