"""The race of searches: its picture, and its mistakes in one line."""

import json

import pytest
from PIL import Image

from qflock import api
from qflock.evidence.experiment_results import done
from scripts.search_race import main


@pytest.mark.slow
@pytest.mark.ci_slow
def test_searches_and_gradients_are_drawn_together(tmp_path):
    tiny = {"final_episodes": 4, "quiet": True, "log_interval": 1}
    circuit = {"network": "circuit", "circuit_qubits": 2, "circuit_layers": 1}
    search = {"n_chains": 2, "n_mcmc_steps": 4, "sweep": 2, "warmup": 2, "episodes": 4, "held_out": 4}
    api.train("qmarl", "two_step", run_dir=tmp_path / "cells" / "a", **tiny, **circuit, **search)
    learner = {"total_steps": 512, "log_interval": 128, "eval_interval": 128, "num_envs": 8, "num_steps": 8}
    api.train("ippo", "two_step", run_dir=tmp_path / "cells" / "b", **{**tiny, **circuit, **learner})
    states = [("MCMC", "a", "done"), ("gradients", "b", "done"), ("never run", "c", "waiting")]
    told = [{"label": n, "folder": f"cells/{f}", "state": s} for n, f, s in states]
    (tmp_path / "results.json").write_text(json.dumps({"cells": told}))
    assert [cell.content["label"] for cell in done(tmp_path)] == ["MCMC", "gradients"]
    assert main([str(tmp_path), "--out", str(tmp_path / "race.png")]) == 0
    assert Image.open(tmp_path / "race.png").size[0] > 1000


def test_a_folder_that_is_no_experiments_is_refused(tmp_path, capsys):
    assert main([str(tmp_path)]) == 2
    assert "is no experiment's folder" in capsys.readouterr().err
    (tmp_path / "results.json").write_text('{"cells": []}')
    assert main([str(tmp_path)]) == 2
    assert "is done: qflock experiment FILE" in capsys.readouterr().err
