"""Whether an environment keeps its promises."""
