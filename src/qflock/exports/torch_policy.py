"""A policy that was trained with qflock, as a PyTorch module: copy it, `torch_choice` and `torch_circuit`.

    policy = TorchPolicy.load("policy.pt")
    policy.restart()                      # at the start of each episode
    actions = policy.act(observations)    # (A, O) raw observations -> (A,) action ids, or (A, D) numbers

The ``.pt`` holds ``state_dict``, tensors by name, and ``about``, a JSON text that says what they mean: the
sizes ``agents`` (A), ``actions`` (U; 0 where agents give numbers) and ``observation`` (O); ``input``, what is
made of a raw observation; whether the agent's one-hot ``identity`` and its ``last_action`` follow;
``network``; ``memory``, what an agent remembers at the start; and ``choice``, how outputs become an action.
The module can be moved, compiled and trained further like any other.
"""

from __future__ import annotations

import json
from typing import Any

import torch  # type: ignore[reportMissingImports]
from torch import Tensor, nn  # type: ignore[reportMissingImports]

if __package__:
    from qflock.exports import torch_choice, torch_circuit
else:  # a copy: the files beside it are for what outputs mean, and for policies made of circuits
    import torch_choice  # type: ignore[reportMissingImports]
    import torch_circuit  # type: ignore[reportMissingImports]

FORMAT = "qflock-policy-1"
Memory = dict[str, Tensor]


class Linear(nn.Module):
    """One linear layer for all agents, weight ``(out, in)``, or one each, ``(A, out, in)``."""

    def __init__(self, weight: Tensor, bias: Tensor) -> None:
        super().__init__()
        self.weight, self.bias = nn.Parameter(weight), nn.Parameter(bias)

    def forward(self, x: Tensor) -> Tensor:
        return torch.matmul(self.weight, x.unsqueeze(-1)).squeeze(-1) + self.bias


class Norm(nn.Module):
    """LayerNorm, with one scale and shift for all agents, or one each."""

    def __init__(self, weight: Tensor, bias: Tensor, epsilon: float) -> None:
        super().__init__()
        self.weight, self.bias, self.epsilon = nn.Parameter(weight), nn.Parameter(bias), epsilon

    def forward(self, x: Tensor) -> Tensor:
        return nn.functional.layer_norm(x, x.shape[-1:], eps=self.epsilon) * self.weight + self.bias


class GRU(nn.Module):
    """A gated recurrent unit with gates reset, keep, new; one for all agents, or one each."""

    def __init__(self, weight_ih: Tensor, weight_hh: Tensor, bias: Tensor, bias_n: Tensor) -> None:
        super().__init__()
        self.weight_ih, self.weight_hh = nn.Parameter(weight_ih), nn.Parameter(weight_hh)
        self.bias, self.bias_n = nn.Parameter(bias), nn.Parameter(bias_n)

    def forward(self, memory: Tensor, x: Tensor) -> Tensor:
        """The new hidden state.

        Args:
            memory: hidden state ``(..., A, H)``.
            x: features ``(..., A, F)``.
        """
        product = lambda weight, x: torch.matmul(weight, x.unsqueeze(-1)).squeeze(-1)
        from_input = (product(self.weight_ih, x) + self.bias).chunk(3, -1)
        from_memory = product(self.weight_hh, memory).chunk(3, -1)
        reset, keep = (torch.sigmoid(from_input[k] + from_memory[k]) for k in (0, 1))
        new = torch.tanh(from_input[2] + reset * (from_memory[2] + self.bias_n))
        return new + keep * (memory - new)


class TorchPolicy(nn.Module):
    """All agents of a team, for one board or for a batch of them; each sees its own observation alone.

    Attributes:
        about: the description, plain dictionaries, lists, numbers and texts.
        memory: what the agents remember, tensors ``(..., A, ...)`` by name; empty without memory.

    Raises:
        ValueError: the description is not one that this file can play.
    """

    def __init__(self, about: dict[str, Any], weights: dict[str, Tensor]) -> None:
        super().__init__()
        if about.get("format") != FORMAT:
            raise ValueError(f"a policy of format {about.get('format')!r}; this file plays {FORMAT!r}")
        network = about["network"]
        if network["kind"] not in ("mlp", "gru", "circuit"):
            raise ValueError(f"of the network {network.get('name')!r} it has the weights alone")
        self.about = about
        free = weights.get("log_deviation")
        self.log_deviation = None if free is None else nn.Parameter(free.clone())
        if network["kind"] == "circuit":
            torch_circuit.equip(self, network, weights)
        else:
            self._layers(network, weights)
        self.restart()

    def _layers(self, network: dict[str, Any], weights: dict[str, Tensor]) -> None:
        of = lambda name: (weights[f"{name}.weight"].clone(), weights[f"{name}.bias"].clone())
        layers = range(network["hidden"])
        self.hidden = nn.ModuleList(Linear(*of(f"hidden.{i}")) for i in layers)
        normed = layers if network["layer_norm"] else ()
        self.norms = nn.ModuleList(Norm(*of(f"norms.{i}"), network["epsilon"]) for i in normed)
        self.cell = None
        if network["kind"] == "gru":
            names = ("weight_ih", "weight_hh", "bias", "bias_n")
            self.cell = GRU(*(weights[f"cell.{name}"].clone() for name in names))
        self.head = Linear(*of("head"))
        self.value = Linear(*of("value")) if network["dueling"] else None

    @classmethod
    def load(cls, path: Any) -> TorchPolicy:
        """Read a ``.pt`` of ``qflock export --to torch``. Nothing in it is ever executed."""
        file = torch.load(path, map_location="cpu", weights_only=True)
        return cls(json.loads(file["about"]), file["state_dict"])

    def initial(self) -> Memory:
        """The memory of all agents at the start of an episode."""
        start = {name: torch.tensor(x) for name, x in self.about["memory"].items()}
        agents = self.about["agents"]
        device = next(self.parameters()).device
        return {name: x.expand(agents, *x.shape).to(device) for name, x in start.items()}

    def restart(self) -> None:
        """Forget: call it at the start of each episode."""
        self.memory = self.initial()

    def forward(self, memory: Memory, observations: Tensor) -> tuple[Memory, Tensor]:
        """See `numpy_policy.NumpyPolicy.outputs`: the same of tensors, without side effects."""
        x = _inputs(self.about["input"], observations.to(next(self.parameters())))
        hot = lambda index, size: (index.unsqueeze(-1) == torch.arange(size).to(index)).to(x)
        if self.about["identity"]:
            ids = hot(torch.arange(x.shape[-2], device=x.device), x.shape[-2])
            x = torch.cat([x, ids.expand(*x.shape[:-1], -1)], -1)
        if self.about["last_action"]:
            choice, last_action = self.about["choice"], memory["action"]
            if choice["kind"] == "density":
                last_action = torch_choice.unit(choice, last_action.to(x))
            else:
                last_action = hot(last_action, self.about["actions"])
            x = torch.cat([x, last_action.expand(*x.shape[:-1], -1)], -1)
        if self.about["network"]["kind"] == "circuit":
            return memory, self._whole(torch_circuit.outputs(self, self.about["network"], x))
        for i, layer in enumerate(self.hidden):
            x = layer(x)
            x = torch.relu(self.norms[i](x) if len(self.norms) else x)
        if self.cell is not None:
            x = self.cell(memory["hidden"].to(x), x)
            memory = {**memory, "hidden": x}
        out = self.head(x)
        if self.value is not None:
            out = self.value(x) + out - out.mean(-1, keepdim=True)
        return memory, self._whole(out)

    def _whole(self, out: Tensor) -> Tensor:
        """Outputs with the free deviations behind them, where there are any."""
        if self.log_deviation is None:
            return out
        return torch.cat([out, self.log_deviation.expand(*out.shape[:-1], -1)], -1)

    def acted(self, memory: Memory, actions: Tensor) -> Memory:
        """See `numpy_policy.ExportedPolicy.acted`."""
        return {**memory, "action": actions} if "action" in memory else memory

    def scores(self, memory: Memory, observations: Tensor, legal: Tensor) -> tuple[Memory, Tensor]:
        """See `numpy_policy.ExportedPolicy.scores`."""
        memory, outputs = self(memory, observations)
        choice = self.about["choice"]
        if choice["kind"] in ("values", "density"):
            return memory, outputs
        if choice["operator"] is None:
            return memory, torch_choice.log_probabilities(outputs, legal)
        return memory, torch_choice.amplified(outputs, legal, **choice["operator"])

    @torch.no_grad()
    def act(self, observations: Any, legal: Any = None, sample: bool = False) -> Tensor:
        """The agents' actions.

        Args:
            observations: ``(..., A, O)``, raw as the environment gives them.
            legal: ``(..., A, U)`` booleans; all actions if left out.
            sample: act as in training, with exploration or by chance, rather than greedily.

        Returns:
            Action ids ``(..., A)``, or numbers ``(..., A, D)``.

        Raises:
            ValueError: observations of another shape.
        """
        observations = torch.as_tensor(observations)
        sizes = (self.about["agents"], self.about["observation"])
        if tuple(observations.shape[-2:]) != sizes:
            raise ValueError(f"observations have shape {tuple(observations.shape)}; it must end in {sizes}")
        shape = (*observations.shape[:-1], self.about["actions"])
        legal = torch.ones(shape).bool() if legal is None else torch.as_tensor(legal).bool()
        device = next(self.parameters()).device
        observations, legal = observations.to(device), legal.to(device)
        memory, scores = self.scores(self.memory, observations, legal)
        actions = self._choose(scores, legal, sample)
        self.memory = self.acted(memory, actions)
        return actions

    def _choose(self, scores: Tensor, legal: Tensor, sample: bool) -> Tensor:
        if self.about["choice"]["kind"] == "density":
            return torch_choice.numbers(self.about["choice"], scores, sample)
        never = torch.tensor(-torch.inf, device=scores.device)
        best = torch.where(legal, scores, never).argmax(-1)
        if not sample:
            return best
        by_chance = -torch.empty_like(scores).exponential_().log()  # Gumbel's distribution
        if self.about["choice"]["kind"] == "policy":
            return torch.where(legal, scores + by_chance, never).argmax(-1)
        explore = torch.rand(best.shape, device=best.device) < self.about["choice"]["epsilon"]
        return torch.where(explore, torch.where(legal, by_chance, never).argmax(-1), best)


def _inputs(stage: dict[str, Any], x: Tensor) -> Tensor:
    """What the network sees of raw observations ``(..., O)``: entities as offsets, codes as one-hots."""
    if stage["kind"] == "scaled":
        return x / stage["scale"]
    rest, parts = set(range(x.shape[-1])), []
    for group in stage["groups"]:
        wide, others, extent = group["coordinates"], group["others"], group["extent"]
        for start in (group["own"], *others):
            rest -= {*range(start, start + wide)}
            rest -= set() if group["present"] is None else {start + group["present"]}
        own = x[..., group["own"] : group["own"] + wide]
        place = torch.stack([x[..., at : at + wide] for at in others], -2)
        flag = torch.ones_like(place[..., 0])
        flag = flag if group["present"] is None else x[..., [at + group["present"] for at in others]]
        offset = place - own.unsqueeze(-2)
        offsets = [offset / extent, (offset / stage["near"]).clamp(-1, 1), offset.sign()]
        many = len(others) if len(others) <= stage["paired"] else 0
        one, two = torch.triu_indices(many, many, 1, device=x.device)
        between = (place[..., one, :] - place[..., two, :]).abs().sum(-1)
        distances = torch.cat([offset.abs().sum(-1), between], -1)
        there = torch.cat([flag, flag[..., one] * flag[..., two]], -1)
        parts.append(2 * own / extent - 1)
        parts += [(part * flag.unsqueeze(-1)).flatten(-2) for part in offsets]
        parts += [there * distances / (wide * extent), there * (-distances / stage["worth"]).exp(), flag]
    for code in stage["codes"]:
        start, wide = code["start"], len(code["values"])
        end = start + code["count"] * wide
        rest -= {*range(start, end)}
        records = x[..., start:end].unflatten(-1, (code["count"], wide))
        for k, known in enumerate(code["values"]):
            parts.append((records[..., k, None] == torch.tensor(known).to(x)).to(x).flatten(-2))
    return torch.cat([*parts, x[..., sorted(rest)] / stage["scale"]], -1)
