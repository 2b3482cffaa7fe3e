"""``qflock check --trainability``: what is printed and drawn, and what is refused."""

import json

import pytest

from qflock.commands import main


@pytest.mark.slow
@pytest.mark.ci_slow
def test_numbers_of_each_size_and_a_picture(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    typed = [
        "check",
        "--trainability",
        "--circuit_qubits",
        "1,2",
        "--circuit_layers",
        "1",
        "--circuits",
        "20",
    ]
    assert main([*typed, "--output", "new/it.png"]) == 0
    out = capsys.readouterr().out
    assert "each qubit more divides the variance" in out
    assert (tmp_path / "new" / "it.png").stat().st_size > 0
    assert main([*typed, "--json"]) == 0
    told = json.loads(capsys.readouterr().out)
    assert [(row["qubits"], row["layers"]) for row in told["circuits"]] == [(1, 1), (2, 1)]
    assert told["circuits"][0]["entanglement"] == pytest.approx(0, abs=1e-5)


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        ("--circuit_qubits 0", "circuit_qubits is 0; give whole numbers of at least 1"),
        ("--circuits 1", "a variance takes at least 2"),
        ("--output it.pdf", "ends in .png"),
        ("--circuit_qubit 3", "did you mean --circuit_qubits?"),
        ("--circuit_entanglement star", "ring"),
        ("--circuit_qubits 2,50", "take fewer qubits"),
        ("chsh", "chsh"),
    ],
)
def test_wrong_input_is_one_line_and_leaves_nothing(typed, said, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert main(["check", "--trainability", *typed.split()]) == 2
    err = capsys.readouterr().err
    assert said in err
    assert err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_the_help_of_check_leads_there(capsys):
    assert main(["check", "--help"]) == 0
    assert "--trainability" in capsys.readouterr().out
    assert main(["check", "--trainability", "--help"]) == 0
    assert "--circuit_entanglement" in capsys.readouterr().out
