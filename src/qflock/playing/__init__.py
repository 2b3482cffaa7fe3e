"""Playing episodes: rollouts, evaluation, and whether an environment keeps its promises."""
