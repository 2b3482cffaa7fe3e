"""The table of entangled critics: crossings by hand, and rows from logs of an experiment's form."""

import importlib.util
import json
from pathlib import Path

import numpy as np
import pytest

from qflock.core.errors import UserError

PATH = Path(__file__).parents[2] / "scripts" / "entangled_critic.py"
spec = importlib.util.spec_from_file_location("entangled_critic", PATH)
assert spec is not None
assert spec.loader is not None
script = importlib.util.module_from_spec(spec)
spec.loader.exec_module(script)


def test_crossings_are_of_the_rolling_mean_of_the_seeds_mean():
    """One seed jumps from 0 to 40 after 100 episodes, the other stays at 10: the mean goes from 5 to 25."""
    returns = np.stack([np.where(np.arange(200) < 100, 0.0, 40.0), np.full(200, 10.0)])
    (first, second), best = script.crossings(returns)
    assert first == 108  # eight of the last ten episodes are at 25, two at 5: 21; with seven it is 19
    assert second == 110
    assert best == pytest.approx(25)
    assert script.crossings(returns / 2)[0] == [None, None]


def test_intervals_of_crossings_resample_seeds():
    """One of two seeds reaches 20, with its 10th episode; a sample's mean does where it is drawn twice."""
    returns = np.stack([np.full(40, 30.0), np.full(40, 5.0)])
    assert script.intervals(returns) == [(10, None), (10, None)]
    assert script.intervals(np.full((3, 40), 22.0)) == [(10, 10), (None, None)]


def test_the_table_is_read_from_the_logs(tmp_path, capsys):
    cell = tmp_path / "cells" / "one"
    cell.mkdir(parents=True)
    lines = [f"{seed},{21 + seed}" for seed in (0, 1) for _ in range(12)]
    (cell / "training_log.csv").write_text("\n".join(["seed,episode_return_undiscounted", *lines]) + "\n")
    told = {"state": "done", "label": "fCTDE", "folder": "cells/one", "environment": {"observation": "full"}}
    content = {"file": "x.yaml", "cells": [told, {**told, "state": "waiting"}]}
    (tmp_path / "results.json").write_text(json.dumps(content))
    found = script.rows(tmp_path)
    assert [(r["seeds"], r["episodes"], r["to_20"], r["to_25"], r["best"]) for r in found] == [
        (2, 12, 10, None, pytest.approx(21.5))
    ]
    assert "| fCTDE | full | 2 | 10 / 1,917 | never / never | 21.5 / 23.67 |" in script.table(found)
    assert "| fCTDE | full | 10 to 10 / 1,677 to 2,745 | never to never / 2,479 to never |" in (
        script.interval_table(found)
    )
    content["cells"] = content["cells"][1:]
    (tmp_path / "results.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match=r"no cell of .* is done: qflock experiment x.yaml"):
        script.rows(tmp_path)
    with pytest.raises(UserError, match="is no experiment's folder"):
        script.rows(tmp_path / "cells")
