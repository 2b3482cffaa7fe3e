"""Play a policy that was trained with qflock, with NumPy alone: copy it, `numpy_choice` and `numpy_circuit`.

    policy = NumpyPolicy.load("policy.npz")
    policy.restart()                      # at the start of each episode
    actions = policy.act(observations)    # (A, O) raw observations -> (A,) action ids, or (A, D) numbers

A policy file holds arrays by name and ``about``, a JSON text that says what they mean: the sizes ``agents``
(A), ``actions`` (U; 0 where agents give numbers) and ``observation`` (O); ``input``, what is made of a raw
observation; whether the agent's one-hot ``identity`` and its ``last_action`` follow; ``network``; ``memory``,
what an agent remembers at the start; and ``choice``, how outputs become an action. Every agent is computed
from its own observation.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

if __package__:
    from qflock.exports import numpy_choice, numpy_circuit
else:  # a copy: the files beside it are for what outputs mean, and for policies made of circuits
    import numpy_choice  # type: ignore[reportMissingImports]
    import numpy_circuit  # type: ignore[reportMissingImports]

FORMAT = "qflock-policy-1"
Memory = dict[str, np.ndarray]


class ExportedPolicy:
    """All agents of a team, for one board or for a batch of them.

    Attributes:
        about: the description, plain dictionaries, lists, numbers and texts.
        memory: what the agents remember, arrays ``(..., A, ...)`` by name; empty for networks without memory.

    Raises:
        ValueError: the description is of another version.
    """

    def __init__(self, about: dict[str, Any]) -> None:
        if about.get("format") != FORMAT:
            raise ValueError(f"a policy of format {about.get('format')!r}; this file plays {FORMAT!r}")
        self.about = about
        self.restart()

    def initial(self) -> Memory:
        """The memory of all agents at the start of an episode."""
        start = {name: np.asarray(x) for name, x in self.about["memory"].items()}
        return {name: np.broadcast_to(x, (self.about["agents"], *x.shape)) for name, x in start.items()}

    def scores(
        self, memory: Memory, observations: np.ndarray, legal: np.ndarray
    ) -> tuple[Memory, np.ndarray]:
        """One step without side effects.

        Args:
            memory: as `initial`, or the step before and `acted`, gave it.
            observations: ``(..., A, O)``.
            legal: ``(..., A, U)`` booleans.

        Returns:
            The new memory, and what actions are chosen by: values or log-probabilities, ``(..., A, U)``, or
            the outputs of the network where agents give numbers, ``(..., A, F)``.
        """
        raise NotImplementedError

    def acted(self, memory: Memory, actions: np.ndarray) -> Memory:
        """The memory of agents that were told the actions chosen for them, where they want to know.

        Args:
            memory: of the agents, by name.
            actions: action ids ``(..., A)``, or numbers ``(..., A, D)``.
        """
        return {**memory, "action": actions} if "action" in memory else memory

    def restart(self, seed: int = 0) -> None:
        """Forget: call it at the start of each episode. ``seed`` is of ``act(..., sample=True)``."""
        self.memory = self.initial()
        self._random = np.random.default_rng(seed)

    def act(self, observations: Any, legal: Any = None, sample: bool = False) -> np.ndarray:
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
        observations, sizes = np.asarray(observations), (self.about["agents"], self.about["observation"])
        if observations.shape[-2:] != sizes:
            raise ValueError(f"observations have shape {observations.shape}; it must end in {sizes}")
        shape = (*observations.shape[:-1], self.about["actions"])
        legal = np.ones(shape, bool) if legal is None else np.asarray(legal, bool)
        memory, scores = self.scores(self.memory, observations, legal)
        actions = self._choose(scores, legal, sample)
        self.memory = self.acted(memory, actions)
        return actions

    def _choose(self, scores: np.ndarray, legal: np.ndarray, sample: bool) -> np.ndarray:
        if self.about["choice"]["kind"] == "density":
            return numpy_choice.numbers(self.about["choice"], scores, self._random if sample else None)
        best = np.where(legal, scores, -np.inf).argmax(-1)
        if not sample:
            return best
        by_chance = self._random.gumbel(size=scores.shape)
        if self.about["choice"]["kind"] == "policy":
            return np.where(legal, scores + by_chance, -np.inf).argmax(-1)
        explore = self._random.random(best.shape) < self.about["choice"]["epsilon"]
        return np.where(explore, np.where(legal, by_chance, -np.inf).argmax(-1), best)


class NumpyPolicy(ExportedPolicy):
    """A policy whose network is described in ``about``, computed by NumPy.

    Attributes:
        weights: arrays by name; of networks of their own, the first axis is the agent.

    Raises:
        ValueError: the description is of another version, or not of a network that this file knows.
    """

    def __init__(self, about: dict[str, Any], weights: dict[str, np.ndarray]) -> None:
        super().__init__(about)
        if about["network"]["kind"] not in ("mlp", "gru", "circuit"):
            raise ValueError(f"of the network {about['network'].get('name')!r} it has the weights alone")
        self.weights = weights

    @classmethod
    def load(cls, path: Any) -> NumpyPolicy:
        """Read a ``.npz`` of ``qflock export --to numpy``. Nothing in it is ever executed."""
        with np.load(path, allow_pickle=False) as file:
            weights = {name: file[name] for name in file.files}
        return cls(json.loads(str(weights.pop("about"))), weights)

    def scores(
        self, memory: Memory, observations: np.ndarray, legal: np.ndarray
    ) -> tuple[Memory, np.ndarray]:
        """See `ExportedPolicy.scores`."""
        memory, outputs = self.outputs(memory, observations)
        choice = self.about["choice"]
        if choice["kind"] in ("values", "density"):
            return memory, outputs
        if choice["operator"] is None:
            return memory, numpy_choice.log_probabilities(outputs, legal)
        return memory, numpy_choice.amplified(outputs, legal, **choice["operator"])

    def outputs(self, memory: Memory, observations: np.ndarray) -> tuple[Memory, np.ndarray]:
        """The network alone.

        Args:
            memory: of the agents, by name.
            observations: raw, ``(..., A, O)``.

        Returns:
            The new memory, and outputs ``(..., A, F)``.
        """
        network = self.about["network"]
        x = _inputs(self.about["input"], np.asarray(observations).astype(np.float32))
        if self.about["identity"]:
            x = np.concatenate([x, _one_hot(np.arange(x.shape[-2]), x)], -1)
        if self.about["last_action"]:
            x = np.concatenate([x, self._told(memory["action"], x)], -1)
        if network["kind"] == "circuit":
            return memory, self._whole(numpy_circuit.outputs(network, self.weights, x))
        for i in range(network["hidden"]):
            x = self._linear(f"hidden.{i}", x)
            x = np.maximum(self._normalised(f"norms.{i}", x) if network["layer_norm"] else x, 0)
        if network["kind"] == "gru":
            x = self._gru(memory["hidden"], x)
            memory = {**memory, "hidden": x}
        out = self._linear("head", x)
        if network["dueling"]:
            out = self._linear("value", x) + out - out.mean(-1, keepdims=True)
        return memory, self._whole(out)

    def _told(self, action: np.ndarray, x: np.ndarray) -> np.ndarray:
        """What the network sees of the last action."""
        choice = self.about["choice"]
        if choice["kind"] != "density":
            return _one_hot(action, x, self.about["actions"])
        unit = numpy_choice.unit(choice, action).astype(x.dtype)
        return np.broadcast_to(unit, (*x.shape[:-1], unit.shape[-1]))

    def _whole(self, out: np.ndarray) -> np.ndarray:
        """Outputs with the free deviations behind them, where there are any."""
        free = self.weights.get("log_deviation")
        if free is None:
            return out
        return np.concatenate([out, np.broadcast_to(free, (*out.shape[:-1], free.shape[-1]))], -1)

    def _gru(self, memory: np.ndarray, x: np.ndarray) -> np.ndarray:
        """A gated recurrent unit: gates reset, keep, new."""
        product = lambda name, x: np.matmul(self.weights[f"cell.{name}"], x[..., None])[..., 0]
        from_input = np.split(product("weight_ih", x) + self.weights["cell.bias"], 3, -1)
        from_memory = np.split(product("weight_hh", memory.astype(x.dtype)), 3, -1)
        reset, keep = (1 / (1 + np.exp(-(from_input[k] + from_memory[k]))) for k in (0, 1))
        new = np.tanh(from_input[2] + reset * (from_memory[2] + self.weights["cell.bias_n"]))
        return new + keep * (memory - new)

    def _linear(self, name: str, x: np.ndarray) -> np.ndarray:
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return np.matmul(weight, x[..., None])[..., 0] + bias

    def _normalised(self, name: str, x: np.ndarray) -> np.ndarray:
        away = x - x.mean(-1, keepdims=True)
        away = away / np.sqrt(np.square(away).mean(-1, keepdims=True) + self.about["network"]["epsilon"])
        return away * self.weights[f"{name}.weight"] + self.weights[f"{name}.bias"]


def _one_hot(index: np.ndarray, like: np.ndarray, size: int | None = None) -> np.ndarray:
    """``(..., A)`` whole numbers as ones among zeros, ``(..., A, size)``; all zeros for -1."""
    hot = index[..., None] == np.arange(like.shape[-2] if size is None else size)
    return np.broadcast_to(hot, (*like.shape[:-1], hot.shape[-1])).astype(like.dtype)


def _inputs(stage: dict[str, Any], x: np.ndarray) -> np.ndarray:
    """What the network sees of raw observations ``(..., O)``: entities as offsets, codes as one-hots."""
    if stage["kind"] == "scaled":
        return x / stage["scale"]
    covered, parts = np.zeros(x.shape[-1], bool), []
    for group in stage["groups"]:
        wide, others, extent = group["coordinates"], np.array(group["others"]), group["extent"]
        for start in (group["own"], *group["others"]):
            covered[start : start + wide] = True
            if group["present"] is not None:
                covered[start + group["present"]] = True
        own = x[..., group["own"] : group["own"] + wide]
        place = x[..., others[:, None] + np.arange(wide)]
        flag = np.ones((*x.shape[:-1], len(others)), x.dtype)
        flag = flag if group["present"] is None else x[..., others + group["present"]]
        offset = place - own[..., None, :]
        offsets = [offset / extent, np.clip(offset / stage["near"], -1, 1), np.sign(offset)]
        one, two = np.triu_indices(len(others) if len(others) <= stage["paired"] else 0, 1)
        between = np.abs(place[..., one, :] - place[..., two, :]).sum(-1)
        distances = np.concatenate([np.abs(offset).sum(-1), between], -1)
        there = np.concatenate([flag, flag[..., one] * flag[..., two]], -1)
        parts.append(2 * own / extent - 1)
        parts += [(part * flag[..., None]).reshape(*x.shape[:-1], -1) for part in offsets]
        parts += [there * distances / (wide * extent), there * np.exp(-distances / stage["worth"]), flag]
    for code in stage["codes"]:
        wide = len(code["values"])
        end = code["start"] + code["count"] * wide
        covered[code["start"] : end] = True
        records = x[..., code["start"] : end].reshape(*x.shape[:-1], code["count"], wide)
        hot = (records[..., k, None] == np.array(known) for k, known in enumerate(code["values"]))
        parts += [part.astype(x.dtype).reshape(*x.shape[:-1], -1) for part in hot]
    return np.concatenate([*parts, x[..., ~covered] / stage["scale"]], -1)
