"""Settings as YAML: read with errors that name file and line, write in the form that reads best."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qflock.core.errors import UserError, in_short


def read(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        UserError: no such file, not readable, damaged (with the line), a key twice, or no mapping.
    """
    import yaml

    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise UserError(f"no file {str(path)!r}") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder; name the YAML file in it") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text file; settings are YAML in UTF-8") from None
    except OSError as problem:
        raise UserError(f"cannot read {path}: {problem.strerror}") from problem
    try:
        found = yaml.load(text, _loader())
        _refuse_circles(found)
    except yaml.MarkedYAMLError as problem:
        mark = problem.problem_mark or problem.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise UserError(f"{path}{line}: damaged YAML: {problem.problem or problem.context}") from problem
    except yaml.YAMLError as problem:
        raise UserError(f"{path}: damaged YAML: {str(problem).splitlines()[0]}") from problem
    except RecursionError as problem:
        raise UserError(f"{path}: damaged YAML: it is nested too deep") from problem
    except Exception as problem:  # PyYAML's constructors: no such day, too many digits ...
        what = in_short(str(problem), 200)
        raise UserError(f"{path}: damaged YAML: a value cannot be read ({what})") from problem
    if found is None:
        return {}
    if not isinstance(found, dict):
        raise UserError(f"{path} holds no settings; write one a line, as in 'lr: 0.001'")
    for key in found:
        if not isinstance(key, str):
            raise UserError(f"{path}: {key!r} is no name of a setting; write one a line, as in 'lr: 0.001'")
    return found


def write(mapping: Mapping[str, Any]) -> str:
    """The YAML of a mapping: its own order, lists on one line."""
    import yaml

    class Dumper(yaml.SafeDumper):
        pass

    Dumper.add_representer(
        list, lambda d, v: d.represent_sequence("tag:yaml.org,2002:seq", v, flow_style=True)
    )
    # Unicode's own line breaks get lost in single quotes, which PyYAML would choose.
    quotes = lambda text: '"' if set(text) & set("\x85\u2028\u2029") else None
    Dumper.add_representer(
        str, lambda d, text: d.represent_scalar("tag:yaml.org,2002:str", text, style=quotes(text))
    )
    return yaml.dump(dict(mapping), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100)


def _refuse_circles(value: Any, above: tuple[int, ...] = (), seen: set[int] | None = None) -> None:
    """A list that holds itself would be read for ever; one that stands in many places is looked at once."""
    seen = set() if seen is None else seen
    if not isinstance(value, list | dict) or (id(value) in seen and id(value) not in above):
        return
    if id(value) in above:
        raise RecursionError
    seen.add(id(value))
    for inner in value.values() if isinstance(value, dict) else value:
        _refuse_circles(inner, (*above, id(value)), seen)


def _loader() -> Any:
    """PyYAML's safe loader, but a key that stands twice is an error."""
    import yaml

    class Loader(yaml.SafeLoader):
        def construct_mapping(self, node: Any, deep: bool = False) -> dict:
            seen: set[Any] = set()
            for key, _ in node.value:
                if key.value in seen:
                    raise yaml.MarkedYAMLError(
                        problem=f"{key.value!r} stands twice", problem_mark=key.start_mark
                    )
                if isinstance(key.value, str):
                    seen.add(key.value)
            return super().construct_mapping(node, deep)

    return Loader
