"""On a narrow terminal a table's rows stand below one another, and no word and no number is cut."""

from __future__ import annotations

import io

import pytest
from rich.table import Table
from rich.text import Text

from qflock.core.console import Console


def shown(width: int, *, no_wrap: bool = True) -> str:
    table = Table(title="all of it", box=None, padding=(0, 2, 0, 0))
    table.add_column("method\n[not bold]seeds[/]", overflow="fold")
    for head in ("IQM\n[not bold]interval[/]", "parameters"):
        table.add_column(head, justify="right", no_wrap=no_wrap)
    table.add_row("qmix-monotonic\n[dim]5 seeds[/]", "[bold]1234.567[/]\n\\[1.0, 2.0]", Text("12,345,678"))
    table.add_row("oracle", "2.000", "", style="dim")
    stream = io.StringIO()
    console = Console(file=stream, width=width, color_system=None)
    console.print(console.fitting(table))
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


@pytest.mark.parametrize("no_wrap", [False, True])
@pytest.mark.parametrize("width", [20, 30])
def test_rows_below_one_another(width: int, no_wrap: bool) -> None:
    assert (
        shown(width, no_wrap=no_wrap)
        == ("all of it\nqmix-monotonic 5\nseeds\n" if width < 22 else "all of it\nqmix-monotonic 5 seeds\n")
        + (
            "  IQM 1234.567\n  interval [1.0,\n  2.0]\n"
            if width < 22
            else "  IQM 1234.567\n  interval [1.0, 2.0]\n"
        )
        + ("  parameters\n  12,345,678\n" if width < 22 else "  parameters 12,345,678\n")
        + "oracle\n  IQM 2.000"
    )


def test_a_table_where_it_has_room() -> None:
    wide = shown(60)
    assert len(wide.splitlines()) == 6  # a title, two heads, two lines and one
    assert "…" not in shown(47)
    assert wide.splitlines()[-1].split() == ["oracle", "2.000"]


def test_not_even_a_long_word_is_cut() -> None:
    stream = io.StringIO()
    console = Console(file=stream, width=20, color_system=None)
    table = Table("name", "path")
    table.add_row("[/bold]".replace("[", "\\["), "\\[red]x")
    table.add_row("cache", "/home/somebody/of/a/long/name/cache")
    console.print(console.fitting(table))
    assert (
        "".join(stream.getvalue().split()) == "[/bold]path[red]xcachepath/home/somebody/of/a/long/name/cache"
    )
