"""README's pictures: the chart says what the files say, and the strip is made of commands that exist."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from qflock.commands import main
from qflock.evidence.figures import style
from scripts import peers_chart, readme_pictures

ROOT = Path(__file__).parents[2]
MOST = 300_000
"""Bytes of a picture on the page."""


def kept(name: str) -> Any:
    return json.loads((ROOT / name).read_text())


def test_the_charts_scores_are_shares_of_each_files_own_oracle() -> None:
    bars, references = peers_chart.scores()
    found = {bar.name: bar for bar in bars}
    memory = kept("results/gridworld_memory/pqn_qmix-gridworld25.json")
    shown = found["PQN-QMIX with GRUs, 9M"]
    assert shown.value * memory["references"]["oracle"] == pytest.approx(memory["score"])
    assert [shown.low, shown.high] == pytest.approx(
        [end / memory["references"]["oracle"] for end in memory["interval"]]
    )
    shipped = kept("results/gridworld_shipped/qmix-gridworld25.json")["references"]
    assert bars[-1].name == peers_chart.PUBLISHED
    assert bars[-1].value * shipped["oracle"] == pytest.approx(1.62)
    assert bars[-1].low is None
    assert references["greedy"] == pytest.approx(shipped["greedy"] / shipped["oracle"])


def test_the_charts_speeds_are_those_of_the_measured_files() -> None:
    found = {bar.name: bar for bar in peers_chart.speeds()}
    assert found["JaxMARL, VDN: 73 s to 32 s"].value == pytest.approx(72.8 / 31.9)
    circuits = kept("benchmarks/results/2-cores-cpu-circuits.json")["results"]["circuits"]["8_qubits"]
    ratios = [batch["gradient_ratio"] for batch in circuits.values()]
    assert (found["PennyLane, 8 qubits"].low, found["PennyLane, 8 qubits"].high) == (min(ratios), max(ratios))


def test_the_chart_says_its_numbers(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By what is written on it: other fonts give other pixels."""
    texts: list[str] = []
    monkeypatch.setattr(
        style, "save", lambda figure, out: texts.extend(t.get_text() for t in figure.findobj(style.Text))
    )
    peers_chart.draw(tmp_path / "peers.png")
    assert {"94.3 %", "93.4 %", "60.7 %", "2.3", "8.9", "oracle 100 %"} <= set(texts)


def test_the_strips_commands_are_known(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for words in readme_pictures.commands(tmp_path):
        if words[0] in ("train", "experiment"):
            assert main([*words, "--dry_run"]) == 0, words
            continue
        assert main([words[0], "--help"]) == 0
        known = capsys.readouterr().out
        assert all(word in known for word in words if word.startswith("-")), words


def test_the_pages_pictures_are_small_and_those_that_the_scripts_make() -> None:
    readme = (ROOT / "README.md").read_text()
    for name in (*readme_pictures.FILMS, *readme_pictures.PARTS, "peers.png"):
        picture = ROOT / "docs" / "images" / name
        assert f"docs/images/{name}" in readme
        assert picture.stat().st_size < MOST
        assert Image.open(picture).size[0] > 300
