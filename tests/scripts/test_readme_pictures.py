"""README's pictures: the chart says what the files say, and the strip is made of commands that exist."""

from __future__ import annotations

import json
import re
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
    assert (len(memory["scores"]), shown.low, shown.high) == (3, None, None)
    shown, five = found["QMIX, 1M"], kept("results/gridworld_symmetries/qmix-gridworld25.json")
    assert [shown.low, shown.high] == pytest.approx(
        [end / five["references"]["oracle"] for end in five["interval"]]
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
        if words[0] == "train":
            assert main([*words, "--dry_run"]) == 0, words
            continue
        assert main([words[0], "--help"]) == 0
        known = capsys.readouterr().out
        assert all(word in known for word in words if word.startswith("-")), words


def test_a_film_is_made_small_and_keeps_its_beginning(tmp_path: Path) -> None:
    film = tmp_path / "film.gif"
    frames = [Image.new("RGB", (640, 660), "white") for _ in range(100)]
    for at, frame in enumerate(frames):
        frame.paste((200, 60, 20), (6 * at, 0, 6 * at + 40, 660))
    frames[0].save(film, save_all=True, append_images=frames[1:], duration=80)
    readme_pictures.shorten(film)
    with Image.open(film) as small:
        assert small.size == (readme_pictures.SIDE, 330)
        assert small.n_frames == readme_pictures.STEPS // readme_pictures.EVERY
        assert small.info["duration"] == 80 * readme_pictures.EVERY


def test_the_pages_pictures_are_there_small_and_in_the_gallery() -> None:
    """The gallery says how each is made."""
    readme = (ROOT / "README.md").read_text()
    shown = set(re.findall(r"docs/images/([\w.-]+)", readme))
    assert shown >= {*readme_pictures.FILMS, "peers.png"}
    gallery = (ROOT / "docs" / "gallery.md").read_text()
    for name in shown:
        assert f"images/{name})" in gallery
        assert (ROOT / "docs" / "images" / name).stat().st_size < MOST
