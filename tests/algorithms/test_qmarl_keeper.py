"""What qmarl keeps of a run: the memory's best is where chains start, and what a run found may replace it."""

from __future__ import annotations

from pathlib import Path
from typing import Any, NamedTuple

import jax.numpy as jnp
import numpy as np
import pytest

from qflock.algorithms.qmarl import history, keeper, memory
from qflock.algorithms.qmarl.config import QmarlConfig
from qflock.core.errors import UserError
from qflock.core.hooks import EndedRun, RunFacts
from qflock.search import blocks
from qflock.search.scoring import Scoring

SETTINGS = {"algorithm": "qmarl", "env": {"name": "toy", "size": 3}}
ROW = {"env_step": 8, "mcmc_step": 4.0, "best": 1.0, "mean": 0.5, "acceptance": 0.3, "sigma": 0.1}
ROW |= {"beta": 5.0, "seconds": 0.5, "beta_sd": 0.1}


class Weights(NamedTuple):
    best: Any
    chains: Any


def facts(**changes: Any) -> RunFacts:
    return RunFacts(SETTINGS, "toy", 3, 1, 4, True, True)._replace(**changes)


def search(folder: Path | str) -> keeper.Search:
    """Policies of two numbers, whose exact return is their sum; the state holds the best and two chains."""
    init = lambda key: {"w": jnp.zeros(2)}
    exact = lambda parameters, mode: parameters["w"].sum()
    never = lambda *_: pytest.fail("it has an exact return")
    return keeper.Search(
        QmarlConfig(network="mlp", memory=str(folder), distil_steps=0),
        blocks.layout(init),
        Scoring(never, never, exact, never, never, never),
        bounds=never,
        distil=None,
        init=lambda key: jnp.zeros((3, 2)),
        execution=lambda state: {"w": state[0]},
        weights=lambda state: Weights({"w": state[0]}, {"w": state[1:]}),
        start_from=lambda state, weights: jnp.concatenate([weights.best["w"][None], weights.chains["w"]]),
    )


def ran(folder: Path, run: Path, best: list[float]) -> tuple[np.ndarray, dict[str, Any]]:
    """The state that a run on a memory starts from, and what it adds to its summary; it finds ``best``."""
    run.mkdir()
    with keeper.hooks(search(folder), facts()) as hooks:
        begun = hooks.start(jnp.full((1, 3, 2), 0.25))
        assert not list(hooks.watch(ROW))
        state = jnp.zeros((1, 3, 2)).at[0, 0].set(jnp.array(best))
        more = hooks.end(EndedRun(run.name, run, "1d", "today"), state)
    return np.asarray(begun[0]), more


def test_chains_start_from_the_memorys_best_and_may_replace_it(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    begun, more = ran(folder, tmp_path / "a", [1.0, 2.0])
    assert (begun == 0.25).all()
    assert more == {"memory": str(folder), "memory_best": 3.0}
    begun, more = ran(folder, tmp_path / "b", [0.5, 0.5])
    np.testing.assert_array_equal(begun, [[1.0, 2.0]] * 3)
    assert more["memory_best"] == 3.0
    assert ran(folder, tmp_path / "c", [4.0, 0.0])[1]["memory_best"] == 4.0
    assert [run["offers"][0]["accepted"] for run in history.read(folder / memory.HISTORY)[1]] == [
        True,
        False,
        True,
    ]
    ((own,), (kept,)) = (
        history.read(tmp_path / "a" / history.NAME)[1],
        history.read(folder / history.NAME)[1][:1],
    )
    assert (
        own["steps"] == kept["steps"] == [{"step": 4, **{k: v for k, v in ROW.items() if k != "mcmc_step"}}]
    )
    assert own["configuration_hash"] == history.digest(SETTINGS)


def test_an_interrupted_run_offers_its_best_too(tmp_path: Path) -> None:
    folder = tmp_path / "memory"
    with keeper.hooks(search(folder), facts()) as hooks:
        hooks.interrupted(jnp.zeros((1, 3, 2)).at[0, 0].set(jnp.array([1.0, 2.0])))
    assert ran(folder, tmp_path / "b", [0.5, 0.5])[1]["memory_best"] == 3.0
    with keeper.hooks(search("none"), facts()) as hooks:
        hooks.interrupted(jnp.zeros((1, 3, 2)))


def test_without_a_memory_there_is_the_history_of_the_run(tmp_path: Path) -> None:
    with keeper.hooks(search("none"), facts()) as hooks:
        list(hooks.watch(ROW))
        kept = hooks.keep()
    with keeper.hooks(search("none"), facts()) as hooks:
        state = jnp.full((1, 3, 2), 0.25)
        assert hooks.start(state) is state
        hooks.go_on(kept)
        list(hooks.watch({**ROW, "mcmc_step": 8.0}))
        assert hooks.end(EndedRun("run", tmp_path, "1d", "today"), state) == {}
    of, (run,) = history.read(tmp_path / "training_history.json")
    assert of == {"run": "run"}
    assert (run["id"], run["started"], run["seed"], run["parent"]) == ("1d", "today", 3, None)
    assert [step["step"] for step in run["steps"]] == [4, 8]


def test_noise_is_warned_of_once() -> None:
    with keeper.hooks(search("none"), facts()) as hooks:
        (line,) = hooks.watch({**ROW, "beta_sd": 2.0})
        assert line.startswith("warning: beta x sd of an estimate of J is 2, above 1.5")
        assert not list(hooks.watch({**ROW, "beta_sd": 2.0}))


def test_several_processes_are_refused() -> None:
    with (
        pytest.raises(UserError, match=r"^qmarl keeps one memory and one history: train it in one process$"),
        keeper.hooks(search("none"), facts(alone=False)),
    ):
        pass


def test_what_a_memory_says_is_shown_unless_quiet(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    ran(tmp_path / "memory", tmp_path / "a", [1.0, 2.0])
    for quiet in (False, True):
        weights = tmp_path / "memory" / memory.WEIGHTS
        weights.write_bytes(b"no weights")
        with keeper.hooks(search(tmp_path / "memory"), facts(quiet=quiet)):
            pass
        said = capsys.readouterr().out
        assert ("the search for a best model begins anew" in said) is not quiet
