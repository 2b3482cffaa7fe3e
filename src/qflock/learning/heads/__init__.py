"""Action heads by name: one file each, with ``build(action) -> learning.actions.Actions``."""
