"""Pages for a browser: one file each, with styles, scripts and data inside; nothing comes from a network.

The parts lie beside this file as plain HTML, CSS and JavaScript. A page's content security policy
lets run exactly the scripts that were put in here, so that text from a run can never become one.
"""

from __future__ import annotations

import base64
import hashlib
import html
import json
import re
from collections.abc import Sequence
from importlib import resources
from typing import Any

from qflock.core.printing import printable

SELF = "connect-src 'self'; "
_POLICY = re.compile('http-equiv="Content-Security-Policy" content="([^"]*)"')


def assemble(
    page: str,
    *,
    title: str,
    data: Any,
    styles: Sequence[str],
    scripts: Sequence[str],
    body: str = "",
    connect: bool = False,
) -> str:
    """A whole page.

    Args:
        page: name of the HTML file here that holds the places to fill.
        title: plain text.
        data: what the scripts show, as JSON can say it; NaN and infinity become null.
        styles, scripts: names of files here, in order.
        body: HTML that is safe already.
        connect: whether the scripts ask the server that the page comes from.
    """
    style = "\n".join(map(_part, styles))
    script = "\n".join(map(_part, scripts))
    policy = (
        f"default-src 'none'; img-src data:; style-src '{_digest(style)}'; script-src '{_digest(script)}'; "
        f"{SELF if connect else ''}base-uri 'none'; form-action 'none'"
    )
    filled = {
        "title": html.escape(printable(title)),
        "policy": html.escape(policy, quote=True),
        "style": style,
        "script": script,
        "data": in_script(data),
        "body": body,
    }
    # one pass for each part, so that a place's name inside a text that was filled in stays what it is
    fill = lambda part: re.sub(r"\{\{(\w+)\}\}", lambda match: filled[match[1]], _part(part))
    filled["head"] = fill("head.html")
    return fill(page)


def policy(page: str) -> str:
    """The content security policy of a page of `assemble`."""
    found = _POLICY.search(page)
    assert found is not None
    return html.unescape(found[1])


def in_script(data: Any) -> str:
    """JSON that may stand inside a script element: no character in it can end the element."""
    text = json.dumps(shown(data), separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026")


def shown(value: Any) -> Any:
    """What scripts show, as JSON can say it: null for NaN and infinity, and texts that turn no line."""
    if isinstance(value, dict):
        return {printable(str(name)): shown(item) for name, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [shown(item) for item in value]
    if isinstance(value, str):
        return printable(value)
    return None if isinstance(value, float) and value - value != 0 else value


def _part(name: str) -> str:
    return (resources.files("qflock.evidence.pages") / name).read_text(encoding="utf-8").rstrip("\n")


def _digest(text: str) -> str:
    return f"sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}"
