"""A policy as an ONNX graph, made by `onnx_graph` and computed by onnxruntime."""

from __future__ import annotations

import importlib.util
import math
import os
import subprocess
from pathlib import Path
from typing import Any

import numpy as np

from qflock.core import texts
from qflock.core.errors import UserError, in_short
from qflock.exports import description
from qflock.exports.description import Description
from qflock.exports.numpy_policy import ExportedPolicy, Memory
from qflock.files.storage import replacing
from qflock.machine import children
from qflock.runs import code
from qflock.runs.policy import LoadedPolicies

PACKAGES = ("jax2onnx", "onnxruntime")
# Else onnxruntime, imported here or in the child, tells Microsoft of it and leaves a file in /tmp.
# Who wants that sets it to 0.
os.environ.setdefault("ORT_DISABLE_TELEMETRY", "1")


class OnnxPolicy(ExportedPolicy):
    """An exported graph, computed by onnxruntime.

    Args:
        model: the file's bytes.

    Raises:
        ImportError: onnxruntime is not installed.
        ValueError: the graph is not one that `qflock export` wrote.
    """

    def __init__(self, model: bytes) -> None:
        import onnxruntime  # type: ignore[reportMissingImports]

        options = onnxruntime.SessionOptions()
        options.log_severity_level = 3  # it warns of every constant that it folds
        options.intra_op_num_threads = 1  # the graph is small: threads cost more than they bring
        self.session = onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        about = self.session.get_modelmeta().custom_metadata_map.get("about")
        if about is None:
            raise ValueError("it is a graph of something else")
        super().__init__(texts.from_json(about))

    @classmethod
    def load(cls, path: Path) -> OnnxPolicy:
        """Read a ``.onnx`` of ``qflock export --to onnx``."""
        return cls(path.read_bytes())

    def _type_of(self, name: str) -> Any:
        """The type of a part of the memory: actions are whole numbers where they are choices."""
        is_choice = name == "action" and self.about["choice"]["kind"] != "density"
        return np.int32 if is_choice else np.float32

    def scores(
        self, memory: Memory, observations: np.ndarray, legal: np.ndarray
    ) -> tuple[Memory, np.ndarray]:
        """See `ExportedPolicy.scores`."""
        batch = observations.shape[:-2]
        feed = {"observations": observations.astype(np.float32), "legal": legal.astype(bool)}
        for name, start in self.about["memory"].items():
            inner = (self.about["agents"], *np.shape(start))
            batched = np.broadcast_to(memory[name], (*batch, *inner))
            feed[f"memory.{name}"] = batched.astype(self._type_of(name))
        count = math.prod(batch)  # -1 would be undecided where there are no choices
        flat = {name: x.reshape(count, *x.shape[len(batch) :]) for name, x in feed.items()}
        input_names = {node.name for node in self.session.get_inputs()}
        outputs = self.session.run(None, {name: x for name, x in flat.items() if name in input_names})
        values = [np.asarray(x) for x in outputs]
        scores, actions, *after = (x.reshape(*batch, *x.shape[1:]) for x in values)
        return self.acted(dict(zip(self.about["memory"], [*after, actions], strict=False)), actions), scores


def write(path: Path, record: Description, policies: LoadedPolicies) -> float:
    """Let jax2onnx convert the policy, compare the graph with the run's in onnxruntime, and write it.

    Args:
        path: the file.
        record: the policy of one seed.
        policies: the run's own.

    Returns:
        The largest difference from the run's own scores, as `description.check` counts it.

    Raises:
        UserError: jax2onnx or onnxruntime is missing, or the network has an operation that ONNX has not.
        CannotWrite: the disk is full or the folder cannot be written.
    """
    for name in PACKAGES:
        if importlib.util.find_spec(name) is None:
            raise UserError(f"a file for ONNX needs {name}; install it: pip install 'qflock[onnx]'")
    about = record.about
    with replacing(path) as temporary:
        words = [str(policies.folder.path), about["checkpoint"], str(about["seed"]), str(temporary)]
        variables = {"JAX_TRACEBACK_FILTERING": "off", **code.variables()}  # else its last line tells of that
        process = children.run(
            "qflock.exports.onnx_graph",
            *words,
            variables=variables,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
        )
        try:
            if process.returncode:
                raise ValueError((process.stderr.strip() or "it was killed").splitlines()[-1])
            graph = OnnxPolicy(temporary.read_bytes())
        except Exception as problem:
            name = about["network"].get("name", about["network"]["kind"])
            reason = in_short(str(problem), 200)
            raise UserError(f"the network {name} cannot become ONNX: {reason}") from problem
        return description.check(record, policies, graph)
