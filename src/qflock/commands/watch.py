"""``qflock watch``: see a run, or a reference policy, play."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from qflock.commands import _arguments, _runs
from qflock.commands._arguments import Group
from qflock.core.errors import UserError, unknown
from qflock.core.printing import say
from qflock.settings import config

COMMAND = "qflock watch RUN"
ABOUT = """See a run play, in the terminal or as a file. RUN is the run's folder, or latest.
  qflock watch RUN                   in the terminal; keys: space pause, left and right a step,
                                     + and - speed, n next episode, q quit, ? help
  qflock watch RUN -o play.gif       .gif or .mp4: a film; .html: a page to play, scrub and look
                                     behind the choices, one file that needs no network

Without a run, see a reference policy of an environment:
  qflock watch --env gridworld25 --policy oracle -o oracle.gif

Settings of the environment may be changed: --env.NAME VALUE (help lists them
when it is given a run or --env)."""
SUFFIXES = (".gif", ".mp4", ".html")


@dataclass(frozen=True)
class Options:
    """What to show."""

    out: Path | None = None
    """Write a file here, of the sort its suffix says: .gif, .mp4 or .html. Short: -o."""
    gif: Path | None = None
    """Write a GIF here."""
    html: Path | None = None
    """Write a page for a browser here."""
    terminal: bool = False
    """Play in the terminal; so it is where no file is asked for."""
    episodes: int = 1
    """How many episodes to show."""
    seed: int = 0
    """Seed of the episodes; the same seed plays the same starts."""
    fps: float = 8.0
    """Steps shown in a second: the speed, in files and in the terminal."""
    checkpoint: str = "newest"
    """Which weights: newest (also while it trains), final, best, or the name of a file in models/."""
    sample: bool = False
    """Act as in training, with exploration or by chance, rather than greedily."""
    code: Path | None = None
    """A Python file to use where the run names one of that name; may be given several times."""
    env: str | None = None
    """Environment to show a reference policy in, instead of a run."""
    policy: str | None = None
    """The reference policy: random, or one that the environment ships, such as oracle."""
    device: Literal["auto", "cpu", "gpu"] = "cpu"
    """Where to compute; one episode is fastest on the CPU."""

    def __post_init__(self) -> None:
        if self.episodes < 1:
            raise UserError(f"episodes is {self.episodes}; it must be at least 1")
        if not 0 < self.fps <= 100:
            raise UserError(f"fps is {self.fps}; it must lie in (0, 100]")
        if not 0 <= self.seed < 2**31:
            raise UserError(f"seed is {self.seed}; it must lie in [0, {2**31 - 1}]")
        for name, path, known in (
            ("out", self.out, SUFFIXES),
            ("gif", self.gif, (".gif",)),
            ("html", self.html, (".html",)),
        ):
            if path is not None and path.suffix.lower() not in known:
                raise UserError(f"{name} is {str(path)!r}; its name must end in {' or '.join(known)}")
            if path is not None and (path.is_dir() or not path.parent.is_dir()):
                why = "is a folder" if path.is_dir() else f"lies in no folder: there is no {path.parent}"
                raise UserError(f"{name} is {str(path)!r}, which {why}; name a file in a folder that exists")

    @property
    def files(self) -> list[Path]:
        """The files to write, each once."""
        return list(dict.fromkeys(path for path in (self.out, self.gif, self.html) if path is not None))


def run(argv: list[str]) -> int:
    """Run the command; returns its exit status."""
    argv = ["--out" if word == "-o" else word for word in argv]
    name = _arguments.peek(argv, "--env")
    folder = None
    if name is not None:
        rest, standard = argv, config.environment_settings(name)
    elif argv in (["-h"], ["--help"]):
        rest, standard = argv, None
    else:
        folder, rest = _runs.find(argv, COMMAND)
        standard = folder.settings().environment
    options, environment = _arguments.parse(
        [Group(Options()), Group(standard, "env", "env", pairs=True)], rest, command=COMMAND, about=ABOUT
    )
    if options.code is not None:
        raise UserError("--code stands for a file of a run, and goes without --env")
    if folder is None and options.sample:
        raise UserError("--sample is for a run's policy; reference policies have one way to act")
    if folder is not None and options.policy is not None:
        raise UserError("--policy shows a reference policy and goes with --env, without a run")

    from qflock.machine import device

    device.use(options.device)
    how: dict[str, Any] = {"episodes": options.episodes, "seed": options.seed, "fps": options.fps}
    if folder is not None:
        how["checkpoint"] = options.checkpoint
        how["mode"] = "sample" if options.sample else "greedy"
        how["environment_overrides"] = _runs.changes(standard, environment)
    else:
        assert name is not None
        how["environment"] = config.make_environment(name, environment)
        how["policy"] = _policy(how["environment"], options.policy)
    from qflock.evidence.replay import watching

    path = folder.path if folder is not None else None
    for file in options.files:
        watching.write(path, file, **how)
        say(f"wrote {file}")
    if options.terminal or not options.files:
        watching.play_in_terminal(path, **how)
    return 0


def _policy(environment: Any, name: str | None) -> str:
    """The reference policy to show: the one that is named, else the best."""
    from qflock.evidence.replay import show

    policies = show.policies(environment)
    if name is not None and name not in policies:
        raise unknown("policy", name, policies)
    return name or policies[0]
