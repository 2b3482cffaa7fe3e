"""Settings: where they come from, what they may be, and the registry of names."""
