"""Settings of other libraries' YAML files under our names: what is translated, and what cannot be."""

from __future__ import annotations

import contextlib
import dataclasses
from collections.abc import Mapping
from typing import Any, NamedTuple

from qflock.core.errors import UserError, shown
from qflock.settings import file, pymarl, registry
from qflock.settings.run import RunSettings

EPISODES = "counts episodes there; ours counts environment steps"
SAME = {"gamma": "gamma", "lr": "lr", "seed": "seed", "td_lambda": "td_lambda", "double_q": "double_q"}
PYMARL = SAME | {
    "t_max": "total_steps",
    "grad_norm_clip": "max_grad_norm",
    "epsilon_start": "epsilon_start",
    "epsilon_finish": "epsilon_end",
    "epsilon_anneal_time": "epsilon_decay",
    "batch_size_run": "num_envs",
    "mixing_embed_dim": "mixer_embed",
    "hypernet_embed": "mixer_hyper",
    "rnn_hidden_dim": "hidden",
    "hidden_dim": "hidden",
    "obs_last_action": "last_action",
    "test_interval": "eval_interval",
    "test_nepisode": "eval_episodes",
    "log_interval": "log_interval",
    "q_nstep": "n_step",
    "epochs": "epochs",
    "eps_clip": "clip",
    "entropy_coef": "alpha0",
    "gae_lambda": "gae_lambda",
}
JAXMARL = {
    "TOTAL_TIMESTEPS": "total_steps",
    "NUM_ENVS": "num_envs",
    "NUM_STEPS": "num_steps",
    "NUM_SEEDS": "seeds",
    "SEED": "seed",
    "LR": "lr",
    "GAMMA": "gamma",
    "LAMBDA": "td_lambda",
    "EPS_START": "epsilon_start",
    "EPS_FINISH": "epsilon_end",
    "EPS_DECAY": "epsilon_decay",
    "HIDDEN_SIZE": "hidden",
    "MIXER_EMBEDDING_DIM": "mixer_embed",
    "MIXER_HYPERNET_HIDDEN_DIM": "mixer_hyper",
    "MAX_GRAD_NORM": "max_grad_norm",
    "TAU": "target_tau",
    "UPDATE_EPOCHS": "epochs",
    "NUM_EPOCHS": "epochs",
    "NUM_MINIBATCHES": "minibatches",
    "GAE_LAMBDA": "gae_lambda",
    "CLIP_EPS": "clip",
    "ENT_COEF": "alpha0",
}
BENCHMARL = SAME | {
    "max_n_frames": "total_steps",
    "clip_grad_val": "max_grad_norm",
    "exploration_eps_init": "epsilon_start",
    "exploration_eps_end": "epsilon_end",
    "exploration_anneal_frames": "epsilon_decay",
    "off_policy_n_envs_per_worker": "num_envs",
    "on_policy_n_envs_per_worker": "num_envs",
    "off_policy_memory_size": "buffer_capacity",
    "off_policy_train_batch_size": "batch_size",
    "on_policy_n_minibatch_iters": "epochs",
    "share_policy_params": "share_parameters",
    "polyak_tau": "target_tau",
    "evaluation_interval": "eval_interval",
    "evaluation_episodes": "eval_episodes",
    "mixing_embed_dim": "mixer_embed",
    "clip_epsilon": "clip",
    "entropy_coef": "alpha0",
    "lmbda": "gae_lambda",
}
TABLES = {"PyMARL": PYMARL, "JaxMARL": JAXMARL, "BenchMARL": BENCHMARL}
"""Their names of our settings, by library; EPyMARL's and PyMARL2's files have PyMARL's names."""
NOTES = {
    "buffer_size": f"{EPISODES} (buffer_capacity)",
    "batch_size": f"{EPISODES} (batch_size)",
    "target_update_interval": f"{EPISODES} (target_update_interval)",
    "BUFFER_SIZE": "counts time steps of all copies; ours counts transitions (buffer_capacity)",
    "BUFFER_BATCH_SIZE": "counts trajectories; ours counts transitions (batch_size)",
    "TARGET_UPDATE_INTERVAL": "counts updates; ours counts environment steps (target_update_interval)",
    "obs_agent_id": "agents that share a network always know who they are (share_parameters)",
    "optim_alpha": "of RMSprop; ours are adam and radam (optimiser)",
    "optim_eps": "of RMSprop; ours are adam and radam (optimiser)",
    "standardise_rewards": "actor-critics have normalise_values, which scales returns",
    "critic_coef": "the critic has an optimiser of its own (lr_critic)",
    "VF_COEF": "the critic has an optimiser of its own (lr_critic)",
    "use_cuda": "a GPU is used where JAX has one (device)",
}
"""What a setting is instead, where it has no counterpart that means the same."""
NAMED = ("algorithm", "name", "ALG_NAME", "algorithm_name", "mixer")
"""Where a file says what algorithm it is of, the surest first."""
ALGORITHMS = {"ia2c": "a2c", "iql_ns": "iql", "pqn": "pqn_vdn", "qmix_ns": "qmix", "vdn_ns": "vdn"}


class Translation(NamedTuple):
    """Settings of others under our names.

    Attributes:
        library: whose they are.
        algorithm: of ours.
        settings: our names, with the value and the name it had.
        left: their names of what was not translated, with why.
    """

    library: str
    algorithm: str
    settings: dict[str, tuple[Any, str]]
    left: dict[str, str]


def translate(given: Mapping[str, Any], algorithm: str | None = None) -> Translation:
    """A file of PyMARL, EPyMARL, JaxMARL or BenchMARL.

    Args:
        given: its mapping.
        algorithm: of ours; as the file says where it is None.

    Raises:
        UserError: it is of none of these, or does not say of which algorithm.
    """
    flat = _flat(given)
    library = _library(flat)
    algorithm = algorithm or _algorithm(flat)
    config = registry.algorithm(algorithm).Config
    known = {field.name for kind in (RunSettings, config) for field in dataclasses.fields(kind)}
    settings, left = _environment(flat, library), {}
    if _recurrent(flat):
        settings["network"] = ("gru", "agent" if "agent" in flat else "use_rnn")
    if flat.get("ANNEAL_LR") is True or flat.get("LR_LINEAR_DECAY") is True:
        name = "ANNEAL_LR" if "ANNEAL_LR" in flat else "LR_LINEAR_DECAY"
        settings |= {"lr_decay": ("100%", name), "lr_final": (0.0, name)}
    for name, value in flat.items():
        if name in NAMED or name in {theirs for _, theirs in settings.values()}:
            continue
        ours = TABLES[library].get(name)
        if ours is None or value is None:
            left[name] = NOTES.get(name, "has no counterpart")
        elif ours not in known:
            left[name] = f"is no setting of {algorithm} ({ours})"
        elif ours in settings:
            left[name] = f"is {ours}, as {settings[ours][1]} is, which is taken"
        else:
            settings[ours] = (_value(ours, value), name)
    if "train_frequency" in known and "num_envs" in settings:  # that of a preset need not divide theirs
        settings.setdefault("train_frequency", (0, "ours: a gradient step for about 128 steps"))
    return Translation(library, algorithm, _in_range(settings, config, left), left)


def write(translation: Translation, given: Mapping[str, Any], source: str) -> str:
    """The YAML of a translation: settings with their former names, and what was left as comments.

    Args:
        translation: of the file.
        given: the file's mapping.
        source: the file's name.
    """
    lines = [f"# From {source}, a file of {translation.library}; docs/coming_from.md says what differs."]
    lines += [f"algorithm: {translation.algorithm}"]
    for name, (value, theirs) in translation.settings.items():
        lines.append(f"{file.write({name: value}).strip()}  # {theirs}")
    if translation.left:
        flat = _flat(given)
        lines += ["", "# Not translated:"]
        lines += [f"#   {name}: {shown(flat[name])}  {why}" for name, why in translation.left.items()]
    return "\n".join(" ".join(line.splitlines()) if line else "" for line in lines) + "\n"


def _flat(given: Mapping[str, Any]) -> dict[str, Any]:
    """Settings of a file whose blocks (hydra's ``alg:`` and ``env:``, ``experiment:``) hold them."""
    flat: dict[str, Any] = {}
    for name, value in given.items():
        inner = isinstance(value, Mapping) and name not in ("env_args", "ENV_KWARGS")
        flat |= _flat(value) if inner else {str(name): value}
    return flat


def _library(flat: Mapping[str, Any]) -> str:
    if len(pymarl.NAMES & set(flat)) > 1:
        return "PyMARL"
    counts = {library: len(set(table) & set(flat) - set(SAME)) for library, table in TABLES.items()}
    library = max(counts, key=lambda name: counts[name])
    if counts[library] < 2:
        raise UserError(
            "these are no settings of PyMARL, EPyMARL, JaxMARL or BenchMARL; their names are unknown"
        )
    return library


def _algorithm(flat: Mapping[str, Any]) -> str:
    names = registry.names("algorithms")
    for key in NAMED:
        name = str(flat.get(key) or "").lower().removeprefix("ql_").removesuffix("_rnn")
        name = ALGORITHMS.get(name, name)
        if name in names:
            return name
    raise UserError("the file does not say of which algorithm it is; add it, as in --algorithm qmix")


def _recurrent(flat: Mapping[str, Any]) -> bool:
    return flat.get("use_rnn") is True or (flat.get("agent") in ("rnn", "n_rnn") and "use_rnn" not in flat)


def _environment(flat: Mapping[str, Any], library: str) -> dict[str, tuple[Any, str]]:
    name = flat.get("ENV_NAME")
    return {"env": (f"jaxmarl:{name}", "ENV_NAME")} if library == "JaxMARL" and isinstance(name, str) else {}


def _value(ours: str, value: Any) -> Any:
    """A value as our setting has it."""
    if isinstance(value, str):  # YAML takes 1e7, without a point, for a text
        with contextlib.suppress(ValueError):
            value = float(value)
    if ours == "hidden":
        return list(value) if isinstance(value, list) else [value]
    if ours == "epsilon_decay" and isinstance(value, float) and 0 < value <= 1:
        return f"{100 * value:g}%"
    whole = isinstance(value, float) and value.is_integer()
    return int(value) if whole and ours in WHOLE else value


WHOLE = {
    "total_steps",
    "num_envs",
    "num_steps",
    "epsilon_decay",
    "eval_interval",
    "log_interval",
    "buffer_capacity",
}


def _in_range(
    settings: dict[str, tuple[Any, str]], config: Any, left: dict[str, str]
) -> dict[str, tuple[Any, str]]:
    """Those that our learner can have one by one; the others are left, with why."""
    of_run = {field.name for field in dataclasses.fields(RunSettings)}
    good = {}
    for name, (value, theirs) in settings.items():
        kind: Any = RunSettings if name in of_run else config
        shares = isinstance(value, str) and value.endswith("%")
        try:
            if not shares:
                kind(**{name: tuple(value) if isinstance(value, list) else value})
            good[name] = (value, theirs)
        except UserError as problem:
            left[theirs] = f"cannot be taken over: {problem}"
        except TypeError:
            left[theirs] = f"cannot be taken over: {name} cannot be {shown(value)}"
    return good
