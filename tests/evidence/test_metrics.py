"""The table of metrics is the only place that says what a number is called and which way is better."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from qflock.evidence import metrics
from qflock.runs.train import progress

SOURCE = Path(metrics.__file__).parents[1]
COMMANDS = ("compare", "report", "results", "sweep", "experiment", "_comparison_output", "_cells_output")
COMMANDS += ("_output", "listing")
FILES = [
    *sorted((SOURCE / "evidence").rglob("*.py")),
    *sorted((SOURCE / "experiments").rglob("*.py")),
    *(SOURCE / "commands" / f"{name}.py" for name in COMMANDS),
]
WORDS = {
    word
    for metric in metrics.TABLE.values()
    for word in (metric.word, metric.head)
    if " " in word or "Q" in word or word in ("params",)
}


NAMES = set(metrics.TABLE) - {"mean", "best"}  # which are also an estimator's name, and a key of sweeps


def labels_in(source: str) -> Iterator[str]:
    """Words of metrics, directions, and names of metrics paired with words, that stand in a source."""
    tree = ast.parse(source)
    prose = {id(node.value) for node in ast.walk(tree) if isinstance(node, ast.Expr)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and id(node) not in prose:
            if node.value in WORDS or node.value in ("higher", "lower"):
                yield f"line {node.lineno}: {node.value}"
        elif isinstance(node, ast.Dict):
            for key, value in zip(node.keys, node.values, strict=True):
                if text(key) in NAMES and is_label(text(value)):
                    yield f"line {node.lineno}: {text(key)} is called {text(value)}"
        elif isinstance(node, ast.Tuple) and len(node.elts) == 2:
            name, word = map(text, node.elts)
            if name in NAMES and is_label(word):
                yield f"line {node.lineno}: {name} is called {word}"


def is_label(word: str | None) -> bool:
    """Whether a string is for people: neither a column's name nor a key."""
    return word is not None and word not in metrics.TABLE and "_" not in word


def text(node: ast.AST | None) -> str | None:
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) else None


def test_a_quantity_has_one_name_in_every_log() -> None:
    """Training's log and evaluations call their columns differently; people are told one word."""
    same = {"episode_return": "discounted_mean", "episode_return_undiscounted": "return_mean"}
    for logged, evaluated in same.items():
        assert metrics.of(logged).word == metrics.of(evaluated).word
        assert metrics.of(evaluated).head == metrics.of(evaluated).word
    assert metrics.of(metrics.DEFAULT).word == progress.RETURN


@pytest.mark.parametrize("file", FILES, ids=lambda file: str(file.relative_to(SOURCE)))
def test_no_label_or_direction_stands_outside_the_table(file: Path) -> None:
    if file != Path(metrics.__file__):
        assert list(labels_in(file.read_text())) == []


def test_labels_and_directions_are_noticed() -> None:
    for source in (
        'WORDS = {"return_mean": "mean reward"}',
        'heads = [("solved", "successes")]',
        'axes.set_ylabel("discounted return")',
        'better = "lower"',
    ):
        assert len(list(labels_in(f'"""About the discounted return."""\n{source}'))) == 1


@pytest.mark.parametrize(
    ("name", "references", "sign"),
    [
        ("return_mean", {}, 1),
        ("return_std", {}, -1),
        ("seconds", {}, -1),
        ("length_mean", {"random": 50.0, "oracle": 5.0}, -1),
        ("length_mean", {"random": 5.0, "oracle": 50.0}, 1),
        ("return_std", {"random": 0.0, "oracle": 1.0}, 1),
        ("foods_left", {}, 1),
        ("foods_left", {"random": 8.0, "oracle": 0.0}, -1),
        ("foods_left", {"random": 8.0, "oracle": 8.0}, 1),
        ("return_mean", {"random": 8.0}, 1),
    ],
)
def test_which_way_is_better(name: str, references: dict[str, float], sign: int) -> None:
    assert metrics.sign(name, references) == sign


def test_a_measure_that_the_table_lacks_is_shown_under_its_own_name() -> None:
    metric = metrics.of("foods_left")
    assert (metric.word, metric.head, metric.kind) == ("foods left", "foods left", "measure")


def test_names_stand_once_and_costs_are_spent() -> None:
    assert all(name == metric.name for name, metric in metrics.TABLE.items())
    assert all(metrics.of(name).direction == "lower" for name in metrics.COSTS)
    assert metrics.DEFAULT in metrics.SCORES
