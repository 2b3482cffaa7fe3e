"""Settings as YAML: read with errors that name file and line, write in the form that reads best."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from qflock.core import texts
from qflock.core.errors import UserError
from qflock.core.printing import STEERING, printable


def read(path: Path) -> dict[str, Any]:
    """The mapping in a YAML file.

    Raises:
        UserError: no such file, not readable, damaged (with the line), a key twice, or no mapping.
    """
    try:
        found = texts.from_yaml(texts.read(path, texts.MOST_YAML))
    except FileNotFoundError:
        raise UserError(f"no file {str(path)!r}") from None
    except IsADirectoryError:
        raise UserError(f"{path} is a folder; name the YAML file in it") from None
    except UnicodeDecodeError:
        raise UserError(f"{path} is no text file; settings are YAML in UTF-8") from None
    except OSError as problem:
        raise UserError(f"cannot read {path}: {problem.strerror}") from problem
    except texts.BadYaml as problem:
        raise UserError(f"{path}{problem.line}: damaged YAML: {problem}") from problem
    except ValueError as problem:
        raise UserError(f"{path}: {problem}; settings have some hundred lines") from problem
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
    # In double quotes, which PyYAML would not choose, each character can be written as an escape.
    quotes = lambda text: '"' if STEERING.search(text) else None
    Dumper.add_representer(
        str, lambda d, text: d.represent_scalar("tag:yaml.org,2002:str", text, style=quotes(text))
    )
    return printable(yaml.dump(dict(mapping), Dumper=Dumper, sort_keys=False, allow_unicode=True, width=100))
