"""The actor-critic of A2C, IPPO, MAPPO and QIO; its operators and its guidance by cliques."""
