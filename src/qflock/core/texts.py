"""Text files and JSON of others: read up to a size and a depth, so that no file takes the whole machine.

Nothing else reads JSON, YAML or CSV; a test walks the source. Tensors are read in `files.tensors`.
"""

from __future__ import annotations

import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

MOST = 64 * 2**20
"""Bytes of JSON. The largest that qflock writes, of an experiment of many cells, has some millions."""
MOST_YAML, MOST_VALUES = 2**20, 100_000
"""Characters of YAML, and values in it: some seconds of reading."""
MOST_CELLS = 20_000_000
"""Cells of CSV: some gigabytes of memory."""
DEEPEST = 64
"""Lists and mappings inside one another."""
TOO_DEEP = f"it is nested more than {DEEPEST} deep"


def read(path: Path, most: int = MOST, encoding: str = "utf-8") -> str:
    """A text file; never more of it than the limit is read, also of a device or a pipe.

    Args:
        path: the file.
        most: bytes that it may have.
        encoding: of the file.

    Raises:
        ValueError: it is larger, or no text.
        OSError: it cannot be read.
    """
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it has more than {most:,} bytes")
    return content.decode(encoding)


def from_json(text: str) -> Any:
    """What a JSON text says.

    Args:
        text: of any length and shape.

    Raises:
        ValueError: it is no JSON, longer than `MOST`, or nested more than `DEEPEST` deep.
    """
    if len(text) > MOST:
        raise ValueError(f"it has more than {MOST:,} characters")
    try:
        value = json.loads(text)
    except RecursionError as problem:
        raise ValueError(TOO_DEEP) from problem
    level = [value]
    for _ in range(DEEPEST + 1):
        outer = [one for one in level if isinstance(one, list | dict)]
        if not outer:
            return value
        level = [part for one in outer for part in (one.values() if isinstance(one, dict) else one)]
    raise ValueError(TOO_DEEP)


def read_json(path: Path) -> Any:
    """What a JSON file says.

    Args:
        path: the file.

    Raises:
        ValueError: as `from_json`, and what is no text in UTF-8.
        OSError: it cannot be read.
    """
    return from_json(read(path))


def from_csv(text: str, strict: bool = False) -> list[list[str]]:
    """The cells of a CSV text, row by row.

    Args:
        text: the text.
        strict: quotes have to be where they belong.

    Raises:
        ValueError: more than `MOST_CELLS`, a cell of more than 131,072 characters, or a wrong quote.
    """
    found, cells = [], 0
    try:
        for row in csv.reader(io.StringIO(text, newline=""), strict=strict):
            cells += len(row) + 1
            if cells > MOST_CELLS:
                raise ValueError(f"it has more than {MOST_CELLS:,} cells")
            found.append(row)
    except csv.Error as problem:
        raise ValueError(str(problem)) from problem
    return found


def to_csv(rows: Iterable[Iterable[Any]]) -> str:
    """Rows of cells as a CSV text, a line each.

    Args:
        rows: the head first.
    """
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows(rows)
    return text.getvalue()


def table_to_csv(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows by column as a CSV text: the first one's columns, and nothing where another lacks one.

    Args:
        rows: at least one.

    Raises:
        ValueError: a row has a column that the first one has not.
    """
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), restval="", lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def from_yaml(text: str) -> Any:
    """What a YAML text says, as plain values.

    Raises:
        BadYaml: it is none, has a key twice, nests more than `DEEPEST` deep, or says more than
            `MOST_VALUES`, each counted as often as an alias repeats it.
    """
    import yaml

    try:
        if len(text) > MOST_YAML:
            raise BadYaml(f"it has more than {MOST_YAML:,} characters")
        return yaml.load(text, _loader())
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise BadYaml(problem.problem or problem.context or "", line) from problem
    except yaml.YAMLError as problem:
        raise BadYaml(str(problem).splitlines()[0]) from problem
    except RecursionError as problem:
        raise BadYaml(TOO_DEEP) from problem
    except BadYaml:
        raise
    except Exception as problem:  # PyYAML's constructors: no such day, too many digits ...
        what = " ".join(str(problem).split())[:200]
        raise BadYaml(f"a value cannot be read ({what})") from problem


class BadYaml(ValueError):
    """Attributes:
    line: where, ``, line 3``; empty where that is not known.
    """

    def __init__(self, message: str, line: str = "") -> None:
        super().__init__(message)
        self.line = line


def _loader() -> Any:
    """PyYAML's safe loader, but a key that stands twice is an error, and so is too much or too deep."""
    import yaml

    class Loader(yaml.SafeLoader):
        def __init__(self, text: str) -> None:
            super().__init__(text)
            self.depth = 0
            self.measured: dict[int, tuple[int, int]] = {}  # values in a node that is whole, and its height

        def compose_node(self, parent: Any, index: Any) -> Any:
            mark = self.peek_event().start_mark
            self.depth += 1
            if self.depth > DEEPEST + 1:
                raise yaml.MarkedYAMLError(problem=TOO_DEEP, problem_mark=mark)
            again = self.check_event(yaml.AliasEvent)
            node = super().compose_node(parent, index)
            if not again:
                self.measured[id(node)] = self._measure(node)
            count, height = self.measured.get(id(node), (0, DEEPEST))  # inside itself: no end of it
            if self.depth - 1 + height > DEEPEST:
                raise yaml.MarkedYAMLError(problem=TOO_DEEP, problem_mark=mark)
            if max(count, len(self.measured)) > MOST_VALUES:
                raise yaml.MarkedYAMLError(problem=f"more than {MOST_VALUES:,} values", problem_mark=mark)
            self.depth -= 1
            return node

        def _measure(self, node: Any) -> tuple[int, int]:
            if isinstance(node, yaml.ScalarNode):
                return 1, 0
            parts = [part for pair in node.value for part in (pair if isinstance(pair, tuple) else [pair])]
            inner = [self.measured[id(part)] for part in parts]
            return 1 + sum(count for count, _ in inner), 1 + max((height for _, height in inner), default=0)

        def construct_mapping(self, node: Any, deep: bool = False) -> dict:
            seen: set[Any] = set()
            for key, _ in node.value:
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"{key.value!r} stands twice", problem_mark=key.start_mark
                    )
                if isinstance(key.value, str):
                    seen.add(key.value)
            return super().construct_mapping(node, deep)

    return Loader
