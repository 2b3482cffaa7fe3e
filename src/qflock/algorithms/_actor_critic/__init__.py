"""The actor-critic of A2C, IPPO, MAPPO and QIO; its amplitude operator and its guidance by cliques."""
