"""A headless Chromium for tests of pages; they are skipped where there is none."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")


@contextmanager
def browser() -> Iterator[Any]:
    """The browser, through playwright."""
    driver = pytest.importorskip("playwright.sync_api")
    program = next((found for name in NAMES if (found := shutil.which(name))), None)
    if program is None:
        pytest.skip("no Chromium on this machine to open the page in")
    with driver.sync_playwright() as running:
        opened = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        yield opened
        opened.close()


@contextmanager
def opened(chromium: Any, path: Path, **context: Any) -> Iterator[Any]:
    """A page in a window of its own; fails where the console has an error or a network is asked for."""
    window = chromium.new_context(**{"viewport": {"width": 1366, "height": 860}, **context})
    page = window.new_page()
    said: list[str] = []
    page.on("console", lambda message: said.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: said.append(str(error)))
    asked: list[str] = []
    page.on("request", lambda request: asked.append(request.url))
    page.goto(path.as_uri())
    yield page
    window.close()
    assert said == []
    assert [url for url in asked if not url.startswith(("file:", "data:"))] == []


def until(page: Any, true: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something is true of a page; its content security policy lets no condition run in it."""
    for _ in range(int(seconds * 50)):
        if true():
            return
        page.wait_for_timeout(20)
    raise AssertionError("it did not become true")
