"""A site of several versions: a folder for each, one list, a first page that leads to the newest release."""

from __future__ import annotations

import functools
import importlib.util
import json
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from tests.evidence.chromium import browser

DOCS = Path(__file__).parents[2] / "docs"
CONF = """
project = "small"
html_theme = "furo"
html_static_path = [{static!r}]
html_js_files = [("versions.js", {{"defer": "defer"}})]
"""


@pytest.fixture(scope="module")
def publish():
    for name in ("sphinx", "furo"):
        pytest.importorskip(name)
    spec = importlib.util.spec_from_file_location("publish", DOCS / "publish.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    """Documentation of two pages."""
    docs = tmp_path_factory.mktemp("docs")
    (docs / "conf.py").write_text(CONF.format(static=str(DOCS / "_static")))
    (docs / "index.rst").write_text("Small\n=====\n\n.. toctree::\n\n   page\n")
    (docs / "page.rst").write_text("Page\n====\n\nText.\n")
    return docs


@pytest.mark.parametrize(
    ("folders", "stable", "order"),
    [
        (["0.9.0", "0.10.0", "0.2.0"], "0.10.0", ["0.10.0", "0.9.0", "0.2.0"]),
        (["0.2.0", "0.3.0rc1", "dev"], "0.2.0", ["dev", "0.3.0rc1", "0.2.0"]),
        (["dev"], "dev", ["dev"]),
    ],
)
def test_the_newest_release_is_stable_and_versions_are_in_their_order(
    publish, tmp_path, folders, stable, order
):
    for name in folders:
        (tmp_path / name).mkdir()
        (tmp_path / name / "objects.inv").touch()
    (tmp_path / "images").mkdir()  # no version
    assert publish.versions(tmp_path) == {"stable": stable, "versions": order}


def test_a_version_goes_into_its_folder_and_one_that_does_not_build_changes_nothing(publish, small, tmp_path):
    site = tmp_path / "site"
    publish.publish(site, "0.2.0", small)
    assert (site / "0.2.0" / "page.html").is_file()
    assert json.loads((site / "versions.json").read_text()) == {"stable": "0.2.0", "versions": ["0.2.0"]}
    assert 'content="0; url=0.2.0/"' in (site / "index.html").read_text()
    assert sorted(path.name for path in site.iterdir()) == [
        ".nojekyll",
        "0.2.0",
        "index.html",
        "versions.json",
    ]

    before = (site / "0.2.0" / "page.html").read_text()
    broken = tmp_path / "broken"
    broken.mkdir()
    for file in small.glob("*.*"):
        (broken / file.name).write_text(file.read_text())
    (broken / "page.rst").write_text("Page\n====\n\n:doc:`nowhere`\n")
    with pytest.raises(SystemExit, match=r"0\.2\.0 does not build"):
        publish.publish(site, "0.2.0", broken)
    assert (site / "0.2.0" / "page.html").read_text() == before
    assert not (site / ".building").exists()


@pytest.mark.parametrize("name", ["../up", "/tmp/x", "", ".hidden", "a b", "a/b"])
def test_a_version_is_named_like_a_folder(publish, tmp_path, name, capsys):
    with pytest.raises(SystemExit) as ended:
        publish.main([str(tmp_path / "site"), f"--as={name}"])
    assert ended.value.code == 2
    assert "is no name of a folder" in capsys.readouterr().err
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
@pytest.mark.ci_slow
def test_a_page_leads_to_the_same_page_of_another_version(publish, small, tmp_path):
    for version in ("0.1.0", "0.2.0", "dev"):
        publish.publish(tmp_path, version, small)
    (tmp_path / "dev" / "page.html").unlink()
    quiet = type("Quiet", (SimpleHTTPRequestHandler,), {"log_message": lambda *_: None})
    server = ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(quiet, directory=str(tmp_path)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    at = f"http://127.0.0.1:{server.server_port}"
    try:
        with browser() as chromium:
            page = chromium.new_page()
            page.goto(f"{at}/")
            page.wait_for_url(f"{at}/0.2.0/")
            choice = page.locator(".versions select")
            assert choice.locator("option").all_inner_texts() == ["dev", "0.2.0 (stable)", "0.1.0"]
            assert page.locator(".version-note").count() == 0
            page.goto(f"{at}/0.2.0/page.html")
            choice.select_option("0.1.0")
            page.wait_for_url(f"{at}/0.1.0/page.html")
            page.locator(".version-note button").click()
            page.wait_for_url(f"{at}/0.2.0/page.html")
            choice.select_option("dev")
            page.wait_for_url(f"{at}/dev/")
    finally:
        server.shutdown()
        server.server_close()
