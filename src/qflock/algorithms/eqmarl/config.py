"""Settings of the entangled-critic learner, with their ranges."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Annotated, Literal

from qflock.settings.ranges import Range, above, at_least, check, need
from qflock.settings.shared import Experience

ONE_WIDTH = Range("give one width, at least 1", low=1)


@dataclass(frozen=True)
class EqmarlConfig(Experience):
    """Settings of `eqmarl`; the defaults are the published ones, three quirks included.

    Raises:
        UserError: a setting is out of its range.
    """

    critic: Literal["entangled", "circuit", "joint", "split"] = "entangled"
    """The joint critic: entangled (published as eQMARL), circuit (one over all qubits, qfCTDE), joint (dense,
    fCTDE) or split (dense, a part for each agent, sCTDE)."""
    actor: Literal["auto", "circuit", "dense"] = "auto"
    """The agents' shared network; auto goes with the critic: circuit for circuits, dense for dense ones."""
    bell: Literal["phi+", "phi-", "psi+", "psi-", "none"] = "psi+"
    """State that qubits of two agents share at the start (critic entangled); none is the control."""
    entanglement: Literal["ring", "none"] = "ring"
    """Entangling gates inside circuits; none is the control."""
    frozen: bool = False
    """Circuits keep their random angles and weights, the control; all else is trained."""
    encoding: Literal["auto", "planes", "linear"] = "auto"
    """How observations enter circuits: planes (four boards of 3 x 3, three numbers each) or a linear layer,
    trained, with the weights of its numbers fixed; auto takes planes where they fit. Dense networks see the
    observation itself, and with planes, the control, the same twelve numbers as circuits."""
    qubits: Annotated[int, at_least(1)] = 4
    """Qubits of the actor, and of each agent in the critic."""
    layers: Annotated[int, at_least(1)] = 5
    """Layers of circuits: trainable rotations, entangling gates, features as angles."""
    hidden: Annotated[tuple[int, ...], ONE_WIDTH] = (12,)
    """Width of the hidden layer of dense networks; there is one."""
    lr_angles: Annotated[float, above(0)] = 1e-2
    """Adam's step size for the angles of circuits."""
    lr_scales: Annotated[float, above(0)] = 1e-1
    """Adam's step size for weights of features and of outputs of circuits."""
    lr_input_scaling: Annotated[float, at_least(0)] = 0.0
    """The same for weights of features alone; 0 for lr_scales."""
    lr_output_scaling: Annotated[float, at_least(0)] = 0.0
    """The same for the scales of outputs alone; 0 for lr_scales."""
    lr: Annotated[float, above(0)] = 1e-3
    """Adam's step size for dense layers."""
    adam_eps: Annotated[float, above(0)] = 1e-7
    """Adam's epsilon."""
    entropy_weight: Annotated[float, at_least(0)] = 0.001
    """Weight of the policy's entropy, in nats."""
    entropy_form: Literal["published", "corrected"] = "published"
    """corrected adds the mean entropy of all agents; published subtracts that of the last agent alone."""
    td_gradient: Literal["residual", "semi"] = "residual"
    """residual: the critic's gradient also flows through the next value (published); semi: it does not."""
    end: Literal["terminal", "bootstrap"] = "terminal"
    """Whether a truncated episode counts as ended (published) or goes on in the next state's value."""
    num_envs: int = 1
    """Environments stepped side by side."""
    num_steps: Annotated[int, at_least(0)] = 0
    """Steps of each copy between two gradient steps; 0 for an episode of full length."""

    def __post_init__(self) -> None:
        check(self)
        need(len(self.hidden) == 1, f"hidden is {self.hidden}; {ONE_WIDTH.says}")
