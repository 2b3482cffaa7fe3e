"""Settings by what they are about, in the order in which help shows them: those most used first.

A test holds that each setting of ours has its place. What is in no topic (a setting of an algorithm of the
user's own) stands in `OWN`.
"""

from __future__ import annotations

MOST_USED, OWN, CIRCUIT, ENVIRONMENT = "most used", "what is learnt", "circuit", "environment"
_NAMES = {
    MOST_USED: """env total_steps seeds lr num_envs network hidden gamma batch_size mixer policy critic
        sampler n_chains device run_dir""",
    "run": """seed total_episodes init_from on_nan devices matmul_precision heartbeat_timeout_seconds n_gs
        n_mcmc_steps memory""",
    OWN: """reward loss td_lambda n_step double_q mixer_embed mixer_hyper weighting weight central_hidden
        central_weight update gae_lambda clip value_clip critic_loss huber_delta normalise_advantages
        normalise_values td_gradient end twin others in_turn policy_delay target_noise noise_clip""",
    "network": """actor action_head deviation dueling layer_norm orthogonal share_parameters agent_ids groups
        last_action input_stage critic_network critic_hidden""",
    CIRCUIT: """circuit_qubits circuit_layers circuit_encoding circuit_reupload circuit_entanglement
        circuit_entangler circuit_compression circuit_head circuit_decoding circuit_scale circuit_frozen
        circuit_seed circuit_shots circuit_noise circuit_trajectories circuit_device circuit_gradient
        spsa_step lr_angles lr_input_scaling lr_output_scaling simulator""",
    "quantum part": "pair visibility bell entanglement frozen encoding qubits layers",
    "exploration": """epsilon_start epsilon_end epsilon_decay noise entropy_weight entropy_form entropy alpha0
        alpha_min alpha_max alpha_decay target_rate target_start target_end target_clock
        lr_alpha target_entropy""",
    "quantum-inspired operator": """operator eta min_entropy inverse_temperature floor rotation_turns
        rotation_limit rotation_weight contraction""",
    "Ramsey guidance": "ramsey entropy_threshold clique_size clique_weight",
    "search": """estimator episodes held_out beta proposal sigma_proposal target_acceptance search_lr
        prior_sigma blocks warmup beta_start beta_again sweep patience window acting smc_ess strategy""",
    "tempering": "temperatures temperature_ratio swap_every",
    "distillation": "distil_steps distil_lr distil_tau",
    "experience and replay": """num_steps row_length burn_in augment buffer_capacity min_buffer_size
        train_frequency epochs minibatches target_update_interval target_tau tau""",
    "optimiser": """optimiser lr_critic lr_scales lr_final lr_decay weight_decay max_grad_norm
        adam_eps""",
    ENVIRONMENT: "",
    "evaluation": "eval_interval eval_episodes final_episodes",
    "files and logging": """log_interval log_episodes loggers save_interval keep_checkpoints state_interval
        states_gb""",
}
TOPICS = {title: tuple(names.split()) for title, names in _NAMES.items()}
"""Names of settings, as they are typed without their dashes, by topic."""
PLACES = {
    name: (topic, place) for topic, names in enumerate(TOPICS.values()) for place, name in enumerate(names)
}
"""Where each setting stands: its topic's number, and its place there."""


def place(name: str) -> tuple[int, int]:
    """Where a setting stands: its topic's number, and its place there.

    Args:
        name: as it is typed, without its dashes.
    """
    if name in PLACES:
        return PLACES[name]
    topic = ENVIRONMENT if name.startswith("env.") else OWN
    return list(TOPICS).index(topic), len(TOPICS[topic])
