"""Off-policy actor-critics of continuous actions: SAC, DDPG, TD3 and FACMAC of many agents, one learner."""
