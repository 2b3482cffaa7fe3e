"""Files that survive: storage, tensors, locks, logs."""
