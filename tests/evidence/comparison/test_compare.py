"""Run folders in, a comparison out: what is refused, what is said, numbers checked by hand."""

from __future__ import annotations

import csv
import io
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from qflock.core.errors import UserError
from qflock.evidence.comparison.compare import compare
from qflock.evidence.comparison.table import Row, Table

MakeRun = Callable[..., Path]


def spread(mean: float, seeds: int = 8, first: int = 0, width: float = 1.0) -> dict[int, float]:
    return {first + k: mean + width * (k / (seeds - 1) - 0.5) for k in range(seeds)}


def rows_of(table: Table) -> dict[str, Row]:
    return {row.method: row for row in table.rows}


def test_numbers_of_one_task(make_run: MakeRun) -> None:
    a = make_run("a", {k: float(k) for k in range(1, 9)}, algorithm="iql")
    b = make_run("b", {k: float(k) + 1 for k in range(1, 9)}, summary={"circuit_evaluations": 500})
    table = compare([a, b]).tables[0]
    rows = rows_of(table)
    assert list(rows) == ["iql", "qmix"]
    assert rows["iql"].score.value == pytest.approx((3 + 4 + 5 + 6) / 4)
    assert rows["iql"].mean.value == rows["iql"].median.value == pytest.approx(4.5)
    assert rows["iql"].score.low < 4.5 < rows["iql"].score.high
    assert rows["iql"].optimality_gap.value == pytest.approx(1 - 2.5 / 8)  # random is 2, the oracle 10
    assert rows["iql"].improvement is rows["iql"].difference is None
    wins = sum((x > y) + 0.5 * (x == y) for x in range(2, 10) for y in range(1, 9)) / 64
    assert rows["qmix"].improvement.value == pytest.approx(wins)
    assert [float(end) for end in rows["qmix"].difference] == pytest.approx([1, 1, 1])  # paired: no spread
    assert rows["qmix"].paired_seeds == 8
    assert rows["qmix"].costs == {
        "parameters": 1234,
        "env_steps": 1000,
        "circuit_evaluations": 500,
        "seconds": 20,
    }
    assert "circuit_evaluations" not in rows["iql"].costs
    assert rows["iql"].solved == pytest.approx(0.45)
    assert [(r.name, r.score, r.optimality_gap) for r in table.references] == [
        ("oracle", 10, 0),
        ("random", 2, 1),
    ]


def test_curves_profiles_and_times(make_run: MakeRun) -> None:
    runs = [
        make_run("a", dict.fromkeys(range(6), 6.0), algorithm="iql"),
        make_run("b", dict.fromkeys(range(6), 10.0)),
    ]
    table = compare(runs, target=5.0).tables[0]
    rows = rows_of(table)
    assert table.curves["qmix"].steps.tolist() == [0, 250, 500, 750, 1000]
    np.testing.assert_allclose(table.curves["qmix"].score.value, [0, 2.5, 5, 7.5, 10])
    np.testing.assert_array_equal(table.profiles["qmix"].value, table.thresholds < 10)
    assert rows["qmix"].time.median == 500
    assert rows["iql"].time.median == 1000  # 4.5 at 750, 6 at 1000
    assert rows["qmix"].time.restricted_mean == 500
    assert rows["qmix"].log_rank < 0.01
    default = compare(runs).tables[0]
    assert default.target == pytest.approx(2 + 0.9 * 8)
    assert rows_of(default)["iql"].time.reached == 0
    assert rows_of(default)["iql"].time.median == np.inf


def test_runs_of_one_method_are_one_row_and_settings_that_differ_make_more(make_run: MakeRun) -> None:
    make_run("a", spread(5, 4), hidden=[64, 64], log_interval=5)
    make_run("b", spread(5, 4, first=4), hidden=[64, 64], log_interval=7, device="cpu")
    make_run("c", spread(6, 8), hidden=[32, 32])
    make_run("d", spread(6, 8), algorithm="iql", mixer=None)
    table = compare([make_run("e", spread(4), hidden=[64, 64], lr=1e-4).parent / "*"]).tables[0]
    assert {row.method: len(row.seeds) for row in table.rows} == {
        "qmix hidden=64,64 lr=0.01": 8,
        "qmix hidden=32,32 lr=0.01": 8,
        "iql": 8,
        "qmix hidden=64,64 lr=0.0001": 8,
    }


def test_an_experiments_labels_are_the_methods(make_run: MakeRun) -> None:
    cell = lambda label: {"summary": {"experiment": {"cell": "x", "label": label}}}
    runs = [
        make_run("a", spread(5), lr=0.1, **cell("quick")),
        make_run("b", spread(5, first=8), lr=0.1, **cell("quick")),
        make_run("c", spread(5), lr=0.2, **cell("slow")),
    ]
    assert [row.method for row in compare(runs).tables[0].rows] == ["quick", "slow"]
    # one label with two meanings, or two labels with one, tell nothing: settings do
    other = make_run("d", spread(5), lr=0.3, **cell("quick"))
    labels = [row.method for row in compare([*runs, other]).tables[0].rows]
    assert labels == ["qmix lr=0.1", "slow", "qmix lr=0.3"]
    same = make_run("e", spread(5, first=8), lr=0.2, **cell("careful"))
    assert [row.method for row in compare([*runs, same]).tables[0].rows] == ["quick", "qmix lr=0.2"]


def test_labels_that_would_read_alike_are_told_apart(make_run: MakeRun) -> None:
    runs = [make_run("a", spread(5), mixer="/x/my.py:Mix"), make_run("b", spread(5), mixer="/y/my.py:Mix")]
    labels = [row.method for row in compare(runs).tables[0].rows]
    assert labels == ["qmix mixer=/x/my.py:Mix", "qmix mixer=/y/my.py:Mix"]


def test_settings_tuned_for_each_task_are_one_method(make_run: MakeRun) -> None:
    make_run("a", spread(5), lr=0.1)
    root = make_run("b", spread(5), environment={"name": "coin_game"}, lr=0.2).parent
    found = compare([root / "*"])
    assert [row.method for table in found.tables for row in table.rows] == ["qmix", "qmix"]
    assert "qmix: settings differ between tasks (lr)" in found.notes


def test_over_all_tasks(make_run: MakeRun) -> None:
    half = {
        "oracle": {"discounted_mean": 4.0},
        "random": {"discounted_mean": 0.0},
        "greedy": {"discounted_mean": 1.0},
    }
    make_run("a", dict.fromkeys(range(6), 6.0), algorithm="iql")
    make_run("b", dict.fromkeys(range(6), 8.0))
    make_run("c", dict.fromkeys(range(6), 8.0), algorithm="vdn")
    make_run(
        "d", dict.fromkeys(range(6), 2.0), environment={"name": "box_push"}, algorithm="iql", references=half
    )
    root = make_run(
        "e", dict.fromkeys(range(1, 7), 4.0), environment={"name": "box_push"}, references=half
    ).parent
    found = compare([root / "*"], baseline="iql")
    assert found.overall is not None
    rows = rows_of(found.overall)
    assert set(rows) == {"iql", "qmix"}
    assert rows["iql"].mean.value == pytest.approx((0.5 + 0.5) / 2)
    assert rows["qmix"].mean.value == rows["qmix"].median.value == pytest.approx((0.75 + 1) / 2)
    assert rows["qmix"].optimality_gap.value == pytest.approx(0.125)
    assert rows["qmix"].improvement.value == 1
    assert rows["qmix"].seeds == (1, 2, 3, 4, 5)
    assert rows["qmix"].costs == {"env_steps": 2000, "seconds": 40}
    assert [(r.name, r.score) for r in found.overall.references] == [("oracle", 1), ("random", 0)]
    assert "all tasks: without vdn, not run on every task" in found.notes
    assert "all tasks: qmix counts with the 5 seeds that every task has" in found.notes


def test_less_is_better_where_the_references_say_so(make_run: MakeRun) -> None:
    runs = [make_run("a", spread(4), algorithm="iql"), make_run("b", spread(8))]
    found = compare(runs, metric="length_mean")
    row = rows_of(found.tables[0])["qmix"]
    assert row.score.value == pytest.approx(15)
    assert row.improvement.value == 1
    assert row.difference.value == pytest.approx(-20)
    assert row.optimality_gap.value == pytest.approx(10 / 45)
    assert found.tables[0].profiles["qmix"].value[-1] == 1
    assert any("less length_mean is better" in note for note in found.notes)


def test_seeds_evaluated_at_other_steps_share_a_grid(make_run: MakeRun) -> None:
    make_run("a", spread(8, 6))
    late = make_run("b", {6: 8.0}, steps=1000)
    rows = (late / "evaluation.csv").read_text().splitlines(keepends=True)
    (late / "evaluation.csv").write_text("".join([rows[0], rows[2], rows[5]]))  # at 250 and at 1000
    curve = compare([late.parent / "*"]).tables[0].curves["qmix"]
    assert curve.steps.tolist() == [250, 500, 750, 1000]
    np.testing.assert_allclose(curve.score.value, [2, 4, 6, 8])


def test_a_measure_of_the_environment_is_a_metric(make_run: MakeRun) -> None:
    run = make_run("a", spread(5))
    summary = json.loads((run / "summary.json").read_text())
    for row in summary["final_evaluation"]["per_seed"]:
        row["foods_left"] = row["seed"]
    (run / "summary.json").write_text(json.dumps(summary))
    assert compare([run], metric="foods_left").tables[0].rows[0].score.value == pytest.approx(3.5)
    with pytest.raises(UserError, match="did you mean 'foods_left'"):
        compare([run], metric="food_left")


def test_what_is_said(make_run: MakeRun) -> None:
    a = make_run("a", {0: 5.0, 1: 6.0}, algorithm="iql", references={"random": {"discounted_mean": 2.0}})
    b = make_run("b", spread(6), steps=4000, references={}, summary={"tuning_budget": 20})
    found = compare([a, b])
    assert found.notes[0].startswith("gridworld25: few seeds (iql 2)")
    assert found.notes[1] == "gridworld25: unequal step budgets (iql 1,000, qmix 4,000)"
    assert found.notes[2] == "gridworld25: unequal tuning budgets (iql not stated, qmix 20)"
    assert found.notes[3].startswith("gridworld25: no oracle to scale by")
    assert found.tables[0].rows[0].optimality_gap is found.tables[0].rows[0].time is None
    full = compare([make_run("c", spread(6)), make_run("d", spread(5), algorithm="vdn", steps=1004)])
    assert full.notes == []  # a budget rounded to whole updates is the same budget


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"environment": {"grid_size": 10}}, "env.grid_size is 5 in .*/a, 10 in .*/b; .*--split grid_size"),
        ({"environment": {"walls": True}}, "env.walls is unset in .*/a, True in .*/b"),
        ({"episodes": 32}, "evaluation episodes is 128 in .*/a, 32 in .*/b"),
        ({"algorithm": "iql"}, "seed 0 of iql is both in .*/a and in .*/b"),
    ],
)
def test_not_comparable(make_run: MakeRun, change: dict[str, Any], message: str) -> None:
    runs = [make_run("a", spread(5), algorithm="iql"), make_run("b", spread(5), **change)]
    with pytest.raises(UserError, match=f"not comparable: .*{message}") as refused:
        compare(runs)
    assert "\n" not in str(refused.value)


def test_another_mode_of_evaluation_is_refused(make_run: MakeRun) -> None:
    a, b = make_run("a", spread(5), algorithm="iql"), make_run("b", spread(5))
    summary = json.loads((b / "summary.json").read_text())
    summary["final_evaluation"]["mode"] = "sample"
    (b / "summary.json").write_text(json.dumps(summary))
    with pytest.raises(UserError, match=r"evaluation mode is greedy in .*/a, sample in .*/b"):
        compare([a, b])


def test_split_makes_tasks(make_run: MakeRun) -> None:
    make_run("a", spread(5))
    root = make_run("b", spread(5), environment={"grid_size": 10}).parent
    found = compare([root / "*"], split=["grid_size"])
    assert [table.name for table in found.tables] == ["gridworld25 grid_size=5", "gridworld25 grid_size=10"]
    with pytest.raises(UserError, match="did you mean 'grid_size'"):
        compare([root / "*"], split=["gridsize"])


def test_split_leaves_tasks_without_the_setting_their_name(make_run: MakeRun) -> None:
    make_run("a", spread(5), environment={"payoff": "qtran"})
    root = make_run("b", spread(5), environment={"name": "two_step"}).parent
    found = compare([root / "*"], split=["payoff"])
    assert [table.name for table in found.tables] == ["gridworld25 payoff=qtran", "two_step"]


def test_bad_input_is_one_line(make_run: MakeRun, tmp_path: Path) -> None:
    run = make_run("a", spread(5))
    cases: list[tuple[list[Any], dict[str, Any], str]] = [
        ([tmp_path / "b*"], {}, "no run matches"),
        ([], {}, "no runs to compare"),
        ([tmp_path / "aa"], {}, "no run at .*did you mean .*a"),
        ([tmp_path], {}, "no run, but 1 runs lie in it"),
        ([run], {"metric": "discounted_men"}, "did you mean 'discounted_mean'"),
        ([run], {"baseline": "qmixx"}, "did you mean 'qmix'"),
    ]
    for runs, options, message in cases:
        with pytest.raises(UserError, match=message) as refused:
            compare(runs, **options)
        assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "not finished: qflock resume"),
        ("{", "is damaged"),
        ("[]", "is damaged"),
        ("{}", "has no 'final_evaluation'"),
        ('{"final_evaluation": {"per_seed": []}}', "is empty"),
        ('{"final_evaluation": {"per_seed": [{"seed": 1, "episodes": 8}]}}', "seed 1 has no finite"),
        ('{"final_evaluation": {"per_seed": 3}}', "is damaged"),
        (
            '{"final_evaluation": {"per_seed": [{"seed": 1, "episodes": 8}, {"seed": 1, "episodes": 8}]}}',
            "a seed twice",
        ),
    ],
)
def test_bad_summary(make_run: MakeRun, text: str | None, message: str) -> None:
    run = make_run("a", spread(5))
    (run / "summary.json").unlink()
    if text is not None:
        (run / "summary.json").write_text(text)
    with pytest.raises(UserError, match=message) as refused:
        compare([run])
    assert "\n" not in str(refused.value)


def test_written_numbers_are_the_comparison(make_run: MakeRun) -> None:
    runs = [make_run("a", spread(5, 6), algorithm="iql"), make_run("b", {3: 8.0})]
    found = compare(runs)
    content = json.loads(json.dumps(found.as_json(), allow_nan=False))
    method = content["tables"][0]["rows"][1]
    assert method["score"] == {"value": 8.0, "low": None, "high": None}
    assert content["runs"] == [str(run) for run in runs]
    lines = list(csv.DictReader(io.StringIO(found.as_csv())))
    assert [line["method"] for line in lines] == ["iql", "qmix", "oracle", "random"]
    iql = rows_of(found.tables[0])["iql"]
    assert float(lines[0]["score_low"]) == pytest.approx(float(iql.score.low))
    assert lines[1]["score_low"] == ""
    assert float(lines[2]["score"]) == 10


def test_the_estimates_do_not_import_jax() -> None:
    code = "import sys, qflock.evidence.comparison.compare; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
