"""The live page: who may see it, what it says of runs of all sorts, and that it writes nothing."""

from __future__ import annotations

import asyncio
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

pytest.importorskip("starlette")
pytest.importorskip("uvicorn")

from qflock.commands import main
from qflock.core.errors import UserError
from qflock.evidence.dash import board as boards
from qflock.evidence.dash import charts, maker, server
from qflock.evidence.dash.board import Board
from qflock.runs import overview
from tests.evidence.conftest import MakeRun

TOKEN = "the-token"
HOSTILE = "<img src=x onerror=alert(1)>\x1b[2J"
Answer = tuple[int, dict[str, str], str]


def ask(
    board: Board,
    path: str,
    *,
    method: str = "GET",
    host: str | None = "127.0.0.1:8421",
    bound: str = "127.0.0.1",
) -> Answer:
    """One request to the application, without a network."""
    path, _, query = path.partition("?")
    headers = [] if host is None else [(b"host", host.encode())]
    scope = {"type": "http", "method": method, "path": path, "raw_path": path.encode(), "headers": headers}
    scope |= {"query_string": query.encode(), "http_version": "1.1", "root_path": "", "scheme": "http"}
    sent: list[dict[str, Any]] = []

    async def receive() -> dict[str, Any]:
        return {"type": "http.request", "body": b"", "more_body": False}

    async def send(message: dict[str, Any]) -> None:
        sent.append(message)

    asyncio.run(server.application(board, TOKEN, bound)(scope, receive, send))
    found = {name.decode(): value.decode() for name, value in sent[0]["headers"]}
    return sent[0]["status"], found, b"".join(part.get("body", b"") for part in sent[1:]).decode()


def table(board: Board) -> dict[str, dict[str, Any]]:
    status, _, body = ask(board, f"/{TOKEN}/runs")
    assert status == 200, body
    return {run["name"]: run for run in json.loads(body)["data"]["runs"]}


def drawn(board: Board, *names: str, metric: str = "return") -> dict[str, Any]:
    rows = table(board)
    query = "&".join(f"run={rows[name]['key']}" for name in names)
    status, _, body = ask(board, f"/{TOKEN}/curves?{query}&metric={quote(metric)}")
    assert status == 200, body
    return json.loads(body)["data"]


@contextmanager
def held(run: Path) -> Iterator[None]:
    """The lock of a run, as a process that trains it has it."""
    (run / ".lock").write_text("12345\n")
    with (run / ".lock").open("r+") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def train_on(run: Path) -> None:
    """Make a finished run one that is half way."""
    (run / "summary.json").unlink()
    lines = (run / "evaluation.csv").read_text().splitlines()
    (run / "evaluation.csv").write_text("\n".join(lines[:4]) + "\n")
    (run / "training_log.csv").write_text("seed,env_step,episode_return\n0,500,4.0\n1,500,5.0\n")


@pytest.fixture
def pair(make_run: MakeRun, tmp_path: Path) -> Board:
    """A finished run, and one deeper that is half way."""
    make_run("done", {0: 8.0, 1: 9.0}, summary={"over_seeds": {"discounted_mean": 8.5}})
    train_on(make_run("cells/half", {0: 8.0, 1: 9.0}))
    return Board(tmp_path)


def test_only_the_token_opens_and_only_for_reading(pair: Board) -> None:
    assert ask(pair, f"/{TOKEN}/")[0] == 200
    for path in ("/", "/runs", "/favicon.ico", f"/{TOKEN}x/", f"/{TOKEN[:-1]}/", "/%00/"):
        status, _, body = ask(pair, path)
        assert (status, "done" in body) == (403, False), path
    for method in ("POST", "HEAD", "PUT", "DELETE", "OPTIONS"):
        assert ask(pair, f"/{TOKEN}/runs", method=method)[0] == 405
    assert ask(pair, f"/{TOKEN}")[:2][0] == 307


@pytest.mark.parametrize(
    "path", ["/../../etc/passwd", "/runs/../../x", "/%2e%2e/x", "//etc/passwd", "/static/x"]
)
def test_there_is_nothing_beside_the_page(path: str, pair: Board) -> None:
    assert ask(pair, f"/{TOKEN}{path}")[0] == 404


def test_a_path_or_an_unknown_key_is_no_run(pair: Board) -> None:
    for key in ("../cells/half", "cells/half", "", "0" * 20):
        for what in ("curves", "replay", "report"):
            status, _, body = ask(pair, f"/{TOKEN}/{what}?run={quote(key)}")
            assert (status, body) == (
                404,
                "there is no such run in the folder (any more); load the page anew",
            )


def test_a_name_of_others_is_refused(pair: Board) -> None:
    for host in (
        "evil.example",
        "evil.example:8421",
        "127.0.0.1.evil.example",
        "localhost@evil.example",
        "",
        "[::1",
    ):
        assert ask(pair, f"/{TOKEN}/", host=host)[0] == 421, host
    assert ask(pair, f"/{TOKEN}/", host=None)[0] == 421
    assert ask(pair, f"/{TOKEN}/", host="192.168.1.7:8421")[0] == 421
    for host in ("localhost:9000", "127.0.0.1", "[::1]:8421", "LOCALHOST:8421"):
        assert ask(pair, f"/{TOKEN}/", host=host)[0] == 200, host
    assert ask(pair, f"/{TOKEN}/", host="192.168.1.7:8421", bound="0.0.0.0")[0] == 200
    assert ask(pair, f"/{TOKEN}/", host="box.example:8421", bound="box.example")[0] == 200
    assert ask(pair, f"/{TOKEN}/", host="evil.example:8421", bound="0.0.0.0")[0] == 421


def test_every_answer_is_closed_to_other_pages(pair: Board) -> None:
    for path in (f"/{TOKEN}/", f"/{TOKEN}/runs", "/", f"/{TOKEN}/nothing"):
        _, headers, _ = ask(pair, path)
        policy = headers["content-security-policy"]
        assert policy.startswith("default-src 'none'"), path
        assert "frame-ancestors 'none'" in policy
        assert "unsafe" not in policy
        assert headers["referrer-policy"] == "no-referrer"
        assert headers["x-content-type-options"] == "nosniff"
        assert headers["cache-control"] == "no-store"
    assert "script-src 'sha256-" in ask(pair, f"/{TOKEN}/")[1]["content-security-policy"]


def test_the_table_says_how_far_each_run_is(pair: Board) -> None:
    with held(pair.folder / "cells" / "half"):
        rows = table(pair)
    assert list(rows) == ["cells/half", "done"]
    done, half = rows["done"], rows["cells/half"]
    assert (done["state"], done["score"], done["final"]) == ("finished", 8.5, True)
    assert (done["random"], done["best"]) == (2.0, {"name": "oracle", "score": 10.0})
    assert "85.0 %" in done["verdict"]
    assert (half["state"], half["steps"], half["total"], half["final"]) == ("training", 500, 1000, False)
    assert [line["command"] for line in half["commands"]][:2] == [
        "kill -INT 12345",
        f"qflock resume {pair.folder}/cells/half",
    ]
    assert done["commands"][0]["command"] == f"qflock resume {pair.folder}/done --total_steps 2000"


def test_curves_are_means_with_the_range_of_seeds_and_the_references_of_the_task(pair: Board) -> None:
    found = drawn(pair, "done", "cells/half")
    (chart,) = found["charts"]
    done, half = chart["data"]["series"]
    assert done["x"] == [0, 250, 500, 750, 1000]
    assert (done["y"][-1], done["low"][-1], done["high"][-1]) == (8.5, 8.0, 9.0)
    assert half["x"] == [0]  # the second seed has one evaluation so far
    assert {line["name"]: line["value"] for line in chart["data"]["lines"]} == {"oracle": 10.0, "random": 2.0}
    trained = drawn(pair, "cells/half", metric="trained:episode_return")["charts"][0]["data"]["series"]
    assert (trained[0]["x"], trained[0]["y"]) == ([500], [4.5])
    assert "trained:episode_return" in [one["name"] for one in found["metrics"]]


def test_tasks_that_differ_have_charts_of_their_own(make_run: MakeRun, tmp_path: Path) -> None:
    for size in (5, 6):
        make_run(f"size{size}", {0: 1.0}, environment={"grid_size": size})
    titles = [chart["title"] for chart in drawn(Board(tmp_path), "size5", "size6")["charts"]]
    assert titles == ["gridworld25 grid_size=5", "gridworld25 grid_size=6"]


def test_a_curve_grows_when_its_log_does_and_nothing_comes_twice(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("now", {0: 8.0})
    train_on(run)
    now = [0.0]
    board = Board(tmp_path, clock=lambda: now[0])
    before = drawn(board, "now")["charts"][0]["data"]["series"][0]["x"]
    text = ask(board, f"/{TOKEN}/runs")[2]
    version = json.loads(text)["version"]
    assert ask(board, f"/{TOKEN}/runs?have={version}")[::2] == (204, "")
    last = (run / "evaluation.csv").read_text().splitlines()[-1]
    with (run / "evaluation.csv").open("a") as log:
        log.write(last.replace(",500,", ",750,", 1) + "\n0,9")  # and a row that is being written
    assert (
        drawn(board, "now")["charts"][0]["data"]["series"][0]["x"] == before
    )  # it is not looked at so often
    now[0] += boards.OFTEN + 1
    assert drawn(board, "now")["charts"][0]["data"]["series"][0]["x"] == [*before, 750]


def test_looking_that_is_dear_is_seldom(pair: Board, monkeypatch: pytest.MonkeyPatch) -> None:
    now, looks = [0.0], []
    board = Board(pair.folder, clock=lambda: now[0])

    def slow(*_: Any) -> Any:
        looks.append(now[0])
        now[0] += 1.0
        return [], True

    monkeypatch.setattr(overview, "run_folders", slow)
    for _ in range(100):
        board.runs()
        now[0] += 4.0
    assert len(looks) <= 1 + 500 * boards.SHARE


def test_hostile_runs_are_text_and_hide_no_other(make_run: MakeRun, tmp_path: Path) -> None:
    outside = tmp_path / "outside.csv"
    outside.write_text("seed,env_step,secret\n0,1,777\n")
    root = tmp_path / "runs"
    root.mkdir()
    make = lambda name, **more: make_run(f"runs/{name}", {0: 1.0}, **more)
    make(
        HOSTILE,
        algorithm=HOSTILE,
        environment={"name": HOSTILE},
        references={HOSTILE: {"discounted_mean": 1.0}},
    )
    make("good")
    (make("linked") / "evaluation.csv").unlink()
    (root / "linked" / "evaluation.csv").symlink_to(outside)
    (make("pipe") / "evaluation.csv").unlink()
    os.mkfifo(root / "pipe" / "evaluation.csv")
    os.mkfifo(make("piped_lock") / ".lock")
    (make("broken") / "evaluation.csv").write_bytes(b"\xff\x00,\n1")
    (make("nothing") / "configs" / "hparams.json").write_text("{" * 100_000)
    make("strange", summary={"references": [1], "over_seeds": 7, "env_steps": None})
    make("infinite", summary={"over_seeds": {"discounted_mean": float("nan")}, "env_steps": 1e999})
    make("huge", seeds=10**400)
    (root / "away").symlink_to(tmp_path.parent)
    board = Board(root)
    rows = table(board)
    assert len(rows) == 10
    assert rows["good"]["state"] == "finished"
    assert "leads out" in rows["linked"]["problem"]
    assert "it is no file" in rows["pipe"]["problem"]
    for name in ("nothing", "strange"):
        assert rows[name]["state"] == "damaged", name
    for name in rows:
        found = drawn(board, name)
        assert "777" not in json.dumps(found)
    name = next(name for name in rows if name.startswith("<img"))
    assert "\x1b" not in json.dumps(rows[name], ensure_ascii=False)
    assert "<img" not in ask(board, f"/{TOKEN}/")[2]


def test_a_log_that_is_too_large_is_said(
    make_run: MakeRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("qflock.evidence.dash.logs.MOST_BYTES", 50)
    make_run("one", {0: 1.0})
    assert "more than 50 bytes" in table(Board(tmp_path))["one"]["problem"]


def test_a_folder_that_is_gone_is_said(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("runs/one", {0: 1.0})
    board = Board(tmp_path / "runs")
    (tmp_path / "runs").rename(tmp_path / "moved")
    status, _, body = ask(board, f"/{TOKEN}/runs")
    assert (status, body.startswith("no folder")) == (404, True)


def test_a_report_of_two_runs_is_a_page_and_nothing_is_written(make_run: MakeRun, tmp_path: Path) -> None:
    make_run("one", {0: 1.0, 1: 2.0})
    make_run("two", {0: 2.0, 1: 3.0}, algorithm="vdn")
    train_on(make_run("half", {0: 1.0}))
    board = Board(tmp_path)
    before = {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")}
    rows = table(board)
    status, headers, body = ask(board, f"/{TOKEN}/report?run={rows['one']['key']}&run={rows['two']['key']}")
    assert status == 200, body
    assert "qmix and vdn on gridworld25" in body
    assert headers["content-security-policy"].endswith("frame-ancestors 'none'")
    status, _, body = ask(board, f"/{TOKEN}/report?run={rows['half']['key']}")
    assert (status, "not finished" in body) == (404, True)
    assert {path: path.lstat().st_mtime_ns for path in tmp_path.rglob("*")} == before


def test_a_process_that_fails_or_takes_too_long_is_said(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(maker, "LIMIT", 0.01)
    with pytest.raises(UserError, match="seconds"):
        asyncio.run(maker.make("report", [tmp_path]))


def test_the_command_says_what_is_wrong(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    def said(*argv: str) -> str:
        assert main(["dash", *argv]) == 2
        err = capsys.readouterr().err
        assert err.count("\n") == 1
        return err

    assert "no folder" in said(str(tmp_path / "nowhere"))
    assert "port is 70000" in said(str(tmp_path), "--port", "70000")
    assert "no address of this machine" in said(str(tmp_path), "--host", "no.such.host.invalid")
    with socket.create_server(("127.0.0.1", 0)) as other:
        taken = str(other.getsockname()[1])
        assert f"port {taken} of 127.0.0.1 is taken" in said(str(tmp_path), "--port", taken)


def test_a_library_that_is_missing_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(__import__("sys").modules, "qflock.evidence.dash.server", None)
    monkeypatch.delattr("qflock.evidence.dash.server", raising=False)
    assert main(["dash", str(tmp_path)]) == 2
    assert "pip install 'qflock[dash]'" in capsys.readouterr().err


def test_a_chart_has_no_more_curves_than_there_are_colours(make_run: MakeRun, tmp_path: Path) -> None:
    for at in range(charts.MOST_CURVES + 1):
        make_run(f"run{at}", {0: 1.0})
    (chart,) = drawn(Board(tmp_path), *(f"run{at}" for at in range(charts.MOST_CURVES + 1)))["charts"]
    assert len(chart["data"]["series"]) == charts.MOST_CURVES
