"""The golden runs: small runs of every algorithm, and of the switches that choose what learning computes.

Each is what a user would write after ``qflock train``, in the names of the day on which it was recorded.
Every run learns a few times, and is evaluated while it trains and at its end.
"""

from __future__ import annotations

from typing import NamedTuple

COMMON = "--device cpu --eval_episodes 4 --final_episodes 4 --save_interval 0 --state_interval 1000000"
"""Of every run; intervals are multiples of the 32 steps that a learning phase takes."""
PACE = "--total_steps 192 --log_interval 64 --eval_interval 96 --copies 4 --steps 8 --hidden 8"
NETWORK = "--network circuit --circuit_qubits 2 --circuit_layers 2"
MIXER = "--mixer_embed 4 --mixer_hyper 8"
REPLAY = (
    f"{PACE} {MIXER} --td_lambda 0.6 --row_length 4 --buffer_capacity 128 --min_buffer_size 64 "
    "--batch_size 16 --lr 0.01 --train_frequency 16 --target_update_interval 64 --epsilon_decay 256"
)
PQN = f"{PACE} {MIXER} --epochs 2 --minibatches 2 --lr 0.01 --epsilon_decay 256"
CRITIC = f"{PACE} --critic_hidden 8 --lr 0.01 --lr_critic 0.01"
PPO = f"{CRITIC} --epochs 2 --minibatches 2"
SEARCH = (
    "--hidden 4 --network mlp --n_chains 4 --episodes 4 --held_out 8 --sweep 4 --warmup 4 --window 4 "
    "--n_mcmc_steps 24 --log_interval 1 --eval_interval 0 --distil_steps 3"
)
EQMARL = (
    "--qubits 4 --layers 2 --hidden 4 --copies 4 --steps 8 --total_steps 128 --log_interval 64 "
    "--eval_interval 64"
)
ENTANGLED = "--hidden 8 --copies 8 --steps 4 --total_steps 128 --log_interval 64 --eval_interval 64"
LESS_AND_LESS = "--lr_decay 192 --lr_final 0.1 --weight_decay 0.01"
MEMORY = "--network gru --row_length 8 --last_action"
COINS = "--env coin_game --env.max_steps 5"
GRID = "--env gridworld25 --env.grid_size 5 --env.max_steps 6"
FOREST = "--env forest_uav --env.grid_size 6 --env.n_agents 3 --env.episode_len 6"
HOSTED = "--env pettingzoo:tests.bridges.fakes"
TWO_STEP = "--env two_step"


class Case(NamedTuple):
    """Attributes:
    train: what stands after ``qflock train``, without COMMON.
    slow: left to CI and to `slow` runs.
    """

    train: str
    slow: bool = False


QUICK = {
    "eqmarl_split": f"eqmarl {TWO_STEP} {EQMARL} --critic split --end bootstrap --seeds 2",
    "ippo_gru_seeds": f"ippo {TWO_STEP} {PPO} --network gru --last_action --seeds 2",
    "pqn_vdn": f"pqn_vdn --env matrix_game {PQN} --loss huber",
    "qio": f"qio {TWO_STEP} {PPO} --contraction --ramsey",
    "qmarl": f"qmarl --env chsh {SEARCH} --estimator exact",
    "qmix_two_devices": f"qmix {TWO_STEP} {REPLAY} --devices 2",
}
SLOW = {
    "a2c": f"a2c {TWO_STEP} {CRITIC}",
    "a2c_published_floor": f"a2c {COINS} {CRITIC} --operator mean --floor published --min_entropy 0.5 "
    "--entropy exponential --eta 0.5 --no_normalise_values",
    "entangled": f"entangled --env chsh {ENTANGLED}",
    "entangled_dice_gru": f"entangled --env chsh {ENTANGLED} --pair dice --network gru",
    "eqmarl": f"eqmarl {COINS} {EQMARL}",
    "eqmarl_circuit": f"eqmarl {COINS} {EQMARL} --critic circuit --entropy_form corrected --td_gradient semi",
    "ippo_circuits": f"ippo {TWO_STEP} {PPO} {NETWORK} --critic_network circuit --circuit_head linear",
    "ippo_hosted_gru": f"ippo {HOSTED} {PPO} --network gru",
    "ippo_value_clip": f"ippo {TWO_STEP} {PPO} --value_clip 0.2 {LESS_AND_LESS}",
    "iql_gymnasium": f"iql --env gymnasium:CartPole-v1 {REPLAY}",
    "iql_own_reward": f"iql {COINS} {REPLAY} --reward own --no_share_parameters",
    "madqn": f"madqn {TWO_STEP} {REPLAY} --central_hidden 8",
    "madqn_shared_encoder": f"madqn {TWO_STEP} {REPLAY} --central_hidden 8 --central_weight 0.5",
    "mappo_both_unshared": f"mappo {HOSTED} {PPO} --critic both --no_share_parameters --reward own",
    "mappo_circuit": f"mappo {TWO_STEP} {PPO} {NETWORK}",
    "mappo_two_devices_gru": f"mappo {TWO_STEP} {PPO} --network gru --devices 2 --seeds 2",
    "pqn_iql": f"pqn_iql {TWO_STEP} {PQN}",
    "pqn_iql_own_reward": f"pqn_iql {HOSTED} {PQN} --reward own --groups 0,1 --optimiser adam",
    "pqn_qmix_gridworld": f"pqn_qmix {GRID} {PQN} --dueling --td_lambda 0",
    "pqn_qmix_gru": f"pqn_qmix {TWO_STEP} {PQN} --network gru",
    "pqn_vdn_circuit": f"pqn_vdn {TWO_STEP} {PQN} {NETWORK} --circuit_encoding amplitude",
    "pqn_vdn_two_devices": f"pqn_vdn {TWO_STEP} {PQN} --devices 2",
    "qio_forest_ramsey": f"qio {FOREST} {CRITIC} --update a2c --ramsey --entropy_threshold 0.9",
    "qio_rotation": f"qio {TWO_STEP} {PPO} --operator rotation --contraction",
    "qio_temperature": f"qio {TWO_STEP} {PPO} --operator temperature --eta 0.5",
    "qio_target_entropy": f"qio {TWO_STEP} {PPO} --operator none --entropy target --target_clock 2",
    "qmarl_adam": f"qmarl --env chsh {SEARCH} --estimator exact --sampler adam",
    "qmarl_blocks_tempered": f"qmarl {TWO_STEP} {SEARCH} --temperatures 2 --swap_every 2 --blocks all",
    "qmarl_circuit": f"qmarl {TWO_STEP} {SEARCH} {NETWORK} --blocks layer --acting greedy",
    "qmarl_evolution": f"qmarl {TWO_STEP} {SEARCH} --sampler evolution",
    "qmarl_kept": f"qmarl {TWO_STEP} {SEARCH} --estimator kept --no_share_parameters",
    "qmarl_langevin": f"qmarl --env chsh {SEARCH} --estimator exact --proposal langevin",
    "qmarl_penalty": f"qmarl {TWO_STEP} {SEARCH} --estimator penalty",
    "qmarl_redraw": f"qmarl {TWO_STEP} {SEARCH} --estimator redraw --patience 4 --beta_again 0.7",
    "qmarl_smc": f"qmarl {TWO_STEP} {SEARCH} --sampler smc",
    "qmarl_spsa": f"qmarl {TWO_STEP} {SEARCH} --sampler spsa",
    "qmix_burn_in": f"qmix {TWO_STEP} {REPLAY} {MEMORY} --burn_in 2 --target_tau 0.3 --optimiser radam",
    "qmix_circuit": f"qmix {TWO_STEP} {REPLAY} {NETWORK} --circuit_entangler cnot",
    "qmix_gru_seeds": f"qmix {TWO_STEP} {REPLAY} {MEMORY} --seeds 2",
    "qmix_hosted": f"qmix {HOSTED} {REPLAY}",
    "qmix_no_target": f"qmix {TWO_STEP} {REPLAY} --target_update_interval 0 --td_lambda 0 --dueling",
    "qplex": f"qplex {TWO_STEP} {REPLAY}",
    "qplex_groups": f"qplex {COINS} {REPLAY} --groups 0,1 {LESS_AND_LESS}",
    "vdn_other_losses": f"vdn {TWO_STEP} {REPLAY} --row_length 8 --last_action --loss huber "
    "--n_step 3 --no_double_q",
    "wqmix": f"wqmix {TWO_STEP} {REPLAY} --central_hidden 8",
    "wqmix_central": f"wqmix {TWO_STEP} {REPLAY} --central_hidden 8 --weighting central --weight 0.5",
}
OFF = (
    f"--env tests/contracts/games.py:Quadratic {PACE} --critic_hidden 8 --buffer_capacity 128 --lr 0.01 "
    "--min_buffer_size 64 --batch_size 16 --train_frequency 16 --tau 0.1"
)
SLOW |= {
    "facmac": f"facmac {OFF} --mixer_embed 4 --mixer_hyper 8",
    "iddpg": f"iddpg {OFF} --reward own",
    "isac_own_reward": f"isac {OFF} --reward own",
    "maddpg": f"maddpg {OFF}",
    "masac_in_turn": f"masac {OFF} --in_turn --no_share_parameters --row_length 4 --n_step 3",
    "matd3": f"matd3 {OFF}",
    "ippo_box": f"ippo --env tests/contracts/games.py:Quadratic {PPO}",
}
CASES = {name: Case(train) for name, train in QUICK.items()}
CASES |= {name: Case(train, slow=True) for name, train in SLOW.items()}
