"""The documentation site builds without a warning, and its tables come from the code and from results/."""

import html
import json
import re
import subprocess
import sys
from pathlib import Path
from urllib.parse import unquote

import pytest

from qflock.evidence import results_page
from tests.marks import IN_CI

pytestmark = list(IN_CI)  # half a minute to build the site
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    for name in ("sphinx", "myst_nb", "furo", "latex2mathml"):
        pytest.importorskip(name)
    out = tmp_path_factory.mktemp("site")
    command = [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", "docs", str(out)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return out


def test_every_page_is_there(site):
    for page in [*(ROOT / "docs").rglob("*.md"), *(ROOT / "docs").rglob("*.ipynb")]:
        assert (site / page.relative_to(ROOT / "docs").with_suffix(".html")).is_file()


def test_results_on_the_pages_are_those_of_the_files(site):
    result = json.loads((ROOT / "results" / "qmix-gridworld25.json").read_text())
    for page in ("algorithms/qmix.html", "environments/gridworld25.html"):
        assert f"{result['score']:.3f}" in (site / page).read_text()


def test_the_site_has_the_page_of_all_results_and_the_files_that_it_links(site):
    page = site / "results" / "index.html"
    assert page.read_text() == results_page.page(page, site / "results", site / "benchmarks" / "results")
    for place in ("results", "benchmarks/results"):
        kept = {file.relative_to(ROOT): file.read_text() for file in (ROOT / place).rglob("*.json")}
        assert kept == {file.relative_to(site): file.read_text() for file in (site / place).rglob("*.json")}
    links = re.findall(r'href="([^"]+\.json)"', page.read_text())
    assert len(links) > 100
    assert [link for link in links if not (page.parent / unquote(link)).is_file()] == []
    assert 'src="results/index.html"' in (site / "results.html").read_text()


def test_settings_on_the_pages_are_those_of_the_code(site):
    from qflock.algorithms.qmix import Config

    text = (site / "algorithms" / "qmix.html").read_text()
    assert "--td_lambda" in text
    assert str(Config().buffer_capacity) in text
    assert "Width of the mixing layer." in text


def test_the_start_page_plays_a_replay(site):
    page = (site / "index.html").read_text()
    frame = re.search(r'<iframe class="replay" src="(.*?)#embed"[^>]* sandbox="allow-scripts">', page)
    replay = (site / frame[1]).read_text()
    assert "<title>qmix on gridworld25: replay" in replay
    assert len(json.loads(re.search(r'id="data">(.*?)</script>', replay)[1])["episodes"]) == 3


def test_the_api_reference_shows_types(site):
    page = html.unescape(re.sub("<[^>]*>", "", (site / "api.html").read_text()))
    for shown in ("total_steps: int", "episodes: int = 1", "→ Replay", "Float[Array, '"):
        assert shown in page
    for noise in ("jaxlib.", "Alias for field number"):
        assert noise not in page


def test_notebooks_are_shown_with_their_outputs(site):
    page = (site / "notebooks" / "first_policy.html").read_text()
    for shown in ("<iframe srcdoc=", "data:image/png;base64,", "final evaluation", "<progress "):
        assert shown in page


def test_pages_need_no_network(site):
    """Formulas are drawn by the browser; no script or style comes from elsewhere."""
    loads = re.compile(r"<(?:script|link|img|iframe)\b[^>]*?(?:src|href)=\"(https?:)?//", re.IGNORECASE)
    pages = list(site.rglob("*.html"))
    assert [page.name for page in pages if loads.search(page.read_text())] == []
    assert (site / "algorithms" / "qmix.html").read_text().count("<math") >= 5
