"""Who is in an episode of a PettingZoo environment, and how it ends: `agents`, flags, and what is missing."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

pytest.importorskip("gymnasium")

import qflock
from qflock.bridges.host.groups import GO_ON, Group, Orders
from qflock.bridges.host.pettingzoo_copy import Copy
from qflock.bridges.host.workers import Workers, timestep
from qflock.commands import main
from qflock.core.errors import UserError
from qflock.core.steps import TimeStep
from qflock.playing import evaluation, execution, host_rollout
from qflock.runs.train import runner
from qflock.settings import config
from tests.bridges.stories import ASH, ELM, STORIES

STORY = "tests.bridges.stories"


def copy_of(story: str, **settings: Any) -> Copy:
    return Copy(STORY, {"story": story, "max_steps": 40, "state": "observations", **settings})


def played(story: str, steps: int | None = None, **settings: Any) -> tuple[list[TimeStep], list[Any]]:
    """The time steps of a story up to its end, and the names whose actions were passed on."""
    copy = copy_of(story, **settings)
    rows = [timestep(copy, copy.reset(0))]
    for _ in range(len(STORIES[story]) - 1 if steps is None else steps):
        assert not rows[-1].over, f"over after {len(rows) - 1} steps"
        rows.append(timestep(copy, copy.step(np.zeros(3, int))))
    return rows, [sorted(actions) for actions in copy._env.passed]


def active(rows: list[TimeStep]) -> list[list[int]]:
    return [np.asarray(row.active).astype(int).tolist() for row in rows]


def ends(rows: list[TimeStep]) -> list[str]:
    return ["terminated" if r.terminated else "truncated" if r.truncated else "" for r in rows]


@pytest.mark.parametrize(
    ("story", "end"),
    [
        ("a key for all", "terminated"),
        ("a key for all, listed on", "truncated"),
        ("empty at the end", "terminated"),
        ("gone without a flag", "terminated"),
        ("late", "truncated"),
        ("back", "terminated"),
        ("listed though ended", "terminated"),
        ("both flags", "terminated"),
        ("both flags and one", "truncated"),
        ("one ends, one is cut", "truncated"),
        ("cut alone", "terminated"),
        ("views go with agents", "truncated"),
    ],
)
def test_an_episode_ends_when_nobody_is_left(story: str, end: str) -> None:
    rows, _ = played(story)
    assert ends(rows) == [""] * (len(rows) - 1) + [end]


def test_agents_that_join_late_are_active_and_act_from_then_on() -> None:
    rows, passed = played("late")
    assert active(rows[:4]) == [[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert passed == [["ash"], ["ash"], ["ash", "elm"], ["ash", "elm", "oak"]]
    assert [row.reward.tolist() for row in rows[1:]] == [[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert rows[1].legal.tolist() == [[True, True], [True, False], [True, False]]
    assert rows[1].observation.tolist() == [[1, 0], [0, 0], [0, 0]]


def test_agents_that_come_back_are_active_again() -> None:
    rows, passed = played("back")
    assert active(rows[:4]) == [[1, 1, 0], [1, 0, 0], [1, 0, 0], [1, 1, 0]]
    assert passed == [["ash", "elm"], ["ash"], ["ash"], ["ash", "elm"]]
    assert rows[2].observation[1].tolist() == [0, 0]  # nothing of its first life


def test_agents_that_are_removed_without_a_flag_have_left() -> None:
    rows, passed = played("gone without a flag")
    assert active(rows[:3]) == [[1, 1, 1], [1, 0, 1], [0, 0, 1]]
    assert passed[1:] == [["ash", "oak"], ["oak"]]


def test_an_agent_whose_end_is_told_has_left_though_it_is_listed_and_is_back_when_no_flag_says_so() -> None:
    rows, passed = played("back at once")
    assert active(rows) == [[1, 1, 0], [1, 0, 0], [1, 1, 0], [1, 1, 0]]
    assert passed == [["ash", "elm"]] * 3  # the environment lists it, and wants its action
    assert active(played("listed though ended")[0][:3]) == [[1, 1, 0], [1, 0, 0], [1, 0, 0]]


def test_without_a_list_of_agents_the_observations_say_who_is_there() -> None:
    rows, _ = played("cut alone", lists=False, steps=1)
    assert active(rows) == [[1, 1, 0], [1, 0, 0]]
    rows, _ = played("late", lists=False)
    assert active(rows[:4]) == [[1, 0, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]]
    assert ends(rows)[-1] == "truncated"


def test_an_agent_that_is_truncated_alone_is_told_apart_from_one_that_is_done() -> None:
    rows, _ = played("cut alone")
    alone = [row.truncated_alone.astype(int).tolist() for row in rows]
    assert alone == [[0, 0, 0], [0, 1, 0], [0, 0, 0], [0, 0, 0]]
    assert active(rows[:3]) == [[1, 1, 0], [1, 0, 0], [1, 0, 0]]
    assert rows[1].observation[1].tolist() == [1, 1]  # what it is bootstrapped from
    assert rows[1].legal[1].all(), "its best action there may be any"
    assert rows[2].legal[1].tolist() == [True, False]
    done, _ = played("cut alone, then both flags")
    assert not any(row.truncated_alone.any() for row in done)


def test_who_was_truncated_alone_is_truncated_for_other_libraries_too() -> None:
    env = qflock.to_pettingzoo(f"pettingzoo:{STORY}", story="cut alone", workers="serial")
    env.reset(seed=0)
    _, _, terminations, truncations, _ = env.step(dict.fromkeys(env.agents, 0))
    assert (terminations, truncations) == (
        {"agent_0": False, "agent_1": False},
        {"agent_0": False, "agent_1": True},
    )
    assert env.agents == ["agent_0"]
    env.close()


def test_workers_carry_who_was_truncated_alone() -> None:
    group = Group(Orders(lambda: copy_of("cut alone"), (0, 1), "shifts"))
    first = group.start([1, 2])
    *_, alone = group.tick((np.zeros((2, 3), int), (GO_ON, GO_ON)))
    assert not first[-1].any()
    assert alone.tolist() == [[False, True, False]] * 2


def test_of_a_truncated_episode_only_those_are_active_whose_value_is_still_to_come() -> None:
    assert active(played("one ends, one is cut")[0])[-1] == [0, 1, 0]
    assert active(played("both flags and one")[0])[-1] == [0, 1, 0]
    assert active(played("long", steps=3, max_steps=3)[0])[-1] == [1, 1, 1]


def test_the_bridges_own_clock_truncates_whoever_is_there() -> None:
    rows, _ = played("long", steps=3, max_steps=3)
    assert ends(rows) == ["", "", "", "truncated"]


def test_an_agent_that_leaves_with_its_view_keeps_its_last_one_to_bootstrap_from() -> None:
    rows, _ = played("views go with agents")
    assert rows[-1].observation.tolist() == [[1, 0], [1, 1], [0, 0]]


def test_an_agent_that_is_live_has_its_last_view_again_where_it_is_shown_none() -> None:
    rows, _ = played("live without a view")
    assert rows[-1].observation.tolist() == [[2, 0], [1, 1], [0, 0]]


def test_a_live_agent_without_a_view_at_a_truncation_is_told() -> None:
    with pytest.raises(UserError, match=r"^pettingzoo:\S+: .*no entry of elm.* \(step 2\)$"):
        played("live without a view", max_steps=2)


@pytest.mark.parametrize(
    ("story", "line"),
    [
        ("a stranger", r"'yew', which is none of its possible_agents \(step 1\)$"),
        ("nobody", r"nobody is in the episode.*\(reset\)$"),
    ],
)
def test_who_cannot_be_there_is_told(story: str, line: str) -> None:
    with pytest.raises(UserError, match=line):
        played(story)


def test_a_shared_reward_is_paid_whoever_has_left() -> None:
    rows, _ = played("the first leaves", shared_reward=True)
    assert [row.reward.tolist() for row in rows[1:]] == [[1.0] * 3] * 4
    own, _ = played("the first leaves")
    assert [row.reward.sum() for row in own[1:]] == [2, 1, 1, 1]


def test_rewards_that_differ_are_no_shared_reward() -> None:
    with pytest.raises(UserError, match=r"ash 1, elm 2; shared_reward says .* \(step 1\)$"):
        played("paid otherwise", shared_reward=True)


def test_a_new_episode_knows_nothing_of_the_one_before() -> None:
    copy = copy_of("cut alone")
    for _ in range(2):
        first = TimeStep(*copy.reset(0), measures={})
        assert first.active.tolist() == [True, True, False]
        assert not copy.truncated_alone.any()
        copy.step(np.zeros(3, int))
        assert copy.truncated_alone.tolist() == [False, True, False]


def test_actions_are_what_a_space_gives() -> None:
    copy = copy_of("long")
    copy.reset(0)
    copy.step(np.array([0, 1, 1], np.int32))
    passed = copy._env.passed[-1]
    assert {type(action) for action in passed.values()} == {np.int64}
    assert (passed[ASH], passed[ELM]) == (3, 4)


class TestWhoComesBack:
    """What is downstream of agents that join late, leave and return."""

    @pytest.fixture(autouse=True)
    def _needs(self) -> None:
        pytest.importorskip("pettingzoo")

    def test_its_hidden_state_is_fresh_while_rows_are_collected(self) -> None:
        """A memory that counts an agent's steps, as a recurrent network might."""
        env = qflock.make(f"pettingzoo:{STORY}", story="back", workers="serial")
        policy = execution.decentralised(3, lambda: jnp.zeros(()), lambda *rest: (rest[2] + 1, 0))
        flow = host_rollout.Flow(Workers(env, 2), env.spec, 1, 2, np.array([1, 2]))
        counted: list[Any] = []

        def act(memory: Any, first: Any, now: TimeStep, step: int) -> Any:
            memory = np.where(first[..., None], 0, memory)
            counted.append(memory[0, 0].astype(int).tolist())
            return memory + 1, np.zeros((1, 2, 3), int), ()

        renew = functools.partial(execution.renewed, policy)
        _, rows, tally, _ = flow.collect(act, np.zeros((1, 2, 3)), 6, renew)
        flow.close()
        assert [memory[1] for memory in counted] == [0, 1, 2, 0, 1, 0]  # elm is back at the fourth row
        assert [memory[0] for memory in counted] == [0, 1, 2, 3, 4, 0]
        assert rows.timestep.active[0, :5, 0, 1].tolist() == [True, False, False, True, True]
        assert (tally.episodes, tally.length, tally.episode_return.tolist()) == ([2], [8], [12.0])

    def test_a_learnt_policy_forgets_in_play_whoever_is_not_there(self) -> None:
        alone = lambda parameters, agent, memory, *rest: (memory + 1, agent)
        policy = execution.decentralised(3, lambda: jnp.zeros(()), alone)
        choose = evaluation.of_policy(policy, ())
        now = TimeStep(
            *(jnp.zeros((3, 1)), jnp.zeros(1), jnp.ones((3, 2), bool), jnp.array([True, False, True])),
            *(jnp.zeros(3), jnp.bool_(False), jnp.bool_(False), {}),
        )
        memory, _ = choose(jnp.array([4.0, 4.0, 4.0]), None, now, jax.random.key(0))
        assert memory.tolist() == [5, 0, 5]

    @pytest.mark.slow
    @pytest.mark.parametrize(("learner", "network"), [("qmix", "gru"), ("iql", "mlp"), ("mappo", "gru")])
    def test_learners_train_on_it(self, learner: str, network: str, tmp_path: Path) -> None:
        values = {"total_steps": 96, "num_envs": 4, "num_steps": 4, "hidden": (8,), "network": network}
        values |= {"eval_interval": 48, "eval_episodes": 2, "final_episodes": 2, "log_interval": 48}
        if learner != "mappo":
            values |= {"row_length": 4, "buffer_capacity": 256, "min_buffer_size": 16, "batch_size": 8}
            values |= {"train_frequency": 16}
        values |= {"env": f"pettingzoo:{STORY}", "env.story": "back", "env.workers": "serial"}
        settings = config.resolve(learner, overrides={**values, "run_dir": tmp_path / "run"})
        scored = runner.train(settings, quiet=True)["per_seed"][0]
        assert (scored["return_mean"], scored["length_mean"]) == (6.0, 4.0)

    def test_check_has_nothing_against_it(self, capsys: pytest.CaptureFixture[str]) -> None:
        name = f"pettingzoo:{STORY}"
        assert main(["check", name, "--env.story", "back"]) == 0
        assert main(["check", name, "--env.story", "nobody"]) == 2
        assert capsys.readouterr().err.count("\n") == 1
