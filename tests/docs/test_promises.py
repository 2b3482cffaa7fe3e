"""Every promise of docs/reliability.md has a test beside it, and that test exists."""

from __future__ import annotations

import ast
import re
from pathlib import Path

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "reliability.md").read_text(encoding="utf-8")
NAMED = re.compile(r"`(tests/[\w/]+\.py)::(\w+)`")


def test_tests_that_hold_promises_exist() -> None:
    named = NAMED.findall(PAGE)
    assert len(named) >= 25
    gone = [f"{file}::{name}" for file, name in named if name not in functions(ROOT / file)]
    assert gone == []


def test_every_promise_names_its_test() -> None:
    promises = PAGE.partition("## What is promised")[2]
    rows = [line for line in promises.splitlines() if line.startswith("|") and not line.startswith("|---")]
    heads = [row for row in rows if row.endswith("| test |")]
    assert len(heads) >= 3
    assert [row for row in rows if row not in heads and not NAMED.search(row)] == []


def functions(file: Path) -> set[str]:
    """Names of the functions of a file; none where there is no such file."""
    if not file.is_file():
        return set()
    tree = ast.parse(file.read_text(encoding="utf-8"))
    return {node.name for node in tree.body if isinstance(node, ast.FunctionDef)}
