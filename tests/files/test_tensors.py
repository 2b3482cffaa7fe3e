"""One safetensors file for a pytree: exact round trips, damage found, old files kept when writing fails."""

from __future__ import annotations

import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, cast

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from safetensors.numpy import save_file

from qflock.core.errors import UserError
from qflock.files import storage, tensors
from qflock.files.storage import CannotWrite, DamagedFile

NUMPY_TYPES = (
    "bool", "int8", "uint8", "int16", "uint16", "int32", "uint32", "int64", "uint64",
    "float16", "float32", "float64", "complex64",
)  # fmt: skip
JAX_TYPES = [t for t in NUMPY_TYPES if np.dtype(t).itemsize < 8 or t == "complex64"]
SHAPES = hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4)
ARRAYS = st.sampled_from(NUMPY_TYPES).flatmap(lambda t: hnp.arrays(t, SHAPES))
JAX_ARRAYS = st.sampled_from(JAX_TYPES).flatmap(lambda t: hnp.arrays(t, SHAPES)).map(jnp.asarray)
HALVES = hnp.arrays("float32", SHAPES).map(lambda a: jnp.asarray(a, jnp.bfloat16))
KEYS = st.tuples(st.integers(0, 2**32 - 1), st.sampled_from(["threefry2x32", "rbg"]), st.integers(0, 3)).map(
    lambda t: (
        jax.random.split(jax.random.key(t[0], impl=t[1]), t[2]) if t[2] else jax.random.key(t[0], impl=t[1])
    )
)
NAMES = st.text(st.characters(exclude_characters=".", exclude_categories=["Cs"]), min_size=1, max_size=5)
TREES = st.recursive(
    ARRAYS | JAX_ARRAYS | HALVES | KEYS,
    lambda inner: (
        st.dictionaries(NAMES, inner, max_size=3)
        | st.lists(inner, max_size=3)
        | st.tuples(inner, inner)
        | st.none()
    ),
    max_leaves=6,
)
METADATA = st.dictionaries(
    st.text(), st.integers() | st.floats(allow_nan=False) | st.text() | st.none(), max_size=3
)


def bits(leaf: Any) -> tuple[Any, ...]:
    """Everything that must come back: what it is, its type, shape and bytes."""
    key = jnp.issubdtype(leaf.dtype, jax.dtypes.prng_key)
    data = np.asarray(jax.random.key_data(leaf) if key else leaf)
    return isinstance(leaf, jax.Array), str(leaf.dtype), leaf.shape, data.dtype, data.tobytes()


def same(left: Any, right: Any) -> bool:
    leaves = zip(jax.tree.leaves(left), jax.tree.leaves(right), strict=True)
    return jax.tree.structure(left) == jax.tree.structure(right) and all(
        bits(a) == bits(b) for a, b in leaves
    )


@pytest.fixture
def small(tmp_path: Path) -> tuple[Path, Any]:
    tree = {
        "key": jax.random.split(jax.random.key(3), 2),
        "weight": jnp.linspace(0, 1, 12).reshape(3, 4),
        "solved": jnp.array([True, False]),
        "count": jnp.int32(7),
    }
    path = tmp_path / "small.safetensors"
    tensors.save(path, tree, {"update": 12, "note": "é", "list": [1, 2.5, None]})
    return path, tree


@pytest.fixture
def full_disk() -> Iterator[None]:
    """No file may grow beyond 100 kB: the kernel refuses, as it does on a full disk."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    yield
    resource.setrlimit(resource.RLIMIT_FSIZE, before)


@settings(max_examples=80)
@given(tree=TREES, metadata=METADATA)
def test_every_bit_comes_back(tmp_path_factory: pytest.TempPathFactory, tree: Any, metadata: Any) -> None:
    path = tmp_path_factory.mktemp("tree") / "tree.safetensors"
    tensors.save(path, tree, metadata)
    like = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype) if isinstance(x, jax.Array) else x, tree
    )
    for expected in (tree, like):
        loaded, told = tensors.load(path, expected)
        assert same(loaded, tree)
        assert told == metadata == tensors.load_metadata(path)


def test_names_are_those_of_the_tree(tmp_path: Path) -> None:
    model = eqx.nn.Linear(2, 3, key=jax.random.key(0))
    path = tmp_path / "model.safetensors"
    optimiser = optax.adam(1e-3).init(cast(optax.Params, model))
    tensors.save(path, {"net": model, "optimiser": optimiser}, {})
    arrays = tensors.load_arrays(path)
    assert {"net.weight", "net.bias", "optimiser.0.count", "optimiser.0.mu.weight"} <= set(arrays)
    np.testing.assert_array_equal(arrays["net.weight"], model.weight)


def test_a_part_can_be_read_alone(small: tuple[Path, Any]) -> None:
    path, tree = small
    part = {"weight": tree["weight"]}
    assert same(tensors.load(path, part, part=True)[0], part)
    with pytest.raises(DamagedFile, match="has 'count', which is not wanted"):
        tensors.load(path, part)


def test_other_byte_orders_and_layouts_are_stored_by_value(tmp_path: Path) -> None:
    array = np.arange(6, dtype=">i4").reshape(2, 3).T
    tensors.save(tmp_path / "a", {"x": array}, {})
    np.testing.assert_array_equal(tensors.load_arrays(tmp_path / "a")["x"], array)


@pytest.mark.parametrize(
    ("tree", "problem"),
    [
        ({"x": 1.0}, "'x' is no array but float"),
        ({"x": len}, "'x' is no array but builtin_function"),
        ({"x": np.ones(2, np.complex128)}, "'x' is of type complex128"),
        ({"x": np.array([object()])}, "'x' is of type object"),
    ],
)
def test_what_is_no_array_is_refused(tmp_path: Path, tree: Any, problem: str) -> None:
    with pytest.raises(TypeError, match=problem):
        tensors.save(tmp_path / "a", tree, {})
    assert not list(tmp_path.iterdir())


def test_two_leaves_of_one_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"two leaves are named 'a\.b'"):
        tensors.save(tmp_path / "a", {"a": {"b": np.ones(1)}, "a.b": np.ones(1)}, {})


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"weight": jnp.zeros((4, 3))}, r"'weight' as float32\[3, 4\], not float32\[4, 3\]"),
        ({"weight": jax.ShapeDtypeStruct((3, 4), jnp.int32)}, r"not int32\[3, 4\]"),
        ({"key": jax.random.split(jax.random.key(0, impl="rbg"), 2)}, r"not key<rbg>\[2\]"),
        ({"key": jnp.zeros((2, 2), jnp.uint32)}, "not uint32"),
        ({"count": jax.random.key(0)}, r"int32\[\], not key<fry>\[\]"),
        ({"more": jnp.zeros(1)}, "has no 'more'"),
    ],
)  # fmt: skip
def test_what_does_not_fit_is_named(small: tuple[Path, Any], change: dict[str, Any], problem: str) -> None:
    path, tree = small
    with pytest.raises(DamagedFile, match=problem) as caught:
        tensors.load(path, {**tree, **change})
    assert "\n" not in str(caught.value)


def test_missing_files_and_pipes(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    for path in (tmp_path / "nothing", tmp_path, tmp_path / "pipe"):
        with pytest.raises(UserError, match="no file"):
            tensors.load_metadata(path)


def test_every_truncation_is_found(small: tuple[Path, Any]) -> None:
    path, tree = small
    whole = path.read_bytes()
    for size in sorted({*range(12), *np.linspace(0, len(whole) - 1, 60).astype(int)}):
        path.write_bytes(whole[:size])
        with pytest.raises(DamagedFile):
            tensors.load(path, tree)


def test_every_flipped_bit_is_found(small: tuple[Path, Any]) -> None:
    path, tree = small
    whole = path.read_bytes()
    for position in sorted({*range(24), *np.linspace(0, len(whole) - 1, 400).astype(int)}):
        changed = bytearray(whole)
        changed[position] ^= 1 << (position % 8)
        path.write_bytes(changed)
        with pytest.raises(DamagedFile):
            tensors.load(path, tree)


@settings(max_examples=150)
@given(data=st.data())
def test_any_damage_is_found(tmp_path_factory: pytest.TempPathFactory, data: st.DataObject) -> None:
    path = tmp_path_factory.mktemp("damage") / "small.safetensors"
    tree = {"a": np.arange(5, dtype=np.float32), "b": np.arange(5, dtype=np.float32)[::-1].copy()}
    tensors.save(path, tree, {"update": 3})
    whole = path.read_bytes()
    start = data.draw(st.integers(0, len(whole)))
    end = data.draw(st.integers(start, len(whole)))
    changed = whole[:start] + data.draw(st.binary(max_size=40)) + whole[end:]
    path.write_bytes(changed)
    try:
        loaded, metadata = tensors.load(path, tree)
    except DamagedFile:
        return
    else:  # damage that changes nothing that is said
        assert same(loaded, tree)
        assert metadata == {"update": 3}


def test_a_file_of_another_version_says_so(small: tuple[Path, Any]) -> None:
    path, tree = small
    path.write_bytes(path.read_bytes().replace(b"qflock-tensors-1", b"qflock-tensors-2"))
    with pytest.raises(DamagedFile, match="version 'qflock-tensors-2'"):
        tensors.load(path, tree)


@pytest.mark.parametrize(
    "made_up",
    [{"keys": "[1]"}, {"metadata": "[" * 100_000}, {"metadata": "7"}, {"sha256": "{}"}, {"sha256": None}],
)
def test_a_header_made_by_hand_is_refused(tmp_path: Path, made_up: dict[str, Any]) -> None:
    path, array = tmp_path / "a", np.ones(2, np.float32)
    header = {"schema": tensors.SCHEMA, "keys": "{}", "metadata": "{}", "sha256": json.dumps({"x": "0"})}
    header = {key: value for key, value in {**header, **made_up}.items() if value is not None}
    header["header_sha256"] = tensors._digest_of_header(header, {"x": ["float32", [2]]})
    save_file({"x": array}, path, metadata=header)
    with pytest.raises(DamagedFile):
        tensors.load(path, {"x": array})


@pytest.mark.parametrize("target", ["os.replace", "os.fsync", "qflock.files.tensors.save_file"])
@pytest.mark.parametrize("problem", [OSError(28, "No space left on device"), KeyboardInterrupt()])
def test_a_failure_leaves_the_old_file_whole(
    small: tuple[Path, Any], monkeypatch: pytest.MonkeyPatch, target: str, problem: BaseException
) -> None:
    path, tree = small

    def fail(*_: Any, **__: Any) -> None:
        raise problem

    with monkeypatch.context() as patch:
        patch.setattr(target, fail)
        with pytest.raises(CannotWrite if isinstance(problem, OSError) else KeyboardInterrupt):
            tensors.save(path, {"other": jnp.zeros(3)}, {})
    assert same(tensors.load(path, tree)[0], tree)
    assert os.listdir(path.parent) == [path.name]


@pytest.mark.usefixtures("full_disk")
def test_a_full_disk_is_one_line(small: tuple[Path, Any]) -> None:
    path, tree = small
    with pytest.raises(CannotWrite, match=r"^cannot write .*: File too large; .*qflock resume$"):
        tensors.save(path, {"large": np.ones(50_000)}, {})
    assert same(tensors.load(path, tree)[0], tree)
    assert os.listdir(path.parent) == [path.name]


def test_files_are_as_readable_as_their_folder(small: tuple[Path, Any], tmp_path: Path) -> None:
    tmp_path.chmod(0o750)
    tensors.save(tmp_path / "shared", {"a": np.ones(1)}, {})
    assert (tmp_path / "shared").stat().st_mode & 0o777 == 0o640


def test_a_killed_writer_leaves_a_whole_file(tmp_path: Path) -> None:
    """Kill -9 at some moment of a loop of writes: one version or another is there, and no part of one."""
    path = tmp_path / "numbers"
    program = (
        "import itertools, sys; from pathlib import Path; from qflock.files.storage import replacing\n"
        "for i in itertools.count():\n"
        "    with replacing(Path(sys.argv[1])) as temporary:\n"
        "        temporary.write_bytes(i.to_bytes(4, 'big') * 200_000)\n"
        "    print(i, flush=True)\n"
    )
    for moment in (0.0, 0.003, 0.007, 0.02):
        writer = subprocess.Popen([sys.executable, "-c", program, str(path)], stdout=subprocess.PIPE)
        assert writer.stdout is not None
        writer.stdout.readline()
        time.sleep(moment)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
        writer.stdout.close()
        content = path.read_bytes()
        assert content == content[:4] * 200_000
    storage.discard_partials(tmp_path)
    assert os.listdir(tmp_path) == ["numbers"]
