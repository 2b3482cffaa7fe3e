"""What settings are, in words: the text beneath a field, or the comment beside it, in its class's file."""

from __future__ import annotations

import ast
import functools
import inspect
import io
import textwrap
import tokenize
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
        source = textwrap.dedent(inspect.getsource(kind))
        body = ast.parse(source).body[0]
        comments = _comments(source)
    except (OSError, TypeError, SyntaxError, IndexError, tokenize.TokenError):
        return {}
    if not isinstance(body, ast.ClassDef):
        return {}
    found = {}
    for node, after in zip(body.body, [*body.body[1:], None], strict=True):
        if not isinstance(node, ast.AnnAssign) or not isinstance(node.target, ast.Name):
            continue
        beneath = isinstance(after, ast.Expr) and isinstance(after.value, ast.Constant) and after.value.value
        text = beneath if isinstance(beneath, str) else comments.get(node.end_lineno or node.lineno)
        if text:
            found[node.target.id] = text
    return found


def _comments(source: str) -> dict[int, str]:
    """The comment of each line that has one."""
    tokens = tokenize.generate_tokens(io.StringIO(source).readline)
    return {t.start[0]: t.string.lstrip("# ") for t in tokens if t.type == tokenize.COMMENT}
