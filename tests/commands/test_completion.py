"""The Tab key: what each shell offers, by the script that is printed for it."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from qflock.commands import completion, main

pytestmark = pytest.mark.usefixtures("entries")
Complete = Callable[[str], list[str]]
LINES = {
    "qflock tr": ["train"],
    "qflock train tin": ["tiny"],
    "qflock train tiny --hid": ["--hidden"],
    "qflock train tiny --no_d": ["--no_double_q"],
    "qflock train tiny --total_s": ["--total_steps"],
    "qflock train tiny --env tiny_world --env.l": ["--env.layout"],
    "qflock evaluate runs/x --che": ["--checkpoint"],
    "qflock resume runs/x --device ": ["auto", "cpu", "gpu"],
    "qflock list e": ["environments", "experiments"],
    "qflock completion z": ["zsh"],
    "qflock --v": ["--version"],
}


def script(shell: str, capsys: pytest.CaptureFixture[str]) -> str:
    assert main(["completion", shell]) == 0
    return capsys.readouterr().out


@pytest.fixture(params=completion.SHELLS)
def offers(request: pytest.FixtureRequest, capsys: pytest.CaptureFixture[str]) -> Complete:
    """What a shell offers after a line."""
    if request.param == "zsh" or shutil.which(request.param) is None:
        pytest.skip(
            "zsh takes bash's script" if request.param == "zsh" else f"{request.param} is not installed"
        )
    text = script(request.param, capsys)
    Path("script").write_text(text)

    def in_bash(line: str) -> str:
        words = line.split(" ")
        quoted = " ".join(f"'{word}'" for word in words)
        given = f"COMP_WORDS=({quoted}); COMP_CWORD={len(words) - 1}"
        return f'source ./script; {given}; _qflock; printf "%s\\n" "${{COMPREPLY[@]}}"'

    def in_fish(line: str) -> str:
        return f"source ./script; complete -C '{line}'"

    def complete(line: str) -> list[str]:
        asked = {"bash": in_bash, "fish": in_fish}[request.param](line)
        done = subprocess.run([request.param, "-c", asked], capture_output=True, text=True, check=True)
        assert done.stderr == ""
        return [offer.partition("\t")[0] for offer in done.stdout.split("\n") if offer]

    return complete


def test_completion(offers: Complete) -> None:
    for line, expected in LINES.items():
        assert sorted(offers(line)) == expected, line
    assert "tiny_world" in offers("qflock train tiny --env ")
    assert {"tiny", "--lr"} & set(offers("qflock train ")) == {"tiny"}
    assert "--lr" in offers("qflock train tiny ")


def test_fish_offers_files_where_nothing_of_ours_begins_so(capsys: pytest.CaptureFixture[str]) -> None:
    if shutil.which("fish") is None:
        pytest.skip("fish is not installed")
    Path("script").write_text(script("fish", capsys))
    Path("runs/mine").mkdir(parents=True)
    asked = "source ./script; complete -C 'qflock watch ru'"
    done = subprocess.run(["fish", "-c", asked], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["runs/"]


def test_fish_has_all_that_bash_has(capsys: pytest.CaptureFixture[str]) -> None:
    """Where there is no fish to ask, its text is all there is."""
    fish, bash = script("fish", capsys), script("bash", capsys)
    offered = completion.offers()
    for table in (offered.values, offered.options, offered.learners, offered.environments):
        for name, some in table.items():
            assert f"case {name}\n" in fish
            assert f"offers {' '.join(some)}\n" in fish
            assert f'{" ".join(some)}" ;;' in bash
    assert fish.count("\nend\n") == 1
    blocks = [line.split()[0] for line in fish.splitlines() if line.split()]
    opened = sum(word in ("function", "if", "switch", "for") for word in blocks) + fish.count("; and switch")
    assert opened == blocks.count("end")


def test_zsh_takes_the_script_through_bashcompinit(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", "zsh"]) == 0
    first, *rest = capsys.readouterr().out.splitlines()
    assert first == "autoload -Uz compinit bashcompinit && compinit && bashcompinit"
    assert rest[0] == "_qflock() {"
