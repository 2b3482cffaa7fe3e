"""Which weights of a run are meant: those of a file in ``models/``, or while it trains its newest state's."""

from __future__ import annotations

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import PyTree

from qflock.core.errors import UserError, unknown
from qflock.core.learner import Learner
from qflock.core.shell import command
from qflock.files import tensors
from qflock.files.storage import DamagedFile
from qflock.runs import checkpoint
from qflock.runs.folder import RunFolder

NEWEST = "newest"
NAMES = {"final": "final_model", "best": "best_model_weights"}
Part = Literal["policy", "training"]
"""What execution needs, or everything that was trained."""


class Weights(NamedTuple):
    """Weights that a run has on the disk.

    Attributes:
        folder: the run.
        file: below it.
        name: "final", "best", the name of another file in models/, or "state".
        seeds: whose they are.
        env_steps: of the seed that is the least far.
    """

    folder: RunFolder
    file: str
    name: str
    seeds: list[int]
    env_steps: int

    @property
    def words(self) -> str:
        """What they are, for people."""
        if self.name == "final":
            return "final weights"
        what = "newest state" if self.name == "state" else f"{self.name} weights"
        return f"{what}, of step {self.env_steps:,}"

    def read(self, learner: Learner, part: Part) -> PyTree:
        """The weights, with a leading axis of seeds. Of a state no more is read than they need.

        Args:
            learner: of the run.
            part: which.

        Raises:
            UserError: a damaged file, one that is gone by now, or weights of another shape.
        """
        path = self.folder.path / self.file
        of = learner.execution if part == "policy" else learner.weights
        seeds = jnp.arange(len(self.seeds), dtype=jnp.uint32)
        whole = jax.eval_shape(jax.vmap(lambda seed: learner.init(jax.random.key(seed))), seeds)
        if self.name != "state":
            like = jax.eval_shape(jax.vmap(of), whole)
            return tensors.load(path, {part: like}, part=True)[0][part]
        return _of_state(path, whole, jax.vmap(of))


def _of_state(path: Any, whole: PyTree, of: Any) -> PyTree:
    """A function of a learner's state in a file, of which only the leaves that it looks at are read."""
    leaves, tree = jax.tree.flatten({"learner": whole})
    function = lambda leaves: of(jax.tree.unflatten(tree, leaves)["learner"])
    program = jax.make_jaxpr(function)(leaves).jaxpr
    looked_at = {id(v) for v in [*program.outvars, *(v for e in program.eqns for v in e.invars)]}
    needed = [id(variable) in looked_at for variable in program.invars]
    names = tensors.names({"learner": whole})
    like = {name: leaf for name, leaf, is_needed in zip(names, leaves, needed, strict=True) if is_needed}
    read = tensors.load(path, like, part=True)[0]

    @jax.jit  # where what is not looked at is never made
    def view(read: dict[str, Any]) -> PyTree:
        return function([read[n] if n in read else _empty(x) for n, x in zip(names, leaves, strict=True)])

    return view(read)


def _empty(like: Any) -> Any:
    if jnp.issubdtype(like.dtype, jax.dtypes.prng_key):
        return jnp.broadcast_to(jax.random.key(0), like.shape)
    return jnp.zeros(like.shape, like.dtype)


def read(found: list[Weights], learner: Learner, part: Part) -> tuple[Weights, PyTree]:
    """The first weights that can be read: a run that trains may have removed a state since it was found.

    Args:
        found: as `weights` gives them.
        learner, part: as `Weights.read`.

    Raises:
        UserError: as `Weights.read`, of the last that were tried.
    """
    for one in found[:-1]:
        try:
            return one, one.read(learner, part)
        except UserError:
            if one.name != "state":
                raise
    return found[-1], found[-1].read(learner, part)


def weights(folder: RunFolder, checkpoint: str = NEWEST) -> list[Weights]:
    """The weights that are meant; of the newest those before it too, should it be gone or damaged.

    Args:
        folder: the run, which may train.
        checkpoint: "newest", "final", "best", or the name of another file in models/.

    Raises:
        UserError: the run has no such checkpoint, or none yet.
    """
    if checkpoint == NEWEST:
        found = sorted(_newest(folder), key=lambda one: (one.env_steps, one.name == "final"), reverse=True)
    else:
        found = [_of_file(folder, NAMES.get(checkpoint, checkpoint), checkpoint)]
    if not found:
        raise _none_yet(folder)
    return found


def _newest(folder: RunFolder) -> list[Weights]:
    """All that are there, but for the best ones, whose seeds may be of different steps."""
    found = []
    for path in folder.models.glob("*.safetensors"):
        if path.stem == NAMES["final"] or path.stem.startswith("checkpoint_ep"):
            name = "final" if path.stem == NAMES["final"] else path.stem
            if path.is_file():  # a run that trains may have removed it since
                found.append(_of_file(folder, path.stem, name))
    facts = folder.read_hparams()
    for path in checkpoint.states(folder).values():
        try:
            metadata = tensors.load_metadata(path)
            if metadata.get("run") == facts["id"]:
                steps = min(map(int, metadata["position"]["env_steps"]))
                file = str(path.relative_to(folder.path))
                found.append(Weights(folder, file, "state", list(facts["seeds"]), steps))
        except (UserError, KeyError, TypeError, ValueError):
            continue
    return found


def _of_file(folder: RunFolder, stem: str, name: str) -> Weights:
    """Those of a file in models/."""
    path = folder.models / f"{stem.removesuffix('.safetensors')}.safetensors"
    if path.parent != folder.models or not path.is_file():
        there = [p.stem for p in folder.models.glob("*.safetensors")]
        raise unknown(f"checkpoint in {folder.models}", name, there) if there else _none_yet(folder)
    try:
        metadata = tensors.load_metadata(path)
        seeds, steps = [int(seed) for seed in metadata["seeds"]], metadata.get("env_steps", [0])
        return Weights(folder, f"models/{path.name}", name, seeds, min(map(int, steps)))
    except (KeyError, TypeError, ValueError) as problem:
        raise DamagedFile(f"{path} is damaged: it holds no weights of a run") from problem


def _none_yet(folder: RunFolder) -> UserError:
    resume = command("resume", folder.path)
    return UserError(f"{folder.path} has no weights yet; if nothing trains it, go on with: {resume}")
