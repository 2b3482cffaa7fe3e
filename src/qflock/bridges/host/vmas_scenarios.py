"""VMAS's scenarios by name, and the settings that their code takes. Imports no JAX."""

from __future__ import annotations

import ast
import contextlib
import importlib
import inspect
import io
import textwrap
from typing import Any

from qflock.bridges import _options


def library() -> Any:
    """VMAS.

    Raises:
        UserError: it is not installed, or fails when imported.
    """
    with contextlib.redirect_stderr(io.StringIO()):  # Gym prints in every worker that nobody maintains it
        return _options.library("vmas")


def maker(scenario: str) -> Any:
    """What makes a scenario, with its settings as parameters: those that ``make_world`` takes out of its
    ``kwargs`` with a plain default.

    Args:
        scenario: its name.
    """
    library()
    scenarios: Any = importlib.import_module("vmas.scenarios")
    world = scenarios.load(f"{scenario}.py").Scenario.make_world

    def make(**arguments: Any) -> None:
        """Stands for the scenario; only its signature is read."""

    kind = inspect.Parameter.KEYWORD_ONLY
    plain = {"continuous_actions": True, **_defaults(world)}
    parameters = [inspect.Parameter(name, kind, default=value) for name, value in plain.items()]
    rest = inspect.Parameter("arguments", inspect.Parameter.VAR_KEYWORD)
    make.__signature__ = inspect.Signature([*parameters, rest])  # type: ignore[attr-defined]
    return make


def _defaults(world: Any) -> dict[str, Any]:
    """The names and plain defaults in ``kwargs.pop("n_agents", 3)`` and ``kwargs.get`` of a function."""
    found = {}
    for call in ast.walk(ast.parse(textwrap.dedent(inspect.getsource(world)))):
        match call:
            case ast.Call(
                func=ast.Attribute(value=ast.Name(id="kwargs"), attr="pop" | "get"),
                args=[ast.Constant(value=str(name)), default],
            ):
                with contextlib.suppress(ValueError):  # computed: only `arguments` can give it
                    found[name] = ast.literal_eval(default)
    return found
