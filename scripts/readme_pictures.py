"""README's strip of pictures, made with qflock's own commands.

    python scripts/readme_pictures.py --work runs/pictures --out docs/images

Trains what the pictures show (some minutes; runs that lie in the folder already are used again): MAPPO on the
forest, and QMIX and VDN on the two-step game. Then draws two films with ``qflock watch`` and the report with
``qflock report``, of which Chromium takes two pictures. README's chart is made by ``scripts/peers_chart.py``.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from PIL import Image

ROOT = Path(__file__).parents[1]
RUNS = {
    "forest": ("mappo", "forest_uav", "--env.observe_coverage", "--total_steps", "500000"),
    "qmix-two_step": ("qmix", "two_step", "--seeds", "10"),
    "vdn-two_step": ("vdn", "two_step", "--seeds", "10"),
}
FILMS = {
    "gridworld25.gif": ("zoo:gridworld25/qmix", "--episodes", "3", "--fps", "8"),
    "forest.gif": ("forest", "--episodes", "1", "--fps", "12"),
}
PARTS = {"strip-report.png": "#scores", "strip-curves.png": "#curves"}
"""Sections of the report, by the picture of each."""
WIDE, HIGH = 620, 620
"""Of the window in which the report is opened, in pixels of its page."""


def commands(work: Path, out: Path) -> dict[str, tuple[str, ...]]:
    """What is typed, by what it makes: the runs that lack, the films, the report.

    Args:
        work: folder of the runs and the report.
        out: folder of the pictures.
    """
    made: dict[str, tuple[str, ...]] = {}
    for name, words in RUNS.items():
        if not (work / name / "summary.json").is_file():
            made[name] = ("train", *words, "--run_dir", str(work / name))
    for name, (run, *options) in FILMS.items():
        path = run if run.startswith("zoo:") else str(work / run)
        made[name] = ("watch", path, "-o", str(out / name), *options)
    pair = [str(work / name) for name in RUNS if name.endswith("two_step")]
    made["report"] = ("report", *pair, "--replays", "0", "-o", str(work / "report.html"))
    return made


def photograph(page: Path, parts: Mapping[str, str], out: Path) -> list[Path]:
    """Pictures of sections of a page.

    Args:
        page: an HTML file.
        parts: selectors of the sections, by the picture's name.
        out: folder of the pictures.

    Returns:
        The files.

    Raises:
        SystemExit: no Chromium on this machine.
    """
    from playwright.sync_api import sync_playwright

    program = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if program is None:
        raise SystemExit("no Chromium on this machine to open the report in")
    with sync_playwright() as running:
        browser = running.chromium.launch(executable_path=program, args=["--no-sandbox"])
        window = browser.new_page(viewport={"width": WIDE, "height": HIGH})
        window.goto(page.resolve().as_uri())
        for name, selector in parts.items():
            section = window.locator(selector)
            section.scroll_into_view_if_needed()
            window.wait_for_timeout(300)
            section.screenshot(path=out / name)
            _square(out / name)
        browser.close()
    return [out / name for name in parts]


def _square(path: Path) -> None:
    """Cut a picture at the bottom, or fill it up there, so that it is as high as wide; few colours."""
    picture = Image.open(path).convert("RGB")
    side = picture.width
    square = Image.new("RGB", (side, side), picture.getpixel((side // 2, picture.height - 2)))
    square.paste(picture.crop((0, 0, side, min(side, picture.height))))
    square.quantize(128).save(path, optimize=True)


def main(arguments: list[str]) -> int:
    """Train, draw, tell where. Returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("runs/pictures"), help="folder of the runs")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images", help="folder of the pictures")
    given = parser.parse_args(arguments)
    for words in commands(given.work, given.out).values():
        subprocess.run([sys.executable, "-m", "qflock", *words], check=True)
    photograph(given.work / "report.html", PARTS, given.out)
    print("drawn: " + ", ".join(str(given.out / name) for name in (*FILMS, *PARTS)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
