"""Where JAX computes and where it keeps what it compiled. JAX's own state is replaced, never changed."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import jax
import pytest

from qflock.core.errors import UserError
from qflock.machine import device


@pytest.fixture
def updates(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> dict[str, Any]:
    """What JAX's configuration is told; a machine without GPU and with an empty home."""
    told: dict[str, Any] = {}
    monkeypatch.setattr(jax.config, "update", told.__setitem__, raising=False)
    monkeypatch.setattr(device, "nvidia_gpus", list)
    monkeypatch.setattr(device, "_jax_plugins", list)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    for name in ("QFLOCK_CACHE", "JAX_COMPILATION_CACHE_DIR", "JAX_PLATFORMS"):
        monkeypatch.delenv(name, raising=False)
    return told


def test_the_cache_is_in_the_users_cache_folder(updates: dict[str, Any], tmp_path: Path) -> None:
    device.use("auto")
    folder = tmp_path / "cache" / "qflock" / "jax"
    assert folder.is_dir()
    assert updates == {
        "jax_compilation_cache_dir": str(folder),
        "jax_persistent_cache_min_compile_time_secs": 0.1,
    }


def test_the_cache_without_xdg(
    updates: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.delenv("XDG_CACHE_HOME")
    monkeypatch.setenv("HOME", str(tmp_path))
    assert device.cache_folder() == tmp_path / ".cache" / "qflock" / "jax"


@pytest.mark.parametrize("chosen", ["off", "OFF", "0"])
def test_the_cache_can_be_off(chosen: str, updates: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("QFLOCK_CACHE", chosen)
    device.use("auto")
    assert device.cache_folder() is None
    assert updates == {}


def test_the_cache_can_be_elsewhere(
    updates: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("QFLOCK_CACHE", str(tmp_path / "mine"))
    device.use("auto")
    assert updates["jax_compilation_cache_dir"] == str(tmp_path / "mine")


def test_a_cache_that_cannot_be_written_is_no_failure(
    updates: dict[str, Any], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("QFLOCK_CACHE", str(tmp_path / "file" / "cache"))
    device.use("auto")
    monkeypatch.setenv("QFLOCK_CACHE", str(tmp_path))
    monkeypatch.setattr("os.access", lambda path, mode: False)
    device.use("auto")
    assert updates == {}


def test_jaxs_own_variable_wins(updates: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JAX_COMPILATION_CACHE_DIR", "/elsewhere")
    device.use("auto")
    assert updates == {}


def test_cpu(updates: dict[str, Any]) -> None:
    device.use("cpu")
    assert updates["jax_platforms"] == "cpu"


def test_an_idle_gpu_gets_one_line_of_advice(
    updates: dict[str, Any], monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(device, "nvidia_gpus", lambda: ["H100"])
    device.use("auto")
    line = 'qflock: H100 is idle because JAX came without CUDA: pip install "qflock[cuda]"\n'
    assert capsys.readouterr() == ("", line)
    device.use("auto", warn=False)
    device.use("cpu")
    monkeypatch.setattr(device, "_jax_plugins", lambda: ["xla_cuda13"])
    device.use("auto")
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("gpus", "plugins", "platforms", "piece"),
    [
        ([], [], "", "this machine shows none; leave --device out, or use --device cpu"),
        (["H100"], [], "", 'H100 is there, but JAX came without CUDA: pip install "qflock[cuda]"'),
        (["H100"], ["xla_cuda13"], "", "H100 is there, but JAX cannot use it: Unknown backend"),
        (["H100"], ["xla_cuda13"], "cpu", "JAX_PLATFORMS is 'cpu'; unset it"),
    ],
)
def test_no_gpu_to_use(
    gpus: list[str],
    plugins: list[str],
    platforms: str,
    piece: str,
    updates: dict[str, Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def none(kind: str) -> list:
        raise RuntimeError("Unknown backend: 'gpu' requested")

    monkeypatch.setattr(jax, "devices", none)
    monkeypatch.setattr(device, "nvidia_gpus", lambda: gpus)
    monkeypatch.setattr(device, "_jax_plugins", lambda: plugins)
    monkeypatch.setenv("JAX_PLATFORMS", platforms)
    with pytest.raises(UserError, match="no GPU to compute on") as raised:
        device.use("gpu")
    assert piece in str(raised.value)


def test_a_gpu_to_use(updates: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(jax, "devices", lambda kind: [f"{kind}:0"])
    device.use("gpu")
    assert updates["jax_default_device"] == "gpu:0"


def test_what_nvidia_smi_says(monkeypatch: pytest.MonkeyPatch) -> None:
    lines = "GPU 0: NVIDIA H100 80GB HBM3 (UUID: GPU-1)\nGPU 1: NVIDIA A10 (UUID: GPU-2)\n"
    monkeypatch.setattr("shutil.which", lambda name: "/bin/nvidia-smi")
    answer = subprocess.CompletedProcess([], 0, lines, "")
    monkeypatch.setattr(subprocess, "run", lambda *a, **k: answer)
    assert device.nvidia_gpus() == ["NVIDIA H100 80GB HBM3", "NVIDIA A10"]

    def hang(*_: Any, **__: Any) -> None:
        raise subprocess.TimeoutExpired("nvidia-smi", 10)

    monkeypatch.setattr(subprocess, "run", hang)
    assert device.nvidia_gpus() == []
