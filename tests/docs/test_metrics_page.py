"""docs/metrics.md names every column that is written, with the unit that the code has, and no other."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path

import jax
import numpy as np
import pytest

from qflock.evidence import metrics
from qflock.runs import evaluation, zoo
from qflock.runs.train import ending, ledger, programs
from qflock.settings import registry
from qflock.settings.config import Settings
from qflock.settings.run import RunSettings
from tests.marks import IN_CI
from tests.test_every_algorithm import ALIKE, small
from tests.tiny import Echo, world

PAGE = Path(__file__).parents[2] / "docs" / "metrics.md"
QUICK = {"qmix"}
"""Learners that the default tests trace; CI traces those that are no close relatives of another one, too."""
SWITCHES = {
    "a2c": [{"operator": "rotation", "contraction": True, "ramsey": True}],
    "qmarl": [{"temperatures": 2}],
}
SWITCHES |= dict.fromkeys(("ippo", "mappo", "qio"), SWITCHES["a2c"])
"""Settings with which a learner writes more columns."""
COLUMN = re.compile(r"`(\w+)`")


def section(title: str) -> str:
    """The text below a heading, up to the next one of its level or a higher one."""
    text = PAGE.read_text(encoding="utf-8")
    level, _, rest = re.search(rf"^(#+) {re.escape(title)}(\n)(.*)", text, re.M | re.S).groups()
    return re.split(rf"^#{{1,{len(level)}}} ", rest, flags=re.M)[0]


def rows(text: str) -> list[list[str]]:
    """Cells of all tables' rows, without their heads."""
    lines = [line for line in text.splitlines() if line.startswith("| ")]
    cells = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in lines]
    return [row for row in cells if COLUMN.search(row[0])]


def names(text: str) -> set[str]:
    return {name for row in rows(text) for name in COLUMN.findall(row[0])}


def on_the_page(learner: str) -> set[str]:
    """The columns that the page gives to a learner."""
    for part in re.split(r"^### ", section("Training log"), flags=re.M)[1:]:
        if learner in COLUMN.findall(re.search(r"^Learners: (.*)$", part, re.M)[1]):
            found = set()
            for row in rows(part):
                own = COLUMN.findall(row[4] if len(row) == 5 else row[3])
                if not set(own) & set(registry.names("algorithms")) or learner in own:
                    found |= set(COLUMN.findall(row[0]))
            return found
    raise AssertionError(f"{PAGE.name} does not name {learner}")


def written(learner: str) -> set[str]:
    """The columns that a learner writes, found without computing anything."""
    run = RunSettings(env=f"tests/tiny.py:{world(learner).__name__}", seeds=1, log_interval=1024)
    found = set()
    for switches in ({}, *SWITCHES.get(learner, [])):
        config = replace(small(learner), **switches)
        program = programs.build(Settings(learner, run, config, Echo.Config()))
        start = jax.eval_shape(program.init, np.arange(1, dtype=np.uint32))
        found |= set(jax.eval_shape(program.outline, start)[1].metrics)
    return found


@pytest.mark.parametrize(
    "learner",
    [
        pytest.param(n, marks=[] if n in QUICK else [*IN_CI, *[pytest.mark.left_out] * (n in ALIKE)])
        for n in registry.names("algorithms")
    ],
)
def test_a_learners_columns_are_on_the_page_and_no_others(learner):
    assert on_the_page(learner) == written(learner)


def test_columns_that_all_runs_have_are_on_the_page():
    first = rows(section("Training log").partition("###")[0])
    assert [COLUMN.findall(row[0])[0] for row in first] == list(ledger.FIRST)
    assert names(section("Evaluations")) == {"seed", "env_step", *evaluation.COLUMNS}


def test_every_metric_of_the_code_is_on_the_page_with_its_unit():
    units = {}
    for row in rows(PAGE.read_text(encoding="utf-8").partition("## The same names")[0]):
        if len(row) >= 3:
            units |= dict.fromkeys(COLUMN.findall(row[0]), row[1]) if row[0].count("`") == 2 else {}
            if row[0].count("`") > 2:
                own = [unit.strip() for unit in row[1].split(",")]
                found = COLUMN.findall(row[0])
                units |= dict(zip(found, own * len(found) if len(own) == 1 else own, strict=False))
    for name, metric in metrics.TABLE.items():
        assert name in units, f"{PAGE.name} lacks {name}"
        own = metric.unit or ("reward" if units[name] == "reward" else "")
        assert units[name].split(";")[0] == own, name


def test_every_logged_column_is_in_the_codes_table_of_metrics():
    """Or pages and figures would take it for a measure of the task, of which more is better."""
    for part in re.split(r"^### ", section("Training log"), flags=re.M)[1:]:
        assert names(part) <= set(metrics.TABLE)


def test_measures_of_our_environments_are_on_the_page():
    listed = {
        (name, environment)
        for row in rows(section("Measures of environments"))
        for name in COLUMN.findall(row[0])
        for environment in COLUMN.findall(row[3])
    }
    found = set()
    for name in registry.names("environments"):
        env = registry.environment_class(name)()
        _, now = jax.eval_shape(env.reset, jax.random.key(0))
        found |= {(measure, name) for measure in now.measures}
    assert listed == found


def test_fields_of_a_summary_are_on_the_page():
    listed = names(section("Summary"))
    kept = zoo.FOLDER / "gridworld25" / "qmix" / "summary.json"
    assert set(zoo.texts.read_json(kept)) <= listed
    source = Path(ending.__file__).read_text(encoding="utf-8")
    fields = set(re.findall(r'^        "(\w+)":', source.partition("    return {\n")[2], re.M))
    assert len(fields) > 10
    assert fields <= listed
