"""What a setting may hold: one conversion for values from YAML, from Python and from the command line.

Supported annotations: ``bool``, ``int``, ``float``, ``str``, ``Path``, ``dict``, ``Literal``, unions (so also
``X | None``), ``tuple`` and ``list`` of these. A value of any other annotation passes unchecked.
"""

from __future__ import annotations

import dataclasses
import json
import math
import types
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Annotated, Any, Literal, Union, get_args, get_origin, get_type_hints

from qflock.core import texts
from qflock.core.errors import UserError, shown

_NAMES = {
    bool: "true or false",
    int: "a whole number",
    float: "a number",
    str: "text",
    Path: "a path",
    dict: 'a mapping like {"size": 3}',
}
_METAVARS = {
    bool: "{true,false}",
    int: "INT",
    float: "FLOAT",
    str: "TEXT",
    Path: "PATH",
    dict: "MAPPING",
    types.NoneType: "none",
}


def types_of(cls: type, owner: str) -> dict[str, Any]:
    """The types of a settings class, by setting.

    Args:
        cls: a dataclass; every field has a default.
        owner: whose settings these are, for messages.

    Raises:
        UserError: no dataclass, an annotation that cannot be read, or a setting without a default.
    """
    if not dataclasses.is_dataclass(cls):
        raise UserError(f"the Config of {owner} is no dataclass; put @dataclass(frozen=True) above it")
    try:
        hints = get_type_hints(cls)
    except Exception as problem:
        raise UserError(f"cannot read the types in the Config of {owner}: {problem}") from problem
    fields = [f for f in dataclasses.fields(cls) if f.init]
    for field in fields:
        if field.default is dataclasses.MISSING and field.default_factory is dataclasses.MISSING:
            raise UserError(f"setting {field.name!r} of {owner} has no default; give it one in its Config")
    return {field.name: hints[field.name] for field in fields}


def convert(value: Any, wanted: Any) -> Any:
    """A value as its setting's type wants it.

    Strict: no bool for a number, no number for text. An int serves as a float, and the text of a number
    as the number, because YAML reads ``1e-3`` as text; ``4e6`` is a whole number.

    Args:
        value: as it was given.
        wanted: the type of the setting, as its dataclass has it.

    Raises:
        ValueError: what was expected and what was given.
    """
    origin = get_origin(wanted)
    if origin is Annotated:
        return convert(value, get_args(wanted)[0])
    if origin in (Union, types.UnionType):
        return _any_of(value, wanted)
    if origin is Literal:
        return _choice(value, wanted)
    if (origin or wanted) in (tuple, list):
        return _sequence(value, wanted)
    reader = _READERS.get(wanted)
    if reader is None:
        return value
    try:
        return reader(value)
    except (ValueError, TypeError, OverflowError, RuntimeError):
        raise _mismatch(value, wanted) from None


def describe(wanted: Any) -> str:
    """What a type expects, in words, as in "a whole number or none"."""
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return describe(inner[0])
    if origin in (Union, types.UnionType):
        some = [describe(i) for i in inner if i is not types.NoneType]
        return " or ".join(some + ["none"] * (types.NoneType in inner))
    if origin is Literal:
        return "one of " + ", ".join(map(str, inner))
    if (origin or wanted) in (tuple, list):
        items = [i for i in inner if i is not ...]
        if origin is tuple and ... not in inner and items:
            return f"{len(items)} values ({', '.join(describe(i) for i in items)})"
        return f"a list, each {describe(items[0])}" if items else "a list"
    return _NAMES.get(wanted, getattr(wanted, "__name__", str(wanted)))


def metavar(wanted: Any) -> str:
    """The placeholder of a type in help texts: ``INT``, ``INT ...``, ``FLOAT|none``, ``{auto,cpu,gpu}``."""
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin is Annotated:
        return metavar(inner[0])
    if origin in (Union, types.UnionType):
        return "|".join(map(metavar, inner))
    if origin is Literal:
        return "{" + ",".join(map(str, inner)) + "}"
    if (origin or wanted) in (tuple, list):
        return f"{metavar(inner[0]) if inner else 'TEXT'} ..."
    return _METAVARS.get(wanted, "VALUE")


def is_supported(wanted: Any) -> bool:
    """Whether `convert` checks values of this type, rather than letting them pass."""
    origin, inner = get_origin(wanted), get_args(wanted)
    if origin is Literal:
        return True
    if origin in (Annotated, Union, types.UnionType, tuple, list):
        inner = inner[:1] if origin is Annotated else inner
        return all(i in (..., types.NoneType) or is_supported(i) for i in inner)
    return wanted in _READERS


def is_sequence(wanted: Any) -> bool:
    """Whether a setting of this type may hold several values."""
    origin = get_origin(wanted)
    if origin in (Union, types.UnionType, Annotated):
        return any(is_sequence(i) for i in get_args(wanted))
    return (origin or wanted) in (tuple, list)


def plain(value: Any) -> Any:
    """A value as JSON and YAML can hold it: tuples as lists, paths as text."""
    if isinstance(value, Mapping):
        return {str(k): plain(v) for k, v in value.items()}
    if isinstance(value, (tuple, list)):
        return [plain(v) for v in value]
    return str(value) if isinstance(value, Path) else value


def _mismatch(value: Any, wanted: Any) -> ValueError:
    return ValueError(f"expected {describe(wanted)}, got {shown(value)}")


def _any_of(value: Any, wanted: Any) -> Any:
    options = get_args(wanted)
    if types.NoneType in options and (value is None or value in ("None", "none", "null")):
        return None
    for option in options:
        try:
            return convert(value, option)
        except ValueError:
            continue
    raise _mismatch(value, wanted)


def _choice(value: Any, wanted: Any) -> Any:
    for choice in get_args(wanted):
        if (type(choice) is type(value) and choice == value) or str(choice) == value:
            return choice
    raise _mismatch(value, wanted)


def _sequence(value: Any, wanted: Any) -> Any:
    kind, inner = get_origin(wanted) or wanted, get_args(wanted)
    if isinstance(value, str):
        value = value.replace(",", " ").split()
    if not isinstance(value, (list, tuple)):
        raise _mismatch(value, wanted)
    if kind is tuple and inner and ... not in inner:
        if len(value) != len(inner):
            raise _mismatch(value, wanted)
        each = inner
    else:
        each = [inner[0] if inner else Any] * len(value)
    try:
        return kind(convert(v, w) for v, w in zip(value, each, strict=True))
    except ValueError:
        raise _mismatch(value, wanted) from None


def _boolean(value: Any) -> bool:
    if isinstance(value, str) and value.lower() in ("true", "false"):
        return value.lower() == "true"
    if not isinstance(value, bool):
        raise TypeError
    return value


def _whole(value: Any) -> int:
    if isinstance(value, str):
        whole = "e" in value.lower() and float(value).is_integer()
        value = int(float(value)) if whole else int(value)
    if isinstance(value, bool) or not isinstance(value, int):
        raise TypeError
    if abs(value) >= 2**63:
        raise OverflowError
    return value


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        raise TypeError
    number = float(value)
    if math.isnan(number):
        raise ValueError
    return number


def _text(value: Any) -> str:
    if not isinstance(value, str):
        raise TypeError
    return value


def _path(value: Any) -> Path:
    if not isinstance(value, (str, Path)) or str(value) == "":
        raise TypeError
    return Path(value).expanduser()


def _mapping(value: Any) -> dict[str, Any]:
    """A mapping, or the text of one in JSON or YAML; it holds what JSON can hold."""
    if isinstance(value, str):
        value = _parsed(value)
    if not isinstance(value, Mapping) or not all(isinstance(key, str) for key in value):
        raise TypeError
    json.dumps(plain(value))
    return dict(value)


def _parsed(text: str) -> Any:
    try:
        return texts.from_json(text)
    except ValueError:
        return texts.from_yaml(text)


def _nothing(value: Any) -> None:
    if value is not None:
        raise TypeError


_READERS: dict[Any, Callable[[Any], Any]] = {
    bool: _boolean,
    int: _whole,
    float: _number,
    str: _text,
    Path: _path,
    dict: _mapping,
    types.NoneType: _nothing,
}
