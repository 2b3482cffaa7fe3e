"""The server of the live page: one page, three sorts of data, and reports."""

from __future__ import annotations

import errno
import hashlib
import json
import secrets
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any, Protocol

import anyio
import uvicorn
from starlette.applications import Starlette
from starlette.concurrency import run_in_threadpool
from starlette.requests import Request
from starlette.responses import HTMLResponse, PlainTextResponse, Response
from starlette.routing import Route

from qflock.core.errors import UserError, in_short
from qflock.core.printing import notice, printable
from qflock.evidence import pages
from qflock.evidence.dash import charts, maker
from qflock.evidence.dash.board import Board
from qflock.evidence.dash.door import Door
from qflock.evidence.dash.logs import RETURN

POLL_SECONDS = 2.0
LEAVE_SECONDS = 2
"""What open answers get when the server ends."""
MOST_AT_ONCE = 64
"""Connections."""


class Ready(Protocol):
    """Called with the address, token included, once the server can be reached."""

    def __call__(self, address: str, /) -> None: ...


def serve(folder: Path, host: str, port: int, ready: Ready) -> None:
    """Serve until the process is interrupted.

    Args:
        folder: where the runs are.
        host: address or name to listen on.
        port: likewise; 0 for any that is free.
        ready: hears the address.

    Raises:
        UserError: the folder is not there, or the port cannot be had.
    """
    board = Board(folder)
    board.runs()
    listening = _bound(host, port)
    token = secrets.token_urlsafe(24)
    address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}/{token}/"
    config = uvicorn.Config(
        application(board, token, host), http="h11", ws="none", lifespan="off", interface="asgi3",
        log_config=None, log_level="critical", access_log=False, server_header=False, proxy_headers=False,
        timeout_graceful_shutdown=LEAVE_SECONDS, limit_concurrency=MOST_AT_ONCE,
    )  # fmt: skip
    with listening:
        ready(address)
        uvicorn.Server(config).run(sockets=[listening])


def _bound(host: str, port: int) -> socket.socket:
    """A socket that listens."""
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)
        return socket.create_server(found[0][4][:2], family=found[0][0])
    except (socket.gaierror, UnicodeError) as problem:
        raise UserError(f"host is {host!r}, which is no address of this machine") from problem
    except OSError as problem:
        if problem.errno == errno.EADDRINUSE:
            raise UserError(
                f"port {port} of {host} is taken; name another with --port, or --port 0 for one that is free"
            ) from problem
        why = problem.strerror or problem
        raise UserError(
            f"cannot listen on port {port} of {host}: {why}; name others with --host, --port"
        ) from problem


def application(board: Board, token: str, host: str) -> Door:
    """The page as an ASGI application.

    Args:
        board: the runs.
        token: that every path begins with.
        host: that the server is started by.
    """
    place = Pages(board)
    routes = {"/": place.page, "/runs": place.runs, "/curves": place.curves, "/replay": place.replay}
    routes["/report"] = place.report
    return Door(
        Starlette(routes=[Route(path, _kept(answer)) for path, answer in routes.items()]), token, host
    )


class Pages:
    """The answers."""

    def __init__(self, board: Board) -> None:
        self._board = board
        self._making = anyio.Semaphore(1)

    async def page(self, request: Request) -> Response:
        """The page itself; all that is on it comes as data."""
        folder = printable(str(self._board.folder))
        text = pages.assemble(
            "dash.html",
            title=f"{folder}: qflock",
            data={"folder": folder, "seconds": POLL_SECONDS, "most": charts.MOST_CURVES},
            styles=["page.css", "replay.css", "report.css", "dash.css"],
            scripts=[
                "page.js",
                "timeline.js",
                "replay.js",
                "chart.js",
                "commands.js",
                "dash_table.js",
                "dash.js",
            ],
            connect=True,
        )
        return _html(text)

    async def runs(self, request: Request) -> Response:
        """The table."""
        return _data(await run_in_threadpool(self._board.as_json), request)

    async def curves(self, request: Request) -> Response:
        """The charts of some runs: ``?run=KEY&run=KEY&metric=NAME``."""
        keys, metric = request.query_params.getlist("run"), request.query_params.get("metric", RETURN)

        def drawn() -> dict[str, Any]:
            return charts.charts(self._board.find(keys), metric, self._board.runs())

        return _data(await run_in_threadpool(drawn), request)

    async def replay(self, request: Request) -> Response:
        """An episode of the newest weights of a run, as the player shows it."""
        return _data(await self._make("replay", request), request)

    async def report(self, request: Request) -> Response:
        """The report on some runs, a page of its own."""
        return _html((await self._make("report", request))["page"])

    async def _make(self, kind: maker.Kind, request: Request) -> dict[str, Any]:
        keys = request.query_params.getlist("run")[: charts.MOST_CURVES]
        found = await run_in_threadpool(self._board.find, keys)
        if not found:
            raise UserError(f"a {kind} needs a run")
        async with self._making:
            return await maker.make(kind, [run.overview.path for run in found])


def _kept(answer: Callable[[Request], Awaitable[Response]]) -> Callable[[Request], Awaitable[Response]]:
    """An answer that says in a line what went wrong, whatever it was."""

    async def kept(request: Request) -> Response:
        try:
            return await answer(request)
        except UserError as problem:
            return PlainTextResponse(printable(str(problem)), 404)
        except Exception as problem:
            what = f"{type(problem).__name__}: {in_short(str(problem))}"
            notice(f"internal error of the page: {what}; please report it")
            return PlainTextResponse(f"internal error: {printable(what)}", 500)

    return kept


def _data(value: Any, request: Request) -> Response:
    """A JSON object with its version; nothing where the page has that version already."""
    text = json.dumps(pages.shown(value), separators=(",", ":"), allow_nan=False)
    version = hashlib.sha256(text.encode()).hexdigest()[:16]
    if request.query_params.get("have") == version:
        return Response(status_code=204)
    return Response(f'{{"version":"{version}","data":{text}}}', media_type="application/json")


def _html(text: str) -> Response:
    """A page, whose own policy stands in its header too."""
    return HTMLResponse(
        text, headers={"Content-Security-Policy": f"{pages.policy(text)}; frame-ancestors 'none'"}
    )
