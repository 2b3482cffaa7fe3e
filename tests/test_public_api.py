"""Nothing that users rely on goes away in silence: today's public API beside the committed list of it."""

import inspect
import json

import pytest
import yaml

import qflock
from qflock import commands
from qflock.settings import registry
from tests import public_api
from tests.public_api import RENAMED, differences, fits

GONE = """gone from the public API, where users may rely on it:
  {}
Keep it for two minor versions: let the old name work, with one line of notice, and record old -> new in
RENAMED of tests/public_api.py. What was deprecated for so long may go: run python -m tests.public_api and say
so in CHANGELOG.md."""
NEW = """new in the public API, and not yet on the committed list:
  {}
Run python -m tests.public_api, review the diff of tests/public_api.json as a user would, and commit it."""
CHANGED = """users who leave it out now get something else:
  {}
If that is meant, say so in CHANGELOG.md, run python -m tests.public_api and review the diff."""


def assert_kept(old, new):
    gone, added, changed = differences(old, new, RENAMED)
    for message, paths in ((GONE, gone), (CHANGED, changed), (NEW, added)):
        assert not paths, message.format("\n  ".join(paths))


def test_names_signatures_commands_and_settings_are_kept():
    old = {path: said for path, said in public_api.read().items() if not path.startswith(public_api.WRITTEN)}
    assert_kept(old, public_api.spoken())


@pytest.mark.slow  # it trains a small run, and draws it
@pytest.mark.ci_slow
def test_columns_keys_and_names_of_files_are_kept():
    old = {path: said for path, said in public_api.read().items() if path.startswith(public_api.WRITTEN)}
    assert_kept(old, public_api.written())


@pytest.mark.parametrize("old", RENAMED)
def test_old_names_are_still_accepted(old, capsys):
    new = public_api.read() | public_api.spoken()
    for path in expanded(old, RENAMED[old], new):
        assert accepts(path, fits(path, old, RENAMED[old]), capsys), f"{path} is no longer accepted"


def expanded(old, new, known):
    """The old paths that an entry of RENAMED means, one for each new path there is."""
    depth = len(new.split())
    back = {fits(path, new, old) for path in known if len(path.split()) == depth} - {""}
    assert back, f"RENAMED has {old} -> {new}, and there is no {new}"
    return sorted(back)


def accepts(path, there, capsys):
    """Whether users may still say an old name and get what the new one is."""
    match [path.split(), there.split()]:
        case [["python", old], _]:
            return hasattr(qflock, old)
        case [["python", name, old], _]:
            given = inspect.signature(getattr(qflock, name)).parameters.values()
            return any(one.name == old or one.kind is one.VAR_KEYWORD for one in given)
        case [["environments", old], [_, new]]:
            return registry.environment_class(old) is registry.environment_class(new)
        case [["algorithms", old], [_, new]]:
            return registry.algorithm(old) is registry.algorithm(new)
        case [["settings", old], [_, new]]:
            return sets(capsys, ["qmix"], old, new)
        case [["algorithms", name, old], [_, _, new]]:
            return sets(capsys, [name], old, new)
        case [["environments", name, old], [_, _, new]]:
            return sets(capsys, ["qmix", "--env", name], f"env.{old}", f"env.{new}")
        case [["commands", name, old], _]:
            words = [name, ".", f"--{old}=1"]  # refused for its value, its run, or its name
            return commands.main(words) == 0 or f"unknown option --{old}" not in capsys.readouterr().err
    raise AssertionError(f"nobody knows how to try {path}: add a case here")


def sets(capsys, words, old, new):
    """Whether ``qflock train WORDS --OLD VALUE`` is taken and tells of no setting but the new one."""
    before = dry_run(capsys, *words)
    value = before["env"][new[4:]] if new.startswith("env.") else before[new]
    given = (
        [] if value is True else [str(x) for x in value] if isinstance(value, list) else [str(value).lower()]
    )
    negated = "no_" if value is False else ""
    start, dot, last = old.rpartition(".")
    return (
        dry_run(capsys, *words, f"--{start}{dot}{negated}{last}", *([] if value is False else given))
        == before
    )


def dry_run(capsys, *words):
    status = commands.main(["train", *words, "--dry_run"])
    said = capsys.readouterr().out
    return yaml.safe_load(said) if status == 0 else {}


def test_an_old_setting_that_nobody_takes_is_noticed(capsys):
    assert accepts("algorithms qmix lr", "algorithms qmix lr", capsys)
    assert not accepts("algorithms qmix learning_speed", "algorithms qmix lr", capsys)
    assert accepts("environments gridworld25 grid_size", "environments gridworld25 grid_size", capsys)
    assert not accepts("environments gridworld25 side", "environments gridworld25 grid_size", capsys)
    assert not accepts("python teach", "python train", capsys)


def test_what_goes_comes_and_changes_is_told_apart():
    old = {
        "python train": None,
        "algorithms qmix copies": "int = 8",
        "algorithms vdn copies": "int = 8",
        "a": "1",
    }
    new = {
        "python fit": None,
        "algorithms qmix num_envs": "int = 8",
        "algorithms vdn num_envs": "int = 9",
        "a": "2",
    }
    renamed = {"algorithms * copies": "algorithms * num_envs"}
    gone, added, changed = differences(old, new, renamed)
    assert gone == ["python train"]
    assert added == ["algorithms qmix num_envs", "algorithms vdn num_envs", "python fit"]
    assert changed == ["a: 1 -> 2", "algorithms vdn copies: int = 8 -> int = 9"]
    with pytest.raises(AssertionError, match="two minor versions"):
        assert_kept(old, new)
    with pytest.raises(AssertionError, match=r"python -m tests\.public_api"):
        assert_kept({}, new)


def test_the_committed_list_is_sorted():
    text = public_api.FILE.read_text()
    assert text == json.dumps(dict(sorted(public_api.read().items())), indent=0) + "\n"
