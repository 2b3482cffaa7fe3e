"""The page of results: the best stands first, whichever way is better."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from qflock.commands import main
from qflock.core.errors import UserError
from qflock.evidence import results

MakeRun = Callable[..., Path]


@pytest.mark.parametrize(("oracle", "order"), [(10.0, ["strong", "weak"]), (0.0, ["weak", "strong"])])
def test_the_best_stands_first(oracle: float, order: list[str], make_run: MakeRun) -> None:
    references = {"oracle": {"discounted_mean": oracle}, "random": {"discounted_mean": 5.0}}
    kept = []
    for name, score in (("weak", 6.0), ("strong", 8.0)):
        run = make_run(name, dict.fromkeys(range(4), score), references=references)
        kept.append(results.of_run(run))
    methods = [
        line.split("](")[0].strip("| [*")
        for line in results.page(kept).splitlines()
        if line.startswith("| [")
    ]
    assert methods == order


def result(name: str, steps: float | None, env: str = "gridworld25") -> dict[str, Any]:
    """A reference result with so many environment steps."""
    return {
        "schema": results.SCHEMA,
        "name": name,
        "environment": env,
        "environment_settings": {},
        "metric": "return_mean",
        "score": 1.0,
        "interval": [0.5, 1.5],
        "solved": None,
        "scores": {"0": 1.0},
        "references": {"oracle": 2.0, "random": 0.0},
        "costs": {} if steps is None else {"env_steps": steps},
        "settings": {},
        "command": "qflock train",
        "versions": {"qflock": "0.1.0"},
        "check": None,
    }


def test_results_of_unequal_budgets_are_refused_and_nothing_is_written(tmp_path: Path) -> None:
    results.write([result("one", 50_000)], tmp_path)
    before = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    with pytest.raises(UserError, match=r"unequal step budgets .*one 50,000, two 60,000.*--unequal"):
        results.write([result("two", 60_000)], tmp_path)
    with pytest.raises(UserError, match="unequal step budgets"):
        results.write([result("three", 1_000), result("four", 2_000)], tmp_path / "new")
    assert {path.name: path.read_bytes() for path in tmp_path.iterdir()} == before


def test_equal_budgets_other_tasks_and_a_result_that_is_replaced_are_no_trouble(tmp_path: Path) -> None:
    """Runs end with whole updates: a hundredth apart is equal."""
    results.write([result("one", 50_000), result("two", 50_400), result("three", 1, env="chsh")], tmp_path)
    results.write([result("one", 80_000, env="two_step")], tmp_path)
    results.write([result("two", 90_000)], tmp_path)
    assert results.BROKEN not in (tmp_path / "README.md").read_text()


def test_what_is_kept_all_the_same_is_marked_under_its_table(tmp_path: Path) -> None:
    results.write(
        [result("one", 50_000), result("two", 60_000), result("ok", 9, "chsh")], tmp_path, unequal=True
    )
    page = (tmp_path / "README.md").read_text()
    assert page.count(results.BROKEN) == 1
    assert f"{results.BROKEN}unequal step budgets (one 50,000, two 60,000)." in page
    results.write([result("more", 9, "chsh")], tmp_path)  # of a task that is whole
    assert results.BROKEN in (tmp_path / "README.md").read_text()


def test_the_command_refuses_or_says_so(
    tmp_path: Path, make_run: MakeRun, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    of_run = results.of_run
    steps = {"a": 100.0, "b": 200.0}

    def costly(path: Path, *how: Any) -> dict[str, Any]:
        found = of_run(path, *how)
        return {**found, "costs": {**found["costs"], "env_steps": steps[found["name"]]}}

    monkeypatch.setattr(results, "of_run", costly)
    runs = [str(make_run(name, dict.fromkeys(range(4), 6.0))) for name in steps]
    assert main(["results", *runs, "--folder", "kept"]) == 2
    line = capsys.readouterr().err
    assert "unequal step budgets (a 100, b 200)" in line
    assert line.count("\n") == 1
    assert not Path("kept").exists()
    assert main(["results", *runs, "--folder", "kept", "--unequal"]) == 0
    assert "not a fair comparison: on " in capsys.readouterr().out
    assert results.BROKEN in Path("kept/README.md").read_text()
