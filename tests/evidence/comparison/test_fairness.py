"""The judge of fairness: every rule kept and broken, and who asks it."""

from __future__ import annotations

import ast
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from qflock.core.errors import UserError
from qflock.evidence import records, results
from qflock.evidence.comparison import fairness
from qflock.evidence.comparison.compare import compare
from qflock.evidence.comparison.finding import Finding, refuse
from qflock.evidence.comparison.tasks import sort
from qflock.evidence.report import rules

MakeRun = Callable[..., Path]
SEEDS = dict.fromkeys(range(5), 6.0)
SOURCE = Path(fairness.__file__).parents[2]


def judged(*runs: Path, metric: str = "discounted_mean") -> dict[tuple[str, str], Finding]:
    findings = fairness.judge(sort([records.read(run) for run in runs]), metric)
    return {(finding.kind, finding.where): finding for finding in findings}


def severities(*runs: Path, **options: Any) -> dict[str, str]:
    return {kind: finding.severity for (kind, _), finding in judged(*runs, **options).items()}


def test_a_fair_pair_keeps_every_rule(make_run: MakeRun) -> None:
    pair = [make_run(name, SEEDS, algorithm=name, summary={"tuning_budget": 10}) for name in ("iql", "vdn")]
    found = severities(*pair)
    assert found.pop("checkout") == "unknown"  # these runs do not know their commit
    assert set(found.values()) == {"kept"}
    assert all(not finding.what for (kind, _), finding in judged(*pair).items() if kind != "checkout")


@pytest.mark.parametrize(
    ("kind", "severity", "change"),
    [
        ("seeds", "broken", {"scores": {0: 1.0}}),
        ("pairing", "broken", {"scores": {seed + 1: 6.0 for seed in range(5)}}),
        ("steps", "broken", {"steps": 1011}),
        ("steps", "kept", {"steps": 1010}),
        ("steps", "unknown", {"summary": {"env_steps": None}}),
        ("tuning", "broken", {"summary": {"tuning_budget": 11}}),
        ("tuning", "broken", {"summary": {"tuning_budget": "a week"}}),
        ("tuning", "unknown", {"summary": {}}),
        ("parameters", "broken", {"summary": {"parameters": 1358}}),
        ("parameters", "kept", {"summary": {"parameters": 1357}}),
    ],
)
def test_one_run_that_differs(kind: str, severity: str, change: dict[str, Any], make_run: MakeRun) -> None:
    given = {"scores": SEEDS, **change}
    given["summary"] = (
        {"tuning_budget": 10} | given.get("summary", {}) if kind != "tuning" else (given.get("summary", {}))
    )
    one = make_run("a", SEEDS, algorithm="iql", summary={"tuning_budget": 10})
    two = make_run("b", given.pop("scores"), algorithm="vdn", **given)
    assert severities(one, two)[kind] == severity


def test_references_that_are_missing_or_alike(make_run: MakeRun) -> None:
    alone = judged(make_run("a", SEEDS, references={"random": {"discounted_mean": 1.0}}))
    assert alone["references", "gridworld25"].what == "no oracle to scale by"
    same = {"oracle": {"discounted_mean": 1.0}, "random": {"discounted_mean": 1.0}}
    alike = judged(make_run("b", SEEDS, references=same))
    assert alike["references", "gridworld25"].severity == "kept"
    assert str(alike["scale", "gridworld25"]) == "gridworld25: oracle and random score the same"


def test_commits_and_versions(make_run: MakeRun) -> None:
    one, two = (records.read(make_run(name, SEEDS, algorithm=name)) for name in ("iql", "vdn"))

    def judge_pair(**differing: Any) -> dict[str, Finding]:
        pair = [
            replace(record, **{name: values[at] for name, values in differing.items()})
            for at, record in enumerate((one, two))
        ]
        return {finding.kind: finding for finding in fairness.judge(sort(pair), "discounted_mean")}

    def origin(commits: tuple[str | None, ...]) -> str:
        return judge_pair(commit=commits)["checkout"].severity

    assert origin(("abc", "abc")) == "kept"
    assert origin(("abc", "def")) == origin(("abc", None)) == "broken"
    assert origin(("abc-dirty", "abc-dirty")) == "broken"
    assert origin((None, None)) == "unknown"
    versions = judge_pair(version=("0.1.0", "0.0.9"))["versions"]
    assert str(versions) == "trained by different versions of qflock: 0.0.9, 0.1.0"


def test_budgets_for_tuning_are_compared_within_a_task(make_run: MakeRun) -> None:
    runs = [
        make_run(f"{method}-{task}", SEEDS, algorithm=method, environment={"name": task}, summary=cost)
        for task, cost in (("box_push", {"tuning_budget": 10}), ("coin_game", {"tuning_budget": 40}))
        for method in ("iql", "vdn")
    ]
    assert not any("tuning" in note for note in compare(runs, resamples=50).notes)
    house = rules.rules(list(judged(*runs).values()))
    assert {rule.name: rule.met for rule in house}["Equal budgets for finding settings"] is True


def test_a_seed_without_a_score_is_refused_alike(make_run: MakeRun) -> None:
    run = make_run("a", SEEDS)
    summary = (run / "summary.json").read_text().replace('"solved": 0.6', '"solved": null', 1)
    (run / "summary.json").write_text(summary)
    messages = set()
    for ask in (lambda: compare([run], metric="solved"), lambda: results.of_run(run, "solved")):
        with pytest.raises(UserError) as refused:
            ask()
        messages.add(str(refused.value))
    assert messages == {f"{run}: seed 0 has no finite 'solved' in its final evaluation"}


def test_tuning_is_judged_before_it_is_spent() -> None:
    assert fairness.tuning_seeds([0, 1], [2, 3], "file.yaml: sweep") == []
    with pytest.raises(UserError, match=r"^file.yaml: sweep: seed 1 also measures; .* seed: 2$"):
        refuse(fairness.tuning_seeds([0, 1], [1, 2], "file.yaml: sweep"))
    assert fairness.trials({"iql": 4, "vdn": 4}, "file.yaml: sweep") == []
    with pytest.raises(UserError, match=r"different sizes: iql 4, vdn 5$"):
        refuse(fairness.trials({"iql": 4, "vdn": 5}, "file.yaml: sweep"))


JUDGED = {"tuning_budget", "FEW_SEEDS", "MATCHED", "ROUNDING"}


def test_only_the_judge_compares_budgets() -> None:
    """Records read them, results write them down, the report's rules name the number of seeds: no more."""
    readers: dict[str, set[str]] = {}
    for path in [path for room in ("evidence", "experiments") for path in (SOURCE / room).rglob("*.py")]:
        for node in ast.walk(ast.parse(path.read_text())):
            name = getattr(node, "attr", None) or getattr(node, "id", None)
            if name in JUDGED and isinstance(getattr(node, "ctx", None), ast.Load):
                readers.setdefault(name, set()).add(str(path.relative_to(SOURCE)))
    judge = "evidence/comparison/fairness.py"
    assert readers == {
        "tuning_budget": {judge, "evidence/results.py"},
        "FEW_SEEDS": {judge, "evidence/report/rules.py"},
        "MATCHED": {judge},
        "ROUNDING": {judge},
    }
