"""What a process of a run refuses before it takes part."""

from __future__ import annotations

import itertools
import time

import pytest

from qflock.core.errors import UserError
from qflock.machine import processes
from qflock.machine.peers import LOST
from tests.machine.test_watching_peers import Store


class Alone(Store):
    """Nobody else comes."""

    def wait_at_barrier(self, name: str, timeout_in_ms: int) -> None:
        time.sleep(60)


def take_part(monkeypatch: pytest.MonkeyPatch, store: Store, index: int) -> None:
    """As if this process had found the coordinator."""
    monkeypatch.setenv(processes.COORDINATOR, "127.0.0.1:1")
    monkeypatch.setattr(processes, "_service", store)
    monkeypatch.setattr(processes, "_joined", (index, 2))
    monkeypatch.setattr(processes, "_rounds", itertools.count(1))


def test_waiting_for_others_at_the_start_ends(monkeypatch: pytest.MonkeyPatch) -> None:
    take_part(monkeypatch, Alone(), 0)
    monkeypatch.setattr(processes, "PATIENCE", 0.1)
    message = "not all 2 processes came within 0.1 s; start all of them"
    with pytest.raises(UserError, match=message) as refused, processes.joined(30):
        pytest.fail("it began")
    assert refused.value.code == LOST


def test_one_that_is_started_again_among_those_who_met_the_old_one_takes_no_part(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """They are about to leave; a newcomer must not keep them."""
    store = Store()
    store.key_value_set("qflock/1/life/1", "old 17")
    take_part(monkeypatch, store, 1)
    message = "process 1 of 2 is here already, or was until now"
    with pytest.raises(UserError, match=message) as refused, processes.joined(30):
        pytest.fail("it took part")
    assert refused.value.code == LOST
    assert store.texts == {"qflock/1/life/1": "old 17"}


def test_a_cluster_that_jax_knows_is_asked_where_to_meet(monkeypatch: pytest.MonkeyPatch) -> None:
    variables = {"JOB_ID": "1", "STEP_NODELIST": "node7", "NTASKS": "2", "PROCID": "1", "LOCALID": "0"}
    for name, text in variables.items():
        monkeypatch.setenv(f"SLURM_{name}", text)
    place = processes._place("auto")
    assert place["coordinator_address"].startswith("node7:")
    assert (place["num_processes"], place["process_id"], place["local_device_ids"]) == (2, 1, [0])
