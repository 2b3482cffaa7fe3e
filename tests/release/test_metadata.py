"""Version, citation, lower bounds and lock files agree with each other."""

from __future__ import annotations

import re
import subprocess
import sys
import warnings

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

import qflock
from tests.release.requirements import ROOT, bound, locked, lowest, pyproject

PROJECT = pyproject()["project"]
EXTRAS = PROJECT["optional-dependencies"]


def test_the_version_stands_in_one_place():
    assert "version" not in PROJECT
    assert pyproject()["tool"]["hatch"]["version"]["path"] == "src/qflock/core/version.py"
    said = re.compile(r"(?<![\w.])" + re.escape(qflock.__version__) + r"(?![\w.])")
    files = [p for p in (ROOT / "src").rglob("*.py") if said.search(p.read_text())]
    assert [p.name for p in files] == ["version.py"]


def test_the_version_comes_without_the_package_behind_it():
    script = "import sys; from qflock.core.version import __version__; print(__version__, *sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    version, *modules = done.stdout.split()
    assert version == qflock.__version__
    assert {m for m in modules if m.startswith("qflock")} == {
        "qflock",
        "qflock.core",
        "qflock.core.moved",
        "qflock.core.version",
    }
    assert not {"jax", "numpy", "yaml"} & set(modules)


def test_the_newest_entry_of_the_changelog_is_this_version():
    newest = re.search(r"^## (\S+)", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest is not None
    assert newest[1] == qflock.__version__


def test_the_citation_is_valid_and_of_this_version():
    cited = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    assert cited.keys() >= {"cff-version", "message", "title", "authors", "version", "license", "type"}
    assert cited["cff-version"] == "1.2.0"
    assert cited["version"] == qflock.__version__
    assert cited["title"].startswith(PROJECT["name"])
    assert cited["license"] == PROJECT["license"]
    assert cited["authors"] == PROJECT["authors"] == [{"name": "The qflock authors"}]
    assert set(cited["keywords"]) == set(PROJECT["keywords"])


def test_every_dependency_of_the_core_has_a_lower_bound():
    assert {line.partition("==")[0] for line in lowest()} == {
        Requirement(text).name for text in PROJECT["dependencies"]
    } | {"jaxlib"}


def asked(lock: str) -> list[str]:
    """The requirements of pyproject.toml that a lock file stands for."""
    if lock == "requirements.txt":
        return PROJECT["dependencies"]
    (everything,) = EXTRAS["all"]
    extras = sorted(Requirement(everything).extras)
    more = [text for extra in extras for text in EXTRAS[extra]]
    return [*PROJECT["dependencies"], *more, *pyproject()["dependency-groups"]["dev"]]


@pytest.mark.parametrize("lock", ["requirements.txt", "requirements-dev.txt"])
def test_the_lock_file_has_every_dependency_within_its_bounds(lock):
    held: dict[str, list] = {}
    for name, version, _ in locked(lock):
        held.setdefault(name, []).append(version)
    for text in asked(lock):
        requirement = Requirement(text)
        versions = held.get(canonicalize_name(requirement.name))
        assert versions, f"{lock} lacks {requirement.name}"
        assert all(v in requirement.specifier for v in versions), f"{lock} has {text} at {versions}"


def test_both_lock_files_hold_the_same_versions():
    dev = {(name, version, str(marker)) for name, version, marker in locked("requirements-dev.txt")}
    core = {(name, version, str(marker)) for name, version, marker in locked("requirements.txt")}
    assert core <= dev


def test_a_bound_is_the_lowest_version_that_is_allowed():
    assert str(bound(Requirement("a>=1.2,<3"))) == "1.2"
    assert bound(Requirement("a<81")) is None


@pytest.mark.parametrize(
    "form", sorted((ROOT / ".github" / "ISSUE_TEMPLATE").glob("*.yml")), ids=lambda p: p.stem
)
def test_the_forms_for_issues_can_be_shown(form):
    content = yaml.safe_load(form.read_text())
    assert content.keys() >= {"name", "description", "body"}
    names = [field["id"] for field in content["body"]]
    assert len(set(names)) == len(names)
    for field in content["body"]:
        assert field["type"] in {"textarea", "input", "dropdown", "checkboxes"}
        assert field["attributes"]["label"]


def test_hooks_before_a_commit_use_what_is_installed():
    """No hook fetches a tool of its own, whose version would differ from the lock file's."""
    hooks = [
        (repo["repo"], hook["language"], hook["entry"].split()[0])
        for repo in yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text())["repos"]
        for hook in repo["hooks"]
    ]
    assert hooks == [("local", "system", tool) for tool in ("ruff", "ruff", "pyright")]


@pytest.mark.parametrize("category", [DeprecationWarning, PendingDeprecationWarning])
def test_deprecations_are_errors_in_our_code_and_seen_in_that_of_others(category):
    def old(module: str) -> None:
        warnings.warn_explicit("old", category, "file.py", 1, module=module)

    for module in ("qflock.runs.runner", "test_metadata", "tests.tiny"):
        with pytest.raises(category, match="old"):
            old(module)
    with warnings.catch_warnings(record=True) as seen:
        old("somebody.elses")
    assert [str(warning.message) for warning in seen] == ["old"]
