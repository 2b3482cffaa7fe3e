"""Run folders of commit 0119746 still do all that they did (`make` says how they came to be).

Each test works on a copy. Where a later version cannot go on with an old run, it must say so in one clear
line, exit with 2 and leave every file as it was; `REFUSED` is the place where that is decided.
"""

import csv
import hashlib
import json
import re
import shutil

import numpy as np
import pytest

import qflock
from qflock import commands
from qflock.settings import renamed
from tests.marks import IN_CI
from tests.old_runs.make import EPISODES, HERE, MODES, RUNS, SEED, STOPPED, observations

GOLDEN = json.loads((HERE / "golden.json").read_text())
SIZES = 3_000_000
"""Bytes that all folders together may have."""

REFUSED = {
    ("export", "entangled"): "its agents' actions are drawn together",
    ("export", "eqmarl", "numpy"): "cannot be exported",
    ("export", "eqmarl", "torch"): "cannot be exported",
}
"""(command, run, other words) -> what the refusal says. All that is not here must work."""

QUICK = {
    "evaluate": ("qmix_mlp",),
    "export": ("qmix_mlp", "entangled"),
    "watch": (),
    "resume": ("qmix_mlp",),
}
"""Runs that the default tests try; CI tries all."""


def each(command):
    """Every run, as parameters of a test of a command."""
    return [pytest.param(name, marks=[] if name in QUICK[command] else IN_CI) for name in RUNS]


@pytest.fixture
def old(tmp_path, monkeypatch):
    """``old(name, ...)`` copies runs, and memories, into the current folder."""

    def copied(*names):
        for name in names:
            for folder in HERE.glob(f"{name}*/"):
                shutil.copytree(folder, tmp_path / folder.name, dirs_exist_ok=True)
        return tmp_path / names[0]

    monkeypatch.chdir(tmp_path)
    return copied


@pytest.fixture
def cli(capsys, tmp_path):
    """``cli(command, run, ...)`` runs a command on a run: what it says, or None where it is to refuse."""

    def call(command, name, *words):
        before = digests(tmp_path)
        status = commands.main([command, name, *words])
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        reasons = [reason for key, reason in REFUSED.items() if {*key} <= {command, name, *words}]
        if not reasons:
            assert status == 0, said.err
            return said.out
        assert status == 2
        assert said.err.count("\n") == 1
        assert reasons[0] in said.err
        assert digests(tmp_path) == before
        return None

    return call


def digests(folder):
    """SHA-256 of every file."""
    return {x: hashlib.sha256(x.read_bytes()).hexdigest() for x in folder.rglob("*") if x.is_file()}


def checkpoint(name):
    """The weights there are: a run that was stopped has no final ones."""
    return ["--checkpoint", "best" if name == STOPPED else "final"]


def table(path):
    with path.open() as file:
        return list(csv.reader(file))


def alike(found, wanted):
    """Whether numbers are those that were recorded, and none is missing."""
    assert set(wanted) <= set(found)
    np.testing.assert_allclose([found[name] for name in wanted], list(wanted.values()), rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("name", each("evaluate"))
def test_old_weights_score_what_they_scored(name, mode, old, cli):
    old(name)
    words = ["--episodes", str(EPISODES), "--seed", str(SEED), "--json", *checkpoint(name)]
    said = cli("evaluate", name, *words, *(["--sample"] if mode == "sample" else []))
    if said is None:
        return
    found = json.loads(said)
    assert len(found["per_seed"]) == len(GOLDEN[name][mode]["per_seed"])
    for now, then in zip(found["per_seed"], GOLDEN[name][mode]["per_seed"], strict=True):
        alike(now, then)
    for policy, then in GOLDEN[name][mode]["references"].items():
        alike(found["references"][policy], then)


@pytest.mark.parametrize("name", each("export"))
def test_old_policies_are_taken_home(name, old, cli):
    path = old(name)
    formats = {"numpy": ".npz", "safetensors": ".safetensors", "torch": ".pt"}
    for to, suffix in formats.items():
        if to == "torch":
            pytest.importorskip("torch")
        file = path.parent / f"policy{suffix}"
        said = cli("export", name, "--to", to, "-o", str(file), *checkpoint(name))
        if said is not None and GOLDEN[name]["outputs"] is not None:
            policy = qflock.load_exported(file)
            found = policy.outputs(policy.initial(), observations(policy.about))[1]
            np.testing.assert_allclose(found, GOLDEN[name]["outputs"], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize("name", each("watch"))
def test_old_runs_are_watched(name, old, cli):
    path = old(name)
    said = cli("watch", name, "-o", "play.html", *checkpoint(name))
    assert said is None or "<html" in (path.parent / "play.html").read_text()


@pytest.mark.parametrize("name", each("resume"))
def test_old_runs_go_on(name, old, cli):
    path = old(name)
    logs = [path / "training_log.csv", path / "evaluation.csv"]
    before = [table(log) for log in logs]
    done = max(int(row[before[0][0].index("env_step")]) for row in before[0][1:])
    said = cli("resume", name, "--total_steps", str(done + 128), "--quiet", "--json")
    if said is None:
        return
    assert json.loads(said)["env_steps"] >= done + 128
    for log, rows in zip(logs, before, strict=True):
        now = table(log)
        assert now[: len(rows)] == rows  # columns too
        assert len(now) > len(rows)
    assert not [x for x in path.rglob("*") if "damaged" in x.name]
    assert (path / "models" / "final_model.safetensors").is_file()
    if name == "qmarl":
        (run,) = json.loads((path / "training_history.json").read_text())["runs"]
        assert len(run["steps"]) == len(table(logs[0])) - 1
        assert (
            len(json.loads((path.parent / "qmarl_memory" / "training_history.json").read_text())["runs"]) == 2
        )


def test_a_run_that_was_stopped_is_scored_by_its_newest_weights_and_has_no_final_ones(old, capsys):
    path = old(STOPPED)
    before = digests(path)
    assert commands.main(["evaluate", STOPPED, "--episodes", "8"]) == 0
    assert "; checkpoint_ep200 weights, of step 428\n" in capsys.readouterr().out
    assert commands.main(["evaluate", STOPPED, "--checkpoint", "final"]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "there are: best_model_weights" in said
    assert digests(path) == before


def test_old_runs_are_compared(old, capsys):
    old("qmix_mlp", "qplex")
    assert commands.main(["compare", "qmix_mlp", "qplex", "--json"]) == 0
    found = json.loads(capsys.readouterr().out)
    for name in ("qmix_mlp", "qplex"):
        assert name.partition("_")[0] in json.dumps(found)


@pytest.mark.slow
@pytest.mark.ci_slow
def test_old_runs_are_reported(old, capsys, tmp_path):
    old("qmix_mlp", "qplex")
    assert commands.main(["report", "qmix_mlp", "qplex"]) == 0
    page = (tmp_path / "report.html").read_text()
    assert "qmix" in page
    assert "qplex" in page


@pytest.mark.slow
@pytest.mark.ci_slow
def test_an_old_file_of_settings_trains(tmp_path, monkeypatch, capsys):
    """Every setting of today's value learners has its name in it."""
    monkeypatch.chdir(tmp_path)
    words = ["--run_dir", "run", "--quiet", "--json"]
    assert commands.main(["train", "--config", str(HERE / "settings.yaml"), *words]) == 0
    assert json.loads(capsys.readouterr().out)["algorithm"] == "qmix"


@pytest.mark.parametrize("name", RUNS)
def test_an_old_runs_own_file_of_settings_is_read(name, capsys):
    assert (
        commands.main(["train", "--config", str(HERE / name / "configs" / "config.yaml"), "--dry_run"]) == 0
    )
    then = (HERE / name / "configs" / "config.yaml").read_text().splitlines()
    now = capsys.readouterr().out.splitlines()
    for old, new in renamed.RENAMED.items():
        then = [re.sub(rf"^{old}:", f"{new}:", line) for line in then]
    assert set(then[1:]) <= set(now)


def test_folders_are_small_and_name_no_machine():
    files = [x for x in HERE.rglob("*") if x.is_file() and x.suffix not in (".py", ".pyc")]
    assert sum(x.stat().st_size for x in files) < SIZES
    for file in files:
        found = re.search(rb'[ "=:](/\w+/|[A-Z]:\\)', file.read_bytes())
        assert not found, f"{file} names a path of a machine"
