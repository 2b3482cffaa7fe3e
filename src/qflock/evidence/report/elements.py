"""HTML elements from plain text: whatever a run is called or set to, it is shown and never interpreted."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any
from xml.etree import ElementTree
from xml.etree.ElementTree import Element

from qflock.core.printing import printable
from qflock.evidence.comparison.statistics import Interval
from qflock.evidence.metrics import percent
from qflock.runs.train.curve import quantity

NOTHING = "\N{EN DASH}"
MINUS = "\N{MINUS SIGN}"


def element(tag: str, *contents: Element | str | None, **attributes: str) -> Element:
    """An element. Strings become text; ``class_`` stands for ``class``, ``data_x`` for ``data-x``.

    Args:
        tag: its name.
        contents: elements and text, in order; None is left out.
        attributes: by name.
    """
    named = {name.rstrip("_").replace("_", "-"): printable(value) for name, value in attributes.items()}
    parent = Element(tag, named)
    for content in contents:
        if isinstance(content, Element):
            parent.append(content)
        elif content is not None and len(parent):
            parent[-1].tail = (parent[-1].tail or "") + printable(content)
        elif content is not None:
            parent.text = (parent.text or "") + printable(content)
    return parent


def to_html(elements: Iterable[Element]) -> str:
    """The elements as HTML, everything in them escaped."""
    return "\n".join(ElementTree.tostring(one, encoding="unicode", method="html") for one in elements)


def table(heads: Sequence[str | Element], rows: Iterable[Sequence[Any]], *, label: str) -> Element:
    """A table that scrolls sideways by itself where it has no room.

    Args:
        heads: of the columns; the first column names the row.
        rows: cells, each a string, an element, or a list of them; a row may start with None to be pale.
        label: what the table is, for those who hear it.
    """
    body = element("tbody")
    for row in rows:
        pale, cells = (True, row[1:]) if row and row[0] is None else (False, row)
        line = element("tr", **({"class_": "pale"} if pale else {}))
        for at, cell in enumerate(cells):
            inside = cell if isinstance(cell, (list, tuple)) else [cell]
            line.append(
                element("td", *inside) if at else element("th", *inside, scope="row"),
            )
        body.append(line)
    head = element("thead", element("tr", *(element("th", one, scope="col") for one in heads)))
    return element(
        "div", element("table", head, body, aria_label=label), class_="scroll", tabindex="0", role="region",
        aria_label=label,
    )  # fmt: skip


def number(value: Any, digits: int, sign: str = "") -> str:
    """A number with a true minus; a dash where there is none.

    Args:
        value: what `float` takes, or None.
        digits: after the point.
        sign: "+" to show it of positive numbers too.
    """
    if value is None or not math.isfinite(float(value)):
        return NOTHING
    return f"{float(value):{sign}.{digits}f}".replace("-", MINUS)


def interval(estimate: Interval | None, digits: int, sign: str = "", strong: bool = False) -> list[Any]:
    """An estimate, and below it the ends of its interval.

    Args:
        estimate: None for a dash.
        digits: after the point.
        sign: "+" to show it of a positive estimate too.
        strong: whether the estimate is emphasised.
    """
    if estimate is None:
        return [NOTHING]
    value = number(estimate.value, digits, sign)
    ends = NOTHING
    if math.isfinite(float(estimate.low)):
        ends = f"{number(estimate.low, digits)} to {number(estimate.high, digits)}"
    return [element("b", value) if strong else value, element("small", ends)]


def share(value: float | None) -> str:
    """A share as percents."""
    return NOTHING if value is None or not math.isfinite(value) else percent(value)


def count(value: float | None) -> str:
    """A large number in a few characters."""
    return NOTHING if value is None or not math.isfinite(value) else quantity(value)
