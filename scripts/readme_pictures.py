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

from PIL import Image, ImageSequence

ROOT = Path(__file__).parents[1]
FOREST = ("mappo", "forest_uav", "--env.observe_coverage", "--total_steps", "500000", "--run_dir", "forest")
GAMES = ROOT / "experiments" / "small_games.yaml"
PAIR = "runs/small_games/cells/*-two_step"
FILMS = {
    "gridworld25.gif": ("zoo:gridworld25/qmix", "--episodes", "3", "--fps", "8"),
    "forest.gif": ("forest", "--episodes", "1", "--fps", "12"),
}
PARTS = {"strip-report.png": "#scores", "strip-curves.png": "#curves"}
"""Sections of the report, by the picture of each."""
LONG = "forest.gif"
"""The film of which the page shows the beginning, every other step, smaller and with fewer colours."""
STEPS, EVERY, SIDE, COLOURS = 80, 2, 320, 40
WIDE, HIGH = 620, 620
"""Of the window in which the report is opened, in pixels of its page."""


def commands(out: Path) -> list[tuple[str, ...]]:
    """What is typed in the folder of the runs; of what was trained before, nothing is trained again.

    Args:
        out: folder of the pictures.
    """
    films = [("watch", run, "-o", str(out / name), *options) for name, (run, *options) in FILMS.items()]
    report = ("report", PAIR, "--replays", "0", "-o", "report.html")
    return [("train", *FOREST), ("experiment", str(GAMES)), *films, report]


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


def shorten(film: Path) -> None:
    """Make a film small enough for a page, in its place.

    Args:
        film: a GIF.
    """
    with Image.open(film) as whole:
        steps = zip(range(STEPS), ImageSequence.Iterator(whole), strict=False)
        frames = [frame.convert("RGB") for at, frame in steps if at % EVERY == 0]
        lasts = EVERY * whole.info["duration"]
    high = round(frames[0].height * SIDE / frames[0].width)
    frames = [frame.resize((SIDE, high), Image.Resampling.BOX) for frame in frames]
    palette = frames[len(frames) // 2].quantize(COLOURS)
    first, *others = [frame.quantize(palette=palette, dither=Image.Dither.NONE) for frame in frames]
    first.save(film, save_all=True, append_images=others, duration=lasts, loop=0, optimize=True)


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
    given.work.mkdir(parents=True, exist_ok=True)
    trained = (given.work / "forest" / "summary.json").is_file()
    for words in commands(given.out.resolve())[trained:]:
        subprocess.run([sys.executable, "-m", "qflock", *words], cwd=given.work, check=True)
    shorten(given.out / LONG)
    photograph(given.work / "report.html", PARTS, given.out)
    print("drawn: " + ", ".join(str(given.out / name) for name in (*FILMS, *PARTS)))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
