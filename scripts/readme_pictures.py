"""The two films of README's strip of pictures, made with qflock's own commands.

    python scripts/readme_pictures.py --work runs/pictures --out docs/images

Trains MAPPO on the forest (a run that lies in the folder already is used again), has ``qflock watch`` film it
and a policy of the zoo, and makes the forest's film small enough for a page. How the other pictures are made
stands in ``docs/gallery.md``; README's chart is made by ``scripts/peers_chart.py``.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from PIL import Image, ImageSequence

from qflock.machine import children

ROOT = Path(__file__).parents[1]
FOREST = ("mappo", "forest_uav", "--env.observe_coverage", "--total_steps", "500000", "--run_dir", "forest")
FILMS = {
    "gridworld25.gif": ("zoo:gridworld25/qmix", "--episodes", "3"),
    "forest.gif": ("forest", "--fps", "12"),
}
LONG = "forest.gif"
"""The film of which the page shows the beginning, every other step, smaller and with fewer colours."""
STEPS, EVERY, SIDE, COLOURS = 80, 2, 320, 40


def commands(out: Path) -> list[tuple[str, ...]]:
    """What is typed in the folder of the run, the training first.

    Args:
        out: folder of the pictures.
    """
    films = [("watch", run, "-o", str(out / name), *options) for name, (run, *options) in FILMS.items()]
    return [("train", *FOREST), *films]


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


def main(arguments: list[str]) -> int:
    """Train, film, tell where. Returns the exit status."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--work", type=Path, default=Path("runs/pictures"), help="folder of the run")
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images", help="folder of the pictures")
    given = parser.parse_args(arguments)
    given.work.mkdir(parents=True, exist_ok=True)
    trained = (given.work / "forest" / "summary.json").is_file()
    for words in commands(given.out.resolve())[trained:]:
        children.run("qflock", *words, cwd=given.work, check=True)
    shorten(given.out / LONG)
    print("filmed: " + ", ".join(str(given.out / name) for name in FILMS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
