"""Add the documentation of this checkout to a site with a folder for each version.

  python docs/publish.py SITE              SITE/0.2.0/, by this checkout's version
  python docs/publish.py SITE --as dev     SITE/dev/, for what no release has yet

SITE is any folder that a host of static files serves. SITE/versions.json lists what is there, for the choice
of versions on every page, also those of older versions; SITE/index.html leads to the newest release.
"""

from __future__ import annotations

import argparse
import json
import re
import shutil
import sys
from pathlib import Path

from packaging.version import InvalidVersion, Version
from sphinx.cmd.build import build_main

from qflock import __version__

DOCS = Path(__file__).parent
REDIRECT = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<meta http-equiv="refresh" content="0; url={there}/">
<title>qflock</title>
<p><a href="{there}/">qflock {there}</a></p>
</html>
"""


def publish(site: Path, name: str, docs: Path = DOCS) -> None:
    """Build one version, put it in the place of what its folder held, and list anew what there is.

    Args:
        site: the folder of all versions.
        name: of the version's folder.
        docs: what is built.

    Raises:
        SystemExit: it does not build, or builds with a warning; the site is as it was.
    """
    site.mkdir(parents=True, exist_ok=True)
    building = site / ".building"
    shutil.rmtree(building, ignore_errors=True)
    try:
        if build_main(["-W", "--keep-going", "-q", "-b", "html", str(docs), str(building)]):
            raise SystemExit(f"{name} does not build; {site} is as it was")
        shutil.rmtree(building / ".doctrees", ignore_errors=True)
        shutil.rmtree(site / name, ignore_errors=True)
        building.rename(site / name)
    finally:
        shutil.rmtree(building, ignore_errors=True)
    listed = versions(site)
    (site / "versions.json").write_text(json.dumps(listed, indent=2) + "\n", encoding="utf-8")
    (site / "index.html").write_text(REDIRECT.format(there=listed["stable"]), encoding="utf-8")
    (site / ".nojekyll").touch()  # hosts that know Jekyll would leave out folders that begin with _


def versions(site: Path) -> dict[str, object]:
    """The versions there are, the newest first and those without a number before them, and which is stable.

    Args:
        site: the folder of all versions.
    """
    names = [path.parent.name for path in site.glob("*/objects.inv")]
    newest = sorted(names, key=lambda name: (number(name) is None, number(name) or Version("0"), name))[::-1]
    released = [name for name in newest if (found := number(name)) and not found.is_prerelease]
    return {"stable": (released or newest)[0], "versions": newest}


def number(name: str) -> Version | None:
    """A folder's name as a version's number; None where it is none."""
    try:
        return Version(name)
    except InvalidVersion:
        return None


def main(arguments: list[str]) -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("site", type=Path, help="the folder of all versions")
    parser.add_argument("--as", dest="name", default=__version__, help=f"by default {__version__}")
    given = parser.parse_args(arguments)
    if not re.fullmatch(r"[A-Za-z0-9][\w.+-]*", given.name):
        parser.error(f"--as {given.name!r} is no name of a folder: letters, digits, then also . _ + -")
    publish(given.site, given.name)


if __name__ == "__main__":
    main(sys.argv[1:])
