"""The commands that are disturbed, each so small that starting and compiling are most of it.

Every one is played in an empty folder. Those that write a run write it to ``run``; what others make lies in
``runs/`` or ``out/``; finished runs that a command reads lie beside it, under the names in ``takes``.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Kind = Literal["run", "cells", "reads", "says"]
"""What a command leaves: a run, the cells of an experiment or a sweep, files in ``out``, or words alone."""

EVERY_RUN = (
    "--seeds 1 --seed 3 --eval-episodes 4 --final-episodes 4 --state-interval 0 --save-interval 50 --quiet"
)
SMALL = "--num-envs 4 --num-steps 8 --hidden 8 --log-interval 100 --eval-interval 100"
VALUE = f"{SMALL} --batch-size 16 --buffer-capacity 256 --min-buffer-size 32 --train-frequency 32"
QMARL = (
    "train qmarl --total-steps 100000 --sweep 4 --n-chains 2 --episodes 2 --held-out 4"
    " --window 8 --network mlp --memory none --hidden 8 --log-interval 1 --eval-interval 40"
)
FILE = """\
name: tiny
seeds: [3]
pictures: false
run: {total_steps: 320, log_interval: 100, eval_interval: 0, eval_episodes: 4, final_episodes: 4,
  save_interval: 0, state_interval: 0}
environments: [two_step]
methods:
- {algorithm: pqn_vdn, num_envs: 4, num_steps: 8, hidden: [8]}
- {algorithm: pqn_vdn, label: slower, lr: 1.0e-4, num_envs: 4, num_steps: 8, hidden: [8]}
"""
"""The experiment, ``tiny.yaml``."""


@dataclass(frozen=True)
class Command:
    """One row of the table.

    Attributes:
        name: in reports, and with ``--commands``.
        words: the command line after ``qflock``.
        kind: what it leaves.
        takes: finished runs that it reads, each the command that trained it; one is ``run`` itself where the
            command writes it.
        again: the command line that goes on after a stop; the same one where it is empty.
        exact: whether going on gives the bits that were given undisturbed.
        children: whether it has processes of its own that work for it.
        beside: a command line that runs in the same folder at the same time, undisturbed.
    """

    name: str
    words: str
    kind: Kind
    takes: tuple[str, ...] = ()
    again: str = ""
    exact: bool = True
    children: bool = False
    beside: str = ""


def _run(name: str, words: str, exact: bool = True, children: bool = False) -> Command:
    words = f"{words} {EVERY_RUN} --run-dir run"
    return Command(name, words, "run", again="resume run", exact=exact, children=children)


COMMANDS = (
    _run("vdn", f"train vdn --env two_step --total-steps 600 {VALUE}"),
    _run("pqn", f"train pqn_vdn --env two_step --total-steps 600 {SMALL}"),
    _run("ippo", f"train ippo --env matrix_game --total-steps 600 {SMALL} --minibatches 2"),
    _run("qio", f"train qio --env two_step --total-steps 600 {SMALL} --critic-hidden 8 --minibatches 2"),
    _run("qmarl-mcmc", f"{QMARL} --env two_step --n-mcmc-steps 24"),
    _run("qmarl-gradients", f"{QMARL} --env chsh --n-mcmc-steps 24 --proposal langevin --estimator exact"),
    _run("entangled", f"train entangled --env chsh --total-steps 600 {SMALL}"),
    _run(
        "host",
        f"train pqn_vdn --env pettingzoo:tests.bridges.fakes --env.worker-count 2 --total-steps 256 {SMALL}",
        exact=False,  # such environments begin new episodes
        children=True,
    ),
    Command("resume", "resume run --total-steps 800 --quiet", "run", ("vdn as run",)),
    Command("experiment", "experiment tiny.yaml --quiet", "cells"),
    Command(
        "experiment-processes", "experiment tiny.yaml --launcher processes:2 --quiet", "cells", children=True
    ),
    Command(
        "sweep",
        f"sweep pqn_vdn --env two_step --total-steps 320 {SMALL} {EVERY_RUN} --ranges lr=1e-3,1e-4"
        " --search grid",
        "cells",
    ),
    Command(
        "evaluate-while-training",
        "evaluate run --episodes 16 --json",
        "says",
        ("vdn as run",),
        beside="resume run --total-steps 800 --quiet",
    ),
    Command("evaluate", "evaluate vdn --episodes 16 --json", "says", ("vdn",)),
    Command("report", "report vdn pqn --out out/report.html", "reads", ("vdn", "pqn")),
    Command("compare", "compare vdn pqn --out out/comparison --csv out/table.csv", "reads", ("vdn", "pqn")),
    Command("results", "results vdn --folder out", "reads", ("vdn",)),
    Command("export-numpy", "export vdn --to numpy --output out/policy.npz", "reads", ("vdn",)),
    Command("export-torch", "export vdn --to torch --output out/policy.pt", "reads", ("vdn",)),
    Command("export-onnx", "export vdn --to onnx --output out/policy.onnx", "reads", ("vdn",)),
    Command(
        "export-safetensors", "export vdn --to safetensors --output out/policy.safetensors", "reads", ("vdn",)
    ),
    Command("watch", "watch vdn -o out/play.gif", "reads", ("vdn",)),
    Command("check", "check two_step", "says"),
    Command("doctor", "doctor", "says"),
    Command("list", "list", "says"),
)
BY_NAME = {command.name: command for command in COMMANDS}
