"""What settings are, in words: the text beneath a field, or the comment beside it, in its class's file."""

from __future__ import annotations

import ast
import functools
import inspect
import itertools
from pathlib import Path
from typing import Any, get_args, get_type_hints


@functools.cache
def of(form: type) -> dict[str, str]:
    """The words about each field of a settings class, those of its parents included, each as one line.

    Args:
        form: a dataclass. A field that a subclass gives another default keeps its parent's words, unless the
            subclass has its own; one without any is left out.
    """
    found: dict[str, str] = {}
    for kind in reversed(form.__mro__):
        if kind is not object:
            found |= _beside(kind) | _beneath(kind)
    return {name: " ".join(text.split()) for name, text in found.items()}


def _beside(kind: type) -> dict[str, str]:
    """Words that stand in a field's type, ``Annotated[int, Doc("...")]``, as bridges write them."""
    own = inspect.get_annotations(kind)
    hints: dict[str, Any] = get_type_hints(kind, include_extras=True) if own else {}
    documented = {
        name: [extra.documentation for extra in get_args(hints[name])[1:] if hasattr(extra, "documentation")]
        for name in own
    }
    return {name: texts[0] for name, texts in documented.items() if texts}


def _beneath(kind: type) -> dict[str, str]:
    """Texts beneath fields, and comments in their lines; nothing where there is no source."""
    try:
        file = Path(inspect.getsourcefile(kind) or "")
        classes, lines = _classes(file, file.stat().st_mtime_ns)
    except (OSError, TypeError, SyntaxError, ValueError):
        return {}
    body = classes[kind.__qualname__].body if kind.__qualname__ in classes else []
    found = {}
    for node, after in itertools.zip_longest(body, body[1:]):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        beneath = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value
        text = beneath if isinstance(beneath, str) else _comment(node, lines)
        if text:
            found[node.target.id] = text
    return found


def _comment(node: ast.AnnAssign, lines: list[bytes]) -> str:
    """The comment behind a field."""
    rest = lines[(node.end_lineno or node.lineno) - 1][node.end_col_offset or 0 :].decode().strip()
    return rest.lstrip("# ") if rest.startswith("#") else ""


@functools.lru_cache(maxsize=64)
def _classes(file: Path, changed: int) -> tuple[dict[str, ast.ClassDef], list[bytes]]:
    """The classes of a file, by name, as it was ``changed`` last, and its lines in UTF-8."""
    found: dict[str, ast.ClassDef] = {}

    def collect(nodes: list[ast.stmt], prefix: str) -> None:
        for node in nodes:
            if isinstance(node, ast.ClassDef):
                found[prefix + node.name] = node
                collect(node.body, f"{prefix}{node.name}.")
            elif isinstance(node, ast.FunctionDef):
                collect(node.body, f"{prefix}{node.name}.<locals>.")

    text = file.read_text(encoding="utf-8")
    collect(ast.parse(text).body, "")
    return found, [line.encode() for line in text.split("\n")]
