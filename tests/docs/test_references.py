"""Pages of algorithms name their papers with links, and tables of what there is leave nothing out."""

import re
from pathlib import Path

import pytest

from qflock.settings import registry

DOCS = Path(__file__).parents[2] / "docs"
PAPER = re.compile(
    r"\]\(https://(?:arxiv\.org/abs/(?:[a-z-]+/\d{7}|\d{4}\.\d{4,5})|doi\.org/10\.\d{4,9}/\S+)\)"
)
TOCTREE = re.compile(r"```\{toctree\}\n(?::[^\n]*\n)*\n([^`]*)```")
ALGORITHMS = sorted(page for page in (DOCS / "algorithms").glob("*.md") if page.stem != "index")


def page_of(name: str) -> Path:
    """The page of an algorithm; the three of the PQN family share one."""
    own = DOCS / "algorithms" / f"{name}.md"
    return own if own.exists() else DOCS / "algorithms" / f"{name.partition('_')[0]}.md"


def entries(tree: str) -> list[str]:
    """The pages that a toctree names, with or without a title of its own: ``page``, ``Title <page>``."""
    return [re.sub(r".*<(.*)>", r"\1", line.strip()) for line in tree.splitlines() if line.strip()]


@pytest.mark.parametrize("page", ALGORITHMS, ids=lambda page: page.stem)
def test_a_page_of_an_algorithm_links_to_its_paper(page):
    assert PAPER.search(page.read_text(encoding="utf-8"))


@pytest.mark.parametrize("name", registry.names("algorithms"))
def test_every_algorithm_stands_in_the_table_with_its_page_and_a_paper(name):
    table = (DOCS / "algorithms" / "index.md").read_text(encoding="utf-8")
    row = next(line for line in table.splitlines() if line.startswith("|") and f"`{name}`" in line)
    assert f"({page_of(name).name})" in row
    assert PAPER.search(row)


@pytest.mark.parametrize("kind", ["algorithms", "environments", "notebooks"])
def test_an_index_lists_every_page_of_its_folder(kind):
    index = (DOCS / kind / "index.md").read_text(encoding="utf-8")
    listed = entries(TOCTREE.search(index)[1])
    pages = {page.stem for page in (DOCS / kind).iterdir() if page.suffix in (".md", ".ipynb")} - {"index"}
    assert pages == {name for name in listed if "/" not in name}


def test_every_page_is_in_the_navigation():
    listed = set()
    for page in DOCS.rglob("*.md"):
        for tree in TOCTREE.findall(page.read_text(encoding="utf-8")):
            listed |= {(page.parent / name).resolve().relative_to(DOCS) for name in entries(tree)}
    pages = {page.relative_to(DOCS).with_suffix("") for page in DOCS.rglob("*.md")}
    assert pages - {Path("index")} <= listed
