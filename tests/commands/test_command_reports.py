"""``list``, ``doctor`` and ``completion``."""

from __future__ import annotations

import importlib.metadata
import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

import qflock.environments
from qflock.commands import doctor, main
from qflock.evidence import catalogue
from qflock.machine import device
from qflock.settings import config, measured

pytestmark = pytest.mark.usefixtures("entries")


def test_list_as_tables(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list"]) == 0
    out = capsys.readouterr().out
    lines = [line.split() for line in out.splitlines()]
    assert ["tiny_world", "2", "3", "4", "8", "10", "-", "-", "-", "-"] in lines
    assert ["tiny_world", "A", "world", "for", "tests:"] in [words[:5] for words in lines]
    assert any(words[:5] == ["tiny", "A", "learner", "for", "tests:"] for words in lines)
    assert ["gridworld25", "4", "6", "18", "72", "200"] in [words[:6] for words in lines]
    assert "Published: QMIX, Rashid et al. 2018." in " ".join(out.split())


def test_list_one_kind_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["list", "environments", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    assert list(found) == ["environments"]
    assert {
        "name": "tiny_world",
        "summary": "A world for tests: nothing happens in it.",
        "agents": 2,
        "actions": 3,
        "observation": 4,
        "state": 8,
        "horizon": 10,
        "metric": "discounted_mean",
        "published": {},
    } in found["environments"]
    grid = next(entry for entry in found["environments"] if entry["name"] == "gridworld25")
    assert grid["published"]["score"] == 1.62
    assert 2.6 < grid["references"]["oracle"] < 2.75
    assert 0.2 < grid["references"]["random"] < 0.35


def test_what_is_listed_without_loading_it_is_true() -> None:
    for name, entry in measured.records().items():
        looked = catalogue._look(name, 0)
        assert {key: entry[key] for key in looked} == looked


def test_scores_are_measured_when_asked_for() -> None:
    again = catalogue._look("two_step", 64)
    assert again["metric"] == "return_mean"
    assert again["references"]["oracle"] == again["published"]["score"] == 8
    assert again["references"]["random"] < 7
    assert again["episodes"] == 64


def test_a_list_needs_no_jax() -> None:
    code = (
        "import sys; from qflock.commands import main; from qflock.evidence import catalogue;"
        "from qflock.settings import measured;"
        "known = {'environments': [*measured.records()], 'algorithms': ['qmix']};"
        "catalogue.registry.names = known.get; main(['list']); sys.exit('jax' in sys.modules)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_an_entry_that_cannot_be_loaded_does_not_break_the_list(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "half.py").write_text('"""Half a world."""\nimport no_such_package\n')
    (tmp_path / "broken.py").write_text("def\n")
    qflock.environments.__path__.append(str(tmp_path))
    try:
        assert main(["list", "environments", "--json"]) == 0
    finally:
        qflock.environments.__path__.remove(str(tmp_path))
    entries = {e["name"]: e["summary"] for e in json.loads(capsys.readouterr().out)["environments"]}
    assert entries["half"] == "cannot be loaded: No module named 'no_such_package'"
    assert entries["broken"].startswith("cannot be loaded: invalid syntax")


@pytest.fixture
def healthy(monkeypatch: pytest.MonkeyPatch) -> None:
    """All is well, and the short training, which has a test of its own, is left out."""
    monkeypatch.setattr(doctor, "_trained", lambda problems: {"env_steps": 4096, "seconds": 1.0})
    monkeypatch.setattr(device, "nvidia_gpus", list)
    monkeypatch.setattr(device, "use", lambda where, warn: None)
    monkeypatch.setenv("QFLOCK_CACHE", "off")


def test_doctor_ready(healthy: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor"]) == 0
    out = capsys.readouterr().out
    assert out.splitlines()[-1] == "ready"
    assert importlib.metadata.version("jax") in out
    assert "advice" not in out


def test_doctor_as_json(healthy: None, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["doctor", "--json"]) == 0
    report = json.loads(capsys.readouterr().out)
    assert report["problems"] == report["advice"] == []
    assert report["packages"]["equinox"] == importlib.metadata.version("equinox")
    assert list(report["extras"]["cuda"]) == ["jax-cuda13-plugin"]
    assert any(found.startswith("cpu") for found in report["devices"])
    assert report["cores"] >= 1
    assert report["folder_writable"] is True


def test_doctor_names_an_idle_gpu(
    healthy: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device, "nvidia_gpus", lambda: ["GeForce RTX 9090"])
    assert main(["doctor"]) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2:] == ['advice: GeForce RTX 9090 is idle: pip install "qflock[cuda]"', "ready"]


def test_doctor_says_what_is_wrong(
    healthy: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: None if name == "optax" else real(name))
    monkeypatch.setattr(doctor, "_refused", lambda folder: "Read-only file system")
    assert main(["doctor"]) == 2
    lines = capsys.readouterr().out.splitlines()
    assert lines[-2] == "wrong: optax is missing: pip install optax"
    assert lines[-1] == f"wrong: runs cannot be written to {Path().resolve()}: Read-only file system"


def older(monkeypatch: pytest.MonkeyPatch, **found: str | None) -> None:
    real = doctor._version
    monkeypatch.setattr(doctor, "_version", lambda name: found.get(name.replace("-", "_"), real(name)))


def test_doctor_names_what_is_too_old_and_trains_nothing_with_it(
    healthy: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    older(monkeypatch, jax="0.4.35", numpy="2.0.0rc1")
    monkeypatch.setattr(doctor, "_trained", lambda problems: pytest.fail("trained"))
    assert main(["doctor"]) == 2
    assert capsys.readouterr().out.splitlines()[-2:] == [
        "wrong: jax 0.4.35 is too old, qflock needs >=0.9.0: pip install 'jax>=0.9.0'",
        "wrong: numpy 2.0.0rc1 is too old, qflock needs >=2.0.0: pip install 'numpy>=2.0.0'",
    ]


def test_doctor_asks_of_an_extra_only_where_it_is_installed(
    healthy: None, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there = dict.fromkeys(["networkx", "dimod", "dwave_samplers"], "99.0")
    older(monkeypatch, **{**there, "networkx": "2.8"})
    assert main(["doctor"]) == 2
    line = "wrong: networkx 2.8 is too old, qflock needs >=3.2: pip install 'networkx>=3.2'"
    assert capsys.readouterr().out.splitlines()[-1] == line
    older(monkeypatch, **{**there, "networkx": "2.8", "dimod": None})  # networkx is somebody else's
    assert main(["doctor"]) == 0


def test_doctor_says_why_training_fails(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def train(*arguments: object, **more: object) -> None:
        raise AttributeError("module 'jax' has no attribute 'jit'")

    monkeypatch.setattr(device, "use", lambda where, warn: None)
    monkeypatch.setattr("qflock.runs.train.runner.train", train)
    assert main(["doctor"]) == 2
    why = "AttributeError: module 'jax' has no attribute 'jit'"
    assert capsys.readouterr().out.splitlines()[-1] == f"wrong: vdn cannot be trained on two_step: {why}"


@pytest.mark.slow
@pytest.mark.ci_slow
def test_doctor_trains_for_real_from_sources_that_are_not_installed(tmp_path: Path) -> None:
    program = (
        "import importlib.metadata as metadata, sys\n"
        "real = metadata.distribution\n"
        "def distribution(name):\n"
        "    if name == 'qflock': raise metadata.PackageNotFoundError(name)\n"
        "    return real(name)\n"
        "metadata.distribution = distribution\n"
        "from qflock.commands import main\n"
        "sys.exit(main(['doctor', '--json']))\n"
    )
    (tmp_path / "tmp").mkdir()
    places = {"TMPDIR": str(tmp_path / "tmp"), "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(
        [sys.executable, "-c", program],
        capture_output=True,
        text=True,
        cwd=tmp_path,
        env={**os.environ, **places},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    report = json.loads(done.stdout)
    assert report["trained"]["env_steps"] >= 4_000
    assert "jax" in report["packages"]
    assert "graphs" in report["extras"]
    assert [*(tmp_path / "tmp").iterdir()] == []


def test_the_write_test_leaves_nothing_and_notices_a_bad_folder(tmp_path: Path) -> None:
    (tmp_path / "sub").mkdir()
    assert doctor._refused(tmp_path / "sub") == ""
    assert list((tmp_path / "sub").iterdir()) == []
    assert doctor._refused(tmp_path / "missing") == "No such file or directory"


@pytest.mark.parametrize(
    ("kind", "name", "words"),
    [
        ("presets", "qmix-gridworld25", "Tuned on random 25 x 25 boards."),
        ("networks", "gru", "gated recurrent unit"),
        ("mixers", "dueling", "the state's value, less something for each agent that does not do what"),
    ],
)
def test_parts_are_listed_with_a_sentence_each(kind, name, words, capsys, monkeypatch):
    monkeypatch.setattr(config, "PRESETS", Path(qflock.environments.__path__[0]).parent / "presets")
    assert main(["list", kind, "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out).values()
    known = {entry["name"]: entry["summary"] for entry in listed}
    assert words.lower() in known[name].lower()
    assert all(known.values())


def test_experiments_that_are_here_are_listed(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.chdir(tmp_path)
    assert main(["list", "experiments"]) == 0
    assert capsys.readouterr().out.startswith(
        "no experiments here or in experiments/; qflock experiment --help"
    )
    Path("experiments").mkdir()
    text = "# Who is better. By far.\nname: one\nmethods: [qmix]\nenvironments: [chsh]\n"
    Path("experiments/one.yaml").write_text(text)
    Path("two.yml").write_text("environments: [chsh]\nmethods: [vdn]\n")
    Path("settings.yaml").write_text("# methods: none\nlr: 1\n")
    Path("bytes.yaml").write_bytes(b"methods: \xff\xfe\n")
    assert main(["list", "experiments", "--json"]) == 0
    (listed,) = json.loads(capsys.readouterr().out).values()
    assert {entry["name"]: entry["summary"] for entry in listed} == {
        "two.yml": "",
        "experiments/one.yaml": "Who is better.",
    }
