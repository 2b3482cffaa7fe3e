"""Agents are told apart by their colours, however many there are."""

from __future__ import annotations

import itertools
import shutil
import subprocess
from pathlib import Path

import numpy as np
import pytest

import qflock.evidence.pages
from qflock.environments._canvas import agent_colour


def rgb(colour: str) -> np.ndarray:
    return np.array([int(colour[i : i + 2], 16) for i in (1, 3, 5)], float)


def test_no_two_of_fifty_agents_have_one_colour_and_none_is_red() -> None:
    colours = [agent_colour(agent) for agent in range(50)]
    assert len(set(colours)) == 50
    first = [rgb(colour) for colour in colours[:12]]
    assert min(np.linalg.norm(a - b) for a, b in itertools.combinations(first, 2)) > 25
    for red, green, blue in map(rgb, colours):
        assert not (red > 1.8 * green and red > 1.8 * blue)


@pytest.mark.skipif(shutil.which("node") is None, reason="no node is installed")
def test_the_replay_paints_them_alike() -> None:
    script = (Path(qflock.evidence.pages.__file__).parent / "page.js").read_text()
    function = script[script.index("function agentColour") :].split("\n}\n")[0] + "\n}"
    done = subprocess.run(
        ["node", "-e", f"{function}; console.log([4, 5, 9].map(agentColour).join(';'))"],
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    for told, agent in zip(done.stdout.strip().split(";"), (4, 5, 9), strict=True):
        from PIL.ImageColor import getrgb

        assert np.abs(np.array(getrgb(told.replace(" ", ","))) - rgb(agent_colour(agent))).max() <= 2
