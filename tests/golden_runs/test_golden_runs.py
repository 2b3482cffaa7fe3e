"""Every algorithm computes what it computed when its golden runs were recorded.

On the machine of the record (by its fingerprint) weights have the same bits and logs the same text; elsewhere
both are equal to 1e-5, and whatever counts is equal.
"""

from __future__ import annotations

import re

import numpy as np
import pytest

from qflock.settings import registry
from tests.golden_runs import comparison
from tests.golden_runs.cases import CASES
from tests.golden_runs.comparison import Run
from tests.golden_runs.trainer import Trainer, fingerprint


@pytest.fixture(scope="module")
def trainer(tmp_path_factory):
    with Trainer(tmp_path_factory.mktemp("golden")) as trainer:
        yield trainer


@pytest.mark.parametrize(
    "name",
    [
        pytest.param(name, marks=[pytest.mark.slow, pytest.mark.ci_slow] if case.slow else [])
        for name, case in CASES.items()
    ],
)
def test_a_run_repeats_its_record(name, trainer):
    for library, words in (
        ("pettingzoo", "pettingzoo:"),
        ("gymnasium", "gymnasium:"),
        ("evosax", "evolution"),
    ):
        if words in CASES[name].train:
            pytest.importorskip(library)
    old, where = comparison.recorded(name)
    new = comparison.read(trainer.train(name))
    found = comparison.differences(old, new, exact=where == fingerprint())
    assert not found, "\n".join([f"{len(found)} differences:", *found[:20]])
    asked = re.search(r"--total_steps (\d+)", CASES[name].train)  # its updates take at most 32 steps
    for seed, steps in enumerate(new.summary[f"env_steps_per_seed.{i}"] for i in range(seeds_of(new))):
        assert asked is None or int(asked[1]) <= steps < int(asked[1]) + 32, f"seed {seed}"


def seeds_of(run: Run) -> int:
    """How many seeds a run has."""
    return sum(name.startswith("env_steps_per_seed.") for name in run.summary)


def test_every_algorithm_has_a_golden_run():
    trained = {case.train.split()[0] for case in CASES.values()}
    assert trained == set(registry.names("algorithms"))


def test_every_case_is_recorded_and_learns():
    for name in CASES:
        run, _ = comparison.recorded(name)
        assert len(run.tables["training_log.csv"]["env_step"]) >= 2, name
    kept = {path.stem for path in comparison.RECORDED.iterdir()}
    assert kept == set(CASES)  # no record without a case


def small(**changes):
    weights = {"a": np.float32([1.0, -2.0]), "b": np.float32([3.0, 4.0]), "c": np.zeros((2, 2), np.float32)}
    tables = {"training_log.csv": {"env_step": ["32"], "loss": ["0.5"]}, "evaluation.csv": {"solved": [""]}}
    return Run(weights, tables, {"env_steps": 32, "over_seeds.return_mean": 1.5})._replace(**changes)


@pytest.mark.parametrize("exact", [True, False])
def test_names_and_order_of_leaves_do_not_count(exact):
    names = {"x": "c", "y": "b", "z": "a"}
    assert not comparison.differences(
        small(), small(weights={new: small().weights[old] for new, old in names.items()}), exact
    )


@pytest.mark.parametrize(
    ("changes", "exact", "message"),
    [
        ({"weights": {**small().weights, "a": np.float32([1.0, -2.000001])}}, True, "weights, a"),
        ({"weights": {**small().weights, "a": np.float32([1.0, -2.001])}}, False, "weights, a"),
        ({"weights": {"d": np.float32([1.0, -2.001]), **small().weights}}, False, "weights are"),
        ({"tables": {**small().tables, "evaluation.csv": {}}}, False, "no column solved"),
        ({"tables": {**small().tables, "evaluation.csv": {"solved": ["0.0"]}}}, False, "solved: 0.0 instead"),
        ({"tables": {**small().tables, "evaluation.csv": {"solved": []}}}, False, "0 rows, not 1"),
        ({"summary": {**small().summary, "env_steps": 33}}, False, "env_steps: 33 instead of 32"),
        ({"summary": {"env_steps": 32}}, False, "return_mean: nothing instead of 1.5"),
    ],
)
def test_differences_are_told(changes, exact, message):
    (found,) = comparison.differences(small(), small(**changes), exact)
    assert message in found


def test_bits_may_differ_elsewhere_and_counts_may_not():
    near = {**small().weights, "a": np.float32([1.0, -2.000001])}
    assert not comparison.differences(small(), small(weights=near), exact=False)
    assert comparison.same("0.5", "0.500001", exact=False)
    assert not comparison.same("0.5", "0.500001", exact=True)
    assert not comparison.same("100000", "100001", exact=False)
