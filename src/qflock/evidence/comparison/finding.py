"""What the judge of fairness finds: one rule, in one place, kept or not."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from qflock.core.errors import UserError

Kind = Literal[
    "environment",  # a task's runs are on one environment with one set of settings
    "evaluation",  # they are evaluated in one way
    "repeated",  # a seed of a method counts once
    "score",  # every seed has a finite score
    "seeds",  # enough of them for each method
    "pairing",  # the same seeds for every method
    "steps",  # equal budgets of environment steps
    "tuning",  # equal budgets for finding settings, on seeds that do not measure
    "parameters",  # matched numbers of them
    "execution",  # each acts in the same way: decentralised, drawn together, centralised
    "references",  # oracle and random play were measured
    "scale",  # and score differently
    "settings",  # one setting of a method for all tasks
    "versions",  # one version of the library
    "checkout",  # one commit, without changed files
]
Severity = Literal["refused", "broken", "unknown", "kept"]
"""Whether a comparison makes no sense, breaks a rule, does not say, or keeps it."""


@dataclass(frozen=True)
class Finding:
    """What the judge says of one rule in one place.

    Attributes:
        kind: the rule.
        where: the task, method, file or folder that it is about; empty for all runs.
        what: what is wrong, in words; empty where nothing is.
        severity: how much it matters.
        stated: what was compared, by method: None for a run that does not state it.
    """

    kind: Kind
    where: str
    what: str
    severity: Severity
    stated: Mapping[str, Sequence[Any]] = field(default_factory=dict)

    def __str__(self) -> str:
        return f"{self.where}: {self.what}" if self.where else self.what


def refuse(findings: Iterable[Finding], what: str = "") -> None:
    """Raise the first finding that makes a comparison senseless.

    Args:
        findings: of any severity.
        what: said in front, in place of the finding's own place.

    Raises:
        UserError: a finding is "refused".
    """
    for finding in findings:
        if finding.severity == "refused":
            raise UserError(f"{what}: {finding.what}" if what else str(finding))
