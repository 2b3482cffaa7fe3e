"""The live page in a browser, with a training beside it: curves grow, a replay plays, Ctrl-C ends it."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from tests.evidence.chromium import browser, until
from tests.marks import IN_CI

pytestmark = list(IN_CI)
TRAINING = ["train", "pqn_vdn", "--env", "two_step", "--total_steps", "200000000", "--num_envs", "8"]
TRAINING += [
    "--log_interval",
    "2000",
    "--eval_interval",
    "4000",
    "--eval_episodes",
    "4",
    "--save_interval",
    "0",
]
TRAINING += ["--state_interval", "2", "--quiet", "--seeds", "2"]


@contextmanager
def running(*words: str, **how: Any) -> Iterator[subprocess.Popen[str]]:
    """A command of ours, ended with the block."""
    process = subprocess.Popen([sys.executable, "-m", "qflock", *words], text=True, **how)
    try:
        yield process
    finally:
        process.kill()
        process.wait()


def test_a_training_is_seen_while_it_goes_on(tmp_path: Path) -> None:
    folder = tmp_path / "runs <b>"
    with browser() as chromium, running(*TRAINING, "--run_dir", str(folder / "now")) as training:
        until_there(folder / "now" / "evaluation.csv")
        with running(
            "dash", str(folder), "--port", "0", stdout=subprocess.PIPE, stderr=subprocess.PIPE
        ) as dash:
            assert dash.stdout is not None
            assert dash.stderr is not None
            dash.stdout.readline()
            address = dash.stdout.readline().strip()
            assert re.fullmatch(r"http://127\.0\.0\.1:\d+/[\w-]{32}/", address)
            for scheme, width in (("light", 1280), ("dark", 390)):
                watched(chromium, address, scheme, width)
            assert training.poll() is None
            dash.send_signal(signal.SIGINT)
            assert dash.wait(60) == 130
            assert dash.stderr.read() == "qflock: interrupted\n"
            training.send_signal(signal.SIGINT)
            assert training.wait(120) == 130


def watched(chromium: Any, address: str, scheme: str, width: int) -> None:
    window = chromium.new_context(viewport={"width": width, "height": 860}, color_scheme=scheme)
    page = window.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(address)
    end = lambda: float(page.get_attribute(".chart", "data-x1") or 0) if page.query_selector(".chart") else 0
    until(page, lambda: end() > 0, 60)
    first = end()
    until(page, lambda: end() > first, 60)
    assert page.text_content("h1").endswith("runs <b>")
    assert page.text_content(".state") == "training"
    assert "kill -INT" in page.text_content("#chosen")
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    if width < 600:
        page.click("text=replay its newest weights")
        until(page, lambda: page.query_selector("#replay canvas") is not None, 200)
    assert said == []
    window.close()


def until_there(path: Path, seconds: float = 200.0) -> None:
    end = time.monotonic() + seconds
    while not (os.path.isfile(path) and path.stat().st_size > 400):
        assert time.monotonic() < end, f"{path} does not come"
        time.sleep(0.2)
