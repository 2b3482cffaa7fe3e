"""Names, files and errors of others are shown and steer nothing: no terminal, no page, no line of ours."""

from __future__ import annotations

import ast
import io
import json
import re
import warnings
from pathlib import Path

import pytest
import yaml
from rich.table import Table
from rich.text import Text

from qflock.core import printing
from qflock.core.console import Console
from qflock.core.errors import Notice
from qflock.settings import file

SOURCE = Path(__file__).parents[2] / "src" / "qflock"
STEERING = [
    *map(chr, [*range(9), *range(11, 32), *range(127, 160)]),
    *"\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069\u2028\u2029\u061c\u200e\u200f",
    "\udcff",
]
HARMLESS = "a\tb\n läufe 訓練 השם ∂Q/∂x 🐦 \u00a0"
HOSTILE = "\x1b]0;owned\x07\x1b[2Jname\x9b31m\r\u202egnp.exe\u2028x\udc80"

RICHS_OWN = re.compile(r"\x1b\[[0-9;]*m")
"""Colours."""


@pytest.mark.parametrize("character", STEERING, ids=lambda c: f"U+{ord(c):04X}")
def test_each_character_that_steers_is_written_out(character: str) -> None:
    shown = printing.printable(f"a{character}b")
    assert shown == f"a\\u{ord(character):04x}b"
    assert printing.printable(shown) == shown


def test_all_else_stays() -> None:
    assert printing.printable(HARMLESS) == HARMLESS


def test_what_a_program_reads_still_means_the_same() -> None:
    told = {"name": "\x7f" + HOSTILE[:-1]}
    assert json.loads(printing.printable(json.dumps(told))) == told
    assert yaml.safe_load(printing.printable(file.write(told))) == told


def steers(text: str) -> list[str]:
    return printing.STEERING.findall(text)


def test_lines_notices_and_warnings(capsys: pytest.CaptureFixture[str]) -> None:
    printing.say(f"wrote {HOSTILE}")
    printing.notice(f"{HOSTILE}\nsecond line")
    printing.show_warning(HOSTILE, UserWarning, f"{HOSTILE}.py", 3)
    with warnings.catch_warnings():
        warnings.showwarning = printing.show_warning
        warnings.simplefilter("always")
        warnings.warn(HOSTILE, Notice, stacklevel=1)
    out, err = capsys.readouterr()
    assert steers(out + err) == []
    assert r"wrote \u001b]0;owned\u0007" in out
    assert err.splitlines()[0].startswith("qflock: ")
    assert err.splitlines()[0].endswith("second line")


@pytest.mark.parametrize("colours", [False, True])
@pytest.mark.parametrize("width", [20, 80])
def test_a_console_shows_them_in_text_tables_and_markup(colours: bool, width: int) -> None:
    def shown(name: str) -> str:
        stream = io.StringIO()
        console = Console(file=stream, width=width, color_system="truecolor" if colours else None)
        table = Table(title=name)
        table.add_column(name, style="bold")
        table.add_row(Text(name.translate(dict.fromkeys(b"\a\r")), "red"))  # which rich leaves out there
        console.print(table, f"[green]{name}[/]")
        return stream.getvalue()

    pieces = RICHS_OWN.sub("", shown(HOSTILE)).replace("\n", "")
    assert steers(pieces) == []
    assert width < 80 or printing.printable(HOSTILE) in pieces
    assert bool(RICHS_OWN.search(shown("calm"))) == colours


def test_nothing_else_prints() -> None:
    """Each file of the library: no ``print``, no stream written to, no console of rich's own."""
    ways = {"print", "sys.stdout.write", "sys.stderr.write", "rich.print", "traceback.print_exc"}
    ways |= {"traceback.print_exception", "traceback.print_stack", "os.write", "pprint", "input"}
    found = set()
    for path in sorted(SOURCE.rglob("*.py")):
        tree = ast.parse(path.read_text())
        name = str(path.relative_to(SOURCE))
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and (way := ast.unparse(node.func)) in ways:
                found.add((name, way))
            if isinstance(node, ast.ImportFrom) and node.module == "rich.console":
                found |= {(name, alias.name) for alias in node.names if alias.name == "Console"}
            if isinstance(node, ast.Import | ast.ImportFrom) and "logging" in ast.unparse(node).split():
                found.add((name, "logging"))
    assert found == {
        ("core/printing.py", "print"),
        ("core/console.py", "Console"),
        ("runs/train/stop.py", "os.write"),  # in a signal's handler: what it writes is printable too
        ("machine/peers.py", "os.write"),  # in a thread, before the process ends at once: likewise
        ("exports/onnx_graph.py", "logging"),  # silences another library's
        ("evidence/__init__.py", "logging"),  # likewise
        ("runs/train/loggers.py", "logging"),  # likewise
    }
