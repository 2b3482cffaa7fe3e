"""What is missing or too old is named where it may be to blame, in a checkout and where it is installed."""

from __future__ import annotations

import importlib.metadata
from email.message import Message
from pathlib import Path
from types import ModuleType

import pytest
from packaging.requirements import Requirement

from qflock import commands
from qflock.core.errors import UserError
from qflock.machine import versions
from tests.release.requirements import pyproject

PROJECT = pyproject()["project"]


def texts(requirements: list[Requirement]) -> set[str]:
    return {f"{one.name}{one.specifier}" for one in requirements}


def test_a_checkout_says_what_it_needs_whatever_is_installed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: pytest.fail("asked"))
    core, extras = versions.requirements()
    assert texts(core) == texts([Requirement(text) for text in PROJECT["dependencies"]])
    assert set(extras) == set(PROJECT["optional-dependencies"]) - {"all"}


class Installed:
    """What the metadata of a wheel say."""

    requires = (
        "jax>=0.9.0",
        "optax>=0.2.6",
        'wandb>=0.22.2; extra == "wandb"',
        'qflock[wandb]; extra == "all"',
    )

    @property
    def metadata(self) -> Message:
        message = Message()
        for extra in ("wandb", "all"):
            message["Provides-Extra"] = extra
        return message


def test_what_is_installed_says_what_it_needs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versions, "CHECKOUT", tmp_path)
    monkeypatch.setattr(importlib.metadata, "distribution", lambda name: Installed())
    core, extras = versions.requirements()
    assert texts(core) == {"jax>=0.9.0", "optax>=0.2.6"}
    assert {name: texts(those) for name, those in extras.items()} == {"wandb": {"wandb>=0.22.2"}}


def test_sources_alone_are_no_installation(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def missing(name: str) -> None:
        raise importlib.metadata.PackageNotFoundError(name)

    monkeypatch.setattr(versions, "CHECKOUT", tmp_path)
    monkeypatch.setattr(importlib.metadata, "distribution", missing)
    with pytest.raises(UserError, match="pip install qflock"):
        versions.requirements()
    assert versions.blamed(ValueError()) is None


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        ("0.9.0", []),
        ("0.10.1.dev20260101", []),
        ("0.9.0rc1", ["jax 0.9.0rc1 is too old, qflock needs >=0.9.0: pip install 'jax>=0.9.0'"]),
        ("0.4.35", ["jax 0.4.35 is too old, qflock needs >=0.9.0: pip install 'jax>=0.9.0'"]),
        (None, ["jax is missing: pip install jax"]),
    ],
)
def test_a_package_is_compared_with_its_bound(found: str | None, lines: list[str]) -> None:
    assert versions.wrong([Requirement("jax>=0.9.0")], lambda name: found) == lines


def with_versions(monkeypatch: pytest.MonkeyPatch, **found: str) -> None:
    real = importlib.metadata.version
    monkeypatch.setattr(importlib.metadata, "version", lambda name: found.get(name) or real(name))


def test_an_error_with_an_old_package_is_not_to_be_reported(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def work() -> int:
        raise AttributeError("module 'jax' has no attribute 'shard_map'")

    with_versions(monkeypatch, jax="0.4.35")
    assert commands.guarded(work, ours=False) == 2
    assert capsys.readouterr().err == (
        "qflock: jax 0.4.35 is too old, qflock needs >=0.9.0: pip install 'jax>=0.9.0' "
        "(then this may work: AttributeError: module 'jax' has no attribute 'shard_map')\n"
    )


def test_a_package_of_an_extra_is_to_blame_only_where_it_was_running(monkeypatch: pytest.MonkeyPatch) -> None:
    with_versions(monkeypatch, wandb="0.1")
    monkeypatch.setattr(importlib.metadata, "packages_distributions", lambda: {"wandb": ["wandb"]})
    logger = ModuleType("wandb.sdk")
    exec("def log(): raise ValueError('no such field')", vars(logger))
    with pytest.raises(ValueError, match="no such field") as elsewhere:
        raise ValueError("no such field")
    assert versions.blamed(elsewhere.value) is None
    with pytest.raises(ValueError, match="no such field") as there:
        logger.log()
    line = "wandb 0.1 is too old, qflock needs >=0.22.2: pip install 'wandb>=0.22.2'"
    assert versions.blamed(there.value) == line
