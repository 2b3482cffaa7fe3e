"""A pytree of arrays in one safetensors file: exact, checked, written whole, never executed.

Leaves are named by their path in the tree (``learner.params.layers.0.weight``). Typed PRNG keys are
kept as their key data, with a note of the implementation. Checksums stand in the header: one of
each tensor's bytes, and one of the header's own contents, so that metadata alone can be trusted without
reading hundreds of megabytes. File format: https://huggingface.co/docs/safetensors.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import PyTree
from safetensors import SafetensorError, safe_open
from safetensors.numpy import save_file

from qflock.core import texts
from qflock.core.errors import UserError
from qflock.files.storage import DamagedFile, replacing

SCHEMA = "qflock-tensors-1"
DTYPES = {
    "BOOL": "bool", "U8": "uint8", "I8": "int8", "U16": "uint16", "I16": "int16", "U32": "uint32",
    "I32": "int32", "U64": "uint64", "I64": "int64", "F16": "float16", "BF16": "bfloat16",
    "F32": "float32", "F64": "float64", "C64": "complex64",
}  # fmt: skip
MOST_HEADER = 16 * 2**20
"""Bytes of a header; a policy's has some thousand."""
RENAMED = (
    (r"\.auxiliary\.", ".beside."),
    (r"^learner\.target\.weights\.", "learner.target."),
    (r"^learner\.target\.due$", "learner.target_due"),
)
"""Paths of today and what earlier versions called them: patterns, tried together where a name is missing."""
UNUSED = r"^learner\.target(_due$|\.)"
"""What files with ``learner.target_due`` hold even where training has no target network."""


def save(path: Path, tree: PyTree, metadata: Mapping[str, Any]) -> None:
    """Write a pytree of arrays; on any failure the file that was there stays as it was.

    Arrays on the CPU are not copied.

    Args:
        path: the file, in a folder that exists.
        tree: leaves are arrays (JAX or NumPy) or typed PRNG keys; int32, bool, float32, ... kept exactly.
        metadata: anything that JSON can say.

    Raises:
        CannotWrite: the disk is full, the folder cannot be written ...
        TypeError: a leaf is no array, or of a type the format does not have.
        ValueError: two leaves have the same name.
    """
    arrays: dict[str, np.ndarray] = {}
    keys: dict[str, str] = {}
    for name, leaf in _named_leaves(tree):
        if name in arrays:
            raise ValueError(f"two leaves are named {name!r}")
        if _is_key(leaf):
            keys[name] = str(jax.random.key_impl(leaf))
            leaf = jax.random.key_data(leaf)
        arrays[name] = _host_array(name, leaf)
    header = {
        "schema": SCHEMA,
        "keys": json.dumps(keys, sort_keys=True),
        "metadata": json.dumps(dict(metadata)),
        "sha256": json.dumps({name: _digest_of_tensor(array) for name, array in sorted(arrays.items())}),
    }
    shapes = {name: [array.dtype.name, list(array.shape)] for name, array in arrays.items()}
    header["header_sha256"] = _digest_of_header(header, shapes)
    with replacing(path) as temporary:
        try:
            save_file(arrays, temporary, metadata=header)
        except SafetensorError as problem:
            raise _as_os_error(problem) from problem
        temporary.chmod(path.parent.stat().st_mode & 0o666)  # safetensors writes for the owner alone


def load(path: Path, like: PyTree, *, part: bool = False) -> tuple[PyTree, dict[str, Any]]:
    """Read a pytree and its metadata, checking every byte; names of earlier versions are known (`RENAMED`).

    Args:
        path: the file.
        like: the pytree expected: arrays, typed keys or ``jax.ShapeDtypeStruct``. Where it holds NumPy
            arrays, NumPy arrays come back; everything else comes back as JAX arrays.
        part: the file may hold more; only the tensors of ``like`` are read.

    Raises:
        DamagedFile: truncated or changed in any bit, of another version, or other names, shapes or types.
        UserError: no such file, or it cannot be read.
    """
    wanted = _named_leaves(like)
    arrays, header = _read(
        path, {old for name, _ in wanted for old in (name, _former(name))} if part else None
    )
    names = [name if name in arrays else _former(name) for name, _ in wanted]
    missing = sorted(name for (name, _), stored in zip(wanted, names, strict=True) if stored not in arrays)
    surplus = sorted(set(arrays) - set(names))
    if "learner.target_due" in surplus:
        surplus = [name for name in surplus if not re.search(UNUSED, name)]
    if missing or surplus:
        what = f"has no {missing[0]!r}" if missing else f"has {surplus[0]!r}, which is not wanted"
        raise _misfit(path, what)
    leaves = []
    for stored, (_, leaf) in zip(names, wanted, strict=True):
        leaves.append(_restore(path, stored, arrays.pop(stored), leaf, header.keys.get(stored)))
    return jax.tree.unflatten(jax.tree.structure(like), leaves), header.metadata


def load_metadata(path: Path) -> dict[str, Any]:
    """The metadata alone, checked by its own checksum; reads the header only.

    Raises:
        DamagedFile, UserError: as ``load``.
    """
    with _opened(path) as file:
        return _checked_header(path, file).metadata


def load_arrays(path: Path) -> dict[str, np.ndarray]:
    """All tensors by name, checked, whatever the tree was; PRNG keys as their key data.

    Raises:
        DamagedFile, UserError: as ``load``.
    """
    return _read(path)[0]


def names(tree: PyTree) -> list[str]:
    """What the leaves of a pytree are called in a file, in their order."""
    return [name for name, _ in _named_leaves(tree)]


class _Header(NamedTuple):
    keys: dict[str, Any]
    metadata: dict[str, Any]
    sha256: dict[str, Any]  # of each tensor, so that a part of the file can be read and checked


def _named_leaves(tree: PyTree) -> list[tuple[str, Any]]:
    paths, _ = jax.tree_util.tree_flatten_with_path(tree)
    return [(jax.tree_util.keystr(path, simple=True, separator=".") or "value", leaf) for path, leaf in paths]


def _former(name: str) -> str:
    """What earlier versions called a leaf."""
    for today, before in RENAMED:
        name = re.sub(today, before, name)
    return name


def _is_key(leaf: Any) -> bool:
    dtype = getattr(leaf, "dtype", None)
    return dtype is not None and jnp.issubdtype(dtype, jax.dtypes.prng_key)


def _host_array(name: str, leaf: Any) -> np.ndarray:
    if not isinstance(leaf, jax.Array | np.ndarray | np.generic):
        raise TypeError(f"leaf {name!r} is no array but {type(leaf).__name__}")
    array = np.asarray(leaf, order="C")
    if array.dtype.name not in DTYPES.values():
        raise TypeError(f"leaf {name!r} is of type {array.dtype}, which safetensors does not have")
    return array.astype(array.dtype.newbyteorder("="), copy=False)


def _digest_of_tensor(array: np.ndarray) -> str:
    return hashlib.sha256(array.reshape(-1).view(np.uint8).data).hexdigest()


def _digest_of_header(header: Mapping[str, str], shapes: Mapping[str, Any]) -> str:
    counted = {key: value for key, value in header.items() if key != "header_sha256"}
    return hashlib.sha256(json.dumps([counted, shapes], sort_keys=True).encode()).hexdigest()


def _opened(path: Path) -> Any:
    if not os.path.isfile(path):  # also keeps away from pipes, which would wait for ever
        raise UserError(f"no file {path}")
    try:
        with path.open("rb") as file:
            length = int.from_bytes(file.read(8), "little")
    except OSError as problem:
        raise UserError(f"cannot read {path}: {problem.strerror or problem}") from problem
    if length > MOST_HEADER:
        raise _damaged(path, f"its header has more than {MOST_HEADER:,} bytes")
    try:
        return safe_open(path, framework="numpy", backend="pread")
    except OSError as problem:
        raise UserError(f"cannot read {path}: {problem.strerror or problem}") from problem
    except Exception as problem:
        raise _damaged(path, "it is truncated, changed, or no safetensors file") from problem


def _checked_header(path: Path, file: Any) -> _Header:
    header = file.metadata() or {}
    schema = header.get("schema", "")
    if schema != SCHEMA and re.fullmatch(r"qflock-tensors-\d+", schema):
        raise _damaged(path, f"it is of version {schema!r}, this qflock reads {SCHEMA!r}")
    shapes = {}
    for name in file.keys():  # noqa: SIM118 (no mapping: it cannot be iterated)
        part = file.get_slice(name)
        shapes[name] = [DTYPES.get(part.get_dtype(), "unknown"), list(part.get_shape())]
    if header.get("header_sha256") != _digest_of_header(header, shapes):
        raise _damaged(path, "its header does not agree with its checksum")
    try:
        return _Header(*(dict(texts.from_json(header[name])) for name in _Header._fields))
    except (ValueError, TypeError, KeyError, RecursionError) as problem:  # made so by hand
        raise _damaged(path, "its header cannot be understood") from problem


def _read(path: Path, wanted: set[str] | None = None) -> tuple[dict[str, np.ndarray], _Header]:
    """All tensors, or those wanted that are there."""
    with _opened(path) as file:
        header = _checked_header(path, file)
        try:
            names = [name for name in file.keys() if wanted is None or name in wanted]  # noqa: SIM118
            arrays = {name: file.get_tensor(name) for name in names}
        except Exception as problem:
            raise _damaged(path, "its tensors cannot be read") from problem
    if any(header.sha256.get(name) != _digest_of_tensor(array) for name, array in arrays.items()):
        raise _damaged(path, "its contents do not agree with their checksum")
    return arrays, header


def _restore(path: Path, name: str, array: np.ndarray, like: Any, implementation: str | None) -> Any:
    leaf: Any = array
    if implementation is not None:
        try:
            leaf = jax.random.wrap_key_data(jnp.asarray(array), impl=implementation)
        except (ValueError, TypeError) as problem:
            raise _misfit(path, f"has {name!r} as keys of an unknown sort {implementation!r}") from problem
    if leaf.shape != like.shape or leaf.dtype != like.dtype:
        raise _misfit(
            path, f"has {name!r} as {leaf.dtype}{list(leaf.shape)}, not {like.dtype}{list(like.shape)}"
        )
    if isinstance(like, np.ndarray | np.generic) or implementation is not None:
        return leaf
    exact = jax.dtypes.canonicalize_dtype(array.dtype) == array.dtype
    return jnp.asarray(array) if exact else array  # 64 bits stay in NumPy where JAX has only 32


def _damaged(path: Path, what: str) -> DamagedFile:
    return DamagedFile(f"{path} is damaged: {what}")


def _misfit(path: Path, what: str) -> DamagedFile:
    return DamagedFile(f"{path} does not fit: it {what}; was it made with another algorithm or environment?")


def _as_os_error(problem: SafetensorError) -> OSError:
    number = re.search(r"os error (\d+)", str(problem))
    code = int(number[1]) if number else errno.EIO
    return OSError(code, os.strerror(code))
