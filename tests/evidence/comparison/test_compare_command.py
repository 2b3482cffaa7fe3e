"""``qflock compare`` from the words typed to the files, and what it refuses without writing anything."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from PIL import Image

from qflock.commands import compare
from qflock.core.errors import UserError

MakeRun = Callable[..., Path]


@pytest.fixture
def runs(make_run: MakeRun, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Two methods on two tasks, and a current folder of its own."""
    for task in ("gridworld25", "box_push"):
        for algorithm, score in (("iql", 5.0), ("qmix", 7.0)):
            scores = {seed: score + 0.3 * seed for seed in range(6)}
            make_run(f"{algorithm}-{task}", scores, algorithm=algorithm, environment={"name": task})
    folder = make_run("other/one", {0: 5.0}).parent
    monkeypatch.chdir(folder)
    return folder.parent


def test_table_and_files(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.run([str(runs / "*-*"), "--csv", "here/table.csv"]) == 0
    shown = capsys.readouterr().out
    table = shown[: shown.index("wrote")]
    assert max(map(len, table.splitlines())) <= 100
    for word in ("gridworld25", "box_push", "all tasks", "qmix", "oracle", "95 % interval", "time to 9.20"):
        assert word in table
    written = sorted(path.name for path in Path("comparison").iterdir())
    assert written == [
        "compare.csv",
        "compare.json",
        "interval_estimates.png",
        "interval_estimates_by_task.png",
        "performance_profile.png",
        "probability_of_improvement.png",
        "sample_efficiency.png",
    ]
    for path in Path("comparison").glob("*.png"):
        with Image.open(path) as picture:
            assert picture.width > 400
            assert len(picture.convert("RGB").getcolors(1 << 20)) > 20  # something is drawn
    assert Path("here/table.csv").read_text() == Path("comparison/compare.csv").read_text()
    lines = list(csv.DictReader(Path("here/table.csv").read_text().splitlines()))
    assert len(lines) == 3 * (2 + 2)  # two tasks and all tasks: two methods, two references


def test_what_circuits_take_stands_beside_the_methods_that_have_them(
    make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    taken = {"circuit_evaluations": 500, "device_evaluations": 9000, "qubits": 4, "circuit_depth": 62}
    seeds = {seed: 5.0 + 0.3 * seed for seed in range(6)}
    for task in ("gridworld25", "box_push"):
        own = {"environment": {"name": task}}
        make_run(f"q-{task}", seeds, algorithm="vdn", summary={**taken, "two_qubit_gates": 20}, **own)
        place = make_run(f"c-{task}", seeds, algorithm="iql", **own)
    monkeypatch.chdir(place.parent)
    assert compare.run(["q-gridworld25", "c-gridworld25"]) == 0
    shown = capsys.readouterr().out
    table = shown[: shown.index("wrote")]
    assert max(map(len, table.splitlines())) <= 100
    for words in ("qubits, depth", "2-qubit gates", "4, 62", "20"):
        assert words in table
    assert compare.run(["q-*", "c-*", "--csv", "table.csv"]) == 0
    lines = csv.DictReader(Path("table.csv").read_text().splitlines())
    rows = {(line["task"], line["method"]): line for line in lines}
    one, every = rows["gridworld25", "vdn"], rows["all tasks", "vdn"]
    assert (one["qubits"], one["device_evaluations"]) == ("4", "9000")
    assert (every["qubits"], every["device_evaluations"]) == ("", "18000")  # a size is not added up


def test_a_narrow_terminal_keeps_every_number(
    runs: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    compare.run([str(runs / "*-box_push")])
    table = capsys.readouterr().out
    for words in ("qmix  ", "7.75", "+2.00", "1.23k", "20 s", "77.5 %"):
        assert words in table
    assert "…" not in table


def test_json_is_alone_on_standard_output(runs: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert compare.run([str(runs / "*-box_push"), "--json", "--out", "out", "--baseline", "qmix"]) == 0
    content = json.loads(capsys.readouterr().out)
    assert content["baseline"] == "qmix"
    assert content == json.loads(Path("out/compare.json").read_text())


@pytest.mark.parametrize(
    ("words", "message"),
    [
        ([], "name the runs first"),
        (["--metric", "solved"], "name the runs first"),
        (["{runs}/*-*", "--metric", "solve"], "did you mean 'solved'"),
        (["{runs}/*-*", "--metrics", "solved"], "did you mean --metric"),
        (["{runs}/*-*", "--baseline", "vdn"], "unknown baseline 'vdn'"),
        (["{runs}/*-*", "--target", "high"], "target"),
        (["{runs}/nothing-*"], "no run matches"),
        (["{runs}/iql-*", "{runs}/nothing"], "no run at"),
        (["{runs}/iql-*", "--out", "{runs}/iql-box_push/summary.json"], "it is a file"),
        (["{runs}/iql-*", "--csv", "{runs}"], "is a folder"),
    ],
)
def test_bad_input_is_one_line_and_writes_nothing(runs: Path, words: list[str], message: str) -> None:
    before = sorted(runs.rglob("*"))
    with pytest.raises(UserError, match=message) as refused:
        compare.run([word.format(runs=runs) for word in words])
    assert "\n" not in str(refused.value)
    assert sorted(runs.rglob("*")) == before


def test_help_and_table_never_import_jax(runs: Path) -> None:
    code = (
        "import sys; from qflock.commands import compare; compare.run(sys.argv[1:]);"
        "sys.exit('jax' in sys.modules)"
    )
    environment = {**os.environ, "COLUMNS": "100"}
    words = [sys.executable, "-c", code, str(runs / "*-box_push"), "--out", "out"]
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stderr == ""
